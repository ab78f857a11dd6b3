"""What holds of calendar events by systemd.time(7); `tests/adapters/test_systemdanalyze.py` holds them against the program."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from torchsync.core.foreign.oncalendar import elapses, parse_calendar
from torchsync.core.values import Instant

AUTUMN = Instant(int(datetime(2026, 10, 24, tzinfo=UTC).timestamp()) * 1_000)
SPRING = Instant(int(datetime(2026, 3, 28, tzinfo=UTC).timestamp()) * 1_000)


def first(text: str, zone: str, after: Instant, count: int) -> list[str]:
    found = islice(elapses(parse_calendar(text), ZoneInfo(zone), after), count)
    return [datetime.fromtimestamp(instant / 1_000, UTC).strftime("%m-%d %H:%M") for instant in found]


def test_a_wall_time_that_the_clock_skips_is_lost() -> None:
    assert first("02:30", "Europe/Berlin", SPRING, 3) == ["03-28 01:30", "03-30 00:30", "03-31 00:30"]


def test_a_wall_time_that_comes_twice_elapses_the_first_time_only() -> None:
    assert first("*:0/30", "Europe/Berlin", Instant(AUTUMN + 86_400_000), 3) == ["10-25 00:30", "10-25 02:00", "10-25 02:30"]


def test_days_are_counted_from_the_end_of_the_month() -> None:
    assert first("*-*~02", "UTC", AUTUMN, 2) == ["10-30 00:00", "11-29 00:00"]
    assert first("Mon *-*~07/1", "UTC", AUTUMN, 2) == ["10-26 00:00", "11-30 00:00"]


def test_a_zone_of_its_own_wins_over_that_of_the_host() -> None:
    assert first("12:00 Asia/Tokyo", "Europe/Berlin", AUTUMN, 1) == ["10-24 03:00"]


def test_a_moment_that_is_now_has_passed() -> None:
    assert first("daily", "UTC", AUTUMN, 1) == ["10-25 00:00"]
    assert first("daily", "UTC", Instant(AUTUMN - 1), 1) == ["10-24 00:00"]


def test_what_is_no_date_never_elapses() -> None:
    assert first("*-02-30", "UTC", AUTUMN, 1) == []


@pytest.mark.parametrize(
    ("text", "seconds", "has_fractions"),
    [("*:*:0/0.5", tuple(range(60)), True), ("*:*:01.1234567", (1,), True), ("*:*:10..12", (10, 11, 12), False), ("*:*:0/1.5", None, True)],
)
def test_fractions_of_seconds_are_told_and_rounded_down(text: str, seconds: tuple[int, ...] | None, has_fractions: bool) -> None:
    event = parse_calendar(text)
    assert event.has_fractions is has_fractions
    assert event.seconds == (seconds or tuple(sorted({n * 15 // 10 for n in range(40)})))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the calendar event is empty"),
        ("Montag 03:00", "`Montag` is not a day of the week"),
        ("Fri..Mon", "runs from Monday to Sunday"),
        ("*:61", "minute: `61` is not from 0 to 59"),
        ("*:*/15", r"minute: `\*/15` is not accepted"),
        ("*:59/61", "has no second value up to 59"),
        ("daily Mars/Phobos", "`Mars/Phobos` is not the name of a time zone"),
        ("02:30 02:40", "`02:40` is not expected here"),
        ("@soon", "`@` takes whole seconds since 1970"),
        ("*-*~31", "not from 1 to 28"),
        ("*-*~1/1", "such as `7/1`"),
        ("1:2:3:4", "write hour:minute or hour:minute:second"),
        ("2026", "write year-month-day"),
        ("*:*:60", "second: `60` is not from 0 to 59"),
        ("*:*:x", "second: `x` is not accepted"),
    ],
)
def test_what_systemd_refuses_is_refused_with_a_sentence(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_calendar(text)
