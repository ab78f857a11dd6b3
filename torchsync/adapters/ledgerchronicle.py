"""Which generation was in force when, with which definition of each task, and when agents began: written, asked for, and pruned."""

from __future__ import annotations

import sqlite3

from torchsync.adapters import ledgerrows as rows
from torchsync.core.chronicle import ChronicleOp, Entering, PutGeneration, PutStart, RememberedGeneration, Term
from torchsync.core.model import Instant, TaskName

_TERM = "SELECT document, number, since, until, baseline FROM term JOIN definition ON digest = definition WHERE task = :task"
_OPEN = "SELECT task, definition, baseline FROM term WHERE until IS NULL"
_NEW_TERM = "INSERT INTO term (task, generation, number, since, until, definition, baseline) VALUES (?, ?, ?, ?, NULL, ?, ?)"
_GENERATION = "SELECT number, revision, applied_at, host, zone FROM generation"


def apply(connection: sqlite3.Connection, definitions: rows.Definitions, operation: ChronicleOp) -> None:
    """It is remembered, as a part of the transaction under way."""
    match operation:
        case PutGeneration():
            _put(connection, definitions, operation)
        case PutStart(at=at, boot_id=boot_id, last_sign=last_sign):
            connection.execute("INSERT INTO agent (at, boot_id, last_sign) VALUES (?, ?, ?)", (at, boot_id, last_sign))


def _put(connection: sqlite3.Connection, definitions: rows.Definitions, operation: PutGeneration) -> None:
    """The generation is the newest one; what it changes has begun, and what was before is over."""
    one = operation.generation
    values = (one.number, one.revision, one.applied_at, one.host, one.zone)
    cursor = connection.execute("INSERT INTO generation (number, revision, applied_at, host, zone) VALUES (?, ?, ?, ?, ?)", values)
    entering = [(entering, definitions.put(connection, entering.task)) for entering in operation.tasks]
    gone = set(operation.gone)
    if operation.is_whole:
        known = {task: (definition, baseline) for task, definition, baseline in connection.execute(_OPEN)}
        gone = known.keys() - {entering.task.name for entering, _ in entering}
        entering = [(one, digest) for one, digest in entering if known.get(one.task.name) != (digest, one.baseline)]
    over = [(one.applied_at, task) for task in (*gone, *(entering.task.name for entering, _ in entering))]
    connection.executemany("UPDATE term SET until = ? WHERE task = ? AND until IS NULL", over)
    connection.executemany(_NEW_TERM, [_term_row(entering, digest, one, cursor.lastrowid) for entering, digest in entering])


def began(connection: sqlite3.Connection) -> Instant | None:
    """Since when generations are remembered; None when none is."""
    found: Instant | None = connection.execute("SELECT min(applied_at) FROM generation").fetchone()[0]
    return found


def newest(connection: sqlite3.Connection) -> RememberedGeneration | None:
    """The generation that was put last."""
    return _in_force(connection.execute(f"{_GENERATION} ORDER BY id DESC LIMIT 1").fetchone())


def in_force(connection: sqlite3.Connection, at: Instant) -> RememberedGeneration | None:
    """The generation in force at that moment, as far as it is remembered."""
    return _in_force(connection.execute(f"{_GENERATION} WHERE applied_at <= ? ORDER BY applied_at DESC, id DESC LIMIT 1", (at,)).fetchone())


def term(connection: sqlite3.Connection, task: TaskName, at: Instant) -> Term | None:
    """The definition that the task had at that moment."""
    return _term(connection, "since <= :at AND (until IS NULL OR until > :at) ORDER BY generation DESC", task, at)


def term_before(connection: sqlite3.Connection, task: TaskName, at: Instant) -> Term | None:
    """The newest definition that was over by then."""
    return _term(connection, "until <= :at ORDER BY generation DESC", task, at)


def term_after(connection: sqlite3.Connection, task: TaskName, at: Instant) -> Term | None:
    """The first definition that began later."""
    return _term(connection, "since > :at ORDER BY generation", task, at)


def start(connection: sqlite3.Connection, until: Instant) -> PutStart | None:
    """The newest start of an agent up to that moment."""
    row = connection.execute(
        "SELECT at, boot_id, last_sign FROM agent WHERE at <= ? ORDER BY at DESC, rowid DESC LIMIT 1", (until,)
    ).fetchone()
    return PutStart(at=row["at"], boot_id=row["boot_id"], last_sign=row["last_sign"]) if row else None


def prune(connection: sqlite3.Connection, before: Instant, most: int) -> int:
    """At most so many terms that were over before the instant are gone, and generations and starts of agents before it; how many. What was in force
    at that instant stays.
    """
    values = {"before": before, "most": most}
    terms = "SELECT task, generation FROM term WHERE until < :before ORDER BY until LIMIT :most"
    gone = connection.execute(f"DELETE FROM term WHERE (task, generation) IN ({terms})", values).rowcount  # noqa: S608 - fixed text
    for table, column, key in (("generation", "applied_at", "id"), ("agent", "at", "rowid")):
        kept = f"SELECT max({column}) FROM {table} WHERE {column} <= :before"  # noqa: S608 - our own names
        old = f"SELECT {key} FROM {table} WHERE {column} < ({kept}) ORDER BY {column} LIMIT :most"  # noqa: S608 - as above
        gone += connection.execute(f"DELETE FROM {table} WHERE {key} IN ({old})", values).rowcount  # noqa: S608 - as above
    return gone


def _term_row(entering: Entering, digest: bytes, generation: RememberedGeneration, row: int | None) -> tuple[object, ...]:
    return (entering.task.name, row, generation.number, generation.applied_at, digest, entering.baseline)


def _term(connection: sqlite3.Connection, condition: str, task: TaskName, at: Instant) -> Term | None:
    row = connection.execute(f"{_TERM} AND {condition} LIMIT 1", {"task": task, "at": at}).fetchone()
    if row is None:
        return None
    return Term(
        task=rows.task_of(row["document"]), generation=row["number"], since=row["since"], until=row["until"], baseline=row["baseline"]
    )


def _in_force(row: sqlite3.Row | None) -> RememberedGeneration | None:
    if row is None:
        return None
    return RememberedGeneration(
        number=row["number"], revision=row["revision"], applied_at=row["applied_at"], host=row["host"], zone=row["zone"]
    )
