"""Writes down what happened before anything is done about it: in the ledger, else in the spool, else in memory.

Theory of operation. The operations of a turn are a batch with a number, one more than that of the batch before. While the ledger can be written,
each goes there. One that it does not take is *held*: it is put into the spool before any effect, so that a kill of the agent does not lose it, and
so is every later one until the ledger has them all; without room there either, memory has to do. Once a second the held batches are given to
the ledger again, in order. A commit that seemed to fail may be there all the same, and an agent may die between the commit and the clearing of the
spool; neither does a batch twice, since the ledger keeps the number of its newest batch in the same transaction, and leaves out what is not
above it. Nor can a number stand for two batches: the next one is above all that the ledger holds and all that the spool holds.

An agent that finds a spool at its start takes it over: what the ledger has not got is held again, and what the ledger would tell with it is what
the engine is restored from, whether it can be written by then or not.
"""

from __future__ import annotations

from collections.abc import Sequence

from torchsync.core.entries import Batch, LedgerOp
from torchsync.core.ledgerview import LedgerView, after, view_of
from torchsync.core.logevents import Log, LogEvent
from torchsync.core.model import Instant
from torchsync.errors import StateUnwritable
from torchsync.ports import Ledger, Spool

FOLDED_AT_ONCE = 1_000
"""Batches given to the ledger in one transaction: the loop waits for it, and while the disk is full it is in vain."""


class Recorder:
    """The memory of the agent. `take_over` comes first."""

    def __init__(self, ledger: Ledger, spool: Spool, log: Log) -> None:
        self._ledger = ledger
        self._spool = spool
        self._log = log
        self._newest = 0
        self._held: list[Batch] = []
        self._spooled = 0
        self._has_said_volatile = False
        self.found_empty_ledger = False
        """`take_over` found no record in the ledger itself: whatever it knew is lost, also if the spool knows of some tasks."""

    @property
    def is_degraded(self) -> bool:
        """Something that happened is not in the ledger yet."""
        return bool(self._held)

    @property
    def is_volatile(self) -> bool:
        """Something that happened would be forgotten if the agent were killed now."""
        return self._spooled < len(self._held)

    def take_over(self) -> LedgerView:
        """Open runs and records with everything that earlier agent processes wrote down; as much as can be is in the ledger.

        A batch that contradicts what is known, since one before it is lost, is passed over and said. Raises StateUnwritable when the ledger
        cannot even be read.
        """
        turn = self._ledger.turn()
        spooled = self._spool.read()
        for notice in self._spool.notices:
            self._log(LogEvent.STATE_SET_ASIDE, notice.message, code=notice.code)
        view = view_of(self._ledger)
        self.found_empty_ledger = not view.records
        for batch in spooled:
            if batch.number <= turn:
                continue
            try:
                view = after(view, batch)
            except ValueError as error:
                self._log(LogEvent.STATE_SET_ASIDE, f"what was spooled as batch {batch.number} is passed over: {error}", code="TS334")
                continue
            self._held.append(batch)
        self._spooled = len(self._held)
        self._newest = max([turn, *(batch.number for batch in spooled)])
        if self._held:
            self._log(LogEvent.STATE_DEGRADED, f"{len(self._held)} batch(es) of an earlier agent process are not in the ledger yet")
            self._fold()
        elif spooled:
            self._clear()
        return view

    def write(self, operations: Sequence[LedgerOp]) -> None:
        """The operations are durable, if that can be had at all."""
        if not operations:
            return
        self._newest += 1
        batch = Batch(number=self._newest, operations=tuple(operations))
        if not self._held:
            try:
                self._ledger.fold([batch])
            except StateUnwritable as error:
                self._log(LogEvent.STATE_DEGRADED, error.message)
            else:
                return
        self._held.append(batch)
        self._keep()

    def retry(self) -> None:
        """What is held is in the ledger now, if it can be written; else in the spool."""
        if self._held:
            self._keep()
            self._fold()

    def prune(self, before: Instant) -> bool:
        """Some of what was decided before the instant is gone from the ledger; whether there may be more."""
        if self._held:
            return False
        try:
            return self._ledger.prune(before) > 0
        except StateUnwritable as error:
            self._log(LogEvent.STATE_DEGRADED, error.message)
            return False

    def _keep(self) -> None:
        if not self.is_volatile:
            return
        try:
            self._spool.append(self._held[self._spooled :])
        except StateUnwritable as error:
            if not self._has_said_volatile:
                self._log(LogEvent.STATE_DEGRADED, f"{error.message}; what happens now would be forgotten if the agent were killed")
            self._has_said_volatile = True
            return
        self._spooled = len(self._held)
        self._has_said_volatile = False

    def _fold(self) -> None:
        batches = self._held[:FOLDED_AT_ONCE]
        try:
            self._give(batches)
        except StateUnwritable:
            return
        del self._held[: len(batches)]
        self._spooled = max(0, self._spooled - len(batches))
        if not self._held:
            self._clear()
            self._log(LogEvent.STATE_RECOVERED, "the state can be written again; everything that was held back is in the ledger")

    def _give(self, batches: Sequence[Batch]) -> None:
        try:
            self._ledger.fold(batches)
        except ValueError:
            for batch in batches:
                self._give_alone(batch)

    def _give_alone(self, batch: Batch) -> None:
        """One that contradicts the ledger is a bug, which would end one agent after another if it were not passed over."""
        try:
            self._ledger.fold([batch])
        except ValueError as error:
            self._log(LogEvent.INTERNAL_ERROR, f"batch {batch.number} is passed over: {error}", code="TS901")

    def _clear(self) -> None:
        """What stays in a spool that cannot be cleared does no harm: its numbers are not above that of the ledger."""
        try:
            self._spool.clear()
        except StateUnwritable as error:
            self._log(LogEvent.STATE_DEGRADED, error.message)
