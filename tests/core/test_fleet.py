from __future__ import annotations

import pytest

from tests.builders import task
from torchsync.core.fleet import fleet_of
from torchsync.core.inventory import HostEntry, Inventory
from torchsync.core.model import TaskName

INVENTORY = Inventory(
    hosts={
        "web-2": HostEntry(labels={"role": "web"}),
        "db-1": HostEntry(addresses=("10.2.0.7",), labels={"role": "db"}, zone="Europe/Berlin"),
        "web-1": HostEntry(labels={"role": "web"}),
        "spare-1": HostEntry(),
    },
    groups={"shop": ("role=web", "10.2.0.0/16")},
)
TASKS = (
    task("rotate", hosts=("role=web",)),
    task("backup", hosts=("db-*",)),
    task("orders", hosts=("@shop",)),
    task("stray", hosts=("mail-*",)),
)


def test_each_task_is_for_the_hosts_that_its_selectors_match() -> None:
    fleet = fleet_of(TASKS, INVENTORY)
    assert fleet.hosts_of == {"backup": ("db-1",), "orders": ("db-1", "web-1", "web-2"), "rotate": ("web-1", "web-2"), "stray": ()}
    assert fleet.tasks_of == {"db-1": ("backup", "orders"), "spare-1": (), "web-1": ("orders", "rotate"), "web-2": ("orders", "rotate")}


def test_hosts_are_what_the_inventory_says_of_them() -> None:
    assert fleet_of(TASKS, INVENTORY).hosts["db-1"] == INVENTORY.named("db-1")


def test_names_are_in_order_whatever_order_they_came_in() -> None:
    fleet = fleet_of(reversed(TASKS), INVENTORY)
    assert list(fleet.hosts) == list(fleet.tasks_of) == ["db-1", "spare-1", "web-1", "web-2"]
    assert list(fleet.tasks) == list(fleet.hosts_of) == ["backup", "orders", "rotate", "stray"]


def test_what_runs_nowhere_and_who_runs_nothing_is_known() -> None:
    fleet = fleet_of(TASKS, INVENTORY)
    assert fleet.idle_hosts == ("spare-1",)
    assert fleet.idle_tasks == (TaskName("stray"),)


def test_hosts_that_run_the_same_are_one_cohort() -> None:
    assert fleet_of(TASKS, INVENTORY).cohorts() == (
        (("db-1",), ("backup", "orders")),
        (("spare-1",), ()),
        (("web-1", "web-2"), ("orders", "rotate")),
    )


def test_without_an_inventory_there_are_tasks_and_no_hosts() -> None:
    fleet = fleet_of(TASKS, Inventory())
    assert not fleet.hosts
    assert fleet.idle_tasks == ("backup", "orders", "rotate", "stray")


def test_a_task_without_selectors_is_for_every_host_and_a_disabled_one_too() -> None:
    fleet = fleet_of((task("everywhere"), task("off", enabled=False)), INVENTORY)
    assert fleet.hosts_of["everywhere"] == fleet.hosts_of["off"] == tuple(fleet.hosts)


def test_what_is_no_selector_is_said() -> None:
    with pytest.raises(ValueError, match="has capital letters"):
        fleet_of((task("wrong", hosts=("DB-1",)),), INVENTORY)
