"""The attempts of runs in the ledger: one row for each that is over and was not the last. The run's own row tells the newest."""

from __future__ import annotations

import sqlite3
from typing import assert_never

from torchsync.core.entries import AttemptOp, AwaitAttempt, BeginAttempt
from torchsync.core.jsontext import canonical
from torchsync.core.model import Attempt, Outcome, RunId
from torchsync.core.taskdoc import wait_document

_NEW = "INSERT INTO attempt (run, number, started_at, finished_at, outcome, exit_status, detail) VALUES (?, ?, ?, ?, ?, ?, ?)"
_NEXT = "UPDATE run SET attempt = ?, again = 0, wait = ?, stop_cause = NULL WHERE id = ? AND outcome IS NULL"
_AGAIN = "UPDATE run SET again = again + 1, wait = ?, stop_cause = NULL WHERE id = ? AND outcome IS NULL"
_BEGIN = "UPDATE run SET wait = NULL, boot_id = ? WHERE id = ? AND outcome IS NULL AND wait IS NOT NULL"


def apply(connection: sqlite3.Connection, operation: AttemptOp) -> None:
    """The operation is in the tables. Raises ValueError when the run is unknown or over, or does not wait for an attempt that is to begin."""
    match operation:
        case AwaitAttempt():
            _await(connection, operation)
        case BeginAttempt(run=run, boot_id=boot_id):
            _change(connection, run, _BEGIN, boot_id)
        case _:
            assert_never(operation)


def _await(connection: sqlite3.Connection, awaited: AwaitAttempt) -> None:
    run, over, wait = awaited.run, awaited.over, canonical(wait_document(awaited.wait))
    if over is None:
        _change(connection, run, _AGAIN, wait)
        return
    _change(connection, run, _NEXT, over.number + 1, wait)
    connection.execute(_NEW, (run, over.number, over.started_at, over.finished_at, over.outcome.value, over.exit_status, over.detail))


def attempts_of(connection: sqlite3.Connection, run: RunId) -> tuple[Attempt, ...]:
    """Those that are over and were not the last, the first one first."""
    return tuple(_attempt(row) for row in connection.execute("SELECT * FROM attempt WHERE run = ? ORDER BY number", (run,)))


def _change(connection: sqlite3.Connection, run: RunId, statement: str, *values: object) -> None:
    if connection.execute(statement, (*values, run)).rowcount != 1:
        raise ValueError(f"run {run} is unknown, over, or not at this point")


def _attempt(row: sqlite3.Row) -> Attempt:
    return Attempt(
        number=row["number"],
        outcome=Outcome(row["outcome"]),
        finished_at=row["finished_at"],
        started_at=row["started_at"],
        exit_status=row["exit_status"],
        detail=row["detail"],
    )
