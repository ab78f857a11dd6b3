"""Everything the ledger knows about one instant of one task, in a handful of questions that each have an index."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace

from torchsync.adapters import ledgerchronicle as chronicle
from torchsync.adapters import ledgerholds as holds
from torchsync.adapters import ledgerrows as rows
from torchsync.adapters.ledgerattempts import attempts_of
from torchsync.core.entries import HistoryRow
from torchsync.core.evidence import Evidence
from torchsync.core.model import Instant, Run, RunId, SkipReason, TaskName

_RUNS = f"SELECT {rows.RUN_FIELDS} FROM run JOIN definition ON digest = definition"  # noqa: S608 - our own column names
_NEWEST_BEFORE = f"{_RUNS} WHERE task = ? AND admitted_at <= ? ORDER BY admitted_at DESC, id DESC LIMIT 200"
_ENTRY = "SELECT task, first, last, count, decided_at, reason, run, {} AS annulled, trigger AS queued FROM {} WHERE task = ? AND first <= ?"
_COVERING = f"{_ENTRY.format(0, 'fire')} ORDER BY first DESC LIMIT 1"
_ANNULLED = f"{_ENTRY.format(1, 'annulled')} AND last >= ? ORDER BY decided_at DESC LIMIT 5"
_NAMES = "SELECT task FROM record UNION SELECT DISTINCT task FROM term UNION SELECT DISTINCT task FROM run"
_FOR_EVER = Instant(1 << 62)


def evidence(connection: sqlite3.Connection, task: TaskName, at: Instant) -> Evidence:
    """What is known of the task at that moment."""
    entry = _entry(connection, task, at)
    record = connection.execute(f"SELECT {rows.RECORD_COLUMNS} FROM record WHERE task = ?", (task,)).fetchone()  # noqa: S608 - our own names
    annulled = connection.execute(_ANNULLED, (task, at, at)).fetchall()
    return Evidence(
        began=chronicle.began(connection),
        in_force=chronicle.in_force(connection, at),
        term=chronicle.term(connection, task, at),
        before=chronicle.term_before(connection, task, at),
        after=chronicle.term_after(connection, task, at),
        newest=_newest_run(connection, task),
        entry=entry,
        annulled=tuple(_row(connection, row) for row in annulled),
        running=_running(connection, entry) if entry and entry.reason is SkipReason.OVERLAP else (),
        holds=tuple(holds.changes(connection)),
        record=rows.record_of(record) if record else None,
        start=chronicle.start(connection, entry.decided_at if entry else _FOR_EVER),
    )


def known_tasks(connection: sqlite3.Connection) -> Sequence[str]:
    """The names of all tasks that the ledger knows something of."""
    return [row[0] for row in connection.execute(_NAMES)]


def _entry(connection: sqlite3.Connection, task: TaskName, at: Instant) -> HistoryRow | None:
    row = connection.execute(_COVERING, (task, at)).fetchone()
    return _row(connection, row) if row and row["last"] >= at else None


def _row(connection: sqlite3.Connection, row: sqlite3.Row) -> HistoryRow:
    return rows.history_row(row, _run(connection, row["run"]) if row["run"] else None)


def _run(connection: sqlite3.Connection, run: RunId) -> Run | None:
    row = connection.execute(f"{_RUNS} WHERE id = ?", (run,)).fetchone()
    return _with_attempts(connection, rows.run_of(row)) if row else None


def _with_attempts(connection: sqlite3.Connection, run: Run) -> Run:
    return replace(run, earlier=attempts_of(connection, run.id)) if run.attempt > 1 else run


def _newest_run(connection: sqlite3.Connection, task: TaskName) -> Run | None:
    row = connection.execute(f"{_RUNS} WHERE task = ? ORDER BY admitted_at DESC, id DESC LIMIT 1", (task,)).fetchone()
    return rows.run_of(row) if row else None


def _runs_before(connection: sqlite3.Connection, task: TaskName, at: Instant) -> Sequence[Run]:
    """The newest first, and not all of them."""
    return [rows.run_of(row) for row in connection.execute(_NEWEST_BEFORE, (task, at))]


def _running(connection: sqlite3.Connection, entry: HistoryRow) -> tuple[Run, ...]:
    runs = _runs_before(connection, entry.task, entry.decided_at)
    return tuple(run for run in reversed(runs) if run.finished_at is None or run.finished_at > entry.decided_at)
