"""The facts of a host under a running agent: when they count, and what a change of them brings."""

from __future__ import annotations

import pytest

from tests.agent.desk import Desk, document
from tests.builders import HOUR, MINUTE, NOON, SECOND, task
from torchsync.core.inventory import HostEntry, Inventory
from torchsync.core.logevents import LogEvent
from torchsync.core.model import CronTiming, Instant
from torchsync.ports import ConfigRead, ConfigTouched

HERE, THERE = ("10.2.0.7",), ("10.3.0.9",)
BY_ADDRESS = task("here", hosts=("10.2.0.0/16",)), task("there", hosts=("10.3.0.0/16",))
LOCAL = task("local", timing=CronTiming(schedule="0 15 * * *", zone="local"))


@pytest.fixture
def desk() -> Desk:
    return Desk()


def begun(desk: Desk, *tasks, **commit) -> Desk:
    desk.git.push(*tasks, **commit)
    desk.loop.begin()
    desk.pass_time(SECOND)
    return desk


def names(desk: Desk) -> set[str]:
    return set(desk.snapshot.tasks)


def test_another_address_selects_other_tasks_after_five_stable_minutes(desk: Desk) -> None:
    begun(desk, *BY_ADDRESS)
    desk.addresses = THERE
    desk.pass_time(5 * MINUTE)
    assert names(desk) == {"here"}
    assert desk.snapshot.facts_mismatch
    desk.pass_time(MINUTE)
    assert names(desk) == {"there"}
    assert not desk.snapshot.facts_mismatch
    assert desk.snapshot.generation is not None
    assert (desk.snapshot.generation.number, desk.snapshot.generation.revision) == (2, desk.git.tip)
    assert desk.events(LogEvent.HOST_FACTS_CHANGED) == ["this host is db-1 with 10.3.0.9, no labels, zone UTC now"]


def test_an_address_that_is_gone_for_a_while_takes_no_task_away(desk: Desk) -> None:
    begun(desk, *BY_ADDRESS)
    desk.addresses = ()
    desk.pass_time(HOUR)
    desk.addresses = HERE
    desk.pass_time(HOUR)
    assert names(desk) == {"here"}
    assert desk.snapshot.generation is not None
    assert desk.snapshot.generation.number == 1


def test_an_agent_that_starts_before_the_network_keeps_the_tasks_it_had(desk: Desk) -> None:
    begun(desk, *BY_ADDRESS)
    desk.addresses = ()
    desk.crash()
    desk.pass_time(HOUR)
    assert names(desk) == {"here"}
    assert len(desk.git.requests) == 1, "nothing was judged again"


def test_configured_addresses_count_with_the_reload(desk: Desk) -> None:
    begun(desk, *BY_ADDRESS)
    desk.shelf.next = ConfigRead(document(host={"addresses": list(THERE)}))
    desk.wakeups.post(ConfigTouched())
    desk.pass_time(2 * SECOND)
    assert names(desk) == {"there"}


def test_a_change_counts_also_when_the_remote_comes_back_only_later(desk: Desk) -> None:
    begun(desk, *BY_ADDRESS)
    desk.git.is_reachable = False
    desk.addresses = THERE
    desk.pass_time(10 * MINUTE)
    assert names(desk) == {"here"}
    assert desk.snapshot.facts_mismatch
    desk.git.is_reachable = True
    desk.pass_time(HOUR)
    assert names(desk) == {"there"}


def test_another_zone_of_the_host_moves_its_local_tasks(desk: Desk) -> None:
    begun(desk, LOCAL, task("utc", timing=CronTiming(schedule="0 15 * * *")))
    assert desk.snapshot.tasks["local"].next_due == NOON + 3 * HOUR
    desk.zone = "Europe/Berlin"
    desk.pass_time(MINUTE)
    assert desk.snapshot.tasks["local"].next_due == NOON + 2 * HOUR
    assert desk.snapshot.tasks["utc"].next_due == NOON + 3 * HOUR
    desk.pass_time(3 * HOUR)
    assert [run.instant for run in desk.runs("local")] == [Instant(NOON + 2 * HOUR)]
    assert [run.instant for run in desk.runs("utc")] == [Instant(NOON + 3 * HOUR)]


def test_the_inventory_gives_labels_and_zone_and_says_what_does_not_go_together(desk: Desk) -> None:
    inventory = Inventory(hosts={"db-1": HostEntry(labels={"site": "eu"}, zone="Asia/Tokyo")}, groups={"eu": ("site=eu",)})
    begun(desk, task("eu", hosts=("@eu",)), LOCAL, inventory=inventory)
    assert names(desk) == {"eu", "local"}
    assert (desk.snapshot.facts.labels, desk.snapshot.facts.zone) == ({"site": "eu"}, "Asia/Tokyo")
    assert not desk.snapshot.facts_mismatch
    assert desk.snapshot.notices == ()
    desk.shelf.next = ConfigRead(document(host={"labels": {"site": "us"}}))
    desk.wakeups.post(ConfigTouched())
    desk.pass_time(2 * SECOND)
    assert names(desk) == {"local"}
    assert [str(notice) for notice in desk.snapshot.notices] == ["TS314 the label site is 'us' by agent.yaml, over 'eu' by hosts.yaml"]
    desk.git.push(LOCAL, inventory=inventory)
    desk.pass_time(HOUR)
    assert len(desk.events(LogEvent.HOST_NOTICE)) == 1, "it is told once"


def test_the_inventory_of_a_later_commit_moves_the_host_to_another_zone(desk: Desk) -> None:
    begun(desk, LOCAL)
    desk.git.push(LOCAL, inventory=Inventory(hosts={"db-1": HostEntry(zone="Europe/Berlin")}))
    desk.pass_time(MINUTE)
    assert desk.snapshot.tasks["local"].next_due == NOON + 2 * HOUR


def test_the_zone_survives_a_crash(desk: Desk) -> None:
    begun(desk, LOCAL, inventory=Inventory(hosts={"db-1": HostEntry(zone="Europe/Berlin")}))
    desk.git.is_reachable = False
    desk.crash()
    desk.pass_time(SECOND)
    assert desk.snapshot.tasks["local"].next_due == NOON + 2 * HOUR
