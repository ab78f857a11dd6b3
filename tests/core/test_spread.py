from __future__ import annotations

import subprocess
from collections import Counter
from itertools import pairwise

import pytest

from tests.builders import HOUR, NOON
from torchsync.core.model import CronTiming, HostFacts, Instant, Millis, TaskName
from torchsync.core.spread import Spread
from torchsync.core.timetable import Timetable


@pytest.mark.parametrize(("field", "size"), [("minute", 60), ("hour", 24), ("jitter", 600_000)])
def test_the_place_is_what_coreutils_come_to(field: str, size: int) -> None:
    """By a program of others: `printf 'db-1\\0nightly\\0minute' | sha256sum`."""
    told = subprocess.run(["sha256sum"], input=f"db-1\0nightly\0{field}".encode(), capture_output=True, check=True)
    assert Spread("db-1", "nightly").pick(field, size) == int(told.stdout[:16], 16) % size


def test_the_place_never_moves() -> None:
    assert Spread("db-1", "nightly").pick("minute", 60) == 57
    assert Spread("db-1", "nightly").pick("jitter", 600_000) == 468_279


def test_a_thousand_hosts_are_spread_evenly() -> None:
    counts = Counter(Spread(f"web-{number}.example.org", "nightly").pick("minute", 60) for number in range(1_000))
    assert len(counts) == 60
    assert max(counts.values()) < 40


HOSTS = [
    *(f"web-{number}.example.org" for number in range(400)),
    *(f"db{number:03}" for number in range(300)),
    *(f"ip-10-2-{number // 100}-{number % 100}" for number in range(300)),
]
"""A thousand names as hosts have them: alike but for a number."""
FIELDS = {"second": 60, "minute": 60, "hour": 24, "day": 28, "month": 12, "weekday": 7}


def unevenness(places: list[int], cells: int) -> float:
    """Pearson's chi-square of the places, in standard deviations from what even ones have; above 5 for one of millions of even spreads."""
    counts, expected = Counter(places), len(places) / cells
    found = sum((counts[cell] - expected) ** 2 / expected for cell in range(cells))
    return (found - (cells - 1)) / (2 * (cells - 1)) ** 0.5


@pytest.mark.parametrize("task", ["nightly-backup", "a", "b", "logs.rotate"])
def test_a_thousand_hosts_have_even_places_in_every_field(task: str) -> None:
    for field, size in FIELDS.items():
        assert unevenness([Spread(host, task).pick(field, size) for host in HOSTS], size) < 4, field
    for jitter in (60_000, 600_000, 3_600_000):
        assert unevenness([Spread(host, task).pick("jitter", jitter) * 40 // jitter for host in HOSTS], 40) < 4


def test_the_places_of_a_host_do_not_hang_together() -> None:
    pairs = [("minute", "hour"), ("second", "minute"), ("minute", "jitter"), ("weekday", "hour")]
    for one, other in pairs:
        cells = [Spread(host, "t").pick(one, 6) * 6 + Spread(host, "t").pick(other, 6) for host in HOSTS]
        assert unevenness(cells, 36) < 4, (one, other)
    by_task = [Spread(host, "t1").pick("minute", 6) * 6 + Spread(host, "t2").pick("minute", 6) for host in HOSTS]
    assert unevenness(by_task, 36) < 4
    neighbours = [Spread(a, "t").pick("minute", 6) * 6 + Spread(b, "t").pick("minute", 6) for a, b in pairwise(HOSTS)]
    assert unevenness(neighbours, 36) < 4


def test_what_is_not_spread_is_called_uneven() -> None:
    assert unevenness([number % 50 for number in range(1_000)], 60) > 10
    assert unevenness([7] * 1_000, 60) > 100
    assert unevenness([len(host) % 7 for host in HOSTS], 7) > 10


@pytest.mark.parametrize(
    ("timing", "cells", "period"),
    [
        pytest.param(CronTiming(schedule="H * * * *"), 60, HOUR, id="H in minutes"),
        pytest.param(CronTiming(schedule="H H * * *"), 48, 24 * HOUR, id="H in minutes and hours"),
        pytest.param(CronTiming(schedule="H H(0-5) * * *"), 36, 6 * HOUR, id="H of a range"),
        pytest.param(CronTiming(schedule="0 0 3 * * *", jitter=Millis(HOUR)), 60, HOUR, id="jitter"),
    ],
)
def test_a_thousand_hosts_start_a_task_evenly_over_its_time(timing: CronTiming, cells: int, period: int) -> None:
    """By the timetable that an agent has: when in the period the first fire after midnight is due."""
    midnight = Instant(NOON - 12 * HOUR - 1)
    starts = []
    for host in HOSTS:
        timetable = Timetable()
        timetable.put(TaskName("nightly"), timing, HostFacts(name=host), midnight)
        starts.append((timetable.next_of(TaskName("nightly")) - midnight - 1) % period)
    assert unevenness([start * cells // period for start in starts], cells) < 4
