"""What the engine knows of its clock: whether fires are held, which entries a jump caused, and when this boot began. Pure.

Theory of operation. `clockwatch` tells what the clock did; this turns it into ledger operations. An entry that is decided while a jump is open
carries the id of the innermost one. An instant that is decided a second time, since its run never began, carries that of the newest jump before
which it was not decided, if there is one.

When a jump returns, `correct` annuls what it caused and says how far each task's mark goes back. All of it, the new state of the clock and what is
decided anew are one transaction. What stands beyond a mark keeps its tag until the mark has passed it, so that an agent that is killed on the
way finds it again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from torchsync.core.clockwatch import ClockState, ClockWatch, Hold, Jump, Sighting
from torchsync.core.effects import Outbox
from torchsync.core.entries import Annul, PutClock, QueuedFire, Settle, Tagged, TurnBack, covers_its_instant, earlier
from torchsync.core.firequeue import FireQueue
from torchsync.core.generation import rebased, turned_back
from torchsync.core.jumpdiary import Diary
from torchsync.core.model import CronTiming, Generation, Instant, Millis, Run, SkipReason, Task, TaskName
from torchsync.core.recordbook import Recordbook
from torchsync.core.roster import Roster
from torchsync.core.timetable import is_startup


class Timekeeper:
    """The clock, as far as decisions depend on it. What is to be kept goes to the outbox."""

    def __init__(self, outbox: Outbox, book: Recordbook, roster: Roster, queue: FireQueue, boot_id: str) -> None:
        self._outbox = outbox
        self._book = book
        self._roster = roster
        self._queue = queue
        self._boot_id = boot_id
        self._watch = ClockWatch(boot_id)
        self._diary = Diary()
        self.has_stepped = False
        """The wall clock stepped in the turn under way: what was seen before it is told in another time."""

    @property
    def is_held(self) -> bool:
        """Fires wait until the clock can be believed."""
        return self._watch.hold is Hold.HELD

    @property
    def state(self) -> ClockState:
        return self._watch.state

    @property
    def has_begun(self) -> bool:
        """The instant of `@startup` in this boot is settled."""
        return self.state.started_in == self._boot_id

    def restore(self, state: ClockState | None, tagged: Iterable[Tagged], queue: Iterable[QueuedFire]) -> None:
        """An earlier agent process left this."""
        if state is not None:
            self._watch.restore(state)
        waiting = (fire for fire in queue if fire.jump)
        self._diary.read([*tagged, *(Tagged(fire.task, fire.instant, fire.instant, fire.jump, reason_of(fire)) for fire in waiting)])

    def earliest(self, now: Instant, mono: Millis) -> Instant:
        """A time that it certainly is by now."""
        return self._watch.earliest(now, mono)

    def see(self, now: Instant, mono: Millis, *, is_synchronised: bool) -> Sighting:
        """What the clock did since the last call; it is kept."""
        before = self.state
        sighting = self._watch.see(now, mono, self._book.newest, is_synchronised=is_synchronised)
        self.has_stepped = sighting.step != 0
        for jump in sighting.expired:
            for task in self._book.leave(jump.id, self._heir(jump)):
                self._settle(task, jump.id, self._heir(jump))
        if self.state is not before:
            self._outbox.write(PutClock(self.state))
        return sighting

    def begin_boot(self, generation: Generation, now: Instant) -> list[Task]:
        """`@startup` is due now for these tasks, those of the first generation in force in this boot. Its instant is later than their marks, wherever
        the clock stood when those were made.
        """
        tasks = [task for name, task in generation.tasks.items() if _is_startup(generation, name)]
        marks = [max(self._book.mark_of(task.name), generation.baselines.get(task.name, now)) for task in tasks]
        self._watch.begin_boot(Instant(max([now, *(mark + 1 for mark in marks)])), now)
        self._outbox.write(PutClock(self.state))
        return tasks

    def correct(self, sighting: Sighting, generation: Generation | None, now: Instant) -> Generation | None:
        """What jumps that have returned caused is taken back, and what began to count at a time that cannot have been counts from now. The
        generation with baselines that fit; the very same when they all do.
        """
        if sighting.returned:
            since = min(now, *(jump.since for jump in sighting.returned))
            turn = TurnBack(now, Millis(max(0, -sighting.step)), since)
            marks = self._take_back(sighting.returned, turn, generation)
            self._roster.turn_back(turn)
            self._book.turn_back(turn, marks)
            generation = turned_back(generation, turn) if generation else None
        if sighting.impossible and generation:
            generation = self._rebase(generation, *sighting.impossible, now)
        return generation

    # What a jump causes.

    def jump_for(self, generation: Generation | None, task: TaskName, instant: Instant) -> int:
        """The id that an entry for the instant carries; 0 for none. `@startup` happens once in a boot, wherever the clock stands, so no jump can take
        it back.
        """
        jumps = self.state.jumps
        if not jumps or (generation and task in generation.tasks and _is_startup(generation, task)):
            return 0
        return jumps[-1].id if instant > self._book.mark_of(task) else self._book.jump_of(task, instant)

    def note(self, task: TaskName, first: Instant, last: Instant, jump: int, reason: SkipReason | None = None) -> None:
        """The instants have entries that carry the id; without a reason they ran."""
        if jump:
            self._book.enter(task, jump)
            self._diary.note(task, first, last, jump, reason)

    def note_start(self, fire: QueuedFire) -> None:
        """The fire, which has waited, runs. To the diary one that queued is a run already."""
        if fire.jump and fire.is_made_up:
            self._diary.note_alone(fire.task, fire.instant, fire.jump)

    def forget(self, task: TaskName, instant: Instant) -> None:
        """The entry of the instant is gone."""
        self._diary.forget(task, instant)

    def covers(self, task: TaskName, instant: Instant) -> bool:
        """An entry that outlasted its jump covers the instant."""
        return self._diary.covers(task, instant)

    def withdraw(self, run: Run) -> bool:
        """The run never began. Whether its instant is to be decided again: one beyond the mark will come out of the timetable by itself, since a jump
        was taken back, and so will one whose entry was annulled, unless it did.
        """
        if run.instant is None or not covers_its_instant(run):
            return False
        self._diary.forget(run.task.name, run.instant)
        return run.instant <= self._book.mark_of(run.task.name)

    def reschedule(self, task: TaskName) -> None:
        """From now on the task has other instants."""
        self._diary.cut(task)

    def pass_mark(self, task: TaskName, mark: Instant) -> None:
        """What stood beyond the mark and does not any more is an entry like any other."""
        for jump in self._diary.passed(task, mark, {jump.id for jump in self.state.jumps}):
            self._settle(task, jump, 0)

    def _take_back(self, jumps: Iterable[Jump], turn: TurnBack, generation: Generation | None) -> dict[TaskName, Instant]:
        """The marks that have to go back."""
        marks = self._turn_startup_back(turn, generation)
        for jump in sorted(jumps, key=lambda jump: jump.id, reverse=True):
            heir = self._heir(jump)
            for task, mark in self._book.leave(jump.id, heir).items():
                marks[task] = min(marks.get(task, mark), mark)
                annul = Annul(task=task, jump=jump.id, now=turn.now, heir=heir)
                self._outbox.write(annul)
                self._queue.annul(annul)
                self._diary.annul(task, jump.id, turn.now, heir)
        self._outbox.write(turn)
        return marks

    def _turn_startup_back(self, turn: TurnBack, generation: Generation | None) -> dict[TaskName, Instant]:
        """`@startup` stays what it is, done or due; only its time is told otherwise, and so are the marks that it moved."""
        state = self.state
        self._watch.state = replace(state, startup=earlier(state.startup, turn), startup_due=earlier(state.startup_due, turn))
        self._outbox.write(PutClock(self.state))
        names = [name for name in generation.tasks if _is_startup(generation, name)] if generation else []
        marks = {name: self._book.mark_of(name) for name in names}
        return {name: earlier(mark, turn) for name, mark in marks.items() if mark > turn.now}

    def _rebase(self, generation: Generation, first: Instant, last: Instant, now: Instant) -> Generation:
        names = [name for name, since in generation.baselines.items() if first <= since <= last and self._book.mark_of(name) <= last]
        for name in names:
            if first <= self._book.get(name, now).first_seen <= last:
                self._book.start_anew(name, now)
        return rebased(generation, names, now)

    def _settle(self, task: TaskName, jump: int, heir: int) -> None:
        self._outbox.write(Settle(task, jump, heir))
        self._diary.settle(task, jump, heir)
        self._queue.settle(task, jump, heir)

    def _heir(self, gone: Jump) -> int:
        """The jump that lay around the one that is gone."""
        return max((jump.id for jump in self.state.jumps if jump.id < gone.id), default=0)


def reason_of(fire: QueuedFire) -> SkipReason | None:
    """How the diary knows it: what is to be made up for goes with what was missed, anything else by its own instant, like a run."""
    return SkipReason.MISSED if fire.is_made_up else None


def _is_startup(generation: Generation, name: TaskName) -> bool:
    timing = generation.tasks[name].timing
    return isinstance(timing, CronTiming) and is_startup(timing)
