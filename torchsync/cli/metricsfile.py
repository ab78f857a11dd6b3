"""Keeps the file of `metrics.textfile` up to date, in a thread of its own: the loop never waits for a disk."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from torchsync.adapters.textfile import remove_textfile, write_textfile
from torchsync.core.logevents import Log, LogEvent
from torchsync.core.model import Millis
from torchsync.core.snapshot import Snapshot
from torchsync.errors import Problem

EVERY = Millis(15_000)


class MetricsFile:
    """Written at the start, every 15 seconds, and at once after a swap and after a reload. An empty path is none.

    The file stays when the agent ends: a task that nobody runs any more is late all the same, and the time of the last turn in it says how old it is.
    It goes when the running agent is told of another path, or of none.
    """

    def __init__(self, path: str, render: Callable[[], bytes], log: Log) -> None:
        self._path = path
        self._render = render
        self._log = log
        self._told = ""
        self._generation = 0
        self._next = Millis(0)
        self._problem: Problem | None = None
        self._thread: threading.Thread | None = None

    def follow(self, path: str) -> None:
        """The file is this one from now on; what is in it may have changed with the configuration."""
        self._path = path
        self._next = Millis(0)

    def tick(self, snapshot: Snapshot, mono: Millis) -> None:
        """The file is being written when that is due."""
        generation = snapshot.generation.number if snapshot.generation else 0
        is_due = (self._path and (mono >= self._next or generation != self._generation)) or self._path != self._told
        if not is_due or (self._thread is not None and self._thread.is_alive()):
            return
        before, self._told, self._generation, self._next = self._told, self._path, generation, Millis(mono + EVERY)
        self._thread = threading.Thread(target=self._renew, args=(before, self._path), name="textfile", daemon=True)
        self._thread.start()

    def notices(self) -> tuple[Problem, ...]:
        """Why it cannot be written just now."""
        problem = self._problem
        return (problem,) if problem else ()

    def _renew(self, before: str, path: str) -> None:
        if before and before != path:
            remove_textfile(Path(before))
        problem = write_textfile(Path(path), self._render()) if path else None
        if problem and problem != self._problem:
            self._log(LogEvent.TEXTFILE_UNWRITABLE, problem.message, code=problem.code)
        if self._problem and not problem and path:
            self._log(LogEvent.TEXTFILE_WRITABLE, f"{path} is written again")
        self._problem = problem
