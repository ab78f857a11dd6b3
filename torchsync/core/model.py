"""The nouns of torchsync as frozen values: hosts, generations, runs. Pure; everything else builds on it.

Tasks stand in `core/task.py`, what all are made of (times, names, ids, endings) in `core/values.py`; both can be had from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from torchsync.core.task import (
    AlertLimits,
    Command,
    CronTiming,
    DaemonTiming,
    Limits,
    Misfire,
    Overlap,
    ProgramCommand,
    ShellCommand,
    Task,
    Timing,
)
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
    "AlertLimits",
    "AttemptId",
    "Authorship",
    "Command",
    "Conduct",
    "CronTiming",
    "DaemonTiming",
    "Ending",
    "Exited",
    "Fingerprint",
    "Instant",
    "Limits",
    "Millis",
    "Misfire",
    "NotBegun",
    "Overlap",
    "Position",
    "ProgramCommand",
    "Retry",
    "Revision",
    "RunId",
    "Severity",
    "ShellCommand",
    "Task",
    "TaskName",
    "Timing",
    "TreeId",
    "Vanished",
    "Wait",
    "attempt_id",
    "run_of",
    "usual_conduct",
]
"""What is only passed on."""


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
