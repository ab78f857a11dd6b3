from __future__ import annotations

from itertools import islice, pairwise

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from scripts.schedule_table import ACCEPTED
from tests.core.schedule_texts import DAYS, bounded, plain_field
from torchsync.core.cron import Schedule, ScheduleRefusal, Spread, instants, parse_schedule, shortest_gap, zone_named
from torchsync.core.model import Instant

START = 1_704_067_200_000
"""2024-01-01T00:00:00Z."""


def schedule(text: str, spread: Spread | None = None) -> Schedule:
    found = parse_schedule(text, spread)
    assert not isinstance(found, ScheduleRefusal), f"{text}: {found}"
    return found


def by_definition(found: Schedule) -> int | None:
    first = islice(instants(found, zone_named("UTC"), Instant(START - 1)), 1_000)
    return min((later - earlier for earlier, later in pairwise(first)), default=None)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("* * * * * *", 1),
        ("*/7 * * * *", 4 * 60),
        ("*/40 * * * * *", 20),
        ("59 59 23 * * *", 86_400),
        ("0 0,23 * * *", 3_600),
        ("0 0,1 * * *", 3_600),
        ("0 12 * * 1-5", 86_400),
        ("0 12 * * 3", 7 * 86_400),
        ("0 12 1 * *", 28 * 86_400),
        ("0 12 29 2 *", 1_461 * 86_400),
        ("0 12 * * 5#3", 28 * 86_400),
        ("0 12 1 1 *", 365 * 86_400),
        ("@every 90s", 90),
        ("@every 366d", 366 * 86_400),
        ("H H * * *", 86_400),
        ("H/20 * * * *", 20 * 60),
    ],
)
def test_the_shortest_gap_of_a_schedule(text: str, seconds: int) -> None:
    assert shortest_gap(schedule(text)) == seconds * 1_000


@pytest.mark.parametrize("text", ["@at 2026-12-01T03:00", "@startup"])
def test_a_schedule_with_fewer_than_two_instants_has_no_gap(text: str) -> None:
    assert shortest_gap(schedule(text)) is None


def test_only_the_first_thousand_instants_count() -> None:
    """There are 945 a day. A second lies between the end of a day and the start of the next; the 15th and 16th come too late to tell."""
    times = "*/3,59 0-52/4,59 0,2,23"
    for days, seconds in (("1,2", 1), ("1,15,16", 2)):
        found = schedule(f"{times} {days} * *")
        assert shortest_gap(found) == by_definition(found) == seconds * 1_000


@pytest.mark.parametrize("text", [row[0] for row in ACCEPTED])
def test_the_shortest_gap_is_what_the_definition_gives_for_every_schedule_of_the_table(text: str) -> None:
    assert shortest_gap(schedule(text)) == by_definition(schedule(text))


@pytest.mark.parametrize("days", ["LW 3 *", "LW 1,3 *", "LW 2,4 *", "LW 1,6 *"])
def test_the_shortest_gap_of_lw_goes_by_the_days_of_the_week(days: str) -> None:
    found = schedule(f"0 0 {days}")
    assert shortest_gap(found) == by_definition(found)


@given(
    dates=st.sampled_from(["LW", "1,LW", "L", "29,30", "31", "*/5", "1,15", "1,31"]),
    months=st.lists(st.integers(1, 12), min_size=1, max_size=3, unique=True).map(lambda months: ",".join(map(str, sorted(months)))),
    weekday=st.sampled_from(["*", "*/2", "*/6", "5"]),
)
@bounded(60)
def test_the_shortest_gap_of_days_that_come_in_some_months_is_what_the_definition_gives(dates: str, months: str, weekday: str) -> None:
    found = parse_schedule(f"0 0 {dates} {months} {weekday}")
    assume(not isinstance(found, ScheduleRefusal))
    assert shortest_gap(schedule(f"0 0 {dates} {months} {weekday}")) == by_definition(schedule(f"0 0 {dates} {months} {weekday}"))


@given(days=DAYS, minute=plain_field(0, 59), hour=plain_field(0, 23))
@example(days="29 2 */6", minute="0", hour="0")  # every 28 years, but 12 years lie between two around 2100
@example(days="31 * */6", minute="0", hour="0")
@example(days="29-31 2,12 */5", minute="0", hour="0")
@example(days="LW * *", minute="0", hour="0")
@example(days="L * */6", minute="0", hour="0")
@example(days="* 2 5#5", minute="0", hour="0")
@bounded(60)
def test_the_shortest_gap_is_what_the_definition_gives(days: str, minute: str, hour: str) -> None:
    for text in (f"0 0 {days}", f"{minute} {hour} {days}"):
        found = parse_schedule(text)
        assume(not isinstance(found, ScheduleRefusal))
        assert shortest_gap(schedule(text)) == by_definition(schedule(text)), text
