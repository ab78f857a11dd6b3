"""Who is refused on TCP, told without letting him fill the log."""

from __future__ import annotations

import threading
from collections.abc import Callable

from torchsync.core.flood import Flood
from torchsync.core.logevents import Log, LogEvent
from torchsync.core.model import Millis


class Refusals:
    """May be told of one from any thread."""

    def __init__(self, log: Log, monotonic: Callable[[], Millis]) -> None:
        self._log = log
        self._monotonic = monotonic
        self._flood = Flood()
        self._told = threading.Lock()

    def __call__(self, sentence: str) -> None:
        with self._told:
            is_told = self._flood.passes(self._monotonic())
        if is_told:
            self._log(LogEvent.HTTP_REFUSED, sentence)

    def drain(self) -> None:
        """How many were not told in a minute that is over is logged."""
        with self._told:
            count = self._flood.drain(self._monotonic())
        if count:
            self._log(LogEvent.HTTP_REFUSED, f"{count} more were refused like those told before")
