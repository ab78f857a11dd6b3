from __future__ import annotations

import pytest

from tests.core.cron_oracle import utc
from torchsync.core.crowd import CROWD, Crowd, Timed, crowds
from torchsync.core.inventory import HostEntry, Inventory
from torchsync.core.model import CronTiming, Instant, Millis, TaskName

MONDAY = Instant(utc("2026-11-23") * 1_000)
NOTHING = Inventory()


def timed(number: int, schedule: str, hosts: tuple[str, ...] = (), prefix: str = "t", **timing) -> list[Timed]:
    return [Timed(name=TaskName(f"{prefix}{n}"), hosts=hosts, timing=CronTiming(schedule=schedule, **timing)) for n in range(number)]


def found(tasks: list[Timed], inventory: Inventory = NOTHING) -> list[tuple[str, int, int]]:
    """Host, how many other hosts, how many tasks."""
    return [(crowd.host, crowd.more_hosts, len(crowd.tasks)) for crowd in crowds(tasks, inventory, MONDAY)]


def test_many_tasks_in_one_minute_are_a_crowd_and_one_fewer_are_not() -> None:
    assert found(timed(CROWD, "0 3 * * *")) == [("", 0, CROWD)]
    assert found(timed(CROWD - 1, "0 3 * * *")) == []


def test_the_first_of_the_worst_minutes_is_named() -> None:
    tasks = [*timed(CROWD, "30 1 * * tue", prefix="a"), *timed(CROWD + 1, "0 3 * * *", prefix="b")]
    (crowd,) = crowds(tasks, NOTHING, MONDAY)
    assert crowd == Crowd(minute=Instant(utc("2026-11-23T03:00") * 1_000), tasks=tuple(TaskName(f"b{n}") for n in range(CROWD + 1)))


def test_zones_and_seconds_meet_in_the_same_minute() -> None:
    tasks = [*timed(CROWD // 2, "0 3 * * *", zone="UTC", prefix="a"), *timed(CROWD // 2, "30 0 4 * * *", zone="Europe/Berlin", prefix="b")]
    assert found(tasks) == [("", 0, CROWD)]


@pytest.mark.parametrize(
    ("schedule", "timing"),
    [
        ("* * * * *", {}),
        ("*/5 * * * *", {}),
        ("@every 1h", {}),
        ("@startup", {}),
        ("H 3 * * *", {}),
        ("0 3 * * *", {"jitter": Millis(60_000)}),
        ("0 3 * * *", {"zone": "local"}),
        ("0 3 1 1 *", {}),
    ],
)
def test_what_fires_all_the_time_or_is_spread_or_is_far_away_is_no_crowd(schedule: str, timing: dict[str, object]) -> None:
    assert found(timed(3 * CROWD, schedule, **timing)) == []


def test_the_tasks_of_one_host_count_together_whatever_selected_them() -> None:
    inventory = Inventory(
        hosts={"db-1": HostEntry(), "web-1": HostEntry(labels={"role": "web"}), "web-2": HostEntry(labels={"role": "web"})}
    )
    half = CROWD // 2
    tasks = [
        *timed(half, "0 3 * * *", ("web-*",), "a"),
        *timed(half, "0 3 * * *", ("role=web",), "b"),
        *timed(half, "0 3 * * *", ("db-1",), "c"),
    ]
    assert found(tasks, inventory) == [("web-1", 1, CROWD)]
    assert found(tasks) == [], "without an inventory only the same selectors are known to meet"
