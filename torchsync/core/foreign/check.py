"""The next instants of an imported task, held against what the source system would do. Pure.

Both sides are asked for as many instants, and compared up to where the shorter answer ends: whatever only one side has is a difference. Jitter
and random delays are not looked at, only the instants they are added to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from zoneinfo import ZoneInfoNotFoundError

from torchsync.core.clockchange import ClockChange, clock_changes
from torchsync.core.cron import Schedule, instants, parse_schedule, zone_named
from torchsync.core.foreign.job import SourceClock
from torchsync.core.foreign.merge import ImportedTask
from torchsync.core.model import Instant

COMPARED = 1_000
_NEAR = 4 * 3_600
"""So many seconds after a clock change, what differs is put down to it."""


@dataclass(frozen=True, slots=True)
class Difference:
    """At `instant` the source system starts the job `theirs` times, and torchsync `ours` times; `change` is the clock change just before, if any."""

    instant: Instant
    theirs: int
    ours: int
    change: ClockChange | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`count` instants of the source system, up to `until`, and every difference; `zone` is where both were asked."""

    zone: str
    zone_is_known: bool
    count: int
    until: Instant | None
    differences: tuple[Difference, ...] = ()


def comparisons(task: ImportedTask, after: Instant) -> tuple[Comparison, ...]:
    """One for each zone and idea of when among the jobs of the task; none for what cannot be compared."""
    found: dict[tuple[str, SourceClock], None] = {}
    for job in task.jobs:
        if job.clock is not None:
            found.setdefault((task.zones[job.origin.host], job.clock))
    schedule = str(task.fields.get("schedule", ""))
    return tuple(_compared(clock, schedule, zone, after) for zone, clock in found)


@lru_cache(maxsize=16_384)
def _compared(clock: SourceClock, text: str, zone_name: str, after: Instant) -> Comparison:
    schedule = parse_schedule(text)
    try:
        zone = zone_named(zone_name or "UTC")
    except ZoneInfoNotFoundError:
        return _compared(clock, text, "", after)
    theirs = list(islice(clock.instants(zone, after), COMPARED))
    ours = list(islice(instants(schedule, zone, after), COMPARED)) if isinstance(schedule, Schedule) else []
    until = _end(theirs, ours)
    different = tuple(_differences(theirs, ours, until))
    changes = _changes(different, zone_name or "UTC")
    return Comparison(
        zone=zone_name or "UTC",
        zone_is_known=bool(zone_name),
        count=sum(instant <= until for instant in theirs) if until else 0,
        until=until,
        differences=tuple(Difference(one.instant, one.theirs, one.ours, _just_before(one.instant, changes)) for one in different),
    )


def _end(theirs: list[Instant], ours: list[Instant]) -> Instant | None:
    """Until when both are known: an answer that is not full goes to the end of time."""
    full = [side[-1] for side in (theirs, ours) if len(side) == COMPARED]
    ends = full or [side[-1] for side in (theirs, ours) if side]
    return (min if full else max)(ends, default=None)


def _differences(theirs: Sequence[Instant], ours: Sequence[Instant], until: Instant | None) -> Iterator[Difference]:
    if until is None or theirs == ours:
        return
    left, right = (Counter(instant for instant in side if instant <= until) for side in (theirs, ours))
    for instant in sorted({*left, *right}):
        if left[instant] != right[instant]:
            yield Difference(instant, left[instant], right[instant])


def _changes(differences: tuple[Difference, ...], zone: str) -> list[ClockChange]:
    if not differences:
        return []
    first, last = differences[0].instant, differences[-1].instant
    return list(clock_changes(zone_named(zone), Instant(first - _NEAR * 1_000), last))


def _just_before(instant: Instant, changes: list[ClockChange]) -> ClockChange | None:
    second = instant // 1_000
    return next((change for change in changes if change.at <= second < change.at + _NEAR), None)
