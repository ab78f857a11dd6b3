"""Keeps a flood of events from becoming a flood of log lines. Pure: time comes in as values."""

from __future__ import annotations

from dataclasses import dataclass

from torchsync.core.model import Millis

WINDOW = Millis(60_000)
MOST_LINES = 5
"""In a window."""


@dataclass(slots=True)
class Flood:
    """Lets the first few of each minute pass and counts the rest."""

    withheld: int = 0
    _passed: int = 0
    _until: Millis = Millis(0)

    def passes(self, mono: Millis) -> bool:
        """Whether to tell the event; else it is counted in `withheld`."""
        if mono >= self._until:
            self._until, self._passed = Millis(mono + WINDOW), 0
        if self._passed < MOST_LINES:
            self._passed += 1
            return True
        self.withheld += 1
        return False

    def drain(self, mono: Millis) -> int:
        """How many were withheld in a minute that is over, told once."""
        if mono < self._until or not self.withheld:
            return 0
        count, self.withheld = self.withheld, 0
        return count
