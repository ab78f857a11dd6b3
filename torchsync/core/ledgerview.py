"""What a ledger would tell about open runs and records once operations are in it that it could not take yet. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, assert_never

from torchsync.core.attempts import changed
from torchsync.core.chronicle import PutGeneration, PutStart, RememberedGeneration
from torchsync.core.clockwatch import ClockState
from torchsync.core.entries import (
    Admit,
    Annul,
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
    Intend,
    LedgerOp,
    NoticeOp,
    PutClock,
    PutHold,
    PutLate,
    PutNotice,
    PutRecord,
    QueuedFire,
    Rewind,
    Settle,
    Skip,
    Tagged,
    TurnBack,
    Withdraw,
    earlier,
    earlier_of,
    is_annulled,
)
from torchsync.core.model import Instant, Run, RunId, RunState, SkipReason, TaskName
from torchsync.core.notice import Notice, NoticeId
from torchsync.core.taskrecord import TaskRecord


@dataclass(frozen=True, slots=True)
class LedgerView:
    """The runs without an outcome, the record of every task known, what is known of the clock, the entries that carry the id of a jump, the notices
    that are to be sent, since when the tasks are late that are known to be, the fires that wait, and the newest generation that is remembered.
    """

    open_runs: Mapping[RunId, Run]
    records: Mapping[TaskName, TaskRecord]
    clock: ClockState | None = None
    tagged: Mapping[tuple[TaskName, Instant], Tagged] = field(default_factory=dict)
    notices: Mapping[NoticeId, Notice] = field(default_factory=dict)
    late: Mapping[TaskName, Instant] = field(default_factory=dict)
    queue: Mapping[tuple[TaskName, Instant], QueuedFire] = field(default_factory=dict)
    in_force: RememberedGeneration | None = None

    @property
    def runs(self) -> Sequence[Run]:
        """Oldest admission first."""
        return sorted(self.open_runs.values(), key=lambda run: (run.admitted_at, run.id))


class Readable(Protocol):
    """What a ledger tells of what is not over."""

    def open_runs(self) -> Sequence[Run]: ...
    def records(self) -> Mapping[TaskName, TaskRecord]: ...
    def clock(self) -> ClockState | None: ...
    def tagged(self) -> Sequence[Tagged]: ...
    def queue(self) -> Sequence[QueuedFire]: ...
    def notices_waiting(self) -> Sequence[Notice]: ...
    def late(self) -> Mapping[TaskName, Instant]: ...
    def in_force(self) -> RememberedGeneration | None: ...


def view_of(ledger: Readable) -> LedgerView:
    """All that the ledger tells."""
    return LedgerView(
        open_runs={run.id: run for run in ledger.open_runs()},
        records=ledger.records(),
        clock=ledger.clock(),
        tagged={(entry.task, entry.first): entry for entry in ledger.tagged()},
        notices={notice.id: notice for notice in ledger.notices_waiting()},
        late=ledger.late(),
        queue={(fire.task, fire.instant): fire for fire in ledger.queue()},
        in_force=ledger.in_force(),
    )


def after(view: LedgerView, batch: Batch) -> LedgerView:
    """The view with the batch in it. Raises ValueError when the batch is about a run that is unknown or over, or admits one twice."""
    runs, records, tagged, clock = dict(view.open_runs), dict(view.records), dict(view.tagged), view.clock
    notices, late, in_force = dict(view.notices), dict(view.late), view.in_force
    queue = dict(view.queue)
    for operation in batch.operations:
        _tag(tagged, operation)
        _queue(queue, operation)
        in_force = _newest(in_force, operation)
        match operation:
            case PutClock(state=state):
                clock = state
            case PutNotice() | DropNotice() | PutLate() | DropLate():
                _apply_notice(notices, late, operation)
            case _:
                _apply(runs, records, operation)
    return LedgerView(runs, records, clock, tagged, notices, late, queue, in_force)


def _newest(known: RememberedGeneration | None, operation: LedgerOp) -> RememberedGeneration | None:
    match operation:
        case PutGeneration(generation=generation):
            return generation
        case TurnBack() if known is not None:
            return replace(known, applied_at=earlier(known.applied_at, operation))
        case _:
            return known


def turned_back(run: Run, turn: TurnBack) -> Run:
    """The run, with no time in it that is later than the one the clock has turned back to; a wait goes by the monotonic clock and stays."""
    attempts = tuple(
        replace(one, started_at=_earlier(run, one.started_at, turn), finished_at=earlier_of(run, one.finished_at, turn))
        for one in run.earlier
    )
    return replace(
        run, admitted_at=earlier_of(run, run.admitted_at, turn), started_at=_earlier(run, run.started_at, turn), earlier=attempts
    )


def _earlier(run: Run, instant: Instant | None, turn: TurnBack) -> Instant | None:
    return None if instant is None else earlier_of(run, instant, turn)


def _apply(runs: dict[RunId, Run], records: dict[TaskName, TaskRecord], operation: LedgerOp) -> None:
    match operation:
        case Admit(run=run):
            if run.id in runs:
                raise ValueError(f"run {run.id} is there already")
            runs[run.id] = run
        case Intend(run=run_id, cause=cause):
            runs[run_id] = replace(_open(runs, run_id), stop_cause=cause, state=RunState.STOPPING)
        case AwaitAttempt(run=run_id) | BeginAttempt(run=run_id):
            runs[run_id] = changed(_open(runs, run_id), operation)
        case Finish(run=run_id) | Withdraw(run=run_id):
            del runs[_open(runs, run_id).id]
        case PutRecord(record=record):
            mark = max(records.get(record.task, record).decided_through, record.decided_through)
            records[record.task] = replace(record, decided_through=mark)
        case DropRecord(task=task):
            records.pop(task, None)
        case Annul() | Settle() | Rewind() | TurnBack() | PutClock():
            _apply_clock(runs, records, operation)
        case (
            Skip() | Enqueue() | Dequeue() | PutHold() | PutNotice() | DropNotice() | PutLate() | DropLate() | PutGeneration() | PutStart()
        ):
            pass  # What a skip covers is known by the record that comes with it; what is held is in control.json.
        case _:
            assert_never(operation)


def _apply_notice(notices: dict[NoticeId, Notice], late: dict[TaskName, Instant], operation: NoticeOp) -> None:
    match operation:
        case PutNotice(notice=notice):
            notices.setdefault(notice.id, notice)
        case DropNotice(notice=notice_id):
            notices.pop(notice_id, None)
        case PutLate(task=task, since=since):
            late[task] = since
        case DropLate(task=task):
            late.pop(task, None)


def _apply_clock(runs: dict[RunId, Run], records: dict[TaskName, TaskRecord], operation: ClockOp) -> None:
    match operation:
        case Rewind(task=task, mark=mark) if task in records:
            records[task] = replace(records[task], decided_through=mark)
        case TurnBack():
            runs.update({run.id: turned_back(run, operation) for run in runs.values()})
        case _:
            pass


def _tag(tagged: dict[tuple[TaskName, Instant], Tagged], operation: LedgerOp) -> None:
    match operation:
        case Admit(run=run, jump=jump) if jump and run.instant is not None:
            _put(tagged, Tagged(run.task.name, run.instant, run.instant, jump, run=run.id))
        case Skip(task=task, first=first, last=last, jump=jump, reason=reason) if jump:
            entry = Tagged(task, first, last, jump, reason)
            grown = _one_before(tagged, entry) if operation.extends else None
            _put(tagged, replace(grown, last=last) if grown else entry)
        case Withdraw(run=run_id):
            _replace(tagged, {entry: None for entry in tagged.values() if entry.run == run_id})
        case Annul(task=task, jump=jump, heir=heir):
            caused = [entry for entry in tagged.values() if (entry.task, entry.jump) == (task, jump)]
            kept = {entry: replace(entry, jump=heir) if heir else entry for entry in caused if not _is_annulled(entry, operation)}
            _replace(tagged, {entry: kept.get(entry) for entry in caused})
        case Settle(task=task, jump=jump, heir=heir):
            caused = [entry for entry in tagged.values() if (entry.task, entry.jump) == (task, jump)]
            _replace(tagged, {entry: replace(entry, jump=heir) if heir else None for entry in caused})
        case _:
            pass


def _queue(queue: dict[tuple[TaskName, Instant], QueuedFire], operation: LedgerOp) -> None:
    match operation:
        case Enqueue(fire=fire):
            queue[fire.task, fire.instant] = fire
        case Dequeue(task=task, instant=instant):
            if queue.pop((task, instant), None) is None:
                raise ValueError(f"no fire of {task} for {instant} waits")
        case TurnBack():
            queue.update({key: replace(fire, since=earlier(fire.since, operation)) for key, fire in queue.items()})
        case Annul() | Settle():
            for key, fire in list(queue.items()):
                if isinstance(operation, Annul) and is_annulled(fire, operation):
                    del queue[key]
                elif (fire.task, fire.jump) == (operation.task, operation.jump):
                    queue[key] = replace(fire, jump=_inherited(operation))
        case _:
            pass


def _inherited(operation: Annul | Settle) -> int:
    """The jump that what is left of one belongs to."""
    return operation.heir if isinstance(operation, Settle) else operation.heir or operation.jump


def _is_annulled(entry: Tagged, annul: Annul) -> bool:
    return entry.last > annul.now or entry.reason is SkipReason.MISSED


def _one_before(tagged: Mapping[tuple[TaskName, Instant], Tagged], entry: Tagged) -> Tagged | None:
    before = [one for one in tagged.values() if one.task == entry.task and one.first < entry.first]
    newest = max(before, key=lambda one: one.first, default=None)
    if newest is None or newest.last >= entry.first or (newest.reason, newest.jump) != (entry.reason, entry.jump):
        return None
    return newest


def _put(tagged: dict[tuple[TaskName, Instant], Tagged], entry: Tagged) -> None:
    tagged[entry.task, entry.first] = entry


def _replace(tagged: dict[tuple[TaskName, Instant], Tagged], by: Mapping[Tagged, Tagged | None]) -> None:
    for old, new in by.items():
        del tagged[old.task, old.first]
        if new is not None:
            _put(tagged, new)


def _open(runs: Mapping[RunId, Run], run_id: RunId) -> Run:
    if run_id not in runs:
        raise ValueError(f"run {run_id} is unknown or over")
    return runs[run_id]
