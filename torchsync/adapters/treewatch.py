"""Whether the tree in force still is what was written, without holding up who asks.

The look at every file happens in a thread of its own, and takes at most a hundredth of the time: a small tree is looked at with nearly every
sync, one of 20,000 files every few seconds. What a look found counts from the next question on.
"""

from __future__ import annotations

import threading

from torchsync.adapters.tree import Trees
from torchsync.core.model import Millis
from torchsync.ports import Clock

_SHARE = 100


class TreeWatch:
    """Watches over the trees of one agent, which asks about the one in force, from one thread."""

    def __init__(self, trees: Trees, clock: Clock) -> None:
        self._trees = trees
        self._clock = clock
        self._damaged = ""
        self._next_look = Millis(0)
        self._thread: threading.Thread | None = None

    def is_whole(self, tree: str) -> bool:
        """False when the tree is not there, or was found damaged and has not been repaired; else another look is under way when it is time."""
        if not self._trees.is_present(tree):
            return False
        if self._damaged == tree and not self._trees.is_whole(tree):
            return False
        self._damaged = ""
        self._look(tree)
        return True

    def _look(self, tree: str) -> None:
        is_looking = self._thread is not None and self._thread.is_alive()
        if not is_looking and self._clock.monotonic() >= self._next_look:
            self._thread = threading.Thread(target=self._look_now, args=(tree,), daemon=True, name="look at the tree")
            self._thread.start()

    def _look_now(self, tree: str) -> None:
        begun = self._clock.monotonic()
        if not self._trees.is_whole(tree):
            self._damaged = tree
        ended = self._clock.monotonic()
        self._next_look = Millis(ended + _SHARE * (ended - begun))
