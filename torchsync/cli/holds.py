"""`pause`, `resume`, `drain`, `pin`, `unpin` and `rollback`: what operators hold back, and for how long."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser, Namespace

from torchsync.cli.client import ControlClient, add_place_arguments, place_of
from torchsync.cli.control import Sleep, await_sync, polled
from torchsync.cli.terminal import printable
from torchsync.core.holds import parse_until, pin_problem, reason_problem
from torchsync.core.model import Instant
from torchsync.errors import TorchsyncError, UsageError


def add_pause_arguments(parser: ArgumentParser) -> None:
    add_place_arguments(parser)
    parser.add_argument("tasks", metavar="TASK", nargs="*", help="tasks that do not start by themselves; `run` still starts them")
    parser.add_argument("--all", action="store_true", help="every task of this host, also those to come")
    parser.add_argument("--sync", action="store_true", help="the syncs: no remote is contacted")
    _add_why(parser)


def execute_pause(args: Namespace) -> int:
    return hold(_client(args), "pause", {**_scope(args, sync=args.sync, all=args.all), **_why(args)})


def add_resume_arguments(parser: ArgumentParser) -> None:
    add_place_arguments(parser)
    parser.add_argument("tasks", metavar="TASK", nargs="*", help="tasks that are paused by their names")
    parser.add_argument("--all", action="store_true", help="the pause of every task; those that are paused by name stay so")
    parser.add_argument("--sync", action="store_true", help="the syncs; one begins at once")
    parser.add_argument("--drain", action="store_true", help="the drained host")


def execute_resume(args: Namespace) -> int:
    return hold(_client(args), "resume", _scope(args, sync=args.sync, all=args.all, drain=args.drain))


def add_drain_arguments(parser: ArgumentParser) -> None:
    add_place_arguments(parser)
    parser.add_argument("--stop", action="store_true", help="end every run, not only the daemons")
    parser.add_argument("--wait", action="store_true", help="until nothing runs any more")
    _add_why(parser)


def execute_drain(args: Namespace) -> int:
    return drain(_client(args), {**({"stop": "yes"} if args.stop else {}), **_why(args)}, wait=args.wait)


def add_pin_arguments(parser: ArgumentParser) -> None:
    add_place_arguments(parser)
    parser.add_argument("revision", metavar="REV", help="the commit to stay at: its id, or at least the first 7 digits of it")
    _add_wait(parser)
    _add_why(parser)


def execute_pin(args: Namespace) -> int:
    if problem := pin_problem(args.revision.lower()):
        raise UsageError("TS357", problem)
    return follow(_client(args), "pin", {"revision": args.revision, **_why(args)}, wait=args.wait)


def add_unpin_arguments(parser: ArgumentParser) -> None:
    add_place_arguments(parser)
    _add_wait(parser)


def execute_unpin(args: Namespace) -> int:
    return follow(_client(args), "unpin", {}, wait=args.wait)


def add_rollback_arguments(parser: ArgumentParser) -> None:
    add_place_arguments(parser)
    _add_wait(parser)
    _add_why(parser)


def execute_rollback(args: Namespace) -> int:
    return follow(_client(args), "rollback", _why(args), wait=args.wait)


def hold(client: ControlClient, verb: str, fields: dict[str, str]) -> int:
    """The agent holds, or does not any more, and that is durable; what happened is on stdout."""
    _ask(client, verb, fields)
    return 0


def drain(client: ControlClient, fields: dict[str, str], *, wait: bool, sleep: Sleep = time.sleep) -> int:
    """Nothing is started any more; with `wait` nothing runs."""
    _ask(client, "drain", fields)
    if wait:
        _await_empty(client, sleep)
        print("nothing runs any more")
    return 0


def follow(client: ControlClient, verb: str, fields: dict[str, str], *, wait: bool, sleep: Sleep = time.sleep) -> int:
    """The syncs go for another revision; with `wait` the first of them is over, and the exit status is that of `sync --wait`."""
    ticket = _ask(client, verb, fields)
    return await_sync(client, ticket, sleep) if wait else 0


def _ask(client: ControlClient, verb: str, fields: dict[str, str]) -> int:
    answer = client.post(f"/api/v1/{verb}", fields)
    for sentence in answer["sentences"]:
        print(printable(sentence))
    sys.stdout.flush()
    return int(answer["ticket"] or 0)


def _await_empty(client: ControlClient, sleep: Sleep) -> None:
    """Nothing runs, and nothing can begin. A status from before the drain says neither."""
    is_known = False
    for status in polled(client, "/api/v1/status", sleep):
        is_drained = any(hold["scope"] == "drain" for hold in status["holds"])
        if is_drained and not status["runs_in_progress"]:
            return
        if is_known and not is_drained:
            raise TorchsyncError("TS355", f"the drain is over, and {status['runs_in_progress']} run(s) are in progress")
        is_known = is_drained


def _scope(args: Namespace, **whole: bool) -> dict[str, str]:
    named = [scope for scope, is_meant in whole.items() if is_meant]
    if len(named) + bool(args.tasks) != 1:
        options = ", ".join(f"--{scope}" for scope in whole)
        found = ", ".join([*(f"--{scope}" for scope in named), *args.tasks]) or "nothing"
        raise UsageError("TS357", f"say one of {options} or names of tasks; found {found}")
    return {"scope": named[0]} if named else {"scope": "task", "tasks": " ".join(args.tasks)}


def _add_why(parser: ArgumentParser) -> None:
    parser.add_argument("--reason", metavar="TEXT", default="", help="why; status and history show it")
    parser.add_argument("--until", metavar="DURATION|TIME", default="", help="when it ends by itself, such as 2h or 2026-12-01T03:00Z")


def _add_wait(parser: ArgumentParser) -> None:
    parser.add_argument("--wait", action="store_true", help="until the sync for it is over; exit as `sync --wait` does")


def _why(args: Namespace) -> dict[str, str]:
    if problem := reason_problem(args.reason):
        raise UsageError("TS357", f"--reason: {problem}")
    try:
        if args.until:
            parse_until(args.until, Instant(time.time_ns() // 1_000_000))
    except ValueError as error:
        raise UsageError("TS357", f"--until: {error}") from error
    return {name: text for name, text in (("reason", args.reason), ("until", args.until)) if text}


def _client(args: Namespace) -> ControlClient:
    return ControlClient(place_of(args).socket)
