"""Problems for people and for programs: one line each with its place, the line of the file, a caret, and what to write instead."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import TextIO

from torchsync.cli.terminal import Tone, paint, printable
from torchsync.codes import CODES
from torchsync.core.jsontext import Json
from torchsync.errors import Problem

_WIDEST = 120


def print_problems(
    problems: Sequence[Problem], stream: TextIO, sources: Mapping[str, bytes] | None = None, *, are_warnings: bool = False
) -> None:
    """Every problem is on the stream; with the line of its file where `sources` holds that by path. Coloured on a terminal only."""
    coloured = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    split: dict[str, Sequence[str]] = {}
    for problem in problems:
        if problem.path not in split:
            split[problem.path] = _lines((sources or {}).get(problem.path, b""))
        for line in _problem_lines(problem, split[problem.path], coloured=coloured, is_warning=are_warnings):
            print(line, file=stream)


def problem_lines(problem: Problem, sources: Mapping[str, bytes], *, coloured: bool = False, is_warning: bool = False) -> Iterator[str]:
    """`FILE:LINE:COLUMN: CODE message`, then, where they are known, the line of the file, a caret below its column, and the hint."""
    return _problem_lines(problem, _lines(sources.get(problem.path, b"")), coloured=coloured, is_warning=is_warning)


def _problem_lines(problem: Problem, lines: Sequence[str], *, coloured: bool, is_warning: bool) -> Iterator[str]:
    place = ":".join(str(part) for part in (problem.path, problem.line, problem.column) if part)
    head = f"{paint(printable(place), Tone.HEAD, coloured=coloured)}: " if place else ""
    code = paint(problem.code, Tone.HEAD if is_warning else Tone.BAD, coloured=coloured)
    yield f"{head}{code} {'warning: ' if is_warning else ''}{sentence(problem)}"
    yield from _excerpt(problem, lines, coloured=coloured)
    if problem.hint:
        yield paint(f"    {printable(problem.hint)}", Tone.GOOD, coloured=coloured)


def sentence(problem: Problem) -> str:
    """What is wrong, on one line that can be shown, with the task where the message does not name it."""
    is_named = any(f"{quote}{problem.task}{quote}" in problem.message for quote in '`"')
    return printable(f"task {problem.task}: {problem.message}" if problem.task and not is_named else problem.message)


def problems_document(problems: Sequence[Problem]) -> list[Json]:
    """The problems as `problems.schema.json` describes them."""
    return [_problem_document(problem) for problem in problems]


def _problem_document(problem: Problem) -> Json:
    reason = problem.reason
    return {
        "code": problem.code,
        "title": CODES[problem.code].title,
        "reason": reason.value if reason else None,
        "message": problem.message,
        "hint": problem.hint,
        "path": problem.path,
        "line": problem.line,
        "column": problem.column,
        "task": problem.task,
    }


def _lines(source: bytes) -> Sequence[str]:
    return source.decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n").split("\n")


def _excerpt(problem: Problem, lines: Sequence[str], *, coloured: bool) -> Iterator[str]:
    """The line of the file as far as it fits, and a caret below the place. Nothing when the text is not at hand."""
    if not 0 < problem.line <= len(lines) or not lines[problem.line - 1].strip():
        return
    start = max(0, problem.column - 1 - _WIDEST // 2) if problem.column > _WIDEST else 0
    shown = printable(lines[problem.line - 1][start : start + _WIDEST].replace("\t", " "))
    number = f"{problem.line:5} | "
    yield paint(number, Tone.FAINT, coloured=coloured) + shown
    if problem.column:
        before = " " * _width(shown[: problem.column - 1 - start])
        yield paint("      | ", Tone.FAINT, coloured=coloured) + before + paint("^", Tone.BAD, coloured=coloured)


def _width(text: str) -> int:
    """How many columns a terminal takes for `text`: two for wide characters, none for accents that sit on another (UAX #11)."""
    return sum(0 if unicodedata.combining(character) else 1 + (unicodedata.east_asian_width(character) in "WF") for character in text)
