"""`torchsync logs`: what runs wrote.

The state directory is read when no agent answers and this user may. `--json` prints one document.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from torchsync.cli.client import ControlClient, Place, add_place_arguments, place_of
from torchsync.cli.follow import follow_run
from torchsync.cli.inspect import Document, history_page, print_json
from torchsync.core.model import RunId
from torchsync.errors import NotFound, Unavailable, UsageError

_RUN_ID = re.compile("[0-9a-f]{12}-[0-9a-f]{8}")
_IN_MEMORY = 16 * 1024 * 1024


def add_arguments(parser: ArgumentParser) -> None:
    add_place_arguments(parser)
    parser.add_argument("target", metavar="TASK|RUN", help="a task, for its newest run, or the id of a run")
    parser.add_argument("--attempt", type=int, default=0, metavar="N", help="only the attempt with this number (default: all of them)")
    parser.add_argument("--json", action="store_true", help="print the run, and what is kept of each attempt, as one document")
    parser.add_argument(
        "-f", "--follow", action="store_true", help="show what the run writes until it is over; of a task, its newest run that is under way"
    )


def execute(args: Namespace) -> int:
    if args.follow and args.json:
        raise UsageError("TS357", "--json tells what is kept by now: leave out one of --follow and --json")
    if args.json:
        return print_json(logs_document(place_of(args), args.target, args.attempt))
    if args.follow:
        place = place_of(args)
        follow_run(
            place, args.target if _RUN_ID.fullmatch(args.target) else newest_run(place, args.target, in_flight=True), sys.stdout.buffer
        )
        return 0
    return run_logs(place_of(args), args.target, sys.stdout.buffer, args.attempt)


def run_logs(place: Place, target: str, to: IO[bytes], attempt: int = 0) -> int:
    """What is kept of the output of the run is on `to`, byte for byte; of several attempts each has a line that says which one follows."""
    run_id = _run_meant(place, target)
    # Taken in whole before it is shown: the agent does not wait for somebody who reads page by page.
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as kept:
        for piece in _output(place, RunId(run_id), attempt):
            kept.write(piece)
        kept.seek(0)
        shutil.copyfileobj(kept, to)
    to.flush()
    return 0


def logs_document(place: Place, target: str, attempt: int = 0) -> Document:
    """As the schema `logs` has it. Raises NotFound when nothing is kept of what was asked for."""
    run = run_of(place, _run_meant(place, target))
    numbers = [attempt] if attempt else range(1, int(run["attempt"]) + 1)
    output = [_attempt_document(place, RunId(run["id"]), number) for number in numbers]
    if all(one["text"] is None for one in output):
        raise NotFound("TS352", f"no output of a run {run['id']} is kept here")
    return {"run": run, "output": output}


def _attempt_document(place: Place, run_id: RunId, number: int) -> Document:
    try:
        content = b"".join(_output(place, run_id, number))
    except NotFound:
        return {"attempt": number, "text": None, "is_utf8": True}
    text = content.decode("utf-8", "replace")
    return {"attempt": number, "text": text, "is_utf8": text.encode() == content}


def run_of(place: Place, run_id: str) -> Document:
    """What is known of the run. Raises NotFound for one that nobody knows."""
    try:
        return ControlClient(place.socket).get(f"/api/v1/runs/{run_id}")
    except Unavailable:
        if place.state is None:
            raise
        return _run_in_state(place.state, RunId(run_id))


def _run_in_state(state: Path, run_id: RunId) -> Document:
    from torchsync.adapters.ledger import open_readonly
    from torchsync.core.api import run_document

    with (
        tempfile.TemporaryDirectory(prefix="torchsync-") as scratch,
        contextlib.closing(open_readonly(state / "ledger.sqlite", Path(scratch))) as ledger,
    ):
        run = ledger.run(run_id)
    if run is None:
        raise NotFound("TS352", f"there is no run {run_id}")
    return run_document(run, full=True)


def _run_meant(place: Place, target: str) -> str:
    return target if _RUN_ID.fullmatch(target) else newest_run(place, target)


def newest_run(place: Place, task: str, *, in_flight: bool = False) -> str:
    """Of those under way, if that is wished and there are any, else of all."""
    with contextlib.suppress(Unavailable):
        under_way = ControlClient(place.socket).get("/api/v1/runs")["runs"] if in_flight else []
        if mine := [str(run["id"]) for run in under_way if run["task"] == task]:
            return max(mine)
    runs = history_page(place, {"task": task, "runs": "true", "limit": "1"})["entries"]
    if not runs:
        raise NotFound("TS352", f"no run of a task {task!r} is known here")
    return str(runs[0]["run"]["id"])


def _output(place: Place, run_id: RunId, attempt: int) -> Iterator[bytes]:
    answered = False
    try:
        for piece in ControlClient(place.socket).stream(f"/api/v1/runs/{run_id}/output?attempt={attempt}"):
            answered = True
            yield piece
    except Unavailable:
        if answered or place.state is None:
            raise
        yield from _output_from_state(place.state, run_id, attempt)


def _output_from_state(state: Path, run_id: RunId, attempt: int) -> Iterable[bytes]:
    from torchsync.adapters.outputfile import run_output

    try:
        kept = run_output(state / "runs", run_id, attempt)
    except PermissionError as error:
        raise Unavailable("TS350", f"no agent answers, and {state} is not for this user; use sudo") from error
    if kept is None:
        raise NotFound("TS352", f"no output of a run {run_id} is kept here")
    return kept
