"""The shortest gap of a schedule: what its jitter has to be shorter than. Pure.

It is taken between neighbours among the first 1,000 instants from 2024-01-01T00:00:00Z on, that moment included, in plain UTC: the same on
every host, in every zone, and at any time. To find it, no more days are looked up than can matter:

- none, when the times of one day lie closer together than its last and the first of the next day would;
- until a gap is found that no days of that kind can fall short of, such as seven days for one day of the week;
- until the calendar repeats itself: after a week, four years, or 28 years with days of the week (or `LW`, which goes by them) in it. The missing
  leap day of 2100 adds no way in which days less than a year apart can follow each other, so only gaps above that are looked for up to 2199.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import islice, pairwise

from torchsync.core.crondays import DAY_SECONDS, LAST_DAY, Days, next_day
from torchsync.core.model import Millis
from torchsync.core.schedule import CronSchedule, EverySchedule, Schedule, times_of_day

_INSTANTS = 1_000
_FIRST_DAY = 19_723
"""2024-01-01 as days since 1970-01-01."""
_WEEK, _FOUR_YEARS, _LEAP_YEAR = 7, 1_461, 366


def shortest_gap(schedule: Schedule) -> Millis | None:
    """The shortest gap by the definition at the top of this file; None when there are fewer than two instants."""
    match schedule:
        case EverySchedule(period=period):
            return period
        case CronSchedule():
            return _gap_of(schedule)
        case _:
            return None


@lru_cache(maxsize=4_096)
def _gap_of(schedule: CronSchedule) -> Millis | None:
    times = list(islice(times_of_day(schedule, 0), _INSTANTS))
    within = min((later - earlier for earlier, later in pairwise(times)), default=None)
    span = times[-1] - times[0]
    if within and (len(times) == _INSTANTS or within <= DAY_SECONDS - span):
        return Millis(within * 1_000)
    days = closest_days(schedule.days, (_INSTANTS - 1) // len(times))
    gaps = [*([within] if within else []), *([days * DAY_SECONDS - span] if days else [])]
    return Millis(min(gaps) * 1_000) if gaps else None


@lru_cache(maxsize=4_096)
def closest_days(days: Days, pairs: int) -> int | None:
    """The shortest distance between neighbours among the first `pairs` pairs of matching days; None when there is no pair."""
    if not days:
        return 1
    closest: int | None = None
    day = next_day(days, _FIRST_DAY)
    for _ in range(pairs):
        following = next_day(days, day + 1) if day is not None else None
        if day is None or following is None or following > LAST_DAY:
            break
        closest = min(closest or _LEAP_YEAR * 400, following - day)
        if closest <= _least(days) or (closest <= _LEAP_YEAR and following - _FIRST_DAY >= _cycle(days)):
            break
        day = following
    return closest


def _least(days: Days) -> int:
    """What the distance cannot fall short of: some date, or some weekday in the month, comes once a month; one day of the week once a week."""
    if len(days) > 1:
        return 1
    dates, _, weekdays = days[0].split()[2:]
    if _is_one(dates) or (_is_one(weekdays) and not weekdays.isdigit()):
        return 28
    return _WEEK if _is_one(weekdays) else 1


def _is_one(listed: str) -> bool:
    return listed != "*" and "," not in listed


def _cycle(days: Days) -> int:
    """After how many days the calendar repeats itself, as far as these days go."""
    fields = [expression.split()[2:] for expression in days]
    if all(dates == months == "*" and "#" not in weekdays and "l" not in weekdays for dates, months, weekdays in fields):
        return _WEEK
    by_date = all(weekdays == "*" and dates != "31w" for dates, _, weekdays in fields)
    return _FOUR_YEARS if by_date else 7 * _FOUR_YEARS
