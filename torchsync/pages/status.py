"""The status page of an agent: what is in force, what the last sync came to, what runs, and how each task fares.

It is made from the public documents of the API (`core/api.py`), so it cannot say more than they do. Everything is in the markup; the script only
fetches the page again and puts in what is different, and filters the tasks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from torchsync.core.api import runs_document, status_document, tasks_document, why_not_ready
from torchsync.core.model import Instant
from torchsync.core.snapshot import Snapshot
from torchsync.pages import statuswords as words
from torchsync.pages.page import page
from torchsync.pages.statuswords import Clock, Document

REFRESH_SECONDS = 10
"""With JavaScript; without, the browser loads the page again after `RELOAD_SECONDS`."""
RELOAD_SECONDS = 30

_BAR = 5
_MOST_CHIPS = 40
"""Links to tasks in trouble, before the rest of the page."""


@dataclass(frozen=True, slots=True)
class Bars:
    """The newest runs as strokes of an SVG of 100 by 16: good ones short, bad ones tall, so that colour is not all that tells them apart."""

    label: str
    good: str
    bad: str
    other: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The sentence at the top, and what colour it has."""

    style: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A task as the table shows it: its document, and what is said about it."""

    task: Document
    badges: tuple[tuple[str, str], ...]
    last: str
    last_at: str | None
    took: str
    bars: Bars | None
    about: tuple[str, ...]
    """The description and the owner, as far as there are."""
    runbook: str
    """A link, or empty for what is none."""

    @property
    def is_trouble(self) -> bool:
        return bool(self.task["consecutive_failures"] or self.task["late_since"])


def render_status(snapshot: Snapshot, now: Instant, *, is_still: bool = False) -> str:
    """One page of HTML that needs no other file. With `is_still` it does not load itself again without JavaScript."""
    clock = Clock(now)
    status = status_document(snapshot, full=False)
    rows = [_row(task, clock) for task in _listed(tasks_document(snapshot, full=False)["tasks"])]
    runs = _listed(runs_document(snapshot.runs.values(), full=False)["runs"])
    return page(
        "status",
        connect="'self'",
        status=status,
        verdict=_verdict(status, rows, why_not_ready(snapshot, now)),
        rows=rows,
        troubled=sorted((row for row in rows if row.is_trouble), key=lambda row: row.task["severity"] != "critical"),
        most_chips=_MOST_CHIPS,
        runs=runs,
        clock=clock,
        words=words,
        reload_seconds=0 if is_still else RELOAD_SECONDS,
        refresh_seconds=REFRESH_SECONDS,
    )


def _verdict(status: Document, rows: Sequence[Row], unready: str) -> Verdict:
    """Nobody reads that all is well where nothing would start, or where nobody knows."""
    if troubles := words.troubles(status, [row.task for row in rows], unready):
        return Verdict("troubled", ", ".join(troubles))
    if reservations := words.reservations(status):
        return Verdict("held", ", ".join(reservations))
    return Verdict("well", "all is well")


def _listed(found: object) -> Sequence[Document]:
    return found if isinstance(found, list) else []


def _row(task: Document, clock: Clock) -> Row:
    recent: list[str] = task["recent"]
    return Row(
        task=task,
        badges=tuple(_badges(task, clock)),
        last=words.outcome_words(recent[-1]) if recent and task["last_run"] else "",
        last_at=task["last_run"],
        took=words.length(task["last_duration_seconds"]) if task["last_run"] else "",
        bars=_bars(recent) if recent else None,
        about=tuple(text for text in (task["description"], task["owner"]) if text),
        runbook=task["runbook"] if urlsplit(task["runbook"]).scheme in ("http", "https") else "",
    )


def _badges(task: Document, clock: Clock) -> Iterator[tuple[str, str]]:
    """What is out of the ordinary, as (style, text)."""
    if failures := task["consecutive_failures"]:
        yield "bad", "failed" if failures == 1 else f"failed {failures:,} times in a row"
    if task["late_since"]:
        yield "bad", f"late for {clock.since(task['late_since'])}"
    if task["running"]:
        copies = f"{len(task['running'])} copies run" if len(task["running"]) > 1 else "runs"
        yield "runs", f"{copies} for {clock.since(task['running_since'])}" if task["running_since"] else copies
    if task["state"] != "active":
        yield "warn" if task["state"] == "paused" else "", task["state"]
    if task["queued"]:
        yield "warn", f"{task['queued']} queued"
    if task["next_attempt_at"]:
        yield "warn", f"tries again {clock.ahead(task['next_attempt_at'])}"
    if task["severity"] == "critical":
        yield "", "critical"


def _bars(recent: Sequence[str]) -> Bars:
    """The newest at the right edge."""
    start = 100 - _BAR * len(recent) + 2
    good, bad, other = [], [], []
    for place, outcome in enumerate(recent):
        x = start + _BAR * place
        if outcome == "succeeded":
            good.append(f"M{x} 7v9")
        elif words.is_bad(outcome):
            bad.append(f"M{x} 0v16")
        else:
            other.append(f"M{x} 12v4")
    return Bars(_bars_label(recent), "".join(good), "".join(bad), "".join(other))


def _bars_label(recent: Sequence[str]) -> str:
    told = ", ".join(f"{times} {words.outcome_words(outcome)}" for outcome, times in Counter(recent).most_common())
    return f"newest runs: {told}"
