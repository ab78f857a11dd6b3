"""`torchsync why`: why a task did or did not run at a moment.

The agent answers; when none does and this user may, it is read from the state directory. `--json` prints the document of the API.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torchsync.cli.client import ControlClient, Place, add_place_arguments, place_of
from torchsync.cli.terminal import Cell, Tone, clock, is_coloured, paint, printable, table
from torchsync.core.instants import parse_rfc3339, rfc3339
from torchsync.core.model import Instant, TaskName
from torchsync.errors import NotFound, Unavailable, UsageError

Document = dict[str, Any]

_TONES = {"ran": Tone.GOOD, "under_way": Tone.GOOD, "waits": Tone.HELD, "missed": Tone.BAD, "undecided": Tone.BAD}


def add_arguments(parser: ArgumentParser) -> None:
    add_place_arguments(parser)
    parser.add_argument("task", metavar="TASK", help="the task to ask about; it may be gone by now")
    parser.add_argument(
        "--at",
        metavar="T",
        default="",
        help="the moment, with zone, such as 2026-11-23T02:30:00Z (default: the newest instant that is due, else the next)",
    )
    parser.add_argument("--json", action="store_true", help="print the document of the API")


def execute(args: Namespace) -> int:
    return run_why(place_of(args), args.task, args.at, as_json=args.json)


def run_why(place: Place, task: str, at: str, *, as_json: bool) -> int:
    """The answer is on stdout, whatever it is. Raises NotFound for a task of which nothing is known."""
    document = _answer(place, task, _moment(at) if at else None)
    if as_json:
        print(json.dumps(document, indent=2))
        return 0
    for line in why_lines(document, coloured=is_coloured()):
        print(line)
    return 0


def why_lines(document: Document, *, coloured: bool) -> list[str]:
    """The answer for people."""
    schedule = document["schedule"]
    local = f" ({schedule['local']})" if schedule else ""
    lines = [f"{document['task']} at {clock(document['at'])}{local}"]
    lines.append(paint(printable(document["sentence"]), _TONES.get(document["finding"], Tone.PLAIN), coloured=coloured))
    lines += [printable(note) for note in document["notes"]]
    return [*lines, "", *(_fact(name, fact) for name, fact in _facts(document)), *_field_lines(schedule, coloured=coloured)]


def _facts(document: Document) -> Iterator[tuple[str, str]]:
    schedule, generation, definition = document["schedule"], document["generation"], document["definition"]
    if schedule:
        yield "schedule", f"{schedule['schedule']} {schedule['timezone']}"
        yield from (("", note) for note in schedule["notes"])
        if schedule["due"] and schedule["due"] != document["at"]:
            yield "due", clock(schedule["due"])
        yield "before", f"{clock(schedule['before'])}{_brief(document['previous'])}"
        yield "after", clock(schedule["after"])
    if generation:
        yield (
            "commit",
            f"{generation['revision'][:12]}, generation {generation['number']}, in force since {clock(generation['applied_at'])}",
        )
    if definition:
        source, until = definition["source"], f" until {clock(definition['until'])}" if definition["until"] else ""
        yield "task", f"{source['path']}:{source['line']}, as it was since {clock(definition['since'])}{until}"
        yield "baseline", f"{clock(definition['baseline'])}: later instants count"
    if start := document["agent_start"]:
        sign = f"; the one before lived at {clock(start['last_sign'])}" if start["last_sign"] else ""
        yield "agent", f"started {clock(start['at'])}{sign}"
    if document["entry"] and document["entry"]["run"]:
        yield "output", f"torchsync logs {document['entry']['run']['id']}"


def _fact(name: str, fact: str) -> str:
    return f"{name:9} {printable(fact)}"


def _brief(entry: Document | None) -> str:
    if entry is None:
        return ""
    run = entry["run"]
    if run:
        return f": {run['outcome'] or run['state']}"
    return f": skipped ({entry['reason']})" if entry["reason"] else ": waits"


def _field_lines(schedule: Document | None, *, coloured: bool) -> list[str]:
    if not schedule or not schedule["fields"]:
        return []
    return ["", *table(("FIELD", "SAYS", "WHICH IS", "WAS", "MATCHES"), [_field_row(one) for one in schedule["fields"]], coloured=coloured)]


def _field_row(one: Document) -> list[Cell]:
    matches: Cell = "yes" if one["matches"] else ("no", Tone.BAD)
    return [one["name"], one["text"], one["values"], one["actual"], matches]


def _moment(text: str) -> Instant:
    try:
        return parse_rfc3339(text)
    except ValueError as error:
        raise UsageError(
            "TS357", f"--at {text!r} is no time with zone; write it as 2026-11-23T02:30:00Z or 2026-11-23T03:30+01:00"
        ) from error


def _answer(place: Place, task: str, at: Instant | None) -> Document:
    query = {"task": task} | ({"at": rfc3339(at)} if at is not None else {})
    try:
        return ControlClient(place.socket).get("/api/v1/why", query)
    except Unavailable:
        if place.state is None:
            raise
        return _from_state(place.state, task, at)


def _from_state(state: Path, task: str, at: Instant | None) -> Document:
    from torchsync.adapters.ledger import open_readonly
    from torchsync.core.why import explain, unknown_task
    from torchsync.core.whydoc import why_document

    with (
        tempfile.TemporaryDirectory(prefix="torchsync-") as scratch,
        contextlib.closing(open_readonly(state / "ledger.sqlite", Path(scratch))) as ledger,
    ):
        found = explain(ledger.evidence, TaskName(task), at, Instant(time.time_ns() // 1_000_000))
        if found is None:
            raise NotFound("TS352", unknown_task(TaskName(task), ledger.known_tasks()))
        document: Document = json.loads(json.dumps(why_document(found)))
        return document
