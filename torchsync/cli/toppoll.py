"""Asks the agent for what `top` shows, in a thread of its own: a screen that is drawn never waits for an agent that hangs.

An agent works for every answer, and more the more tasks it has. So the pace follows the price: after a round that took long, `_PRICE` times as
long passes before the next, whatever the interval. That keeps a watcher below a few percent of one processor.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from torchsync.cli.client import ControlClient
from torchsync.cli.topview import View, alarms_of, head_of, marks_of, run_rows, task_rows
from torchsync.core.model import Instant
from torchsync.errors import TorchsyncError

_PRICE = 25
_HISTORY = "300"
"""The newest entries, which marks are made from."""


@dataclass(slots=True)
class _Due:
    """When something is to be asked for again, by the monotonic clock."""

    at: float = 0.0

    def is_now(self) -> bool:
        return time.monotonic() >= self.at

    def pay(self, began: float, interval: float) -> None:
        now = time.monotonic()
        self.at = now + max(interval, _PRICE * (now - began))


class Asker:
    """The newest view, from question to question. Tasks cost most and change least: they keep a pace of their own."""

    def __init__(self, client: ControlClient, interval: float) -> None:
        self._client = client
        self._interval = interval
        self._few, self._many = _Due(), _Due()
        self._view = View()

    def ask(self) -> View | None:
        """The view as it is now, None when it is too early for another question. With trouble it is the last one that was had."""
        if not self._few.is_now():
            return None
        began = time.monotonic()
        try:
            self._view = self._asked()
        except TorchsyncError as error:
            self._view = replace(self._view, trouble=f"{error.message}; trying again")
            self._many = _Due()
        self._few.pay(began, self._interval)
        return self._view

    def view(self) -> View:
        """All of it, asked now. Raises what the client raises."""
        self._many = _Due()
        return self._asked()

    def _asked(self) -> View:
        status, runs = self._client.get("/api/v1/status"), self._client.get("/api/v1/runs")["runs"]
        now = Instant(time.time_ns() // 1_000_000)
        tasks = self._view.tasks
        if self._many.is_now():
            began = time.monotonic()
            history = self._client.get("/api/v1/history", {"runs": "true", "limit": _HISTORY})["entries"]
            tasks = task_rows(self._client.get("/api/v1/tasks")["tasks"], marks_of(history))
            self._many.pay(began, self._interval)
        return View(head=head_of(status, now), alarms=alarms_of(status), runs=run_rows(runs), tasks=tasks)


class Poller:
    """Calls `on_view` from its thread with every new view, until the process ends."""

    def __init__(self, asker: Asker, on_view: Callable[[View], None]) -> None:
        self._asker = asker
        self._on_view = on_view
        threading.Thread(target=self._run, daemon=True, name="ask").start()

    def _run(self) -> None:
        while True:
            view = self._asker.ask()
            if view is not None:
                self._on_view(view)
            time.sleep(0.1)
