"""What is kept of a task from one agent process to the next. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torchsync.core.model import Instant, Millis, Outcome, SkipReason, TaskName, Wait
from torchsync.core.usage import UNKNOWN, Usage


@dataclass(frozen=True, slots=True)
class Before:
    """How far the instants of a task were decided before the jump of the clock with this id."""

    jump: int
    mark: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A copy of a daemon has ended, `quick_ends` times in a row before it had lived for long; it starts again when the wait is over."""

    copy: int
    quick_ends: int
    wait: Wait


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRecord:
    """What is kept of a task over restarts of the agent, and for 30 days after its removal. Instants are 0 for never.

    Every instant up to `decided_through` has its ledger entry; `before` is where that mark goes back to when an open jump is taken back. `runs`
    counts by outcome, `skipped` by reason, `retries` the attempts of runs after their first. `pauses` are those of the copies of a daemon. `recent`
    are the outcomes of its newest runs, the newest last.
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
    last_usage: Usage = UNKNOWN
    consecutive_failures: int = 0
    restarts: int = 0
    retries: int = 0
    pauses: tuple[Pause, ...] = ()
    runs: Mapping[Outcome, int] = field(default_factory=dict)
    skipped: Mapping[SkipReason, int] = field(default_factory=dict)
    recent: tuple[Outcome, ...] = ()
