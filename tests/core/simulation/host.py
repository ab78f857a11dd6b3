"""One machine in a story, with the real engine and the real recorder in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.builders import NOON, facts
from tests.core.simulation.annals import Annals, Disk
from tests.core.simulation.processes import Behaviour, Process, Processes
from tests.core.world import POLICY, Killed
from tests.fakes_state import MemorySpool
from torchsync.agent.recorder import Recorder
from torchsync.core.clockwatch import JUMP
from torchsync.core.effects import Adopt, Release, Signal, Start, Turn
from torchsync.core.engine import Engine
from torchsync.core.entries import Batch
from torchsync.core.generation import succeed
from torchsync.core.holds import Holds, expired
from torchsync.core.logevents import LogEvent
from torchsync.core.model import (
    Generation,
    HostFacts,
    Instant,
    Millis,
    Revision,
    Run,
    RunId,
    StopCause,
    Task,
    TaskName,
    run_of,
)
from torchsync.core.syncdoc import SyncAnswer, Verdict
from torchsync.ports import RunEnded, RunNeverStarted, RunStarted

RETRY_EVERY = 1_000
POOLS = {"narrow": 1, "wide": 3}


def later(batches: Sequence[Batch], number: int) -> Sequence[Batch]:
    """Those above that number."""
    place = len(batches)
    while place and batches[place - 1].number > number:
        place -= 1
    return batches[place:]


@dataclass(frozen=True, slots=True)
class Sent:
    """A signal, and what was known when it was sent."""

    process: Process | None
    run: Run
    name: str
    at: int
    recorded: StopCause | None
    in_force: Generation | None


@dataclass(frozen=True, slots=True)
class Told:
    """What one turn decided. `is_prompt`: the loop had slept as long as it was told, and began where the last turn ended."""

    turn: Turn
    now: int
    mono: int
    since: int
    is_prompt: bool
    before: Generation | None
    after: Generation | None
    holds: Holds


class Host:
    """`dies_in` counts the points to the end of the agent: one before and one after everything that is made durable and each effect."""

    def __init__(self, start: int = int(NOON)) -> None:
        self.now, self.mono, self.boot = start, 1_000_000, "boot-1"
        self.behaviours: dict[str, tuple[Behaviour, ...]] = {}
        self.inbox: list[object] = []
        self.processes = Processes(lambda: (self.now, self.mono), self.inbox.append, self._behave)
        self.processes.boot = self.boot
        self.disk = Disk(self._point)
        self.spool = MemorySpool()
        self.annals = Annals()
        self.saved: Generation | None = None
        self.commits: dict[Revision, Mapping[TaskName, Task]] = {}
        self.holds = Holds()
        self.saved_holds = Holds()
        self.facts = facts()
        self.is_synchronised = True
        self.is_honest = True
        """The wall clock has shown the time since the beginning."""
        self.has_jumped = self.has_been_behind = False
        self._really = start
        self.dies_in: int | None = None
        self.told: list[Told] = []
        self.sent: list[Sent] = []
        self.stopped: set[RunId] = set()
        """Runs that an operator wanted to end."""
        self.drains: list[bool] = []
        """For each drain, whether it was to end the runs, too."""
        self.calm_since = self.mono
        """Since then the loop has slept as it was told, and the clocks have gone on together."""
        self.turns = 0
        self.crashes = 0
        self._unsaved = False
        self._next_retry = 0
        self._last_turn = start
        self._is_prompt = False
        self._runs = 0
        self._start_agent()

    # What a story does.

    def commit(self, edit: Mapping[str, Task | None], host: HostFacts | None = None) -> None:
        """The tasks named are these from now on, or gone; a host that cannot write stays with what it has."""
        old = self.saved
        tasks = dict(old.tasks) if old else {}
        for name, task in edit.items():
            tasks.pop(TaskName(name), None)
            if task is not None:
                tasks[task.name] = task
        revision = Revision(f"{len(self.commits) + 1:040x}")
        self.commits[revision] = tasks
        self._live(lambda: self._swap(revision, tasks, host or self.facts))

    def run_task(self, name: str) -> None:
        self._live(lambda: self.engine.run_task(TaskName(name), "alice", Instant(self.now)))

    def stop(self, target: str) -> None:
        self._live(lambda: self.stopped.update(self.engine.stop(target, Instant(self.now), Millis(self.mono))))

    def hold(self, change: Callable[[Holds], Holds]) -> None:
        def place() -> None:
            if not self.disk.is_unwritable:
                holds = change(self.holds)
                self.drains += [holds.drain.stops_runs] if holds.drain else []
                self._hold(holds)

        self._live(place)

    def fill_disk(self) -> None:
        self.disk.is_unwritable = True

    def free_disk(self) -> None:
        if not self.disk.is_unwritable:
            return
        self.disk.is_unwritable = False
        self._live(lambda: None)

    def pass_time(self, length: int) -> None:
        """The loop turns whenever it wanted to be woken, and when something happens."""
        end = self.mono + length
        while self.mono < end:
            self._live(lambda: None)
            if self.inbox:
                continue
            step = self._step()
            self._move(end - self.mono if step is None else min(step, end - self.mono))
            self._is_prompt = True
        self._live(lambda: None)

    def sleep(self, length: int) -> None:
        """The machine is suspended, or the loop hangs: nothing turns."""
        self._move(length)
        self._disturb()

    def step(self, by: int) -> None:
        """The wall clock is set."""
        self.now += by
        self._shift()
        self._disturb()
        self._live(lambda: None)

    def kill(self, down: int = 0) -> None:
        """The agent is killed, and started again after a while."""
        self.crashes += 1
        self.dies_in = None
        self.inbox.clear()
        self.processes.let_go()
        self._move(down)
        self.processes.advance()
        self._start_agent()
        self._live(lambda: None)

    def reboot(self, down: int, *, keeps: bool, now: int | None = None) -> None:
        """The power fails. What is in memory is gone, the spool with it; exit lines may be."""
        self.dies_in = None
        self.boot += "+"
        self._move(down)
        self.processes.power_off(self.boot, keeps=keeps)
        self.inbox.clear()
        self.spool.batches.clear()
        if now is not None and now != self.now:
            self.now = now
            self._shift()
        self.mono = 10_000
        self.crashes += 1
        self._start_agent()
        self._live(lambda: None)

    def kill_run(self, process: Process) -> None:
        self.processes.kill_from_outside(process.run.attempt_id)
        self._live(lambda: None)

    # What promises ask.

    @property
    def is_settled(self) -> bool:
        return self.engine.is_settled(Instant(self.now)) and not self.inbox

    @property
    def next_wake(self) -> Millis | None:
        return self.engine.next_wake(Instant(self.now), Millis(self.mono))

    # The loop.

    def _start_agent(self) -> None:
        """The agent is up, and knows what is durable; see `agent/recovery.py`."""
        self.engine = Engine(boot_id=self.boot, policy=POLICY, new_run_id=self._run_id)
        self.recorder = Recorder(self.disk, self.spool, self._log)
        self.engine.holds = self.holds = self.saved_holds
        view = self.recorder.take_over()
        self._read_annals()
        self._unsaved = False
        self._disturb()
        self.engine.restore(self.saved, view, Instant(self.now), Millis(self.mono))
        self._unless_killed(lambda: self._perform(self.engine.flush()))

    def _live(self, event: Callable[[], object]) -> None:
        self._unless_killed(lambda: self._turn(event))

    def _unless_killed(self, act: Callable[[], object]) -> None:
        try:
            act()
        except Killed:
            self.kill()

    def _turn(self, event: Callable[[], object]) -> None:
        """One turn of `agent/loop.py`."""
        self.turns += 1
        before = self.saved
        self.processes.advance()
        self._see_clock()
        seen = list(self.inbox)
        self.inbox.clear()
        for one in seen:
            self._take(one)
        event()
        self.engine.tick(Instant(self.now), Millis(self.mono))
        self._expire()
        self._perform(self.engine.flush(), before)
        self._retry()
        self._last_turn, self._is_prompt = self.now, False

    def _see_clock(self) -> None:
        before = self.engine.generation
        self.engine.see_clock(Instant(self.now), Millis(self.mono), is_synchronised=self.is_synchronised)
        self._unsaved = self._unsaved or self.engine.generation is not before
        self._save_again()

    def _save_again(self) -> None:
        if self._unsaved and not self.disk.is_unwritable and self.engine.generation is not None:
            self._save(self.engine.generation)
            self._unsaved = False

    def _take(self, event: object) -> None:
        now, mono = Instant(self.now), Millis(self.mono)
        match event:
            case RunStarted(attempt=run, started_at=started_at):
                self.engine.saw_start(run, started_at, now, mono)
            case RunEnded(attempt=run, ending=ending, leftovers=leftovers):
                self.engine.saw_end(run, ending, now, mono, leftovers=leftovers)
            case RunNeverStarted(attempt=run):
                self.engine.saw_no_start(run, now, mono)

    def _swap(self, revision: Revision, tasks: Mapping[TaskName, Task], host: HostFacts) -> None:
        if self.disk.is_unwritable:
            return
        self.facts = host
        chosen = tuple(tasks.values())
        answer = SyncAnswer(verdict=Verdict.ACCEPTED, revision=revision, tree=str(revision), tasks=chosen, pools=POOLS)
        following, found = succeed(self.engine.generation, answer, tasks, observed=host, origin="o", now=Instant(self.now))
        self._save(following)
        self.engine.apply(following, found, Instant(self.now), Millis(self.mono))

    def _save(self, generation: Generation) -> None:
        self._point("before the generation is durable")
        self.saved = generation
        self._point("after the generation is durable")

    def _expire(self) -> None:
        now = Instant(self.now)
        if not self.engine.is_settled(now):
            return
        after = expired(self.holds, now)
        if after is not self.holds:
            self._hold(after)

    def _hold(self, holds: Holds) -> None:
        now, mono = Instant(self.now), Millis(self.mono)
        self.engine.catch_up(now, mono)
        self._perform(self.engine.flush())
        self._point("before the holds are durable")
        self.holds = holds
        self._save_holds()
        self._point("after the holds are durable")
        self.engine.hold(holds, now, mono)

    def _perform(self, turn: Turn, before: Generation | None = None) -> None:
        self.recorder.write(turn.operations)
        self._read_annals()
        self.told.append(Told(turn, self.now, self.mono, self._last_turn, self._is_prompt, before, self.saved, self.holds))
        for effect in turn.effects:
            self._point("before an effect")
            self._do(effect)
            self._point("after an effect")

    def _do(self, effect: object) -> None:
        match effect:
            case Start(run=run):
                self.annals.check_start(run)
                self.processes.start(run)
            case Signal(attempt=attempt, name=name):
                run = self.annals.runs[run_of(attempt)]
                self.sent.append(Sent(self.processes.all.get(attempt), run, name, self.mono, self.annals.causes.get(attempt), self.saved))
                self.processes.signal(attempt, name)
            case Adopt(runs=runs):
                self.processes.adopt(runs)
            case Release(attempt=attempt):
                self.processes.forget(attempt)

    def _save_holds(self) -> None:
        if not self.disk.is_unwritable:
            self.saved_holds = self.holds

    def _retry(self) -> None:
        self._save_holds()
        if self.recorder.is_degraded and self.mono >= self._next_retry:
            self._next_retry = self.mono + RETRY_EVERY
            self.recorder.retry()
            self._read_annals()

    def _read_annals(self) -> None:
        """The annals hold what is on the disk, in the spool and in the memory of the agent, in order."""
        newest = self.spool.batches[-1].number if self.spool.batches else 0
        if max(newest, self.disk.turn()) < self.annals.number:  # the power failed before it was on the disk
            self.annals = Annals()
        for batch in (*later(self.disk.batches, self.annals.number), *later(self.spool.batches, max(self.annals.number, self.disk.turn()))):
            self.annals.add(batch)

    def _step(self) -> int | None:
        waits = [self.next_wake, *(at - self.mono for at in (self.processes.next_event(),) if at is not None)]
        if (end := self.holds.next_end()) is not None and end > self.now:
            waits.append(end - self.now)
        if self.recorder.is_degraded and not self.disk.is_unwritable:  # in vain otherwise
            waits.append(RETRY_EVERY)
        step = min((wait for wait in waits if wait is not None), default=None)
        return None if step is None else max(1, step)

    def _disturb(self) -> None:
        self._is_prompt, self.calm_since = False, self.mono

    def _point(self, _: str) -> None:
        if self.dies_in is None:
            return
        self.dies_in -= 1
        if self.dies_in < 0:
            raise Killed

    def _move(self, length: int) -> None:
        self.now += length
        self.mono += length
        self._really += length

    def _shift(self) -> None:
        self.is_honest = False
        self.has_jumped = self.has_jumped or self.now - self._really > JUMP
        self.has_been_behind = self.has_been_behind or self.now < self._really

    def _behave(self, run: Run) -> Behaviour:
        plans = self.behaviours.get(run.task.fingerprint, (Behaviour(length=None if run.task.is_daemon else 100),))
        return plans[int(run.id[-8:], 16) % len(plans)]

    def _run_id(self, now: Instant) -> RunId:
        self._runs += 1
        return RunId(f"{now:012x}-{self._runs:08x}")

    def _log(self, event: LogEvent, message: str, /, **_: object) -> None:
        assert event is not LogEvent.INTERNAL_ERROR, message
        assert event is not LogEvent.STATE_SET_ASIDE, message
