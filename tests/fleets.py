"""Documents of fleets, as `torchsync fleet --format json` prints them, for the tests and the benchmark of the page."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

Document = dict[str, Any]

REVISION = "3f9c1d7a52be4408a1c6d0e9b7f2835d64ac1e90"


def host(name: str, *, zone: str | None = "Europe/Berlin", addresses: tuple[str, ...] = (), **labels: str) -> Document:
    return {"name": name, "addresses": list(addresses), "labels": labels, "zone": zone, "tasks": [], "task_count": 0}


def task(name: str, schedule: str | None = "30 2 * * *", *selectors: str, command: str = "./scripts/run.sh", **given: Any) -> Document:
    """A task with the fields that are given.

    Selectors are globs of host names or `label=glob`, after `!` such as must not match; none is every host.
    """
    is_cron = schedule is not None
    plain: Document = {
        "name": name,
        "description": "",
        "owner": "",
        "severity": "warning",
        "runbook": "",
        "labels": {},
        "enabled": True,
        "type": "cron" if is_cron else "daemon",
        "schedule": schedule,
        "timezone": "Europe/Berlin" if is_cron else None,
        "jitter_seconds": 0,
        "next": None,
        "next_by_host": False,
        "command": {"shell": "/bin/sh", "text": command},
        "user": "",
        "group": "",
        "working_dir": "",
        "timeout_seconds": 0,
        "max_running": 1,
        "overlap": "skip" if is_cron else None,
        "misfire": "skip" if is_cron else None,
        "pool": None,
        "selectors": list(selectors),
        "source": {"path": "tasks/all.yaml", "line": 3, "column": 3},
        "hosts": [],
        "host_count": 0,
    }
    assert given.keys() <= plain.keys()
    return plain | given


def fleet(hosts: list[Document], tasks: list[Document], **given: Any) -> Document:
    """The document of a fleet in which the selectors were followed."""
    hosts, tasks = sorted(hosts, key=_name), sorted(tasks, key=_name)
    for one in tasks:
        one["hosts"] = [each["name"] for each in hosts if _selects(one["selectors"], each)]
        one["host_count"] = len(one["hosts"])
    runs: dict[str, list[str]] = {each["name"]: [] for each in hosts}
    for one in tasks:
        for name in one["hosts"]:
            runs[name].append(one["name"])
    for each in hosts:
        each["tasks"] = runs[each["name"]]
        each["task_count"] = len(each["tasks"])
    plain = {
        "generated_at": "2026-10-22T09:20:00Z",
        "source": "the folder as it is",
        "revision": REVISION,
        "dirty": False,
        "has_inventory": True,
        "filters": {},
        "notices": [],
        "hosts": hosts,
        "tasks": tasks,
        "idle_hosts": [each["name"] for each in hosts if not each["tasks"]],
        "idle_tasks": [one["name"] for one in tasks if not one["hosts"]],
        "differences": None,
        "live": None,
    }
    return plain | given


def _name(item: Document) -> str:
    return str(item["name"])


def _selects(selectors: list[str], each: Document) -> bool:
    def holds(selector: str) -> bool:
        key, sign, value = selector.partition("=")
        return key in each["labels"] and fnmatchcase(each["labels"][key], value) if sign else fnmatchcase(each["name"], selector)

    wanted, unwanted = [one for one in selectors if one[0] != "!"], [one[1:] for one in selectors if one[0] == "!"]
    return (not wanted or any(map(holds, wanted))) and not any(map(holds, unwanted))


def usual() -> Document:
    """A small fleet with a bit of everything, in the week in which clocks go back."""
    hosts = [host(f"db-{number}", addresses=(f"10.2.0.{number}",), role="db", site="eu") for number in range(1, 4)]
    hosts += [host(f"web-{number:02}", zone="UTC", addresses=(f"10.3.0.{number}",), role="web", site="eu") for number in range(1, 13)]
    hosts += [host("build-1", zone="America/New_York", role="build", site="us"), host("spare-1", zone=None), host("spare-2", site="us")]
    return fleet(hosts, usual_tasks())


def usual_tasks() -> list[Document]:
    return [
        task(
            "nightly-backup",
            "0 30 2 * * *",
            "role=db",
            command="./scripts/backup.sh --all --verify --target s3://backups-eu/db",
            description="Dump and ship every database, then check that the newest dump can be read back",
            owner="team-db",
            severity="critical",
            runbook="https://wiki.example.org/runbooks/backup",
            labels={"tier": "1"},
            timeout_seconds=7200,
            source={"path": "tasks/db/backup.yaml", "line": 8, "column": 3},
        ),
        task("vacuum", "0 4 * * sun", "role=db", description="Reclaim space while nobody looks", owner="team-db", pool="disk"),
        task(
            "replica-lag",
            "*/30 * * * * *",
            "db-2",
            "db-3",
            description="Sample the lag of the replica",
            owner="team-db",
            command="./lag --once",
        ),
        task("rotate-logs", "H H(1-5) * * *", "role=web", description="Rotate and pack the logs of nginx", owner="team-web"),
        task("warm-cache", "*/5 * * * *", "role=web", owner="team-web", description="Ask for the pages that everybody asks for"),
        task("web-health", "* 6-21 * * mon-fri", "role=web", owner="team-web", jitter_seconds=20, severity="info"),
        task(
            "certificates",
            "15 3 * * mon",
            "role=*",
            owner="team-platform",
            timezone="local",
            description="Renew what ends within thirty days",
        ),
        task(
            "inventory",
            "@hourly",
            "!spare-*",
            owner="team-platform",
            timezone="UTC",
            description="Tell the asset database what this host is",
        ),
        task(
            "proxy",
            None,
            "role=web",
            owner="team-platform",
            description="The local proxy",
            command="./bin/proxy --port 8080",
            max_running=2,
        ),
        task("nightly-build", "0 1 * * *", "role=build", owner="team-build", timezone="America/New_York", timeout_seconds=10800),
        task("report", "0 7 1 * *", "role=db", owner="team-finance", enabled=False, description="Monthly figures"),
        task("mail-queue", "*/10 * * * *", "mail-*", owner="team-mail", description="Tell when the queue grows"),
    ]


def with_differences(document: Document) -> Document:
    moves = [
        {"name": "rotate-logs", "change": "changed", "fields": ["schedule", "jitter"], "gains": [], "loses": []},
        {"name": "vacuum", "change": "same", "fields": [], "gains": ["db-3"], "loses": ["web-01"]},
        {"name": "old-sync", "change": "removed", "fields": [], "gains": [], "loses": ["db-1", "db-2"]},
        {"name": "warm-cache", "change": "added", "fields": [], "gains": [f"web-{number:02}" for number in range(1, 13)], "loses": []},
    ]
    hosts = [{"name": "db-3", "change": "changed", "fields": ["labels"], "gains": ["vacuum"], "loses": []}]
    return document | {"differences": {"base": "a" * 40, "base_source": "main", "tasks": moves, "hosts": hosts}}


def live_host(name: str, **given: Any) -> Document:
    plain: Document = {
        "name": name,
        "known": True,
        "state": "up",
        "target": f"{name}:9747",
        "last_seen": "2026-10-22T09:19:50Z",
        "version": "0.1.0",
        "running": REVISION[:12],
        "running_since": "2026-10-21T14:02:00Z",
        "fetched": REVISION[:12],
        "rejected": None,
        "last_sync": "2026-10-22T09:19:40Z",
        "sync_failures": 0,
        "paused": [],
        "pinned": False,
        "state_degraded": False,
        "facts_mismatch": False,
        "stalled": False,
        "drifts": False,
        "missing": [],
        "extra": [],
        "tasks": [],
    }
    assert given.keys() <= plain.keys()
    return plain | given


def live_task(name: str, **given: Any) -> Document:
    plain: Document = {
        "name": name,
        "since": "2026-10-01T00:00:00Z",
        "next_run": "2026-10-23T00:30:00Z",
        "last_run": "2026-10-22T00:30:00Z",
        "last_success": "2026-10-22T00:41:00Z",
        "failures": 0,
        "running": 0,
        "paused": False,
        "late": False,
    }
    assert given.keys() <= plain.keys()
    return plain | given


def with_live(document: Document, change: Callable[[Document], Document] = lambda each: each) -> Document:
    """As Prometheus may know it: one host silent, one unheard, one behind, one with failures, one that nobody knows; the rest well."""
    odd = {
        "web-03": {"state": "down", "last_seen": "2026-10-21T23:02:00Z"},
        "spare-1": {
            "state": "absent",
            "target": None,
            "last_seen": None,
            "version": None,
            "running": None,
            "last_sync": None,
            "running_since": None,
        },
        "web-07": {"drifts": True, "running": "9a1b2c3d4e5f", "missing": ["warm-cache"], "extra": ["old-sync"], "rejected": REVISION[:12]},
        "db-2": {
            "tasks": [
                live_task("nightly-backup", failures=3, late=True, last_success="2026-10-19T00:41:00Z"),
                live_task("vacuum", paused=True),
            ]
        },
        "web-09": {"paused": ["sync"], "pinned": True},
    }
    names = [each["name"] for each in document["hosts"]]
    tasks = {each["name"]: {"tasks": [live_task(name) for name in each["tasks"]]} for each in document["hosts"]}
    hosts = [change(live_host(name, **(tasks[name] | odd.get(name, {})))) for name in names] + [live_host("old-1", known=False)]
    live = {
        "prometheus": "https://prometheus.example.org",
        "asked_at": document["generated_at"],
        "host_label": "instance",
        "head": REVISION[:12],
        "warnings": [],
        "silent": ["web-03", "spare-1"],
        "unknown": ["old-1"],
        "drifting": ["web-07"],
        "hosts": hosts,
    }
    return document | {"live": live}


def large(hosts: int = 1_000, tasks: int = 500) -> Document:
    """Many hosts in twenty roles; a tenth of the tasks is for all of them, the rest for a role each, some with times of their own on each host."""
    roles = ["db", "web", "cache", "queue", "mail", "build", "proxy", "search", "batch", "edge"]
    schedules = [
        "30 2 * * *",
        "*/5 * * * *",
        "H H * * *",
        "0 */6 * * *",
        "15 4 * * sun",
        "* * * * *",
        "@hourly",
        "0 7 * * mon-fri",
        "@every 90s",
        "5 0 1 * *",
    ]
    zones = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo"]
    fleet_hosts = [
        host(
            f"{roles[number % 10]}-{number // 10 + 1:03}.{'eu' if number % 2 else 'us'}.example.org",
            zone=zones[number % 4],
            addresses=(f"10.{number // 250}.{number % 250}.7",),
            role=f"{roles[number % 10]}{number % 20 // 10}",
            site="eu" if number % 2 else "us",
        )
        for number in range(hosts)
    ]
    fleet_tasks = [
        task(
            f"{roles[number % 10]}-{['backup', 'rotate', 'report', 'check', 'sync', 'clean', 'index'][number % 7]}-{number}",
            schedules[number % 10 if number % 3 else 0],
            *([] if number % 10 == 0 else [f"role={roles[number % 10]}{number % 20 // 10}"]),
            command=f"./scripts/{roles[number % 10]}/run.sh --shard {number} --verbose --target s3://bucket-{number % 17}",
            description="One of many tasks of a usual size, with the words that people write",
            owner=f"team-{roles[number * 7 % 10]}",
            timezone=zones[number % 4],
            jitter_seconds=60 if number % 11 == 0 else 0,
            labels={"tier": str(number % 3)},
            timeout_seconds=600,
            source={"path": f"tasks/team-{number % 50}/tasks.yaml", "line": 3 + number % 90, "column": 3},
        )
        for number in range(tasks)
    ]
    return fleet(fleet_hosts, fleet_tasks)
