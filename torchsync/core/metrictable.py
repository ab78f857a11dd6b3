"""Every metric torchsync exports, in one table. Pure.

A row says what a metric is called, what it means, which values its labels can take, and how it is read from a `Snapshot`. The collector of
`adapters/metrics.py` and `docs/reference/metrics.md` are both made from it. Rows with a closed set of label values give a sample for each
value from the first scrape on, since an alert on an increase cannot see a counter that is born at 1. Where a label is open (a task, a
commit) its series go with what they describe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from torchsync.codetable.row import Reason
from torchsync.core.holds import PAUSES
from torchsync.core.model import Outcome, SkipReason
from torchsync.core.snapshot import LAG_BOUNDS, SYNC_BOUNDS, ClockDirection, Histogram, Snapshot, TaskChange
from torchsync.core.syncdoc import Phase, RecoveryAction, SyncOutcome
from torchsync.core.taskmetric import (
    Key,
    Number,
    ReadTask,
    Sample,
    Value,
    alert_failures,
    cpu_seconds,
    each,
    each_by,
    in_seconds,
    info_of,
    max_duration,
    missing_copies,
    restarts,
    retries,
    state_of,
    timeout,
    where_known,
)

PREFIX = "torchsync_"
COMMIT_DIGITS = 12


class Kind(Enum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Scope(Enum):
    AGENT = "agent"
    TASK = "task"


class PerTask(Enum):
    """How much is exported of each task: `metrics.per_task` of agent.yaml."""

    FULL = "full"
    COMPACT = "compact"
    OFF = "off"


Read = Callable[[Snapshot], Iterable[Sample]]


@dataclass(frozen=True, slots=True)
class Metric:
    """One row. `values` is the closed set of the last label, or empty when that label is open; then there are at most `at_once` series of it.
    `bounds` are those of a histogram, in seconds. `compact` rows stay in compact mode. A row of tasks has `of_task`: the samples of one task, which
    come from its status and nothing else.
    """

    name: str
    kind: Kind
    scope: Scope
    help: str
    read: Read
    labels: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    at_once: int = 1
    compact: bool = False
    of_task: ReadTask | None = None

    @property
    def series(self) -> int:
        """How many series of it there are at once, at most: of the agent, or of one task."""
        parts = len(self.bounds) + len(("+Inf", "sum", "count")) if self.bounds else 1
        return (len(self.values) or self.at_once) * parts


def most_series(scope: Scope, per_task: PerTask = PerTask.FULL) -> int:
    """How many series there are at most: of the agent itself, or of one task."""
    return sum(row.series for row in rows(per_task) if row.scope is scope)


def rows(per_task: PerTask = PerTask.FULL) -> tuple[Metric, ...]:
    """The rows to export."""
    return tuple(
        row for row in TABLE if row.scope is Scope.AGENT or per_task is PerTask.FULL or (per_task is PerTask.COMPACT and row.compact)
    )


# How a row reads the snapshot.


def _one(number: Callable[[Snapshot], Value]) -> Read:
    return lambda snapshot: (((), number(snapshot)),)


def _by(kind: type[Key], counts: Callable[[Snapshot], Mapping[Key, int]]) -> Read:
    return lambda snapshot: [((key.value,), counts(snapshot).get(key, 0)) for key in kind]


def _build_info(snapshot: Snapshot) -> Iterable[Sample]:
    return (((snapshot.version, snapshot.croniter, snapshot.tzdata, snapshot.executor), 1),)


def _sync_durations(snapshot: Snapshot) -> Iterable[Sample]:
    empty = Histogram.empty(*SYNC_BOUNDS)
    return [((phase.value,), snapshot.sync.durations.get(phase, empty)) for phase in Phase]


_COMMIT_STATES = ("running", "fetched", "rejected")


def _commits(snapshot: Snapshot) -> Iterable[Sample]:
    running = snapshot.generation.revision if snapshot.generation else ""
    commits = (running, snapshot.sync.fetched, snapshot.sync.rejected)
    return [((state, commit[:COMMIT_DIGITS]), 1) for state, commit in zip(_COMMIT_STATES, commits, strict=True) if commit]


_UNTRUSTED = (Reason.SIGNATURE, Reason.REWIND)


def _commit_untrusted(snapshot: Snapshot) -> Iterable[Sample]:
    found = {problem.reason for problem in snapshot.sync.problems}
    return [((reason.value,), int(reason in found)) for reason in _UNTRUSTED]


_TASK_STATES = ("active", "disabled", "paused", "not_selected")


def _tasks(snapshot: Snapshot) -> Iterable[Sample]:
    counts = dict.fromkeys(_TASK_STATES, 0)
    for status in snapshot.tasks.values():
        counts[state_of(status)] += 1
    counts["not_selected"] = snapshot.generation.not_selected if snapshot.generation else 0
    return [((state,), count) for state, count in counts.items()]


def _paused(snapshot: Snapshot) -> Iterable[Sample]:
    held = {what.scope for what, _ in snapshot.holds}
    return [((scope.value,), int(scope in held)) for scope in PAUSES]


def _values(kind: type[Enum]) -> tuple[str, ...]:
    return tuple(member.value for member in kind)


def _counter(name: str, text: str, read: Read, labels: tuple[str, ...] = (), values: tuple[str, ...] = ()) -> Metric:
    return Metric(name, Kind.COUNTER, Scope.AGENT, text, read, labels, values)


def _gauge(name: str, text: str, read: Read, labels: tuple[str, ...] = (), values: tuple[str, ...] = (), *, at_once: int = 1) -> Metric:
    return Metric(name, Kind.GAUGE, Scope.AGENT, text, read, labels, values, at_once=at_once)


def _histogram(name: str, text: str, read: Read, bounds: tuple[float, ...], phases: tuple[str, ...] = ()) -> Metric:
    return Metric(name, Kind.HISTOGRAM, Scope.AGENT, text, read, ("phase",) if phases else (), phases, bounds)


def _task(
    name: str, text: str, of_task: ReadTask, labels: tuple[str, ...] = (), values: tuple[str, ...] = (), *, compact: bool = False
) -> Metric:
    kind = Kind.COUNTER if name.endswith("_total") else Kind.GAUGE
    return Metric(name, kind, Scope.TASK, text, _of_all(of_task), ("task", *labels), values, compact=compact, of_task=of_task)


def _of_all(of_task: ReadTask) -> Read:
    return lambda snapshot: [sample for status in snapshot.tasks.values() for sample in of_task(status)]


def _task_gauge(name: str, text: str, number: Number, *, compact: bool = False) -> Metric:
    return _task(name, text, each(number), compact=compact)


# The table.

_SYNCS = (
    _gauge(
        "build_info", "Always 1: the versions at work, and what starts runs.", _build_info, ("version", "croniter", "tzdata", "executor")
    ),
    _counter("sync_total", "Syncs by result.", _by(SyncOutcome, lambda s: s.sync.results), ("result",), _values(SyncOutcome)),
    _histogram("sync_duration_seconds", "How long each phase of a sync took.", _sync_durations, SYNC_BOUNDS, _values(Phase)),
    _gauge(
        "sync_last_success_timestamp_seconds",
        "When a sync last ended applied or unchanged; 0 is never. Kept over restarts.",
        _one(lambda s: in_seconds(s.sync.last_success)),
    ),
    _gauge("sync_last_attempt_timestamp_seconds", "When a sync last began; 0 is never.", _one(lambda s: in_seconds(s.sync.last_attempt))),
    _gauge(
        "sync_last_apply_timestamp_seconds",
        "When a sync last put a new generation in force; 0 is never.",
        _one(lambda s: in_seconds(s.sync.last_apply)),
    ),
    _gauge("sync_interval_seconds", "The configured interval between syncs.", _one(lambda s: s.sync.interval / 1000)),
    _gauge(
        "sync_consecutive_failures",
        "Syncs in a row that ended neither applied nor unchanged; paused ones do not count.",
        _one(lambda s: s.sync.consecutive_failures),
    ),
    _gauge(
        "commit_info",
        "Always 1: the commit whose tasks are in force, the newest the remote named, and the one turned down.",
        _commits,
        ("state", "commit"),
        at_once=len(_COMMIT_STATES),
    ),
    _gauge("commit_rejected", "1 while the newest commit is rejected or refused here.", _one(lambda s: int(bool(s.sync.rejected)))),
    _gauge(
        "commit_untrusted",
        "1 while the newest commit is refused here for its signature, or for going back.",
        _commit_untrusted,
        ("reason",),
        tuple(reason.value for reason in _UNTRUSTED),
    ),
    _counter(
        "rejections_total",
        "Revisions rejected or refused, once per revision and reason.",
        _by(Reason, lambda s: s.sync.rejections),
        ("reason",),
        _values(Reason),
    ),
    _gauge(
        "paused",
        "1 while operators hold this back: syncs, all tasks, at least one task by its name, the host.",
        _paused,
        ("scope",),
        tuple(scope.value for scope in PAUSES),
    ),
    _gauge("pinned", "1 while an operator pins a revision; a rollback pins one, too.", _one(lambda s: int(s.holds.pin is not None))),
)

_SCHEDULER = (
    _gauge("tasks", "Tasks of the generation in force by state.", _tasks, ("state",), _TASK_STATES),
    _counter(
        "task_changes_total", "Tasks that swaps changed.", _by(TaskChange, lambda s: s.task_changes), ("action",), _values(TaskChange)
    ),
    _histogram("scheduler_lag_seconds", "From when a run was due to its start.", _one(lambda s: s.lag), LAG_BOUNDS),
    _gauge("agent_start_timestamp_seconds", "When this agent process began.", _one(lambda s: in_seconds(s.started_at))),
    _gauge("scheduler_last_tick_timestamp_seconds", "When the loop last turned.", _one(lambda s: in_seconds(s.last_tick))),
    _counter(
        "scheduler_clock_jumps_total",
        "Steps of the wall clock that the loop noticed.",
        _by(ClockDirection, lambda s: s.clock_jumps),
        ("direction",),
        _values(ClockDirection),
    ),
    _gauge("runs_in_progress", "Runs under way; one that waits for its next attempt is not.", _one(lambda s: len(s.runs_under_way))),
    _counter(
        "runs_adopted_total", "Runs of an earlier agent process taken up, still running or ended meanwhile.", _one(lambda s: s.runs_adopted)
    ),
    _counter("runs_lost_total", "Runs that are over without anyone knowing how.", _one(lambda s: s.runs_lost)),
    _counter(
        "repo_recoveries_total",
        "Repairs of the state directory.",
        _by(RecoveryAction, lambda s: s.sync.recoveries),
        ("action",),
        _values(RecoveryAction),
    ),
    _counter("git_timeouts_total", "Git processes ended at their deadline.", _one(lambda s: s.sync.git_timeouts)),
    _gauge("state_degraded", "1 while the state cannot be written.", _one(lambda s: int(s.state_degraded))),
    _gauge("host_facts_mismatch", "1 while the facts of the host differ from those in force.", _one(lambda s: int(s.facts_mismatch))),
    _gauge("config_last_reload_successful", "0 while the newest agent.yaml is refused.", _one(lambda s: int(s.config_reload_ok))),
    _gauge(
        "http_certificate_begin_timestamp_seconds",
        "Since when the certificate shown on TCP is good; 0 is none.",
        _one(lambda s: in_seconds(s.certificate.begin)),
    ),
    _gauge(
        "http_certificate_end_timestamp_seconds",
        "Until when the certificate shown on TCP is good; 0 is none.",
        _one(lambda s: in_seconds(s.certificate.end)),
    ),
)

_TASKS = (
    _task(
        "task_info",
        "Always 1: what the task file says. A daemon has no schedule and no zone.",
        info_of,
        ("schedule", "timezone", "type", "owner", "severity"),
        compact=True,
    ),
    _task_gauge(
        "task_first_seen_timestamp_seconds",
        "When the task first came to this host.",
        lambda t: in_seconds(t.record.first_seen),
        compact=True,
    ),
    _task_gauge(
        "task_next_run_timestamp_seconds", "When the task is due next; 0 is never.", lambda t: in_seconds(t.next_due), compact=True
    ),
    _task_gauge(
        "task_last_run_timestamp_seconds",
        "When the newest ended run began its last attempt; 0 is never.",
        lambda t: in_seconds(t.record.last_run),
    ),
    _task_gauge(
        "task_last_success_timestamp_seconds",
        "When a run last ended with success; 0 is never.",
        lambda t: in_seconds(t.record.last_success),
        compact=True,
    ),
    _task_gauge(
        "task_last_run_duration_seconds", "How long the last attempt of the newest ended run took.", lambda t: t.record.last_duration / 1000
    ),
    _task_gauge("task_last_exit_status", "Exit status of the newest ended run, 128+n for a signal.", lambda t: t.record.last_exit_status),
    _task(
        "task_last_run_cpu_seconds",
        "Processor time of the newest ended run with everything it started. Absent where the host does not count it.",
        where_known(cpu_seconds),
    ),
    _task(
        "task_last_run_memory_peak_bytes",
        "The most memory that the newest ended run had at once. Absent where the host does not count it.",
        where_known(lambda t: t.record.last_usage.memory),
    ),
    _task_gauge("task_consecutive_failures", "Runs in a row that failed.", lambda t: t.record.consecutive_failures, compact=True),
    _task_gauge("task_running", "Runs of the task that are not over.", lambda t: len(t.running), compact=True),
    _task_gauge(
        "task_running_since_timestamp_seconds",
        "When the oldest of them began its attempt; 0 is none.",
        lambda t: in_seconds(t.running_since),
        compact=True,
    ),
    _task_gauge(
        "task_max_success_age_seconds",
        "How old the last success may be, or where there is none the task on this host; 0 is off.",
        lambda t: (t.max_age or 0) / 1000,
        compact=True,
    ),
    _task_gauge("task_max_duration_seconds", "How long a run may take before it is worth an alert; 0 is off.", max_duration, compact=True),
    _task_gauge(
        "task_alert_failures",
        "How many runs in a row have to fail for an alert; 0 is off, as for a disabled task.",
        alert_failures,
        compact=True,
    ),
    _task_gauge("task_timeout_seconds", "The timeout of a run; 0 is none.", timeout),
    _task_gauge(
        "task_paused",
        "1 while operators hold the task back: by its name, with all tasks, or with the host.",
        lambda t: int(t.paused),
        compact=True,
    ),
    _task(
        "task_runs_total",
        "Ended runs by outcome. Kept over restarts, and 30 days after removal.",
        each_by(Outcome, lambda t: t.record.runs),
        ("result",),
        _values(Outcome),
    ),
    _task(
        "task_runs_skipped_total",
        "Instants that did not become runs; each one counts.",
        each_by(SkipReason, lambda t: t.record.skipped),
        ("reason",),
        _values(SkipReason),
    ),
    _task("task_retries_total", "Attempts of runs after their first.", where_known(retries)),
    _task("task_missing_copies", "Copies of a daemon that are to run and do not.", where_known(missing_copies), compact=True),
    _task("task_restarts_total", "Restarts of a daemon.", where_known(restarts), compact=True),
)

TABLE: tuple[Metric, ...] = _SYNCS + _SCHEDULER + _TASKS
