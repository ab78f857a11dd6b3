"""What the agent decides: which fires become runs, what a swap stops, when a daemon starts again. Pure.

Theory of operation. The engine is driven like a protocol machine: the loop tells it what happened (`apply`, `saw_*`, `run_task`, `stop`) and
that time has passed (`tick`), then takes one `Turn` by `flush`: ledger operations that must be durable, in one transaction, before any of
the effects that follow. It reads no clock: `now` is the wall clock, `mono` a monotonic reading, both given with every call. So a year of
schedule with crashes in it can be played in a test without waiting, and what the engine holds after a crash is rebuilt by `restore` from
the generation, the open runs, the records and the queue alone.

Every instant later than a task's mark is decided exactly once: `tick` takes it from the timetable, and admits a run, whose ledger row covers
the instant, or writes a skip that does, or lets the fire wait in the queue (`fires.py`), where its entry becomes a run or a skip later. The mark
moves in the same transaction. Instants that were missed in a row share one entry.
A turn begins with `see_clock`: what a jump of the clock caused may be taken back there (`timekeeper.py`), and fires may be held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from torchsync.core import chronicle
from torchsync.core.clockwatch import JUMP, Sighting
from torchsync.core.diff import Diff
from torchsync.core.effects import Adopt, Outbox, ToldAdoption, Turn
from torchsync.core.entries import PutHold
from torchsync.core.firequeue import FireQueue
from torchsync.core.fires import Fires, Parts
from torchsync.core.holds import HOST, Holds, sentence
from torchsync.core.inflight import InFlight
from torchsync.core.inforce import InForce
from torchsync.core.ledgerview import LedgerView
from torchsync.core.model import (
    AttemptId,
    CronTiming,
    Ending,
    Generation,
    Instant,
    Millis,
    Run,
    RunId,
    StopCause,
    Task,
    TaskName,
    Trigger,
    run_of,
)
from torchsync.core.policy import HostPolicy
from torchsync.core.recordbook import Recordbook
from torchsync.core.roster import Roster
from torchsync.core.skips import Skips
from torchsync.core.snapshot import LAG_BOUNDS, Histogram, PoolStatus, TaskStatus
from torchsync.core.statusboard import StatusBoard
from torchsync.core.timekeeper import Timekeeper
from torchsync.core.timetable import Timetable, by_task, is_startup

MOST_FIRES_A_TURN = 5_000
"""A host that was down for long may have missed millions of instants; the loop must turn while they are written down."""


class Engine:
    """The schedule, the open runs and the records of one host."""

    def __init__(self, *, boot_id: str, policy: HostPolicy, new_run_id: Callable[[Instant], RunId]) -> None:
        self.lag = Histogram.empty(*LAG_BOUNDS)
        self.runs_adopted = 0
        self.boot_id = boot_id
        self._force = InForce(boot_id, new_run_id, policy)
        self._outbox = Outbox()
        self._roster = Roster(self._outbox, boot_id)
        self._book = Recordbook(self._outbox)
        self._queue = FireQueue(self._outbox)
        self._keeper = Timekeeper(self._outbox, self._book, self._roster, self._queue, boot_id)
        self._timetable = Timetable()
        self._board = StatusBoard()
        self._skips = Skips(self._outbox, self._book, self._keeper)
        parts = Parts(
            book=self._book,
            keeper=self._keeper,
            roster=self._roster,
            skips=self._skips,
            queue=self._queue,
            timetable=self._timetable,
        )
        self._fires = Fires(self._force, parts)
        self._inflight = InFlight(self._force, self._book, self._roster, self._fires)
        self._adopting: set[RunId] = set()

    # What the loop reads.

    @property
    def policy(self) -> HostPolicy:
        return self._force.policy

    @policy.setter
    def policy(self, policy: HostPolicy) -> None:
        self._force.policy = policy

    @property
    def generation(self) -> Generation | None:
        return self._force.generation

    @property
    def holds(self) -> Holds:
        return self._force.holds

    @holds.setter
    def holds(self, holds: Holds) -> None:
        self._force.holds = holds

    @property
    def statuses(self) -> Mapping[TaskName, TaskStatus]:
        """The tasks of the generation in force as of the last `flush`; a copy."""
        return self._board.statuses

    @property
    def runs(self) -> dict[RunId, Run]:
        """The open runs; a copy."""
        return self._roster.runs

    @property
    def runs_lost(self) -> int:
        return self._inflight.lost

    @property
    def pools(self) -> dict[str, PoolStatus]:
        """The pools of the host, by name."""
        return self._fires.pools()

    def next_wake(self, now: Instant, mono: Millis) -> Millis | None:
        """How long nothing is to be done, at most; None when nothing is to come by itself."""
        if self._board.limits.is_behind:
            return Millis(0)
        due = None if self._keeper.is_held else self._timetable.next_due()
        timer = self._inflight.next_timer()
        waits = [*([] if timer is None else [timer - mono]), *([] if due is None else [due - now])]
        return Millis(max(0, min(waits))) if waits else None

    def earliest(self, now: Instant, mono: Millis) -> Instant:
        """A time that it certainly is by now, also if the clock is ahead: what is removed for its age is as old by this."""
        return self._keeper.earliest(now, mono)

    def silent_until(self, now: Instant) -> list[Instant]:
        """Of each task that is silent since the clock went back: until when, for up to then its instants are decided or do not count."""
        tasks = self.generation.tasks.values() if self.generation else ()
        marks = (self._mark(task, now) for task in tasks if task.enabled and isinstance(task.timing, CronTiming))
        return [mark for mark in marks if mark > now + JUMP]

    def flush(self) -> Turn:
        """Everything decided since the last call."""
        self._queue.flush()
        for name in self._board.limits.begin_turn():
            self._book.touch(name, is_changed=False)
        for name in self._book.flush():
            self._show(name)
        return self._outbox.flush()

    # What happened.

    def restore(self, generation: Generation | None, view: LedgerView, now: Instant, mono: Millis) -> None:
        """The engine is where an earlier agent process left off; the executor is asked about every open run. `holds` are those of then."""
        self._outbox.write(*map(PutHold, self.holds.changes))
        self._keeper.restore(view.clock, view.tagged.values(), view.queue.values())
        self._book.restore(view.records, generation.tasks if generation else (), self._keeper.earliest(now, mono))
        taken = tuple(self._roster.take_up(run, now, mono) for run in view.runs)
        under_way = tuple(run for run in taken if run.wait is None)
        self._adopting = {run.id for run in under_way}
        self._outbox.do(Adopt(under_way))
        self._force.generation = generation
        self._fires.restore(view.queue.values())
        if generation is None:
            return
        if view.in_force != chronicle.in_force(generation):
            self._outbox.write(chronicle.whole(generation))
        for task in generation.tasks.values():
            self._install(task, now)
        self._fires.sweep(now)
        self._inflight.restore(now, mono)

    def see_clock(self, now: Instant, mono: Millis, *, is_synchronised: bool) -> Sighting:
        """The first thing in a turn. What a jump caused is taken back when the clock has returned; `generation` is another one then, to be made
        durable before the next `flush`, if a baseline had to move.
        """
        sighting = self._keeper.see(now, mono, is_synchronised=is_synchronised)
        if self._keeper.has_stepped:
            for name in self._roster.tell_waits(now, mono):
                self._book.touch(name, is_changed=False)
        if sighting.opened or sighting.returned or sighting.expired:
            self._skips.close_all()
        if sighting.returned or sighting.impossible:
            before, self._force.generation = self.generation, self._keeper.correct(sighting, self.generation, now)
            self._outbox.write(*chronicle.rebased(before, self.generation))
            self.rezone(now)
            self._fires.sweep(now)
        return sighting

    def rezone(self, now: Instant) -> None:
        """Zone data has changed, or a mark: every task's next instant is found again, from its mark."""
        self._board.limits.forget()
        self._reinstall(self.generation.tasks.values() if self.generation else (), now)

    def apply(self, generation: Generation, found: Diff, now: Instant, mono: Millis) -> None:
        """`generation`, which is durable, is in force; no run in flight is touched but those whose own rules end them with
        the change or the removal of their task.
        """
        self.catch_up(now, mono)
        self._force.generation = generation
        changed = (change.name for change in found.changed)
        self._outbox.write(chronicle.successor(generation, (*found.added, *changed, *found.moved), found.removed))
        for name in found.removed:
            self._remove(name, now, mono)
        for change in found.changed:
            self._keeper.reschedule(change.name)
            self._inflight.change(change, now, mono)
        for name in found.moved:
            self._keeper.reschedule(name)
        new = [*found.added, *(change.name for change in found.changed)]
        self._fires.sweep(now)
        for name in sorted({*new, *found.moved}):
            self._install(generation.tasks[name], now)
            self._book.touch(name, is_changed=True)
        self._inflight.tend(new, now, mono)

    def hold(self, holds: Holds, now: Instant, mono: Millis) -> None:
        """That is held from now on; what was due before has been decided, by `catch_up`. A drain ends the daemons."""
        self._outbox.write(*map(PutHold, holds.told_since(self.holds)))
        self._force.holds = holds
        self._fires.sweep(now)
        self._inflight.end_drained(now, mono)
        for name in self._force.tasks:
            self._book.touch(name, is_changed=False)
        self._inflight.tend(self._force.tasks, now, mono)

    def catch_up(self, now: Instant, mono: Millis) -> None:
        """Everything that is due is decided, unless the clock cannot be believed."""
        self.tick(now, mono)
        while not self.is_caught_up(now):
            self.tick(now, mono)

    def is_caught_up(self, now: Instant) -> bool:
        """`catch_up` has nothing to do. After weeks of absence it has more than fits into a turn."""
        return self._keeper.is_held or self.is_settled(now)

    def is_settled(self, now: Instant) -> bool:
        """Everything that is due by now is decided, and the clock that says so can be believed."""
        due = self._timetable.next_due()
        return not self._keeper.is_held and (due is None or due > now)

    def tick(self, now: Instant, mono: Millis) -> None:
        """Everything that is due at `now` is decided, and every timer that ran out has had its effect."""
        self._inflight.tick(now, mono)
        if not self._keeper.is_held:
            if self.generation and not self._keeper.has_begun:
                self._reinstall(self._keeper.begin_boot(self.generation, now), now)
            self._fires.serve(now)
            for task, group in by_task(self._timetable.take(now, MOST_FIRES_A_TURN)).items():
                self._fires.decide(task, group, now)
            for over in self._fires.make_room(now, mono):
                self._inflight.close(over, now, mono)
            self._fires.serve(now)
        self._inflight.tend_rested(now, mono)

    def saw_start(self, attempt: AttemptId, started_at: Instant, now: Instant, mono: Millis) -> None:
        """The executor knows that the attempt began."""
        if self._keeper.has_stepped and run_of(attempt) not in self._adopting:
            started_at = now  # It was seen in this turn, before the clock stepped.
        run = self._roster.started(attempt, started_at, now, mono)
        if run is None:
            return
        if not self._note_adoption(run) and run.due is not None and run.attempt == 1:
            self.lag = self.lag.observe(max(0, started_at - run.due) / 1000)
        self._book.touch(run.task.name, is_changed=False)

    def saw_end(self, attempt: AttemptId, ending: Ending, now: Instant, mono: Millis, *, leftovers: bool) -> None:
        """The executor knows that the command of the attempt is over."""
        run = self._roster.current(attempt)
        if run is None:
            return
        self._note_adoption(run)
        self._book.touch(run.task.name, is_changed=False)
        if over := self._roster.ended(attempt, ending, now, mono, leftovers=leftovers):
            self._inflight.close(over, now, mono)
            self._inflight.tend([over.task.name], now, mono)

    def saw_no_start(self, attempt: AttemptId, now: Instant, mono: Millis) -> None:
        """The attempt of an earlier agent process never began: the fire of a first one is decided again, while its deadline holds; a later one is
        started again.
        """
        open_run = self._roster.current(attempt)
        if open_run is None:
            return
        self._adopting.discard(open_run.id)
        run = self._roster.never_started(attempt, now, mono)
        if run and run.outcome is not None:
            self._inflight.close(run, now, mono)
        elif run:
            self._fires.decide_again(run, now)
        self._book.touch(open_run.task.name, is_changed=True)
        self._inflight.tend([open_run.task.name], now, mono)

    def run_task(self, name: TaskName, actor: str, now: Instant) -> Run | str:
        """The run that was admitted by hand, or a sentence that says why there is none."""
        task = self._force.task(name)
        if task is None:
            return f"this host has no task {name!r}"
        if task.is_daemon:
            return f"{name!r} is a daemon and is kept running anyway"
        if self.holds.drain:
            return f"nothing is started: {sentence(self.holds, HOST, self.holds.drain)}"
        if not self._keeper.is_held:
            self._fires.serve(now)  # It does not overtake what waits.
        if refusal := self._fires.why_no_room(task):
            return refusal
        return self._fires.admit(task, Trigger.MANUAL, now, actor=actor)

    def stop(self, target: str, now: Instant, mono: Millis) -> list[RunId]:
        """The runs that are being ended: the run of that id, or every open run of the task of that name."""
        named = self._roster.get(RunId(target))
        runs = (named,) if named else self._roster.of(TaskName(target))
        for run in runs:
            self._inflight.end(run, StopCause.OPERATOR, now, mono)
        return [run.id for run in runs]

    # Adoption.

    def _note_adoption(self, run: Run) -> bool:
        if run.id not in self._adopting:
            return False
        self._adopting.discard(run.id)
        self.runs_adopted += 1
        self._outbox.do(ToldAdoption(run))
        return True

    # Swaps.

    def _install(self, task: Task, now: Instant) -> None:
        mark = self._mark(task, now)
        if not isinstance(task.timing, CronTiming) or not task.enabled or not self.generation:
            self._timetable.drop(task.name)
        elif not is_startup(task.timing):
            self._timetable.put(task.name, task.timing, self.generation.facts, mark)
        elif self._keeper.has_begun and self._keeper.state.startup > mark:
            state = self._keeper.state
            self._timetable.put_once(task.name, task.timing, self.generation.facts, state.startup, state.startup_due)
        else:
            self._timetable.drop(task.name)

    def _mark(self, task: Task, now: Instant) -> Instant:
        baseline = self.generation.baselines.get(task.name, now) if self.generation else now
        return Instant(max(baseline, self._book.get(task.name, now).decided_through))

    def _reinstall(self, tasks: Iterable[Task], now: Instant) -> None:
        for task in tasks:
            self._install(task, now)
            self._book.touch(task.name, is_changed=False)

    def _remove(self, name: TaskName, now: Instant, mono: Millis) -> None:
        self._timetable.drop(name)
        self._skips.close(name)
        self._inflight.remove(name, now, mono)
        self._book.update(replace(self._book.get(name, now), last_seen=now))

    # Statuses.

    def _show(self, name: TaskName) -> None:
        generation = self.generation
        if generation is None or name not in generation.tasks:
            self._board.drop(name)
            return
        runs, task = self._roster.of(name), generation.tasks[name]
        starts = [run.started_at for run in runs if run.started_at is not None]
        status = TaskStatus(
            task=task,
            record=self._book.known(name),
            next_due=self._timetable.next_of(name),
            running=tuple(run.id for run in runs),
            running_since=min(starts, default=None),
            next_attempt=min((run.wait.until for run in runs if run.wait), default=None),
            paused=self.holds.pauses(name),
            queued=len(self._queue.of(name)),
            waits_for=self._fires.waits_for(task),
        )
        self._board.show(status, generation, self.holds)
