from __future__ import annotations

from tests.builders import task
from torchsync.core.fleet import fleet_of
from torchsync.core.fleetchange import FleetChange, HostMove, Kind, TaskMove, fleet_change
from torchsync.core.inventory import HostEntry, Inventory
from torchsync.core.model import Fingerprint

OLD = Inventory(hosts={"db-1": HostEntry(labels={"role": "db"}), "old-1": HostEntry(), "web-1": HostEntry()})
NEW = Inventory(
    hosts={"db-1": HostEntry(labels={"role": "db", "site": "fra"}, zone="Europe/Berlin"), "new-1": HostEntry(), "web-1": HostEntry()}
)


def test_nothing_differs_from_itself() -> None:
    fleet = fleet_of((task("backup"), task("rotate", hosts=("web-*",))), OLD)
    assert fleet_change(fleet, fleet) == FleetChange()


def test_a_task_gains_and_loses_hosts() -> None:
    base = fleet_of((task("backup", hosts=("db-1", "web-1")),), OLD)
    head = fleet_of((task("backup", hosts=("db-1", "old-1")),), OLD)
    change = fleet_change(base, head)
    assert change.tasks == (TaskMove(name="backup", kind=Kind.SAME, gains=("old-1",), loses=("web-1",)),)
    assert change.hosts == (
        HostMove(name="old-1", kind=Kind.SAME, gains=("backup",), loses=()),
        HostMove(name="web-1", kind=Kind.SAME, gains=(), loses=("backup",)),
    )


def test_tasks_come_go_and_change() -> None:
    base = fleet_of((task("gone", hosts=("db-1",)), task("changed", hosts=("db-1",))), OLD)
    other = Fingerprint("f" * 64)
    head = fleet_of((task("new", hosts=("db-1",)), task("changed", hosts=("db-1",), owner="team-db", fingerprint=other)), OLD)
    assert fleet_change(base, head).tasks == (
        TaskMove(name="changed", kind=Kind.CHANGED, gains=(), loses=(), fields=("owner",)),
        TaskMove(name="gone", kind=Kind.REMOVED, gains=(), loses=("db-1",)),
        TaskMove(name="new", kind=Kind.ADDED, gains=("db-1",), loses=()),
    )


def test_hosts_come_go_and_change() -> None:
    everywhere = (task("everywhere"),)
    change = fleet_change(fleet_of(everywhere, OLD), fleet_of(everywhere, NEW))
    assert change.hosts == (
        HostMove(name="db-1", kind=Kind.CHANGED, gains=(), loses=(), fields=("labels", "timezone")),
        HostMove(name="new-1", kind=Kind.ADDED, gains=("everywhere",), loses=()),
        HostMove(name="old-1", kind=Kind.REMOVED, gains=(), loses=("everywhere",)),
    )
    assert change.tasks == (TaskMove(name="everywhere", kind=Kind.SAME, gains=("new-1",), loses=("old-1",)),)
