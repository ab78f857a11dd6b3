"""From when on a task is late: how old its last success may be. Pure."""

from __future__ import annotations

from functools import lru_cache
from itertools import islice, pairwise

from torchsync.core.model import CronTiming, HostFacts, Instant, Millis, TaskName
from torchsync.core.snapshot import TaskStatus
from torchsync.core.timetable import is_startup, rhythm_of

_LOOKED_AHEAD = 64
_ALLOWED_FOR_A_RUN = Millis(3_600_000)


def late_since(status: TaskStatus, now: Instant) -> Instant | None:
    """Since when the last success of the task is too old; None when it is not, or operators hold the task back."""
    timing, record = status.task.timing, status.record
    if not isinstance(timing, CronTiming) or not status.task.enabled or status.paused or is_startup(timing):
        return None
    told_from = record.last_success or record.first_seen
    limit = Instant(told_from + _max_age(status.task.name, timing, told_from))
    return limit if limit > told_from and now > limit else None


@lru_cache(maxsize=20_000)
def _max_age(name: TaskName, timing: CronTiming, start: Instant) -> Millis:
    following = rhythm_of(name, timing, HostFacts(name="")).following(start)
    gaps = [later - earlier for earlier, later in pairwise((start, *islice(following, _LOOKED_AHEAD)))]
    return Millis(2 * max(gaps) + timing.jitter + (timing.timeout or _ALLOWED_FOR_A_RUN)) if gaps else Millis(0)
