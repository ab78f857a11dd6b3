"""What was written down, kept in a second way: every batch in order, and what follows from them."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from torchsync.core.attempts import changed
from torchsync.core.chronicle import RememberedGeneration
from torchsync.core.clockwatch import ClockState
from torchsync.core.entries import (
    Admit,
    Annul,
    AwaitAttempt,
    Batch,
    BeginAttempt,
    Dequeue,
    DropRecord,
    Enqueue,
    Finish,
    Intend,
    LedgerOp,
    PutHold,
    QueuedFire,
    Settle,
    Skip,
    Tagged,
    Withdraw,
)
from torchsync.core.ledgerview import LedgerView, after
from torchsync.core.model import AttemptId, Instant, Outcome, Run, RunId, SkipReason, StopCause, TaskName
from torchsync.core.notice import Notice
from torchsync.core.taskrecord import TaskRecord
from torchsync.errors import StateUnwritable

FAILURES = {Outcome.FAILED, Outcome.TIMED_OUT, Outcome.START_FAILED, Outcome.LOST}


class Broken(AssertionError):
    """A promise does not hold."""


@dataclass(slots=True, eq=False)
class Entry:
    """What covers the instants of a task from `first` to `last`, `count` of them. An entry that grew is several of these."""

    task: TaskName
    first: int
    last: int
    count: int
    jump: int
    run: RunId | None = None
    reason: SkipReason | None = None
    is_made_up: bool = False
    """It waits to make up for a missed instant."""


@dataclass(slots=True)
class Tally:
    """What the record of a task must say, by the batches."""

    runs: Counter[Outcome] = field(default_factory=Counter)
    skipped: Counter[SkipReason] = field(default_factory=Counter)
    failures: int = 0
    status: int = 0


class Annals:
    """The batches, one by one. An instant that is covered twice breaks a promise at once."""

    def __init__(self) -> None:
        self.number = 0
        self.view = LedgerView({}, {})
        self.runs: dict[RunId, Run] = {}
        self.entries: dict[TaskName, list[Entry]] = {}
        self.annulled: set[RunId] = set()
        self.causes: dict[AttemptId, StopCause] = {}
        self.uncovered: dict[TaskName, int] = {}
        """The earliest instant of a task that has lost its entry since somebody looked."""
        self.tallies: dict[TaskName, Tally] = {}
        self.queued: set[tuple[TaskName, Instant]] = set()
        """What has ever waited."""

    def add(self, batch: Batch) -> None:
        self.number = batch.number
        self.view = after(self.view, batch)
        for operation in batch.operations:
            self._apply(operation)

    def check_start(self, run: Run) -> None:
        """Promise 3: a run is written down before it starts, or a crash between the two would start it again."""
        if run.id not in self.view.open_runs:
            raise Broken(f"{run.task.name} was started before it was written down")

    def newest_of(self, task: TaskName) -> int:
        """The newest instant of the task that is covered; 0 for none."""
        entries = self.entries.get(task)
        return entries[-1].last if entries else 0

    def covering(self, task: TaskName, later_than: int) -> list[Entry]:
        """The entries that reach beyond that instant, oldest first."""
        entries = self.entries.get(task, [])
        place = bisect_right(entries, later_than, key=lambda entry: entry.first)
        return entries[place - 1 if place and entries[place - 1].last > later_than else place :]

    def _apply(self, operation: LedgerOp) -> None:  # noqa: C901, PLR0912 one case an operation
        match operation:
            case Admit(run=run, jump=jump):
                self.runs[run.id] = run
                if run.instant is not None:
                    self._cover(Entry(run.task.name, run.instant, run.instant, 1, jump, run=run.id))
            case Skip(task=task, reason=reason, count=count):
                self._cover(Entry(task, operation.first, operation.last, count, operation.jump, reason=reason))
                self._tally(task).skipped[reason] += count
            case Enqueue(fire=fire):
                self.queued.add((fire.task, fire.instant))
                self._cover(Entry(fire.task, fire.instant, fire.instant, 1, fire.jump, is_made_up=fire.is_made_up))
            case Dequeue(task=task, instant=instant):
                self._uncover(self.covering(task, instant - 1)[:1])
            case AwaitAttempt(run=run_id) | BeginAttempt(run=run_id):
                self.runs[run_id] = changed(self.runs[run_id], operation)
            case Intend(run=run_id, cause=cause):
                self.runs[run_id] = replace(self.runs[run_id], stop_cause=cause)
                self.causes[self.runs[run_id].attempt_id] = cause
            case Finish():
                self._finish(operation)
            case Withdraw(run=run_id):
                run = self.runs.pop(run_id)
                self._uncover([entry for entry in self.covering(run.task.name, (run.instant or 0) - 1)[:1] if entry.run == run_id])
            case Annul():
                self._annul(operation)
            case Settle(task=task, jump=jump, heir=heir):
                for entry in self._caused(task, jump):
                    entry.jump = heir
            case DropRecord(task=task):
                self.tallies.pop(task, None)
            case _:
                pass

    def _finish(self, operation: Finish) -> None:
        run = self.runs[operation.run]
        if run.outcome is not None:
            raise Broken(f"run {run.id} of {run.task.name} ended twice: {run.outcome.value}, {operation.outcome.value}")
        self.runs[run.id] = replace(
            run,
            outcome=operation.outcome,
            started_at=operation.started_at,
            finished_at=operation.finished_at,
            exit_status=operation.exit_status,
        )
        tally = self._tally(run.task.name)
        tally.runs[operation.outcome] += 1
        tally.status = tally.status if operation.exit_status is None else operation.exit_status
        if operation.outcome in FAILURES:
            tally.failures += 1
        elif operation.outcome is Outcome.SUCCEEDED:
            tally.failures = 0

    def _annul(self, operation: Annul) -> None:
        caused = self._caused(operation.task, operation.jump)
        gone = [entry for entry in caused if entry.last > operation.now or entry.reason is SkipReason.MISSED or entry.is_made_up]
        self._uncover(gone)
        self.annulled |= {entry.run for entry in gone if entry.run}
        for entry in caused:
            entry.jump = operation.heir

    def _caused(self, task: TaskName, jump: int) -> list[Entry]:
        return [entry for entry in self.entries.get(task, []) if entry.jump == jump]

    def _cover(self, entry: Entry) -> None:
        entries = self.entries.setdefault(entry.task, [])
        place = bisect_right(entries, entry.first, key=lambda one: one.first)
        neighbours = entries[max(0, place - 1) : place + 1]
        if any(one.first <= entry.last and entry.first <= one.last for one in neighbours):
            raise Broken(f"{entry.task}: {entry.first} to {entry.last} has an entry already")
        insort(entries, entry, key=lambda one: one.first)

    def _uncover(self, gone: Iterable[Entry]) -> None:
        for entry in gone:
            self.entries[entry.task].remove(entry)
            self.uncovered[entry.task] = min(entry.first, self.uncovered.get(entry.task, entry.first))

    def _tally(self, task: TaskName) -> Tally:
        return self.tallies.setdefault(task, Tally())


class Disk:
    """The ledger of the host, as the recorder knows it; fits `ports.Ledger`. `on_write` is called before and after each transaction."""

    def __init__(self, on_write: Callable[[str], None]) -> None:
        self.is_unwritable = False
        self.batches: list[Batch] = []
        self.view = LedgerView({}, {})
        self.holds: set[int] = set()
        self._on_write = on_write

    def turn(self) -> int:
        return self.batches[-1].number if self.batches else 0

    def fold(self, batches: Sequence[Batch]) -> None:
        newest = self.turn()
        pending = [batch for batch in batches if batch.number > newest]
        if not pending:
            return
        if self.is_unwritable:
            raise StateUnwritable("TS333", "the ledger cannot be written: the disk is full")
        self._on_write("before the transaction")
        for batch in pending:
            self.view = after(self.view, batch)
            self.holds |= {operation.change.number for operation in batch.operations if isinstance(operation, PutHold)}
        self.batches += pending
        self._on_write("after the transaction")

    def open_runs(self) -> Sequence[Run]:
        return self.view.runs

    def records(self) -> Mapping[TaskName, TaskRecord]:
        return self.view.records

    def clock(self) -> ClockState | None:
        return self.view.clock

    def tagged(self) -> Sequence[Tagged]:
        return list(self.view.tagged.values())

    def queue(self) -> Sequence[QueuedFire]:
        return list(self.view.queue.values())

    def notices_waiting(self) -> Sequence[Notice]:
        return list(self.view.notices.values())

    def late(self) -> Mapping[TaskName, Instant]:
        return self.view.late

    def in_force(self) -> RememberedGeneration | None:
        return self.view.in_force
