from collections import Counter
from datetime import datetime
from itertools import pairwise, takewhile

from hypothesis import given, settings
from hypothesis import strategies as st

from torchsync.core.cron import Schedule, ScheduleRefusal, instants, parse_schedule, zone_named
from torchsync.core.model import Instant
from torchsync.core.week import LENGTH, MOST_LISTED, SLOT, SLOTS, Clock, Counted, Listed, Series, clocks_of, series_of, week_of

DAY = 86_400_000
HOUR = 3_600_000


def at(text: str) -> Instant:
    return Instant(int(datetime.fromisoformat(text).timestamp()) * 1_000)


def schedule(text: str) -> Schedule:
    found = parse_schedule(text)
    assert not isinstance(found, ScheduleRefusal)
    return found


MONDAY = at("2026-03-23T00:00:00Z")


def test_a_nightly_task_is_one_series_of_seven() -> None:
    assert week_of(schedule("30 2 * * *"), "UTC", MONDAY) == Listed((Series(first=Instant(MONDAY + 9_000_000), step=DAY, count=7),))


def test_an_instant_at_the_start_belongs_to_the_week_and_one_at_its_end_to_the_next() -> None:
    week = week_of(schedule("0 0 * * mon"), "UTC", MONDAY)
    assert week == Listed((Series(first=MONDAY, step=0, count=1),))


def test_the_night_of_a_clock_change_ends_a_series() -> None:
    week = week_of(schedule("30 3 * * *"), "Europe/Berlin", MONDAY)
    assert week == Listed(
        (
            Series(first=Instant(MONDAY + 2 * HOUR + HOUR // 2), step=DAY, count=6),
            Series(first=at("2026-03-29T01:30:00Z"), step=0, count=1),
        )
    )


def test_the_clocks_of_a_zone_tell_the_change_within_the_week() -> None:
    assert clocks_of("Europe/Berlin", MONDAY) == (Clock(MONDAY, HOUR), Clock(at("2026-03-29T01:00:00Z"), 2 * HOUR))
    assert clocks_of("Asia/Kathmandu", MONDAY) == (Clock(MONDAY, 5 * HOUR + 45 * 60_000),)


def test_every_five_minutes_is_listed_as_one_series() -> None:
    week = week_of(schedule("*/5 * * * *"), "UTC", MONDAY)
    assert week == Listed((Series(first=MONDAY, step=300_000, count=2_016),))


def test_every_second_is_counted_and_not_listed() -> None:
    week = week_of(schedule("* * * * * *"), "UTC", MONDAY)
    assert isinstance(week, Counted)
    assert week.count == 7 * 86_400
    assert len(week.bands) == 1


def test_a_dense_task_of_office_hours_has_bands_only_there() -> None:
    week = week_of(schedule("* 9-17 * * mon-fri"), "UTC", MONDAY)
    assert isinstance(week, Counted)
    assert [(band.slots, band.each) for band in week.bands[:3]] == [(36, 0), (36, 15), (60, 0)]
    assert week.count == 5 * 9 * 60


def test_what_has_no_instants_has_an_empty_week() -> None:
    assert week_of(schedule("@startup"), "UTC", MONDAY) == Listed(())
    assert week_of(schedule("0 0 1 1 *"), "UTC", MONDAY) == Listed(())


@given(st.lists(st.integers(0, 50), unique=True).map(sorted))
def test_series_tell_the_very_instants_they_were_made_of(found: list[Instant]) -> None:
    series = series_of(found)
    assert [instant for one in series for instant in one.instants()] == found
    assert all(one.count > 0 and (one.step > 0) == (one.count > 1) for one in series)
    assert len(series) <= max(1, len(list(pairwise(found))) // 2 + 1)


TEXTS = ["30 2 * * *", "*/7 * * * *", "0 */6 * * mon-fri", "@every 11m", "* * * * *", "*/20 1-5 * * * *", "15,45 2 * * sun", "0 0 L * *"]
ZONES = ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns"]


@settings(max_examples=60, deadline=None)
@given(zone=st.sampled_from(ZONES), text=st.sampled_from(TEXTS), hours=st.integers(0, 366 * 24))
def test_a_week_holds_the_instants_that_the_schedule_names_and_no_other(zone: str, text: str, hours: int) -> None:
    start = Instant(at("2026-01-01T00:00:00Z") + hours * HOUR)
    expected = list(takewhile(lambda one: one < start + LENGTH, instants(schedule(text), zone_named(zone), Instant(start - 1))))
    match week_of(schedule(text), zone, start):
        case Listed(series=series):
            assert [instant for one in series for instant in one.instants()] == expected
        case Counted(bands=bands) as week:
            assert week.count == len(expected) > MOST_LISTED
            assert sum(band.slots for band in bands) == SLOTS
            counts = Counter((one - start) // SLOT for one in expected)
            assert [band.each for band in bands for _ in range(band.slots)] == [counts[slot] for slot in range(SLOTS)]


@settings(max_examples=40, deadline=None)
@given(zone=st.sampled_from(ZONES), hours=st.integers(0, 366 * 24))
def test_the_clocks_of_a_week_are_those_of_the_zone(zone: str, hours: int) -> None:
    start = Instant(at("2026-01-01T00:00:00Z") + hours * HOUR)
    clocks = clocks_of(zone, start)
    for moment in range(start, start + LENGTH, 3 * HOUR):
        shown = datetime.fromtimestamp(moment // 1_000, zone_named(zone)).utcoffset()
        assert shown is not None
        assert [clock.offset for clock in clocks if clock.since <= moment][-1] == shown.total_seconds() * 1_000
