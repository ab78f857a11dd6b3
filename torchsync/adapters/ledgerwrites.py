"""What each operation of a batch does to the tables of the ledger, and how old rows go."""

from __future__ import annotations

import sqlite3
from typing import assert_never

from torchsync.adapters import ledgerattempts as attempts
from torchsync.adapters import ledgerchronicle as chronicle
from torchsync.adapters import ledgerclock as clock
from torchsync.adapters import ledgerholds as holds
from torchsync.adapters import ledgernotices as notices
from torchsync.adapters import ledgerqueue as queue
from torchsync.adapters import ledgerrows as rows
from torchsync.core.chronicle import PutGeneration, PutStart
from torchsync.core.entries import (
    Admit,
    Annul,
    AwaitAttempt,
    BeginAttempt,
    Dequeue,
    DropLate,
    DropNotice,
    DropRecord,
    Enqueue,
    Finish,
    Intend,
    LedgerOp,
    PutClock,
    PutHold,
    PutLate,
    PutNotice,
    PutRecord,
    Rewind,
    RunOp,
    Settle,
    Skip,
    TurnBack,
    Withdraw,
)
from torchsync.core.model import Instant, Run, RunId

PRUNED_AT_ONCE = 1_000
"""Rows deleted in one transaction: the loop waits for it."""

_NEW_RUN = f"INSERT INTO run ({rows.RUN_COLUMNS}) VALUES ({', '.join('?' * len(rows.RUN_COLUMNS.split(',')))})"  # noqa: S608 - our own column names
_UNUSED = """DELETE FROM definition WHERE NOT EXISTS (SELECT 1 FROM run WHERE definition = digest)
    AND NOT EXISTS (SELECT 1 FROM term WHERE definition = digest)"""
_NEW_FIRE = "INSERT INTO fire (task, first, last, count, decided_at, reason, run, jump) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"


def apply(connection: sqlite3.Connection, definitions: rows.Definitions, operation: LedgerOp) -> None:
    """The operation is in the tables. Raises ValueError, or sqlite3.IntegrityError, when it does not fit what is there."""
    match operation:
        case Admit(run=run, jump=jump):
            _admit(connection, definitions, run, jump)
        case Skip():
            _skip(connection, operation)
        case Enqueue() | Dequeue():
            queue.apply(connection, operation)
        case Intend() | Finish() | AwaitAttempt() | BeginAttempt() | Withdraw():
            _change_run(connection, operation)
        case PutRecord() | DropRecord():
            _record(connection, operation)
        case PutHold(change=change):
            holds.put(connection, change)
        case PutNotice() | DropNotice() | PutLate() | DropLate():
            notices.apply(connection, operation)
        case PutGeneration() | PutStart():
            chronicle.apply(connection, definitions, operation)
        case Annul() | Settle() | Rewind() | TurnBack() | PutClock():
            clock.apply(connection, operation)
        case _:
            assert_never(operation)


def _record(connection: sqlite3.Connection, operation: PutRecord | DropRecord) -> None:
    match operation:
        case PutRecord(record=record):
            connection.execute(rows.PUT_RECORD, rows.record_row(record))
        case DropRecord(task=task):
            connection.execute("DELETE FROM record WHERE task = ?", (task,))


def _change_run(connection: sqlite3.Connection, operation: RunOp) -> None:
    match operation:
        case Intend(run=run_id, cause=cause):
            _change_open(connection, run_id, "UPDATE run SET stop_cause = ? WHERE id = ? AND outcome IS NULL", cause.value)
        case Finish():
            _finish(connection, operation)
        case AwaitAttempt() | BeginAttempt():
            attempts.apply(connection, operation)
        case Withdraw(run=run_id):
            _change_open(connection, run_id, "DELETE FROM run WHERE id = ? AND outcome IS NULL")
            connection.execute("DELETE FROM fire WHERE run = ?", (run_id,))
            connection.execute("DELETE FROM annulled WHERE run = ?", (run_id,))
        case _:
            assert_never(operation)


def _admit(connection: sqlite3.Connection, definitions: rows.Definitions, run: Run, jump: int) -> None:
    connection.execute(_NEW_RUN, rows.run_row(run, definitions.put(connection, run.task)))
    if run.instant is not None:
        connection.execute(_NEW_FIRE, rows.fire_row(run, jump))


def _skip(connection: sqlite3.Connection, skip: Skip) -> None:
    """A span that cannot grow, since its entry is pruned or not the one before it, gets an entry of its own."""
    if skip.extends and _grow(connection, skip):
        return
    connection.execute(_NEW_FIRE, rows.skip_row(skip))


def _grow(connection: sqlite3.Connection, skip: Skip) -> bool:
    statement = "SELECT first, last, reason, jump FROM fire WHERE task = ? AND first < ? ORDER BY first DESC LIMIT 1"
    before = connection.execute(statement, (skip.task, skip.first)).fetchone()
    if before is None or before[1] >= skip.first or (before[2], before[3]) != (skip.reason.value, skip.jump):
        return False
    connection.execute(
        "UPDATE fire SET last = ?, count = count + ?, decided_at = ? WHERE task = ? AND first = ?",
        (skip.last, skip.count, skip.decided_at, skip.task, before[0]),
    )
    return True


def _finish(connection: sqlite3.Connection, finish: Finish) -> None:
    _change_open(
        connection,
        finish.run,
        """UPDATE run SET outcome = ?, finished_at = ?, started_at = coalesce(?, started_at), exit_status = ?, detail = ?, wait = NULL,
            cpu = ?, memory = ?
            WHERE id = ? AND outcome IS NULL""",
        finish.outcome.value,
        finish.finished_at,
        finish.started_at,
        finish.exit_status,
        finish.detail,
        finish.usage.cpu,
        finish.usage.memory,
    )


def _change_open(connection: sqlite3.Connection, run: RunId, statement: str, *values: object) -> None:
    """Exactly one run, which is not over, has changed. The id is the last parameter of the statement."""
    if connection.execute(statement, (*values, run)).rowcount != 1:
        raise ValueError(f"run {run} is unknown or over")


def prune_rows(connection: sqlite3.Connection, before: Instant) -> int:
    """At most about `PRUNED_AT_ONCE` rows of each kind that were decided before the instant are gone; how many."""
    parameters = {"before": before, "limit": PRUNED_AT_ONCE}
    old = "SELECT id FROM run WHERE admitted_at < :before AND outcome IS NOT NULL ORDER BY admitted_at, id LIMIT :limit"
    for table in ("fire", "annulled", "attempt"):
        connection.execute(f"DELETE FROM {table} WHERE run IN ({old})", parameters)  # noqa: S608 - fixed text
    runs = connection.execute(f"DELETE FROM run WHERE id IN ({old})", parameters).rowcount  # noqa: S608 - fixed text
    skips = connection.execute(
        """DELETE FROM fire WHERE (task, first) IN
            (SELECT task, first FROM fire WHERE reason IS NOT NULL AND due IS NULL AND decided_at < :before
            ORDER BY decided_at LIMIT :limit)""",
        parameters,
    ).rowcount
    skips += clock.prune_skips(connection, before, PRUNED_AT_ONCE)
    skips += holds.prune(connection, before)
    terms = chronicle.prune(connection, before, PRUNED_AT_ONCE)
    if 0 < runs + terms < PRUNED_AT_ONCE:
        connection.execute(_UNUSED)
    return runs + skips + terms
