from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.builders import MINUTE, NOON, REVISION, daemon, task
from torchsync.adapters.schemas import read_schema
from torchsync.core.fleet import fleet_of
from torchsync.core.fleetchange import fleet_change
from torchsync.core.fleetdoc import Compared, FleetReport, fleet_document
from torchsync.core.fleetlive import HostState, LiveFleet, LiveHost, LiveTask
from torchsync.core.inventory import HostEntry, Inventory
from torchsync.core.model import CronTiming, Instant, Millis, ProgramCommand, Severity, TaskName

INVENTORY = Inventory(
    hosts={
        "web-1": HostEntry(labels={"role": "web"}),
        "db-1": HostEntry(addresses=("10.2.0.7",), labels={"role": "db"}, zone="Europe/Berlin"),
        "spare-1": HostEntry(),
    }
)
TASKS = (
    task("rotate", hosts=("role=web",), enabled=False, owner="team-web", severity=Severity.CRITICAL),
    task("backup", hosts=("db-*",), timing=CronTiming(schedule="H 2 * * *", zone="local", jitter=Millis(MINUTE)), pool="disk"),
    daemon("proxy", hosts=("role=*",), command=ProgramCommand(("./proxy", "--port", "8080")), max_running=2),
    task("stray", hosts=("mail-*",)),
)
WHOLE = fleet_of(TASKS, INVENTORY)
REPORT = FleetReport(
    whole=WHOLE,
    shown=WHOLE,
    inventory=INVENTORY,
    words="the folder as it is",
    now=NOON,
    next_fires={TaskName("stray"): Instant(NOON + MINUTE)},
    by_host=frozenset({TaskName("backup")}),
)


def document(**changes: Any) -> dict[str, Any]:
    """The document of the report with these changes; it keeps to its schema."""
    given = {name: getattr(REPORT, name) for name in FleetReport.__dataclass_fields__} | changes
    found: dict[str, Any] = fleet_document(FleetReport(**given))
    Draft202012Validator(read_schema("fleet")).validate(found)
    return found


def named(items: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(item for item in items if item["name"] == name)


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(read_schema("fleet"))


def test_hosts_are_told_with_their_tasks() -> None:
    found = document()
    assert [host["name"] for host in found["hosts"]] == ["db-1", "spare-1", "web-1"]
    assert named(found["hosts"], "db-1") == {
        "name": "db-1",
        "addresses": ["10.2.0.7"],
        "labels": {"role": "db"},
        "zone": "Europe/Berlin",
        "tasks": ["backup", "proxy"],
        "task_count": 2,
    }
    assert named(found["hosts"], "web-1")["zone"] is None


def test_tasks_are_told_with_their_hosts_and_what_a_reader_wants() -> None:
    found = document()["tasks"]
    assert [one["name"] for one in found] == ["backup", "proxy", "rotate", "stray"]
    rotate, backup, proxy = named(found, "rotate"), named(found, "backup"), named(found, "proxy")
    assert (rotate["owner"], rotate["severity"], rotate["enabled"], rotate["hosts"]) == ("team-web", "critical", False, ["web-1"])
    assert rotate["command"] == {"shell": "/bin/sh", "text": "./scripts/backup.sh --all"}
    assert rotate["source"] == {"path": "tasks/db.yaml", "line": 3, "column": 3}
    assert (backup["timezone"], backup["jitter_seconds"], backup["next"], backup["next_by_host"]) == ("local", 60, None, True)
    assert (proxy["type"], proxy["schedule"], proxy["timezone"], proxy["max_running"]) == ("daemon", None, None, 2)
    assert proxy["command"] == {"argv": ["./proxy", "--port", "8080"]}
    assert named(found, "stray")["next"] == "2026-11-23T12:01:00Z"


def test_what_is_idle_is_so_in_the_whole_fleet() -> None:
    found = document()
    assert (found["idle_tasks"], found["idle_hosts"]) == (["stray"], ["spare-1"])
    assert (found["differences"], found["live"]) == (None, None)


def test_without_an_inventory_there_are_tasks_only() -> None:
    bare = fleet_of(TASKS, Inventory())
    found = document(whole=bare, shown=bare, inventory=Inventory())
    assert (found["has_inventory"], found["hosts"], len(found["tasks"])) == (False, [], 4)


def test_what_differs_from_the_base_is_told() -> None:
    base = fleet_of((task("backup", hosts=("web-*",)), TASKS[0]), INVENTORY)
    found = document(compared=Compared(words="main", revision=REVISION, change=fleet_change(base, WHOLE)))["differences"]
    assert (found["base"], found["base_source"]) == (REVISION, "main")
    moved = named(found["tasks"], "backup")
    assert (moved["change"], moved["gains"], moved["loses"]) == ("same", ["db-1"], ["web-1"])
    assert named(found["tasks"], "proxy") == {"name": "proxy", "change": "added", "fields": [], "gains": ["db-1", "web-1"], "loses": []}
    assert named(found["hosts"], "web-1") == {
        "name": "web-1",
        "change": "same",
        "fields": [],
        "gains": ["proxy"],
        "loses": ["backup"],
    }


def test_what_really_runs_is_told() -> None:
    runs = LiveTask(name=TaskName("backup"), since=NOON, failures=2, is_late=True)
    live = LiveFleet(
        prometheus="https://prometheus.example.org",
        asked_at=NOON,
        head=REVISION[:12],
        hosts=(
            LiveHost(name="db-1", state=HostState.UP, target="db-1:9747", running="feedfacefeed", drifts=True, tasks=(runs,)),
            LiveHost(name="old-1", is_known=False, state=HostState.UP),
            LiveHost(name="web-1", state=HostState.DOWN, last_seen=NOON),
            LiveHost(name="spare-1"),
        ),
    )
    found = document(live=live)["live"]
    assert (found["silent"], found["unknown"], found["drifting"]) == (["web-1", "spare-1"], ["old-1"], ["db-1"])
    db = named(found["hosts"], "db-1")
    assert (db["state"], db["running"], db["fetched"]) == ("up", "feedfacefeed", None)
    assert db["tasks"] == [
        {
            "name": "backup",
            "since": "2026-11-23T12:00:00Z",
            "next_run": None,
            "last_run": None,
            "last_success": None,
            "failures": 2,
            "running": 0,
            "paused": False,
            "late": True,
        }
    ]


@pytest.mark.parametrize("filters", [{}, {"task": ("backup*",), "host": ("db-1",)}])
def test_the_filters_are_told_as_they_were_given(filters: dict[str, tuple[str, ...]]) -> None:
    assert document(filters=filters)["filters"] == {name: list(values) for name, values in filters.items()}
