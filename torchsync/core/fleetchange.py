"""What differs between who runs what in two revisions: per task the hosts it gains and loses, per host the tasks. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from torchsync.core.diff import diff
from torchsync.core.fleet import Fleet
from torchsync.core.model import HostFacts, TaskName

Name = TypeVar("Name", bound=str)


class Kind(Enum):
    """What became of a task, or of a host of the inventory."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    """Its definition, a file it depends on, or what the inventory says of the host."""
    SAME = "same"
    """Only who runs what differs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskMove:
    """A task that differs, or that other hosts run now. `fields` are the words of a task file that differ, as in `core/diff.py`."""

    name: TaskName
    kind: Kind
    gains: tuple[str, ...]
    loses: tuple[str, ...]
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HostMove:
    """A host that differs, or that runs other tasks now. `fields` are the words of hosts.yaml that differ."""

    name: str
    kind: Kind
    gains: tuple[TaskName, ...]
    loses: tuple[TaskName, ...]
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetChange:
    """Everything that differs, by name."""

    tasks: tuple[TaskMove, ...] = ()
    hosts: tuple[HostMove, ...] = ()


def fleet_change(base: Fleet, head: Fleet) -> FleetChange:
    """What leads from `base` to `head`."""
    return FleetChange(tasks=tuple(_task_moves(base, head)), hosts=tuple(_host_moves(base, head)))


def _task_moves(base: Fleet, head: Fleet) -> Iterator[TaskMove]:
    fields = {change.name: change.fields for change in diff(base.tasks, head.tasks).changed}
    for name in sorted(base.tasks.keys() | head.tasks.keys()):
        before, after = base.hosts_of.get(name, ()), head.hosts_of.get(name, ())
        kind = _kind(is_old=name in base.tasks, is_new=name in head.tasks, differs=name in fields)
        if kind is not Kind.SAME or before != after:
            yield TaskMove(name=name, kind=kind, gains=_without(after, before), loses=_without(before, after), fields=fields.get(name, ()))


def _host_moves(base: Fleet, head: Fleet) -> Iterator[HostMove]:
    for name in sorted(base.hosts.keys() | head.hosts.keys()):
        before, after = base.tasks_of.get(name, ()), head.tasks_of.get(name, ())
        fields = tuple(_differing(base.hosts, head.hosts, name))
        kind = _kind(is_old=name in base.hosts, is_new=name in head.hosts, differs=bool(fields))
        if kind is not Kind.SAME or before != after:
            yield HostMove(name=name, kind=kind, gains=_without(after, before), loses=_without(before, after), fields=fields)


def _kind(*, is_old: bool, is_new: bool, differs: bool) -> Kind:
    if not is_old:
        return Kind.ADDED
    if not is_new:
        return Kind.REMOVED
    return Kind.CHANGED if differs else Kind.SAME


def _differing(base: Mapping[str, HostFacts], head: Mapping[str, HostFacts], name: str) -> Iterator[str]:
    if name not in base or name not in head:
        return
    old, new = base[name], head[name]
    words = {"addresses": old.addresses != new.addresses, "labels": old.labels != new.labels, "timezone": old.zone != new.zone}
    yield from (word for word, differs in words.items() if differs)


def _without(names: tuple[Name, ...], others: tuple[Name, ...]) -> tuple[Name, ...]:
    known = frozenset(others)
    return tuple(name for name in names if name not in known)
