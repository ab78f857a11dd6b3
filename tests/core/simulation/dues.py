"""Which instants a task has, by the slow oracle of the schedule tests: nothing of torchsync is asked."""

from __future__ import annotations

import hashlib
from functools import cache
from zoneinfo import ZoneInfo

from tests.core.cron_oracle import Oracle, without_h
from torchsync.core.model import CronTiming, HostFacts, Task

DAY = 86_400_000


def delay_of(task: Task, facts: HostFacts) -> int:
    """By how much the task is due later than its instants on this host, in milliseconds."""
    assert isinstance(task.timing, CronTiming)
    if not task.timing.jitter:
        return 0
    digest = hashlib.sha256("\0".join([facts.name, task.name, "jitter"]).encode()).digest()
    return int.from_bytes(digest[:8], "big") % task.timing.jitter


def rhythm_of(task: Task, facts: HostFacts) -> tuple[str, str, int] | None:
    """What the instants depend on; None for a task without any."""
    if not isinstance(task.timing, CronTiming) or not task.enabled:
        return None
    zone = facts.zone if task.timing.zone == "local" else task.timing.zone
    text = task.timing.schedule
    return (text if text.startswith("@") else without_h(text, facts.name, task.name)), zone, delay_of(task, facts)


def is_at_startup(task: Task) -> bool:
    return isinstance(task.timing, CronTiming) and task.timing.schedule == "@startup"


def instants(task: Task, facts: HostFacts, after: int, until: int) -> list[int]:
    """Those later than `after`, up to `until`, in milliseconds."""
    rhythm = rhythm_of(task, facts)
    assert rhythm is not None
    text, zone, _ = rhythm
    if text.startswith("@every "):
        step = int(text[7:-1]) * 1000
        return list(range((after // step + 1) * step, until + 1, step))
    days = range(after // DAY, until // DAY + 1)
    return [at for day in days for at in _of_day(text, zone, day) if after < at <= until]


@cache
def _of_day(text: str, zone: str, day: int) -> tuple[int, ...]:
    start = day * DAY // 1000
    return tuple(second * 1000 for second in Oracle.of(text).fires(ZoneInfo(zone), start, start + DAY // 1000, 60))
