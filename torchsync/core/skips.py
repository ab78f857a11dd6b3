"""The instants that do not become runs, written down as spans: those in a row with one reason share an entry. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from torchsync.core import records
from torchsync.core.effects import Outbox, ToldSkip
from torchsync.core.entries import QueuedFire, Skip
from torchsync.core.model import Instant, SkipReason, TaskName
from torchsync.core.recordbook import Recordbook
from torchsync.core.timekeeper import Timekeeper

_Tail = tuple[SkipReason, int, int]
"""Reason and jump of an entry, and the number of the last decision in it."""


@dataclass(slots=True)
class _Span:
    task: TaskName
    reason: SkipReason
    jump: int
    first: Instant
    last: Instant
    number: int
    """Of the decision on `first`."""
    through: Instant
    """The mark moves to this."""
    count: int = 1


class Skips:
    """What is written goes to the outbox and into the records. Instants are in a row when the numbers of their decisions are: each task counts its
    own. The newest entry of a task grows as long as what is skipped next is the next in the row.
    """

    def __init__(self, outbox: Outbox, book: Recordbook, keeper: Timekeeper) -> None:
        self._outbox = outbox
        self._book = book
        self._keeper = keeper
        self._tails: dict[TaskName, _Tail] = {}
        self._span: _Span | None = None

    def add(self, fire: QueuedFire, reason: SkipReason, number: int, now: Instant, *, has_waited: bool) -> None:
        """The fire is skipped, once `flush` is called. The mark of its task moves, unless the fire has waited: it was decided then."""
        span, task, instant, jump = self._span, fire.task, fire.instant, fire.jump
        if span and (span.task, span.reason, span.jump, span.number + span.count) == (task, reason, jump, number):
            span.last, span.count = instant, span.count + 1
            span.through = span.through if has_waited else instant
            return
        self.flush(now)
        self._span = _Span(task, reason, jump, instant, instant, number, Instant(0) if has_waited else instant)

    def flush(self, now: Instant) -> None:
        """What was added is written."""
        if self._span is not None:
            self._write(self._span, now)
            self._span = None

    def close(self, name: TaskName) -> None:
        """The newest entry of the task does not grow any more."""
        self._tails.pop(name, None)

    def close_all(self) -> None:
        self._tails.clear()

    def _write(self, span: _Span, now: Instant) -> None:
        name, reason, jump = span.task, span.reason, span.jump
        # In a jump an entry is annulled whole or stays: only what is annulled in any case may grow.
        may_grow = not jump or reason is SkipReason.MISSED
        extends = may_grow and self._tails.get(name) == (reason, jump, span.number - 1)
        self._outbox.write(
            Skip(task=name, reason=reason, first=span.first, last=span.last, count=span.count, decided_at=now, extends=extends, jump=jump)
        )
        self._keeper.note(name, span.first, span.last, jump, reason)
        self._outbox.do(ToldSkip(name, reason, span.count))
        self._tails[name] = (reason, jump, span.number + span.count - 1)
        self._book.update(records.skipped(self._book.get(name, now), reason, span.through, span.count))
