"""What happened to what operators hold, in the ledger: written once, told, and pruned without forgetting what is still held."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from torchsync.core.entries import HistoryRow
from torchsync.core.holds import Held, HoldAct, HoldChange, HoldScope
from torchsync.core.model import Instant, TaskName

_SAME = "other.task = hold.task AND replace(other.scope, 'rollback', 'pin') = replace(hold.scope, 'rollback', 'pin')"
"""There is one pin, and a rollback is one."""

_OVERTAKEN = f"DELETE FROM hold WHERE at < :before AND EXISTS (SELECT 1 FROM hold AS other WHERE {_SAME} AND other.number > hold.number)"  # noqa: S608 - fixed text
_OVER = f"""DELETE FROM hold WHERE at < :before AND act <> 'placed'
    AND NOT EXISTS (SELECT 1 FROM hold AS other WHERE {_SAME} AND other.number < hold.number)"""  # noqa: S608 - as above


def put(connection: sqlite3.Connection, change: HoldChange) -> None:
    """The change is there; one whose number is there already stays as it is."""
    connection.execute("INSERT OR IGNORE INTO hold VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", _row_of(change))


def changes(connection: sqlite3.Connection) -> Sequence[HoldChange]:
    """All of them, oldest first."""
    return [_change_of(row) for row in connection.execute("SELECT * FROM hold ORDER BY number")]


def history_row(connection: sqlite3.Connection, number: int) -> HistoryRow:
    """The line of the history for the change with that number."""
    change = _change_of(connection.execute("SELECT * FROM hold WHERE number = ?", (number,)).fetchone())
    return HistoryRow(task=TaskName(change.what.task), first=None, last=None, count=1, decided_at=change.at, hold=change)


def prune(connection: sqlite3.Connection, before: Instant) -> int:
    """What happened before the instant is gone; how many changes. The placing of what is held still is kept: it may be all that tells of it. The end
    of a hold goes after its beginning, or the hold would be there again.
    """
    gone = connection.execute(_OVERTAKEN, {"before": before}).rowcount
    return gone + connection.execute(_OVER, {"before": before}).rowcount


def _row_of(change: HoldChange) -> tuple[object, ...]:
    """In the order of the columns of `hold`."""
    return (
        change.number,
        change.at,
        change.act.value,
        change.what.scope.value,
        change.what.task,
        change.actor,
        change.reason,
        change.until,
        change.revision,
    )


def _change_of(row: sqlite3.Row) -> HoldChange:
    """The change in a row of `hold`."""
    return HoldChange(
        number=row["number"],
        at=row["at"],
        act=HoldAct(row["act"]),
        what=Held(HoldScope(row["scope"]), row["task"]),
        actor=row["actor"],
        reason=row["reason"],
        until=row["until"],
        revision=row["revision"],
    )
