"""What an accepted schedule does that its author may not expect. Pure.

Each hint is true of the instants themselves, on every host and whatever `H` picks, clock changes aside. A schedule that merely could be
written better gets none.
"""

from __future__ import annotations

import re
from calendar import month_name, monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from torchsync.core.cron import fields_of
from torchsync.core.crondays import days_of
from torchsync.core.cronfield import DAY, HOUR, MINUTE, MONTH, SECOND, WEEKDAY, Field, FieldKind
from torchsync.core.crongap import closest_days

_COMMON_YEAR = 2023
_STEPS = re.compile(r"(?P<start>\*|h|[0-9a-z]+)/(?P<step>[0-9]+)")
_UNITS = {SECOND: "second", MINUTE: "minute", HOUR: "hour", DAY: "day", MONTH: "month", WEEKDAY: "day"}


class HintKind(Enum):
    UNEVEN_STEP = "uneven_step"
    SHORT_MONTHS = "short_months"
    EITHER_DAY = "either_day"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleHint:
    """`message` is what happens, `hint` what to write if that is not meant; `column` counts within the expression, from 1."""

    kind: HintKind
    message: str
    hint: str
    column: int


@lru_cache(maxsize=16_384)
def schedule_hints(text: str) -> tuple[ScheduleHint, ...]:
    """All hints to a schedule, by column; none for one that is refused or has no fields."""
    fields = fields_of(text)
    if fields is None:
        return ()
    found = [*(hint for field in fields for hint in _uneven_step(field, fields)), *_short_months(fields), *_either_day(fields)]
    return tuple(sorted(found, key=lambda hint: hint.column))


def _uneven_step(field: Field, fields: tuple[Field, ...]) -> Iterator[ScheduleHint]:
    """A step from the start of the field to its end, whose gap over the end is another one."""
    match = _STEPS.fullmatch(field.token.text)
    if not match or not _is_followed(field.kind, fields):
        return
    kind, step = field.kind, int(match["step"])
    starts_late = match["start"] != "h" and field.values[0] - kind.first >= step
    if starts_late or step == 1:
        return
    if kind is DAY:
        yield from _uneven_days(field, fields[4], step)
    elif kind.size % step:
        yield _uneven(field, step, is_hashed=match["start"] == "h")


def _is_followed(kind: FieldKind, fields: tuple[Field, ...]) -> bool:
    """Whether the field is gone through once more right after its end: the next minute matches too, or the next hour, day and so on."""
    _, minute, hour, day, month, weekday = fields
    is_hashed = bool(day.hashed or month.hashed or weekday.hashed)
    if kind in {SECOND, MINUTE}:
        above = minute.fixed if kind is SECOND else hour.fixed
        return any(value + 1 in above for value in above)
    if kind is HOUR:
        days = None if is_hashed else days_of(day, month, weekday)
        return days is not None and closest_days(days, 12) == 1
    if kind is WEEKDAY:
        return day.is_full
    return weekday.is_full and (_follows_in_year(month) if kind is DAY else _is_in_every_month(day))


def _follows_in_year(month: Field) -> bool:
    return any(value % 12 + 1 in month.fixed for value in month.fixed)


def _is_in_every_month(day: Field) -> bool:
    return bool(day.specials) or day.values[0] <= 28


def _uneven(field: Field, step: int, *, is_hashed: bool) -> ScheduleHint:
    kind, unit = field.kind, _UNITS[field.kind]
    last, first = field.values[-1], field.values[0]
    gap = kind.size - last + first
    left = kind.size % step
    what = (
        f"leaves {left} or {_many(left + step, unit)}, by host, between its last value and its first"
        if is_hashed
        else f"fires at {unit} {last} and then {_many(gap, unit)} later at {first}"
    )
    message = f"{kind.name}: `{field.token.text.upper()}` {what}, since {kind.size} is no multiple of {step}"
    return ScheduleHint(kind=HintKind.UNEVEN_STEP, message=message, hint=_even(kind, step), column=field.token.column)


def _even(kind: FieldKind, step: int) -> str:
    if kind is WEEKDAY:
        return "list the days that are meant"
    divisors = [number for number in range(2, kind.size) if kind.size % number == 0]
    near = [*[number for number in divisors if number < step][-1:], *[number for number in divisors if number > step][:1]]
    every = "" if kind is MONTH else ", or `@every` with a duration for equal gaps"
    return f"write a step of {' or '.join(map(str, near))}{every}"


def _uneven_days(day: Field, month: Field, step: int) -> Iterator[ScheduleHint]:
    """Told by the first month that shows it. Only February may differ from year to year, and 31 is prime: a month of 31 days always shows it."""
    for number in sorted(month.fixed - {2}):
        length = monthrange(_COMMON_YEAR, number)[1]
        last = max(value for value in day.values if value <= length)
        gap = length - last + day.values[0]
        if number % 12 + 1 not in month.fixed or gap == step or (day.hashed and length < 31):
            continue
        after = (
            f"over the end of {month_name[number]} the gap is not {_many(step, 'day')}"
            if day.hashed
            else f"after {month_name[number]} {last} it fires {_many(gap, 'day')} later, on day {day.values[0]}"
        )
        yield ScheduleHint(
            kind=HintKind.UNEVEN_STEP,
            message=f"day of month: `{day.token.text.upper()}` starts anew every month: {after}",
            hint="list the days that are meant, or write `@every` with a duration for equal gaps",
            column=day.token.column,
        )
        return


def _short_months(fields: tuple[Field, ...]) -> Iterator[ScheduleHint]:
    """Only dates that some of the months lack, and no day of the week that matches instead."""
    day, month, weekday = fields[3:]
    if day.specials or day.values[0] <= 28 or not (day.is_starred or weekday.is_starred):
        return
    months = month.fixed.union(*(choice for entry in month.hashed for choice in entry.choices))
    lacking = [value for value in sorted(months) if monthrange(_COMMON_YEAR, value)[1] < day.values[0]]
    if not lacking:
        return
    names = [month_name[value] + (" outside of leap years" if value == 2 and day.values[0] == 29 else "") for value in lacking]
    yield ScheduleHint(
        kind=HintKind.SHORT_MONTHS,
        message=f"day of month: `{day.token.text}` never comes in {_listed(names)}: nothing fires then",
        hint="write `L` for the last day of every month, or a day from 1 to 28",
        column=day.token.column,
    )


def _either_day(fields: tuple[Field, ...]) -> Iterator[ScheduleHint]:
    """Day of month and day of week are both restricted, and one of them is enough."""
    day, _, weekday = fields[3:]
    if day.is_starred or weekday.is_starred or weekday.specials or (day.is_full and weekday.is_full):
        return
    dates, days = day.token.text.upper(), weekday.token.text.upper()
    yield ScheduleHint(
        kind=HintKind.EITHER_DAY,
        message=f"day of month `{dates}` and day of week `{days}` need not both match: it fires on each of these dates and on each of these days",
        hint="write `*` for one of the two; a certain week of the month is written like `1#2`, the second Monday",
        column=day.token.column,
    )


def _many(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
