from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random
from zoneinfo import ZoneInfo

import pytest

from torchsync.core.foreign.gotorchtimes import read_times, really_matches, schedule_of
from torchsync.core.values import Instant

BERLIN = ZoneInfo("Europe/Berlin")


def at(year: int, month: int, day: int) -> Instant:
    return Instant(int(datetime(year, month, day, tzinfo=UTC).timestamp()) * 1_000)


@pytest.mark.parametrize(
    ("times", "schedule"),
    [
        ("0 30 2 * * *", "30 2 * * *"),
        ("*/10 * * * * *", "*/10 * * * * *"),
        ("0 0 3 * 1-5 *", "0 3 * * 1-5"),
        ("0 0 3 * 7 *", "0 3 * * 0"),
        ("0 0 3 1,15 * 6", "0 3 1,15 6 *"),
        ("0 0 3 1-7 1 *", "0 3 * * 1#1"),
        ("30 5/20 8-18 * * *", "30 5,25,45 8-18 * * *"),
    ],
)
def test_the_week_stands_before_the_month(times: str, schedule: str) -> None:
    assert schedule_of(read_times(times)) == schedule


def test_every_field_has_to_match_by_looking_at_the_clock_each_second() -> None:
    """A day in which clocks go back, second by second, as an oracle."""
    times = read_times("*/20 0-40/13 1-3 * 7 10")
    start = at(2026, 10, 24)
    found = list(islice(times.instants(BERLIN, start), 100))
    expected = []
    for second in range(48 * 3_600):
        instant = Instant(start + (second + 1) * 1_000)
        wall = datetime.fromtimestamp(instant / 1_000, BERLIN)
        if wall.second % 20 == 0 and wall.minute in (0, 13, 26, 39) and wall.hour in (1, 2, 3) and wall.isoweekday() == 7:
            expected.append(instant)
    assert len(expected) == 4 * 4 * 3
    assert found[: len(expected)] == expected


def test_a_skipped_time_never_comes_and_a_repeated_one_comes_twice() -> None:
    times = read_times("0 30 2 * * *")
    spring = [datetime.fromtimestamp(instant / 1_000, UTC).day for instant in islice(times.instants(BERLIN, at(2026, 3, 28)), 2)]
    autumn = [
        datetime.fromtimestamp(instant / 1_000, UTC).strftime("%d %H") for instant in islice(times.instants(BERLIN, at(2026, 10, 25)), 3)
    ]
    assert spring == [28, 30]
    assert autumn == ["25 00", "25 01", "26 01"]


@pytest.mark.parametrize("seed", range(3))
def test_instants_are_those_of_the_schedule_where_no_clock_changes(seed: int) -> None:
    from torchsync.core.cron import Schedule, instants, parse_schedule

    chance = Random(seed)
    times = read_times(
        f"{chance.randrange(60)} */{chance.randrange(2, 30)} {chance.randrange(12)}-{chance.randrange(12, 24)} * 1-{chance.randrange(2, 7)} *"
    )
    parsed = parse_schedule(schedule_of(times))
    assert isinstance(parsed, Schedule)
    utc = ZoneInfo("UTC")
    start = Instant(at(2026, 1, 1) + int(timedelta(seconds=chance.randrange(10**7)) / timedelta(milliseconds=1)))
    assert list(islice(times.instants(utc, start), 300)) == list(islice(instants(parsed, utc, start), 300))


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ("* * * * *", "has 5 fields, expected six"),
        ("60 * * * * *", "second: `60` is not from 0 to 59"),
        ("0 0 0 0 * *", "day: `0` is not from 1 to 31"),
        ("0 0 0 * 8 *", "week: `8` is not from 1 to 7"),
        ("0 0 0 * * jan", "month: `jan` is not accepted"),
        ("*/0 * * * * *", "with a step of 1 or more"),
        ("0 5-1 * * * *", "in ascending order"),
        ("0 *-5 * * * *", r"minute: `\*-5` is not accepted"),
    ],
)
def test_times_that_mean_nothing_are_refused(times: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_times(times)


def test_as_built_only_stars_match_and_miss_their_last_value() -> None:
    really = dict(really_matches("*/15 * 3 1-5 * *"))
    assert really["second"] == {0, 15, 30, 45}
    assert really["minute"] == set(range(59))
    assert really["hour"] == really["day"] == frozenset()
    assert really["week"] == set(range(1, 7)), "Sunday is 0 for its clock"
    assert really["month"] == set(range(1, 12)), "December"
    assert dict(really_matches("*/59 * * * * *"))["second"] == {0}


def test_a_moment_that_is_now_has_passed() -> None:
    times = read_times("0 30 2 * * *")
    now = Instant(at(2026, 6, 1) + 2 * 3_600_000 + 30 * 60_000)
    assert next(times.instants(ZoneInfo("UTC"), now)) == now + 86_400_000
    assert next(times.instants(ZoneInfo("UTC"), Instant(now - 1))) == now
