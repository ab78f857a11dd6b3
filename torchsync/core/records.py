"""How a task's record grows: one function for each thing that happens to it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from torchsync.core.entries import TurnBack, earlier
from torchsync.core.model import Instant, Millis, Outcome, Run, SkipReason, TaskName
from torchsync.core.taskrecord import Before, TaskRecord

KEPT_AFTER_REMOVAL = Millis(30 * 24 * 3600 * 1000)

MOST_RECENT = 20
"""Outcomes that are remembered one by one."""

FAILURES = frozenset({Outcome.FAILED, Outcome.TIMED_OUT, Outcome.START_FAILED, Outcome.LOST})

Key = TypeVar("Key", Outcome, SkipReason)


def new_record(task: TaskName, now: Instant) -> TaskRecord:
    return TaskRecord(task=task, first_seen=now, last_seen=now)


def decided(record: TaskRecord, through: Instant) -> TaskRecord:
    """Every instant up to `through` has its entry; the mark never goes back."""
    return replace(record, decided_through=max(record.decided_through, through))


def skipped(record: TaskRecord, reason: SkipReason, last: Instant, count: int) -> TaskRecord:
    return replace(decided(record, last), skipped=_plus(record.skipped, reason, count))


def finished(record: TaskRecord, run: Run) -> TaskRecord:
    """The record after `run`, which has its outcome. A run that torchsync or an operator ended on purpose is neither success nor failure."""
    outcome, ended = run.outcome, run.finished_at
    if outcome is None or ended is None:
        raise ValueError(f"run {run.id} is not over")
    started = run.started_at or run.admitted_at
    return replace(
        record,
        runs=_plus(record.runs, outcome, 1),
        last_run=max(record.last_run, started),
        last_success=ended if outcome is Outcome.SUCCEEDED else record.last_success,
        last_duration=Millis(max(0, ended - started)),
        last_exit_status=record.last_exit_status if run.exit_status is None else run.exit_status,
        consecutive_failures=failures_after(record.consecutive_failures, outcome),
        last_usage=run.usage,
        recent=(*record.recent, outcome)[-MOST_RECENT:],
    )


def failures_after(before: int, outcome: Outcome) -> int:
    """How many runs of the task failed in a row, once one with this outcome is over."""
    if outcome in FAILURES:
        return before + 1
    return 0 if outcome is Outcome.SUCCEEDED else before


def before_jump(record: TaskRecord, jump: int) -> Instant | None:
    """The mark from before that jump; None when nothing has been decided in it."""
    return next((before.mark for before in record.before if before.jump == jump), None)


def entering(record: TaskRecord, jump: int) -> TaskRecord:
    """The record remembers its mark, if this is the first decision in that jump."""
    if before_jump(record, jump) is not None:
        return record
    return replace(record, before=(*record.before, Before(jump, record.decided_through)))


def leaving(record: TaskRecord, jump: int, heir: int) -> TaskRecord:
    """That jump is over; what was decided in it was decided in the jump `heir`, unless that is 0."""
    marks = {before.jump: before.mark for before in record.before}
    mark = marks.pop(jump, None)
    if heir and mark is not None:
        marks[heir] = min(marks.get(heir, mark), mark)
    return replace(record, before=tuple(Before(*entry) for entry in sorted(marks.items())))


def turned_back(record: TaskRecord, turn: TurnBack) -> TaskRecord:
    """Nothing of it lies later than the clock has turned back to; the mark is another matter."""
    return replace(
        record,
        first_seen=earlier(record.first_seen, turn),
        last_seen=earlier(record.last_seen, turn),
        last_run=earlier(record.last_run, turn),
        last_success=earlier(record.last_success, turn),
    )


def restarted(record: TaskRecord) -> TaskRecord:
    return replace(record, restarts=record.restarts + 1)


def retried(record: TaskRecord) -> TaskRecord:
    return replace(record, retries=record.retries + 1)


def is_forgotten(record: TaskRecord, now: Instant) -> bool:
    """A task that has been gone this long starts from nothing when it comes back."""
    return now - record.last_seen > KEPT_AFTER_REMOVAL


def _plus(counts: Mapping[Key, int], key: Key, by: int) -> Mapping[Key, int]:
    return {**counts, key: counts.get(key, 0) + by}
