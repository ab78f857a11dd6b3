"""What a task gains and loses is what a look at all of its instants finds, and what fires often is not walked to the end."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import NOON
from torchsync.core.clockchange import Effect
from torchsync.core.cron import parse_schedule, zone_named
from torchsync.core.forecast import FIRST_TOLD, HORIZON, MOST_WALKED, NO_FIRES, forecast, nights_ahead
from torchsync.core.model import Instant, Millis
from torchsync.core.schedule import Schedule, instants
from torchsync.core.timetable import Rhythm

ZONES = st.sampled_from(["UTC", "Europe/Berlin", "Asia/Tokyo", "Australia/Lord_Howe"])
TEXTS = st.sampled_from(["30 2 * * *", "30 3 * * *", "0 * * * *", "*/10 2-4 * * *", "@every 7h", "0 4 * * sun", "@at 2027-03-28T02:30:00"])
MARCH = Instant(int(datetime(2027, 3, 10, 12, tzinfo=UTC).timestamp()) * 1_000)


def rhythm(text: str, zone: str = "UTC") -> Rhythm:
    schedule = parse_schedule(text)
    assert isinstance(schedule, Schedule)
    return Rhythm(schedule, zone, Millis(0))


def all_of(one: Rhythm | None, after: Instant) -> set[Instant]:
    found = set()
    for instant in instants(one.schedule, zone_named(one.zone), after) if one else ():
        if instant > after + HORIZON:
            break
        found.add(instant)
    return found


RHYTHMS = st.none() | st.builds(rhythm, TEXTS, ZONES)


@settings(max_examples=60, deadline=None)
@given(old=RHYTHMS, new=RHYTHMS, after=st.sampled_from([NOON, MARCH]))
def test_gained_and_lost_are_the_differences_of_all_instants(old: Rhythm | None, new: Rhythm | None, after: Instant) -> None:
    before, afterwards, found = all_of(old, after), all_of(new, after), forecast(old, new, after)
    gained, lost = sorted(afterwards - before), sorted(before - afterwards)
    assert (found.gained.count, found.gained.first) == (len(gained), tuple(gained[:FIRST_TOLD]))
    assert (found.lost.count, found.lost.first) == (len(lost), tuple(lost[:FIRST_TOLD]))
    assert (found.until, found.is_whole) == (after + HORIZON, True)


def test_the_count_ends_where_enough_was_looked_at_and_that_is_said() -> None:
    found = forecast(None, rhythm("* * * * * *"), NOON)
    assert (found.gained.count, found.lost, found.is_whole) == (MOST_WALKED, NO_FIRES, False)
    assert found.until == NOON + MOST_WALKED * 1_000


def test_instants_of_both_are_neither_gained_nor_lost() -> None:
    found = forecast(rhythm("* * * * *"), rhythm("*/2 * * * *"), NOON)
    assert (found.gained, found.lost.count) == (NO_FIRES, MOST_WALKED // 2)


def test_nights_of_the_next_thirty_days_are_told_and_else_the_next_one_of_a_new_rhythm() -> None:
    nightly = rhythm("30 2 * * *", "Europe/Berlin")
    (near,) = nights_ahead(nightly, MARCH, is_new=False)
    assert near.effect is Effect.MADE_UP
    (next_one,) = nights_ahead(nightly, NOON, is_new=True)
    assert next_one.change == near.change
    assert nights_ahead(nightly, NOON, is_new=False) == ()
    assert nights_ahead(rhythm("30 2 * * *"), NOON, is_new=True) == ()
