"""Calendar events of systemd as schedules of torchsync. Pure.

An event is a product of sets, as a schedule of five or six fields is, so most of them have an equal. What has none: years (but for a few single
dates, which become `@at`), days counted back from the end of the month, and a day of the month that has to meet a day of the week, except where
`1#1` (the first Monday) or `L1` (the last) say the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice, pairwise

from torchsync.core.foreign.oncalendar import EVERY_WEEKDAY, CalendarEvent, walls
from torchsync.core.foreign.refusal import NoEqual

_MOST_DATES = 12
"""More single dates than this are not written out as tasks."""
_ALL_DAYS = frozenset(range(1, 32))
_WEEKS = tuple(frozenset(range(first, min(first + 7, 32))) for first in (1, 8, 15, 22, 29))
_LAST_WEEK = frozenset(range(1, 8))
_LENGTHS = {2: 0, 4: 30, 6: 30, 9: 30, 11: 30}
_LONG_RUN = 4


def unite(events: Iterable[CalendarEvent]) -> tuple[CalendarEvent, ...]:
    """The same moments in as few events: those that differ in one set only become one. In the order given."""
    found: list[CalendarEvent] = []
    for event in dict.fromkeys(events):
        _take_in(found, event)
    return tuple(found)


def schedules_of(event: CalendarEvent) -> tuple[str, ...]:
    """The schedules that together have the moments of the event: one, or one a date. Raises NoEqual when there are none."""
    first = next(walls(event, datetime(1970, 1, 1)), None)  # noqa: DTZ001 - a wall time has no zone
    if first is None:
        raise NoEqual(f"`{event.text}` never elapses: no date matches it", "take it out")
    if event.years is not None:
        return _dates(event)
    day, weekday = _day_fields(event)
    fields = [
        field_text(event.minutes, 0, 59),
        field_text(event.hours, 0, 23),
        day,
        field_text(event.months, 1, 12),
        weekday,
    ]
    second = [] if event.seconds == (0,) else [field_text(event.seconds, 0, 59)]
    return (" ".join([*second, *fields]),)


def field_text(values: Sequence[int], low: int, high: int) -> str:
    """The ascending values as a field of a schedule reads: `*`, `*/15`, `1-5`, `8-20/4` or a list."""
    if len(values) == high - low + 1:
        return "*"
    step = _step(values)
    if step > 1 and values[0] == low and values[-1] + step > high:
        return f"*/{step}"
    if step > 1:
        return f"{values[0]}-{values[-1]}/{step}"
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(map(str, run)) for run in _runs(values))


def _step(values: Sequence[int]) -> int:
    """The distance between all neighbours of a longer run; 0 when there is no such."""
    distances = {after - before for before, after in pairwise(values)}
    return distances.pop() if len(values) >= _LONG_RUN and len(distances) == 1 else 0


def _runs(values: Sequence[int]) -> list[list[int]]:
    runs: list[list[int]] = []
    for value in values:
        if runs and runs[-1][-1] == value - 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    return runs


def _take_in(found: list[CalendarEvent], event: CalendarEvent) -> None:
    for place, other in enumerate(found):
        united = _united(other, event)
        if united is not None:
            del found[place]
            _take_in(found, united)
            return
    found.append(event)


def _united(one: CalendarEvent, other: CalendarEvent) -> CalendarEvent | None:
    """Both as one event, when they differ in no more than one of the sets."""
    names = ("weekdays", "months", "days", "hours", "minutes", "seconds")
    differing = [name for name in names if getattr(one, name) != getattr(other, name)]
    if one.zone != other.zone or one.years != other.years or len(differing) > 1:
        return None
    text = one.text if one.text == other.text else f"{one.text}; {other.text}"
    both = replace(one, text=text, has_fractions=one.has_fractions or other.has_fractions)
    match differing:
        case ["weekdays"]:
            both = replace(both, weekdays=one.weekdays | other.weekdays)
        case ["months"]:
            both = replace(both, months=_joined(one.months, other.months))
        case ["days"]:
            both = replace(both, days=None if None in (one.days, other.days) else (*(one.days or ()), *(other.days or ())))
        case ["hours"]:
            both = replace(both, hours=_joined(one.hours, other.hours))
        case ["minutes"]:
            both = replace(both, minutes=_joined(one.minutes, other.minutes))
        case ["seconds"]:
            both = replace(both, seconds=_joined(one.seconds, other.seconds))
    return both


def _joined(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted({*one, *other}))


def _dates(event: CalendarEvent) -> tuple[str, ...]:
    found = tuple(islice(walls(event, datetime(1970, 1, 1)), _MOST_DATES + 1))  # noqa: DTZ001 - a wall time has no zone
    if len(found) > _MOST_DATES:
        raise NoEqual(f"`{event.text}` names years, which a schedule cannot", "leave the years out, or write the dates as tasks with `@at`")
    return tuple(f"@at {wall:%Y-%m-%dT%H:%M:%S}" for wall in found)


def _day_fields(event: CalendarEvent) -> tuple[str, str]:
    """Day of month and day of week: both must match, which a schedule has only where one of the two starts with `*`."""
    plain, tail = _days(event)
    is_any_day = plain == _ALL_DAYS
    if is_any_day or event.weekdays == EVERY_WEEKDAY:
        return ("*" if is_any_day else _dates_of_month(event, plain, tail)), _weekdays_text(event.weekdays)
    crons = sorted((day + 1) % 7 for day in event.weekdays)
    weeks = [number for number, week in enumerate(_WEEKS, 1) if week <= plain]
    if not tail and plain == frozenset().union(*(_WEEKS[number - 1] for number in weeks)):
        return "*", ",".join(f"{day}#{number}" for number in weeks for day in crons)
    if not plain and tail == _LAST_WEEK:
        return "*", ",".join(f"L{day}" for day in crons)
    text = field_text(sorted(plain), 1, 31) if plain else ""
    if text.startswith("*") and not tail:
        return text, _weekdays_text(event.weekdays)
    days = "|".join(str(day + 1) for day in sorted(event.weekdays))
    raise NoEqual(
        f"`{event.text}` wants a day of the month and a day of the week at once, which a schedule cannot",
        f"schedule the days of the month, and let the command begin with `case $(date +%u) in {days}) ;; *) exit 0 ;; esac`",
    )


def _days(event: CalendarEvent) -> tuple[frozenset[int], frozenset[int]]:
    """The days counted from the start of the month, and those counted from its end (1 is the last)."""
    if event.days is None:
        return _ALL_DAYS, frozenset()
    plain = frozenset(day for entry in event.days if not entry.from_end for day in entry.days(31))
    tail = frozenset(32 - day for entry in event.days if entry.from_end for day in entry.days(31))
    return plain, tail


def _dates_of_month(event: CalendarEvent, plain: frozenset[int], tail: frozenset[int]) -> str:
    """A day from the end is one from the start where all months of the event are equally long."""
    lengths = {_LENGTHS.get(month, 31) for month in event.months}
    if len(lengths) == 1 and 0 not in lengths:
        length = lengths.pop()
        plain, tail = plain | {length - day + 1 for day in tail}, frozenset()
    if tail - {1}:
        raise NoEqual(
            f"`{event.text}` counts days back from the end of the month, of which a schedule knows only the last (`L`)",
            "schedule the days that may be meant, such as `26-29`, and let the command test the date",
        )
    text = field_text(sorted(plain), 1, 31) if plain else ""
    return ",".join([*([text] if text else []), *(["L"] if tail else [])])


def _weekdays_text(weekdays: frozenset[int]) -> str:
    return field_text(sorted((day + 1) % 7 for day in weekdays), 0, 6)
