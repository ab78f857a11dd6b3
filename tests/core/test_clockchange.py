from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.cron_oracle import utc
from torchsync.core.clockchange import ClockChange, Effect, Night, clock_changes, nights
from torchsync.core.cron import ScheduleRefusal, instants, parse_schedule, zone_named
from torchsync.core.model import Instant

YEAR = Instant(utc("2026-01-01") * 1_000), Instant(utc("2027-01-01") * 1_000)


def found(text: str, zone: str = "Europe/Berlin") -> tuple[Night, ...]:
    schedule = parse_schedule(text)
    assert not isinstance(schedule, ScheduleRefusal)
    return nights(schedule, zone_named(zone), *YEAR)


def told(text: str, zone: str = "Europe/Berlin") -> list[tuple[str, str, int]]:
    return [
        (night.effect.value, datetime.fromtimestamp(night.wall, UTC).strftime("%m-%d %H:%M"), night.count) for night in found(text, zone)
    ]


def test_the_changes_of_a_year_are_those_of_the_law() -> None:
    changes = list(clock_changes(zone_named("Europe/Berlin"), *YEAR))
    assert changes == [ClockChange(utc("2026-03-29T01:00"), 3_600, 7_200), ClockChange(utc("2026-10-25T01:00"), 7_200, 3_600)]
    assert [change.is_gap for change in changes] == [True, False]
    assert [tuple(datetime.fromtimestamp(wall, UTC).hour for wall in change.span) for change in changes] == [(2, 3), (2, 3)]
    assert list(clock_changes(zone_named("UTC"), *YEAR)) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30 2 * * *", [("made_up", "03-29 02:30", 1), ("once", "10-25 02:30", 1)]),
        ("0,30 2 * * *", [("made_up", "03-29 02:00", 2), ("once", "10-25 02:00", 2)]),
        ("*/20 2 * * *", [("lost", "03-29 02:00", 3), ("twice", "10-25 02:00", 3)]),
        ("0 3 * * *", []),
        ("59 1 * * *", []),
        ("30 2 * * mon", []),
        ("30 2 29 3 *", [("made_up", "03-29 02:30", 1)]),
        ("@at 2026-03-29T02:15", [("made_up", "03-29 02:15", 1)]),
        ("@at 2026-03-30T02:15", []),
        ("*/5 * * * *", []),
        ("@hourly", []),
        ("30 0-23 * * *", []),
        ("@every 1h", []),
        ("@startup", []),
    ],
)
def test_a_schedule_runs_into_the_changes_that_its_wall_times_fall_into(text: str, expected: list[tuple[str, str, int]]) -> None:
    assert told(text) == expected


def test_half_an_hour_is_a_change_too() -> None:
    assert told("15 2 * * *", "Australia/Lord_Howe") == [("made_up", "10-04 02:15", 1)]


TEXTS = st.builds(
    "{} {} * * *".format,
    st.sampled_from(["0", "30", "0,15,45", "*/10", "59"]),
    st.sampled_from(["0", "1", "2", "1-3", "*/2", "22-2", "3", "0,12"]),
)
ZONES = st.sampled_from(
    ["Europe/Berlin", "America/New_York", "America/Santiago", "Australia/Lord_Howe", "Antarctica/Troll", "Africa/Casablanca"]
)


@settings(max_examples=60, deadline=None)
@given(TEXTS, ZONES)
def test_what_is_said_of_a_night_is_what_the_instants_do(text: str, zone: str) -> None:
    """Counted from the instants themselves: how often each wall time in question is shown when the schedule fires."""
    schedule = parse_schedule(text)
    assert not isinstance(schedule, ScheduleRefusal)
    said = {night.change: night for night in nights(schedule, zone_named(zone), *YEAR)}
    for change in clock_changes(zone_named(zone), *YEAR):
        first, end = change.span
        around: list[int] = []
        for instant in instants(schedule, zone_named(zone), Instant((change.at - 86_400) * 1_000)):
            if instant >= (change.at + 86_400) * 1_000:
                break
            around.append(instant // 1_000)
        shown = Counter(second + (change.before if second < change.at else change.after) for second in around)
        twice = [wall for wall in shown if first <= wall < end and shown[wall] == 2]
        once = [wall for wall in shown if first <= wall < end and shown[wall] == 1]
        night = said.get(change)
        match night.effect if night else None:
            case None:
                assert once + twice == []
            case Effect.MADE_UP:
                assert change.at in around
            case Effect.LOST:
                assert once + twice == []
            case Effect.ONCE:
                assert (len(once), len(twice)) == (night.count if night else 0, 0)
            case Effect.TWICE:
                assert (len(once), len(twice)) == (0, night.count if night else 0)
