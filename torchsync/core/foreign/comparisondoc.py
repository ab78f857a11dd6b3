"""A shadow's record from the documents of its API, and what a comparison comes to as a document (`schemas/comparison.schema.json`). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torchsync.core.foreign.comparedreason import Difference, Reasons, hint_of
from torchsync.core.foreign.comparison import Comparison, Pairing, ShadowFire, ShadowRecord, ShadowSkip, ShadowTask
from torchsync.core.foreign.crontext import logged_forms
from torchsync.core.foreign.syslog import SystemLog
from torchsync.core.instants import parse_rfc3339, rfc3339
from torchsync.core.jsontext import Json
from torchsync.core.model import Command, Instant, ProgramCommand, ShellCommand

SHOWN = 5
"""Differences of a task that are told one by one."""

_INCLUDED = 120_000
"""The last minute of what is known is not compared, since it may not be over: so that of the newest instant is."""

Document = Mapping[str, Any]

_APART = ("startup", "manual", "daemon")
"""Triggers of runs that have no instant of a schedule."""


def record_of(tasks: Sequence[Document], entries: Iterable[Document], until: Instant | None) -> ShadowRecord:
    """What the shadow knows: the tasks of `/api/v1/tasks`, and the entries of `/api/v1/history`, which may tell of tasks that are gone.

    It knows everything up to `until`; None when nobody can say, and then up to the newest instant that an entry tells.
    """
    fires: list[ShadowFire] = []
    skips: list[ShadowSkip] = []
    commands: dict[str, set[str]] = {}
    users: dict[str, str] = {}
    for entry in entries:
        run, name = entry["run"], entry["task"]
        if entry["annulled"] or name is None:
            continue
        if run is None:
            if entry["reason"] and entry["first"]:
                skips.append(ShadowSkip(name, parse_rfc3339(entry["first"]), parse_rfc3339(entry["last"]), entry["reason"]))
            continue
        commands.setdefault(name, set()).update(logged_forms(_command(run["command"])))
        users.setdefault(name, run["user"])
        if run["trigger"] not in _APART and run["instant"]:
            fires.append(ShadowFire(name, parse_rfc3339(run["instant"]), parse_rfc3339(run["due"] or run["instant"])))
    known = {task["name"]: _task(task, users, commands) for task in tasks}
    gone = {name: _gone(name, users[name], commands[name], fires) for name in commands if name not in known}
    told = max((*(fire.instant for fire in fires), *(skip.last for skip in skips)), default=Instant(0))
    end = Instant(told + _INCLUDED) if until is None else until
    return ShadowRecord(tasks=tuple((known | gone).values()), fires=tuple(fires), skips=tuple(skips), until=end)


def _task(task: Document, users: Mapping[str, str], commands: Mapping[str, set[str]]) -> ShadowTask:
    name = task["name"]
    return ShadowTask(
        name=name,
        user=users.get(name) or task["user"],
        forms=logged_forms(_command(task["command"])) | commands.get(name, set()),
        since=parse_rfc3339(task["baseline"]) if task["baseline"] else Instant(0),
        schedule=task["schedule"] or task["type"],
        zone=task["timezone"] or "",
        is_enabled=task["state"] != "disabled",
        has_instants=task["type"] == "cron" and task["schedule"] != "@startup",
    )


def _gone(name: str, user: str, forms: set[str], fires: Iterable[ShadowFire]) -> ShadowTask:
    """A task of which only runs tell."""
    mine = [fire.instant for fire in fires if fire.task == name]
    return ShadowTask(
        name=name, user=user, forms=frozenset(forms), since=Instant(min(mine, default=Instant(1)) - 1), has_instants=bool(mine)
    )


def _command(document: Document) -> Command:
    return ProgramCommand(tuple(document["argv"])) if "argv" in document else ShellCommand(document["text"], document["shell"])


def comparison_document(host: str, compared: Comparison, log: SystemLog, reasons: Reasons) -> dict[str, Json]:
    """Everything that was found, with the first few differences of each task and what may be behind them."""
    return {
        "host": host,
        "since": rfc3339(compared.since),
        "until": rfc3339(compared.until),
        "agrees": compared.agrees,
        "tasks": [_pairing(pairing, reasons) for pairing in compared.pairings],
        "uncovered": [
            {
                "user": one.user,
                "command": one.command,
                "count": len(one.starts),
                "first": rfc3339(one.starts[0].at),
                "last": rfc3339(one.starts[-1].at),
                "place": one.starts[0].place,
                "hint": hint_of(one, compared),
            }
            for one in compared.uncovered
        ],
        "not_compared": dict(sorted(compared.apart.items())),
        "early": compared.early,
        "log": {"starts": len(log.starts), "other_hosts": {**log.others}, "unread_lines": log.unread},
    }


def _pairing(pairing: Pairing, reasons: Reasons) -> Json:
    task = pairing.task
    return {
        "name": task.name,
        "user": task.user,
        "schedule": task.schedule,
        "timezone": task.zone,
        "matched": pairing.matched,
        "only_log": _side(reasons.of_log(pairing)),
        "only_shadow": _side(reasons.of_shadow(pairing)),
    }


def _side(differences: Sequence[Difference]) -> Json:
    return {
        "count": len(differences),
        "first": [
            {"at": rfc3339(one.at), "likely": one.likely.value, "sentence": one.sentence, "place": one.place} for one in differences[:SHOWN]
        ],
    }
