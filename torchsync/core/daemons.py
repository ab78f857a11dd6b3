"""The copies of daemons: which are to live, and when one that ended starts again. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import heappop, heappush

from torchsync.core.attempts import left, wait_for
from torchsync.core.backoff import restart_delay
from torchsync.core.model import DaemonTiming, Instant, Millis, Run, StopCause, Task, TaskName
from torchsync.core.taskrecord import Pause, TaskRecord

Slot = tuple[TaskName, int]
"""A copy of a daemon: the task and the number of the copy, from 1."""


class Daemons:
    """The restart back-off of every copy. A copy in a pause is not started before the pause is over."""

    def __init__(self, boot_id: str) -> None:
        self._boot_id = boot_id
        self._pauses: dict[TaskName, dict[int, Pause]] = {}
        self._until: dict[Slot, Millis] = {}
        self._timers: list[tuple[Millis, Slot]] = []
        self._awaiting: set[TaskName] = set()

    def restore(self, tasks: Mapping[TaskName, Task], records: Iterable[TaskRecord], now: Instant, mono: Millis) -> None:
        """The pauses are those of an earlier agent process; a reboot is a new start, and ends them all."""
        for record in records:
            timing = tasks[record.task].timing if record.task in tasks else None
            for pause in record.pauses if isinstance(timing, DaemonTiming) else ():
                if pause.wait.boot_id == self._boot_id and isinstance(timing, DaemonTiming):
                    rest = left(pause.wait, timing.max_delay, self._boot_id, now, mono)
                    self._put((record.task, pause.copy), pause, Millis(mono + rest))

    def missing(self, task: Task, open_runs: tuple[Run, ...]) -> list[int]:
        """The copies of the task that neither live nor wait for their restart."""
        alive = {run.copy for run in open_runs}
        return [copy for copy in range(1, task.max_running + 1) if copy not in alive and (task.name, copy) not in self._until]

    def ended(self, run: Run, timing: DaemonTiming, now: Instant, mono: Millis) -> None:
        """The copy waits: the longer, the more often in a row it has ended quickly. One that an operator stopped did not end by itself."""
        slot = (run.task.name, run.copy)
        pause = self._pauses.get(run.task.name, {}).get(run.copy)
        lived = (run.finished_at or Instant(0)) - (run.started_at or run.finished_at or Instant(0))
        is_sound = lived >= timing.reset_after or run.stop_cause is StopCause.OPERATOR
        quick_ends = 0 if is_sound else (pause.quick_ends if pause else 0) + 1
        delay = restart_delay(timing, quick_ends)
        pause = Pause(copy=run.copy, quick_ends=quick_ends, wait=wait_for(delay, self._boot_id, now, mono))
        self._put(slot, pause, Millis(mono + delay))

    def has_ended(self, slot: Slot) -> bool:
        """The copy has ended before, so that its next start is a restart."""
        return slot[1] in self._pauses.get(slot[0], {})

    def pauses_of(self, task: TaskName) -> tuple[Pause, ...]:
        """The pauses of its copies, those that are over included: they tell how often a copy has ended quickly."""
        return tuple(pause for _, pause in sorted(self._pauses.get(task, {}).items()))

    def forget(self, task: TaskName, kept: frozenset[int] = frozenset()) -> None:
        """The task is gone or has changed: its copies start with a clean slate, but for those `kept`."""
        pauses = self._pauses.pop(task, {})
        for copy in pauses.keys() - kept:
            self._until.pop((task, copy), None)
        if staying := {copy: pauses[copy] for copy in pauses.keys() & kept}:
            self._pauses[task] = staying

    def await_place(self, task: TaskName) -> None:
        """A copy of the task finds no place in its pool; it is tried again in each turn."""
        self._awaiting.add(task)

    def take_awaiting(self) -> list[TaskName]:
        """The tasks to try again."""
        names = sorted(self._awaiting)
        self._awaiting.clear()
        return names

    def next_timer(self) -> Millis | None:
        while self._timers and self._until.get(self._timers[0][1]) != self._timers[0][0]:
            heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def expire(self, mono: Millis) -> list[TaskName]:
        """The tasks of which a copy may start again."""
        ready: list[TaskName] = []
        while (at := self.next_timer()) is not None and at <= mono:
            _, slot = heappop(self._timers)
            del self._until[slot]
            ready.append(slot[0])
        return ready

    def _put(self, slot: Slot, pause: Pause, until: Millis) -> None:
        self._pauses.setdefault(slot[0], {})[slot[1]] = pause
        self._until[slot] = until
        heappush(self._timers, (until, slot))
