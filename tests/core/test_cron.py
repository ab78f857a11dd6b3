from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import assume, example, given
from hypothesis import strategies as st

from scripts.schedule_table import ACCEPTED, REFUSED
from tests.core.cron_oracle import Oracle, utc
from tests.core.schedule_texts import DAYS, bounded, five_fields, plain_field, six_fields
from torchsync.codes import CODES
from torchsync.core.cron import (
    CronSchedule,
    EverySchedule,
    Schedule,
    ScheduleRefusal,
    StartupSchedule,
    instants,
    next_instant,
    parse_schedule,
    zone_named,
)
from torchsync.core.model import Instant

ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Antarctica/Troll",
    "America/Santiago",
    "Africa/Cairo",
    "Asia/Beirut",
    "Pacific/Apia",
    "Europe/Dublin",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "Africa/Monrovia",
    "UTC",
)
CHANGES = (
    ("Europe/Berlin", "2021-03-28T01:00"),
    ("Europe/Berlin", "2021-10-31T01:00"),
    ("America/New_York", "2021-03-14T07:00"),
    ("America/New_York", "2021-11-07T06:00"),
    ("Australia/Lord_Howe", "2021-04-03T15:00"),
    ("Australia/Lord_Howe", "2021-10-02T15:30"),
    ("Antarctica/Troll", "2021-03-28T01:00"),
    ("Antarctica/Troll", "2021-10-31T01:00"),
    ("America/Santiago", "2021-04-04T03:00"),
    ("America/Santiago", "2021-09-05T04:00"),
    ("Africa/Cairo", "2024-04-25T22:00"),
    ("Africa/Cairo", "2024-10-31T21:00"),
    ("Asia/Beirut", "2021-03-27T22:00"),
    ("Asia/Beirut", "2021-10-30T21:00"),
    ("Pacific/Apia", "2011-04-02T14:00"),
    ("Pacific/Apia", "2011-12-30T10:00"),
    ("Europe/Dublin", "2021-03-28T01:00"),
    ("Europe/Dublin", "2021-10-31T01:00"),
    ("Africa/Casablanca", "2021-04-11T02:00"),
    ("Africa/Casablanca", "2021-05-16T02:00"),
    ("Asia/Kathmandu", "1985-12-31T18:30"),
    ("Africa/Monrovia", "1972-01-07T00:44:30"),
    ("UTC", "2021-01-01T00:00"),
)


def schedule(text: str) -> Schedule:
    found = parse_schedule(text)
    assert not isinstance(found, ScheduleRefusal), f"{text}: {found}"
    return found


def at(text: str) -> Instant:
    return Instant(utc(text) * 1_000)


def first(text: str, zone: str, after: str, number: int = 5) -> list[str]:
    """Wall times with the offset, to the minute."""
    stream = islice(instants(schedule(text), zone_named(zone), at(after)), number)
    return [datetime.fromtimestamp(instant / 1_000, zone_named(zone)).isoformat(timespec="minutes") for instant in stream]


# What is accepted and what is refused


@pytest.mark.parametrize(("text", "expected"), [pytest.param(*row, id=row[0]) for row in ACCEPTED])
def test_an_accepted_schedule_fires_when_it_says(text: str, expected: str) -> None:
    found = islice(instants(schedule(text), zone_named("UTC"), at("2025-12-31T23:59:59")), 6)
    shown = [datetime.fromtimestamp(instant / 1_000, UTC).isoformat()[:19] for instant in found]
    assert [moment for moment in shown if moment != "2026-01-01T00:00:00"][:5] == [f"{moment}:00"[:19] for moment in expected.split()]


@pytest.mark.parametrize(("text", "code", "column", "words"), [pytest.param(*row, id=row[0] or "empty") for row in REFUSED])
def test_a_refused_schedule_says_where_and_what_to_write_instead(text: str, code: str, column: int, words: str) -> None:
    refusal = parse_schedule(text)
    assert isinstance(refusal, ScheduleRefusal), refusal
    assert (refusal.code, refusal.column) == (code, column), refusal
    assert words in f"{refusal.message}; {refusal.hint}"
    assert refusal.code in CODES
    assert refusal.message
    assert refusal.hint


@given(text=st.text(alphabet=st.sampled_from("0123456789*/-,#LWHR?@ \tabcdefijmnorstuvwy.()e:~T"), max_size=40))
@example("@every 1" + "0" * 240 + "d")
@example("1" * 250 + " * * * *")
@bounded(500)
def test_any_text_is_either_a_schedule_or_refused(text: str) -> None:
    found = parse_schedule(text)
    if isinstance(found, ScheduleRefusal):
        assert 1 <= found.column <= len(text) + 1
    else:
        assert isinstance(found, StartupSchedule) or next_instant(found, zone_named("UTC"), Instant(-1)) is not None


@pytest.mark.parametrize("text", ["fri-mon", "FRI-MON", "5-1", "Fri-1"])
def test_names_and_numbers_in_any_case_mean_the_same_day(text: str) -> None:
    assert schedule(f"0 0 * * {text}") == schedule("0 0 * * 0,1,5,6")


@pytest.mark.parametrize(("one", "other"), [("sun#2", "7#2"), ("L7", "lsun"), ("5#03", "fri#3"), ("0-7", "*"), ("7/2", "*/2")])
def test_another_spelling_of_a_day_is_the_same_schedule(one: str, other: str) -> None:
    assert schedule(f"0 0 * * {one}") == schedule(f"0 0 * * {other}")


@pytest.mark.parametrize(
    ("text", "is_wall_clock"),
    [
        ("30 2 * * *", True),
        ("0,30 2-3 * * *", True),
        ("@daily", True),
        ("1 * * * *", False),
        ("*/20 2 * * *", False),
        ("30 */2 * * *", False),
        ("@hourly", False),
        ("* 30 2 * * *", False),
        ("5 30 2 * * *", True),
        ("5 0-59 2 * * *", False),
        ("30 0-23 * * *", False),
        ("30 0/1 * * *", False),
        ("30 12-11 * * *", False),
        ("0-29,30-59 2 * * *", False),
        ("30 0-22 * * *", True),
    ],
)
def test_a_schedule_is_a_wall_clock_one_when_seconds_minute_and_hour_are_restricted(text: str, is_wall_clock: bool) -> None:
    found = schedule(text)
    assert isinstance(found, CronSchedule)
    assert found.is_wall_clock is is_wall_clock


# Clock changes, spelled out


@pytest.mark.parametrize(
    ("text", "zone", "after", "expected"),
    [
        pytest.param("30 2 * * *", "Europe/Berlin", "2021-03-27T12:00", "28T03:00+02:00 29T02:30+02:00", id="skipped"),
        pytest.param("0,30 2 * * *", "Europe/Berlin", "2021-03-27T12:00", "28T03:00+02:00 29T02:00+02:00", id="two-skipped-fire-once"),
        pytest.param("0 2,3 * * *", "Europe/Berlin", "2021-03-27T12:00", "28T03:00+02:00 29T02:00+02:00", id="merged-with-a-regular-fire"),
        pytest.param("*/30 2 * * *", "Europe/Berlin", "2021-03-27T12:00", "29T02:00+02:00 29T02:30+02:00", id="others-are-not-made-up"),
        pytest.param("30 2 * * *", "Europe/Berlin", "2021-10-30T12:00", "31T02:30+02:00 01T02:30+01:00", id="repeated"),
        pytest.param("30 2 * * *", "Europe/Berlin", "2021-10-31T00:30", "01T02:30+01:00 02T02:30+01:00", id="repeated-asked-within"),
        pytest.param(
            "30 2 * * *", "Europe/Berlin", "2021-10-31T01:10", "01T02:30+01:00 02T02:30+01:00", id="repeated-asked-the-second-time"
        ),
        pytest.param(
            "30 1 * * *",
            "Antarctica/Casey",
            "2010-03-04T17:00",
            "06T01:30+08:00 07T01:30+08:00",
            id="three-hours-repeated-asked-in-the-third",
        ),
        pytest.param(
            "30 23 * * *",
            "Antarctica/Vostok",
            "1994-01-31T23:10",
            "01T23:30+00:00 02T23:30+00:00",
            id="seven-hours-repeated-asked-in-the-last",
        ),
        pytest.param("30 * * * *", "Europe/Berlin", "2021-10-31T00:00", "31T02:30+02:00 31T02:30+01:00", id="others-fire-both-times"),
        pytest.param("0 0 * * *", "America/Santiago", "2021-09-04T12:00", "05T01:00-03:00 06T00:00-03:00", id="midnight-gap"),
        pytest.param("0 0 * * *", "Asia/Beirut", "2021-03-27T12:00", "28T01:00+03:00 29T00:00+03:00", id="midnight-gap-beirut"),
        pytest.param("15 2 * * *", "Australia/Lord_Howe", "2021-10-02T12:00", "03T02:30+11:00 04T02:15+11:00", id="half-hour-gap"),
        pytest.param("45 1 * * *", "Australia/Lord_Howe", "2021-04-03T12:00", "04T01:45+11:00 05T01:45+10:30", id="half-hour-repeat"),
        pytest.param("0 12 30 12 *", "Pacific/Apia", "2011-12-01T00:00", "31T00:00+14:00 30T12:00+14:00", id="missing-day"),
        pytest.param("0 0 * * *", "Pacific/Apia", "2011-12-29T11:00", "31T00:00+14:00 01T00:00+14:00", id="missing-day-merged"),
        pytest.param("30 2 * * *", "Antarctica/Troll", "2021-03-27T12:00", "28T03:00+02:00 29T02:30+02:00", id="two-hour-gap"),
        pytest.param("@at 2021-03-28T02:30", "Europe/Berlin", "2021-01-01T00:00", "28T03:00+02:00", id="at-skipped"),
        pytest.param("@at 2021-10-31T02:30:00", "Europe/Berlin", "2021-01-01T00:00", "31T02:30+02:00", id="at-repeated"),
        pytest.param("@at 2021-10-31T02:30", "Europe/Berlin", "2021-10-31T00:30", "", id="at-not-the-second-time"),
        pytest.param("@at 2011-12-30T12:00", "Pacific/Apia", "2011-01-01T00:00", "31T00:00+14:00", id="at-on-the-missing-day"),
    ],
)
def test_clock_changes_follow_the_rule(text: str, zone: str, after: str, expected: str) -> None:
    assert " ".join(moment[8:] for moment in first(text, zone, after, 2)) == expected


# Against the oracle


CHANGE = st.sampled_from(CHANGES)


@given(text=five_fields(), change=CHANGE, back=st.integers(-4 * 60, 30 * 60))
@bounded(220)
def test_five_fields_fire_around_a_clock_change_as_the_oracle_says(text: str, change: tuple[str, str], back: int) -> None:
    zone, moment = ZoneInfo(change[0]), utc(change[1])
    assume(zone.key != "Africa/Monrovia")  # its wall clock was 30 seconds off the minute; the next test has it
    start = (moment // 60 - back) * 60
    end = start + 40 * 3_600
    expected = Oracle.of(text).fires(zone, start + 60, end, 60)
    assert until(text, zone, start, end) == expected


@given(text=st.one_of(six_fields(), five_fields()), change=CHANGE, back=st.integers(-3_600, 2 * 3_600))
@bounded(40)
def test_any_schedule_fires_to_the_second_around_a_clock_change_as_the_oracle_says(text: str, change: tuple[str, str], back: int) -> None:
    zone, start = ZoneInfo(change[0]), utc(change[1]) - back
    end = start + 5 * 3_600
    assert until(text, zone, start, end) == Oracle.of(text).fires(zone, start + 1, end)


@given(days=DAYS, year=st.integers(1970, 2190))
@bounded(120)
def test_days_match_as_the_oracle_says(days: str, year: int) -> None:
    found = parse_schedule(f"0 0 {days}")
    assume(not isinstance(found, ScheduleRefusal) or found.code != "TS121")
    start, end = date(year, 1, 1), date(year + 9, 1, 1)
    oracle = Oracle.of(f"0 0 {days}")
    expected = [day for day in map(date.fromordinal, range(start.toordinal() + 1, end.toordinal())) if oracle.matches_day(day)]
    seconds = until(f"0 0 {days}", ZoneInfo("UTC"), utc(start.isoformat()), utc(end.isoformat()))
    assert [datetime.fromtimestamp(second, UTC).date() for second in seconds] == expected


@given(days=DAYS, minute=plain_field(0, 59), hour=plain_field(0, 23), start=st.integers(utc("2020-01-01"), utc("2040-01-01")))
@bounded(150)
def test_cronsim_agrees_where_it_speaks_the_same_dialect(days: str, minute: str, hour: str, start: int) -> None:
    text = f"{minute} {hour} {days}"
    assume(not set("lL#") & set(text.removesuffix("LW")))
    assume(not any(wraps_or_differs(entry) for entry in text.replace(",", " ").split()))
    found = parse_schedule(text)
    assume(not isinstance(found, ScheduleRefusal))
    second_opinion = islice(CronSim(text, datetime.fromtimestamp(start, UTC)), 5)
    expected = [int(moment.timestamp()) for moment in second_opinion]
    assert [instant // 1_000 for instant in islice(instants(schedule(text), zone_named("UTC"), Instant(start * 1_000)), 5)] == expected


def wraps_or_differs(entry: str) -> bool:
    """Wrap-around is refused by cronsim; `a/n` and `a-a/n` run to 7 in its day of week."""
    span, _, step = entry.partition("/")
    low, dash, high = span.partition("-")
    if not dash:
        return bool(step) and span != "*"
    return not (low.isdigit() and high.isdigit() and int(low) <= int(high))


def until(text: str, zone: ZoneInfo, after: int, end: int) -> list[int]:
    """The seconds at which the schedule fires after `after` and before `end`, out of the stream; each step is checked to go forward."""
    found: list[int] = []
    for instant in instants(schedule(text), zone, Instant(after * 1_000)):
        assert instant > (found[-1] if found else after) * 1_000
        assert instant % 1_000 == 0
        if instant >= end * 1_000:
            break
        found.append(instant // 1_000)
    return found


# The stream


@pytest.mark.parametrize("zone", ZONES)
def test_a_daily_schedule_fires_once_for_every_date_from_1970_to_2199(zone: str) -> None:
    """Whatever the clocks do: a date that a zone skips is made up for, too."""
    found = list(instants(schedule("30 2 * * *"), zone_named(zone), Instant(-1)))
    assert all(earlier < later for earlier, later in pairwise(found))
    local = [datetime.fromtimestamp(instant // 1_000, zone_named(zone)).replace(tzinfo=None) for instant in (found[0], found[-1])]
    assert len(found) == (local[1].date() - local[0].date()) / timedelta(days=1) + 1
    assert found[0] < at("1970-01-02T12:00")
    assert at("2199-12-31T00:00") <= found[-1] + 86_400_000
    assert found[-1] < at("2200-01-01T00:00")


@pytest.mark.parametrize("text", ["*/7 * * * * *", "17 30 2 * * *", "*/20 2 * * *", "0 0 L * *", "30 2 * * 5#3", "@every 7h"])
@pytest.mark.parametrize("zone", ["Australia/Lord_Howe", "Pacific/Apia", "Africa/Monrovia"])
def test_the_stream_and_single_steps_name_the_same_instants(text: str, zone: str) -> None:
    after = at("1971-12-31T00:00") if zone == "Africa/Monrovia" else at("2011-09-20T00:00")
    for instant in islice(instants(schedule(text), zone_named(zone), after), 300):
        assert next_instant(schedule(text), zone_named(zone), after) == instant
        assert next_instant(schedule(text), zone_named(zone), Instant(instant - 1)) == instant
        after = instant


@pytest.mark.parametrize(
    ("after", "expected"), [(-5_000, 0), (-1, 0), (0, 1_000), (1, 1_000), (999, 1_000), (1_000, 2_000), (1_001, 2_000)]
)
@pytest.mark.parametrize("text", ["* * * * * *", "@every 1s"])
def test_an_instant_is_later_than_asked_and_not_before_1970(text: str, after: int, expected: int) -> None:
    assert next_instant(schedule(text), zone_named("UTC"), Instant(after)) == expected


@pytest.mark.parametrize("text", ["* * * * * *", "0 0 * * *", "0 0 29 2 *", "0 0 1 1 *", "@every 1s", "@every 366d"])
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_there_is_no_instant_from_2200_on(text: str, zone: str) -> None:
    end = at("2200-01-01T00:00")
    assert all(instant < end for instant in instants(schedule(text), zone_named(zone), Instant(end - 100_000)))
    assert next_instant(schedule(text), zone_named(zone), end) is None
    assert next_instant(schedule(text), zone_named(zone), Instant(1 << 60)) is None


def test_the_last_instants_before_2200_are_those_of_utc() -> None:
    """In Kiritimati it has been the year 2200 for fourteen hours by then."""
    hourly = list(instants(schedule("@hourly"), zone_named("Pacific/Kiritimati"), at("2199-12-31T08:00")))
    assert (len(hourly), hourly[-1]) == (15, at("2199-12-31T23:00"))


def test_the_29th_of_february_is_found_across_the_century_without_one() -> None:
    assert next_instant(schedule("0 0 29 2 *"), zone_named("UTC"), at("2096-02-29T00:00")) == at("2104-02-29T00:00")


def test_every_counts_from_the_epoch_in_every_zone() -> None:
    every = schedule("@every 7h")
    assert every == EverySchedule(period=7 * 3_600_000)
    for zone in ZONES:
        found = list(islice(instants(every, zone_named(zone), at("2021-03-28T00:00")), 10))
        assert all(instant % (7 * 3_600_000) == 0 for instant in found)
        assert all(later - earlier == 7 * 3_600_000 for earlier, later in pairwise(found))


def test_the_rule_of_a_full_field_needs_its_full_range_and_not_a_star() -> None:
    """The first instant after the gap belongs to `0-22`, which is restricted, and not to `0-23`, which is not."""
    assert first("30 0-22 * * *", "Europe/Berlin", "2021-03-28T00:59", 1) == ["2021-03-28T03:00+02:00"]
    assert first("30 0-23 * * *", "Europe/Berlin", "2021-03-28T00:59", 1) == ["2021-03-28T03:30+02:00"]
