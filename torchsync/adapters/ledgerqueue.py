"""The fires that wait for room, as rows of `fire`: each covers its instant until it is taken out, in the transaction that decides it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from torchsync.core.entries import Dequeue, Enqueue, QueuedFire, QueueOp
from torchsync.core.model import Instant, TaskName, Trigger

QUEUED = "queued"
"""The reason of such a row: it has no run yet."""


def apply(connection: sqlite3.Connection, operation: QueueOp) -> None:
    """What the operation says is so, as a part of the transaction under way. Raises ValueError when no such fire waits."""
    match operation:
        case Enqueue(fire=fire):
            _put(connection, fire)
        case Dequeue(task=task, instant=instant):
            _take(connection, task, instant)


def _put(connection: sqlite3.Connection, fire: QueuedFire) -> None:
    connection.execute(
        "INSERT INTO fire (task, first, last, count, decided_at, reason, jump, due, trigger) VALUES (?, ?, ?, 1, ?, ?, ?, ?, ?)",
        (fire.task, fire.instant, fire.instant, fire.since, QUEUED, fire.jump, fire.due, fire.trigger.value),
    )


def _take(connection: sqlite3.Connection, task: TaskName, instant: Instant) -> None:
    statement = "DELETE FROM fire WHERE task = ? AND first = ? AND due IS NOT NULL"
    if connection.execute(statement, (task, instant)).rowcount != 1:
        raise ValueError(f"no fire of {task} for {instant} waits")


def waiting(connection: sqlite3.Connection) -> Sequence[QueuedFire]:
    """All of them, by task and instant."""
    return [
        QueuedFire(
            task=row["task"],
            instant=row["first"],
            due=row["due"],
            trigger=Trigger(row["trigger"]),
            since=row["decided_at"],
            jump=row["jump"],
        )
        for row in connection.execute("SELECT * FROM fire WHERE due IS NOT NULL ORDER BY task, first")
    ]
