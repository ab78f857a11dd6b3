"""The part of a fleet that somebody asks for: by task, owner and label of tasks, by hosts and their labels. Pure.

Patterns know `*`, `?` and `[...]`. Hosts are named as a task file names them: a name pattern, an address or network, `label=pattern`, `@group`, and
`!` excludes. Who asks for tasks sees the hosts that run them, who asks for hosts the tasks that they run.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TypeVar

from torchsync.core.fleet import Fleet
from torchsync.core.fleetchange import FleetChange, HostMove, Kind, TaskMove
from torchsync.core.hostmask import Selection
from torchsync.core.hostmask import places as places_of
from torchsync.core.inventory import Inventory
from torchsync.core.model import HostFacts, Task, TaskName


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetFilter:
    """What is asked for. A task has to match one pattern of each kind that is given; `labels` are pairs of a name and a pattern, all of which
    have to match.
    """

    tasks: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    hosts: tuple[str, ...] = ()
    """Selectors."""

    def admits(self, task: Task) -> bool:
        """Whether the task is one of those that are asked for, wherever it runs."""
        return (
            (not self.tasks or _matches_one(task.name, self.tasks))
            and (not self.owners or _matches_one(task.owner, self.owners))
            and all(name in task.labels and fnmatchcase(task.labels[name], pattern) for name, pattern in self.labels)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A fleet and the inventory that it is of: that of one revision."""

    fleet: Fleet
    inventory: Inventory


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The names that are asked for. `by_task` and `by_host` say whether not all of them are."""

    tasks: frozenset[TaskName]
    hosts: frozenset[str]
    by_task: bool
    by_host: bool


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A pattern of the option `--option` that matches nothing, and names that are near."""

    option: str
    pattern: str
    near: tuple[str, ...] = ()


def chosen(wanted: FleetFilter, places: Iterable[Place]) -> Chosen:
    """What is asked for in any of the places. Raises ValueError for a selector that is none."""
    tasks: set[TaskName] = set()
    hosts: set[str] = set()
    for place in places:
        tasks |= {name for name, task in place.fleet.tasks.items() if wanted.admits(task)}
        names, facts = tuple(place.fleet.hosts), tuple(place.fleet.hosts.values())
        hosts |= {names[one] for one in places_of(Selection(facts, place.inventory.groups).of(wanted.hosts))}
    by_task = bool(wanted.tasks or wanted.owners or wanted.labels)
    return Chosen(tasks=frozenset(tasks), hosts=frozenset(hosts), by_task=by_task, by_host=bool(wanted.hosts))


def narrowed(fleet: Fleet, asked: Chosen) -> Fleet:
    """What is left: a task that no host runs stays unless hosts are asked for, a host that runs nothing unless tasks are."""
    tasks_of = {host: tuple(name for name in names if name in asked.tasks) for host, names in fleet.tasks_of.items() if host in asked.hosts}
    hosts_of = {name: tuple(host for host in hosts if host in asked.hosts) for name, hosts in fleet.hosts_of.items() if name in asked.tasks}
    kept_tasks = {name: hosts for name, hosts in hosts_of.items() if hosts or not asked.by_host}
    kept_hosts = {host: names for host, names in tasks_of.items() if names or not asked.by_task}
    return Fleet(
        hosts={host: fleet.hosts[host] for host in kept_hosts},
        tasks={name: fleet.tasks[name] for name in kept_tasks},
        tasks_of=kept_hosts,
        hosts_of=kept_tasks,
    )


def narrowed_change(change: FleetChange, asked: Chosen, head: Fleet) -> FleetChange:
    """What of the change is about the hosts and tasks that are asked for. `head` is what the change leads to."""
    tasks = (_only(move, asked.hosts) for move in change.tasks if move.name in asked.tasks)
    hosts = (_only(move, asked.tasks) for move in change.hosts if move.name in asked.hosts)
    return FleetChange(
        tasks=tuple(
            move
            for move in tasks
            if not asked.by_host
            or move.gains
            or move.loses
            or (move.kind is not Kind.SAME and not asked.hosts.isdisjoint(head.hosts_of.get(move.name, ())))
        ),
        hosts=tuple(move for move in hosts if not asked.by_task or move.gains or move.loses),
    )


def unmatched(wanted: FleetFilter, places: Iterable[Place]) -> Iterator[Unmatched]:
    """The patterns that match nothing in any of the places, `!` ones aside."""
    known = list(places)
    tasks = {name: task for place in known for name, task in place.fleet.tasks.items()}
    owners = {task.owner for task in tasks.values()}
    facts = {name: facts for place in known for name, facts in place.fleet.hosts.items()}
    yield from _strangers("task", wanted.tasks, tasks)
    yield from _strangers("owner", wanted.owners, owners)
    for name, pattern in wanted.labels:
        if not any(FleetFilter(labels=((name, pattern),)).admits(task) for task in tasks.values()):
            yield Unmatched("label", f"{name}={pattern}", _near(f"{name}={pattern}", _labels(tasks.values())))
    for selector in wanted.hosts:
        if not selector.startswith("!") and not chosen(FleetFilter(hosts=(selector,)), known).hosts:
            yield Unmatched("host", selector, _near(selector, facts.keys() | _labels(facts.values())))


def _labels(of: Iterable[Task | HostFacts]) -> set[str]:
    return {f"{name}={value}" for one in of for name, value in one.labels.items()}


def _strangers(option: str, patterns: Iterable[str], names: Iterable[str]) -> Iterator[Unmatched]:
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            yield Unmatched(option, pattern, _near(pattern, names))


def _near(pattern: str, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(get_close_matches(pattern, sorted(filter(None, names)), n=3))


def _matches_one(text: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in patterns)


Move = TypeVar("Move", TaskMove, HostMove)


def _only(move: Move, names: Container[str]) -> Move:
    """The move as far as it is about these names."""
    gains = tuple(name for name in move.gains if name in names)
    loses = tuple(name for name in move.loses if name in names)
    return replace(move, gains=gains, loses=loses)
