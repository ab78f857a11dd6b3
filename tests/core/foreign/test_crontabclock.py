from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice, takewhile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.cron_oracle import utc
from torchsync.core.cron import zone_named
from torchsync.core.foreign.crontabclock import CrontabClock
from torchsync.core.foreign.crontabfield import KINDS, CronField, Dialect, read_field
from torchsync.core.foreign.crontabfile import clock_of
from torchsync.core.instants import parse_rfc3339
from torchsync.core.model import Instant


def clock(line: str) -> CrontabClock:
    fields = [read_field(kind, text, Dialect.DEBIAN) for kind, text in zip(KINDS, line.split(), strict=True)]
    return clock_of(tuple(field for field in fields if isinstance(field, CronField)))


def between(line: str, zone: str, start: str, end: str) -> list[str]:
    last = parse_rfc3339(end)
    found = takewhile(lambda instant: instant < last, clock(line).instants(zone_named(zone), Instant(parse_rfc3339(start) - 1)))
    return [f"{instant // 60_000 % 1_440 // 60:02d}:{instant // 60_000 % 60:02d}" for instant in found]


@pytest.mark.parametrize(
    ("line", "started"),
    [("30 2 * * *", ["07:00"]), ("0,30 2 * * *", ["07:00", "07:00"]), ("0 3 * * *", ["07:00"]), ("*/20 2 * * *", []), ("30 */2 * * *", [])],
)
def test_the_night_that_skips_an_hour_goes_as_measured_with_debian(line, started) -> None:
    """Debian's cron 3.0pl1-162 under a false clock, New York, 2026-03-08: at 07:00 UTC clocks went from 02:00 to 03:00."""
    assert between(line, "America/New_York", "2026-03-08T06:00:00Z", "2026-03-08T07:30:00Z") == started


@pytest.mark.parametrize(
    ("line", "number"),
    [("0 1 * * *", 0), ("1 1 * * *", 0), ("* 1 * * *", 30), ("1 * * * *", 1)],
)
def test_the_night_that_repeats_an_hour_goes_as_measured_with_debian(line, number) -> None:
    """The second 01:00 to 01:30 of 2026-11-01 in New York, from 06:00 UTC on."""
    assert len(between(line, "America/New_York", "2026-11-01T06:00:00Z", "2026-11-01T06:30:00Z")) == number


def the_loop(line: CrontabClock, zone: str, start: int, minutes: int) -> Iterator[int]:
    """Debian's loop, minute for minute, as the comments of its `cron.c` tell it. `start` and the answers are minutes of UTC."""
    seen: int | None = None
    for minute in range(start, start + minutes):
        wall = minute + offset_at(zone, minute)
        ahead = 1 if seen is None else wall - seen
        if ahead == 1:
            looks = [(wall, True, True)]
        elif 1 < ahead <= 5:
            assert seen is not None
            looks = [(one, True, True) for one in range(seen + 1, wall + 1)]
        elif 5 < ahead <= 180:
            assert seen is not None
            looks = [(wall, True, False), *((one, False, True) for one in range(seen + 1, wall + 1))]
        elif -180 <= ahead <= 0:
            looks = [(wall, True, False)]
        else:
            looks = [(wall, True, True)]
        if ahead > 0 or ahead < -180:
            seen = wall
        for at, wild, fixed in looks:
            if (wild if line.is_wildcard else fixed) and matches(line, at):
                yield minute


def offset_at(zone: str, minute: int) -> int:
    offset = datetime.fromtimestamp(minute * 60, UTC).astimezone(zone_named(zone)).utcoffset()
    assert offset is not None
    return int(offset.total_seconds()) // 60


def matches(line: CrontabClock, wall: int) -> bool:
    at = datetime.fromtimestamp(wall * 60, UTC)
    days = (at.day in line.days, (at.weekday() + 1) % 7 in line.weekdays)
    is_day = all(days) if line.needs_both_days else any(days)
    return at.minute in line.minutes and at.hour in line.hours and at.month in line.months and is_day


CHANGES = [
    ("Europe/Berlin", "2027-03-28T01:00"),
    ("Europe/Berlin", "2027-10-31T01:00"),
    ("Australia/Lord_Howe", "2026-10-03T15:30"),
    ("Australia/Lord_Howe", "2027-04-03T15:00"),
    ("Antarctica/Troll", "2027-03-28T01:00"),
    ("Antarctica/Troll", "2027-10-31T01:00"),
    ("America/Santiago", "2026-09-06T04:00"),
    ("Pacific/Apia", "2011-12-30T10:00"),
]
minutes = st.sampled_from(["*", "0", "30", "*/15", "5,45", "0-59", "17-40/7"])
hours = st.sampled_from(["*", "0", "1", "2", "3", "*/2", "0-4", "1,2", "23"])


@given(st.sampled_from(CHANGES), minutes, hours, st.sampled_from(["*", "*/2", "28-31", "1,30"]), st.sampled_from(["*", "0", "sat,sun"]))
@settings(max_examples=60, deadline=None)
def test_the_model_starts_what_the_loop_of_cron_starts(change, minute, hour, day, weekday) -> None:
    zone, at = change
    line, middle = clock(f"{minute} {hour} {day} * {weekday}"), utc(at) // 60
    expected = list(the_loop(line, zone, middle - 600, 1_200))
    found = takewhile(
        lambda instant: instant < (middle + 600) * 60_000, line.instants(zone_named(zone), Instant((middle - 600) * 60_000 - 1))
    )
    assert [instant // 60_000 for instant in found] == expected


def test_what_hardly_ever_comes_is_found_up_to_2200_and_no_further() -> None:
    leap = list(clock("0 0 29 2 *").instants(zone_named("UTC"), Instant(utc("2026-01-01") * 1_000)))
    assert len(leap) == 42
    assert leap[-1] == utc("2196-02-29") * 1_000
    last = list(clock("0 0 1 1 *").instants(zone_named("Europe/Berlin"), Instant(utc("2198-06-01") * 1_000)))
    assert last == [utc("2198-12-31T23:00") * 1_000, utc("2199-12-31T23:00") * 1_000]


def test_the_first_start_is_strictly_later() -> None:
    every = clock("* * * * *").instants(zone_named("UTC"), Instant(utc("2026-01-01") * 1_000))
    assert list(islice(every, 2)) == [utc("2026-01-01T00:01") * 1_000, utc("2026-01-01T00:02") * 1_000]
