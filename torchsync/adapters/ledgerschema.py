"""The form of the ledger on disk, and how it is opened: new, as it was left, brought up to date, or set aside when it is damaged.

Theory of operation. The ledger is an SQLite database in WAL mode with `synchronous=FULL`: a commit that returned survives a loss of power, and
readers in other processes never hold up the writer. Which instant is covered is kept in `fire`: one row is a span of instants of one task,
and a trigger refuses a row that overlaps another, so that no code of ours can cover an instant twice. A row that a jump of the clock caused
carries the id of the jump; when it is annulled it moves to `annulled`, where it covers nothing. A definition is stored once, however many runs
have it, by the digest of its document.

`application_id` tells our database from another's; `schema_version` in `meta` is the rung of `_LADDER` it stands on. `turn` counts the
transactions: it tells whether one that seemed to fail is there after all.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from contextlib import ExitStack, closing
from pathlib import Path

from torchsync.errors import NotFound, Problem, Refused, StateUncreatable, StateUnwritable

APPLICATION_ID = 0x54534C47
"""`TSLG`, in the header of the file."""

LOCK_WAIT_SECONDS = 1.0
"""Nobody but the agent writes; this is for the moment in which another process closes the file."""

_FIRST = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    "INSERT INTO meta VALUES ('schema_version', 0), ('turn', 0)",
    "CREATE TABLE definition (digest BLOB PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE run (
        id TEXT PRIMARY KEY, task TEXT NOT NULL, definition BLOB NOT NULL, revision TEXT NOT NULL, tree TEXT NOT NULL,
        trigger TEXT NOT NULL, admitted_at INTEGER NOT NULL, boot_id TEXT NOT NULL, user TEXT NOT NULL, instant INTEGER, due INTEGER,
        copy INTEGER NOT NULL, attempt INTEGER NOT NULL, actor TEXT NOT NULL, stop_cause TEXT, started_at INTEGER, finished_at INTEGER,
        outcome TEXT, exit_status INTEGER, detail TEXT NOT NULL
    ) WITHOUT ROWID""",
    "CREATE INDEX run_open ON run (admitted_at, id) WHERE outcome IS NULL",
    "CREATE INDEX run_newest ON run (admitted_at, id)",
    "CREATE INDEX run_of_task ON run (task, admitted_at, id)",
    """CREATE TABLE fire (
        task TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL, decided_at INTEGER NOT NULL,
        reason TEXT, run TEXT,
        PRIMARY KEY (task, first), CHECK (first <= last AND count >= 1), CHECK ((reason IS NULL) <> (run IS NULL))
    ) WITHOUT ROWID""",
    "CREATE UNIQUE INDEX fire_of_run ON fire (run) WHERE run IS NOT NULL",
    "CREATE INDEX fire_newest_skip ON fire (decided_at) WHERE reason IS NOT NULL",
    # Spans never overlap, so the one that begins last before the end of the new one is the only one that can reach into it.
    """CREATE TRIGGER fire_covers_once BEFORE INSERT ON fire
        WHEN (SELECT last FROM fire WHERE task = NEW.task AND first <= NEW.last ORDER BY first DESC LIMIT 1) >= NEW.first
        BEGIN SELECT RAISE(ABORT, 'an instant of the task is covered already'); END""",
    """CREATE TABLE record (
        task TEXT PRIMARY KEY, first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL, decided_through INTEGER NOT NULL,
        last_run INTEGER NOT NULL, last_success INTEGER NOT NULL, last_duration INTEGER NOT NULL, last_exit_status INTEGER NOT NULL,
        consecutive_failures INTEGER NOT NULL, restarts INTEGER NOT NULL, runs TEXT NOT NULL, skipped TEXT NOT NULL
    ) WITHOUT ROWID""",
)

_SECOND = (
    "ALTER TABLE fire ADD COLUMN jump INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE record ADD COLUMN before TEXT NOT NULL DEFAULT '[]'",
    "CREATE INDEX fire_of_jump ON fire (jump, task, first) WHERE jump <> 0",
    """CREATE TABLE annulled (
        task TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL, decided_at INTEGER NOT NULL,
        reason TEXT, run TEXT, jump INTEGER NOT NULL
    )""",
    "CREATE INDEX annulled_newest ON annulled (decided_at)",
    "CREATE INDEX annulled_of_run ON annulled (run) WHERE run IS NOT NULL",
    "CREATE TABLE clock (id INTEGER PRIMARY KEY CHECK (id = 1), document TEXT NOT NULL)",
)
"""Jumps of the clock."""

_THIRD = (
    """CREATE TABLE hold (
        number INTEGER PRIMARY KEY, at INTEGER NOT NULL, act TEXT NOT NULL, scope TEXT NOT NULL, task TEXT NOT NULL, actor TEXT NOT NULL,
        reason TEXT NOT NULL, until INTEGER, revision TEXT NOT NULL
    )""",
    "CREATE INDEX hold_newest ON hold (at)",
)
"""What operators hold."""

_NOTICES = (
    "CREATE TABLE notice (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, made_at INTEGER NOT NULL, document TEXT NOT NULL)",
    "CREATE TABLE late (task TEXT PRIMARY KEY, since INTEGER NOT NULL) WITHOUT ROWID",
)
"""What is to be told to others."""

_ATTEMPTS = (
    """CREATE TABLE attempt (
        run TEXT NOT NULL, number INTEGER NOT NULL, started_at INTEGER, finished_at INTEGER NOT NULL, outcome TEXT NOT NULL,
        exit_status INTEGER, detail TEXT NOT NULL, PRIMARY KEY (run, number)
    ) WITHOUT ROWID""",
    "ALTER TABLE run ADD COLUMN again INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE run ADD COLUMN wait TEXT",
    "ALTER TABLE record ADD COLUMN retries INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE record ADD COLUMN pauses TEXT NOT NULL DEFAULT '[]'",
)
"""Attempts of runs, and the pauses of daemons."""

_QUEUE = (
    "ALTER TABLE fire ADD COLUMN due INTEGER",
    "ALTER TABLE fire ADD COLUMN trigger TEXT",
    "ALTER TABLE annulled ADD COLUMN trigger TEXT",
    "CREATE INDEX fire_waiting ON fire (task, first) WHERE due IS NOT NULL",
)
"""Fires that wait: rows of `fire` with a due, the trigger of the run to come, and `queued` for a reason."""

_CHRONICLE = (
    """CREATE TABLE generation (
        id INTEGER PRIMARY KEY, number INTEGER NOT NULL, revision TEXT NOT NULL, applied_at INTEGER NOT NULL, host TEXT NOT NULL,
        zone TEXT NOT NULL
    )""",
    "CREATE INDEX generation_newest ON generation (applied_at, id)",
    """CREATE TABLE term (
        task TEXT NOT NULL, generation INTEGER NOT NULL, number INTEGER NOT NULL, since INTEGER NOT NULL, until INTEGER,
        definition BLOB NOT NULL, baseline INTEGER NOT NULL,
        PRIMARY KEY (task, generation)
    ) WITHOUT ROWID""",
    "CREATE INDEX term_over ON term (until) WHERE until IS NOT NULL",
    "CREATE INDEX term_definition ON term (definition)",
    "CREATE TABLE agent (at INTEGER NOT NULL, boot_id TEXT NOT NULL, last_sign INTEGER NOT NULL)",
    "CREATE INDEX agent_newest ON agent (at)",
    # What is old goes bit by bit: whether a definition is still needed is asked for each one alone.
    "CREATE INDEX run_definition ON run (definition)",
    "CREATE INDEX annulled_of_task ON annulled (task, first)",
    "CREATE INDEX fire_newest_skip_of_task ON fire (task, decided_at) WHERE reason IS NOT NULL",
    "CREATE INDEX run_failed ON run (admitted_at, id) WHERE outcome IN ('failed', 'timed_out', 'start_failed', 'lost')",
    "CREATE INDEX run_failed_of_task ON run (task, admitted_at, id) WHERE outcome IN ('failed', 'timed_out', 'start_failed', 'lost')",
)
"""Which generation was in force when, with which definition of each task, and when agents began; what operators ask for has an index."""

_USAGE = (
    "ALTER TABLE run ADD COLUMN cpu INTEGER",
    "ALTER TABLE run ADD COLUMN memory INTEGER",
    "ALTER TABLE record ADD COLUMN last_cpu INTEGER",
    "ALTER TABLE record ADD COLUMN last_memory INTEGER",
)
"""What runs used: milliseconds of processor, bytes of memory at most."""

_RECENT = ("ALTER TABLE record ADD COLUMN recent TEXT NOT NULL DEFAULT ''",)
"""The outcomes of the newest runs, with spaces between them; an older ledger begins with none."""

_LADDER: tuple[tuple[str, ...], ...] = (_FIRST, _SECOND, _THIRD, _NOTICES, _ATTEMPTS, _QUEUE, _CHRONICLE, _USAGE, _RECENT)
NEWEST = len(_LADDER)

_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_UNUSABLE = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_PROTOCOL,
    }
)
_NEEDS_TO_WRITE = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL})
"""What even reading gives where the files beside the database cannot be made. None of it happens while this process has a connection of its
own that writes: making a copy then would drop the locks of that (fcntl(2)).
"""


class LedgerDamaged(Exception):
    """The file is not a ledger, or no longer a whole one."""


def primary_code(error: sqlite3.Error) -> int:
    """The kind of the error, without what SQLite adds to tell its place."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def is_of_the_disk(error: sqlite3.Error) -> bool:
    """The statement is right and the ledger cannot take it: full, read-only, failing, locked or damaged. Anything else is a bug of ours."""
    return primary_code(error) in _UNUSABLE | _DAMAGED


def unwritable(path: Path, why: object) -> StateUnwritable:
    return StateUnwritable("TS333", f"{path} cannot be written: {why}")


def open_or_replace(path: Path) -> tuple[sqlite3.Connection, tuple[Problem, ...]]:
    """A connection that reads and writes, and what there is to say about how it came to be.

    A damaged ledger is kept under another name and a new one begun. Raises StateUnwritable when the disk does not allow for writing, and
    StateUncreatable when a newer torchsync wrote the ledger.
    """
    try:
        return open_existing(path, is_trusted=False), ()
    except LedgerDamaged as damage:
        kept = set_aside(path)
        message = f"the ledger {path} is damaged ({damage}); it is kept as {kept.name}, and a new one has begun"
        return open_existing(path), (Problem(code="TS334", message=message, path=str(path)),)


def open_existing(path: Path, *, is_trusted: bool = True) -> sqlite3.Connection:
    """A connection that reads and writes; the file is made when there is none. One that is not trusted is looked through first.

    Raises as `open_or_replace`, and LedgerDamaged.
    """
    _create(path)
    try:
        with ExitStack() as undo:
            connection = sqlite3.connect(path, isolation_level=None, timeout=LOCK_WAIT_SECONDS)
            undo.callback(connection.close)
            _check(connection, is_trusted=is_trusted)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            _climb(connection)
            undo.pop_all()
            return connection
    except sqlite3.Error as error:
        if primary_code(error) in _DAMAGED:
            raise LedgerDamaged(str(error)) from error
        raise unwritable(path, error) from error


def open_empty() -> sqlite3.Connection:
    """A ledger in memory that holds nothing."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    _climb(connection)
    return connection


def open_for_reading(path: Path, scratch: Path) -> sqlite3.Connection:
    """A connection that only reads, while another process writes or none does.

    Where the folder cannot be written, SQLite cannot read what a killed agent left in the write-ahead log: then a copy is read. Raises
    NotFound, Refused for lack of rights, StateUnwritable for a failing disk.
    """
    _require(path)
    try:
        return _checked_for_reading(path, "mode=ro")
    except sqlite3.Error as error:
        if primary_code(error) not in _NEEDS_TO_WRITE:
            raise StateUnwritable("TS333", f"the ledger {path} cannot be read: {error}") from error
    return open_copy(path, scratch)


def open_copy(path: Path, scratch: Path) -> sqlite3.Connection:
    """A connection to a copy in `scratch`, which is whole as long as no agent writes. Raises as `open_for_reading`.

    The copy has no name any more when this returns: it goes with the connection, whatever becomes of this process.
    """
    _require(path)
    try:
        with tempfile.TemporaryDirectory(prefix=f"{path.name}.", dir=scratch) as folder:
            copy = Path(folder) / path.name
            for suffix in ("", "-wal"):
                if (part := Path(f"{path}{suffix}")).exists():
                    shutil.copyfile(part, f"{copy}{suffix}")
            with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
                connection.execute("PRAGMA journal_mode = DELETE")
            return _checked_for_reading(copy, "mode=ro&immutable=1")
    except (sqlite3.Error, OSError) as error:
        raise StateUnwritable("TS333", f"the ledger {path} cannot be read: {error}") from error


def set_aside(path: Path) -> Path:
    """The ledger is kept under a name that is free, with what belongs to it; the new path. Raises StateUnwritable."""
    number = 1
    while (kept := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    try:
        for suffix in ("", "-wal"):  # in this order: without its log a ledger could look whole and be old
            if (part := Path(f"{path}{suffix}")).exists():
                part.rename(f"{kept}{suffix}")
        Path(f"{path}-shm").unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error
    return kept


def _create(path: Path) -> None:
    """Nobody else can ever read the file. An existing one is not opened here: closing it would drop the locks of this process (fcntl(2))."""
    try:
        if path.exists():
            path.chmod(0o600)
            return
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise unwritable(path, error) from error


def _require(path: Path) -> None:
    if not path.exists():
        raise NotFound("TS353", f"there is no ledger at {path}")
    if not os.access(path, os.R_OK):
        raise Refused("TS351", f"the ledger {path} may not be read by this user")


def _check(connection: sqlite3.Connection, *, is_trusted: bool) -> None:
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    if tables and application != APPLICATION_ID:
        raise LedgerDamaged("it is a database of something else")
    if is_trusted:
        return
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise LedgerDamaged(" ".join(found.split()))


def _climb(connection: sqlite3.Connection) -> None:
    standing = _standing(connection)
    if standing == NEWEST:
        return
    connection.execute("BEGIN IMMEDIATE")
    for statements in _LADDER[standing:]:
        for statement in statements:
            connection.execute(statement)
    connection.execute("UPDATE meta SET value = ? WHERE key = 'schema_version'", (NEWEST,))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute("COMMIT")


def _standing(connection: sqlite3.Connection) -> int:
    if not connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'meta'").fetchone()[0]:
        return 0
    row = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
    if row is None:
        raise LedgerDamaged("it does not say its version")
    if row[0] > NEWEST:
        message = (
            f"the ledger was written by a newer torchsync: version {row[0]}, this one knows up to {NEWEST}; upgrade, or set paths.state"
        )
        raise StateUncreatable("TS335", message)
    return int(row[0])


def _checked_for_reading(path: Path, options: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?{options}", uri=True, isolation_level=None, timeout=LOCK_WAIT_SECONDS)
    with ExitStack() as undo:
        undo.callback(connection.close)
        standing = _standing(connection)
        if standing == 0:
            raise NotFound("TS353", f"the ledger {path} has not begun yet")
        if standing < NEWEST:
            raise StateUncreatable("TS335", f"the ledger {path} is of an older form; start the agent of this version once")
        undo.pop_all()
    return connection
