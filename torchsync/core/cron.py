"""What the text of a schedule means: five or six fields, or a macro. Pure.

`H` is expanded first, by host and task (`core/spread.py`), so everything else is told of plain values only. The verdict on a text is the same on
every host all the same: what a commit is judged by must not depend on who judges. So nothing is refused, or let pass, for the value that `H`
has on one host, but for all it might have.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache

from torchsync.core.crondays import days_of
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
from torchsync.core.crongap import shortest_gap
from torchsync.core.cronmacro import FIELDS, READERS
from torchsync.core.localtime import check_zone, zone_named
from torchsync.core.schedule import AtSchedule, CronSchedule, EverySchedule, Schedule, StartupSchedule, instants, next_instant
from torchsync.core.spread import Spread

__all__ = [
    "AtSchedule",
    "CronSchedule",
    "EverySchedule",
    "Schedule",
    "ScheduleRefusal",
    "Spread",
    "StartupSchedule",
    "check_zone",
    "fields_of",
    "has_hash",
    "instants",
    "next_instant",
    "parse_schedule",
    "shortest_gap",
    "zone_named",
]

_LONGEST_TEXT = 256
_LAST_DATE_OF_ALL_MONTHS = 28


@lru_cache(maxsize=16_384)
def parse_schedule(text: str, spread: Spread | None = None) -> Schedule | ScheduleRefusal:
    """The schedule `text` stands for on the host and for the task of `spread`, or the first thing that is wrong with it.

    Without `spread`, `H` is the start of its range. What is refused is refused whatever the spread, in the same words.
    TS120: not of the accepted form. TS121: no date from 1970 to 2199 matches, on one host at least.
    """
    misfit = _check_characters(text)
    if misfit:
        return misfit
    tokens = _tokens(text)
    if not tokens:
        return refusal(Token("", 1), "the schedule is empty", "write five fields such as `0 3 * * *`, or six with seconds first")
    if tokens[0].text.startswith(("tz=", "cron_tz=")):
        return refusal(tokens[0], "a zone before the schedule is not accepted", "write it as `timezone` of the task")
    if tokens[0].text.startswith("@"):
        return _read_macro(tokens)
    fields = _read_fields(tokens, spread)
    return fields if isinstance(fields, ScheduleRefusal) else _schedule_of(fields)


def fields_of(text: str, spread: Spread | None = None) -> tuple[Field, ...] | None:
    """Second, minute, hour, day of month, month and day of week of an accepted schedule, with `H` as `parse_schedule` has it; None for one that is
    refused or has no fields.
    """
    if text.lstrip().startswith("@") or isinstance(parse_schedule(text), ScheduleRefusal):
        return None
    fields = _read_fields(_tokens(text), spread)
    return None if isinstance(fields, ScheduleRefusal) else tuple(fields)


def has_hash(text: str) -> bool:
    """Whether `H` stands in a schedule that is accepted, so that its instants go by host and task."""
    return re.search(r"(?:^|[ \t,])h", text, re.IGNORECASE) is not None


def _tokens(text: str) -> list[Token]:
    return [Token(match[0].lower(), match.start() + 1) for match in re.finditer(r"[^ \t]+", text)]


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
    if name.text in READERS:
        return READERS[name.text](tokens)
    if name.text not in FIELDS:
        hint = "write `@startup`" if name.text == "@reboot" else f"write one of {', '.join([*FIELDS, *READERS])}"
        return refusal(name, f"`{name.text}` is not accepted", hint)
    if len(tokens) > 1:
        return refusal(tokens[1], f"`{name.text}` takes nothing after it", "take the rest out")
    fields = _read_fields([Token(text, name.column) for text in FIELDS[name.text].split()], None)
    return fields if isinstance(fields, ScheduleRefusal) else _schedule_of(fields)


def _read_fields(tokens: list[Token], spread: Spread | None) -> list[Field] | ScheduleRefusal:
    """The six fields, with the second 0 where there are five."""
    if len(tokens) not in {5, 6}:
        return _wrong_count(tokens)
    if len(tokens) == 5:
        tokens = [Token("0", tokens[0].column), *tokens]
    fields: list[Field] = []
    for kind, token in zip((SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY), tokens, strict=True):
        field = read_field(kind, token, spread)
        if isinstance(field, ScheduleRefusal):
            return field
        fields.append(field)
    return fields


def _wrong_count(tokens: list[Token]) -> ScheduleRefusal:
    place = tokens[6] if len(tokens) > 6 else tokens[0]
    found = "1 field" if len(tokens) == 1 else f"{len(tokens)} fields"
    message = f"found {found}, expected five (minute, hour, day of month, month, day of week) or six with seconds first"
    hint = "there is no field for the year, take it out" if len(tokens) == 7 else "for every day at 03:00 write `0 3 * * *`"
    return refusal(place, message, hint)


def _schedule_of(fields: list[Field]) -> CronSchedule | ScheduleRefusal:
    second, minute, hour, day, month, weekday = fields
    fault = _check_specials(day, weekday) or _check_hashed_dates(day, month, weekday)
    if fault:
        return fault
    days = days_of(day, month, weekday)
    if days is None:
        return _never_at_all(day, month, weekday)
    return CronSchedule(
        seconds=second.values,
        minutes=minute.values,
        hours=hour.values,
        days=days,
        is_wall_clock=not any(field.is_starred or field.is_full for field in (second, minute, hour)),
    )


def _check_specials(day: Field, weekday: Field) -> ScheduleRefusal | None:
    """`L5` and `5#3` stand neither with plain days of the week nor with a day of month that does not match every day on every host."""
    is_any_day = day.is_starred and len(day.fixed) == DAY.size
    if not weekday.specials or (not weekday.values and is_any_day):
        return None
    other = "plain days of the week" if weekday.values else "a day of month"
    message = f"day of week: `{weekday.specials[0].text.upper()}` cannot stand together with {other}"
    hint = "write `*` for day of month and only such entries for day of week, or make two tasks of it"
    return refusal(weekday.specials[0], message, hint)


def _check_hashed_dates(day: Field, month: Field, weekday: Field) -> ScheduleRefusal | None:
    """TS121 when no date matches on a host for which `H` stands for some month or day of the week.

    Only dates that some months lack, and `LW`, which is never on a weekend, can miss; and only when day of week cannot match instead.
    """
    if not (month.hashed or weekday.hashed) or not weekday.is_starred or (day.values and day.values[0] <= _LAST_DATE_OF_ALL_MONTHS):
        return None
    for weekdays in _possible_values(weekday):
        months = {number for number in range(MONTH.first, MONTH.last + 1) if _matches(day, number, _with_values(weekday, weekdays))}
        if not month.fixed & months and all(any(not choice & months for choice in entry.choices) for entry in month.hashed):
            return _never_on_some(month if month.hashed else weekday)
    return None


def _possible_values(field: Field) -> set[frozenset[int]]:
    """Every set of values the field may have on a host, each `H` taken for itself."""
    found = {field.fixed}
    for entry in field.hashed:
        found = {values | choice for values in found for choice in entry.choices}
    return found


def _matches(day: Field, month: int, weekday: Field) -> bool:
    """Whether any date of that month does, in any year."""
    only = Field(kind=MONTH, token=Token(str(month), 1), values=(month,), fixed=frozenset({month}))
    return days_of(day, only, weekday) is not None


def _with_values(field: Field, values: frozenset[int]) -> Field:
    return replace(field, values=tuple(sorted(values)))


def _never_at_all(day: Field, month: Field, weekday: Field) -> ScheduleRefusal:
    week = "" if weekday.is_full else f" and day of week `{weekday.token.text.upper()}`"
    message = f"day of month: no date from 1970 to 2199 matches `{day.token.text.upper()}` with month `{month.token.text.upper()}`{week}"
    return _never(day.token, message, "write a day of month that comes up there, or other months")


def _never_on_some(field: Field) -> ScheduleRefusal:
    entry = field.hashed[0].token
    message = f"{field.kind.name}: `{entry.text.upper()}` may pick a value on some host with which no date from 1970 to 2199 matches"
    return _never(entry, message, "write values that all have such a date, or a day of month from 1 to 28")


def _never(place: Token, message: str, hint: str) -> ScheduleRefusal:
    return ScheduleRefusal("TS121", message, hint, place.column)
