"""`torchsync top`: tasks and runs of the agent, live. What is shown is decided in `topframe.py`; here a key becomes a choice."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from argparse import ArgumentParser, Namespace
from dataclasses import replace

from torchsync.cli.client import ControlClient, add_place_arguments, place_of
from torchsync.cli.topframe import Choices, Size, bounded_first, frame, page_of, whole
from torchsync.cli.toppoll import Asker, Poller, understood
from torchsync.cli.topscreen import Screen, painted
from torchsync.cli.topview import Order, View, chosen, run_rows, task_rows
from torchsync.core.model import Instant
from torchsync.errors import UsageError

_ORDERS = {"f": Order.FAILURES, "n": Order.NEXT, "t": Order.NAME}
_REDRAW = 1.0
"""Seconds: countdowns go on between two answers of the agent."""
_LEAST_INTERVAL = 0.2
_UNBOUNDED = 120
"""Columns of an output that is no terminal."""


def add_arguments(parser: ArgumentParser) -> None:
    add_place_arguments(parser)
    parser.add_argument("--interval", type=float, default=2.0, metavar="SECONDS", help="ask the agent this often, or less (default: 2)")
    parser.add_argument("--once", action="store_true", help="print one view and end, as for an output that is no terminal")
    parser.add_argument("--json", action="store_true", help="print one view as a document of the schema `top` and end")


def execute(args: Namespace) -> int:
    """Until `q`: the screen follows the agent, over its restarts too. Then the terminal is as it was."""
    if not args.interval >= _LEAST_INTERVAL:
        raise UsageError("TS357", f"--interval {args.interval:g} is less than {_LEAST_INTERVAL:g} seconds")
    client = ControlClient(place_of(args).socket)
    if args.json:
        return _print_json(client)
    asker = Asker(client, args.interval)
    is_screen = sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    if args.once or not is_screen:
        return _print(asker.view())
    return _Top(Screen(sys.stdin.fileno(), sys.stdout.fileno())).run(asker)


def _print(view: View) -> int:
    columns = shutil.get_terminal_size((_UNBOUNDED, 24)).columns
    lines = whole(view, columns, _now())
    is_coloured = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    for line in painted(lines, Size(width=columns, height=len(lines))) if is_coloured else (text.plain for text in lines):
        print(line)
    return 0


def _print_json(client: ControlClient) -> int:
    """What a view is made of, as the agent says it; runs and tasks stand as on the screen."""
    status, runs, tasks = (client.get(f"/api/v1/{name}") for name in ("status", "runs", "tasks"))
    with understood():
        by_id, by_name = {run["id"]: run for run in runs["runs"]}, {task["name"]: task for task in tasks["tasks"]}
        document = {
            "status": status,
            "runs": [by_id[row.id] for row in run_rows(runs["runs"])],
            "tasks": [by_name[row.name] for row in chosen(task_rows(tasks["tasks"], {}), Order.FAILURES, "")],
        }
    print(json.dumps(document))
    return 0


class _Top:
    """The loop: wait for a key, an answer or a second, then draw."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._view = View(trouble="asking the agent")
        self._choices = Choices()

    def run(self, asker: Asker) -> int:
        with self._screen.taken():
            Poller(asker, self._take)
            while True:
                size = self._screen.size()
                self._screen.draw(frame(self._view, size, self._choices, _now()), size)
                for key in self._screen.wait(_REDRAW):
                    if key == "q" and not self._choices.is_typing:
                        return 0
                    self._choices = pressed(self._choices, key, self._view, size)

    def _take(self, view: View) -> None:
        self._view = view
        self._screen.wake()


def pressed(choices: Choices, key: str, view: View, size: Size) -> Choices:
    """The choices after a key."""
    if choices.is_typing:
        return _typed(choices, key)
    if key in _ORDERS:
        return replace(choices, order=_ORDERS[key], first=0)
    if key == "/":
        return replace(choices, is_typing=True, text="", first=0)
    if key == "escape":
        return replace(choices, text="", first=0)
    page = page_of(view, size)
    count = len(chosen(view.tasks, choices.order, choices.text))
    steps = {"up": -1, "k": -1, "down": 1, "j": 1, "page up": -page, "page down": page, " ": page, "home": -count, "g": -count}
    steps |= {"end": count, "G": count}
    first = bounded_first(choices.first, count, page) + steps.get(key, 0)
    return replace(choices, first=bounded_first(first, count, page))


def _typed(choices: Choices, key: str) -> Choices:
    match key:
        case "enter":
            return replace(choices, is_typing=False)
        case "escape":
            return replace(choices, is_typing=False, text="")
        case "back":
            return replace(choices, text=choices.text[:-1])
        case _ if len(key) == 1:
            return replace(choices, text=choices.text + key, first=0)
        case _:
            return choices


def _now() -> Instant:
    return Instant(time.time_ns() // 1_000_000)
