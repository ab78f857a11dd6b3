"""`status` and `history`: what the agent on this host does and did.

`history` reads the state directory itself when no agent answers and this user may. `--json` prints the document of the API.
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from torchsync.cli.client import ControlClient, Place, add_place_arguments, place_of
from torchsync.cli.terminal import Cell, Tone, ago, clock, is_coloured, lasting, paint, printable, table
from torchsync.core.durations import parse_duration
from torchsync.core.instants import parse_rfc3339, rfc3339
from torchsync.core.model import Instant
from torchsync.errors import Unavailable, UsageError

Document = dict[str, Any]


# status


def add_status_arguments(parser: ArgumentParser) -> None:
    add_place_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print the documents of the API")


def execute_status(args: Namespace) -> int:
    return run_status(ControlClient(place_of(args).socket), as_json=args.json)


def run_status(client: ControlClient, *, as_json: bool) -> int:
    """What the agent has in force and how it fares is on stdout."""
    status, tasks = client.get("/api/v1/status"), client.get("/api/v1/tasks")
    if as_json:
        return print_json({**status, "task_list": tasks["tasks"]})
    if stalled := client.probe("/healthz"):
        print(paint(f"notice  {stalled}: nothing starts, and all of this is as it was then", Tone.BAD, coloured=is_coloured()))
    for line in status_lines(status, tasks["tasks"], coloured=is_coloured()):
        print(line)
    return 0


def status_lines(status: Document, tasks: list[Document], *, coloured: bool) -> list[str]:
    """The status for people."""
    now, sync, counts = status["taken_at"], status["sync"], status["tasks"]
    waiting = f", {status['runs_waiting']} waiting for a retry" if status["runs_waiting"] else ""
    others = f"{counts['not_selected']} for other hosts; {status['runs_in_progress']} runs in progress{waiting}"
    lines = [
        f"torchsync {status['version']} on {status['host']}, {status['executor']} executor, started {ago(status['started_at'], now)}",
        f"commit  {_commit_line(status, now)}",
        f"sync    {_sync_line(sync, now)}",
        f"tasks   {counts['active']} active, {counts['disabled']} disabled, {counts['paused']} paused, {others}",
    ]
    lines += [f"pools   {', '.join(_pool(pool) for pool in status['pools'])}"] if status["pools"] else []
    lines += [paint(f"held    {printable(hold['sentence'])}", Tone.HELD, coloured=coloured) for hold in status["holds"]]
    if sync["rejected"]:
        head = f"newest  {sync['rejected'][:12]} {_standing(status)}:"
        lines += [paint(head, Tone.BAD, coloured=coloured), *(f"        {_problem_line(problem)}" for problem in sync["problems"])]
    lines += [paint(f"notice  {_problem_line(notice)}", Tone.BAD, coloured=coloured) for notice in status["notices"]]
    if status["state_degraded"]:
        lines.append(paint("notice  the state cannot be written just now; runs go on", Tone.BAD, coloured=coloured))
    rows = [_task_row(task, now) for task in tasks]
    return [*lines, "", *table(_TASK_HEAD, rows, coloured=coloured)] if rows else lines


_TASK_HEAD = ("TASK", "STATE", "SCHEDULE", "NEXT", "LAST RUN", "TOOK", "RESULT", "RUNNING")


def _commit_line(status: Document, now: str) -> str:
    generation = status["generation"]
    if generation is None:
        return "none in force yet"
    return f"{generation['revision'][:12]} in force, applied {ago(generation['applied_at'], now)}, generation {generation['number']}"


def _sync_line(sync: Document, now: str) -> str:
    last = sync["last"]
    if last is None:
        return "none yet"
    sentence = printable(last.get("sentence", ""))
    return f"{last['outcome']} {ago(last['finished_at'], now)}, every {sync['interval_seconds']:g} s: {sentence}"


def _standing(status: Document) -> str:
    """What the verdict on the newest commit means: of one in force, that keys or rules of the host have changed since it was accepted."""
    generation = status["generation"]
    is_running = generation is not None and generation["revision"] == status["sync"]["rejected"]
    return "is in force, and would not be accepted any more" if is_running else "is not in force"


def _problem_line(problem: Document) -> str:
    place = ":".join(str(part) for part in (problem.get("path"), problem.get("line"), problem.get("column")) if part)
    hint = f" ({problem['hint']})" if problem.get("hint") else ""
    return printable(f"{place}: " * bool(place) + f"{problem['code']} {problem.get('message') or problem['title']}{hint}")


def _task_row(task: Document, now: str) -> list[Cell]:
    took = f"{task['last_duration_seconds']:g}s" if task["last_run"] else "-"
    schedule = f"{task['schedule']} {task['timezone']}" if task["schedule"] else task["type"]
    last = ago(task["last_run"], now)
    running = _joined(_running(task), _waiting(task)) or "-"
    return [task["name"], task["state"], schedule, clock(task["next_run"]), last, took, _result(task), running]


def _running(task: Document) -> str:
    """How many copies there are, since when, and when one of them is tried again."""
    since = f"since {clock(task['running_since'])}" if task["running_since"] else ""
    retry = f"retry {clock(task['next_attempt_at'])}" if task["next_attempt_at"] else ""
    return " ".join((str(len(task["running"])), *filter(None, (since, retry)))) if task["running"] else ""


def _pool(pool: Document) -> str:
    return printable(f"{pool['name']} {pool['runs']} of {pool['places']}")


def _waiting(task: Document) -> str:
    queued = f"{task['queued']} queued" if task["queued"] else ""
    if task["waits_for"] != "pool":
        return queued
    return printable(f"{queued or 'waits'} for pool {task['pool']}")


def _result(task: Document) -> Cell:
    """How the last run that is over went. One that was ended on purpose is neither a success nor a failure."""
    failures, status = task["consecutive_failures"], task["last_exit_status"]
    if task["late_since"]:
        return f"late since {clock(task['late_since'])}" + f", {failures} failed in a row" * bool(failures), Tone.BAD
    if not task["last_run"]:
        return "-"
    if failures:
        return f"{failures} failed in a row, status {status}", Tone.BAD
    return ("ok", Tone.GOOD) if task["last_success"] and task["last_success"] >= task["last_run"] else f"stopped, status {status}"


# history


def add_history_arguments(parser: ArgumentParser) -> None:
    add_place_arguments(parser)
    parser.add_argument("task", nargs="?", default="", metavar="TASK", help="only this task")
    parser.add_argument("--failed", action="store_true", help="only runs that failed, timed out, did not start or were lost")
    parser.add_argument(
        "--since", metavar="DURATION|TIME", default="", help="only what was decided later, such as 2d or 2026-11-23T00:00:00Z"
    )
    parser.add_argument(
        "--until", metavar="DURATION|TIME", default="", help="only what was decided earlier, such as 1d or 2026-11-24T00:00:00Z"
    )
    parser.add_argument("--limit", type=int, default=50, help="at most this many lines (default: 50)")
    parser.add_argument("--json", action="store_true", help="print the document of the API")
    parser.add_argument(
        "--compare",
        nargs="+",
        metavar="FILE",
        help="with --shadow: hold it against what cron started by these system logs (`-` is stdin); 10 when they differ",
    )
    parser.add_argument("--timezone", metavar="ZONE", default="", help="of local times in the logs (default: the zone of the host)")
    parser.add_argument("--log-host", metavar="NAME", default="", help="the name of this host in the logs (default: its own)")
    parser.add_argument(
        "--same", action="append", default=[], metavar="TASK=COMMAND", help="cron logs COMMAND for what the task is now; may be given again"
    )


def execute_history(args: Namespace) -> int:
    if args.compare and not (args.shadow or args.socket):
        raise UsageError("TS357", "--compare holds a log against a shadow: say --shadow as well")
    if args.compare:
        from torchsync.cli.comparison import run_comparison

        place = place_of(args)
        return run_comparison(args, place, lambda query: history_page(place, query))
    query = {"limit": str(args.limit)}
    if args.task:
        query["task"] = args.task
    if args.failed:
        query["failed"] = "true"
    for name, text in (("since", args.since), ("until", args.until)):
        if text:
            query[name] = moment_text(name, text, Instant(time.time_ns() // 1_000_000))
    return run_history(place_of(args), query, as_json=args.json, is_shadow=args.shadow)


def run_history(place: Place, query: dict[str, str], *, as_json: bool, is_shadow: bool = False) -> int:
    """The newest entries of the ledger are on stdout, newest first."""
    document = _history(place, query)
    if as_json:
        return print_json(document)
    if is_shadow:
        from torchsync.cli.shadowhistory import shadow_lines

        print("\n".join(shadow_lines(document["entries"], coloured=is_coloured())))
        return 0
    if not document["entries"]:
        print("nothing that fits is recorded", file=sys.stderr)
        return 0
    for line in table(_HISTORY_HEAD, [_history_line(entry) for entry in document["entries"]], coloured=is_coloured()):
        print(line)
    return 0


def moment_text(name: str, text: str, now: Instant) -> str:
    """The instant `text` means, as the API wants it: a length of time before `now`, or a time. Raises UsageError for anything else."""
    if (length := parse_duration(text)) is not None:
        return rfc3339(Instant(now - length))
    try:
        return rfc3339(parse_rfc3339(text))
    except ValueError as error:
        raise UsageError(
            "TS357", f"--{name} {text!r} is neither a length of time (2d, 90m) nor a time with zone (2026-11-23T00:00:00Z)"
        ) from error


_HISTORY_HEAD = ("INSTANT", "TASK", "RESULT", "STARTED", "TOOK", "STATUS", "CPU", "MEMORY", "RUN", "DETAIL")


def _history_line(entry: Document) -> list[Cell]:
    run = entry["run"]
    if hold := entry["hold"]:
        by = f" by {hold['actor']}" if hold["actor"] else ""
        why = f": {hold['reason']}" if hold["reason"] else ""
        what = (f"hold {hold['act']}", Tone.HELD)
        return [clock(entry["decided_at"]), entry["task"] or "-", what, *"------", f"{hold['sentence']}{by}{why}"]
    annulled = "annulled: the clock was ahead" if entry["annulled"] else ""
    if run is None:
        span = f"{entry['count']} instants up to {clock(entry['last'])}" if entry["count"] > 1 else ""
        return [
            clock(entry["first"]),
            entry["task"],
            ("queued", Tone.HELD) if entry["queued"] else (f"skipped ({entry['reason']})", Tone.FAINT),
            *"------",
            _joined(span, "makes up for a missed instant" if entry["queued"] == "misfire" else "", annulled),
        ]
    outcome = run["outcome"] or run["state"]
    tone = {"succeeded": Tone.GOOD, "running": Tone.PLAIN, "admitted": Tone.PLAIN, "waiting": Tone.PLAIN}.get(outcome, Tone.BAD)
    status = "-" if run["exit_status"] is None else str(run["exit_status"])
    when = clock(run["instant"]) if run["instant"] else f"({run['trigger']})"
    took = lasting(run["started_at"], run["finished_at"])
    detail = _joined(run.get("detail", ""), _attempts(run), annulled)
    return [when, entry["task"], (outcome, tone), clock(run["started_at"]), took, status, *_used(run), run["id"], detail]


def _used(run: Document) -> tuple[Cell, Cell]:
    """Processor and memory, where they are known once the run is over."""
    if not run["outcome"]:
        return "-", "-"
    cpu, memory = run["cpu_seconds"], run["memory_peak_bytes"]
    unknown = ("unknown", Tone.FAINT)
    return unknown if cpu is None else f"{cpu:.2f} s", unknown if memory is None else f"{memory / (1 << 20):.1f} MiB"


def _attempts(run: Document) -> str:
    """Which attempt it is, when there is or was more than one."""
    if not run["earlier_attempts"]:
        return ""
    if run["next_attempt_at"]:
        return f"attempt {run['attempt']} of {run['attempts']} at {clock(run['next_attempt_at'])}"
    return f"attempt {run['attempt']} of {run['attempts']}"


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def _history(place: Place, query: dict[str, str]) -> Document:
    """As many lines as are wanted, however many the agent tells at once."""
    document = history_page(place, query)
    while (more := document["next"]) and (left := int(query["limit"]) - len(document["entries"])) > 0:
        page = history_page(place, {**query, "until": more["until"], "skip": str(more["skip"]), "limit": str(left)})
        document = {"entries": [*document["entries"], *page["entries"]], "next": page["next"]}
    return document


def history_page(place: Place, query: dict[str, str]) -> Document:
    """As much as the agent tells at once, or what the state directory holds when none answers."""
    try:
        return ControlClient(place.socket).get("/api/v1/history", query)
    except Unavailable:
        if place.state is None:
            raise
        return _history_from_state(place.state, query)


def _history_from_state(state: Path, query: dict[str, str]) -> Document:
    from torchsync.adapters.ledger import open_readonly
    from torchsync.core.api import history_document, history_query

    wanted = history_query(query)
    with (
        tempfile.TemporaryDirectory(prefix="torchsync-") as scratch,
        contextlib.closing(open_readonly(state / "ledger.sqlite", Path(scratch))) as ledger,
    ):
        return history_document(ledger.history(wanted), wanted)


def print_json(document: Document) -> int:
    print(json.dumps(document, indent=2))
    return 0
