"""When cron starts a job: a model of the loop of Debian's cron and of cronie, on its own, to hold the schedule of a task against. Pure.

Both wake up every minute and compare the wall clock with the last minute they have looked at, in minutes (`cron.c` of either):

    1           go on as usual
    2 to 5      look at every minute in between, for all jobs
    6 to 180    look at every minute in between at once, but for fixed jobs only; wildcard jobs go by the clock
    0 to -180   wildcard jobs go by the clock; fixed jobs wait until the clock is again past what was looked at
    else        take the clock as it is

A *wildcard* job is one whose minute or hour starts with `*`. A day matches when day of month and day of week both do, or, if neither starts with
`*`, when one of them does. Only clock changes of the zone are played, with a cron that is always awake.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from itertools import takewhile
from zoneinfo import ZoneInfo

from torchsync.core.localtime import stretches
from torchsync.core.model import Instant

_END = 7_258_118_400
"""2200-01-01 in seconds."""
_DAY = 1_440
_EPOCH = date(1970, 1, 1)
_LAST_YEAR = 2200
_SMALL, _MEDIUM = 5, 180


@dataclass(frozen=True, slots=True, kw_only=True)
class CrontabClock:
    """The values of the five fields, and what their texts start with. Days of the week count from 0, Sunday."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    is_wildcard: bool
    needs_both_days: bool

    def instants(self, zone: ZoneInfo, after: Instant) -> Iterator[Instant]:
        """The starts later than `after`, in order, before 2200."""
        first = after // 60_000 + 1
        seen: int | None = None
        for stretch in stretches(zone, max(first * 60 - 86_400, 0), _END):
            offset = stretch.offset // 60
            start, end = -(-stretch.start // 60) + offset, -(-stretch.end // 60) + offset
            made_up, begin = self._woken(start, seen)
            yield from (Instant(stretch.start * 1_000) for _ in made_up if stretch.start >= first * 60)
            for wall in self._walls(max(begin, first + offset), end):
                yield Instant((wall - offset) * 60_000)
            seen = end - 1 if seen is None or end - 1 > seen or end - 1 < seen - _MEDIUM else seen

    def _woken(self, wall: int, seen: int | None) -> tuple[Iterator[int], int]:
        """The skipped minutes to make up at once, and the minute from which on the clock counts, when the clock shows `wall` after `seen`."""
        ahead = 1 if seen is None else wall - seen
        nothing: Iterator[int] = iter(())
        if seen is None or ahead == 1 or not -_MEDIUM <= ahead <= _MEDIUM:
            return nothing, wall
        if ahead > _SMALL:
            return (nothing if self.is_wildcard else self._walls(seen + 1, wall)), wall
        if ahead > 0:
            return self._walls(seen + 1, wall), wall
        return nothing, wall if self.is_wildcard else seen + 1

    def _walls(self, start: int, end: int) -> Iterator[int]:
        """The minutes of the wall clock, since 1970-01-01 00:00, that match, from `start` until before `end`."""
        times = [hour * 60 + minute for hour in sorted(self.hours) for minute in sorted(self.minutes)]
        last = -(-end // _DAY)
        for day in takewhile(lambda day: day < last, self._days_from(start // _DAY)):
            midnight = day * _DAY
            if start <= midnight and midnight + _DAY <= end:
                yield from (midnight + time for time in times)
            else:
                yield from (midnight + time for time in times if start <= midnight + time < end)

    def _days_from(self, first: int) -> Iterator[int]:
        """The days since 1970 that match, from `first` on."""
        start = _EPOCH + timedelta(days=first)
        for year in range(start.year, _LAST_YEAR + 1):
            for month in sorted(self.months):
                if (year, month) >= (start.year, start.month):
                    days = _days_of_month(year, month, self.days, self.weekdays, self.needs_both_days)
                    yield from (day for day in days if day >= first)


@lru_cache(maxsize=65_536)
def _days_of_month(year: int, month: int, of_month: frozenset[int], of_week: frozenset[int], needs_both: bool) -> tuple[int, ...]:
    """The days since 1970 of that month that match, by the day of month and the day of week."""
    first = (date(year, month, 1) - _EPOCH).days
    matches = all if needs_both else any
    return tuple(
        first + day - 1 for day in range(1, monthrange(year, month)[1] + 1) if matches((day in of_month, (first + day + 3) % 7 in of_week))
    )
