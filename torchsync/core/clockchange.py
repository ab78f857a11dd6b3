"""The nights on which clocks are changed, and what a schedule does on them. Pure, but for reading zone data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from itertools import islice, pairwise, takewhile
from zoneinfo import ZoneInfo

from torchsync.core.localtime import stretches, zone_named
from torchsync.core.model import Instant
from torchsync.core.schedule import AtSchedule, CronSchedule, Schedule, instants

_MOST_COUNTED = 10_000


@dataclass(frozen=True, slots=True)
class ClockChange:
    """At the second `at` of UTC the wall clock goes over from UTC plus `before` to UTC plus `after` seconds."""

    at: int
    before: int
    after: int

    @property
    def span(self) -> tuple[int, int]:
        """The wall times that are skipped or shown twice, in seconds since 1970-01-01 00:00 on the wall clock: the first, and the first after."""
        walls = self.at + self.before, self.at + self.after
        return min(walls), max(walls)

    @property
    def is_gap(self) -> bool:
        return self.after > self.before


class Effect(Enum):
    """What becomes of the wall times of a schedule that are skipped or shown twice."""

    MADE_UP = "made_up"
    """Skipped, and fired together at the first instant after the gap."""
    LOST = "lost"
    """Skipped, and not made up."""
    ONCE = "once"
    """Shown twice, fired the first time only."""
    TWICE = "twice"
    """Shown twice, fired both times."""


@dataclass(frozen=True, slots=True)
class Night:
    """A clock change that a schedule runs into with `count` wall times, the first of which is `wall`."""

    change: ClockChange
    effect: Effect
    wall: int
    count: int


def clock_changes(zone: ZoneInfo, start: Instant, end: Instant) -> Iterator[ClockChange]:
    """The changes of the clocks of the zone after `start`, until `end`."""
    for earlier, later in pairwise(stretches(zone, start // 1_000, end // 1_000 + 1)):
        if earlier.offset != later.offset:
            yield ClockChange(later.start, earlier.offset, later.offset)


def nights(schedule: Schedule, zone: ZoneInfo, start: Instant, end: Instant) -> tuple[Night, ...]:
    """The clock changes that the schedule runs into. A schedule that fires in every hour is meant to, so it runs into none."""
    if not isinstance(schedule, (CronSchedule, AtSchedule)) or (isinstance(schedule, CronSchedule) and len(schedule.hours) == 24):
        return ()
    found = (_night(schedule, change) for change in clock_changes(zone, start, end))
    return tuple(night for night in found if night)


@lru_cache(maxsize=16_384)
def _night(schedule: CronSchedule | AtSchedule, change: ClockChange) -> Night | None:
    first, end = change.span
    # on a clock that never changes a schedule fires at each of its wall times
    walls = takewhile(lambda wall: wall < end * 1_000, instants(schedule, zone_named("UTC"), Instant(first * 1_000 - 1)))
    found = list(islice(walls, _MOST_COUNTED))
    if not found:
        return None
    is_wall_clock = isinstance(schedule, AtSchedule) or schedule.is_wall_clock
    gap, repeat = (Effect.MADE_UP, Effect.ONCE) if is_wall_clock else (Effect.LOST, Effect.TWICE)
    return Night(change, gap if change.is_gap else repeat, found[0] // 1_000, len(found))
