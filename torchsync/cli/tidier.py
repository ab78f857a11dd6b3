"""Now and then clears away what finished runs left on the disk, in a thread of its own: the loop never waits for a disk."""

from __future__ import annotations

import threading
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from torchsync.adapters.retention import Bounds, prune_runs
from torchsync.core.model import Instant, Millis
from torchsync.core.snapshot import Snapshot

EVERY = Millis(10 * 60 * 1000)
KEPT_FOR = Millis(30 * 24 * 3600 * 1000)
MOST_RUNS = 20_000
MOST_BYTES = 2 << 30


class Tidier:
    """One round at a time, the first when an agent has lived for a while: it has better things to do at the start."""

    def __init__(self, runs: Path) -> None:
        self._runs = runs
        self._next: Millis | None = None
        self._thread: threading.Thread | None = None

    def tick(self, snapshot: Snapshot, mono: Millis) -> None:
        """A round is under way when one is due. The runs of `snapshot` are in flight."""
        if self._next is None:
            self._next = Millis(mono + EVERY)
        if mono < self._next or (self._thread is not None and self._thread.is_alive()):
            return
        self._next = Millis(mono + EVERY)
        bounds = Bounds(since=Instant(snapshot.not_before - KEPT_FOR), until=snapshot.taken_at, most_runs=MOST_RUNS, most_bytes=MOST_BYTES)
        self._thread = threading.Thread(target=_tidy, args=(self._runs, bounds, set(snapshot.runs)), name="tidier", daemon=True)
        self._thread.start()


def _tidy(runs: Path, bounds: Bounds, in_flight: Collection[str]) -> None:
    with suppress(OSError):  # A disk that cannot be read now is tried again in a while.
        prune_runs(runs, bounds, in_flight)
