"""The ledger and the store in memory: what the engine and the loop are tested with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import assert_never

from torchsync.core.attempts import changed
from torchsync.core.chronicle import PutGeneration, PutStart, RememberedGeneration
from torchsync.core.clockwatch import ClockState
from torchsync.core.entries import (
    Admit,
    Annul,
    AttemptOp,
    AwaitAttempt,
    Batch,
    BeginAttempt,
    ClockOp,
    Dequeue,
    DropLate,
    DropNotice,
    DropRecord,
    Enqueue,
    Finish,
    HistoryQuery,
    HistoryRow,
    Intend,
    LedgerOp,
    NoticeOp,
    PutClock,
    PutHold,
    PutLate,
    PutNotice,
    PutRecord,
    QueuedFire,
    QueueOp,
    Rewind,
    RunOp,
    Settle,
    Skip,
    Tagged,
    TurnBack,
    Withdraw,
    earlier,
    earlier_of,
    is_annulled,
)
from torchsync.core.holds import HoldAct, HoldChange
from torchsync.core.model import Instant, Outcome, Run, RunId, RunState, SkipReason, TaskName
from torchsync.core.notice import Notice, NoticeId
from torchsync.core.taskrecord import TaskRecord
from torchsync.errors import Problem, StateUnwritable

FAILED = {Outcome.FAILED, Outcome.TIMED_OUT, Outcome.START_FAILED, Outcome.LOST}


@dataclass
class _Tables:
    runs: dict[RunId, Run] = field(default_factory=dict)
    skips: list[Skip] = field(default_factory=list)
    records: dict[TaskName, TaskRecord] = field(default_factory=dict)
    jumps: dict[RunId, int] = field(default_factory=dict)
    """Of the runs that cover their instant."""
    annulled: list[Skip] = field(default_factory=list)
    clock: ClockState | None = None
    holds: dict[int, HoldChange] = field(default_factory=dict)
    notices: dict[NoticeId, Notice] = field(default_factory=dict)
    late: dict[TaskName, Instant] = field(default_factory=dict)
    queue: dict[tuple[TaskName, Instant], QueuedFire] = field(default_factory=dict)
    annulled_fires: list[QueuedFire] = field(default_factory=list)
    generations: list[RememberedGeneration] = field(default_factory=list)

    def copy(self) -> _Tables:
        annulled, holds = list(self.annulled), dict(self.holds)
        kept = _Tables(dict(self.runs), list(self.skips), dict(self.records), dict(self.jumps), annulled, self.clock, holds)
        kept.notices, kept.late, kept.generations = dict(self.notices), dict(self.late), list(self.generations)
        kept.queue, kept.annulled_fires = dict(self.queue), list(self.annulled_fires)
        return kept


class MemoryLedger:
    """Fits `ports.Ledger`. While `is_unwritable`, every commit raises StateUnwritable; `commits` holds those that went well.

    While `loses_answers` a commit raises it too, and has happened all the same: only its fsync failed.
    """

    def __init__(self) -> None:
        self.is_unwritable = False
        self.loses_answers = False
        self._turn = 0
        self.commits: list[tuple[LedgerOp, ...]] = []
        self._tables = _Tables()

    def turn(self) -> int:
        return self._turn

    def commit(self, operations: Sequence[LedgerOp]) -> None:
        self.fold([Batch(number=self._turn + 1, operations=tuple(operations))] if operations else [])

    def fold(self, batches: Sequence[Batch]) -> None:
        pending = [batch for batch in batches if batch.number > self._turn]
        if not pending:
            return
        if self.is_unwritable:
            raise StateUnwritable("TS333", "the ledger cannot be written: the disk is full")
        tables = self._tables.copy()
        for batch in pending:
            for operation in batch.operations:
                _apply(tables, operation)
        self._tables, self._turn = tables, pending[-1].number
        self.commits.append(tuple(operation for batch in pending for operation in batch.operations))
        if self.loses_answers:
            raise StateUnwritable("TS333", "the ledger cannot be written: the disk failed, and nobody knows how far it got")

    def open_runs(self) -> Sequence[Run]:
        runs = [run for run in self._tables.runs.values() if run.outcome is None]
        return sorted(runs, key=lambda run: (run.admitted_at, run.id))

    def records(self) -> Mapping[TaskName, TaskRecord]:
        return dict(self._tables.records)

    def run(self, run: RunId) -> Run | None:
        return self._tables.runs.get(run)

    def clock(self) -> ClockState | None:
        return self._tables.clock

    def holds(self) -> Sequence[HoldChange]:
        return sorted(self._tables.holds.values(), key=lambda change: change.number)

    def in_force(self) -> RememberedGeneration | None:
        return self._tables.generations[-1] if self._tables.generations else None

    def notices_waiting(self) -> Sequence[Notice]:
        return list(self._tables.notices.values())

    def late(self) -> Mapping[TaskName, Instant]:
        return dict(self._tables.late)

    def tagged(self) -> Sequence[Tagged]:
        runs = [self._tables.runs[run] for run, jump in self._tables.jumps.items() if jump]
        found = [Tagged(run.task.name, run.instant, run.instant, self._tables.jumps[run.id], run=run.id) for run in runs if run.instant]
        return found + [Tagged(skip.task, skip.first, skip.last, skip.jump, skip.reason) for skip in self._tables.skips if skip.jump]

    def queue(self) -> Sequence[QueuedFire]:
        return list(self._tables.queue.values())

    def history(self, query: HistoryQuery) -> Sequence[HistoryRow]:
        covering = self._tables.jumps
        rows = [
            replace(_run_row(run), annulled=run.instant is not None and run.id not in covering)
            for run in self._tables.runs.values()
            if not query.failed or run.outcome in FAILED
        ]
        if not query.failed and not query.runs:
            rows += [_skip_row(skip) for skip in self._tables.skips]
            rows += [replace(_skip_row(skip), annulled=True) for skip in self._tables.annulled]
            rows += [_queue_row(fire) for fire in self._tables.queue.values()]
            rows += [replace(_queue_row(fire), annulled=True) for fire in self._tables.annulled_fires]
            rows += [_hold_row(change) for change in self._tables.holds.values()]
        wanted = [row for row in rows if query.since <= row.decided_at <= query.until and query.task in ("", row.task)]
        wanted.sort(
            key=lambda row: (row.decided_at, row.last or 0, row.run.id if row.run else "", row.hold.number if row.hold else 0), reverse=True
        )
        return wanted[query.skip : query.skip + query.limit]

    def prune(self, before: Instant) -> int:
        if self.is_unwritable:
            raise StateUnwritable("TS333", "the ledger cannot be written: the disk is full")
        tables = self._tables.copy()
        tables.runs = {run.id: run for run in tables.runs.values() if run.outcome is None or run.admitted_at >= before}
        tables.skips = [skip for skip in tables.skips if skip.decided_at >= before]
        tables.annulled = [skip for skip in tables.annulled if skip.decided_at >= before]
        tables.annulled_fires = [fire for fire in tables.annulled_fires if fire.since >= before]
        tables.jumps = {run: jump for run, jump in tables.jumps.items() if run in tables.runs}
        tables.holds = _without_old(tables.holds, before)
        gone = len(self._tables.runs) - len(tables.runs) + len(self._tables.skips) - len(tables.skips)
        gone += len(self._tables.annulled) - len(tables.annulled) + len(self._tables.holds) - len(tables.holds)
        gone += len(self._tables.annulled_fires) - len(tables.annulled_fires)
        self._tables = tables
        return gone

    def close(self) -> None:
        pass


def _run_row(run: Run) -> HistoryRow:
    return HistoryRow(task=run.task.name, first=run.instant, last=run.instant, count=1, decided_at=run.admitted_at, run=run)


def _skip_row(skip: Skip) -> HistoryRow:
    return HistoryRow(task=skip.task, first=skip.first, last=skip.last, count=skip.count, decided_at=skip.decided_at, reason=skip.reason)


def _queue_row(fire: QueuedFire) -> HistoryRow:
    return HistoryRow(task=fire.task, first=fire.instant, last=fire.instant, count=1, decided_at=fire.since, queued=fire.trigger)


def _without_old(changes: Mapping[int, HoldChange], before: Instant) -> dict[int, HoldChange]:
    """The placing of what is held still stays, however old."""

    def kind(change: HoldChange) -> tuple[str, str]:
        return change.what.scope.value.replace("rollback", "pin"), change.what.task

    newest = {kind(change): number for number, change in sorted(changes.items())}
    young = {number: change for number, change in changes.items() if change.at >= before or newest[kind(change)] == number}
    oldest = {kind(change): number for number, change in sorted(young.items(), reverse=True)}
    return {
        number: change
        for number, change in young.items()
        if change.at >= before or change.act is HoldAct.PLACED or oldest[kind(change)] != number
    }


def _hold_row(change: HoldChange) -> HistoryRow:
    return HistoryRow(task=change.what.task, first=None, last=None, count=1, decided_at=change.at, hold=change)


def _apply(tables: _Tables, operation: LedgerOp) -> None:
    match operation:
        case Admit(run=run):
            _admit(tables, run, operation.jump)
        case Skip():
            _skip(tables, operation)
        case Enqueue() | Dequeue():
            _queue(tables, operation)
        case Intend() | Finish() | AwaitAttempt() | BeginAttempt() | Withdraw():
            _change_run(tables, operation)
        case PutRecord() | DropRecord():
            _record(tables, operation)
        case PutHold(change=change):
            tables.holds.setdefault(change.number, change)
        case PutNotice() | DropNotice() | PutLate() | DropLate():
            _apply_notice(tables, operation)
        case PutGeneration() | PutStart():
            tables.generations += [operation.generation] if isinstance(operation, PutGeneration) else []
        case Annul() | Settle() | Rewind() | TurnBack() | PutClock():
            _apply_clock(tables, operation)
        case _:
            assert_never(operation)


def _apply_notice(tables: _Tables, operation: NoticeOp) -> None:
    match operation:
        case PutNotice(notice=notice):
            tables.notices.setdefault(notice.id, notice)
        case DropNotice(notice=notice_id):
            tables.notices.pop(notice_id, None)
        case PutLate(task=name, since=since):
            tables.late[name] = since
        case DropLate(task=name):
            tables.late.pop(name, None)


def _change_run(tables: _Tables, operation: RunOp) -> None:
    match operation:
        case Intend(run=run_id, cause=cause):
            tables.runs[run_id] = replace(_open(tables, run_id), stop_cause=cause, state=RunState.STOPPING)
        case Finish():
            _finish(tables, operation)
        case AwaitAttempt(run=run_id) | BeginAttempt(run=run_id):
            _change_attempt(tables, _open(tables, run_id), operation)
        case Withdraw(run=run_id):
            _open(tables, run_id)
            del tables.runs[run_id]
            tables.jumps.pop(run_id, None)
        case _:
            assert_never(operation)


def _change_attempt(tables: _Tables, run: Run, operation: AttemptOp) -> None:
    if isinstance(operation, BeginAttempt) and run.wait is None:
        raise ValueError(f"run {run.id} is unknown, over, or not at this point")
    tables.runs[run.id] = changed(run, operation)


def _record(tables: _Tables, operation: PutRecord | DropRecord) -> None:
    match operation:
        case PutRecord(record=record):
            mark = max(tables.records.get(record.task, record).decided_through, record.decided_through)
            tables.records[record.task] = replace(record, decided_through=mark)
        case DropRecord(task=task):
            tables.records.pop(task, None)


def _queue(tables: _Tables, operation: QueueOp) -> None:
    match operation:
        case Enqueue(fire=fire):
            _cover(tables, fire.task, fire.instant, fire.instant)
            tables.queue[fire.task, fire.instant] = fire
        case Dequeue(task=task, instant=instant):
            if tables.queue.pop((task, instant), None) is None:
                raise ValueError(f"no fire of {task} for {instant} waits")


def _apply_clock(tables: _Tables, operation: ClockOp) -> None:
    match operation:
        case Annul():
            _annul(tables, operation)
        case Settle(task=task, jump=jump, heir=heir):
            _bequeath(tables, task, jump, heir)
        case Rewind(task=task, mark=mark):
            if task in tables.records:
                tables.records[task] = replace(tables.records[task], decided_through=mark)
        case TurnBack():
            _turn_back(tables, operation)
        case PutClock(state=state):
            tables.clock = state
        case _:
            assert_never(operation)


def _annul(tables: _Tables, annul: Annul) -> None:
    caused = [run for run, jump in tables.jumps.items() if jump == annul.jump and tables.runs[run].task.name == annul.task]
    for run in caused:
        if (tables.runs[run].instant or 0) > annul.now:
            del tables.jumps[run]
    gone = [skip for skip in tables.skips if (skip.task, skip.jump) == (annul.task, annul.jump) and _reaches(skip, annul)]
    tables.skips = [skip for skip in tables.skips if skip not in gone]
    tables.annulled += gone
    for key, fire in list(tables.queue.items()):
        if is_annulled(fire, annul):
            tables.annulled_fires.append(tables.queue.pop(key))
    if annul.heir:
        _bequeath(tables, annul.task, annul.jump, annul.heir)


def _reaches(skip: Skip, annul: Annul) -> bool:
    return skip.last > annul.now or skip.reason is SkipReason.MISSED


def _bequeath(tables: _Tables, task: TaskName, jump: int, heir: int) -> None:
    for run, caused_by in tables.jumps.items():
        if jump and caused_by == jump and tables.runs[run].task.name == task:
            tables.jumps[run] = heir
    for key, fire in tables.queue.items():
        if jump and (fire.task, fire.jump) == (task, jump):
            tables.queue[key] = replace(fire, jump=heir)
    tables.skips = [replace(skip, jump=heir) if jump and (skip.task, skip.jump) == (task, jump) else skip for skip in tables.skips]


def _turn_back(tables: _Tables, turn: TurnBack) -> None:
    def moved(run: Run, told: Instant | None) -> Instant | None:
        return None if told is None else earlier_of(run, told, turn)

    for run in list(tables.runs.values()):
        times = {"started_at": moved(run, run.started_at), "finished_at": moved(run, run.finished_at)}
        earlier_ones = tuple(
            replace(one, started_at=moved(run, one.started_at), finished_at=moved(run, one.finished_at)) for one in run.earlier
        )
        tables.runs[run.id] = replace(run, admitted_at=earlier_of(run, run.admitted_at, turn), earlier=earlier_ones, **times)
    tables.skips = [replace(skip, decided_at=earlier(skip.decided_at, turn)) for skip in tables.skips]
    tables.annulled = [replace(skip, decided_at=earlier(skip.decided_at, turn)) for skip in tables.annulled]
    tables.queue = {key: replace(fire, since=earlier(fire.since, turn)) for key, fire in tables.queue.items()}
    tables.annulled_fires = [replace(fire, since=earlier(fire.since, turn)) for fire in tables.annulled_fires]
    tables.generations = [replace(one, applied_at=earlier(one.applied_at, turn)) for one in tables.generations]
    tables.holds = {number: replace(change, at=earlier(change.at, turn)) for number, change in tables.holds.items()}


def _admit(tables: _Tables, run: Run, jump: int) -> None:
    if run.id in tables.runs:
        raise ValueError(f"run {run.id} is there already")
    if run.instant is not None:
        _cover(tables, run.task.name, run.instant, run.instant)
        tables.jumps[run.id] = jump
    tables.runs[run.id] = run


def _skip(tables: _Tables, skip: Skip) -> None:
    before = max((span for span in _spans(tables, skip.task) if span[0] < skip.first), default=None)
    for place, entry in enumerate(tables.skips):
        is_before = before == (entry.first, entry.last) and entry.task == skip.task
        if skip.extends and is_before and (entry.reason, entry.jump) == (skip.reason, skip.jump) and entry.last < skip.first:
            tables.skips[place] = replace(entry, last=skip.last, count=entry.count + skip.count, decided_at=skip.decided_at)
            return
    _cover(tables, skip.task, skip.first, skip.last)
    tables.skips.append(replace(skip, extends=False))


def _spans(tables: _Tables, task: TaskName) -> list[tuple[int, int]]:
    covering = [tables.runs[run] for run in tables.jumps]
    runs = [(run.instant, run.instant) for run in covering if run.task.name == task and run.instant is not None]
    runs += [(fire.instant, fire.instant) for fire in tables.queue.values() if fire.task == task]
    return runs + [(skip.first, skip.last) for skip in tables.skips if skip.task == task]


def _cover(tables: _Tables, task: TaskName, first: int, last: int) -> None:
    if any(start <= last and end >= first for start, end in _spans(tables, task)):
        raise ValueError("an instant of the task is covered already")


def _open(tables: _Tables, run_id: RunId) -> Run:
    run = tables.runs.get(run_id)
    if run is None or run.outcome is not None:
        raise ValueError(f"run {run_id} is unknown or over")
    return run


def _finish(tables: _Tables, finish: Finish) -> None:
    run = _open(tables, finish.run)
    tables.runs[run.id] = replace(
        run,
        state=RunState.FINISHED,
        outcome=finish.outcome,
        finished_at=finish.finished_at,
        started_at=run.started_at if finish.started_at is None else finish.started_at,
        exit_status=finish.exit_status,
        usage=finish.usage,
        detail=finish.detail,
        wait=None,
    )


class MemorySpool:
    """Fits `ports.Spool`. While `is_unwritable`, `append` and `clear` raise StateUnwritable."""

    def __init__(self) -> None:
        self.is_unwritable = False
        self.notices: list[Problem] = []
        self.batches: list[Batch] = []

    def append(self, batches: Sequence[Batch]) -> None:
        self._require_room()
        self.batches += batches

    def read(self) -> Sequence[Batch]:
        return list(self.batches)

    def clear(self) -> None:
        self._require_room()
        self.batches = []

    def _require_room(self) -> None:
        if self.is_unwritable:
            raise StateUnwritable("TS333", "the spool cannot be written: the disk is full")


class MemoryStore:
    """Fits `ports.Store`. While `is_unwritable`, every write raises StateUnwritable."""

    def __init__(self) -> None:
        self.is_unwritable = False
        self.files: dict[str, bytes] = {}

    def write(self, name: str, document: bytes) -> None:
        if self.is_unwritable:
            raise StateUnwritable("TS333", f"{name} cannot be written: the disk is full")
        self.files[name] = document

    def read(self, name: str) -> bytes | None:
        return self.files.get(name)

    def set_aside(self, name: str) -> Path:
        number = 1
        while (kept := f"{name}.damaged-{number}") in self.files:
            number += 1
        self.files[kept] = self.files.pop(name)
        return Path(kept)
