"""What `doctor` finds on a host, as values: levels, remedies, what the whole comes to. Pure.

A check is a row of a table: it belongs to a group, and yields findings. It looks and never mends. A finding that is no praise says what to do,
as a command or a line to write.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from torchsync.codes import CODES
from torchsync.errors import Problem

Document = dict[str, object]


class Level(Enum):
    """How bad it is. UNKNOWN: the check itself failed or did not end, so nothing is known, good or bad."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    PROBLEM = "problem"
    UNKNOWN = "unknown"


class Stake(Enum):
    """What a problem keeps from working; the value is the exit status of the command, in the order in which they stand in each other's way."""

    CONFIG = 78
    STATE = 73
    REMOTE = 69
    POLICY = 77
    COMMIT = 65
    HOST = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One sentence about the host. `remedy` is what to do, empty where nothing is to be done; `stake` overrules that of the check."""

    level: Level
    message: str
    remedy: str = ""
    code: str = ""
    stake: Stake | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A check and what it found, worst first; or why it was not made."""

    group: str
    name: str
    findings: tuple[Finding, ...]
    stake: Stake = Stake.HOST
    skipped: str = ""


def fine(message: str) -> Finding:
    return Finding(level=Level.OK, message=message)


def note(message: str, remedy: str = "", code: str = "") -> Finding:
    return Finding(level=Level.NOTE, message=message, remedy=remedy, code=code)


def warning(message: str, remedy: str, code: str = "") -> Finding:
    return Finding(level=Level.WARNING, message=message, remedy=remedy, code=code)


def problem(message: str, remedy: str, code: str = "", stake: Stake | None = None) -> Finding:
    return Finding(level=Level.PROBLEM, message=message, remedy=remedy, code=code, stake=stake)


def unknown(message: str, remedy: str = "") -> Finding:
    return Finding(level=Level.UNKNOWN, message=message, remedy=remedy, code="TS381")


def told(found: Problem, level: Level = Level.PROBLEM, stake: Stake | None = None) -> Finding:
    """A problem as a finding; its remedy is the hint, else what the table of codes says."""
    place = ":".join(str(part) for part in (found.path, found.line, found.column) if part)
    message = f"{place}: {found.message}" if place else found.message
    return Finding(level=level, message=message, remedy=found.hint or CODES[found.code].remedy, code=found.code, stake=stake)


_WORST_FIRST = (Level.PROBLEM, Level.UNKNOWN, Level.WARNING, Level.NOTE, Level.OK)


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Worst first, otherwise as they came."""
    return tuple(sorted(findings, key=lambda finding: _WORST_FIRST.index(finding.level)))


def skipped(group: str, name: str, why: str) -> Checked:
    return Checked(group=group, name=name, findings=(), skipped=why)


def checked(group: str, name: str, stake: Stake, findings: Iterable[Finding]) -> Checked:
    return Checked(group=group, name=name, findings=ordered(findings), stake=stake)


def count(results: Iterable[Checked], level: Level) -> int:
    return sum(finding.level is level for result in results for finding in result.findings)


def exit_status(results: Sequence[Checked]) -> int:
    """0 when nothing is worse than a warning; else that of the first problem in the order of `Stake`, and 1 when all there is are unknowns."""
    stakes = {finding.stake or result.stake for result in results for finding in result.findings if finding.level is Level.PROBLEM}
    for stake in Stake:
        if stake in stakes:
            return stake.value
    return 1 if count(results, Level.UNKNOWN) else 0


def report_document(results: Sequence[Checked], *, version: str, config: str, host: str) -> Document:
    """As `doctor.schema.json` has it."""
    return {
        "version": version,
        "host": host,
        "config": config,
        "exit_status": exit_status(results),
        "summary": {level.value: count(results, level) for level in Level},
        "checks": [
            {
                "group": result.group,
                "name": result.name,
                "skipped": result.skipped or None,
                "findings": [_finding(finding) for finding in result.findings],
            }
            for result in results
        ],
    }


def _finding(finding: Finding) -> Document:
    return {
        "level": finding.level.value,
        "message": finding.message,
        "remedy": finding.remedy or None,
        "code": finding.code or None,
    }
