"""Calendar events of systemd (`OnCalendar=`), as systemd.time(7) has them: what they say, and when they elapse. Pure.

Written apart from `core/schedule.py` on purpose: it is the second opinion that a translated timer is held against. The differences at a clock
change are systemd's own, measured with `systemd-analyze calendar`: a wall time that the clock skips is lost, and one that comes twice elapses
the first time only, whatever the schedule. One fault of systemd 252 is not followed: with a step that does not divide its field (`*:0/7`) it leaves
out the first moment of each day (of minutes; of each hour for seconds, of each month for hours).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from zoneinfo import ZoneInfo

from torchsync.core.localtime import check_zone, zone_named
from torchsync.core.values import Instant

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
EVERY_WEEKDAY = frozenset(range(7))
YEARS = (1970, 2199)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_SHORTHANDS = {
    "minutely": "*-*-* *:*:00",
    "hourly": "*-*-* *:00:00",
    "daily": "*-*-* 00:00:00",
    "weekly": "Mon *-*-* 00:00:00",
    "monthly": "*-*-01 00:00:00",
    "quarterly": "*-01,04,07,10-01 00:00:00",
    **dict.fromkeys(("annually", "yearly", "anually"), "*-01-01 00:00:00"),
    **dict.fromkeys(("biannually", "bi-annually", "semiannually", "semi-annually"), "*-01,07-01 00:00:00"),
}
_LONG_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_NUMBER = r"[0-9]{1,6}(?:\.[0-9]{1,9})?"
_PART = re.compile(rf"(?P<start>{_NUMBER})(?:\.\.(?P<stop>{_NUMBER}))?(?:/(?P<step>{_NUMBER}))?")
_LAST_DAY_FROM_END = 28
"""systemd counts no further back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayOfMonth:
    """Days of the month from `first` up to `last` in steps, counted from the start of the month, or from its end (1 is the last day)."""

    first: int
    last: int
    step: int = 1
    from_end: bool = False

    def days(self, length: int) -> range:
        """The days that are meant in a month of that many days; days from 1."""
        if self.from_end:
            return range(length - self.first + 1, length - self.last + 2, self.step)
        return range(self.first, min(self.last, length) + 1, self.step)


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarEvent:
    """All of it must match. Weekdays count from Monday, 0. `days` None is every day of the month; the other sets hold what matches.

    `has_fractions` tells that the text has seconds with a fraction: `seconds` are the whole seconds these lie in. `zone` None is the host's.
    """

    text: str
    weekdays: frozenset[int] = EVERY_WEEKDAY
    years: tuple[int, ...] | None = None
    months: tuple[int, ...] = tuple(range(1, 13))
    days: tuple[DayOfMonth, ...] | None = None
    hours: tuple[int, ...] = (0,)
    minutes: tuple[int, ...] = (0,)
    seconds: tuple[int, ...] = (0,)
    has_fractions: bool = False
    zone: str | None = None


def parse_calendar(text: str) -> CalendarEvent:
    """What `text` says. Raises ValueError, with a sentence, for what systemd refuses."""
    if text.startswith("@"):
        return _at_epoch(text)
    rest, zone = _split_zone(text)
    rest = _SHORTHANDS.get(rest.lower(), rest)
    words = rest.split()
    if not words:
        raise ValueError("the calendar event is empty: write one such as `*-*-* 02:30:00`")
    event = CalendarEvent(text=text, zone=zone)
    if words[0][:1].isalpha():
        event = replace(event, weekdays=_weekdays(words.pop(0)))
    if words and ":" not in words[0]:
        event = _with_date(event, words.pop(0))
    if words and ":" in words[0]:
        event = _with_time(event, words.pop(0))
    if words:
        raise ValueError(f"`{words[0]}` is not expected here: weekdays, date, time and zone stand in this order, each once")
    return event


def elapses(event: CalendarEvent, zone: ZoneInfo, after: Instant) -> Iterator[Instant]:
    """When the event elapses later than `after`, on a host in `zone` (the event's own zone wins); whole seconds, until the end of 2199.

    This is what `systemd-analyze calendar` lists: each wall time once, at its first occurrence, and none that the clock skips.
    """
    own = zone_named(event.zone) if event.zone else zone
    start = _EPOCH + timedelta(milliseconds=after)
    for wall in walls(event, start.astimezone(own).replace(tzinfo=None)):
        moment = wall.replace(tzinfo=own).astimezone(UTC)
        if moment > start and moment.astimezone(own).replace(tzinfo=None) == wall:
            yield Instant(int((moment - _EPOCH).total_seconds()) * 1_000)


def _at_epoch(text: str) -> CalendarEvent:
    if not re.fullmatch(r"@[0-9]{1,11}", text):
        raise ValueError(f"`{text}` is not a time: `@` takes whole seconds since 1970")
    when = _EPOCH + timedelta(seconds=int(text[1:]))
    day = DayOfMonth(first=when.day, last=when.day)
    return CalendarEvent(
        text=text,
        years=(when.year,),
        months=(when.month,),
        days=(day,),
        hours=(when.hour,),
        minutes=(when.minute,),
        seconds=(when.second,),
        zone="UTC",
    )


def _split_zone(text: str) -> tuple[str, str | None]:
    head, blank, last = text.rpartition(" ")
    if not blank:
        return text, None
    if last.upper() == "UTC":
        return head, "UTC"
    is_name = last[:1].isalpha() and not _looks_like_weekdays(last) and last.lower() not in _SHORTHANDS
    if not is_name:
        return text, None
    fault = check_zone(last)
    if fault:
        raise ValueError(f"`{last}` is not the name of a time zone")
    return head, last


def _looks_like_weekdays(word: str) -> bool:
    first = re.split(r"[,.-]", word)[0].lower()
    return first in _LONG_WEEKDAYS or first.capitalize() in WEEKDAYS


def _weekdays(word: str) -> frozenset[int]:
    found: set[int] = set()
    for part in word.rstrip(",").split(","):
        names = re.split(r"\.\.|-", part)
        first, last = _weekday(names[0]), _weekday(names[-1])
        if len(names) > 2 or first > last:
            raise ValueError(f"`{part}` is not a range of weekdays: it runs from Monday to Sunday, such as `Mon..Fri`")
        found.update(range(first, last + 1))
    return frozenset(found)


def _weekday(name: str) -> int:
    for number, long in enumerate(_LONG_WEEKDAYS):
        if name.lower() in (long, long[:3]):
            return number
    raise ValueError(f"`{name}` is not a day of the week: write Mon, Tue, Wed, Thu, Fri, Sat or Sun")


def _with_date(event: CalendarEvent, word: str) -> CalendarEvent:
    """A year may be left out, and with it its `-`; `~` before the day counts days from the end of the month."""
    found = re.fullmatch(r"(?:(?P<year>[^-~]+)-)?(?P<month>[^-~]+)(?P<sign>[-~])(?P<day>[^-~]+)", word)
    if found is None:
        raise ValueError(f"`{word}` is not a date: write year-month-day, such as `*-*-01`")
    days = None if found["day"] == "*" else tuple(_days(found["day"], from_end=found["sign"] == "~"))
    years = found["year"] or "*"
    return replace(
        event,
        years=None if years == "*" else _numbers(years, *YEARS, "year", is_year=True),
        months=_numbers(found["month"], 1, 12, "month"),
        days=days,
    )


def _with_time(event: CalendarEvent, word: str) -> CalendarEvent:
    parts = word.split(":")
    if len(parts) not in (2, 3):
        raise ValueError(f"`{word}` is not a time: write hour:minute or hour:minute:second")
    second = parts[2] if len(parts) == 3 else "00"
    return replace(
        event,
        hours=_numbers(parts[0], 0, 23, "hour"),
        minutes=_numbers(parts[1], 0, 59, "minute"),
        seconds=_seconds(second),
        has_fractions="." in second.replace("..", " "),
    )


def _numbers(text: str, low: int, high: int, what: str, *, is_year: bool = False) -> tuple[int, ...]:
    if text == "*":
        return tuple(range(low, high + 1))
    return tuple(sorted(set(chain.from_iterable(_spread(part, low, high, what, is_year=is_year) for part in text.split(",")))))


def _spread(part: str, low: int, high: int, what: str, *, is_year: bool = False) -> range:
    """The values of one entry: a number, a range, and either with a step; a number with a step goes on to the end."""
    found = _PART.fullmatch(part)
    if found is None or "." in part.replace("..", " "):
        raise ValueError(f"{what}: `{part}` is not accepted; write numbers, ranges such as `1..5`, or steps such as `0/15`")
    first, step = int(found["start"]), int(found["step"] or 1)
    first = _full_year(first) if is_year else first
    last = int(found["stop"]) if found["stop"] else high if found["step"] else first
    last = _full_year(last) if is_year else last
    if not (low <= first <= last <= high) or step < 1:
        raise ValueError(f"{what}: `{part}` is not from {low} to {high}, in ascending order")
    if found["step"] and not found["stop"] and first + step > high:
        raise ValueError(f"{what}: `{part}` has no second value up to {high}: leave the step out")
    return range(first, last + 1, step)


def _full_year(year: int) -> int:
    """Two digits are of 1970 to 2069."""
    return year if year >= 100 else year + (2000 if year < 70 else 1900)


def _days(text: str, *, from_end: bool) -> Iterator[DayOfMonth]:
    for part in text.split(","):
        if not from_end:
            values = _spread(part, 1, 31, "day")
            yield DayOfMonth(first=values.start, last=values.stop - 1, step=values.step)
        elif ".." not in part and "/" in part:
            yield _to_the_end(part)
        else:
            values = _spread(part, 1, _LAST_DAY_FROM_END, "day before the end of the month")
            yield DayOfMonth(first=values.stop - 1, last=values.start, step=values.step, from_end=True)


def _to_the_end(part: str) -> DayOfMonth:
    """`7/1`: from the seventh last day on to the last."""
    found = re.fullmatch(r"([0-9]{1,2})/([0-9]{1,2})", part)
    first, step = (int(found[1]), int(found[2])) if found else (0, 0)
    if not (0 < step < first <= _LAST_DAY_FROM_END):
        raise ValueError(f"day before the end of the month: `{part}` is not accepted; write such as `7/1` for the last seven days")
    return DayOfMonth(first=first, last=1, step=step, from_end=True)


def _seconds(text: str) -> tuple[int, ...]:
    """The whole seconds in which some of the times lie; fractions are exact to a microsecond."""
    if text == "*":
        return tuple(range(60))
    found: set[int] = set()
    for part in text.split(","):
        entry = _PART.fullmatch(part)
        if entry is None:
            raise ValueError(f"second: `{part}` is not accepted; write numbers, ranges such as `1..5`, or steps such as `0/15`")
        first, step = _micros(entry["start"]), _micros(entry["step"] or "1")
        last = _micros(entry["stop"]) if entry["stop"] else 59_999_999 if entry["step"] else first
        if not (first <= last < 60_000_000) or step < 1:
            raise ValueError(f"second: `{part}` is not from 0 to 59, in ascending order")
        if entry["step"] and not entry["stop"] and first + step >= 60_000_000:
            raise ValueError(f"second: `{part}` has no second value up to 59: leave the step out")
        whole = range(first // 1_000_000, last // 1_000_000 + 1)
        found.update(whole if step < 1_000_000 else (value // 1_000_000 for value in range(first, last + 1, step)))
    return tuple(sorted(found))


def _micros(text: str) -> int:
    whole, _, fraction = text.partition(".")
    return int(whole) * 1_000_000 + int(fraction[:6].ljust(6, "0"))


def walls(event: CalendarEvent, start: datetime) -> Iterator[datetime]:
    """The matching wall times from `start` on, ascending."""
    for day in _dates(event, start.date()):
        for hour in event.hours:
            for minute in event.minutes:
                for second in event.seconds:
                    wall = datetime(day.year, day.month, day.day, hour, minute, second)  # noqa: DTZ001 - a wall time has no zone
                    if wall >= start.replace(microsecond=0):
                        yield wall


def _dates(event: CalendarEvent, start: date) -> Iterator[date]:
    years = event.years or range(start.year, YEARS[1] + 1)
    for year in (year for year in years if year >= start.year):
        for month in event.months:
            length = ((date(year, month, 28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)).day
            for day in _days_of(event, length):
                found = date(year, month, day)
                if found >= start and found.weekday() in event.weekdays:
                    yield found


def _days_of(event: CalendarEvent, length: int) -> list[int]:
    if event.days is None:
        return list(range(1, length + 1))
    return sorted({day for entry in event.days for day in entry.days(length) if 1 <= day <= length})
