"""Schedules against the oracle at the clock changes of all zones, and over the whole time there are instants in."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from functools import cache
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.core.cron_oracle import Oracle, utc, without_h
from tests.core.schedule_texts import bounded, five_fields, hashed_fields, six_fields
from tests.core.tzdata_changes import DAY, Change, all_changes, distinct_zones, zone_of_package
from tests.depth import LONG
from torchsync.core.cron import Schedule, ScheduleRefusal, Spread, instants, next_instant, parse_schedule
from torchsync.core.model import Instant

HOUR = 3_600
BACK = st.one_of(st.integers(1, 30 * 60), st.integers(-8 * 60, 4 * 60))
"""How many minutes before the change it is asked; less than 0 is after it."""
IS_LONG = LONG > 1


@cache
def zone(name: str) -> ZoneInfo:
    return zone_of_package(name)


def chunks(changes: list[Change], size: int, keep: int) -> list[object]:
    """The changes in a shuffled order that stays, cut into pieces; only the first `keep` of them unless the long tests are asked for."""
    shuffled = random.Random(2026).sample(changes, len(changes))
    pieces = [shuffled[start : start + size] for start in range(0, len(shuffled), size)]
    return [pytest.param(piece, id=f"{number}") for number, piece in enumerate(pieces if IS_LONG else pieces[:keep])]


def is_odd(change: Change) -> bool:
    """Anything but an hour between offsets of whole hours."""
    return abs(change.after - change.before) != HOUR or change.before % HOUR != 0


MINUTE_CHANGES = [change for change in all_changes() if change.before % 60 == change.after % 60 == 0]
SECOND_CHANGES = [change for change in all_changes() if change not in set(MINUTE_CHANGES)]
ODD_CHANGES = [change for change in MINUTE_CHANGES if is_odd(change)]
DAY_CHANGES = [change for change in MINUTE_CHANGES if abs(change.after - change.before) >= 5 * HOUR]


def schedule(text: str, spread: Spread | None = None) -> Schedule:
    found = parse_schedule(text, spread)
    assert not isinstance(found, ScheduleRefusal), f"{text}: {found}"
    return found


def until(found: Schedule, name: str, after: int, end: int) -> list[int]:
    """The seconds at which it fires after `after` and before `end`; each step is checked to go forward."""
    seconds: list[int] = []
    for instant in instants(found, zone(name), Instant(after * 1_000)):
        assert instant > (seconds[-1] if seconds else after) * 1_000
        if instant >= end * 1_000:
            break
        seconds.append(instant // 1_000)
    return seconds


def hold_against_oracle(
    text: str, change: Change, *, back: int, ahead: int, step: int, plain: str = "", spread: Spread | None = None
) -> None:
    start = max(0, (change.moment - back) // step * step)
    end = max(start, change.moment + ahead)
    expected = Oracle.of(plain or text).fires(zone(change.zone), start + step, end, step)
    assert until(schedule(text, spread), change.zone, start, end) == expected, (text, change, back)


@pytest.mark.parametrize("piece", chunks(MINUTE_CHANGES, 12, 4))
@given(text=five_fields(), back=BACK)
@bounded(3)
def test_five_fields_at_any_change_fire_as_the_oracle_says(piece: list[Change], text: str, back: int) -> None:
    for change in piece:
        hold_against_oracle(text, change, back=back * 60, ahead=30 * HOUR, step=60)


@pytest.mark.parametrize("piece", chunks(ODD_CHANGES, 10, 3))
@given(text=five_fields(), back=st.integers(-5 * 60, 5 * 60))
@bounded(3)
def test_five_fields_at_an_odd_change_fire_as_the_oracle_says(piece: list[Change], text: str, back: int) -> None:
    for change in piece:
        hold_against_oracle(text, change, back=back * 60, ahead=30 * HOUR, step=60)


@pytest.mark.parametrize("change", DAY_CHANGES, ids=lambda change: f"{change.zone}-{change.moment}")
@given(text=five_fields(), back=BACK)
@bounded(4)
def test_five_fields_where_hours_or_a_day_are_missing_fire_as_the_oracle_says(change: Change, text: str, back: int) -> None:
    hold_against_oracle(text, change, back=back * 60, ahead=60 * HOUR, step=60)


@pytest.mark.parametrize("piece", chunks(all_changes(), 4, 3))
@given(text=st.one_of(six_fields(), five_fields()), back=st.integers(-HOUR, HOUR))
@bounded(1)
def test_any_fields_at_any_change_fire_to_the_second_as_the_oracle_says(piece: list[Change], text: str, back: int) -> None:
    for change in piece:
        hold_against_oracle(text, change, back=back, ahead=3 * HOUR, step=1)


@pytest.mark.parametrize("change", SECOND_CHANGES, ids=lambda change: f"{change.zone}-{change.moment}")
@given(text=st.one_of(six_fields(), five_fields()), back=st.integers(-HOUR, 2 * HOUR))
@bounded(2)
def test_an_offset_that_is_no_whole_minute_is_followed_to_the_second(change: Change, text: str, back: int) -> None:
    hold_against_oracle(text, change, back=back, ahead=4 * HOUR, step=1)


@pytest.mark.parametrize("piece", chunks(MINUTE_CHANGES, 12, 3))
@given(text=hashed_fields(), back=BACK, host=st.integers(0, 10_000))
@bounded(2)
def test_h_at_any_change_fires_as_the_oracle_says(piece: list[Change], text: str, back: int, host: int) -> None:
    spread = Spread(f"db-{host}", "nightly")
    plain = without_h(text, spread.host, spread.task)
    for change in piece:
        hold_against_oracle(text, change, back=back * 60, ahead=30 * HOUR, step=60, plain=plain, spread=spread)


@given(text=st.one_of(hashed_fields(), hashed_fields(seconds=True)), host=st.text(max_size=8), task=st.text(max_size=8))
@bounded(150)
def test_h_is_spelled_out_as_the_oracle_says(text: str, host: str, task: str) -> None:
    plain = without_h(text, host, task)
    assume(len(plain) <= 256)  # a list of every minute, as for `H/1`, is longer than a schedule may be
    assert schedule(text, Spread(host, task)) == schedule(plain)


@pytest.mark.parametrize("piece", chunks(MINUTE_CHANGES, 20, 3))
@given(minutes=st.one_of(st.sampled_from([-1, 0, 1]), st.integers(-200, 200)), back=BACK)
@bounded(2)
def test_at_fires_once_at_any_change_as_the_oracle_says(piece: list[Change], minutes: int, back: int) -> None:
    """At wall times near those that the clock shows before and after the change; asked long before, the answer is the same."""
    for change in piece:
        for offset in (change.before, change.after):
            wall = datetime.fromtimestamp(change.moment + offset + minutes * 60, UTC)
            text = f"@at {wall:%Y-%m-%dT%H:%M}"
            if wall.year < 1970:
                continue
            hold_against_oracle(text, change, back=back * 60, ahead=30 * HOUR, step=60)
            asked_before = next_instant(schedule(text), zone(change.zone), Instant(-1))
            assert asked_before == next_instant(schedule(text), zone(change.zone), Instant((change.moment - 3 * DAY) * 1_000))


@pytest.mark.parametrize("name", distinct_zones()[:: 1 if IS_LONG else 50])
@pytest.mark.parametrize("text", ["30 2 * * *", "0 */4 * * *", "17 30 0-2 1,L * *", "45 23 * * 7,5", "0 0 29 2 *"])
def test_every_instant_from_1970_to_2199_is_later_than_the_one_before(name: str, text: str) -> None:
    previous = Instant(-1)
    for instant in instants(schedule(text), zone(name), previous):
        assert instant > previous
        previous = instant
    assert utc("2196-01-01") * 1_000 < previous < utc("2200-01-01") * 1_000


@pytest.mark.parametrize("piece", chunks(all_changes(), 20, 3))
@given(text=st.one_of(five_fields(), six_fields()), back=st.integers(-DAY, 3 * DAY))
@bounded(2)
def test_a_single_step_names_what_the_stream_names(piece: list[Change], text: str, back: int) -> None:
    """The engine asks anew after a restart: the answer must not depend on where it was asked from."""
    for change in piece:
        after = Instant(max(change.moment - back, 0) * 1_000)
        for instant in islice(instants(schedule(text), zone(change.zone), after), 12):
            assert next_instant(schedule(text), zone(change.zone), after) == instant
            assert next_instant(schedule(text), zone(change.zone), Instant(instant - 1)) == instant
            after = instant
