"""The copies of daemons: which are to live, and when one that ended starts again. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush

from torchsync.core.backoff import restart_delay
from torchsync.core.model import DaemonTiming, Instant, Millis, Run, Task, TaskName

Slot = tuple[TaskName, int]
"""A copy of a daemon: the task and the number of the copy, from 1."""


@dataclass(slots=True)
class _Pause:
    quick_ends: int = 0
    until: Millis | None = None


class Daemons:
    """The restart back-off of every copy. A copy in a pause is not started before the pause is over."""

    def __init__(self) -> None:
        self._pauses: dict[Slot, _Pause] = {}
        self._timers: list[tuple[Millis, Slot]] = []

    def missing(self, task: Task, open_runs: tuple[Run, ...]) -> list[int]:
        """The copies of the task that neither live nor wait for their restart."""
        alive = {run.copy for run in open_runs}
        return [copy for copy in range(1, task.max_running + 1) if copy not in alive and not self._is_waiting((task.name, copy))]

    def ended(self, run: Run, timing: DaemonTiming, mono: Millis) -> None:
        """The copy waits: the longer, the more often in a row it has ended quickly."""
        slot = (run.task.name, run.copy)
        pause = self._pauses.setdefault(slot, _Pause())
        lived = (run.finished_at or Instant(0)) - (run.started_at or run.finished_at or Instant(0))
        pause.quick_ends = 0 if lived >= timing.reset_after else pause.quick_ends + 1
        pause.until = Millis(mono + restart_delay(timing, pause.quick_ends))
        heappush(self._timers, (pause.until, slot))

    def has_ended(self, slot: Slot) -> bool:
        """The copy has ended before, so that its next start is a restart."""
        return slot in self._pauses

    def forget(self, task: TaskName) -> None:
        """The task is gone or has changed: its copies start with a clean slate."""
        for slot in [slot for slot in self._pauses if slot[0] == task]:
            del self._pauses[slot]

    def next_timer(self) -> Millis | None:
        while self._timers and not self._is_live(self._timers[0]):
            heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def expire(self, mono: Millis) -> list[TaskName]:
        """The tasks of which a copy may start again."""
        ready: list[TaskName] = []
        while (at := self.next_timer()) is not None and at <= mono:
            _, slot = heappop(self._timers)
            self._pauses[slot].until = None
            ready.append(slot[0])
        return ready

    def _is_waiting(self, slot: Slot) -> bool:
        pause = self._pauses.get(slot)
        return pause is not None and pause.until is not None

    def _is_live(self, timer: tuple[Millis, Slot]) -> bool:
        pause = self._pauses.get(timer[1])
        return pause is not None and pause.until == timer[0]
