"""What a durable admission costs, one by one and 200 in a batch, beside SQLite alone with the same settings and one row for each."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from bench.harness import Bench
from torchsync.adapters.ledger import SqliteLedger
from torchsync.core.entries import Admit
from torchsync.core.model import (
    CronTiming,
    Fingerprint,
    Instant,
    Position,
    Revision,
    Run,
    RunId,
    ShellCommand,
    Task,
    TaskName,
    TreeId,
    Trigger,
)

SINGLE_ROWS = 500
BATCHES, IN_A_BATCH = 25, 200
START = 1_795_435_200_000
TEXT = "x" * 300
"""About what a row of a run takes."""

TASKS = [
    Task(
        name=TaskName(f"task-{number}"),
        timing=CronTiming(schedule="* * * * *"),
        command=ShellCommand("./scripts/backup.sh --all"),
        fingerprint=Fingerprint(f"{number:064x}"),
        source=Position("tasks/a.yaml", 3, 3),
    )
    for number in range(IN_A_BATCH)
]


def rounds() -> Bench:
    return Bench(
        name="ledger_rows",
        operation="a durable row",
        floor_is="a bare insert, each in a transaction of its own",
        floor=lambda: bare(SINGLE_ROWS, 1),
        sides={
            "one by one": lambda: admitted(SINGLE_ROWS, 1),
            "200 in a batch": lambda: admitted(BATCHES, IN_A_BATCH),
            "bare batches": lambda: bare(BATCHES, IN_A_BATCH),
        },
        target=2.0,
    )


def admitted(transactions: int, size: int) -> int:
    """So many admissions are in a ledger, each with its run, its definition and its instant."""
    with folder() as path, closing(SqliteLedger(path / "ledger.sqlite", path)) as ledger:
        for number in range(transactions):
            ledger.commit([Admit(run(number * size + place, TASKS[place])) for place in range(size)])
    return transactions * size


def bare(transactions: int, size: int) -> int:
    """So many rows are in a table, as SQLite alone would write them."""
    with folder() as path, closing(sqlite3.connect(path / "floor.sqlite", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE run (id INTEGER PRIMARY KEY, text TEXT)")
        for number in range(transactions):
            connection.execute("BEGIN IMMEDIATE")
            for place in range(size):
                connection.execute("INSERT INTO run VALUES (?, ?)", (number * size + place, TEXT))
            connection.execute("COMMIT")
    return transactions * size


def run(number: int, task: Task) -> Run:
    at = Instant(START + number * 1000)
    return Run(
        id=RunId(f"{at:012x}-{number:08x}"),
        task=task,
        revision=Revision("1" * 40),
        tree=TreeId("2" * 40),
        trigger=Trigger.SCHEDULE,
        admitted_at=at,
        boot_id="5f0d8c1e-0000-4000-8000-000000000001",
        user="torchsync-run",
        instant=at,
        due=at,
    )


@contextmanager
def folder() -> Iterator[Path]:
    """A folder on a real disk: fsync costs nothing in memory. TORCHSYNC_BENCH_FOLDER names another than the current one."""
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=os.environ.get("TORCHSYNC_BENCH_FOLDER", ".")) as path:
        yield Path(path)
