"""Schedules: what a text means, and the instants it names. Pure.

Theory of operation. A schedule is reduced to three sets of clock values (hours, minutes, seconds) and a set of days. The days are kept as
croniter expressions, in a plain spelling of our own that every croniter reads alike; croniter is only ever asked for the next matching day
of the calendar, and what it answers is kept. So a schedule is a strictly increasing stream of *wall times*: seconds since 1970-01-01 00:00 on
a wall clock, without a zone.

Which instants those are is decided by walking the zone's stretches of constant offset (`core/localtime.py`). Within a stretch an instant is
its wall time minus the offset. At the border of two stretches the clock was changed, and `passed`, the highest wall time shown so far,
tells how: the new stretch starts above it (a gap) or below it (wall times repeat).

- A *wall-clock* schedule, one whose seconds, minutes and hours are all restricted, fires when `passed` first goes beyond a wall time: those of
  a gap together at the first instant after it, repeated ones not again.
- Every other schedule fires at each instant whose wall clock matches, so only the stretch itself counts.

Instants lie from 1970-01-01T00:00:00Z until before 2200-01-01T00:00:00Z.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from itertools import count, takewhile
from zoneinfo import ZoneInfo

from croniter import CroniterBadDateError, croniter

from torchsync.core.cronfield import (
    DAY,
    HOUR,
    MINUTE,
    MONTH,
    SECOND,
    WEEKDAY,
    Field,
    ScheduleRefusal,
    Token,
    read_field,
    refusal,
)
from torchsync.core.localtime import check_zone, stretches, zone_named
from torchsync.core.model import Instant, Millis

__all__ = [
    "CronSchedule",
    "EverySchedule",
    "Schedule",
    "ScheduleRefusal",
    "check_zone",
    "instants",
    "next_instant",
    "parse_schedule",
    "zone_named",
]

_LONGEST_TEXT = 256
_DAY_SECONDS = 86_400
_LAST_DAY = 84_005
"""2199-12-31 as days since 1970-01-01; wall clocks may be one day ahead of it."""
_END = (_LAST_DAY + 1) * _DAY_SECONDS
_NEVER = 1 << 62

_MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_DURATION = re.compile(r"(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?(?:([0-9]+)ms)?")
_UNITS = (86_400_000, 3_600_000, 60_000, 1_000, 1)
_LONGEST_PERIOD = 366 * _DAY_SECONDS * 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CronSchedule:
    """The wall times of `hours`, `minutes` and `seconds` on the days that any of the `days` matches; no `days` at all is every day."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[str, ...]
    """croniter expressions: `* *`, day of month, month, day of week; the last three must all match."""
    is_wall_clock: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EverySchedule:
    """The multiples of `period` since the Unix epoch, in every zone alike."""

    period: Millis


Schedule = CronSchedule | EverySchedule


@lru_cache(maxsize=16_384)
def parse_schedule(text: str) -> Schedule | ScheduleRefusal:
    """The schedule `text` stands for, or the first thing that is wrong with it.

    TS120: not of the accepted form. TS121: no date from 1970 to 2199 matches. TS113: a form that this version does not have yet.
    """
    misfit = _check_characters(text)
    if misfit:
        return misfit
    tokens = [Token(match[0].lower(), match.start() + 1) for match in re.finditer(r"[^ \t]+", text)]
    if not tokens:
        return refusal(Token("", 1), "the schedule is empty", "write five fields such as `0 3 * * *`, or six with seconds first")
    if tokens[0].text.startswith("@"):
        return _read_macro(tokens)
    return _read_fields(tokens)


def next_instant(schedule: Schedule, zone: ZoneInfo, after: Instant) -> Instant | None:
    """The first instant of the schedule that is later than `after`; None when there is none before 2200."""
    return next(instants(schedule, zone, after), None)


def instants(schedule: Schedule, zone: ZoneInfo, after: Instant) -> Iterator[Instant]:
    """The instants of the schedule that are later than `after`, strictly increasing, worked out one at a time; they end before 2200."""
    first = min(max(after // 1_000 + 1, 0), _END)
    match schedule:
        case CronSchedule():
            return _cron_instants(schedule, zone, first)
        case EverySchedule(period=period):
            start = max(after // period + 1, 0) * period
            return takewhile(lambda instant: instant < _END * 1_000, map(Instant, count(start, period)))


def _cron_instants(schedule: CronSchedule, zone: ZoneInfo, first: int) -> Iterator[Instant]:
    """The instants from the second `first` on, by the rule at the top of this file.

    Looking back a day for `passed` is enough: since 1970 no clock has been put back by more than some hours.
    """
    passed = max(stretch.end + stretch.offset for stretch in stretches(zone, first - _DAY_SECONDS, first))
    walls = _walls(schedule, passed)
    wall = next(walls, _NEVER)
    for stretch in stretches(zone, first, _END):
        shown = stretch.start + stretch.offset
        makes_up = schedule.is_wall_clock and wall < shown
        if makes_up:
            yield Instant(stretch.start * 1_000)
        if wall < shown or (shown < passed and not schedule.is_wall_clock):
            walls = _walls(schedule, shown + makes_up)
            wall = next(walls, _NEVER)
        end = stretch.end + stretch.offset
        while wall < end:
            yield Instant((wall - stretch.offset) * 1_000)
            wall = next(walls, _NEVER)
        if wall == _NEVER:
            return
        passed = max(passed, end)


def _walls(schedule: CronSchedule, start: int) -> Iterator[int]:
    """The wall times of the schedule from `start` on, ascending."""
    today, time = divmod(start, _DAY_SECONDS)
    day = _next_day(schedule.days, today)
    while day is not None:
        midnight = day * _DAY_SECONDS
        for seconds in _times(schedule, time if day == today else 0):
            yield midnight + seconds
        day = _next_day(schedule.days, day + 1)


def _times(schedule: CronSchedule, start: int) -> Iterator[int]:
    """The times of a day that match, in seconds since midnight, from `start` on, ascending."""
    hour, minute, second = start // 3_600, start // 60 % 60, start % 60
    for h in schedule.hours[bisect_left(schedule.hours, hour) :]:
        at_start = h == hour
        for m in schedule.minutes[bisect_left(schedule.minutes, minute) if at_start else 0 :]:
            base = h * 3_600 + m * 60
            for s in schedule.seconds[bisect_left(schedule.seconds, second) if at_start and m == minute else 0 :]:
                yield base + s


def _next_day(days: tuple[str, ...], start: int) -> int | None:
    """The first day from `start` on that matches, as days since 1970-01-01; None when there is none before 2200."""
    found = min(_next_listed_day(expression, start) for expression in days) if days else start
    return found if found <= _LAST_DAY + 1 else None


@lru_cache(maxsize=32_768)
def _next_listed_day(expression: str, start: int) -> int:
    """Asks croniter for the first minute after that midnight. A copy is asked, since croniter remembers where it is."""
    try:
        found = copy(_calendar(expression)).get_next(float, start_time=float(start * _DAY_SECONDS))
    except CroniterBadDateError:
        return _NEVER
    return int(found) // _DAY_SECONDS


@lru_cache(maxsize=4_096)
def _calendar(expression: str) -> croniter:
    return croniter(expression, 0.0, day_or=False, max_years_between_matches=231)


def _check_characters(text: str) -> ScheduleRefusal | None:
    if len(text) > _LONGEST_TEXT:
        message = f"the schedule has {len(text)} characters, {_LONGEST_TEXT} are allowed"
        return refusal(Token("", _LONGEST_TEXT + 1), message, "write ranges and steps instead of lists, or make two tasks of it")
    for column, character in enumerate(text, 1):
        if not (" " <= character <= "~" or character == "\t"):
            message = f"the character U+{ord(character):04X} is not accepted"
            return refusal(Token("", column), message, "write it with ASCII digits, letters, signs and blanks")
    return None


def _read_macro(tokens: list[Token]) -> Schedule | ScheduleRefusal:
    name = tokens[0]
    if name.text == "@every":
        return _read_every(tokens)
    if name.text in {"@at", "@startup"}:
        return ScheduleRefusal("TS113", f"`{name.text}` is not in this version", "take the task out, or upgrade first", name.column)
    if name.text == "@reboot":
        return refusal(name, "`@reboot` is not accepted", "write `@startup`")
    if name.text not in _MACROS:
        return refusal(name, f"`{name.text}` is not known", f"write one of {', '.join(_MACROS)}, or `@every 90s`")
    if len(tokens) > 1:
        return refusal(tokens[1], f"`{name.text}` takes nothing after it", "take the rest out")
    return _read_fields([Token(text, name.column) for text in _MACROS[name.text].split()])


def _read_every(tokens: list[Token]) -> EverySchedule | ScheduleRefusal:
    hint = "write `@every 90s` or `@every 1h30m`, with the units d, h, m and s"
    if len(tokens) == 1:
        return refusal(tokens[0], "`@every` needs a duration", hint)
    if len(tokens) > 2:
        return refusal(tokens[2], "`@every` takes one duration, without blanks in it", hint)
    duration = tokens[1]
    match = _DURATION.fullmatch(duration.text)
    if not match:
        return refusal(duration, f"`{duration.text}` is not a duration", hint)
    period = sum(int(number or 0) * unit for number, unit in zip(match.groups(), _UNITS, strict=True))
    if period % 1_000:
        return refusal(duration, f"`{duration.text}` is not a whole number of seconds", hint)
    if not 1_000 <= period <= _LONGEST_PERIOD:
        return refusal(duration, f"`{duration.text}` is out of range", "write a duration from `1s` to `366d`")
    return EverySchedule(period=Millis(period))


def _read_fields(tokens: list[Token]) -> CronSchedule | ScheduleRefusal:
    if len(tokens) not in {5, 6}:
        return _wrong_count(tokens)
    if len(tokens) == 5:
        tokens = [Token("0", tokens[0].column), *tokens]
    fields: list[Field] = []
    for kind, token in zip((SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY), tokens, strict=True):
        field = read_field(kind, token)
        if isinstance(field, ScheduleRefusal):
            return field
        fields.append(field)
    return _schedule_of(fields)


def _wrong_count(tokens: list[Token]) -> ScheduleRefusal:
    place = tokens[6] if len(tokens) > 6 else tokens[0]
    message = f"found {len(tokens)} fields, expected five (minute, hour, day of month, month, day of week) or six with seconds first"
    hint = "there is no field for the year, take it out" if len(tokens) == 7 else "for every day at 03:00 write `0 3 * * *`"
    return refusal(place, message, hint)


def _schedule_of(fields: list[Field]) -> CronSchedule | ScheduleRefusal:
    second, minute, hour, day, month, weekday = fields
    if weekday.specials and (weekday.values or not (day.is_starred and day.is_full)):
        other = "plain days of the week" if weekday.values else "a day of month"
        message = f"day of week: `{weekday.specials[0].text.upper()}` cannot stand together with {other}"
        return refusal(
            weekday.specials[0], message, "write `*` for day of month and only such entries for day of week, or make two tasks of it"
        )
    days = _days_of(day, month, weekday)
    if _next_day(days, 0) is None:
        message = "no date from 1970 to 2199 matches the schedule"
        return ScheduleRefusal("TS121", message, "correct the day of month or the month", day.token.column)
    return CronSchedule(
        seconds=second.values,
        minutes=minute.values,
        hours=hour.values,
        days=days,
        is_wall_clock=not any(field.is_starred or field.is_full for field in (second, minute, hour)),
    )


def _days_of(day: Field, month: Field, weekday: Field) -> tuple[str, ...]:
    """The days for croniter, by the rule of Debian's cron (crontab(5)): when neither day of month nor day of week starts with `*`, one of
    the two is enough; else both must match.
    """
    months, weekdays = _listed(month), _listed(weekday)
    if day.is_starred or weekday.is_starred:
        days = [f"* * {dates} {months} {weekdays}" for dates in _dates(day)]
    else:
        days = [*(f"* * {dates} {months} *" for dates in _dates(day)), f"* * * {months} {weekdays}"]
    return () if "* * * * *" in days else tuple(days)


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
