"""The instants that do not become runs, written down as spans: those in a row with one reason share an entry. Pure."""

from __future__ import annotations

from torchsync.core import records
from torchsync.core.effects import Outbox, ToldSkip
from torchsync.core.entries import Skip
from torchsync.core.model import Generation, Instant, SkipReason, TaskName
from torchsync.core.recordbook import Recordbook
from torchsync.core.timekeeper import Timekeeper
from torchsync.core.timetable import Fire


class Skips:
    """What is written goes to the outbox and into the records. The newest entry of a task grows as long as nothing comes in between."""

    def __init__(self, outbox: Outbox, book: Recordbook, keeper: Timekeeper) -> None:
        self._outbox = outbox
        self._book = book
        self._keeper = keeper
        self._tails: dict[TaskName, SkipReason] = {}

    def write(self, name: TaskName, spans: list[tuple[SkipReason, list[Fire]]], generation: Generation | None, now: Instant) -> None:
        """Each span is skipped for its reason; none is left in the list."""
        for reason, fires in spans:
            self._skip(name, reason, fires, generation, now)
        spans.clear()

    def close(self, name: TaskName) -> None:
        """The newest entry of the task does not grow any more."""
        self._tails.pop(name, None)

    def close_all(self) -> None:
        self._tails.clear()

    def _skip(self, name: TaskName, reason: SkipReason, fires: list[Fire], generation: Generation | None, now: Instant) -> None:
        first, last, count = fires[0].instant, fires[-1].instant, len(fires)
        jump = self._keeper.jump_for(generation, name, first)
        # In a jump an entry is annulled whole or stays: only what is annulled in any case may grow.
        extends = self._tails.get(name) is reason and (not jump or reason is SkipReason.MISSED)
        self._outbox.write(Skip(task=name, reason=reason, first=first, last=last, count=count, decided_at=now, extends=extends, jump=jump))
        self._keeper.note(name, first, last, jump, reason)
        self._outbox.do(ToldSkip(name, reason, count))
        self._tails[name] = reason
        self._book.update(records.skipped(self._book.get(name, now), reason, last, count))
