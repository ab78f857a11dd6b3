from __future__ import annotations

from itertools import islice, pairwise

import pytest

from tests.builders import facts
from torchsync.core.instants import parse_rfc3339, rfc3339_short
from torchsync.core.model import CronTiming, Instant, Millis, TaskName
from torchsync.core.schedulematch import Match, matched, newest_before
from torchsync.core.spread import Spread
from torchsync.core.timetable import rhythm_of

NAME = TaskName("nightly-backup")


def held(schedule: str, at: str, zone: str = "UTC", **changes) -> Match:
    return matched(NAME, CronTiming(schedule=schedule, zone=zone, **changes), facts(zone="Europe/Berlin"), parse_rfc3339(at))


def misses(found: Match) -> dict[str, str]:
    return {one.name: one.actual for one in found.fields if not one.matches}


@pytest.mark.parametrize(
    ("schedule", "at", "wrong"),
    [
        ("30 2 * * *", "2026-11-23T02:30:00Z", {}),
        ("30 2 * * *", "2026-11-23T02:31:00Z", {"minute": "31"}),
        ("30 2 * * *", "2026-11-23T02:30:01Z", {"second": "1"}),
        ("15 30 2 * * *", "2026-11-23T02:30:15Z", {}),
        ("0 9 * 12 *", "2026-11-23T09:00:00Z", {"month": "11"}),
        ("0 9 * * 2-5", "2026-11-23T09:00:00Z", {"day of week": "Monday"}),
        ("0 9 L * *", "2026-11-30T09:00:00Z", {}),
        ("0 9 L * *", "2026-11-29T09:00:00Z", {"day of month": "29"}),
        ("0 9 LW * *", "2026-10-30T09:00:00Z", {}),
        ("0 9 * * 5#3", "2026-11-20T09:00:00Z", {}),
        ("0 9 * * 5#3", "2026-11-27T09:00:00Z", {"day of week": "Friday"}),
        ("0 9 * * L1", "2026-11-30T09:00:00Z", {}),
        ("@daily", "2026-11-23T01:00:00Z", {"hour": "1"}),
    ],
)
def test_each_field_says_whether_it_matches(schedule, at, wrong):
    found = held(schedule, at)
    assert misses(found) == wrong
    assert found.is_instant == (not wrong)
    assert [one.name for one in found.fields] == ["second", "minute", "hour", "day of month", "month", "day of week"]


def test_fields_are_told_in_the_zone_of_the_task():
    found = held("30 2 * * *", "2026-11-23T01:30:00Z", "Europe/Berlin")
    assert (found.is_instant, found.local, found.zone) == (True, "Monday 2026-11-23 02:30:00 +01:00 Europe/Berlin", "Europe/Berlin")
    assert held("30 2 * * *", "2026-11-23T01:30:00Z", "local").zone == "Europe/Berlin"
    assert held("0 0 * * *", "2026-11-22T18:15:00Z", "Asia/Kathmandu").local == "Monday 2026-11-23 00:00:00 +05:45 Asia/Kathmandu"
    assert held("0 0 * * *", "2026-11-23T03:30:00Z", "America/St_Johns").local == "Monday 2026-11-23 00:00:00 -03:30 America/St_Johns"


def test_what_h_stands_for_on_this_host_is_told():
    minute = Spread("db-1", NAME).pick("minute", 60)
    found = held("H 3 * * *", f"2026-11-23T03:{minute:02d}:00Z")
    (told,) = [one for one in found.fields if one.name == "minute"]
    assert (told.text, told.values, told.matches, found.is_instant) == ("H", str(minute), True, True)


def test_many_values_are_told_in_short():
    values = {one.name: one.values for one in held("*/2 9-17 1,L * 1-5", "2026-11-23T02:30:00Z").fields}
    assert values == {
        "second": "0",
        "minute": "0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, …",
        "hour": "9, 10, 11, 12, 13, 14, 15, 16, 17",
        "day of month": "1, L",
        "month": "every",
        "day of week": "Mon, Tue, Wed, Thu, Fri",
    }


@pytest.mark.parametrize("schedule", ["@every 90s", "@at 2026-12-01T03:00", "@startup"])
def test_what_has_no_fields_shows_none(schedule):
    assert held(schedule, "2026-11-23T02:30:00Z").fields == ()


def test_either_day_is_enough_where_both_are_restricted():
    found = held("0 9 1 * 1", "2026-11-23T09:00:00Z")
    assert (found.is_instant, misses(found)) == (True, {"day of month": "23"})
    assert "one of the two is enough" in found.notes[0]


@pytest.mark.parametrize(
    ("schedule", "zone", "at", "is_instant", "said"),
    [
        pytest.param("30 2 * * *", "Europe/Berlin", "2026-03-29T01:00:00Z", True, "made up for together", id="made up after the gap"),
        pytest.param("*/5 * * * *", "Europe/Berlin", "2026-03-29T00:55:00Z", True, "does not make up for them", id="not made up"),
        pytest.param("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", True, "went back by 1h00m", id="shown twice, the first"),
        pytest.param("30 2 * * *", "Europe/Berlin", "2026-10-25T01:30:00Z", False, "goes by the first", id="shown twice, the second"),
        pytest.param("*/5 * * * *", "Europe/Berlin", "2026-10-25T01:30:00Z", True, "went back by 1h00m", id="both count"),
        pytest.param("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T15:30:00Z", True, "forward by 30m00s", id="half an hour"),
    ],
)
def test_a_night_of_a_clock_change_is_explained(schedule, zone, at, is_instant, said):
    found = held(schedule, at, zone)
    assert found.is_instant is is_instant
    (note,) = found.notes
    assert said in note


def test_far_from_a_clock_change_nothing_is_said_of_it():
    assert held("30 2 * * *", "2026-11-23T01:30:00Z", "Europe/Berlin").notes == ()


def test_jitter_makes_an_instant_due_later():
    found = held("30 2 * * *", "2026-11-23T02:30:00Z", jitter=Millis(600_000))
    assert 0 <= found.due - parse_rfc3339("2026-11-23T02:30:00Z") < 600_000
    assert found.due == parse_rfc3339("2026-11-23T02:30:00Z") + Spread("db-1", NAME).pick("jitter", 600_000)


@pytest.mark.parametrize(
    ("schedule", "before", "after"),
    [
        ("@every 1s", "2026-11-23T02:29:59Z", "2026-11-23T02:30:01Z"),
        ("30 2 * * *", "2026-11-22T02:30:00Z", "2026-11-24T02:30:00Z"),
        ("0 0 29 2 *", "2024-02-29T00:00:00Z", "2028-02-29T00:00:00Z"),
        ("@at 2001-12-01T03:00", "2001-12-01T03:00:00Z", None),
        ("@at 2026-12-01T03:00", None, "2026-12-01T03:00:00Z"),
        ("@startup", None, None),
    ],
)
def test_the_nearest_instants_are_told(schedule, before, after):
    found = held(schedule, "2026-11-23T02:30:00Z")
    assert (found.before and rfc3339_short(found.before), found.after and rfc3339_short(found.after)) == (before, after)


@pytest.mark.parametrize("schedule", ["*/7 3-5 * * *", "0 9 * * 1-5", "0 0 1 1 *", "@every 90s", "30 2 L 2,9 *"])
def test_the_newest_instant_before_a_moment_is_the_last_one_that_comes_before_it(schedule):
    rhythm = rhythm_of(NAME, CronTiming(schedule=schedule, zone="Europe/Berlin"), facts())
    instants = list(islice(rhythm.following(parse_rfc3339("2026-03-01T00:00:00Z")), 40))
    for earlier, later in pairwise(instants):
        assert newest_before(rhythm, later) == earlier
        assert newest_before(rhythm, Instant(later - 1)) == earlier
        assert newest_before(rhythm, Instant(earlier + 1)) == earlier
