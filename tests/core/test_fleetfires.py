from __future__ import annotations

import pytest

from tests.builders import HOUR, NOON, daemon, task
from torchsync.core.fleet import fleet_of
from torchsync.core.fleetfires import next_fires
from torchsync.core.inventory import HostEntry, Inventory
from torchsync.core.model import CronTiming, HostFacts, Millis
from torchsync.core.timetable import rhythm_of

INVENTORY = Inventory(
    hosts={
        "berlin": HostEntry(zone="Europe/Berlin"),
        "lisbon": HostEntry(zone="Europe/Lisbon"),
        "somewhere": HostEntry(),
    }
)


def fires(schedule: str, *hosts: str, **timing):
    one = task("one", hosts=hosts, timing=CronTiming(schedule=schedule, **timing))
    found = next_fires(fleet_of((one,), INVENTORY), INVENTORY, NOON)
    return found.known.get(one.name), one.name in found.by_host


def test_a_task_has_the_same_instants_on_all_its_hosts() -> None:
    assert fires("0 18 * * *", zone="Europe/Berlin") == (NOON + 5 * HOUR, False)


def test_jitter_moves_no_instant() -> None:
    assert fires("0 18 * * *", jitter=Millis(HOUR)) == (NOON + 6 * HOUR, False)


def test_in_local_time_the_earliest_host_whose_zone_is_known_counts() -> None:
    assert fires("0 18 * * *", "lisbon", "somewhere", zone="local") == (NOON + 6 * HOUR, True)
    assert fires("0 18 * * *", "lisbon", "berlin", zone="local") == (NOON + 5 * HOUR, True)
    assert fires("0 18 * * *", "somewhere", zone="local") == (None, True)


def test_what_hosts_pick_for_themselves_is_known_of_one_host_only() -> None:
    one = task("one", timing=CronTiming(schedule="H 18 * * *"))
    on_berlin = next(rhythm_of(one.name, one.timing, HostFacts(name="berlin")).following(NOON))
    assert fires("H 18 * * *", "berlin") == (on_berlin, True)
    assert fires("H 18 * * *", "berlin", "lisbon") == (None, True)
    assert fires("H 18 * * *", "mail-1") == (None, True)


@pytest.mark.parametrize(
    "one", [daemon("one"), task("one", enabled=False), task("one", schedule="@startup"), task("one", schedule="@at 2020-01-01T00:00")]
)
def test_what_has_no_instant_to_come_has_none(one) -> None:
    found = next_fires(fleet_of((one,), INVENTORY), INVENTORY, NOON)
    assert (found.known, found.by_host) == ({}, frozenset())
