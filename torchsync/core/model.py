"""The nouns of torchsync as frozen values: tasks, hosts, generations, runs. Pure; everything else builds on it.

Time is counted in whole milliseconds: an `Instant` since the Unix epoch in UTC, a `Millis` for a duration or a monotonic reading. Whole
numbers compare exactly, survive JSON and SQLite unchanged, and cannot carry a wrong zone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NewType

from torchsync.core.notify import Notify

Instant = NewType("Instant", int)
"""Milliseconds since 1970-01-01T00:00:00Z."""
Millis = NewType("Millis", int)
"""A length of time, or a reading of a monotonic clock, in milliseconds."""

TaskName = NewType("TaskName", str)
Revision = NewType("Revision", str)
"""A full commit id: 40 or 64 hexadecimal digits."""
TreeId = NewType("TreeId", str)
"""The object id of the tree at `repository.path`."""
Fingerprint = NewType("Fingerprint", str)
"""SHA-256 of a task's definition after defaults and of its inputs, in hexadecimal digits."""
RunId = NewType("RunId", str)
"""Sorts by admission time: 12 hexadecimal digits of the instant in milliseconds, `-`, 8 random ones."""


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a file of the repository; line and column count from 1."""

    path: str
    line: int
    column: int


class Severity(Enum):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class ShellCommand:
    """A text for `SHELL -c`; the shell expands it."""

    text: str
    shell: str = "/bin/sh"


@dataclass(frozen=True, slots=True)
class ProgramCommand:
    """A program and its arguments, passed on as they are."""

    argv: tuple[str, ...]


Command = ShellCommand | ProgramCommand


@dataclass(frozen=True, slots=True, kw_only=True)
class CronTiming:
    """A task that runs at the instants of a schedule.

    `zone` is an IANA name, or `local` for the host's own. A fire is due after its instant by a delay below `jitter`, which is fixed for the task
    and the host. A fire not decided within `starting_deadline` of due is missed. `timeout` 0 is none.
    """

    schedule: str
    zone: str = "UTC"
    jitter: Millis = Millis(0)
    starting_deadline: Millis = Millis(60_000)
    timeout: Millis = Millis(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonTiming:
    """A task that is kept running: a copy that ended starts again after a delay that grows by `backoff` up to `max_delay`,
    and is `delay` again once a copy has lived for `reset_after`.
    """

    delay: Millis = Millis(1_000)
    backoff: float = 2.0
    max_delay: Millis = Millis(60_000)
    reset_after: Millis = Millis(60_000)


Timing = CronTiming | DaemonTiming


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What to run, on which hosts, when. Two tasks are the same task unchanged when their fingerprints are equal."""

    name: TaskName
    timing: Timing
    command: Command
    fingerprint: Fingerprint
    source: Position
    description: str = ""
    owner: str = ""
    runbook: str = ""
    severity: Severity = Severity.WARNING
    labels: Mapping[str, str] = field(default_factory=dict)
    enabled: bool = True
    hosts: tuple[str, ...] = ()
    """Selectors; none means every host."""
    inputs: tuple[str, ...] = ()
    """Patterns over the paths of the tree; none means the program that the command names first."""
    max_running: int = 1
    """Copies of a cron task at once, 0 for no limit; copies of a daemon to keep alive."""
    user: str = ""
    """Empty: the host's default user."""
    working_dir: str = ""
    """Absolute, starting with `~`, or relative to the tree of the commit; empty is that tree."""
    env: Mapping[str, str] = field(default_factory=dict)
    success_exit_codes: tuple[int, ...] = (0,)
    stop_signal: str = "TERM"
    stop_grace: Millis = Millis(10_000)
    output_max: int = 10 * 1024 * 1024
    """Bytes kept of the output of one run."""
    notify: tuple[Notify, ...] = ()
    """Who is told about its runs."""

    @property
    def is_daemon(self) -> bool:
        return isinstance(self.timing, DaemonTiming)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """What a host is, as far as the selection of tasks goes. `name` is in lower case; `zone` is what `timezone: local` means here."""

    name: str
    addresses: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    zone: str = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """`guards` of torchsync.yaml. `min_interval` is in milliseconds."""

    max_removed_percent: int = 50
    min_tasks: int = 10
    min_interval: Millis = Millis(1_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """The validated tasks of one revision for this host.

    `number` grows by one with every swap on this host. `baselines` holds for each task the instant after which its instants count; a task
    that is not in it gets one when an agent first runs the generation. `not_selected` counts the tasks of the revision for other hosts.
    `floor` is the newest revision ever accepted from `origin`, which names the url, ref and path it came from.
    """

    number: int
    revision: Revision
    tree: TreeId
    facts: HostFacts
    """With the inventory of the revision applied."""
    tasks: Mapping[TaskName, Task]
    baselines: Mapping[TaskName, Instant]
    applied_at: Instant
    not_selected: int = 0
    origin: str = ""
    floor: str = ""
    observed: HostFacts | None = None
    """What the host said of itself; None when an older version made the generation."""
    notices: tuple[str, ...] = ()
    """What the inventory and the host do not agree about, in sentences."""
    guards: Guards = Guards()
    trust: str = ""
    """The keys and settings by which `revision` was verified, as one text; empty when it was not."""


class Trigger(Enum):
    """Why a run was started; the value of TORCHSYNC_TRIGGER."""

    SCHEDULE = "schedule"
    STARTUP = "startup"
    MANUAL = "manual"
    DAEMON = "daemon"


class Outcome(Enum):
    """How a run ended: a closed set, the label of `torchsync_task_runs_total`."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    STOPPED = "stopped"
    REPLACED = "replaced"
    START_FAILED = "start_failed"
    LOST = "lost"


class SkipReason(Enum):
    """Why a fire did not become a run: a closed set, the label of `torchsync_task_runs_skipped_total`."""

    OVERLAP = "overlap"
    MISSED = "missed"
    PAUSED = "paused"
    POOL = "pool"
    LEASE = "lease"
    REMOVED = "removed"


class StopCause(Enum):
    """Why torchsync ends a run; recorded before the first signal, since it decides the outcome."""

    TIMEOUT = "timeout"
    OPERATOR = "operator"
    CHANGED = "changed"
    REMOVED = "removed"


class RunState(Enum):
    """Where a run is on its way; see `core/lifecycle.py` for what leads from one to the other."""

    ADMITTED = "admitted"
    RUNNING = "running"
    STOPPING = "stopping"
    KILLING = "killing"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of a task, with the definition and the tree it keeps until it ends.

    `instant` and `due` are None for manual and daemon runs. `boot_id` is the boot it was admitted in. `copy` numbers the copies of a daemon
    from 1 and is 0 otherwise. `started_at` is None until its claim is known. `exit_status` is 0 to 255, 128+n for a signal. `detail` says in a
    sentence what the outcome alone does not.
    """

    id: RunId
    task: Task
    revision: Revision
    tree: TreeId
    trigger: Trigger
    admitted_at: Instant
    boot_id: str
    user: str
    instant: Instant | None = None
    due: Instant | None = None
    copy: int = 0
    attempt: int = 1
    actor: str = ""
    state: RunState = RunState.ADMITTED
    stop_cause: StopCause | None = None
    started_at: Instant | None = None
    finished_at: Instant | None = None
    outcome: Outcome | None = None
    exit_status: int | None = None
    detail: str = ""


# How an executor saw a run end.


@dataclass(frozen=True, slots=True, kw_only=True)
class Exited:
    """The command ran and ended with `status` (0 to 255, 128+n for a signal) after `duration`."""

    status: int
    started_at: Instant
    duration: Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class NotBegun:
    """The command is known not to have begun; `why` is a sentence."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Vanished:
    """The run is over and nobody knows how; `why` is a sentence."""

    why: str
    started_at: Instant | None = None


Ending = Exited | NotBegun | Vanished


@dataclass(frozen=True, slots=True)
class Before:
    """How far the instants of a task were decided before the jump of the clock with this id."""

    jump: int
    mark: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRecord:
    """What is kept of a task over restarts of the agent, and for 30 days after its removal. Instants are 0 for never.

    Every instant up to `decided_through` has its ledger entry; `before` is where that mark goes back to when an open jump is taken back. `runs`
    counts by outcome, `skipped` by reason.
    """

    task: TaskName
    first_seen: Instant
    last_seen: Instant
    decided_through: Instant = Instant(0)
    before: tuple[Before, ...] = ()
    last_run: Instant = Instant(0)
    last_success: Instant = Instant(0)
    last_duration: Millis = Millis(0)
    last_exit_status: int = 0
    consecutive_failures: int = 0
    restarts: int = 0
    runs: Mapping[Outcome, int] = field(default_factory=dict)
    skipped: Mapping[SkipReason, int] = field(default_factory=dict)
