"""The days on which a schedule matches, out of its fields for day of month, month and day of week. Pure.

This is the calendar, without clocks and zones, and the one place where croniter is asked: each time for the first matching day from a given
day on, in a plain spelling of our own that every croniter reads alike. What it answers is kept. Days are counted since 1970-01-01.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from functools import lru_cache

from croniter import CroniterBadDateError, croniter

from torchsync.core.cronfield import Field

DAY_SECONDS = 86_400
LAST_DAY = 84_005
"""2199-12-31; wall clocks may be one day ahead of it."""
_NO_DAY = 1 << 62

Days = tuple[str, ...]
"""Expressions for croniter: `* *`, day of month, month, day of week; the last three must all match. A day matches when one of them does; no
expression at all is every day.
"""


def days_of(day: Field, month: Field, weekday: Field) -> Days | None:
    """The days by the rule of Debian's cron (crontab(5)): when neither day of month nor day of week starts with `*`, one of the two is
    enough; else both must match. None when there is none from 1970 to 2199.
    """
    months, weekdays = _listed(month), _listed(weekday)
    if day.is_starred or weekday.is_starred:
        days = [f"* * {dates} {months} {weekdays}" for dates in _dates(day)]
    else:
        days = [*(f"* * {dates} {months} *" for dates in _dates(day)), f"* * * {months} {weekdays}"]
    if "* * * * *" in days:
        return ()
    return tuple(expression for expression in days if _next_listed_day(expression, 0) <= LAST_DAY) or None


def next_day(days: Days, start: int) -> int | None:
    """The first day from `start` on that matches; None when there is none up to 2200-01-01."""
    found = min(_next_listed_day(expression, start) for expression in days) if days else start
    return found if found <= LAST_DAY + 1 else None


def _dates(day: Field) -> Iterator[str]:
    """The days of the month as croniter takes them; it has no `LW`, but `31W` is the same day and stands alone."""
    specials = {special.text for special in day.specials}
    if day.values or "l" in specials:
        yield _listed(day)
    if "lw" in specials:
        yield "31w"


def _listed(field: Field) -> str:
    specials = [special.text for special in field.specials if special.text != "lw"]
    return "*" if field.is_full else ",".join([*map(str, field.values), *specials])


@lru_cache(maxsize=32_768)
def _next_listed_day(expression: str, start: int) -> int:
    """Asks croniter for the first minute after that midnight. A copy is asked, since croniter remembers where it is."""
    try:
        found = copy(_calendar(expression)).get_next(float, start_time=float(start * DAY_SECONDS))
    except CroniterBadDateError:
        return _NO_DAY
    return int(found) // DAY_SECONDS


@lru_cache(maxsize=4_096)
def _calendar(expression: str) -> croniter:
    return croniter(expression, 0.0, day_or=False, max_years_between_matches=231)
