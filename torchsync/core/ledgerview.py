"""What a ledger would tell about open runs and records once operations are in it that it could not take yet. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from torchsync.core.entries import Admit, Batch, DropRecord, Finish, Intend, LedgerOp, PutRecord, Skip, Withdraw
from torchsync.core.model import Run, RunId, RunState, TaskName, TaskRecord


@dataclass(frozen=True, slots=True)
class LedgerView:
    """The runs without an outcome, and the record of every task known."""

    open_runs: Mapping[RunId, Run]
    records: Mapping[TaskName, TaskRecord]

    @property
    def runs(self) -> Sequence[Run]:
        """Oldest admission first."""
        return sorted(self.open_runs.values(), key=lambda run: (run.admitted_at, run.id))


def view_of(runs: Iterable[Run], records: Mapping[TaskName, TaskRecord]) -> LedgerView:
    return LedgerView({run.id: run for run in runs}, records)


def after(view: LedgerView, batch: Batch) -> LedgerView:
    """The view with the batch in it. Raises ValueError when the batch is about a run that is unknown or over, or admits one twice."""
    runs, records = dict(view.open_runs), dict(view.records)
    for operation in batch.operations:
        _apply(runs, records, operation)
    return LedgerView(runs, records)


def _apply(runs: dict[RunId, Run], records: dict[TaskName, TaskRecord], operation: LedgerOp) -> None:
    match operation:
        case Admit(run=run):
            if run.id in runs:
                raise ValueError(f"run {run.id} is there already")
            runs[run.id] = run
        case Intend(run=run_id, cause=cause):
            runs[run_id] = replace(_open(runs, run_id), stop_cause=cause, state=RunState.STOPPING)
        case Finish(run=run_id) | Withdraw(run=run_id):
            _open(runs, run_id)
            del runs[run_id]
        case PutRecord(record=record):
            mark = max(records.get(record.task, record).decided_through, record.decided_through)
            records[record.task] = replace(record, decided_through=mark)
        case DropRecord(task=task):
            records.pop(task, None)
        case Skip():
            pass  # What it covers is known by the record that comes with it.
        case _:
            assert_never(operation)


def _open(runs: Mapping[RunId, Run], run_id: RunId) -> Run:
    if run_id not in runs:
        raise ValueError(f"run {run_id} is unknown or over")
    return runs[run_id]
