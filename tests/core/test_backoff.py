from __future__ import annotations

import pytest

from torchsync.core.backoff import restart_delay
from torchsync.core.model import DaemonTiming, Millis

CALM = DaemonTiming(delay=Millis(1000), backoff=2.0, max_delay=Millis(60_000))


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
