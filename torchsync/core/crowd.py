"""Minutes in which a host has much to start at once. Pure.

Counted are the tasks with a fixed time: one that fires all the time is in every minute alike, and one with `H` or `jitter` is spread already.
Hosts that run the same tasks are one class, so a fleet costs as much as it has kinds of hosts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import takewhile

from torchsync.core.cron import EverySchedule, ScheduleRefusal, StartupSchedule, has_hash, instants, parse_schedule, zone_named
from torchsync.core.inventory import Inventory
from torchsync.core.model import CronTiming, Instant, TaskName
from torchsync.core.selector import selects

CROWD = 20
"""This many tasks of one host in one minute are worth a word."""

_DAYS = 7
_MINUTE = 60_000
_OFTEN = 48
"""A task that fires more often a day than this is there in every minute anyway."""

Hosts = tuple[str, ...]
"""The selectors of a task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """A task that may take part."""

    name: TaskName
    hosts: Hosts
    timing: CronTiming


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """`tasks` fire in the same minute of `host`, which is empty when only the selectors are known; `minute` is the first such minute."""

    minute: Instant
    tasks: tuple[TaskName, ...]
    host: str = ""
    more_hosts: int = 0


def crowds(tasks: Iterable[Timed], inventory: Inventory, start: Instant) -> tuple[Crowd, ...]:
    """The worst minute of each class of hosts in the week from `start` on, where it is a crowd; each set of tasks once.

    Without an inventory only tasks with the same selectors are known to share hosts.
    """
    by_selectors: dict[Hosts, list[Timed]] = {}
    for task in tasks:
        if not task.timing.jitter and not has_hash(task.timing.schedule):
            by_selectors.setdefault(task.hosts, []).append(task)
    classes = _classes(list(by_selectors), inventory) if inventory.hosts else [((), [selectors]) for selectors in by_selectors]
    found: dict[tuple[TaskName, ...], Crowd] = {}
    for hosts, chosen in classes:
        crowd = _worst([task for selectors in chosen for task in by_selectors[selectors]], start)
        if crowd and crowd.tasks not in found:
            found[crowd.tasks] = replace(crowd, host=hosts[0] if hosts else "", more_hosts=max(0, len(hosts) - 1))
    return tuple(found.values())


def _classes(selectors: Sequence[Hosts], inventory: Inventory) -> list[tuple[tuple[str, ...], list[Hosts]]]:
    """Hosts by name that have the same tasks, and the selectors of those."""
    by_class: dict[tuple[int, ...], list[str]] = {}
    for name in inventory.hosts:
        facts = inventory.named(name)
        chosen = tuple(number for number, one in enumerate(selectors) if selects(one, facts, inventory.groups))
        by_class.setdefault(chosen, []).append(name)
    return [(tuple(names), [selectors[number] for number in chosen]) for chosen, names in by_class.items()]


def _worst(tasks: Sequence[Timed], start: Instant) -> Crowd | None:
    if len(tasks) < CROWD:
        return None
    counts: Counter[int] = Counter()
    for task in tasks:
        counts.update(_minutes(task.timing, start))
    if not counts:
        return None
    most = max(counts.values())
    if most < CROWD:
        return None
    minute = min(minute for minute, count in counts.items() if count == most)
    names = tuple(task.name for task in tasks if minute in _minutes(task.timing, start))
    return Crowd(minute=Instant(minute * _MINUTE), tasks=names)


@lru_cache(maxsize=16_384)
def _minutes(timing: CronTiming, start: Instant) -> frozenset[int]:
    """The minutes of the week in which the task fires, counted since 1970; none for a task that fires often."""
    schedule = parse_schedule(timing.schedule)
    if isinstance(schedule, (ScheduleRefusal, StartupSchedule, EverySchedule)) or timing.zone == "local":
        return frozenset()
    end = start + _DAYS * 86_400_000
    found: set[int] = set()
    for instant in takewhile(lambda instant: instant < end, instants(schedule, zone_named(timing.zone), Instant(start - 1))):
        found.add(instant // _MINUTE)
        if len(found) > _OFTEN * _DAYS:
            return frozenset()
    return frozenset(found)
