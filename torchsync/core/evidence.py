"""What the ledger knows about one instant of one task. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torchsync.core.chronicle import PutStart, RememberedGeneration, Term
from torchsync.core.entries import HistoryRow
from torchsync.core.holds import HoldChange
from torchsync.core.model import Instant, Run, TaskName
from torchsync.core.taskrecord import TaskRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """About one task at one moment. `began` is since when generations are remembered, None for never."""

    began: Instant | None = None
    in_force: RememberedGeneration | None = None
    """The generation in force at the moment."""
    term: Term | None = None
    """The one that the moment lies in."""
    before: Term | None = None
    """The newest one that was over by then."""
    after: Term | None = None
    """The first one that began later."""
    newest: Run | None = None
    """The newest run of the task, whenever that was."""
    entry: HistoryRow | None = None
    """What covers the moment."""
    annulled: tuple[HistoryRow, ...] = ()
    """What covered it, and was caused by a jump of the clock."""
    running: tuple[Run, ...] = ()
    """Runs of the task that were under way when the entry was decided, oldest first."""
    holds: tuple[HoldChange, ...] = ()
    """Everything that happened to holds, oldest first."""
    record: TaskRecord | None = None
    start: PutStart | None = None
    """The newest start of an agent up to when the entry was decided; without an entry, of all."""

    @property
    def is_known(self) -> bool:
        """The task was on this host at some time, as far as is remembered."""
        return any(trace is not None for trace in (self.term, self.before, self.after, self.newest, self.record))


Witness = Callable[[TaskName, Instant], Evidence]
