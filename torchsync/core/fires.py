"""What becomes of a fire: a run, a place in the queue, or an entry that says why there is neither. Pure.

Theory of operation. `decide` takes the fires of a task in order and asks `admission` about each. Whatever caused a fire to be late, it is decided
here: a fire beyond its deadline is missed, and when its task makes up for missed ones it waits like one that found no room. At most so many wait as
the task allows; each further one takes the place of the oldest, which is skipped after all. So it does not matter over how many turns a backlog is
decided, nor whether the agent is killed on the way. Nothing is made up while the backlog of its task is not decided to the end.

`serve` starts what waits, the earliest due first, as far as there is room for copies of its task and in its pool. It takes the definition, the
commit and the tree that are in force then. What a task that is gone, paused or scheduled anew has waiting is skipped by `sweep`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush

from torchsync.core import admission, records
from torchsync.core.admission import Room, Way
from torchsync.core.entries import QueuedFire
from torchsync.core.firequeue import FireQueue
from torchsync.core.inforce import InForce
from torchsync.core.model import CronTiming, Instant, Millis, Overlap, Run, SkipReason, StopCause, Task, TaskName, Trigger
from torchsync.core.policy import effective_user
from torchsync.core.recordbook import Recordbook
from torchsync.core.roster import Roster
from torchsync.core.skips import Skips
from torchsync.core.snapshot import PoolStatus, WaitsFor
from torchsync.core.timekeeper import Timekeeper, reason_of
from torchsync.core.timetable import Fire, Timetable, is_startup, rhythm_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What fires are decided with."""

    book: Recordbook
    keeper: Timekeeper
    roster: Roster
    skips: Skips
    queue: FireQueue
    timetable: Timetable


@dataclass(frozen=True, slots=True)
class _Numbered:
    """A fire, and its number among those of its task that were decided."""

    fire: QueuedFire
    number: int


class Fires:
    """Decides on the fires of all tasks. What is decided goes to the outbox of its parts."""

    def __init__(self, force: InForce, parts: Parts) -> None:
        self._force = force
        self._book = parts.book
        self._keeper = parts.keeper
        self._roster = parts.roster
        self._skips = parts.skips
        self._queue = parts.queue
        self._timetable = parts.timetable
        self._late: deque[_Numbered] = deque()
        """What was missed and may be made up for, of the fires that are being decided."""
        self._numbers: dict[TaskName, int] = {}
        """How many fires of a task were decided."""

    def restore(self, fires: Iterable[QueuedFire]) -> None:
        """These wait, by an earlier agent process. They are in a row where the schedule has no instant between them."""
        for fire in sorted(fires, key=lambda one: (one.task, one.instant)):
            self._numbers[fire.task] = self._numbers.get(fire.task, 0) + (1 if self._is_next(fire) else 2)
            self._queue.restore(fire, self._numbers[fire.task])
        for name in self._queue.tasks():
            if self._queue.of(name)[-1].instant != self._book.mark_of(name):
                self._count(name)  # What comes next is not the next in the row.

    def decide(self, name: TaskName, fires: list[Fire], now: Instant) -> None:
        """Each of these instants of the task, which are in order, has its entry, or will have when the turn ends."""
        task = self._force.task(name)
        for fire in fires:
            number = self._count(name)
            if task is None or not task.enabled or not isinstance(task.timing, CronTiming):
                self._skip(_Numbered(self._decided(fire, Trigger.SCHEDULE, now), number), SkipReason.REMOVED, now)
            elif self._keeper.covers(name, fire.instant):
                self._settle(now)
                self._book.update(records.decided(self._book.get(name, now), fire.instant))
            else:
                trigger = Trigger.STARTUP if is_startup(task.timing) else Trigger.SCHEDULE
                self._decide(task, task.timing, _Numbered(self._decided(fire, trigger, now), number), now)
        self._settle(now)
        self._keeper.pass_mark(name, self._book.get(name, now).decided_through)

    def decide_again(self, run: Run, now: Instant) -> None:
        """The run never began. Its fire is decided anew, unless it had waited for room beyond its deadline: then it does so again."""
        name, timing = run.task.name, run.task.timing
        if run.instant is None or run.due is None or not self._keeper.withdraw(run):
            return
        self._count(name)  # It is not the next in a row.
        fire = Fire(name, run.instant, run.due)
        if isinstance(timing, CronTiming) and admission.is_missed(timing, run.due, run.admitted_at):
            self._wait(_Numbered(self._decided(fire, run.trigger, now), self._count(name)), now)
            self.sweep(now)
        else:
            self.decide(name, [fire], now)
        self._count(name)

    def make_room(self, now: Instant, mono: Millis) -> list[Run]:
        """Of every task that replaces, as many of the oldest copies are being stopped as it takes for what waits to start. Those that are over by it,
        since they only waited for their next attempt.
        """
        stopped = [
            self._roster.stop(run.id, StopCause.REPLACED, now, mono) for name in self._queue.tasks() for run in self._in_the_way(name)
        ]
        return [run for run in stopped if run is not None]

    def serve(self, now: Instant) -> None:
        """Nothing waits that has room."""
        heads = [(fire.due, name) for name in self._queue.tasks() if (fire := self._head(name))]
        heapify(heads)
        while heads:
            _, name = heappop(heads)
            fire, task = self._head(name), self._force.task(name)
            if fire is None or task is None or not self._has_room(task) or self._is_behind(task, fire, now):
                self._book.touch(name, is_changed=False)
                continue
            self._queue.take(fire)
            self._keeper.note_start(fire)
            self.admit(task, fire.trigger, now, fire=fire)
            if following := self._head(name):
                heappush(heads, (following.due, name))

    def sweep(self, now: Instant) -> None:
        """Nothing waits that its task, as it is in force, would not let wait."""
        for name in self._queue.tasks():
            task = self._force.task(name)
            for fire in self._queue.of(name):
                if reason := self._why_gone(task, fire):
                    self._skip_waiting(fire, reason, now)
            most = task.timing.most_made_up if task and isinstance(task.timing, CronTiming) else 0
            while self._queue.count(name, made_up=True) > most and (oldest := self._queue.oldest(name, made_up=True)):
                self._skip_waiting(oldest, SkipReason.MISSED, now)
        self._skips.flush(now)

    def why_no_room(self, task: Task) -> str:
        """A sentence when no copy of the task could start now; empty when one could."""
        running, name = self._roster.count(task.name), task.name
        if admission.is_full(task, running):
            return f"{running} of {task.max_running} copies of {name!r} are running already"
        if self.is_pool_full(task):
            places = self._force.places_in(task.pool)
            return f"the pool {task.pool!r} of {name!r} is full: {self._roster.count_in_pool(task.pool)} run(s) have its {places} place(s)"
        return ""

    def waits_for(self, task: Task) -> WaitsFor | None:
        """What keeps the fires of the task from starting that wait, or the copies of a daemon."""
        if task.name not in self._queue and not (task.is_daemon and self._roster.count(task.name) < task.max_running):
            return None
        if admission.is_full(task, self._roster.count(task.name)):
            return WaitsFor.COPY
        return WaitsFor.POOL if self.is_pool_full(task) else None

    def pools(self) -> dict[str, PoolStatus]:
        return {name: PoolStatus(self._force.places_in(name), self._roster.count_in_pool(name)) for name in sorted(self._force.pools)}

    def is_pool_full(self, task: Task) -> bool:
        return bool(task.pool) and self._roster.count_in_pool(task.pool) >= self._force.places_in(task.pool)

    def admit(self, task: Task, trigger: Trigger, now: Instant, *, fire: QueuedFire | None = None, copy: int = 0, actor: str = "") -> Run:
        """The run that starts now, of the definition and the tree in force."""
        generation = self._force.generation
        if generation is None:
            raise ValueError("no generation is in force")
        run = Run(
            id=self._force.new_run_id(now),
            task=task,
            revision=generation.revision,
            tree=generation.tree,
            trigger=trigger,
            admitted_at=now,
            boot_id=self._force.boot_id,
            user=effective_user(task, self._force.policy),
            instant=fire.instant if fire else None,
            due=fire.due if fire else None,
            copy=copy,
            actor=actor,
        )
        self._roster.admit(run, fire.jump if fire else 0)
        self._book.touch(task.name, is_changed=False)
        return run

    # One fire.

    def _decide(self, task: Task, timing: CronTiming, one: _Numbered, now: Instant) -> None:
        is_paused = self._force.holds.pauses(task.name, one.fire.due)
        way = admission.decide(task, timing, one.fire.due, self._room(task), now, is_paused=is_paused)
        if way is Way.MAKE_UP:
            self._late.append(one)
            self._keep_newest(timing.most_made_up, task.name, now)
            return
        if isinstance(way, SkipReason):
            self._skip(one, way, now)
            return
        self._settle(now)
        match way:
            case Way.START:
                self.admit(task, one.fire.trigger, now, fire=one.fire)
                self._cover(one.fire, now)
            case Way.QUEUE:
                self._line_up(task, one, timing.queue_limit, now)
            case Way.REPLACE:
                self._line_up(task, one, task.max_running, now)

    def _settle(self, now: Instant) -> None:
        """What was decided until now is in order before the next one is: the diary of a jump depends on it."""
        self._skips.flush(now)
        for late in self._late:
            self._wait(_Numbered(replace(late.fire, trigger=Trigger.MISFIRE), late.number), now)
        self._late.clear()

    def _keep_newest(self, most: int, name: TaskName, now: Instant) -> None:
        """Of what was missed the newest is made up for, be it of this turn or of earlier ones."""
        if self._queue.count(name, made_up=True) + len(self._late) <= most:
            return
        if oldest := self._queue.oldest(name, made_up=True):
            self._skip_waiting(oldest, SkipReason.MISSED, now)
        else:
            self._skip(self._late.popleft(), SkipReason.MISSED, now)

    def _line_up(self, task: Task, one: _Numbered, most: int, now: Instant) -> None:
        """The fire waits, unless too many newer ones do; the oldest goes for it."""
        reason = SkipReason.OVERLAP if admission.is_full(task, self._roster.count(task.name)) else SkipReason.POOL
        self._wait(one, now)
        while self._queue.count(task.name, made_up=False) > most and (oldest := self._queue.oldest(task.name, made_up=False)):
            self._skip_waiting(oldest, reason, now)

    def _wait(self, one: _Numbered, now: Instant) -> None:
        self._skips.flush(now)
        self._queue.add(one.fire, one.number)
        self._cover(one.fire, now)

    def _cover(self, fire: QueuedFire, now: Instant) -> None:
        """The fire is decided: the mark is behind it. What has waited is not decided again, wherever the mark is by then."""
        self._keeper.note(fire.task, fire.instant, fire.instant, fire.jump, reason_of(fire))
        self._book.update(records.decided(self._book.get(fire.task, now), fire.instant))

    def _skip(self, one: _Numbered, reason: SkipReason, now: Instant) -> None:
        self._skips.add(one.fire, reason, one.number, now, has_waited=False)

    def _skip_waiting(self, fire: QueuedFire, reason: SkipReason, now: Instant) -> None:
        number = self._queue.number_of(fire)
        self._queue.take(fire)
        self._keeper.forget(fire.task, fire.instant)
        self._skips.add(fire, reason, number, now, has_waited=True)

    def _decided(self, fire: Fire, trigger: Trigger, now: Instant) -> QueuedFire:
        jump = self._keeper.jump_for(self._force.generation, fire.task, fire.instant)
        return QueuedFire(task=fire.task, instant=fire.instant, due=fire.due, trigger=trigger, since=now, jump=jump)

    def _is_next(self, fire: QueuedFire) -> bool:
        task, generation, before = self._force.task(fire.task), self._force.generation, self._queue.of(fire.task)
        if not before or task is None or generation is None or not isinstance(task.timing, CronTiming):
            return False
        return next(rhythm_of(task.name, task.timing, generation.facts).following(before[-1].instant), None) == fire.instant

    def _count(self, name: TaskName) -> int:
        self._numbers[name] = self._numbers.get(name, 0) + 1
        return self._numbers[name]

    # Room.

    def _room(self, task: Task) -> Room:
        return Room(
            running=self._roster.count(task.name),
            is_pool_full=self.is_pool_full(task),
            is_awaited=task.name in self._queue,
        )

    def _has_room(self, task: Task) -> bool:
        return not admission.is_full(task, self._roster.count(task.name)) and not self.is_pool_full(task)

    def _in_the_way(self, name: TaskName) -> list[Run]:
        """A run ends by its own rules alone: one that was started when its task did not replace is waited for."""
        task, runs = self._force.task(name), self._roster.of(name)
        if task is None or not _replaces(task):
            return []
        wanted = min(task.max_running, self._queue.count(name, made_up=False))
        excess = len(runs) + wanted - task.max_running - sum(run.stop_cause is not None for run in runs)
        return [run for run in runs if run.stop_cause is None and _replaces(run.task)][: max(0, excess)] if wanted else []

    def _head(self, name: TaskName) -> QueuedFire | None:
        """What of the task starts next. A fire that had a copy stopped has its place, whatever is to be made up for."""
        task = self._force.task(name)
        return self._queue.first(name, made_up_last=task is not None and _replaces(task))

    def _is_behind(self, task: Task, fire: QueuedFire, now: Instant) -> bool:
        """Newer instants of the task will turn out to be missed."""
        due = self._timetable.next_of(fire.task)
        is_late = due is not None and isinstance(task.timing, CronTiming) and admission.is_missed(task.timing, due, now)
        return fire.is_made_up and is_late

    def _why_gone(self, task: Task | None, fire: QueuedFire) -> SkipReason | None:
        generation = self._force.generation
        if task is None or generation is None or not task.enabled or not isinstance(task.timing, CronTiming):
            return SkipReason.REMOVED
        if fire.instant <= generation.baselines.get(task.name, Instant(0)):
            return SkipReason.REMOVED
        return SkipReason.PAUSED if self._force.holds.pauses(task.name) else None


def _replaces(task: Task) -> bool:
    return isinstance(task.timing, CronTiming) and task.timing.overlap is Overlap.REPLACE
