"""From when on a task is late: how old its last success may be. Pure.

Theory of operation. A task's success is expected at its next instant that counts, and its age is told from the last one (or from when the task was
first seen). With `max_age: auto` the limit is twice the longest gap between neighbours of the 64 instants that follow the moment at which the task
counts, the gap that this moment lies in included, plus the jitter and the time a run may take: for each attempt its timeout, or an hour, and the
delays between them. A fire that may have to wait for another run, in its queue or for a pool, has the time of one more.

Those 64 follow the last *success*, not the present. So the limit stands still until the task succeeds again, when the next gap is known to be in it
before it begins: a task that runs all day, and not at night, is not late in the morning, and one that fails is late at the same time whoever asks
when. Gaps are told between instants, not wall times: an hour that is skipped or shown twice is in them.

What happened before the task counted is no reason to call it late: the time in which it was disabled, scheduled otherwise or held back by operators
is given to it on top. A schedule with a single instant left (`@at`) is late when that one has not led to a success in time, and one without any is
never late, nor is a task that is kept running, is disabled, or runs at the start of the host only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

from torchsync.core.backoff import grown
from torchsync.core.cron import StartupSchedule
from torchsync.core.holds import HoldAct, Holds, HoldScope
from torchsync.core.model import CronTiming, Generation, HostFacts, Instant, Millis, Overlap, Task, TaskName
from torchsync.core.snapshot import TaskStatus
from torchsync.core.taskrecord import TaskRecord
from torchsync.core.timetable import rhythm_of

LOOKED_AHEAD = 64
"""Instants."""
ALLOWED_FOR_A_RUN = Millis(3_600_000)
"""For a run without a timeout."""
OFF = Millis(0)


_FOUND_AT_ONCE = 200
"""Limits found in one turn, at a seventh of a millisecond each: a swap of ten thousand tasks does not hold up the loop."""


def max_age_of(task: Task, facts: HostFacts, start: Instant, since: Instant | None = None) -> Millis:
    """How old the last success of the task may become on the host, if its instants count from `start` on; 0 for no limit. The age is told from
    `since`, which is `start` or earlier. Raises ValueError for a schedule that this version does not know.
    """
    timing, given = task.timing, Millis(0 if since is None else start - since)
    if not isinstance(timing, CronTiming) or not task.enabled or task.alert.max_age == OFF:
        return OFF
    if task.alert.max_age is not None:
        return Millis(given + task.alert.max_age)
    rhythm = rhythm_of(task.name, timing, facts)
    if isinstance(rhythm.schedule, StartupSchedule):
        return OFF
    allowed = timing.jitter + _time_of_a_run(timing) * (2 if timing.overlap is Overlap.QUEUE or task.pool else 1)
    instants = list(islice(rhythm.following(start), LOOKED_AHEAD))
    match instants:
        case []:
            return OFF
        case [only]:
            return Millis(given + only - start + timing.starting_deadline + allowed)
        case _:
            return Millis(given + 2 * max(later - earlier for earlier, later in pairwise((start, *instants))) + allowed)


def _time_of_a_run(timing: CronTiming) -> int:
    """What all of its attempts may take, with the delays between them."""
    retry, attempt = timing.retry, timing.timeout or ALLOWED_FOR_A_RUN
    if retry is None:
        return attempt
    delays = (grown(retry.delay, retry.backoff, number, retry.max_delay) for number in range(retry.attempts - 1))
    return retry.attempts * attempt + int(sum(delays))


def age_told_from(record: TaskRecord) -> Instant:
    """The last success, else when the task was first seen here."""
    return record.last_success or record.first_seen


def late_since(status: TaskStatus, now: Instant) -> Instant | None:
    """Since when the last success of the task is too old; None when it is not, operators hold the task back, or its limit is not found yet."""
    limit = Instant(age_told_from(status.record) + (status.max_age or OFF))
    return limit if status.max_age and not status.paused and now > limit else None


def resumed_at(holds: Holds, name: TaskName) -> Instant:
    """When operators last ceased to hold the task back, as far as it is remembered; 0 for never."""
    ends = (change for change in holds.changes if change.act is not HoldAct.PLACED)
    scopes = (HoldScope.ALL, HoldScope.DRAIN)
    return max((end.at for end in ends if end.what.scope in scopes or end.what.task == name), default=Instant(0))


@dataclass(frozen=True, slots=True)
class _Limit:
    """Of this very task, on a host of that name and zone, that counts from `start`, with its age told from `since`."""

    task: Task
    host: tuple[str, str]
    start: Instant
    since: Instant
    max_age: Millis

    def is_for(self, task: Task, host: tuple[str, str], start: Instant, since: Instant) -> bool:
        return self.task is task and (self.host, self.start, self.since) == (host, start, since)


class AgeLimits:
    """The limits of all tasks, each found again when what it depends on has changed. A turn finds so many; `is_behind`: the rest waits for the next
    turns, and is what it was before until then.
    """

    def __init__(self) -> None:
        self._limits: dict[TaskName, _Limit] = {}
        self._waiting: dict[TaskName, None] = {}
        self._left = _FOUND_AT_ONCE

    @property
    def is_behind(self) -> bool:
        return bool(self._waiting)

    def begin_turn(self) -> Sequence[TaskName]:
        """Another turn's worth of limits may be found; the tasks to ask for first."""
        self._left = _FOUND_AT_ONCE
        return list(islice(self._waiting, _FOUND_AT_ONCE))

    def forget(self) -> None:
        """Zone data has changed: every limit is to be found again."""
        self._limits = {name: _Limit(one.task, ("", ""), one.start, one.since, one.max_age) for name, one in self._limits.items()}

    def drop(self, name: TaskName) -> None:
        """The task is gone."""
        self._limits.pop(name, None)
        self._waiting.pop(name, None)

    def of(self, task: Task, generation: Generation, record: TaskRecord, resumed: Instant) -> Millis | None:
        """The limit of a task of the generation, which counts since its baseline and since it was resumed; None while it was never found."""
        since = age_told_from(record)
        start = max(since, generation.baselines.get(task.name, since), resumed)
        host = (generation.facts.name, generation.facts.zone)
        known = self._limits.get(task.name)
        if known and known.is_for(task, host, start, since):
            return known.max_age
        if self._left <= 0:
            self._waiting[task.name] = None
            return known.max_age if known else None
        self._left -= 1
        self._waiting.pop(task.name, None)
        found = max_age_of(task, generation.facts, start, since)
        self._limits[task.name] = _Limit(task, host, start, since, found)
        return found
