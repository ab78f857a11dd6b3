"""Problems as a SARIF 2.1.0 log, for code scanning of forges and for editors. Section numbers are those of the OASIS standard."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from importlib.metadata import version
from urllib.parse import quote

from torchsync.cli.checkoutroot import path_below
from torchsync.cli.report import sentence
from torchsync.cli.terminal import printable
from torchsync.codes import CODES
from torchsync.core.jsontext import Json
from torchsync.errors import Problem

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_ROOT = "%SRCROOT%"
_FINGERPRINT = "torchsync/v1"


class _Level(Enum):
    """How grave a result is (3.27.10)."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a check found. `sources` has the texts of files by the path of a problem, `left_out` counts what is not among the problems.

    `root` is the folder that the forge's paths begin at.
    """

    problems: Sequence[Problem]
    warnings: Sequence[Problem]
    sources: Mapping[str, bytes]
    root: str
    exit_status: int
    left_out: int = 0


def sarif_document(findings: Findings) -> Json:
    """One run of one tool. Its rules are the codes that occur, and it names no place of this machine."""
    levels = {problem.code: _Level.WARNING for problem in findings.warnings} | {problem.code: _Level.ERROR for problem in findings.problems}
    codes = sorted(levels)
    driver: Json = {
        "name": "torchsync",
        "version": version("torchsync"),
        "semanticVersion": version("torchsync"),
        "rules": [_rule(code, levels[code]) for code in codes],
    }
    run: Json = {
        "tool": {"driver": driver},
        "invocations": [_invocation(findings)],
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The root of the checkout."}}},
        "columnKind": "utf16CodeUnits",
        "results": list(_results(findings, {code: index for index, code in enumerate(codes)})),
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: str, level: _Level) -> Json:
    info = CODES[code]
    return {
        "id": code,
        "name": "".join(word.capitalize() for word in info.title.split() if word.isalnum()),
        "shortDescription": {"text": info.title},
        "fullDescription": {"text": info.cause},
        "help": {"text": f"{info.cause}\n\nWhat to do: {info.remedy}", "markdown": f"{info.cause}\n\n**What to do:** {info.remedy}"},
        "defaultConfiguration": {"level": level.value},
        "properties": {"problem.severity": level.value},
    }


def _invocation(findings: Findings) -> dict[str, Json]:
    """The check itself succeeded, whatever it found (3.20.14)."""
    done: dict[str, Json] = {"executionSuccessful": True, "exitCode": findings.exit_status}
    if findings.left_out:
        text = f"{findings.left_out:,} more problems are not in here: mend the first ones, and the next check tells the rest"
        done["toolExecutionNotifications"] = [{"level": "note", "message": {"text": text}}]
    return done


def _results(findings: Findings, indexes: Mapping[str, int]) -> Iterator[Json]:
    lines = {path: _lines(text) for path, text in findings.sources.items()}
    seen: Counter[str] = Counter()
    for level, problems in ((_Level.ERROR, findings.problems), (_Level.WARNING, findings.warnings)):
        for problem in problems:
            line = _line(lines.get(problem.path, ()), problem.line)
            path = path_below(findings.root, problem.path)
            basis = "\0".join((problem.code, path, problem.task, line.strip()))
            seen[basis] += 1
            yield {
                "ruleId": problem.code,
                "ruleIndex": indexes[problem.code],
                "level": level.value,
                "message": {"text": _text(problem)},
                "locations": [{"physicalLocation": _place(problem, path, line)}],
                "partialFingerprints": {_FINGERPRINT: _fingerprint(basis, seen[basis])},
            }


def _text(problem: Problem) -> str:
    """A brace that is meant is doubled (3.11.5), and nothing in a message is to become a link (3.11.6)."""
    text = f"{sentence(problem)}; {printable(problem.hint)}" if problem.hint else sentence(problem)
    return text.replace("{", "{{").replace("}", "}}").replace("](", "] (")


def _place(problem: Problem, path: str, line: str) -> Json:
    location: Json = {"uri": quote(path, errors="surrogateescape"), "uriBaseId": _ROOT}
    if not problem.line:
        return {"artifactLocation": location}
    region: dict[str, Json] = {"startLine": problem.line}
    if problem.column:
        region["startColumn"] = _utf16_column(line, problem.column)
    return {"artifactLocation": location, "region": region}


def _utf16_column(line: str, column: int) -> int:
    """The column, which counts characters, in code units of UTF-16: what readers take a column for that do not look at `columnKind`."""
    return column + sum(ord(character) > 0xFFFF for character in line[: column - 1])


def _fingerprint(basis: str, number: int) -> str:
    """The same as long as the line and its task are, wherever the line moves in its file. `number` tells equal ones apart, in their order."""
    digest = hashlib.sha256(basis.encode(errors="surrogateescape")).hexdigest()
    return f"{digest[:32]}:{number}"


def _lines(text: bytes) -> Sequence[str]:
    return text.decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n").split("\n")


def _line(lines: Sequence[str], number: int) -> str:
    return lines[number - 1] if 0 < number <= len(lines) else ""
