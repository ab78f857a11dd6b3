"""`run`, `stop`, `sync` and `reload`: verbs for the running agent.

The agent answers at once; to wait is the business of the client, which asks again. An agent that is restarted meanwhile does not end the
wait: runs go on without it.
"""

from __future__ import annotations

import contextlib
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from typing import Any, TextIO

from torchsync.cli.client import ControlClient, Place, add_place_arguments, place_of
from torchsync.cli.follow import follow_run
from torchsync.cli.terminal import printable
from torchsync.core.instants import brief_duration
from torchsync.errors import NotFound, Unavailable

Document = dict[str, Any]
Sleep = Callable[[float], None]

RUN_FAILED = 11
CONFIG_REFUSED = 78

_SYNC_STATUS = {"applied": 0, "unchanged": 0, "rejected": 65, "refused": 77, "unavailable": 69, "paused": 0, "failed": 1}
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
_PATIENCE = 60
"""How many times in a row, about a second apart, the agent may be away while we wait."""


def add_run_arguments(parser: ArgumentParser) -> None:
    add_place_arguments(parser)
    parser.add_argument("task", metavar="TASK", help="the task to run now")
    parser.add_argument("--wait", action="store_true", help="until the run is over; exit 11 when it did not succeed")
    parser.add_argument("-f", "--follow", action="store_true", help="as --wait, and show what the run writes: that alone is on stdout")


def execute_run(args: Namespace) -> int:
    return run_task(_client(args), args.task, wait=args.wait, follow=place_of(args) if args.follow else None)


def add_stop_arguments(parser: ArgumentParser) -> None:
    add_place_arguments(parser)
    parser.add_argument("target", metavar="RUN|TASK", help="the id of a run, or a task for all of its runs")


def execute_stop(args: Namespace) -> int:
    return stop_runs(_client(args), args.target)


def add_sync_arguments(parser: ArgumentParser) -> None:
    add_place_arguments(parser)
    parser.add_argument("--wait", action="store_true", help="until the sync is over; exit as `agent --once` does")
    parser.add_argument("--allow-removal", action="store_true", help="this once the guard against removal does not hold")


def execute_sync(args: Namespace) -> int:
    return sync_now(_client(args), wait=args.wait, allow_removal=args.allow_removal)


def add_reload_arguments(parser: ArgumentParser) -> None:
    add_place_arguments(parser)
    parser.add_argument("--wait", action="store_true", help="until agent.yaml is in force; exit 78 when it is refused")


def execute_reload(args: Namespace) -> int:
    return reload_config(_client(args), wait=args.wait)


def run_task(client: ControlClient, task: str, *, wait: bool, follow: Place | None = None, sleep: Sleep = time.sleep) -> int:
    """A run of the task has been admitted; with `wait` it is over. The id of the run is on stdout; with `follow` it and how the run went are on
    stderr, and stdout has what the run writes.
    """
    told = sys.stderr if follow else sys.stdout
    run_id = None
    try:
        run_id = str(client.post("/api/v1/run", {"task": task})["run"])
        print(run_id, file=told, flush=True)
        if not wait and not follow:
            return 0
        if follow:
            with contextlib.suppress(NotFound):  # It may never begin: how it went says so.
                follow_run(follow, run_id, sys.stdout.buffer, sleep)
        return _await_run(client, run_id, sleep, told)
    except KeyboardInterrupt:
        print(_left_behind(task, run_id), file=sys.stderr)
        raise


def _left_behind(task: str, run_id: str | None) -> str:
    """What somebody who interrupts the command should know: the run is the agent's, and goes on without it."""
    if run_id is None:
        return f"interrupted before the agent answered: `torchsync history {task}` says whether a run began"
    return f"run {run_id} goes on; `torchsync logs -f {run_id}` follows it, `torchsync stop {run_id}` ends it"


def stop_runs(client: ControlClient, target: str) -> int:
    """The runs are being ended; their ids are on stdout. That there is none is said on stderr, and is no failure."""
    runs = client.post("/api/v1/stop", {"target": target})["runs"]
    for run_id in runs:
        print(run_id)
    if not runs:
        print(f"no run of {target} is under way", file=sys.stderr)
    return 0


def sync_now(client: ControlClient, *, wait: bool, allow_removal: bool = False, sleep: Sleep = time.sleep) -> int:
    """A sync was asked for; with `wait` it is over, its sentence is on stdout and what was wrong on stderr."""
    given = client.post("/api/v1/sync", {"allow_removal": "yes"} if allow_removal else {})
    if waits := given.get("waits_ms"):
        print(f"the remote said that it is asked too much: the sync starts in {brief_duration(waits)}", file=sys.stderr)
    if wait:
        return await_sync(client, given["ticket"], sleep)
    if paused := given.get("paused"):
        print(printable(f"paused: {paused}"))
    return 0


def await_sync(client: ControlClient, ticket: int, sleep: Sleep = time.sleep) -> int:
    """The sync of the ticket is over, its sentence is on stdout and what was wrong on stderr; the exit status."""
    result = _await_ticket(client, f"/api/v1/syncs/{ticket}", sleep)
    print(printable(f"{result['outcome']}: {result['sentence']}"))
    _print_problems(result)
    return _SYNC_STATUS.get(result["outcome"], 1)


def reload_config(client: ControlClient, *, wait: bool, sleep: Sleep = time.sleep) -> int:
    """agent.yaml was asked to be read again; with `wait` it has been, and what was wrong with it is on stderr."""
    ticket = client.post("/api/v1/reload")["ticket"]
    if not wait:
        return 0
    result = _await_ticket(client, f"/api/v1/reloads/{ticket}", sleep)
    print(result["outcome"])
    _print_problems(result)
    return CONFIG_REFUSED if result["problems"] else 0


def _client(args: Namespace) -> ControlClient:
    return ControlClient(place_of(args).socket)


def _await_run(client: ControlClient, run_id: str, sleep: Sleep, told: TextIO | None = None) -> int:
    try:
        run = next(run for run in polled(client, f"/api/v1/runs/{run_id}", sleep) if run["state"] == "finished")
    except NotFound:
        print(f"run {run_id} was withdrawn: it never began", file=sys.stderr)
        return RUN_FAILED
    status = "" if run["exit_status"] is None else f" with exit status {run['exit_status']}"
    detail = f": {run['detail']}" if run["detail"] else ""
    print(printable(f"{run['task']} {run['outcome']}{status}{detail}"), file=told)
    return 0 if run["outcome"] == "succeeded" else RUN_FAILED


def _await_ticket(client: ControlClient, path: str, sleep: Sleep) -> Document:
    return next(answer for answer in polled(client, path, sleep) if answer["done"])


def polled(client: ControlClient, path: str, sleep: Sleep) -> Iterator[Document]:
    """The document at `path`, again and again, less and less often."""
    pause, away = _FIRST_PAUSE, 0
    while True:
        try:
            yield client.get(path)
            away = 0
        except Unavailable:
            away += 1
            if away > _PATIENCE:
                raise
        sleep(pause)
        pause = min(_LONGEST_PAUSE, pause * 1.5)


def _print_problems(result: Document) -> None:
    for problem in result["problems"]:
        print(printable(problem), file=sys.stderr)
