"""The ledger on SQLite: the history of instants and runs, and the records of the tasks.

Theory of operation. One `commit` is one transaction and one fsync; what it returned for is on disk. When it cannot be had (full, read-only,
failing disk) `StateUnwritable` is raised and the operations stay with the caller, who gives them again, with more behind them. After any
failure the connection is closed: fsync reports an error once, and what the system then holds of the file need not be on disk. The next
commit opens anew and moves everything the log holds into the database before it writes. By then the failed transaction may turn out to be
there, since only its fsync failed. So what is given again is numbered: `turn` in `meta` is the number of the newest batch, written in the
transaction of that batch, and a batch up to it is never done again, whichever process gives it.

Reading goes on through all of this; where the folder cannot be written it reads what was there when the agent started.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from torchsync.adapters import ledgerchronicle as chronicle
from torchsync.adapters import ledgerevidence
from torchsync.adapters import ledgerholds as holds
from torchsync.adapters import ledgernotices as notices
from torchsync.adapters import ledgerqueue as queue
from torchsync.adapters import ledgerrows as rows
from torchsync.adapters.ledgerattempts import attempts_of
from torchsync.adapters.ledgerhistory import history_query, parameters
from torchsync.adapters.ledgerschema import (
    LedgerDamaged,
    is_of_the_disk,
    open_copy,
    open_empty,
    open_existing,
    open_for_reading,
    open_or_replace,
    unwritable,
)
from torchsync.adapters.ledgerwrites import apply, prune_rows
from torchsync.core.chronicle import RememberedGeneration
from torchsync.core.clockwatch import ClockState
from torchsync.core.entries import (
    Batch,
    HistoryQuery,
    HistoryRow,
    LedgerOp,
    QueuedFire,
    Tagged,
)
from torchsync.core.evidence import Evidence
from torchsync.core.holds import HoldChange
from torchsync.core.jsontext import parse_json
from torchsync.core.model import Instant, Run, RunId, TaskName
from torchsync.core.notice import Notice
from torchsync.core.taskdoc import clock_from_document
from torchsync.core.taskrecord import TaskRecord
from torchsync.core.tasktexts import TaskTexts
from torchsync.errors import NotFound, Problem, StateUnwritable

_RUNS = f"SELECT {rows.RUN_FIELDS} FROM run JOIN definition ON digest = definition"  # noqa: S608 - our own column names


class LedgerReader:
    """The reading half, over a connection of either kind."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        connection.row_factory = sqlite3.Row
        self._connection = connection

    def turn(self) -> int:
        """The number of the newest batch that the ledger holds; 0 for none."""
        return _turn_of(self._connection)

    def open_runs(self) -> Sequence[Run]:
        """The runs without an outcome, oldest admission first."""
        found = self._connection.execute(f"{_RUNS} WHERE outcome IS NULL ORDER BY admitted_at, id")
        return [self._run(row) for row in found.fetchall()]

    def records(self) -> Mapping[TaskName, TaskRecord]:
        """The record of every task known."""
        found = self._connection.execute(f"SELECT {rows.RECORD_COLUMNS} FROM record")  # noqa: S608 - our own column names
        return {row["task"]: rows.record_of(row) for row in found}

    def clock(self) -> ClockState | None:
        """What is known of the clock; None when nothing is."""
        row = self._connection.execute("SELECT document FROM clock").fetchone()
        return clock_from_document(parse_json(row[0])) if row else None

    def holds(self) -> Sequence[HoldChange]:
        """What happened to holds, oldest first."""
        return holds.changes(self._connection)

    def notices_waiting(self) -> Sequence[Notice]:
        """The notices that are to be sent, in the order in which they were decided."""
        return notices.waiting(self._connection)

    def late(self) -> Mapping[TaskName, Instant]:
        """Since when the tasks are late that are known to be."""
        return notices.late(self._connection)

    def tagged(self) -> Sequence[Tagged]:
        """The entries that carry the id of a jump."""
        return [rows.tagged_of(row) for row in self._connection.execute("SELECT * FROM fire WHERE jump <> 0 AND due IS NULL")]

    def queue(self) -> Sequence[QueuedFire]:
        """The fires that wait."""
        return queue.waiting(self._connection)

    def run(self, run: RunId) -> Run | None:
        row = self._connection.execute(f"{_RUNS} WHERE id = ?", (run,)).fetchone()
        return self._run(row) if row else None

    def in_force(self) -> RememberedGeneration | None:
        """The newest generation that is remembered; None when none is."""
        return chronicle.newest(self._connection)

    def evidence(self, task: TaskName, at: Instant) -> Evidence:
        """What is known of the task at that moment."""
        return ledgerevidence.evidence(self._connection, task, at)

    def known_tasks(self) -> Sequence[str]:
        """The names of all tasks that the ledger knows something of."""
        return ledgerevidence.known_tasks(self._connection)

    def history(self, query: HistoryQuery) -> Sequence[HistoryRow]:
        """Newest decision first. With `failed` only runs that failed, timed out, did not start or were lost."""
        found = self._connection.execute(history_query(query), parameters(query)).fetchall()
        return [self._history_row(row) for row in found]

    def close(self) -> None:
        self._connection.close()

    def _run(self, row: sqlite3.Row) -> Run:
        run = rows.run_of(row)
        return replace(run, earlier=attempts_of(self._connection, run.id)) if run.attempt > 1 else run

    def _history_row(self, row: sqlite3.Row) -> HistoryRow:
        if row["hold"] is not None:
            return holds.history_row(self._connection, row["hold"])
        return rows.history_row(row, self.run(row["run"]) if row["run"] else None)


def open_readonly(path: Path, scratch: Path) -> LedgerReader:
    """The ledger of this or another process, as far as it is durable. `scratch` is a folder for a copy, where one is needed.

    Raises NotFound when there is none, Refused without the right to read it, StateUnwritable when the disk fails.
    """
    return LedgerReader(open_for_reading(path, scratch))


class SqliteLedger:
    """The one writer of the ledger at `path`; see `ports.Ledger`. For one thread.

    A disk that does not allow for writing is no reason not to start: `notices` says so, reading works from a copy in the folder `scratch`
    where it must, and every commit tries again. A damaged ledger found at the start is set aside; `notices` says so, and `was_replaced`.
    """

    def __init__(self, path: Path, scratch: Path, texts: TaskTexts | None = None) -> None:
        self._path = path
        self._scratch = scratch
        self._connection: sqlite3.Connection | None = None
        self._fallback: LedgerReader | None = None
        self._definitions = rows.Definitions(texts or TaskTexts())
        self._turn = 0
        self._is_doubtful = False
        self.notices: tuple[Problem, ...] = ()
        try:
            self._connection, self.notices = open_or_replace(path)
            self._turn = _turn_of(self._connection)
        except StateUnwritable as error:
            self.notices = (Problem(code=error.code, message=error.message, path=str(path)),)
        self.was_replaced = any(notice.code == "TS334" for notice in self.notices)

    def commit(self, operations: Sequence[LedgerOp]) -> None:
        """All of the operations are durable, as the batch behind `turn`, in one transaction; or none is, and StateUnwritable is raised.

        Raises ValueError, and nothing has happened, when the operations contradict the ledger: an instant that is covered already, or a run
        that is unknown or over.
        """
        if operations:
            self._opened()
            self.fold([Batch(number=self._turn + 1, operations=tuple(operations))])

    def fold(self, batches: Sequence[Batch]) -> None:
        """Every batch is durable, in order and one transaction; those up to `turn` are there and left out. Raises as `commit`."""
        connection = self._settled(batches)
        pending = [batch for batch in batches if batch.number > self._turn]
        if not pending:
            return
        try:
            with _transaction(connection):
                for operation in (operation for batch in pending for operation in batch.operations):
                    apply(connection, self._definitions, operation)
                connection.execute("UPDATE meta SET value = ? WHERE key = 'turn'", (pending[-1].number,))
        except sqlite3.IntegrityError as error:
            raise ValueError(f"the ledger refuses what contradicts it: {error}") from error
        except sqlite3.Error as error:
            raise self._distrusted(error) from error
        self._turn = pending[-1].number

    def turn(self) -> int:
        """The number of the newest batch that the ledger holds; 0 for none."""
        with self._reading() as reader:
            return reader.turn()

    def open_runs(self) -> Sequence[Run]:
        with self._reading() as reader:
            return reader.open_runs()

    def records(self) -> Mapping[TaskName, TaskRecord]:
        with self._reading() as reader:
            return reader.records()

    def clock(self) -> ClockState | None:
        with self._reading() as reader:
            return reader.clock()

    def holds(self) -> Sequence[HoldChange]:
        with self._reading() as reader:
            return reader.holds()

    def notices_waiting(self) -> Sequence[Notice]:
        with self._reading() as reader:
            return reader.notices_waiting()

    def late(self) -> Mapping[TaskName, Instant]:
        with self._reading() as reader:
            return reader.late()

    def tagged(self) -> Sequence[Tagged]:
        with self._reading() as reader:
            return reader.tagged()

    def in_force(self) -> RememberedGeneration | None:
        with self._reading() as reader:
            return reader.in_force()

    def queue(self) -> Sequence[QueuedFire]:
        with self._reading() as reader:
            return reader.queue()

    def history(self, query: HistoryQuery) -> Sequence[HistoryRow]:
        with self._reading() as reader:
            return reader.history(query)

    def run(self, run: RunId) -> Run | None:
        with self._reading() as reader:
            return reader.run(run)

    def prune(self, before: Instant) -> int:
        """Some of the entries and finished runs decided before the instant are gone; how many, and 0 once none is left.

        The records stay, and with them the mark of every task. Raises StateUnwritable.
        """
        connection = self._settled(())
        try:
            with _transaction(connection):
                return prune_rows(connection, before)
        except sqlite3.Error as error:
            raise self._distrusted(error) from error

    def close(self) -> None:
        for resource in (self._connection, self._fallback):
            if resource is not None:
                resource.close()
        self._connection = self._fallback = None

    def _settled(self, batches: Sequence[Batch]) -> sqlite3.Connection:
        """A connection to build on. If a commit has failed, in this process or in the one that gave one of these batches before, everything
        that is in the log is in the database, and the doubt is over.
        """
        connection = self._opened()
        if not self._is_doubtful and all(batch.number > self._turn for batch in batches):
            return connection
        try:
            is_blocked = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except sqlite3.Error as error:
            raise self._distrusted(error) from error
        if is_blocked:
            raise unwritable(self._path, "another process holds on to it")
        self._is_doubtful = False
        return connection

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            try:
                self._connection = open_existing(self._path)
            except LedgerDamaged as damage:
                raise unwritable(self._path, f"it is damaged ({damage}); restart the agent to begin a new one") from damage
            self._turn = _turn_of(self._connection)
            if self._fallback is not None:
                self._fallback.close()
                self._fallback = None
        return self._connection

    @contextmanager
    def _reading(self) -> Iterator[LedgerReader]:
        try:
            yield self._reader()
        except sqlite3.Error as error:
            raise self._distrusted(error) from error

    def _reader(self) -> LedgerReader:
        try:
            return LedgerReader(self._opened())
        except StateUnwritable:
            self._fallback = self._fallback or self._open_fallback()
            return self._fallback

    def _open_fallback(self) -> LedgerReader:
        try:
            return LedgerReader(open_copy(self._path, self._scratch))
        except NotFound:
            return LedgerReader(open_empty())

    def _distrusted(self, error: sqlite3.Error) -> StateUnwritable:
        """The connection is closed; raises the error itself when it tells of a bug and not of the disk."""
        if not is_of_the_disk(error):
            raise error
        self._is_doubtful = True
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None
        return unwritable(self._path, error)


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """What is executed inside is committed, or nothing of it when an exception leaves."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")


def _turn_of(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT value FROM meta WHERE key = 'turn'").fetchone()[0])
