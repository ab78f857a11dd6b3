"""The JSON documents of the API, from values. Pure; the keys are described by `schemas/{status,tasks,runs,history}.schema.json`.

Every document has two forms. The *public* form is for the TCP surface and says nothing of commands, environments, paths, outputs, actors or
users, nor any sentence that could quote one. The *full* form, for the control socket, has the same keys and more.
Instants are RFC 3339 texts in UTC or null; lengths of time are seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from torchsync.codes import CODES
from torchsync.core.entries import HistoryQuery, HistoryRow, following
from torchsync.core.holds import Held, Hold, HoldChange, Holds, HoldScope, change_sentence, sentence
from torchsync.core.instants import brief_duration, parse_rfc3339, rfc3339
from torchsync.core.lateness import late_since
from torchsync.core.model import Attempt, CronTiming, Instant, Millis, ProgramCommand, Run, ShellCommand, Task
from torchsync.core.snapshot import Refusal, Snapshot, SyncStatus, TaskStatus
from torchsync.core.syncdoc import SyncResult
from torchsync.core.taskmetric import state_of
from torchsync.errors import Problem

Document = dict[str, object]

MOST_HISTORY = 10_000
"""Rows in one answer."""
TICK_FRESH = Millis(60_000)
VERDICT_FRESH_AT_LEAST = Millis(600_000)


# Health.


def why_dead(snapshot: Snapshot, now: Instant) -> str:
    """A sentence when the loop has not turned for a minute; empty while it lives."""
    idle = Millis(now - snapshot.last_tick)
    return f"the scheduler last turned {brief_duration(idle)} ago" if idle > TICK_FRESH else ""


def why_not_ready(snapshot: Snapshot, now: Instant) -> str:
    """A sentence while the agent does not run what the repository says, as far as it can know; empty when it does."""
    sync = snapshot.sync
    if why := why_dead(snapshot, now):
        return why
    if snapshot.generation is None:
        return "no generation is in force yet"
    if snapshot.holds.sync or snapshot.holds.pin:
        return ""  # Operators want it to stay as it is.
    if not sync.verdict_since_start:
        return "no sync has reached the remote since the agent started"
    allowed = Millis(max(10 * sync.interval, VERDICT_FRESH_AT_LEAST))
    age = Millis(now - sync.last_verdict)
    return (
        f"the last sync that reached the remote ended {brief_duration(age)} ago; {brief_duration(allowed)} are allowed"
        if age > allowed
        else ""
    )


# Documents.


def status_document(snapshot: Snapshot, *, full: bool) -> Document:
    generation = snapshot.generation
    document: Document = {
        "version": snapshot.version,
        "host": snapshot.facts.name,
        "executor": snapshot.executor,
        "taken_at": rfc3339(snapshot.taken_at),
        "started_at": rfc3339(snapshot.started_at),
        "last_tick": _instant(snapshot.last_tick),
        "generation": None,
        "tasks": _task_counts(snapshot),
        "runs_in_progress": len(snapshot.runs_under_way),
        "runs_waiting": len(snapshot.runs) - len(snapshot.runs_under_way),
        "pools": [{"name": name, "places": pool.places, "runs": pool.runs} for name, pool in sorted(snapshot.pools.items())],
        "holds": [_hold(snapshot.holds, what, hold, full=full) for what, hold in snapshot.holds],
        "sync": _sync(snapshot.sync, full=full),
        "state_degraded": snapshot.state_degraded,
        "config_reload_ok": snapshot.config_reload_ok,
        "notices": [_problem(notice, full=full) for notice in snapshot.notices],
    }
    if generation is not None:
        document["generation"] = {
            "number": generation.number,
            "revision": generation.revision,
            "applied_at": rfc3339(generation.applied_at),
            "author": generation.authorship.author if generation.authorship else None,
            "committed_at": rfc3339(generation.authorship.committed_at) if generation.authorship else None,
        }
    if full:
        facts = snapshot.facts
        document["facts"] = {
            "name": facts.name,
            "addresses": list(facts.addresses),
            "labels": dict(facts.labels),
            "timezone": facts.zone,
        }
    return document


def tasks_document(snapshot: Snapshot, *, full: bool) -> Document:
    """By name."""
    baselines = snapshot.generation.baselines if snapshot.generation else {}
    ordered = sorted(snapshot.tasks.items())
    now = snapshot.taken_at
    return {"tasks": [{**_task_status(status, now, full=full), **_baseline(baselines.get(name), full=full)} for name, status in ordered]}


def runs_document(runs: Iterable[Run], *, full: bool) -> Document:
    """Oldest first."""
    return {"runs": [run_document(run, full=full) for run in sorted(runs, key=lambda run: run.id)]}


def run_document(run: Run, *, full: bool) -> Document:
    document: Document = {
        "id": run.id,
        "task": run.task.name,
        "revision": run.revision,
        "trigger": run.trigger.value,
        "state": run.state.value,
        "instant": _instant(run.instant),
        "due": _instant(run.due),
        "admitted_at": rfc3339(run.admitted_at),
        "started_at": _instant(run.started_at),
        "finished_at": _instant(run.finished_at),
        "attempt": run.attempt,
        "attempts": run.attempts,
        "next_attempt_at": _instant(run.wait.until if run.wait else None),
        "earlier_attempts": [_attempt(attempt, full=full) for attempt in run.earlier],
        "copy": run.copy,
        "outcome": run.outcome.value if run.outcome else None,
        "exit_status": run.exit_status,
        "cpu_seconds": None if run.usage.cpu is None else run.usage.cpu / 1000,
        "memory_peak_bytes": run.usage.memory,
        "stop_cause": run.stop_cause.value if run.stop_cause else None,
    }
    if full:
        document |= {"tree": run.tree, "actor": run.actor, "user": run.user, "detail": run.detail, "command": _command(run.task)}
    return document


def _attempt(attempt: Attempt, *, full: bool) -> Document:
    document: Document = {
        "number": attempt.number,
        "started_at": _instant(attempt.started_at),
        "finished_at": rfc3339(attempt.finished_at),
        "outcome": attempt.outcome.value,
        "exit_status": attempt.exit_status,
    }
    return document | {"detail": attempt.detail} if full else document


def history_document(rows: Sequence[HistoryRow], query: HistoryQuery) -> Document:
    """Newest first, full: the history is on the control socket only. `next` is what to ask for to get what comes after, null when that was all."""
    more = following(query, rows)
    return {
        "entries": [entry_document(row) for row in rows],
        "next": {"until": rfc3339(more.until), "skip": more.skip} if more else None,
    }


def history_query(fields: Mapping[str, str]) -> HistoryQuery:
    """The question that these parameters are. Raises ValueError with a sentence."""
    known = ("task", "failed", "runs", "since", "until", "skip", "limit")
    if unknown := sorted(set(fields) - set(known)):
        raise ValueError(f"unknown parameter {unknown[0]!r}; known are {', '.join(known)}")
    every = HistoryQuery()
    return HistoryQuery(
        task=fields.get("task", ""),
        failed=_flag(fields, "failed"),
        runs=_flag(fields, "runs"),
        since=parse_rfc3339(fields["since"]) if fields.get("since") else every.since,
        until=parse_rfc3339(fields["until"]) if fields.get("until") else every.until,
        skip=_number(fields, "skip", "0", least=0),
        limit=_number(fields, "limit", "50", least=1),
    )


def _flag(fields: Mapping[str, str], name: str) -> bool:
    if (text := fields.get(name, "false")) not in ("true", "false"):
        raise ValueError(f"{name} is to be true or false; found {text!r}")
    return text == "true"


def _number(fields: Mapping[str, str], name: str, usual: str, *, least: int) -> int:
    try:
        return max(least, min(int(fields.get(name, usual)), MOST_HISTORY))
    except ValueError:
        raise ValueError(f"{name} is to be a number; found {fields[name][:40]!r}") from None


# Parts.


def _instant(instant: Instant | None) -> str | None:
    return rfc3339(instant) if instant else None


def _hold(holds: Holds, what: Held, hold: Hold, *, full: bool) -> Document:
    """In public without who and why."""
    pin = holds.pin if what.scope in (HoldScope.PIN, HoldScope.ROLLBACK) else None
    document: Document = {
        "scope": what.scope.value,
        "task": what.task or None,
        "since": rfc3339(hold.since),
        "until": _instant(hold.until),
        "revision": pin.revision if pin else None,
        "passed_over": list(pin.passed_over) if pin else [],
    }
    if full:
        document |= {"actor": hold.actor, "reason": hold.reason, "sentence": sentence(holds, what, hold)}
    return document


def _task_counts(snapshot: Snapshot) -> Document:
    states = [state_of(status) for status in snapshot.tasks.values()]
    not_selected = snapshot.generation.not_selected if snapshot.generation else 0
    return {**{state: states.count(state) for state in ("active", "disabled", "paused")}, "not_selected": not_selected}


def _sync(sync: SyncStatus, *, full: bool) -> Document:
    return {
        "interval_seconds": sync.interval / 1000,
        "last_attempt": _instant(sync.last_attempt),
        "last_success": _instant(sync.last_success),
        "last_verdict": _instant(sync.last_verdict),
        "last_apply": _instant(sync.last_apply),
        "consecutive_failures": sync.consecutive_failures,
        "last": _sync_result(sync.last, full=full) if sync.last else None,
        "fetched": sync.fetched or None,
        "rejected": sync.rejected or None,
        "problems": [_problem(problem, full=full) for problem in sync.problems],
        "refusals": [_refusal(refusal, full=full) for refusal in sync.refusals],
    }


def _refusal(refusal: Refusal, *, full: bool) -> Document:
    return {
        "revision": refusal.revision,
        "outcome": refusal.outcome.value,
        "at": rfc3339(refusal.at),
        "problems": [_problem(problem, full=full) for problem in refusal.problems],
        "more": refusal.more,
    }


def _sync_result(result: SyncResult, *, full: bool) -> Document:
    document: Document = {
        "outcome": result.outcome.value,
        "started_at": rfc3339(result.started_at),
        "finished_at": rfc3339(result.finished_at),
        "revision": result.revision or None,
        "added": result.added,
        "changed": result.changed,
        "removed": result.removed,
        "problems": [_problem(problem, full=full) for problem in result.problems],
    }
    if full:
        document["sentence"] = result.sentence
    return document


def _problem(problem: Problem, *, full: bool) -> Document:
    """In public only what the table of codes says anyway: a message may quote a file."""
    document: Document = {"code": problem.code, "title": CODES[problem.code].title}
    if full:
        document |= {
            "message": problem.message,
            "path": problem.path,
            "line": problem.line,
            "column": problem.column,
            "task": problem.task,
            "hint": problem.hint,
        }
    return document


def _task_status(status: TaskStatus, now: Instant, *, full: bool) -> Document:
    task, record = status.task, status.record
    document = _definition(task)
    document |= {
        "state": state_of(status),
        "first_seen": _instant(record.first_seen),
        "next_run": _instant(status.next_due),
        "last_run": _instant(record.last_run),
        "last_success": _instant(record.last_success),
        "last_duration_seconds": record.last_duration / 1000,
        "last_exit_status": record.last_exit_status,
        "consecutive_failures": record.consecutive_failures,
        "max_success_age_seconds": (status.max_age or 0) / 1000,
        "late_since": _instant(late_since(status, now)),
        "running": list(status.running),
        "running_since": _instant(status.running_since),
        "next_attempt_at": _instant(status.next_attempt),
        "queued": status.queued,
        "waits_for": status.waits_for.value if status.waits_for else None,
        "runs": {outcome.value: count for outcome, count in record.runs.items()},
        "recent": [outcome.value for outcome in record.recent],
        "skipped": {reason.value: count for reason, count in record.skipped.items()},
        "restarts": record.restarts,
        "retries": record.retries,
    }
    return document | _private_definition(task) if full else document


def _definition(task: Task) -> Document:
    timing = task.timing
    is_cron = isinstance(timing, CronTiming)
    return {
        "name": task.name,
        "type": "cron" if is_cron else "daemon",
        "schedule": timing.schedule if isinstance(timing, CronTiming) else None,
        "timezone": timing.zone if isinstance(timing, CronTiming) else None,
        "timeout_seconds": timing.timeout / 1000 if isinstance(timing, CronTiming) else 0,
        "description": task.description,
        "owner": task.owner,
        "runbook": task.runbook,
        "severity": task.severity.value,
        "labels": dict(task.labels),
        "max_running": task.max_running,
        "pool": task.pool or None,
    }


def _private_definition(task: Task) -> Document:
    return {
        "fingerprint": task.fingerprint,
        "command": _command(task),
        "env": dict(task.env),
        "user": task.user,
        "working_dir": task.working_dir,
        "hosts": list(task.hosts),
        "source": {"path": task.source.path, "line": task.source.line, "column": task.source.column},
    }


def _command(task: Task) -> Document:
    match task.command:
        case ShellCommand(text=text, shell=shell):
            return {"shell": shell, "text": text}
        case ProgramCommand(argv=argv):
            return {"argv": list(argv)}


def _baseline(baseline: Instant | None, *, full: bool) -> Document:
    return {"baseline": _instant(baseline)} if full else {}


def entry_document(row: HistoryRow) -> Document:
    """A line of the history, full."""
    return {
        "task": row.task or None,
        "first": _instant(row.first),
        "last": _instant(row.last),
        "count": row.count,
        "decided_at": rfc3339(row.decided_at),
        "reason": row.reason.value if row.reason else None,
        "queued": row.queued.value if row.queued else None,
        "annulled": row.annulled,
        "run": run_document(row.run, full=True) if row.run else None,
        "hold": _hold_change(row.hold) if row.hold else None,
    }


def _hold_change(change: HoldChange) -> Document:
    return {
        "act": change.act.value,
        "scope": change.what.scope.value,
        "actor": change.actor,
        "reason": change.reason,
        "until": _instant(change.until),
        "revision": change.revision or None,
        "sentence": change_sentence(change),
    }
