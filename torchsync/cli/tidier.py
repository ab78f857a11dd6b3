"""Now and then clears away what finished runs left on the disk, in a thread of its own: the loop never waits for a disk."""

from __future__ import annotations

import threading
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from torchsync.adapters.retention import Bounds, prune_runs
from torchsync.agent.config import RetentionConfig
from torchsync.core.model import Instant, Millis
from torchsync.core.snapshot import Snapshot

EVERY = Millis(10 * 60 * 1000)
MOST_RUNS = 100_000


class Tidier:
    """One round at a time, the first when an agent has lived for a while: it has better things to do at the start. One comes early when the state
    cannot be written any more, since the disk may be full. `retention` may be set at any time.
    """

    def __init__(self, runs: Path, retention: RetentionConfig) -> None:
        self.retention = retention
        self._runs = runs
        self._was_degraded = False
        self._next: Millis | None = None
        self._thread: threading.Thread | None = None

    def tick(self, snapshot: Snapshot, mono: Millis) -> None:
        """A round is under way when one is due. The runs of `snapshot` are in flight."""
        if self._next is None:
            self._next = Millis(mono + EVERY)
        if snapshot.state_degraded and not self._was_degraded:
            self._next = mono
        self._was_degraded = snapshot.state_degraded
        if mono < self._next or (self._thread is not None and self._thread.is_alive()):
            return
        self._next = Millis(mono + EVERY)
        since = Instant(snapshot.not_before - self.retention.runs)
        bounds = Bounds(since=since, until=snapshot.taken_at, most_runs=MOST_RUNS, most_bytes=self.retention.total_output)
        self._thread = threading.Thread(target=_tidy, args=(self._runs, bounds, set(snapshot.runs)), name="tidier", daemon=True)
        self._thread.start()


def _tidy(runs: Path, bounds: Bounds, in_flight: Collection[str]) -> None:
    with suppress(OSError):  # A disk that cannot be read now is tried again in a while.
        prune_runs(runs, bounds, in_flight)
