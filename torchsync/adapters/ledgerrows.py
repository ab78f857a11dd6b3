"""Rows of the ledger as the values they stand for, and back."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from hashlib import sha256
from typing import TypeVar

from torchsync.core.entries import HistoryRow, Skip, Tagged
from torchsync.core.jsontext import canonical, parse_json
from torchsync.core.model import Outcome, Run, RunState, SkipReason, StopCause, Task, TaskName, Trigger, Wait
from torchsync.core.taskdoc import (
    pauses_document,
    pauses_from_document,
    task_from_document,
    wait_document,
    wait_from_document,
)
from torchsync.core.taskrecord import Before, TaskRecord
from torchsync.core.tasktexts import TaskTexts
from torchsync.core.usage import Usage

Row = tuple[object, ...]
Member = TypeVar("Member", bound=Enum)

RUN_COLUMNS = (
    "id, task, definition, revision, tree, trigger, admitted_at, boot_id, user, instant, due, copy, attempt, actor, stop_cause,"
    " started_at, finished_at, outcome, exit_status, detail, again, wait, cpu, memory"
)
RUN_FIELDS = RUN_COLUMNS.replace("definition", "document")
"""The same with the definition itself, for a join."""
RECORD_COLUMNS = (
    "task, first_seen, last_seen, decided_through, last_run, last_success, last_duration, last_exit_status, consecutive_failures, restarts,"
    " runs, skipped, before, retries, pauses, last_cpu, last_memory, recent"
)
PUT_RECORD = f"""INSERT INTO record ({RECORD_COLUMNS}) VALUES ({", ".join("?" * len(RECORD_COLUMNS.split(",")))})
    ON CONFLICT (task) DO UPDATE SET
    first_seen = excluded.first_seen, last_seen = excluded.last_seen,
    decided_through = max(decided_through, excluded.decided_through),
    last_run = excluded.last_run, last_success = excluded.last_success, last_duration = excluded.last_duration,
    last_exit_status = excluded.last_exit_status, consecutive_failures = excluded.consecutive_failures,
    restarts = excluded.restarts, runs = excluded.runs, skipped = excluded.skipped,
    before = excluded.before, retries = excluded.retries, pauses = excluded.pauses,
    last_cpu = excluded.last_cpu, last_memory = excluded.last_memory, recent = excluded.recent"""  # noqa: S608 - our own column names


class Definitions:
    """Stores definitions, each once, by the digest of its document.

    A fingerprint would not do for that: a task keeps it when it moves to another file. The last digest of every task is remembered, since
    making the document costs more than all the rest of an admission.
    """

    def __init__(self, texts: TaskTexts) -> None:
        self._texts = texts
        self._digests: dict[TaskName, tuple[Task, bytes]] = {}

    def put(self, connection: sqlite3.Connection, task: Task) -> bytes:
        """The definition is in the ledger; its digest."""
        known, digest = self._digests.get(task.name, (None, b""))
        if known is task and connection.execute("SELECT 1 FROM definition WHERE digest = ?", (digest,)).fetchone():
            return digest
        document = self._texts.of(task)
        digest = sha256(document.encode()).digest()
        connection.execute("INSERT OR IGNORE INTO definition (digest, document) VALUES (?, ?)", (digest, document))
        self._digests[task.name] = (task, digest)
        return digest


def run_row(run: Run, digest: bytes) -> Row:
    """In the order of `RUN_COLUMNS`. The state is not stored: it follows from the rest."""
    return (
        run.id,
        run.task.name,
        digest,
        run.revision,
        run.tree,
        run.trigger.value,
        run.admitted_at,
        run.boot_id,
        run.user,
        run.instant,
        run.due,
        run.copy,
        run.attempt,
        run.actor,
        run.stop_cause.value if run.stop_cause else None,
        run.started_at,
        run.finished_at,
        run.outcome.value if run.outcome else None,
        run.exit_status,
        run.detail,
        run.again,
        _wait_text(run.wait),
        run.usage.cpu,
        run.usage.memory,
    )


def run_of(row: sqlite3.Row) -> Run:
    """The run in a row of `RUN_FIELDS`, but for its earlier attempts."""
    return Run(
        id=row["id"],
        task=task_of(row["document"]),
        revision=row["revision"],
        tree=row["tree"],
        trigger=Trigger(row["trigger"]),
        admitted_at=row["admitted_at"],
        boot_id=row["boot_id"],
        user=row["user"],
        instant=row["instant"],
        due=row["due"],
        copy=row["copy"],
        attempt=row["attempt"],
        again=row["again"],
        wait=wait_from_document(parse_json(row["wait"])) if row["wait"] else None,
        actor=row["actor"],
        state=_state_of(row),
        stop_cause=_member(StopCause, row["stop_cause"]),
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        outcome=_member(Outcome, row["outcome"]),
        exit_status=row["exit_status"],
        detail=row["detail"],
        usage=Usage(cpu=row["cpu"], memory=row["memory"]),
    )


def record_row(record: TaskRecord) -> Row:
    """In the order of `RECORD_COLUMNS`."""
    return (
        record.task,
        record.first_seen,
        record.last_seen,
        record.decided_through,
        record.last_run,
        record.last_success,
        record.last_duration,
        record.last_exit_status,
        record.consecutive_failures,
        record.restarts,
        _counts_text(record.runs),
        _counts_text(record.skipped),
        canonical([[before.jump, before.mark] for before in record.before]),
        record.retries,
        canonical(pauses_document(record.pauses)),
        record.last_usage.cpu,
        record.last_usage.memory,
        " ".join(outcome.value for outcome in record.recent),
    )


def record_of(row: sqlite3.Row) -> TaskRecord:
    """The record in a row of `RECORD_COLUMNS`."""
    return TaskRecord(
        task=row["task"],
        first_seen=row["first_seen"],
        last_seen=row["last_seen"],
        decided_through=row["decided_through"],
        last_run=row["last_run"],
        last_success=row["last_success"],
        last_duration=row["last_duration"],
        last_exit_status=row["last_exit_status"],
        last_usage=Usage(cpu=row["last_cpu"], memory=row["last_memory"]),
        consecutive_failures=row["consecutive_failures"],
        restarts=row["restarts"],
        runs={Outcome(key): count for key, count in json.loads(row["runs"]).items()},
        skipped={SkipReason(key): count for key, count in json.loads(row["skipped"]).items()},
        retries=row["retries"],
        pauses=pauses_from_document(parse_json(row["pauses"])),
        recent=tuple(Outcome(value) for value in row["recent"].split()),
        before=tuple(Before(jump, mark) for jump, mark in json.loads(row["before"])),
    )


def skip_row(skip: Skip) -> Row:
    """In the order of the columns of `fire`."""
    return (skip.task, skip.first, skip.last, skip.count, skip.decided_at, skip.reason.value, None, skip.jump)


def fire_row(run: Run, jump: int) -> Row:
    """In the order of the columns of `fire`."""
    return (run.task.name, run.instant, run.instant, 1, run.admitted_at, None, run.id, jump)


def tagged_of(row: sqlite3.Row) -> Tagged:
    """The entry in a row of `fire`."""
    return Tagged(
        task=row["task"],
        first=row["first"],
        last=row["last"],
        jump=row["jump"],
        reason=_member(SkipReason, row["reason"]),
        run=row["run"],
    )


def history_row(row: sqlite3.Row, run: Run | None) -> HistoryRow:
    """The line of the history that a row of `history_query` stands for, with its run if it has one."""
    return HistoryRow(
        task=row["task"],
        first=row["first"],
        last=row["last"],
        count=row["count"],
        decided_at=row["decided_at"],
        run=run,
        reason=None if row["queued"] else _member(SkipReason, row["reason"]),
        queued=_member(Trigger, row["queued"]),
        annulled=bool(row["annulled"]),
    )


@lru_cache(maxsize=256)
def task_of(document: str) -> Task:
    """The task of a definition."""
    return task_from_document(parse_json(document))


def _state_of(row: sqlite3.Row) -> RunState:
    if row["outcome"] is not None:
        return RunState.FINISHED
    if row["stop_cause"] is not None:
        return RunState.STOPPING
    if row["wait"] is not None:
        return RunState.WAITING
    return RunState.ADMITTED if row["started_at"] is None else RunState.RUNNING


def _wait_text(wait: Wait | None) -> str | None:
    return None if wait is None else canonical(wait_document(wait))


def _member(kind: type[Member], value: str | None) -> Member | None:
    return None if value is None else kind(value)


def _counts_text(counts: Mapping[Outcome, int] | Mapping[SkipReason, int]) -> str:
    return canonical({key.value: count for key, count in counts.items()})
