"""Values for tests, with sane defaults: say only what the test is about."""

from __future__ import annotations

from dataclasses import replace

from torchsync.codetable.row import Reason
from torchsync.core.certificate import Validity
from torchsync.core.holds import Hold, Holds, Pin, held_task, pinned, placed
from torchsync.core.model import (
    Authorship,
    CronTiming,
    DaemonTiming,
    Fingerprint,
    Generation,
    HostFacts,
    Instant,
    Millis,
    Outcome,
    Overlap,
    Position,
    Revision,
    Run,
    RunId,
    RunState,
    Severity,
    ShellCommand,
    SkipReason,
    Task,
    TaskName,
    TreeId,
    Trigger,
)
from torchsync.core.snapshot import ClockDirection, Histogram, PoolStatus, Refusal, Snapshot, SyncStatus, TaskChange, TaskStatus, WaitsFor
from torchsync.core.syncdoc import Phase, RecoveryAction, SyncOutcome, SyncResult
from torchsync.core.taskrecord import TaskRecord
from torchsync.core.usage import Usage
from torchsync.errors import Problem

NOON = Instant(1_795_435_200_000)
"""2026-11-23T12:00:00Z."""
REVISION = Revision("1234567890abcdef1234567890abcdef12345678")
TREE = TreeId("feedfacefeedfacefeedfacefeedfacefeedface")
AUTHORSHIP = Authorship(author="Ada Example", committed_at=Instant(NOON - 7_200_000))
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000


def run_id(number: int = 1, at: int = NOON) -> RunId:
    return RunId(f"{at:012x}-{number:08x}")


def task(name: str = "nightly-backup", **changes) -> Task:
    """A cron task; `schedule` is short for its timing."""
    schedule = changes.pop("schedule", "30 2 * * *")
    defaults = {
        "name": TaskName(name),
        "timing": CronTiming(schedule=schedule),
        "command": ShellCommand("./scripts/backup.sh --all"),
        "fingerprint": Fingerprint(f"{sum(name.encode()):064x}"),
        "source": Position("tasks/db.yaml", 3, 3),
    }
    return Task(**(defaults | changes))


def daemon(name: str = "web-proxy", **changes) -> Task:
    return task(name, **({"timing": DaemonTiming(), "command": ShellCommand("exec ./proxy")} | changes))


def run(of: Task | None = None, **changes) -> Run:
    """A run of the schedule that has started and is not over."""
    defaults = {
        "id": run_id(),
        "task": of or task(),
        "revision": REVISION,
        "tree": TREE,
        "trigger": Trigger.SCHEDULE,
        "admitted_at": NOON,
        "boot_id": "5f0d8c1e-0000-4000-8000-000000000001",
        "user": "torchsync-run",
        "instant": NOON,
        "due": NOON,
        "state": RunState.RUNNING,
        "started_at": Instant(NOON + 12),
    }
    return Run(**(defaults | changes))


def finished_run(of: Task | None = None, outcome: Outcome = Outcome.SUCCEEDED, **changes) -> Run:
    status = 0 if outcome is Outcome.SUCCEEDED else 1
    ended = {"state": RunState.FINISHED, "outcome": outcome, "exit_status": status, "finished_at": Instant(NOON + 90 * SECOND)}
    return run(of, **(ended | changes))


def record(name: str = "nightly-backup", **changes) -> TaskRecord:
    return TaskRecord(**({"task": TaskName(name), "first_seen": Instant(NOON - 24 * HOUR), "last_seen": NOON} | changes))


def facts(**changes) -> HostFacts:
    return HostFacts(**({"name": "db-1", "addresses": ("10.2.0.7",), "labels": {"role": "db"}} | changes))


def generation(*tasks: Task, **changes) -> Generation:
    defaults = {
        "number": 1,
        "revision": REVISION,
        "tree": TREE,
        "facts": facts(),
        "observed": facts(),
        "tasks": {one.name: one for one in tasks},
        "baselines": {one.name: NOON for one in tasks},
        "applied_at": NOON,
    }
    return Generation(**(defaults | changes))


def task_status(of: Task | None = None, **changes) -> TaskStatus:
    of = of or task()
    return TaskStatus(**({"task": of, "record": record(of.name)} | changes))


def sync_status(**changes) -> SyncStatus:
    return SyncStatus(**({"interval": Millis(30 * SECOND)} | changes))


def snapshot(*tasks: TaskStatus, **changes) -> Snapshot:
    """An agent that has just started and has not synced, or with `tasks` in force."""
    in_force = generation(*(one.task for one in tasks)) if tasks else None
    defaults = {
        "taken_at": NOON,
        "started_at": Instant(NOON - HOUR),
        "version": "0.1.0",
        "croniter": "7.0.0",
        "tzdata": "2026.2",
        "facts": facts(),
        "executor": "process",
        "sync": sync_status(),
        "generation": in_force,
        "tasks": {one.task.name: one for one in tasks},
        "last_tick": NOON,
        "not_before": NOON,
    }
    return Snapshot(**(defaults | changes))


def busy_snapshot() -> Snapshot:
    """An agent in the middle of its life: everything that can be shown is there at least once."""
    backup = task(
        description="Dump and ship every database",
        owner='team "db"\\ops',
        severity=Severity.CRITICAL,
        env={"PGPASSFILE": "/etc/pgpass"},
        timing=CronTiming(schedule="0 30 2 * * *", zone="Europe/Berlin", timeout=Millis(2 * HOUR), overlap=Overlap.QUEUE),
        pool="db",
    )
    proxy, off = daemon(), task("old-report", enabled=False)
    backup_run = run(backup, id=run_id(1), actor="alice (1000)", trigger=Trigger.MANUAL, instant=None, due=None)
    proxy_run = run(proxy, id=run_id(2), trigger=Trigger.DAEMON, copy=1, instant=None, due=None)
    statuses = (_backup_status(backup, backup_run), replace(_proxy_status(proxy, proxy_run), paused=True), task_status(off))
    return snapshot(
        *statuses,
        generation=generation(backup, proxy, off, number=12, not_selected=4, authorship=AUTHORSHIP),
        runs={one.id: one for one in (backup_run, proxy_run)},
        holds=_busy_holds(),
        sync=_busy_sync(),
        pools={"db": PoolStatus(places=1, runs=1), "net": PoolStatus(places=4, runs=0)},
        lag=Histogram.empty(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 60).observe(0.012).observe(0.3).observe(90),
        task_changes={TaskChange.ADDED: 3, TaskChange.CHANGED: 1},
        clock_jumps={ClockDirection.FORWARD: 1},
        runs_adopted=2,
        runs_lost=1,
        certificate=Validity(begin=Instant(NOON - 24 * HOUR), end=Instant(NOON + 90 * 24 * HOUR)),
        notices=(Problem(code="TS340", message="127.0.0.1:9747 is in use", path="http.listen"),),
    )


def _busy_holds() -> Holds:
    by = Hold(actor="mallory (1001)", since=Instant(NOON - HOUR), reason="the proxy leaks", until=Instant(NOON + HOUR))
    back = Pin(revision=REVISION, hold=replace(by, reason="the newest deletes too much", until=None), passed_over=("fedcba09" * 5,))
    return pinned(placed(Holds(), held_task("web-proxy"), by), back)


def _backup_status(of: Task, running: Run) -> TaskStatus:
    kept = record(
        of.name,
        last_usage=Usage(cpu=12_345, memory=64 << 20),
        last_run=Instant(NOON - 10 * HOUR),
        last_success=Instant(NOON - 9 * HOUR),
        last_duration=Millis(HOUR + 250),
        consecutive_failures=0,
        runs={Outcome.SUCCEEDED: 40, Outcome.FAILED: 2},
        recent=(Outcome.FAILED, Outcome.SUCCEEDED, Outcome.TIMED_OUT, Outcome.SUCCEEDED),
        skipped={SkipReason.OVERLAP: 1},
    )
    due, limit, waiting = Instant(NOON + 14 * HOUR), Millis(50 * HOUR), {"queued": 1, "waits_for": WaitsFor.COPY}
    since = running.started_at
    return task_status(of, record=kept, next_due=due, running=(running.id,), running_since=since, max_age=limit, **waiting)


def _proxy_status(of: Task, running: Run) -> TaskStatus:
    kept = record(of.name, restarts=3, last_exit_status=143, consecutive_failures=1, runs={Outcome.FAILED: 3})
    return task_status(of, record=kept, running=(running.id,), running_since=running.started_at)


def _busy_sync() -> SyncStatus:
    problem = Problem(
        code="TS111", message="'soon' is not a length of time", path="tasks/db.yaml", line=7, column=14, task="nightly-backup"
    )
    rejected = "fedcba0987654321fedcba0987654321fedcba09"
    last = SyncResult(
        outcome=SyncOutcome.REJECTED,
        sentence=f"{rejected[:12]}: {problem}",
        started_at=Instant(NOON - 10 * SECOND),
        finished_at=Instant(NOON - 9 * SECOND),
        revision=rejected,
        problems=(problem,),
    )
    return sync_status(
        last_attempt=last.started_at,
        last_success=Instant(NOON - HOUR),
        last_verdict=last.finished_at,
        last_apply=Instant(NOON - 2 * HOUR),
        consecutive_failures=2,
        verdict_since_start=True,
        last=last,
        fetched=rejected,
        rejected=rejected,
        problems=(problem,),
        refusals=(Refusal(revision=rejected, outcome=SyncOutcome.REJECTED, at=last.finished_at, problems=(problem,)),),
        results={SyncOutcome.APPLIED: 1, SyncOutcome.UNCHANGED: 118, SyncOutcome.REJECTED: 2},
        rejections={Reason.SCHEMA: 1},
        durations={Phase.RESOLVE: Histogram.empty(0.01, 0.05, 0.1, 0.5, 1, 5, 30, 60, 300).observe(0.02).observe(0.2)},
        recoveries={RecoveryAction.LOCK: 1},
        git_timeouts=1,
    )


def many_tasks(count: int) -> Snapshot:
    """A snapshot of `count` tasks that have all run."""
    kept = record(runs={Outcome.SUCCEEDED: 40}, last_run=NOON, last_success=NOON, last_duration=Millis(1250))
    statuses = (task_status(task(f"task-{number:05d}"), next_due=Instant(NOON + number)) for number in range(count))
    return snapshot(*(replace(one, record=kept) for one in statuses))
