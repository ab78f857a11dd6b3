"""A control socket with a stand-in for the loop behind it, for tests of the commands."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.builders import NOON, busy_snapshot, finished_run, generation, run_id
from torchsync.adapters.controlapi import Admission, ControlSurface
from torchsync.adapters.http import bind_unix, close_all, serve
from torchsync.core.chronicle import Term, in_force
from torchsync.core.control import Answer, Ask, Request
from torchsync.core.entries import HistoryRow
from torchsync.core.evidence import Evidence
from torchsync.core.model import Instant, Outcome, SkipReason, TaskName
from torchsync.core.web import of_text
from torchsync.core.why import Present, explain, unknown_task

NEW, OLD = finished_run(id=run_id(5, NOON), outcome=Outcome.FAILED, detail="exit 1"), finished_run(id=run_id(4, NOON - 1000))

KNOWN = generation(NEW.task, number=12, applied_at=Instant(NOON - 3_600_000))
TERM = Term(task=NEW.task, generation=12, since=Instant(NOON - 3_600_000), until=None, baseline=Instant(NOON - 3_600_000))


def witness(task: TaskName, at: Instant) -> Evidence:
    """Knows of one task."""
    if task != NEW.task.name:
        return Evidence()
    covering = next((row for row in ROWS if row.first and row.last and row.first <= at <= row.last), None)
    return Evidence(began=TERM.since, in_force=in_force(KNOWN), term=TERM, entry=covering, newest=NEW)


ROWS = [
    HistoryRow(task=NEW.task.name, first=NOON, last=NOON, count=1, decided_at=NOON, run=NEW),
    HistoryRow(
        task=NEW.task.name, first=Instant(NOON - 9000), last=Instant(NOON - 6000), count=4, decided_at=NOON, reason=SkipReason.MISSED
    ),
    HistoryRow(task=OLD.task.name, first=NOON, last=NOON, count=1, decided_at=NOON, run=OLD),
]


@contextlib.contextmanager
def agent(folder: Path, answer: Callable[[Request], Answer] | None = None, **changes: object) -> Iterator[Path]:
    """The path of a socket on which `answer` stands for the loop. Afterwards nobody listens there: an agent leaves its server behind when that takes
    long, and this one may be followed by another on the same path.
    """

    def post(ask: Ask) -> None:
        if answer:
            ask.reply.put(answer(ask.request))

    defaults = {
        "read": busy_snapshot,
        "post": post,
        "history": lambda query: [row for row in ROWS if query.task in ("", row.task)],
        "why": lambda task, at: explain(witness, task, at, NOON, Present()) or unknown_task(task, [NEW.task.name]),
        "find_run": {run.id: run for run in (NEW, OLD)}.get,
        "output": lambda wanted, attempt: (
            (piece for piece in (b"of the newest ", b"\xff\n")) if wanted == NEW.id and attempt in (0, 1) else None
        ),
        "tail": lambda wanted, attempt, place: None,
        "probes": lambda request: of_text("ok"),
        "admission": Admission(agent_uid=os.getuid(), group=None),
        "on_denied": lambda peer, path: None,
    }
    path = folder / "control.sock"
    running = serve(bind_unix(path, mode=0o600), ControlSurface(**(defaults | changes)), print)
    try:
        yield path
    finally:
        close_all([running], 60)
