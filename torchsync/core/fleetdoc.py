"""Who runs what, as one JSON document: `schemas/fleet.schema.json`. Pure.

It is what `torchsync fleet --format json` prints and what the page of the fleet is made from. Lists are in the order of names, and empty ones are
there; what was not asked for is null.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torchsync.core.fleet import Fleet
from torchsync.core.fleetchange import FleetChange, HostMove, TaskMove
from torchsync.core.fleetlive import LiveFleet, LiveHost, LiveTask
from torchsync.core.instants import rfc3339_short
from torchsync.core.inventory import Inventory
from torchsync.core.jsontext import Json
from torchsync.core.model import Command, CronTiming, Instant, ProgramCommand, ShellCommand, Task, TaskName

Document = dict[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What the fleet is compared with: the words and the commit of the base, and what differs."""

    words: str
    revision: str | None
    change: FleetChange


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetReport:
    """Everything that is told of a fleet. `shown` is what is left of `whole` after `filters`, which are as they were given, by option.

    `words` name what was read. `revision` is its commit; of a folder, the one that is checked out there, and `is_dirty` when files differ from that.
    `next_fires` are instants, before jitter; of tasks whose instants the host decides only those that are known are in it. `notices` are sentences
    without a full stop.
    """

    whole: Fleet
    shown: Fleet
    inventory: Inventory
    words: str
    now: Instant
    revision: str | None = None
    is_dirty: bool = False
    next_fires: Mapping[TaskName, Instant] = field(default_factory=dict)
    by_host: frozenset[TaskName] = frozenset()
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    compared: Compared | None = None
    live: LiveFleet | None = None

    @property
    def idle_hosts(self) -> tuple[str, ...]:
        """The hosts shown that run nothing at all, filtered out or not."""
        return tuple(name for name in self.shown.hosts if not self.whole.tasks_of[name])

    @property
    def idle_tasks(self) -> tuple[TaskName, ...]:
        """The tasks shown that are for no host of the inventory."""
        return tuple(name for name in self.shown.tasks if not self.whole.hosts_of[name])


def fleet_document(report: FleetReport) -> Document:
    """The document that the report stands for."""
    return {
        "generated_at": rfc3339_short(report.now),
        "source": report.words,
        "revision": report.revision,
        "dirty": report.is_dirty,
        "has_inventory": bool(report.inventory.hosts),
        "filters": {name: list(values) for name, values in report.filters.items()},
        "notices": list(report.notices),
        "hosts": [_host(report, name) for name in report.shown.hosts],
        "tasks": [_task(report, task) for task in report.shown.tasks.values()],
        "idle_hosts": list(report.idle_hosts),
        "idle_tasks": list(report.idle_tasks),
        "differences": _differences(report.compared) if report.compared else None,
        "live": _live(report.live) if report.live else None,
    }


def _host(report: FleetReport, name: str) -> Document:
    entry = report.inventory.hosts[name]
    return {
        "name": name,
        "addresses": list(entry.addresses),
        "labels": dict(entry.labels),
        "zone": entry.zone or None,
        "tasks": list(report.shown.tasks_of[name]),
        "task_count": len(report.whole.tasks_of[name]),
    }


def _task(report: FleetReport, task: Task) -> Document:
    cron = task.timing if isinstance(task.timing, CronTiming) else None
    return {
        "name": task.name,
        "description": task.description,
        "owner": task.owner,
        "severity": task.severity.value,
        "runbook": task.runbook,
        "labels": dict(task.labels),
        "enabled": task.enabled,
        "type": "cron" if cron else "daemon",
        "schedule": cron.schedule if cron else None,
        "timezone": cron.zone if cron else None,
        "jitter_seconds": cron.jitter / 1000 if cron else 0,
        "next": _instant(report.next_fires.get(task.name)),
        "next_by_host": task.name in report.by_host,
        "command": _command(task.command),
        "user": task.user,
        "group": task.group,
        "working_dir": task.working_dir,
        "timeout_seconds": cron.timeout / 1000 if cron else 0,
        "max_running": task.max_running,
        "overlap": cron.overlap.value if cron else None,
        "misfire": cron.misfire.value if cron else None,
        "pool": task.pool or None,
        "selectors": list(task.hosts),
        "source": {"path": task.source.path, "line": task.source.line, "column": task.source.column},
        "hosts": list(report.shown.hosts_of[task.name]),
        "host_count": len(report.whole.hosts_of[task.name]),
    }


def _command(command: Command) -> Document:
    match command:
        case ShellCommand(text=text, shell=shell):
            return {"shell": shell, "text": text}
        case ProgramCommand(argv=argv):
            return {"argv": list(argv)}


def _instant(instant: Instant | None) -> str | None:
    return rfc3339_short(instant) if instant else None


def _differences(compared: Compared) -> Document:
    return {
        "base": compared.revision,
        "base_source": compared.words,
        "tasks": [_move(move) for move in compared.change.tasks],
        "hosts": [_move(move) for move in compared.change.hosts],
    }


def _move(move: TaskMove | HostMove) -> Document:
    return {
        "name": move.name,
        "change": move.kind.value,
        "fields": list(move.fields),
        "gains": list(move.gains),
        "loses": list(move.loses),
    }


def _live(live: LiveFleet) -> Document:
    return {
        "prometheus": live.prometheus,
        "asked_at": rfc3339_short(live.asked_at),
        "host_label": live.host_label,
        "head": live.head or None,
        "warnings": list(live.warnings),
        "silent": [host.name for host in live.hosts if host.is_known and host.is_silent],
        "unknown": [host.name for host in live.hosts if not host.is_known],
        "drifting": [host.name for host in live.hosts if host.drifts or host.missing or host.extra],
        "hosts": [_live_host(host) for host in live.hosts],
    }


def _live_host(host: LiveHost) -> Document:
    return {
        "name": host.name,
        "known": host.is_known,
        "state": host.state.value,
        "target": host.target or None,
        "last_seen": _instant(host.last_seen),
        "version": host.version or None,
        "running": host.running or None,
        "running_since": _instant(host.running_since),
        "fetched": host.fetched or None,
        "rejected": host.rejected or None,
        "last_sync": _instant(host.last_sync),
        "sync_failures": host.sync_failures,
        "paused": list(host.paused),
        "pinned": host.is_pinned,
        "state_degraded": host.is_degraded,
        "facts_mismatch": host.has_other_facts,
        "stalled": host.is_stalled,
        "drifts": host.drifts,
        "missing": list(host.missing),
        "extra": list(host.extra),
        "tasks": [_live_task(task) for task in host.tasks],
    }


def _live_task(task: LiveTask) -> Document:
    return {
        "name": task.name,
        "since": _instant(task.since),
        "next_run": _instant(task.next_run),
        "last_run": _instant(task.last_run),
        "last_success": _instant(task.last_success),
        "failures": task.failures,
        "running": task.running,
        "paused": task.is_paused,
        "late": task.is_late,
    }
