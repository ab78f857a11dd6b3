"""What is to be told to others, in the ledger: a row for each notice that is not sent yet, and one for each task that is known to be late."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import assert_never

from torchsync.core.entries import DropLate, DropNotice, NoticeOp, PutLate, PutNotice
from torchsync.core.jsontext import canonical, parse_json
from torchsync.core.model import Instant, TaskName
from torchsync.core.notice import Notice
from torchsync.core.taskdoc import notice_document, notice_from_document


def apply(connection: sqlite3.Connection, operation: NoticeOp) -> None:
    """The operation is in the tables. A notice that is there already stays as it is."""
    match operation:
        case PutNotice(notice=notice):
            document = canonical(notice_document(notice))
            connection.execute(
                "INSERT OR IGNORE INTO notice (id, made_at, document) VALUES (?, ?, ?)", (notice.id, notice.made_at, document)
            )
        case DropNotice(notice=notice_id):
            connection.execute("DELETE FROM notice WHERE id = ?", (notice_id,))
        case PutLate(task=task, since=since):
            connection.execute("INSERT OR REPLACE INTO late (task, since) VALUES (?, ?)", (task, since))
        case DropLate(task=task):
            connection.execute("DELETE FROM late WHERE task = ?", (task,))
        case _:
            assert_never(operation)


def waiting(connection: sqlite3.Connection) -> Sequence[Notice]:
    """Those that are to be sent, in the order in which they were decided."""
    return [notice_from_document(parse_json(row[0])) for row in connection.execute("SELECT document FROM notice ORDER BY number")]


def late(connection: sqlite3.Connection) -> Mapping[TaskName, Instant]:
    """Since when the tasks are late that are known to be."""
    return {TaskName(row[0]): Instant(row[1]) for row in connection.execute("SELECT task, since FROM late")}
