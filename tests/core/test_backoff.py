from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchsync.core.backoff import SYNC_RETRY_LIMIT, restart_delay, sync_delay
from torchsync.core.model import DaemonTiming, Millis

CALM = DaemonTiming(delay=Millis(1000), backoff=2.0, max_delay=Millis(60_000))
ALMOST_ONE = 1 - 2**-53


@pytest.mark.parametrize(
    ("ends", "delay"),
    [(0, 1000), (1, 1000), (2, 2000), (3, 4000), (6, 32_000), (7, 60_000), (5000, 60_000), (10**9, 60_000)],
)
def test_a_daemon_that_ends_quickly_waits_longer_each_time(ends, delay):
    assert restart_delay(CALM, ends) == delay


def test_a_backoff_of_one_never_grows():
    assert restart_delay(DaemonTiming(delay=Millis(700), backoff=1.0), 10_000) == 700


def test_the_longest_delay_holds_for_the_first_too():
    assert restart_delay(DaemonTiming(delay=Millis(5000), max_delay=Millis(2000)), 1) == 2000


def test_a_delay_of_nothing_stays_nothing():
    assert restart_delay(DaemonTiming(delay=Millis(0)), 5000) == 0


@pytest.mark.parametrize(("randomness", "delay"), [(0.0, 27_000), (0.5, 30_000), (ALMOST_ONE, 33_000)])
def test_a_sync_follows_its_interval_spread_to_either_side(randomness, delay):
    assert sync_delay(Millis(30_000), 0.1, 0, randomness) == delay


@pytest.mark.parametrize(("failures", "longest"), [(1, 30_000), (2, 60_000), (4, 240_000), (5, 300_000), (2000, 300_000)])
def test_a_remote_that_does_not_answer_is_asked_less_and_less(failures, longest):
    assert sync_delay(Millis(30_000), 0.1, failures, 0.0) == longest // 2
    assert longest - 1 <= sync_delay(Millis(30_000), 0.1, failures, ALMOST_ONE) <= longest


@given(interval=st.integers(100, 10**8), jitter=st.floats(0, 1), failures=st.integers(0, 10**6), randomness=st.floats(0, ALMOST_ONE))
def test_a_sync_is_never_late_beyond_bounds(interval, jitter, failures, randomness):
    assert 0 <= sync_delay(Millis(interval), jitter, failures, randomness) <= max(2 * interval, SYNC_RETRY_LIMIT)
