"""Schedules, and the instants they name. Pure.

Theory of operation. A schedule is reduced to three sets of clock values (hours, minutes, seconds) and to a set of days (`core/crondays.py`). So
it is a strictly increasing stream of *wall times*: seconds since 1970-01-01 00:00 on a wall clock, without a zone. `@at` is one such time.

Which instants those are is decided by walking the zone's stretches of constant offset (`core/localtime.py`). Within a stretch an instant is
its wall time minus the offset. At the border of two stretches the clock was changed, and `passed`, the highest wall time shown so far,
tells how: the new stretch starts above it (a gap) or below it (wall times repeat).

- A *wall-clock* schedule, one whose seconds, minutes and hours are all restricted, fires when `passed` first goes beyond a wall time: those of
  a gap together at the first instant after it, repeated ones not again.
- Every other schedule fires at each instant whose wall clock matches, so only the stretch itself counts.

`@every` counts from the Unix epoch, in every zone alike, and `@startup` has no instants: it is fired once a boot.
Instants lie from 1970-01-01T00:00:00Z until before 2200-01-01T00:00:00Z.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, takewhile
from zoneinfo import ZoneInfo

from torchsync.core.crondays import DAY_SECONDS, LAST_DAY, Days, next_day
from torchsync.core.localtime import stretches
from torchsync.core.model import Instant, Millis

_END = (LAST_DAY + 1) * DAY_SECONDS
_NEVER = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class CronSchedule:
    """The wall times of `hours`, `minutes` and `seconds` (each ascending) on the `days`."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: Days
    is_wall_clock: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EverySchedule:
    """The multiples of `period` since the Unix epoch, in every zone alike."""

    period: Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class AtSchedule:
    """Once, at one wall time: seconds since 1970-01-01 00:00 on the wall clock of the zone."""

    wall: int


@dataclass(frozen=True, slots=True)
class StartupSchedule:
    """Once a boot. It has no instants of its own."""


Schedule = CronSchedule | EverySchedule | AtSchedule | StartupSchedule


def next_instant(schedule: Schedule, zone: ZoneInfo, after: Instant) -> Instant | None:
    """The first instant of the schedule that is later than `after`; None when there is none before 2200."""
    return next(instants(schedule, zone, after), None)


def instants(schedule: Schedule, zone: ZoneInfo, after: Instant) -> Iterator[Instant]:
    """The instants of the schedule that are later than `after`, strictly increasing, worked out one at a time; they end before 2200."""
    first = min(max(after // 1_000 + 1, 0), _END)
    match schedule:
        case CronSchedule():
            return _wall_instants(schedule, zone, first)
        case AtSchedule(wall=wall):
            # no wall clock is two days ahead of UTC, so nothing before that day matters
            return _wall_instants(schedule, zone, max(first, wall - 2 * DAY_SECONDS))
        case EverySchedule(period=period):
            start = max(after // period + 1, 0) * period
            return takewhile(lambda instant: instant < _END * 1_000, map(Instant, count(start, period)))
        case StartupSchedule():
            return iter(())


def _wall_instants(schedule: CronSchedule | AtSchedule, zone: ZoneInfo, first: int) -> Iterator[Instant]:
    """The instants from the second `first` on, by the rule at the top of this file.

    Looking back a day for `passed` is enough: since 1970 no clock has been put back by more than seven hours (Vostok in 1994).
    """
    is_wall_clock = isinstance(schedule, AtSchedule) or schedule.is_wall_clock
    passed = max(stretch.end + stretch.offset for stretch in stretches(zone, first - DAY_SECONDS, first))
    walls = _walls(schedule, passed)
    wall = next(walls, _NEVER)
    for stretch in stretches(zone, first, _END):
        shown = stretch.start + stretch.offset
        makes_up = is_wall_clock and wall < shown
        if makes_up:
            yield Instant(stretch.start * 1_000)
        if wall < shown or (shown < passed and not is_wall_clock):
            walls = _walls(schedule, shown + makes_up)
            wall = next(walls, _NEVER)
        end = stretch.end + stretch.offset
        while wall < end:
            yield Instant((wall - stretch.offset) * 1_000)
            wall = next(walls, _NEVER)
        if wall == _NEVER:
            return
        passed = max(passed, end)


def _walls(schedule: CronSchedule | AtSchedule, start: int) -> Iterator[int]:
    """The wall times of the schedule from `start` on, ascending."""
    if isinstance(schedule, AtSchedule):
        if schedule.wall >= start:
            yield schedule.wall
        return
    today, time = divmod(start, DAY_SECONDS)
    day = next_day(schedule.days, today)
    while day is not None:
        midnight = day * DAY_SECONDS
        for seconds in times_of_day(schedule, time if day == today else 0):
            yield midnight + seconds
        day = next_day(schedule.days, day + 1)


def times_of_day(schedule: CronSchedule, start: int) -> Iterator[int]:
    """The times of a day that match, in seconds since midnight, from `start` on, ascending."""
    hour, minute, second = start // 3_600, start // 60 % 60, start % 60
    for h in schedule.hours[bisect_left(schedule.hours, hour) :]:
        at_start = h == hour
        for m in schedule.minutes[bisect_left(schedule.minutes, minute) if at_start else 0 :]:
            base = h * 3_600 + m * 60
            for s in schedule.seconds[bisect_left(schedule.seconds, second) if at_start and m == minute else 0 :]:
                yield base + s
