"""The ledger and the store in memory: what the engine and the loop are tested with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import assert_never

from torchsync.core.entries import (
    Admit,
    Batch,
    DropRecord,
    Finish,
    HistoryQuery,
    HistoryRow,
    Intend,
    LedgerOp,
    PutRecord,
    Skip,
    Withdraw,
)
from torchsync.core.model import Instant, Outcome, Run, RunId, RunState, TaskName, TaskRecord
from torchsync.errors import Problem, StateUnwritable

FAILED = {Outcome.FAILED, Outcome.TIMED_OUT, Outcome.START_FAILED, Outcome.LOST}


@dataclass
class _Tables:
    runs: dict[RunId, Run] = field(default_factory=dict)
    skips: list[Skip] = field(default_factory=list)
    records: dict[TaskName, TaskRecord] = field(default_factory=dict)

    def copy(self) -> _Tables:
        return _Tables(dict(self.runs), list(self.skips), dict(self.records))


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

    def history(self, query: HistoryQuery) -> Sequence[HistoryRow]:
        rows = [_run_row(run) for run in self._tables.runs.values() if not query.failed or run.outcome in FAILED]
        rows += [] if query.failed else [_skip_row(skip) for skip in self._tables.skips]
        wanted = [row for row in rows if row.decided_at >= query.since and query.task in ("", row.task)]
        wanted.sort(key=lambda row: (row.decided_at, row.last or 0, row.run.id if row.run else ""), reverse=True)
        return wanted[: query.limit]

    def prune(self, before: Instant) -> int:
        if self.is_unwritable:
            raise StateUnwritable("TS333", "the ledger cannot be written: the disk is full")
        tables = self._tables.copy()
        tables.runs = {run.id: run for run in tables.runs.values() if run.outcome is None or run.admitted_at >= before}
        tables.skips = [skip for skip in tables.skips if skip.decided_at >= before]
        gone = len(self._tables.runs) - len(tables.runs) + len(self._tables.skips) - len(tables.skips)
        self._tables = tables
        return gone

    def close(self) -> None:
        pass


def _run_row(run: Run) -> HistoryRow:
    return HistoryRow(task=run.task.name, first=run.instant, last=run.instant, count=1, decided_at=run.admitted_at, run=run)


def _skip_row(skip: Skip) -> HistoryRow:
    return HistoryRow(task=skip.task, first=skip.first, last=skip.last, count=skip.count, decided_at=skip.decided_at, reason=skip.reason)


def _apply(tables: _Tables, operation: LedgerOp) -> None:
    match operation:
        case Admit(run=run):
            _admit(tables, run)
        case Skip():
            _skip(tables, operation)
        case Intend(run=run_id, cause=cause):
            tables.runs[run_id] = replace(_open(tables, run_id), stop_cause=cause, state=RunState.STOPPING)
        case Finish():
            _finish(tables, operation)
        case Withdraw(run=run_id):
            _open(tables, run_id)
            del tables.runs[run_id]
        case PutRecord(record=record):
            mark = max(tables.records.get(record.task, record).decided_through, record.decided_through)
            tables.records[record.task] = replace(record, decided_through=mark)
        case DropRecord(task=task):
            tables.records.pop(task, None)
        case _:
            assert_never(operation)


def _admit(tables: _Tables, run: Run) -> None:
    if run.id in tables.runs:
        raise ValueError(f"run {run.id} is there already")
    if run.instant is not None:
        _cover(tables, run.task.name, run.instant, run.instant)
    tables.runs[run.id] = run


def _skip(tables: _Tables, skip: Skip) -> None:
    newest = max((span for span in _spans(tables, skip.task)), default=None)
    for place, entry in enumerate(tables.skips):
        is_newest = newest == (entry.first, entry.last) and entry.task == skip.task
        if skip.extends and is_newest and entry.reason is skip.reason and entry.last < skip.first:
            tables.skips[place] = replace(entry, last=skip.last, count=entry.count + skip.count, decided_at=skip.decided_at)
            return
    _cover(tables, skip.task, skip.first, skip.last)
    tables.skips.append(replace(skip, extends=False))


def _spans(tables: _Tables, task: TaskName) -> list[tuple[int, int]]:
    runs = [(run.instant, run.instant) for run in tables.runs.values() if run.task.name == task and run.instant is not None]
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
        detail=finish.detail,
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
