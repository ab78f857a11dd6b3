from itertools import pairwise
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchsync.core.model import Instant, Millis
from torchsync.core.rhythm import (
    FIRST_WITHIN,
    OVERLOADED_WAIT,
    RETRY_LIMIT,
    first_delay,
    next_delay,
    overloaded_delay,
    phase,
    retry_delay,
)

ALMOST_ONE = 1 - 2**-53
INTERVAL = Millis(30_000)
FLEET = [f"host-{number:04}.example.org" for number in range(1000)]
SOME_DAY = 1_793_000_000_000


def crowd(moments, width, interval=INTERVAL):
    """How many of the moments fall into the fullest stretch of this width."""
    counts: dict[int, int] = {}
    for moment in moments:
        counts[moment % interval // width] = counts.get(moment % interval // width, 0) + 1
    return max(counts.values())


def test_a_fleet_is_spread_over_the_interval_whatever_made_it_start_together():
    together = Instant(SOME_DAY)
    moments = [together + next_delay(host, INTERVAL, 0.0, together, 0.5) for host in FLEET]
    assert crowd(moments, 1000) < 60  # 33 in the mean
    assert min(moments) >= together + INTERVAL // 2
    assert max(moments) < together + 3 * INTERVAL // 2


def test_a_fleet_that_was_restarted_together_does_not_ask_together():
    assert crowd([first_delay(host, Millis(3_600_000)) for host in FLEET], 1000) < 60
    assert max(first_delay(host, Millis(3_600_000)) for host in FLEET) < FIRST_WITHIN
    assert max(first_delay(host, Millis(500)) for host in FLEET) < 500


def test_the_place_of_a_host_is_the_same_for_ever():
    assert [phase(host, INTERVAL) for host in ("db-1", "db-2", "web-1.example.org")] == [9_120, 4_266, 739]


@given(
    host=st.sampled_from(FLEET), start=st.integers(0, 2 * SOME_DAY), randomness=st.lists(st.floats(0, ALMOST_ONE), min_size=50, max_size=50)
)
def test_syncs_come_once_an_interval_around_the_place_of_the_host(host, start, randomness):
    now, moments = start, []
    for chance in randomness:
        now += next_delay(host, INTERVAL, 0.1, Instant(now), chance)
        moments.append(now)
    off = [(moment - phase(host, INTERVAL) + INTERVAL // 2) % INTERVAL - INTERVAL // 2 for moment in moments]
    assert all(-3000 <= distance <= 3000 for distance in off)
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert all(24_000 <= gap <= 36_000 for gap in gaps)
    assert 29_800 <= mean(gaps) <= 30_200


@given(
    interval=st.integers(100, 10**8),
    jitter=st.floats(0, 1),
    now=st.integers(-(10**13), 10**13),
    randomness=st.floats(0, ALMOST_ONE),
)
def test_a_sync_is_never_late_beyond_bounds(interval, jitter, now, randomness):
    assert 0 <= next_delay("db-1", Millis(interval), jitter, Instant(now), randomness) <= 5 * interval / 2


@pytest.mark.parametrize(("failures", "longest"), [(1, 30_000), (2, 60_000), (4, 240_000), (5, 300_000), (2000, 300_000)])
def test_a_remote_that_does_not_answer_is_asked_less_and_less(failures, longest):
    assert retry_delay(INTERVAL, failures, 0.0) == longest // 2
    assert longest - 1 <= retry_delay(INTERVAL, failures, ALMOST_ONE) <= longest


def test_the_longest_wait_for_a_remote_that_does_not_answer_is_the_interval_where_that_is_longer():
    assert retry_delay(Millis(2 * RETRY_LIMIT), 9, ALMOST_ONE) in (2 * RETRY_LIMIT - 1, 2 * RETRY_LIMIT)


@given(interval=st.integers(100, 10**8), failures=st.integers(1, 10**6), randomness=st.floats(0, ALMOST_ONE))
def test_an_overloaded_remote_has_a_minute_of_silence_at_least(interval, failures, randomness):
    delay = overloaded_delay(Millis(interval), failures, randomness)
    assert delay >= OVERLOADED_WAIT
    assert delay >= retry_delay(Millis(interval), failures, randomness)
    assert delay <= max(interval, RETRY_LIMIT)


def test_a_fleet_that_was_told_to_wait_does_not_come_back_together():
    delays = [overloaded_delay(Millis(1000), 1, number / 1000) for number in range(1000)]
    assert crowd(delays, 1000, 10**9) < 20
