"""The inbox of the loop and the one place where it waits.

Theory of operation. Events stand in a deque, which may be appended to from any thread. A post also adds to an eventfd(2) that is watched like
every other descriptor, so it ends a wait that is under way, and any number of posts end it once. Callbacks of descriptors run inside `wait`, in the
thread of the loop; what they post is returned by the same call.
"""

from __future__ import annotations

import os
import selectors
import time
from collections import deque
from collections.abc import Callable, Sequence
from weakref import finalize

from torchsync.core.model import Millis


class SelectorWakeups:
    """`Wakeups` on selectors: epoll(7) where the system has it."""

    def __init__(self) -> None:
        self._events: deque[object] = deque()
        self._selector = selectors.DefaultSelector()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        finalize(self, os.close, self._bell).atexit = False
        self.watch(self._bell, self._silence)

    def post(self, event: object) -> None:
        self._events.append(event)
        os.eventfd_write(self._bell, 1)

    def wait(self, timeout: Millis | None) -> Sequence[object]:
        deadline = None if timeout is None else time.monotonic() + timeout / 1000
        while True:
            self._serve(deadline)
            if self._events or (deadline is not None and time.monotonic() >= deadline):
                return [self._events.popleft() for _ in range(len(self._events))]

    def watch(self, descriptor: int, on_ready: Callable[[], None]) -> None:
        self._selector.register(descriptor, selectors.EVENT_READ, on_ready)

    def unwatch(self, descriptor: int) -> None:
        self._selector.unregister(descriptor)

    def _serve(self, deadline: float | None) -> None:
        """Every descriptor that can be read has been served; waits for one until `deadline`, unless there are events."""
        patience = None if deadline is None else max(0.0, deadline - time.monotonic())
        for key, _ in self._selector.select(0 if self._events else patience):
            watched = self._selector.get_map().get(key.fd)
            if watched is not None and watched.data is key.data:  # An earlier callback of this round may have unwatched it.
                key.data()

    def _silence(self) -> None:
        os.eventfd_read(self._bell)
