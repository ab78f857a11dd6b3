"""The six fields of Gotorch: second, minute, hour, day, week, month, in this order. Pure.

Two meanings: the documented one, by which tasks are translated and judged, and what the program really does with a field, which is said in the
report. All six must match. The clock is looked at ten times a second, so a wall time that the clock skips never comes, and one that it repeats
comes twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from torchsync.core.foreign.oncalendar import CalendarEvent, DayOfMonth
from torchsync.core.foreign.oncalendarcron import schedules_of
from torchsync.core.values import Instant

FIELDS = (("second", 0, 59), ("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("week", 1, 7), ("month", 1, 12))
_ENTRY = re.compile(r"(?P<first>\*|[0-9]{1,4})(?:-(?P<last>[0-9]{1,4}))?(?:/(?P<step>[0-9]{1,4}))?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_END = date(2199, 12, 31)
_QUARTER = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class GotorchTimes:
    """What matches, field by field. `weekdays` are of ISO 8601: Monday is 1, Sunday 7."""

    text: str
    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    weekdays: tuple[int, ...]
    months: tuple[int, ...]

    def instants(self, zone: ZoneInfo, after: Instant) -> Iterator[Instant]:
        """The seconds later than `after` at which the wall clock of the zone matches, by the documented meaning; until the end of 2199."""
        start = _EPOCH + timedelta(milliseconds=after)
        day = start.replace(hour=0, minute=0, second=0, microsecond=0)
        while day.date() <= _END:
            if self._has_date(day.astimezone(zone)) or self._has_date((day + timedelta(hours=23, minutes=59)).astimezone(zone)):
                yield from (Instant(found) for found in self._of_day(day, zone) if found > after)
            day += timedelta(days=1)

    def _has_date(self, wall: datetime) -> bool:
        return wall.day in self.days and wall.month in self.months and wall.isoweekday() in self.weekdays

    def _of_day(self, day: datetime, zone: ZoneInfo) -> Iterator[int]:
        """A quarter of an hour after the other: no clock is changed within one."""
        for number in range(96):
            moment = day + number * _QUARTER
            wall = moment.astimezone(zone)
            if not (self._has_date(wall) and wall.hour in self.hours):
                continue
            base = int((moment - _EPOCH).total_seconds()) - wall.minute * 60 - wall.second
            for minute in self.minutes:
                if wall.minute <= minute < wall.minute + 15:
                    yield from ((base + minute * 60 + second) * 1_000 for second in self.seconds)


def read_times(text: str) -> GotorchTimes:
    """The documented meaning. Raises ValueError, with a sentence, for what has none."""
    words = text.split()
    if len(words) != len(FIELDS):
        raise ValueError(f"`{text}` has {len(words)} fields, expected six: second minute hour day week month")
    sets = [_values(word, *field) for word, field in zip(words, FIELDS, strict=True)]
    return GotorchTimes(text=text, seconds=sets[0], minutes=sets[1], hours=sets[2], days=sets[3], weekdays=sets[4], months=sets[5])


def schedule_of(times: GotorchTimes) -> str:
    """The schedule with the same instants. Raises NoEqual when there is none."""
    days = None if len(times.days) == 31 else tuple(DayOfMonth(first=day, last=day) for day in times.days)
    event = CalendarEvent(
        text=times.text,
        weekdays=frozenset(day - 1 for day in times.weekdays),
        months=times.months,
        days=days,
        hours=times.hours,
        minutes=times.minutes,
        seconds=times.seconds,
    )
    return schedules_of(event)[0]


def really_matches(text: str) -> tuple[tuple[str, frozenset[int]], ...]:
    """What the program, as it is, makes of each field, by its name: it counts up to, but not including, the last value, so a number and a range
    match nothing. Sunday is 0 for its clock, and no field has a 0 there.
    """
    return tuple((name, _really(word, low, high)) for word, (name, low, high) in zip(text.split(), FIELDS, strict=False))


def _really(word: str, low: int, high: int) -> frozenset[int]:
    found: set[int] = set()
    for part in word.split(","):
        entry = _ENTRY.fullmatch(part)
        if entry and entry["first"] == "*" and not entry["last"] and int(entry["step"] or 1):
            found.update(range(low, high, int(entry["step"] or 1)))
    return frozenset(found)


def _values(word: str, name: str, low: int, high: int) -> tuple[int, ...]:
    return tuple(sorted({value for part in word.split(",") for value in _entry(part, name, low, high)}))


def _entry(part: str, name: str, low: int, high: int) -> Iterator[int]:
    entry = _ENTRY.fullmatch(part)
    if entry is None or (entry["first"] == "*" and entry["last"]):
        raise ValueError(f"{name}: `{part}` is not accepted; write `*`, numbers, ranges such as `1-5`, and steps such as `*/15`")
    step = int(entry["step"] or 1)
    lowest = 0 if name == "week" else low
    first = low if entry["first"] == "*" else int(entry["first"])
    last = int(entry["last"]) if entry["last"] else high if entry["first"] == "*" or entry["step"] else first
    if not (lowest <= first <= last <= high) or step < 1:
        raise ValueError(f"{name}: `{part}` is not from {low} to {high}, in ascending order, with a step of 1 or more")
    yield from ((value or 7) if name == "week" else value for value in range(first, last + 1, step))
