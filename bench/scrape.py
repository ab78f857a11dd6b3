"""Prints what a scrape costs by number of tasks: time to render, size of the text and of its packed form; best of several rounds."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from time import perf_counter

from tests.builders import many_tasks
from torchsync.adapters.metrics import new_registry, render
from torchsync.core.metrictable import PerTask
from torchsync.core.snapshot import Snapshot

_ROUNDS = 5


def main() -> None:
    """One line for each number of tasks and each amount of detail."""
    print(f"{'tasks':>6} {'per task':8} {'render ms':>10} {'pack ms':>8} {'KiB':>8} {'packed KiB':>11} {'series':>8}")
    for count in (100, 1_000, 10_000):
        snapshot = many_tasks(count)
        for detail in (PerTask.FULL, PerTask.COMPACT):
            print(_row(snapshot, count, detail))


def _row(snapshot: Snapshot, count: int, detail: PerTask) -> str:
    registry = new_registry(lambda: snapshot, detail)
    rendering, text = min(_timed(lambda: render(registry)) for _ in range(_ROUNDS))
    packing, packed = min(_timed(lambda: gzip.compress(text, compresslevel=1, mtime=0)) for _ in range(_ROUNDS))
    series = sum(1 for line in text.splitlines() if not line.startswith(b"#"))
    sizes = f"{len(text) / 1024:8.0f} {len(packed) / 1024:11.0f} {series:8}"
    return f"{count:6} {detail.value:8} {rendering * 1000:10.1f} {packing * 1000:8.1f} {sizes}"


def _timed(work: Callable[[], bytes]) -> tuple[float, bytes]:
    begun = perf_counter()
    made = work()
    return perf_counter() - begun, made


if __name__ == "__main__":
    main()
