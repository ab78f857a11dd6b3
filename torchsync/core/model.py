"""The nouns of torchsync as frozen values: tasks, hosts, generations, runs. Pure; everything else builds on it.

What they are made of (times, names, ids, endings) stands in `core/values.py`, and can be had from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from torchsync.core.notify import Notify
from torchsync.core.usage import UNKNOWN, Usage
from torchsync.core.values import (
    AttemptId,
    Authorship,
    Conduct,
    Ending,
    Exited,
    Fingerprint,
    Instant,
    Millis,
    NotBegun,
    Position,
    Retry,
    Revision,
    RunId,
    Severity,
    TaskName,
    TreeId,
    Vanished,
    Wait,
    attempt_id,
    run_of,
    usual_conduct,
)

__all__ = [
    "AttemptId",
    "Authorship",
    "Conduct",
    "Ending",
    "Exited",
    "Fingerprint",
    "Instant",
    "Millis",
    "NotBegun",
    "Position",
    "Retry",
    "Revision",
    "RunId",
    "Severity",
    "TaskName",
    "TreeId",
    "Vanished",
    "Wait",
    "attempt_id",
    "run_of",
    "usual_conduct",
]
"""What is only passed on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertLimits:
    """What alerts hold a task to; `severity` stands beside them.

    `max_age`: how old the last success may be; None is by the schedule (`core/lateness.py`), 0 no limit. `max_duration`: how long a run may take,
    0 for no limit. `failures`: how many runs in a row have to fail, 0 for no alert.
    """

    max_age: Millis | None = None
    max_duration: Millis = Millis(0)
    failures: int = 1


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


class Overlap(Enum):
    """What becomes of a fire while `max_running` copies run."""

    SKIP = "skip"
    QUEUE = "queue"
    REPLACE = "replace"
    """The oldest copy is stopped, then the fire starts."""


class Misfire(Enum):
    """What becomes of missed fires."""

    SKIP = "skip"
    LATEST = "latest"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class CronTiming:
    """A task that runs at the instants of a schedule.

    `zone` is an IANA name, or `local` for the host's own. A fire is due after its instant by a delay below `jitter`, which is fixed for the task
    and the host. A fire not decided within `starting_deadline` of due is missed. `timeout` 0 is none, and counts for each attempt.
    """

    schedule: str
    zone: str = "UTC"
    jitter: Millis = Millis(0)
    starting_deadline: Millis = Millis(60_000)
    timeout: Millis = Millis(0)
    retry: Retry | None = None
    overlap: Overlap = Overlap.SKIP
    queue_limit: int = 1
    """Fires that may wait for others of the task to end."""
    misfire: Misfire = Misfire.SKIP
    misfire_limit: int = 100
    """Missed fires that may wait to be made up, with `Misfire.ALL`."""

    @property
    def most_made_up(self) -> int:
        """How many missed fires may wait to be made up."""
        return {Misfire.SKIP: 0, Misfire.LATEST: 1, Misfire.ALL: self.misfire_limit}[self.misfire]


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
class Limits:
    """What one run may use; a field that holds its default leaves it to the host.

    `files` open files of a process, `nice` as in nice(1), `io` a class of ionice(1) with its level (`idle`, `best-effort:7`). Of a run as a whole:
    `memory` in bytes, `cpu` in percent of one processor, `pids` processes and threads.
    """

    files: int = 0
    nice: int | None = None
    io: str = ""
    memory: int = 0
    cpu: int = 0
    pids: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What to run, on which hosts, when. Two tasks are the same task unchanged when their fingerprints are equal."""

    name: TaskName
    timing: Timing
    command: Command
    fingerprint: Fingerprint
    source: Position
    copy_print: str = ""
    """Of a daemon, as its fingerprint, but whatever the number of its copies; empty for a cron task, or when an older version made the task."""
    description: str = ""
    owner: str = ""
    runbook: str = ""
    severity: Severity = Severity.WARNING
    alert: AlertLimits = AlertLimits()
    labels: Mapping[str, str] = field(default_factory=dict)
    enabled: bool = True
    hosts: tuple[str, ...] = ()
    """Selectors; none means every host."""
    inputs: tuple[str, ...] = ()
    """Patterns over the paths of the tree; none means the program that the command names first."""
    max_running: int = 1
    """Copies of a cron task at once, 0 for no limit; copies of a daemon to keep alive."""
    pool: str = ""
    """Its runs share the places of this pool of the host with those of other tasks; empty for none."""
    user: str = ""
    """Empty: the host's default user."""
    group: str = ""
    """The primary group; empty: that of the user."""
    umask: str = "022"
    """Three octal digits."""
    working_dir: str = ""
    """Absolute, starting with `~`, or relative to the tree of the commit; empty is that tree."""
    env: Mapping[str, str] = field(default_factory=dict)
    env_file: str = ""
    """A file of the host with more variables, absolute or starting with `~/`; it is read as the user of the run, at each start."""
    credentials: tuple[str, ...] = ()
    """Names of secrets that the host hands to the run as files."""
    limits: Limits = Limits()
    success_exit_codes: tuple[int, ...] = (0,)
    stop_signal: str = "TERM"
    stop_grace: Millis = Millis(10_000)
    on_change: Conduct | None = None
    """What running copies do when the fingerprint changes; None is the way of its kind: a cron task finishes, a daemon stops."""
    on_remove: Conduct | None = None
    """The same for when the task goes, or is disabled."""
    output_max: int = 10 * 1024 * 1024
    """Bytes kept of the output of one run."""
    notify: tuple[Notify, ...] = ()
    """Who is told about its runs."""

    @property
    def is_daemon(self) -> bool:
        return isinstance(self.timing, DaemonTiming)

    @property
    def when_changed(self) -> Conduct:
        return self.on_change or usual_conduct(is_daemon=self.is_daemon)

    @property
    def when_removed(self) -> Conduct:
        return self.on_remove or usual_conduct(is_daemon=self.is_daemon)


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
    pools: Mapping[str, int] = field(default_factory=dict)
    """The sizes that the revision gives to pools; those of the host win."""
    authorship: Authorship | None = None


class Trigger(Enum):
    """Why a run was started; the value of TORCHSYNC_TRIGGER."""

    SCHEDULE = "schedule"
    STARTUP = "startup"
    MANUAL = "manual"
    DAEMON = "daemon"
    MISFIRE = "misfire"
    """It makes up for a missed fire."""


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
    REPLACED = "replaced"
    OPERATOR = "operator"
    CHANGED = "changed"
    REMOVED = "removed"


class RunState(Enum):
    """Where a run is on its way; see `core/lifecycle.py` for what leads from one to the other."""

    ADMITTED = "admitted"
    WAITING = "waiting"
    """An attempt is over, and another one is to come."""
    RUNNING = "running"
    STOPPING = "stopping"
    KILLING = "killing"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """An attempt of a run that is over and was not the last: how it ended. The fields are those of `Run`."""

    number: int
    outcome: Outcome
    finished_at: Instant
    started_at: Instant | None = None
    exit_status: int | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of a task, with the definition and the tree it keeps until it ends.

    `instant` and `due` are None for manual and daemon runs. `boot_id` is the boot its attempt was admitted in. `copy` numbers the copies of a
    daemon from 1 and is 0 otherwise. `started_at` is None until the claim of the attempt is known. `exit_status` is 0 to 255, 128+n for a signal.
    `detail` says in a sentence what the outcome alone does not.

    `attempt` is the one under way, or the next while the run waits; `wait` says for how long, and `earlier` how those before it ended. `again`
    counts the starts of the attempt that are known never to have begun.
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
    again: int = 0
    wait: Wait | None = None
    earlier: tuple[Attempt, ...] = ()
    actor: str = ""
    state: RunState = RunState.ADMITTED
    stop_cause: StopCause | None = None
    started_at: Instant | None = None
    finished_at: Instant | None = None
    outcome: Outcome | None = None
    exit_status: int | None = None
    usage: Usage = UNKNOWN
    detail: str = ""

    @property
    def attempt_id(self) -> AttemptId:
        return attempt_id(self.id, self.attempt, self.again)

    @property
    def attempts(self) -> int:
        """How many attempts the run has at most."""
        timing = self.task.timing
        return timing.retry.attempts if isinstance(timing, CronTiming) and timing.retry else 1
