"""A world for the engine: a clock that is moved by hand, processes that live for a while, a ledger that refuses to cover an instant twice,
and crashes of the agent that leave the processes and the ledger as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from tests.builders import NOON, generation
from tests.fakes_state import MemoryLedger
from torchsync.core.attempts import changed
from torchsync.core.clockwatch import Sighting
from torchsync.core.diff import diff
from torchsync.core.effects import Adopt, Signal, Start, Turn
from torchsync.core.engine import Engine
from torchsync.core.entries import (
    Admit,
    Annul,
    AwaitAttempt,
    Batch,
    BeginAttempt,
    Dequeue,
    Enqueue,
    Finish,
    Intend,
    LedgerOp,
    PutHold,
    QueuedFire,
    QueueOp,
    RunOp,
    Skip,
    Withdraw,
)
from torchsync.core.holds import HoldChange, Holds, expired
from torchsync.core.ledgerview import LedgerView, after
from torchsync.core.model import (
    AttemptId,
    Ending,
    Exited,
    Generation,
    Instant,
    Millis,
    Outcome,
    Run,
    RunId,
    SkipReason,
    Task,
    TaskName,
    Vanished,
)
from torchsync.core.policy import HostPolicy
from torchsync.core.taskrecord import TaskRecord

POLICY = HostPolicy(users={}, default_user="runner", allow_root=False, max_tasks=2000, agent_user="root", is_root=True)
BOOT = "boot-1"


@dataclass
class Process:
    """What a started run does: it lives for `length`, unless a signal that it obeys comes first."""

    run: Run
    started_at: int
    length: int | None
    status: int = 0
    obeys: tuple[str, ...] = ("TERM", "KILL", "INT")
    ended_at: int | None = None
    killed_by: list[str] = field(default_factory=list)


class Killed(Exception):
    """The agent was killed at the point that `World.dies_at` names."""


@dataclass
class Row:
    """What covers instants. Spans that grow stay in parts here."""

    task: TaskName
    first: int
    last: int
    how: str
    jump: int
    run: RunId | None = None
    skip: Skip | None = None
    made_up: bool = False


class Book:
    """What is durable. Every instant may be covered once, unless what covers it is annulled."""

    def __init__(self) -> None:
        self.view = LedgerView({}, {})
        self.runs: dict[RunId, Run] = {}
        self.rows: list[Row] = []
        self.annulled: list[Row] = []
        self.changes: dict[int, HoldChange] = {}
        self.covered: dict[TaskName, dict[int, str]] = {}
        self.transactions = 0
        self.ledger: MemoryLedger | None = None
        """A ledger that does what the real one does, spans that grow included; slow for long histories."""

    @property
    def open(self) -> Mapping[RunId, Run]:
        return self.view.open_runs

    @property
    def records(self) -> Mapping[TaskName, TaskRecord]:
        return self.view.records

    @property
    def spans(self) -> list[Skip]:
        return [row.skip for row in self.rows if row.skip]

    def commit(self, operations: tuple[LedgerOp, ...]) -> None:
        self.transactions += bool(operations)
        if self.ledger is not None:
            self.ledger.commit(operations)
        for operation in operations:
            self._apply(operation)
        self.view = after(self.view, Batch(number=self.transactions, operations=operations))

    def _apply(self, operation: LedgerOp) -> None:
        match operation:
            case Intend() | Finish() | AwaitAttempt() | BeginAttempt() | Withdraw():
                self._change_run(operation)
            case PutHold(change=change):
                self.changes.setdefault(change.number, change)
            case Admit(run=run, jump=jump):
                self.runs[run.id] = run
                if run.instant is not None:
                    self._cover(Row(run.task.name, run.instant, run.instant, "run", jump, run=run.id))
            case Enqueue() | Dequeue():
                self._apply_queue(operation)
            case Skip():
                how = operation.reason.value
                self._cover(Row(operation.task, operation.first, operation.last, how, operation.jump, skip=operation))
            case Annul():
                self._annul(operation)
            case _:
                pass

    def _change_run(self, operation: RunOp) -> None:
        match operation:
            case AwaitAttempt(run=run_id) | BeginAttempt(run=run_id):
                self.runs[run_id] = changed(self.runs[run_id], operation)
            case Intend(run=run_id, cause=cause):
                self.runs[run_id] = replace(self.runs[run_id], stop_cause=cause)
            case Finish():
                self.runs[operation.run] = replace(
                    self.runs[operation.run],
                    outcome=operation.outcome,
                    started_at=operation.started_at,
                    finished_at=operation.finished_at,
                    exit_status=operation.exit_status,
                    detail=operation.detail,
                    wait=None,
                )
            case Withdraw(run=run_id):
                del self.runs[run_id]
                self._uncover([row for row in self.rows if row.run == run_id])

    def _annul(self, annul: Annul) -> None:
        caused = [row for row in self.rows if (row.task, row.jump) == (annul.task, annul.jump)]
        gone = [row for row in caused if row.last > annul.now or row.how == "missed" or row.made_up]
        self._uncover(gone)
        self.annulled += gone
        for row in caused:
            row.jump = annul.heir or row.jump

    def _apply_queue(self, operation: QueueOp) -> None:
        match operation:
            case Enqueue(fire=fire):
                self._cover(Row(fire.task, fire.instant, fire.instant, "queued", fire.jump, made_up=fire.is_made_up))
            case Dequeue(task=task, instant=instant):
                gone = [row for row in self.rows if (row.task, row.first, row.how) == (task, instant, "queued")]
                assert len(gone) == 1, f"no fire of {task} waits at {instant}"
                self._uncover(gone)

    def _uncover(self, rows: list[Row]) -> None:
        for row in rows:
            self.rows.remove(row)
            for instant in {row.first, row.last}:
                del self.covered[row.task][instant]

    def _cover(self, row: Row) -> None:
        instants = self.covered.setdefault(row.task, {})
        for instant in {row.first, row.last}:
            assert instant not in instants, f"{row.task} at {instant} is {instants[instant]} already, and now {row.how}"
            instants[instant] = row.how
        self.rows.append(row)

    def outcomes(self, task: str) -> list[Outcome | None]:
        over = [run for run in self.runs.values() if run.outcome is not None]
        return [run.outcome for run in sorted(over, key=lambda run: run.id) if run.task.name == task]

    def skips(self, task: str) -> list[tuple[SkipReason, int]]:
        return [(span.reason, span.count) for span in self.spans if span.task == task]


class World:
    """One host. `behaviour` says how long a run of a task lives (None: until signalled) and its exit status."""

    def __init__(self, behaviour: Callable[[Run], tuple[int | None, int]] = lambda _: (100, 0)) -> None:
        self.now, self.mono = int(NOON), 1_000_000
        self.behaviour = behaviour
        self.book = Book()
        self.processes: dict[AttemptId, Process] = {}
        self.pending: list[Callable[[], None]] = []
        self.turns: list[Turn] = []
        self.saved: Generation | None = None
        self.holds = Holds()
        self.boot = BOOT
        self.is_synchronised = True
        self.dies_at = ""
        self.sightings: list[Sighting] = []
        self._numbers = 0
        self.engine = self._new_engine()

    def _new_engine(self) -> Engine:
        return Engine(boot_id=self.boot, policy=POLICY, new_run_id=self._run_id)

    def _run_id(self, now: Instant) -> RunId:
        self._numbers += 1
        return RunId(f"{now:012x}-{self._numbers:08x}")

    # What a test does.

    def swap(self, *tasks: Task) -> None:
        """These are the tasks from now on."""
        self._see_clock()
        old = self.saved
        new = {task.name: task for task in tasks}
        found = diff(old.tasks if old else {}, new)
        from torchsync.core.generation import succeed
        from torchsync.core.syncdoc import SyncAnswer, Verdict

        answer = SyncAnswer(verdict=Verdict.ACCEPTED, revision=generation().revision, tree=generation().tree, tasks=tasks)
        self.saved, found = succeed(old, answer, new, observed=generation().facts, origin="o", now=Instant(self.now))
        self.engine.apply(self.saved, found, Instant(self.now), Millis(self.mono))
        self.turn()

    def hold(self, change: Callable[[Holds], Holds]) -> None:
        """Operators hold this from now on; it is durable before the engine knows."""
        self._see_clock()
        self._hold(change(self.holds))
        self.turn()

    def turn(self) -> None:
        """One turn of the loop, with everything that the processes did until now."""
        self._see_clock()
        for event in self.pending:
            event()
        self.pending.clear()
        self._reap()
        self.engine.tick(Instant(self.now), Millis(self.mono))
        self._expire()
        self._perform(self.engine.flush())

    def pass_time(self, length: int) -> None:
        """`length` milliseconds go by, with a turn whenever something happens."""
        end = self.mono + length
        while True:
            self.turn()
            if self.pending:
                continue
            step = self._next_step(end - self.mono)
            if step is None:
                break
            self.now += step
            self.mono += step
        self._move(end - self.mono)
        self.turn()

    def sleep(self, length: int) -> None:
        """`length` milliseconds go by without a single turn: the agent is stopped, suspended or dead."""
        self._move(length)

    def crash(self) -> None:
        """The agent is killed and started again: all it knows is what is durable."""
        self.pending.clear()
        self.engine = self._new_engine()
        self.engine.holds = self.holds
        self.engine.restore(self.saved, self.book.view, Instant(self.now), Millis(self.mono))
        self._perform(self.engine.flush())
        self.turn()

    def step(self, by: int) -> None:
        """The wall clock alone is moved."""
        self.now += by

    def reboot(self, now: int) -> None:
        """The host goes down, with everything that runs on it, and comes up again with its clock at `now`."""
        self.boot += "+"
        self.now, self.mono = now, 10_000
        for process in self._living():
            process.ended_at, process.length = self.mono, None
        self.crash()

    def alive(self, task: str) -> list[Process]:
        return [process for process in self.processes.values() if process.run.task.name == task and process.ended_at is None]

    def waiting(self) -> set[QueuedFire]:
        """What the engine knows to wait. Since when is told to the ledger alone."""
        queue = self.engine._queue
        return {replace(fire, since=Instant(0)) for name in queue.tasks() for fire in queue.of(name)}

    def status(self, task: str):
        return self.engine.statuses[TaskName(task)]

    # What the world does.

    def _see_clock(self) -> None:
        self.sightings.append(self.engine.see_clock(Instant(self.now), Millis(self.mono), is_synchronised=self.is_synchronised))
        if self.engine.generation is not None and self.engine.generation is not self.saved:
            self._die("before the generation is durable")
            self.saved = self.engine.generation
            self._die("after the generation is durable")

    def _expire(self) -> None:
        now = Instant(self.now)
        if self.engine.is_settled(now) and (after := expired(self.holds, now)) is not self.holds:
            self._hold(after)

    def _hold(self, holds: Holds) -> None:
        now, mono = Instant(self.now), Millis(self.mono)
        self.engine.catch_up(now, mono)
        self._perform(self.engine.flush())
        self.holds = holds
        self._die("after the holds are durable")
        self.engine.hold(holds, now, mono)

    def _die(self, point: str) -> None:
        if self.dies_at == point:
            self.dies_at = ""
            raise Killed(point)

    def _move(self, length: int) -> None:
        self.now += length
        self.mono += length

    def _next_step(self, left: int) -> int | None:
        steps = [max(1, process.started_at + process.length - self.mono) for process in self._living() if process.length is not None]
        wake = self.engine.next_wake(Instant(self.now), Millis(self.mono))
        if wake is not None:
            steps.append(wake)
        if (end := self.holds.next_end()) is not None:
            steps.append(max(1, end - self.now))
        step = min(steps, default=None)
        return step if step is not None and step <= left else None

    def _living(self) -> list[Process]:
        return [process for process in self.processes.values() if process.ended_at is None]

    def _reap(self) -> None:
        for process in self._living():
            if process.length is not None and process.started_at + process.length <= self.mono:
                self._end(process, process.started_at + process.length, process.status)

    def _end(self, process: Process, at: int, status: int) -> None:
        process.ended_at = at
        process.status = status
        self._report(process)

    def _report(self, process: Process) -> None:
        attempt, ending = process.run.attempt_id, self._ending(process)
        self.engine.saw_end(attempt, ending, Instant(self.now), Millis(self.mono), leftovers=False)

    def _ending(self, process: Process) -> Ending:
        assert process.ended_at is not None
        if process.run.boot_id != self.boot:
            return Vanished(why="the host went down")
        wall = self.now - self.mono
        return Exited(
            status=process.status, started_at=Instant(wall + process.started_at), duration=Millis(process.ended_at - process.started_at)
        )

    def _perform(self, turn: Turn) -> None:
        self.turns.append(turn)
        self._die("before the transaction")
        self.book.commit(turn.operations)
        self._die("after the transaction")
        for effect in turn.effects:
            match effect:
                case Start(run=run):
                    self._die("before a start")
                    self._start(run)
                    self._die("after a start")
                case Signal(attempt=attempt, name=name):
                    self._signal(attempt, name)
                case Adopt(runs=runs):
                    for run in runs:
                        self._adopt(run)

    def _start(self, run: Run) -> None:
        assert run.id in self.book.open, "started before its row was durable"
        assert run.attempt_id not in self.processes, "started twice"
        assert not [one for one in self._living() if one.run.id == run.id], "two attempts of one run at once"
        length, status = self.behaviour(run)
        self.processes[run.attempt_id] = Process(run, self.mono, length, status)
        self._post_start(self.processes[run.attempt_id])

    def _post_start(self, process: Process) -> None:
        started = Instant(self.now - self.mono + process.started_at)
        self.pending.append(lambda: self.engine.saw_start(process.run.attempt_id, started, Instant(self.now), Millis(self.mono)))

    def _signal(self, attempt: AttemptId, name: str) -> None:
        process = self.processes.get(attempt)
        if process is None or process.ended_at is not None:
            return
        process.killed_by.append(name)
        if name in process.obeys:
            process.ended_at = self.mono
            process.status = 128 + {"TERM": 15, "KILL": 9, "INT": 2}[name]
            self.pending.append(lambda: self._report(process))

    def _adopt(self, run: Run) -> None:
        process = self.processes.get(run.attempt_id)
        if process is None and run.boot_id == self.boot:
            self.pending.append(lambda: self.engine.saw_no_start(run.attempt_id, Instant(self.now), Millis(self.mono)))
        elif process is None:
            lost = Vanished(why="the host went down")
            self.pending.append(lambda: self.engine.saw_end(run.attempt_id, lost, Instant(self.now), Millis(self.mono), leftovers=False))
        elif process.ended_at is None:
            self._post_start(process)
        else:
            self.pending.append(lambda: self._report(process))
