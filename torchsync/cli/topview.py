"""What `top` shows, as values from the documents of the API: rows of tasks and runs, sentences for the head, marks for what went before. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from torchsync.cli.terminal import Tone, printable
from torchsync.core.instants import brief_duration, parse_rfc3339
from torchsync.core.model import Instant, Millis

Document = Mapping[str, Any]

MARKS_KEPT = 10
_MARKS = {"succeeded": ".", "failed": "x", "timed_out": "t", "stopped": "s", "replaced": "r", "start_failed": "!", "lost": "?"}
_ENDS_WELL = ("succeeded", "stopped", "replaced")
_NEVER = Instant(1 << 60)


class Order(Enum):
    """What comes first in the list of tasks; the value says it."""

    FAILURES = "failures first"
    NEXT = "by next fire"
    NAME = "by name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A line of the head."""

    text: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """A run in flight, or one that waits for its next attempt; then `since` is when that begins."""

    task: str
    id: str
    trigger: str
    attempt: str
    since: Instant | None
    waits: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """A task. `result` says how the last run that is over went; `search` is what a filter looks at."""

    name: str
    state: str
    schedule: str
    owner: str
    next: Instant | None
    last: Instant | None
    took: Millis
    result: str
    tone: Tone
    failures: int
    is_late: bool
    running: int
    queued: int
    marks: str
    search: str


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """All of it at one moment. `trouble` says why it may be old."""

    head: tuple[Sentence, ...] = ()
    alarms: tuple[Sentence, ...] = ()
    runs: tuple[RunRow, ...] = ()
    tasks: tuple[TaskRow, ...] = ()
    trouble: str = ""


def head_of(status: Document, now: Instant) -> tuple[Sentence, ...]:
    """What is in force here, and how it fares."""
    counts, sync = status["tasks"], status["sync"]
    generation, last = status["generation"], sync["last"]
    commit = f"{generation['revision'][:12]} in force for {_age(generation['applied_at'], now)}" if generation else "nothing in force yet"
    synced = f"{last['outcome']} {_age(last['finished_at'], now)} ago: {last.get('sentence', '')}" if last else "none yet"
    waiting = f", {status['runs_waiting']} waiting" if status["runs_waiting"] else ""
    off = "".join(f", {counts[state]} {state}" for state in ("disabled", "paused") if counts[state])
    lines = (
        f"torchsync {status['version']} on {status['host']}, up {_age(status['started_at'], now)}, {status['executor']} executor",
        f"commit {commit}",
        f"sync   {synced}",
        f"tasks  {counts['active']} active{off}; {status['runs_in_progress']} runs in flight{waiting}",
    )
    return tuple(Sentence(text=printable(line), tone=Tone.HEAD if number == 0 else Tone.PLAIN) for number, line in enumerate(lines))


def alarms_of(status: Document, stalled: str = "") -> tuple[Sentence, ...]:
    """What an operator has to know first: what is wrong, then what is held. `stalled` is what /healthz answers, empty while the scheduler turns."""
    sync = status["sync"]
    bad = [f"{stalled}: nothing starts, and all of this is as it was then"] if stalled else []
    if status["state_degraded"]:
        bad.append("the state cannot be written just now; runs go on")
    if sync["rejected"]:
        first = sync["problems"][0] if sync["problems"] else {"title": "see `torchsync status`"}
        bad.append(f"commit {sync['rejected'][:12]} is not accepted: {first.get('message') or first['title']}")
    if not status["config_reload_ok"]:
        bad.append("agent.yaml has mistakes; the last good one counts")
    bad += [f"{notice['code']} {notice.get('message') or notice['title']}" for notice in status["notices"]]
    held = [f"held: {hold.get('sentence') or hold['scope']}" for hold in status["holds"]]
    return (
        *(Sentence(text=printable(text), tone=Tone.BAD) for text in bad),
        *(Sentence(text=printable(text), tone=Tone.HELD) for text in held),
    )


def run_rows(runs: Sequence[Document]) -> tuple[RunRow, ...]:
    """Oldest first; those that wait for another attempt come last."""
    rows = [
        RunRow(
            task=printable(run["task"]),
            id=run["id"],
            trigger=run["trigger"],
            attempt=f"{run['attempt']}/{run['attempts']}" if run["attempts"] > 1 else "",
            since=_instant(run["next_attempt_at"] or run["started_at"]),
            waits=bool(run["next_attempt_at"]),
        )
        for run in runs
    ]
    return tuple(sorted(rows, key=lambda row: (row.waits, row.since or 0, row.id)))


def task_rows(tasks: Sequence[Document], marks: Mapping[str, str]) -> tuple[TaskRow, ...]:
    return tuple(_task_row(task, marks.get(task["name"], "")) for task in tasks)


def _task_row(task: Document, marks: str) -> TaskRow:
    result, tone = _result(task)
    return TaskRow(
        name=printable(task["name"]),
        state=task["state"],
        schedule=printable(f"{task['schedule']} {task['timezone']}" if task["schedule"] else task["type"]),
        owner=printable(task["owner"]),
        next=_instant(task["next_run"]),
        last=_instant(task["last_run"]),
        took=Millis(int(task["last_duration_seconds"] * 1000)),
        result=result,
        tone=tone,
        failures=task["consecutive_failures"],
        is_late=bool(task["late_since"]),
        running=len(task["running"]),
        queued=task["queued"],
        marks=marks,
        search=f"{task['name']} {task['owner']} {task['description']}".casefold(),
    )


def _result(task: Document) -> tuple[str, Tone]:
    """How the last run that is over went. One that was ended on purpose is neither a success nor a failure."""
    failures = task["consecutive_failures"]
    if task["late_since"]:
        return "late" + f", {failures} failed" * bool(failures), Tone.BAD
    if failures:
        return f"failed {failures}x, {task['last_exit_status']}", Tone.BAD
    if not task["last_run"]:
        return "-", Tone.FAINT
    is_good = task["last_success"] and task["last_success"] >= task["last_run"]
    return ("ok", Tone.GOOD) if is_good else ("stopped", Tone.PLAIN)


def marks_of(entries: Iterable[Document]) -> dict[str, str]:
    """One letter for each of the newest outcomes of a task, the newest on the right; from a history, newest first."""
    found: defaultdict[str, str] = defaultdict(str)
    for entry in entries:
        run = entry["run"]
        if run and run["outcome"] and len(found[entry["task"]]) < MARKS_KEPT:
            found[entry["task"]] = _MARKS[run["outcome"]] + found[entry["task"]]
    return dict(found)


def is_good_mark(mark: str) -> bool:
    return any(_MARKS[outcome] == mark for outcome in _ENDS_WELL)


def chosen(rows: Sequence[TaskRow], order: Order, text: str) -> list[TaskRow]:
    """The rows with this text in name, owner or description, in this order."""
    wanted = text.casefold()
    found = [row for row in rows if wanted in row.search]
    match order:
        case Order.NAME:
            return sorted(found, key=lambda row: row.name)
        case Order.NEXT:
            return sorted(found, key=lambda row: (row.next or _NEVER, row.name))
        case Order.FAILURES:
            return sorted(found, key=lambda row: (not row.is_late, -row.failures, not row.running, row.next or _NEVER, row.name))


def countdown(row: TaskRow, now: Instant) -> str:
    """The time to the next fire, or why there is none."""
    if row.state != "active":
        return row.state
    if row.next is None:
        return "-"
    return brief_duration(Millis(row.next - now)) if row.next > now else "now"


def _instant(text: str | None) -> Instant | None:
    return parse_rfc3339(text) if text else None


def _age(text: str, now: Instant) -> str:
    return brief_duration(Millis(max(0, now - parse_rfc3339(text))))
