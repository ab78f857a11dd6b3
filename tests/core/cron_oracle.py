"""A second, slow answer to which instants a schedule names: step through UTC, read the wall clock, look whether it matches.

It shares nothing with torchsync: its own small parser (for valid texts only), its own calendar, its own arithmetic for `H`, no croniter. Clock
changes need no arithmetic here: a wall-clock schedule fires when the highest wall time shown so far moves past a match, any other whenever
the wall clock matches.
"""

from __future__ import annotations

import calendar
import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
MACROS = {"@yearly": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0", "@daily": "0 0 * * *", "@hourly": "0 * * * *"}


def number(text: str) -> int:
    if text in MONTHS:
        return MONTHS.index(text) + 1
    return WEEKDAYS.index(text) if text in WEEKDAYS else int(text)


def without_h(text: str, host: str, task: str) -> str:
    """The fields with every `H` spelled out as a list of numbers."""
    fields = text.lower().split()
    words = ["second", "minute", "hour", "day", "month", "weekday"][-len(fields) :]
    return " ".join(
        ",".join(spelled(entry, word, host, task) for entry in field.split(",")) for field, word in zip(fields, words, strict=True)
    )


def spelled(entry: str, word: str, host: str, task: str) -> str:
    """Walks the range of the entry and keeps every nth value from the picked one on; one value when there is no step."""
    if not entry.startswith("h"):
        return entry
    low, high = {"second": (0, 59), "minute": (0, 59), "hour": (0, 23), "day": (1, 28), "month": (1, 12), "weekday": (0, 6)}[word]
    span, _, step = entry.partition("/")
    start, stop = (number(end) for end in span[2:-1].split("-")) if "(" in span else (low, high)
    if word == "weekday":
        start, stop = (0, 6) if (start, stop) == (0, 7) else (start % 7, stop % 7)
    run = [start]
    while run[-1] != stop:
        run.append(low if run[-1] == high else run[-1] + 1)
    size = int(step) if step else len(run)
    digest = hashlib.sha256("\0".join([host, task, word]).encode()).digest()
    picked = int.from_bytes(digest[:8], "big") % size
    kept = run[picked::size] if step else [run[picked]]
    return ",".join(map(str, kept))


@cache
def value_set(text: str, low: int, high: int, *, week: bool = False) -> set[int]:
    """Walks each range one value at a time, back to `low` after `high`."""
    found = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        if span == "*":
            start, stop = low, high
        elif "-" in span:
            start, stop = (number(end) for end in span.split("-"))
        else:
            start, stop = number(span), (high if step else number(span))
        if week and (start, stop) == (0, 7):
            start, stop = 0, 6
            assert step in {"", "1", "2", "3", "4", "5", "6"}
        if week:
            start, stop = start % 7, stop % 7
        value, walked = start, 0
        while True:
            if walked % int(step or 1) == 0:
                found.add(value)
            if value == stop:
                break
            value, walked = (low if value == high else value + 1), walked + 1
    return found


@dataclass
class Oracle:
    seconds: set[int]
    minutes: set[int]
    hours: set[int]
    day_text: str
    months: set[int]
    weekday_text: str
    is_wall_clock: bool
    moment: datetime | None = None
    """Of `@at`: the only wall time."""

    @classmethod
    def of(cls, text: str) -> Oracle:
        if text.lower().startswith("@at "):
            moment = datetime.fromisoformat(text[4:].upper())
            return cls(set(), set(), set(), "*", set(), "*", is_wall_clock=True, moment=moment)
        fields = MACROS.get(text.lower(), text).lower().split()
        second, minute, hour, day, month, weekday = fields if len(fields) == 6 else ["0", *fields]
        clock = [(second, value_set(second, 0, 59), 60), (minute, value_set(minute, 0, 59), 60), (hour, value_set(hour, 0, 23), 24)]
        free = any(field.startswith("*") or len(values) == size for field, values, size in clock)
        return cls(clock[0][1], clock[1][1], clock[2][1], day, value_set(month, 1, 12), weekday, not free)

    def __hash__(self) -> int:
        return id(self)

    @cache  # noqa: B019 -- an oracle lives as long as its test
    def matches_day(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        by_date, by_weekday = self._matches_date(day), self._matches_weekday(day)
        if self.day_text.startswith("*") or self.weekday_text.startswith("*") or "#" in self.weekday_text or "l" in self.weekday_text:
            return by_date and by_weekday
        return by_date or by_weekday

    def _matches_date(self, day: date) -> bool:
        last = calendar.monthrange(day.year, day.month)[1]
        for part in self.day_text.split(","):
            if part == "l":
                hit = day.day == last
            elif part == "lw":
                hit = day.weekday() < 5 and all(date(day.year, day.month, later).weekday() >= 5 for later in range(day.day + 1, last + 1))
            else:
                hit = day.day in value_set(part, 1, 31)
            if hit:
                return True
        return False

    def _matches_weekday(self, day: date) -> bool:
        for part in self.weekday_text.split(","):
            if "#" in part:
                name, nth = part.split("#")
                hit = day.isoweekday() % 7 == number(name) % 7 and (day.day + 6) // 7 == int(nth)
            elif part.startswith("l"):
                hit = day.isoweekday() % 7 == number(part[1:]) % 7 and (day + timedelta(7)).month != day.month
            else:
                hit = day.isoweekday() % 7 in value_set(part, 0, 6, week=True)
            if hit:
                return True
        return False

    def matches(self, wall: datetime) -> bool:
        if self.moment:
            return wall == self.moment
        return wall.second in self.seconds and wall.minute in self.minutes and wall.hour in self.hours and self.matches_day(wall.date())

    def fires(self, zone: ZoneInfo, start: int, end: int, step: int = 1) -> list[int]:
        """The UTC seconds from `start` until before `end` at which the schedule fires; every wall time stepped on must be a multiple of `step`."""
        highest = _highest(zone, start, step)
        found = []
        for second in range(start, end, step):
            wall = _wall(zone, second)
            fires = any(self.matches(at) for at in _between(highest, wall, step)) if self.is_wall_clock else self.matches(wall)
            highest = max(highest, wall)
            if fires:
                found.append(second)
        return found


def _highest(zone: ZoneInfo, start: int, step: int) -> datetime:
    """The highest wall time shown in the day and a half before `start`: sought every ten minutes, then at every step after what comes near it."""
    samples = {second: _wall(zone, second) for second in range(start - step, start - 36 * 3600, -600)}
    near = max(samples.values()) - timedelta(seconds=600)
    close = [second for second, wall in samples.items() if wall >= near]
    return max(_wall(zone, second) for low in close for second in range(low, min(low + 600, start), step))


def _wall(zone: ZoneInfo, second: int) -> datetime:
    return datetime.fromtimestamp(second, zone).replace(tzinfo=None)


def _between(low: datetime, high: datetime, step: int) -> list[datetime]:
    """The wall times after `low` up to `high`."""
    missing = max(0, int((high - low).total_seconds()) // step)
    return [high - timedelta(seconds=step * back) for back in reversed(range(missing))]


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())
