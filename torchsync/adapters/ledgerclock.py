"""What jumps of the clock do to the rows of the ledger."""

from __future__ import annotations

import sqlite3
from typing import assert_never

from torchsync.core.entries import Annul, ClockOp, PutClock, Rewind, Settle, TurnBack
from torchsync.core.jsontext import canonical
from torchsync.core.model import Instant
from torchsync.core.taskdoc import clock_document

_COLUMNS = "task, first, last, count, decided_at, reason, run, jump, trigger"
_ANNULLED = "task = :task AND jump = :jump AND (last > :now OR reason IS 'missed' OR trigger IS 'misfire')"
_TIMES = (
    ("attempt", ("started_at", "finished_at")),
    ("run", ("admitted_at", "started_at", "finished_at")),
    ("fire", ("decided_at",)),
    ("annulled", ("decided_at",)),
    ("hold", ("at",)),
    ("generation", ("applied_at",)),
    ("term", ("since", "until", "baseline")),
    ("agent", ("at", "last_sign")),
)


def apply(connection: sqlite3.Connection, operation: ClockOp) -> None:
    """What the operation says is so, as a part of the transaction under way."""
    match operation:
        case Annul():
            _annul(connection, operation)
        case Settle(task=task, jump=jump, heir=heir):
            connection.execute("UPDATE fire SET jump = ? WHERE task = ? AND jump = ? AND jump <> 0", (heir, task, jump))
        case Rewind(task=task, mark=mark):
            connection.execute("UPDATE record SET decided_through = ? WHERE task = ?", (mark, task))
        case TurnBack():
            _turn_back(connection, operation)
        case PutClock(state=state):
            connection.execute("INSERT OR REPLACE INTO clock VALUES (1, ?)", (canonical(clock_document(state)),))
        case _:
            assert_never(operation)


def prune_skips(connection: sqlite3.Connection, before: Instant, most: int) -> int:
    """At most so many annulled skips that were decided before the instant are gone; how many."""
    old = "SELECT rowid FROM annulled WHERE reason IS NOT NULL AND decided_at < ? ORDER BY decided_at LIMIT ?"
    return connection.execute(f"DELETE FROM annulled WHERE rowid IN ({old})", (before, most)).rowcount  # noqa: S608 - fixed text


def _annul(connection: sqlite3.Connection, annul: Annul) -> None:
    values = {
        "task": annul.task,
        "jump": annul.jump,
        "now": annul.now,
        "heir": annul.heir,
    }
    connection.execute(f"INSERT INTO annulled ({_COLUMNS}) SELECT {_COLUMNS} FROM fire WHERE {_ANNULLED}", values)  # noqa: S608 - fixed text
    connection.execute(f"DELETE FROM fire WHERE {_ANNULLED}", values)  # noqa: S608 - as above
    connection.execute("UPDATE fire SET jump = :heir WHERE task = :task AND jump = :jump AND :heir <> 0", values)


def _turn_back(connection: sqlite3.Connection, turn: TurnBack) -> None:
    """As `entries.earlier_of` says of runs, and `entries.earlier` of everything else."""
    for table, columns in _TIMES:
        least = "max(:since, CASE WHEN instant <= :now THEN instant ELSE 0 END)" if table == "run" else ":since"
        for column in columns:
            connection.execute(
                f"UPDATE {table} SET {column} = max({least}, min({column} - :by, :now)) WHERE {column} > :now",  # noqa: S608 - our own names
                {"now": turn.now, "by": turn.by, "since": turn.since},
            )
