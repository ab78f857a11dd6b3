"""Whether a fire becomes a run. Pure; the order of the questions is part of the contract."""

from __future__ import annotations

from torchsync.core.model import CronTiming, Instant, SkipReason, Task


def decide(task: Task, timing: CronTiming, due: Instant, running: int, now: Instant, *, is_paused: bool = False) -> SkipReason | None:
    """Why a fire that was due at `due` is skipped while `running` copies of its task run; None when it is admitted. `is_paused`: an operator
    holds the task back.
    """
    if is_paused:
        return SkipReason.PAUSED
    if is_missed(timing, due, now):
        return SkipReason.MISSED
    if is_full(task, running):
        return SkipReason.OVERLAP
    return None


def is_missed(timing: CronTiming, due: Instant, now: Instant) -> bool:
    """The deadline counts from due to the decision."""
    return now - due > timing.starting_deadline


def is_full(task: Task, running: int) -> bool:
    """No further copy of the task may start; `max_running` 0 is no limit."""
    return 0 < task.max_running <= running
