"""Asks the agent for what `top` shows, in a thread of its own: a screen that is drawn never waits for an agent that hangs.

An agent works for every answer, and more the more tasks it has. So the pace follows the price: after a round that took long, `_PRICE` times as
long passes before the next, whatever the interval. That keeps a watcher below a twentieth of one processor.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol

from torchsync.cli.topview import TaskRow, View, alarms_of, head_of, marks_of, run_rows, task_rows
from torchsync.core.model import Instant
from torchsync.errors import TorchsyncError

_PRICE = 40
_HISTORY = "300"
"""The newest entries, which marks are made from."""


class Client(Protocol):
    def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]: ...

    def probe(self, path: str) -> str: ...


class _Pace:
    """When something may be asked for again, by a monotonic clock in seconds."""

    def __init__(self, clock: Callable[[], float], interval: float) -> None:
        self._clock = clock
        self._interval = interval
        self._next = 0.0

    def is_due(self) -> bool:
        return self._clock() >= self._next

    @contextmanager
    def paid(self) -> Iterator[None]:
        """What the body takes is the price of the next time."""
        began = self._clock()
        try:
            yield
        finally:
            now = self._clock()
            self._next = now + max(self._interval, _PRICE * (now - began))

    def forget(self) -> None:
        self._next = 0.0


class Asker:
    """The newest view, from question to question. Tasks cost most and change least: they keep a pace of their own."""

    def __init__(self, client: Client, interval: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._pace, self._pace_of_tasks = _Pace(clock, interval), _Pace(clock, interval)
        self._view = View()

    def ask(self) -> View | None:
        """The view as it is now, None when it is too early for another question. With trouble it is the last one that was had."""
        if not self._pace.is_due():
            return None
        try:
            self._view = self._asked()
        except TorchsyncError as error:
            self._view = replace(self._view, trouble=f"{error.message}; trying again")
            self._pace_of_tasks.forget()
        return self._view

    def view(self) -> View:
        """All of it, asked now. Raises what the client raises."""
        self._pace_of_tasks.forget()
        return self._asked()

    def _asked(self) -> View:
        with understood():
            with self._pace.paid():
                stalled = self._client.probe("/healthz")
                status, runs = self._client.get("/api/v1/status"), self._client.get("/api/v1/runs")["runs"]
            tasks = self._asked_tasks() if self._pace_of_tasks.is_due() else self._view.tasks
            now = Instant(time.time_ns() // 1_000_000)
            return View(head=head_of(status, now), alarms=alarms_of(status, stalled), runs=run_rows(runs), tasks=tasks)

    def _asked_tasks(self) -> tuple[TaskRow, ...]:
        with self._pace_of_tasks.paid():
            history = self._client.get("/api/v1/history", {"runs": "true", "limit": _HISTORY})["entries"]
            return task_rows(self._client.get("/api/v1/tasks")["tasks"], marks_of(history))


@contextmanager
def understood() -> Iterator[None]:
    """An agent of another version may not say what is looked for: without this the thread that asks would end, and the screen stand still."""
    try:
        yield
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise TorchsyncError("TS901", "the agent answers what this torchsync does not understand: is it of another version?") from error


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
