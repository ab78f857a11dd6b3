"""What the metrics of a task are read from: its status, and nothing else. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import TypeVar

from torchsync.core.model import CronTiming, Instant
from torchsync.core.snapshot import Histogram, TaskStatus

Value = int | float | Histogram
Sample = tuple[tuple[str, ...], Value]
"""The values of a row's labels, in their order, and the number."""
ReadTask = Callable[[TaskStatus], Iterable[Sample]]
Number = Callable[[TaskStatus], int | float]

Key = TypeVar("Key", bound=Enum)


def in_seconds(instant: Instant | None) -> float:
    return (instant or 0) / 1000


def each(number: Number) -> ReadTask:
    return lambda status: (((status.task.name,), number(status)),)


def where_known(number: Callable[[TaskStatus], float | None]) -> ReadTask:
    """No sample where there is nothing to know."""
    return lambda status: [((status.task.name,), found) for found in (number(status),) if found is not None]


def cpu_seconds(status: TaskStatus) -> float | None:
    cpu = status.record.last_usage.cpu
    return None if cpu is None else cpu / 1000


def each_by(kind: type[Key], counts: Callable[[TaskStatus], Mapping[Key, int]]) -> ReadTask:
    keys = [(key, key.value) for key in kind]
    return lambda status: [((status.task.name, value), found.get(key, 0)) for found in (counts(status),) for key, value in keys]


def state_of(status: TaskStatus) -> str:
    """`active`, `disabled` or `paused`."""
    if not status.task.enabled:
        return "disabled"
    return "paused" if status.paused else "active"


def info_of(status: TaskStatus) -> Iterable[Sample]:
    task, timing = status.task, status.task.timing
    schedule, zone, kind = (timing.schedule, timing.zone, "cron") if isinstance(timing, CronTiming) else ("", "", "daemon")
    return (((task.name, schedule, zone, kind, task.owner, task.severity.value), 1),)


def timeout(status: TaskStatus) -> float:
    timing = status.task.timing
    return timing.timeout / 1000 if isinstance(timing, CronTiming) else 0


def max_duration(status: TaskStatus) -> float:
    """A daemon is to run for ever; its limit may come from the defaults of a file."""
    return 0 if status.task.is_daemon else status.task.alert.max_duration / 1000


def alert_failures(status: TaskStatus) -> int:
    """A task that is disabled is of no concern: its last run may have failed, and no other will say better."""
    return status.task.alert.failures if status.task.enabled else 0


def retries(status: TaskStatus) -> int | None:
    return None if status.task.is_daemon else status.record.retries


def missing_copies(status: TaskStatus) -> int | None:
    """Nobody misses those that are not to run."""
    if not status.task.is_daemon:
        return None
    wanted = status.task.max_running if status.task.enabled and not status.paused else 0
    return max(0, wanted - len(status.running))


def restarts(status: TaskStatus) -> int | None:
    return status.record.restarts if status.task.is_daemon else None
