"""A world for the engine: a clock that is moved by hand, processes that live for a while, a ledger that refuses to cover an instant twice,
and crashes of the agent that leave the processes and the ledger as they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from tests.builders import NOON, generation
from torchsync.core.diff import diff
from torchsync.core.effects import Adopt, Signal, Start, Turn
from torchsync.core.engine import Engine
from torchsync.core.entries import Admit, DropRecord, Finish, Intend, LedgerOp, PutRecord, Skip, Withdraw
from torchsync.core.model import (
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
    TaskRecord,
    Vanished,
)
from torchsync.core.policy import HostPolicy

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


class Book:
    """What is durable. Every instant may be covered once."""

    def __init__(self) -> None:
        self.open: dict[RunId, Run] = {}
        self.runs: dict[RunId, Run] = {}
        self.covered: dict[TaskName, dict[int, str]] = {}
        self.spans: list[Skip] = []
        self.records: dict[TaskName, TaskRecord] = {}
        self.transactions = 0

    def commit(self, operations: tuple[LedgerOp, ...]) -> None:
        self.transactions += bool(operations)
        for operation in operations:
            self._apply(operation)

    def _apply(self, operation: LedgerOp) -> None:
        match operation:
            case Admit(run=run):
                self.open[run.id] = run
                if run.instant is not None:
                    self._cover(run.task.name, run.instant, "run")
            case Skip():
                self.spans.append(operation)
                self._cover(operation.task, operation.first, operation.reason.value)
                if operation.last != operation.first:
                    self._cover(operation.task, operation.last, operation.reason.value)
            case Intend(run=run_id, cause=cause):
                self.open[run_id] = replace(self.open[run_id], stop_cause=cause)
            case Finish():
                run = self.open.pop(operation.run)
                self.runs[run.id] = replace(
                    run,
                    outcome=operation.outcome,
                    started_at=operation.started_at,
                    finished_at=operation.finished_at,
                    exit_status=operation.exit_status,
                    detail=operation.detail,
                )
            case Withdraw(run=run_id):
                self._withdraw(self.open.pop(run_id))
            case PutRecord(record=record):
                self.records[record.task] = record
            case DropRecord(task=task):
                self.records.pop(task, None)

    def _withdraw(self, run: Run) -> None:
        if run.instant is not None:
            del self.covered[run.task.name][run.instant]

    def _cover(self, task: TaskName, instant: Instant, how: str) -> None:
        instants = self.covered.setdefault(task, {})
        assert instant not in instants, f"{task} at {instant} is {instants[instant]} already, and now {how}"
        instants[instant] = how

    def outcomes(self, task: str) -> list[Outcome | None]:
        return [run.outcome for run in sorted(self.runs.values(), key=lambda run: run.id) if run.task.name == task]

    def skips(self, task: str) -> list[tuple[SkipReason, int]]:
        return [(span.reason, span.count) for span in self.spans if span.task == task]


class World:
    """One host. `behaviour` says how long a run of a task lives (None: until signalled) and its exit status."""

    def __init__(self, behaviour: Callable[[Run], tuple[int | None, int]] = lambda _: (100, 0)) -> None:
        self.now, self.mono = int(NOON), 1_000_000
        self.behaviour = behaviour
        self.book = Book()
        self.processes: dict[RunId, Process] = {}
        self.pending: list[Callable[[], None]] = []
        self.turns: list[Turn] = []
        self.saved: Generation | None = None
        self._numbers = 0
        self.engine = self._new_engine()

    def _new_engine(self) -> Engine:
        return Engine(boot_id=BOOT, policy=POLICY, new_run_id=self._run_id)

    def _run_id(self, now: Instant) -> RunId:
        self._numbers += 1
        return RunId(f"{now:012x}-{self._numbers:08x}")

    # What a test does.

    def swap(self, *tasks: Task) -> None:
        """These are the tasks from now on."""
        old = self.saved
        new = {task.name: task for task in tasks}
        found = diff(old.tasks if old else {}, new)
        from torchsync.core.generation import succeed
        from torchsync.core.syncdoc import SyncAnswer, Verdict

        answer = SyncAnswer(verdict=Verdict.ACCEPTED, revision=generation().revision, tree=generation().tree, tasks=tasks)
        self.saved, found = succeed(old, answer, new, observed=generation().facts, origin="o", now=Instant(self.now))
        self.engine.apply(self.saved, found, Instant(self.now), Millis(self.mono))
        self.turn()

    def turn(self) -> None:
        """One turn of the loop, with everything that the processes did until now."""
        for event in self.pending:
            event()
        self.pending.clear()
        self._reap()
        self.engine.tick(Instant(self.now), Millis(self.mono))
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
        self.engine.restore(self.saved, list(self.book.open.values()), self.book.records, Instant(self.now), Millis(self.mono))
        self._perform(self.engine.flush())
        self.turn()

    def alive(self, task: str) -> list[Process]:
        return [process for process in self.processes.values() if process.run.task.name == task and process.ended_at is None]

    def status(self, task: str):
        return self.engine.statuses[TaskName(task)]

    # What the world does.

    def _move(self, length: int) -> None:
        self.now += length
        self.mono += length

    def _next_step(self, left: int) -> int | None:
        steps = [max(1, process.started_at + process.length - self.mono) for process in self._living() if process.length is not None]
        wake = self.engine.next_wake(Instant(self.now), Millis(self.mono))
        if wake is not None:
            steps.append(wake)
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
        run_id, ending = process.run.id, self._ending(process)
        self.engine.saw_end(run_id, ending, Instant(self.now), Millis(self.mono), leftovers=False)

    def _ending(self, process: Process) -> Ending:
        assert process.ended_at is not None
        if process.run.boot_id != BOOT:
            return Vanished(why="the host went down")
        wall = self.now - self.mono
        return Exited(
            status=process.status, started_at=Instant(wall + process.started_at), duration=Millis(process.ended_at - process.started_at)
        )

    def _perform(self, turn: Turn) -> None:
        self.turns.append(turn)
        self.book.commit(turn.operations)
        for effect in turn.effects:
            match effect:
                case Start(run=run):
                    self._start(run)
                case Signal(run=run_id, name=name):
                    self._signal(run_id, name)
                case Adopt(runs=runs):
                    for run in runs:
                        self._adopt(run)

    def _start(self, run: Run) -> None:
        assert run.id in self.book.open, "started before its row was durable"
        length, status = self.behaviour(run)
        self.processes[run.id] = Process(run, self.mono, length, status)
        self._post_start(self.processes[run.id])

    def _post_start(self, process: Process) -> None:
        started = Instant(self.now - self.mono + process.started_at)
        self.pending.append(lambda: self.engine.saw_start(process.run.id, started, Instant(self.now), Millis(self.mono)))

    def _signal(self, run_id: RunId, name: str) -> None:
        process = self.processes.get(run_id)
        if process is None or process.ended_at is not None:
            return
        process.killed_by.append(name)
        if name in process.obeys:
            process.ended_at = self.mono
            process.status = 128 + {"TERM": 15, "KILL": 9, "INT": 2}[name]
            self.pending.append(lambda: self._report(process))

    def _adopt(self, run: Run) -> None:
        process = self.processes.get(run.id)
        if process is None:
            self.pending.append(lambda: self.engine.saw_no_start(run.id, Instant(self.now), Millis(self.mono)))
        elif process.ended_at is None:
            self._post_start(process)
        else:
            self.pending.append(lambda: self._report(process))
