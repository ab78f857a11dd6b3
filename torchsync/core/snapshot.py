"""What the agent shows of itself: one immutable value that metrics, status and the API read from other threads without a lock. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from torchsync.codetable.row import Reason
from torchsync.core.certificate import NEVER, Validity
from torchsync.core.holds import Holds
from torchsync.core.model import Generation, HostFacts, Instant, Millis, Run, RunId, RunState, Task, TaskName
from torchsync.core.syncdoc import Phase, RecoveryAction, SyncOutcome, SyncResult
from torchsync.core.taskrecord import TaskRecord
from torchsync.errors import Problem

LAG_BOUNDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 60)
"""Of how late runs start, in seconds."""
SYNC_BOUNDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 30, 60, 300)
"""Of how long the phases of a sync take, in seconds."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """Observations counted by upper bound, in seconds; the last of `counts` is for those above every bound."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float = 0.0

    @staticmethod
    def empty(*bounds: float) -> Histogram:
        return Histogram(bounds, (0,) * (len(bounds) + 1))

    def observe(self, seconds: float) -> Histogram:
        place = bisect_left(self.bounds, seconds)
        counts = (*self.counts[:place], self.counts[place] + 1, *self.counts[place + 1 :])
        return Histogram(self.bounds, counts, self.total + seconds)


class TaskChange(Enum):
    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


class ClockDirection(Enum):
    FORWARD = "forward"
    BACKWARD = "backward"


class WaitsFor(Enum):
    """What a task needs before another copy of it can start."""

    COPY = "copy"
    """That one of its copies ends."""
    POOL = "pool"
    """That its pool has a place."""


@dataclass(frozen=True, slots=True)
class PoolStatus:
    """How many runs may go at once in a pool, and how many do."""

    places: int
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStatus:
    """A task of the generation in force and how it fares. `next_due` is None when nothing is to come, `next_attempt` when no run waits. `queued`
    fires wait for `waits_for`. `max_age` is how old its last success may be, or if there is none the task itself on this host; 0 for no limit, None
    when that is not found yet.
    """

    task: Task
    record: TaskRecord
    next_due: Instant | None = None
    running: tuple[RunId, ...] = ()
    running_since: Instant | None = None
    next_attempt: Instant | None = None
    paused: bool = False
    queued: int = 0
    waits_for: WaitsFor | None = None
    max_age: Millis | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A revision that was not taken, and when that was first said; `outcome` is rejected or refused. `problems` are the first ones, and there are
    `more`.
    """

    revision: str
    outcome: SyncOutcome
    at: Instant
    problems: tuple[Problem, ...]
    more: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncStatus:
    """How the syncs went. Instants are 0 for never.

    `running`, `fetched` and `rejected` are revisions, or empty. `problems` are those of `rejected`. `refusals` are the newest ones, the newest
    last. `verdict_since_start` is true once a sync of this agent process reached the remote and gave a verdict.
    """

    interval: Millis
    last_attempt: Instant = Instant(0)
    last_success: Instant = Instant(0)
    last_verdict: Instant = Instant(0)
    last_apply: Instant = Instant(0)
    consecutive_failures: int = 0
    verdict_since_start: bool = False
    last: SyncResult | None = None
    fetched: str = ""
    rejected: str = ""
    problems: tuple[Problem, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    results: Mapping[SyncOutcome, int] = field(default_factory=dict)
    rejections: Mapping[Reason, int] = field(default_factory=dict)
    durations: Mapping[Phase, Histogram] = field(default_factory=dict)
    recoveries: Mapping[RecoveryAction, int] = field(default_factory=dict)
    git_timeouts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The agent at one moment. `tasks` are in no particular order; `runs` are those not yet over, by id."""

    taken_at: Instant
    started_at: Instant
    version: str
    croniter: str = ""
    """The version of the package that does the calendar."""
    tzdata: str = ""
    """The version of the package that time zones are checked against."""
    facts: HostFacts
    """Those in force."""
    facts_mismatch: bool = False
    """The host says something else of itself just now."""
    executor: str
    sync: SyncStatus
    generation: Generation | None = None
    holds: Holds = Holds()
    tasks: Mapping[TaskName, TaskStatus] = field(default_factory=dict)
    runs: Mapping[RunId, Run] = field(default_factory=dict)
    pools: Mapping[str, PoolStatus] = field(default_factory=dict)
    last_tick: Instant = Instant(0)
    not_before: Instant = Instant(0)
    """What time it certainly is by now, also if the clock is ahead: what goes for its age is as old by this."""
    lag: Histogram = field(default_factory=lambda: Histogram.empty(*LAG_BOUNDS))
    task_changes: Mapping[TaskChange, int] = field(default_factory=dict)
    clock_jumps: Mapping[ClockDirection, int] = field(default_factory=dict)
    runs_adopted: int = 0
    runs_lost: int = 0
    state_degraded: bool = False
    config_reload_ok: bool = True
    certificate: Validity = NEVER
    """When the certificate is good that is shown on TCP; NEVER where none is."""
    notices: tuple[Problem, ...] = ()
    """What is wrong with the agent itself just now: an address in use, a reload refused."""

    @property
    def runs_under_way(self) -> tuple[Run, ...]:
        """Those that do not wait for their next attempt."""
        return tuple(run for run in self.runs.values() if run.state is not RunState.WAITING)
