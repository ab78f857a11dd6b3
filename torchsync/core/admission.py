"""Whether a fire becomes a run, and when. Pure; the order of the questions is part of the contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from torchsync.core.model import CronTiming, Instant, Misfire, Overlap, SkipReason, Task


class Way(Enum):
    """What becomes of a fire that is not skipped."""

    START = "start"
    QUEUE = "queue"
    """It waits for room."""
    REPLACE = "replace"
    """It waits for room, and a copy of its task is stopped to make it."""
    MAKE_UP = "make up"
    """It was missed, and waits to be made up for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What stands in the way of a fire: copies of its task that run, a pool that is full, earlier fires of its task that wait."""

    running: int = 0
    is_pool_full: bool = False
    is_awaited: bool = False


_WHEN_FULL: Mapping[Overlap, Way | SkipReason] = {
    Overlap.SKIP: SkipReason.OVERLAP,
    Overlap.QUEUE: Way.QUEUE,
    Overlap.REPLACE: Way.REPLACE,
}


def decide(task: Task, timing: CronTiming, due: Instant, room: Room, now: Instant, *, is_paused: bool = False) -> Way | SkipReason:
    """What becomes of a fire that was due at `due`, or why it is skipped. `is_paused`: an operator holds the task back."""
    if is_paused:
        return SkipReason.PAUSED
    if is_missed(timing, due, now):
        return SkipReason.MISSED if timing.misfire is Misfire.SKIP else Way.MAKE_UP
    if is_full(task, room.running):
        return _WHEN_FULL[timing.overlap]
    if timing.overlap is Overlap.QUEUE:
        return Way.QUEUE if room.is_pool_full or room.is_awaited else Way.START
    return SkipReason.POOL if room.is_pool_full else Way.START


def is_missed(timing: CronTiming, due: Instant, now: Instant) -> bool:
    """The deadline counts from due to the decision."""
    return now - due > timing.starting_deadline


def is_full(task: Task, running: int) -> bool:
    """No further copy of the task may start; `max_running` 0 is no limit."""
    return 0 < task.max_running <= running
