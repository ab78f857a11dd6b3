"""What is said of a fleet, in the words of its tables: the same on a terminal and in Markdown."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from torchsync.core.cron import StartupSchedule, parse_schedule
from torchsync.core.fleet import Fleet
from torchsync.core.fleetchange import HostMove, Kind
from torchsync.core.fleetdoc import FleetReport
from torchsync.core.hostnames import brief_names
from torchsync.core.model import CronTiming, HostFacts, ProgramCommand, ShellCommand, Task, TaskName

NAMES_WIDTH = 60
"""Characters of a list of names where not all of them are asked for."""
NO_OWNER = "(no owner)"

_WIDE = 1 << 30
_MARKS = {Kind.ADDED: "+", Kind.REMOVED: "-", Kind.CHANGED: "~", Kind.SAME: " "}


class By(Enum):
    """What the rows are."""

    TASK = "task"
    HOST = "host"
    OWNER = "owner"


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much is said: with `full` every name."""

    full: bool = False

    @property
    def width(self) -> int:
        return _WIDE if self.full else NAMES_WIDTH

    def hosts(self, names: Sequence[str], every: int = 0) -> str:
        """How many and which; `every` is how many there are, so that all of them need not be named."""
        if not names:
            return "none"
        if len(names) == every and every > 1 and not self.full:
            return f"all {every}"
        return brief_names(names, self.width) if len(names) == 1 else f"{len(names)}: {brief_names(names, self.width)}"

    def tasks(self, names: Sequence[str]) -> str:
        if not names:
            return "none"
        return listed(names, self.width) if len(names) == 1 else f"{len(names)}: {listed(names, self.width)}"


def listed(names: Sequence[str], width: int) -> str:
    """The names, the first at least and as many as fit into `width` characters, and how many the others are."""
    told, left = "", len(names)
    for name in names:
        longer = f"{told}, {name}" if told else name
        tail = f" and {left - 1} more" if left > 1 else ""
        if told and len(longer) + len(tail) > width:
            return f"{told} and {left} more"
        told, left = longer, left - 1
    return told


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def summary(report: FleetReport) -> str:
    """What was read, how much that is, and how much of it is shown."""
    read = report.words if report.revision is None else f"{report.words} ({report.revision[:12]}{', changed' if report.is_dirty else ''})"
    told = f"{_size(report.whole)} in {read}"
    return f"{_size(report.shown)} of {told}" if report.filters else told


def _size(fleet: Fleet) -> str:
    return f"{count(len(fleet.hosts), 'host')} and {count(len(fleet.tasks), 'task')}"


# Tasks


def schedule(task: Task) -> str:
    match task.timing:
        case CronTiming(schedule=text):
            return text
        case _:
            return "daemon" if task.max_running == 1 else f"daemon, {task.max_running} copies"


def zone(task: Task) -> str:
    return task.timing.zone if isinstance(task.timing, CronTiming) else ""


def no_next(report: FleetReport, task: Task) -> str:
    """Why there is no next instant."""
    if not task.enabled:
        return "disabled"
    if not isinstance(task.timing, CronTiming):
        return "kept running"
    if isinstance(parse_schedule(task.timing.schedule), StartupSchedule):
        return "after a boot"
    return "by host" if task.name in report.by_host else "none to come"


def command(task: Task) -> str:
    match task.command:
        case ShellCommand(text=text):
            return text
        case ProgramCommand(argv=argv):
            return shlex.join(argv)


def selectors(task: Task) -> str:
    return ", ".join(task.hosts) or "every host"


def labels(pairs: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in sorted(pairs.items()))


# Hosts


def common_labels(hosts: Iterable[HostFacts]) -> str:
    """The labels that all of the hosts have."""
    shared = set.intersection(*(set(facts.labels.items()) for facts in hosts))
    return labels(dict(shared))


@dataclass(frozen=True, slots=True, kw_only=True)
class Owned:
    """What one owner has: tasks, and the hosts that run them."""

    owner: str
    tasks: tuple[TaskName, ...]
    hosts: tuple[str, ...]


def owned(fleet: Fleet) -> Iterator[Owned]:
    """By owner; those without one come last."""
    owners: dict[str, list[TaskName]] = {}
    for name, task in fleet.tasks.items():
        owners.setdefault(task.owner, []).append(name)
    for owner in sorted(owners, key=lambda name: (not name, name)):
        hosts = {host for name in owners[owner] for host in fleet.hosts_of[name]}
        yield Owned(owner=owner or NO_OWNER, tasks=tuple(owners[owner]), hosts=tuple(sorted(hosts)))


# What differs


def mark(kind: Kind) -> str:
    return _MARKS[kind]


def alike(moves: Iterable[HostMove]) -> tuple[tuple[HostMove, tuple[str, ...]], ...]:
    """Hosts with the same move are one: a move of them, and the names of all."""
    found: dict[tuple[Kind, tuple[str, ...], tuple[str, ...], tuple[str, ...]], list[HostMove]] = {}
    for move in moves:
        found.setdefault((move.kind, move.fields, move.gains, move.loses), []).append(move)
    return tuple((group[0], tuple(move.name for move in group)) for group in found.values())
