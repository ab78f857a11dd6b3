"""Prints what a scrape costs by number of tasks: time to render the first time and again, time to pack, size of the text and of its packed form;
the best of several rounds.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from time import perf_counter

from tests.builders import many_tasks
from torchsync.adapters.metrics import Exposition
from torchsync.core.metrictable import PerTask
from torchsync.core.snapshot import Snapshot

_ROUNDS = 5


def main() -> None:
    """One line for each number of tasks and each amount of detail."""
    print(f"{'tasks':>6} {'per task':8} {'first ms':>10} {'again ms':>10} {'pack ms':>8} {'KiB':>8} {'packed KiB':>11} {'series':>8}")
    for count in (100, 1_000, 10_000):
        snapshot = many_tasks(count)
        for detail in PerTask:
            print(_row(snapshot, count, detail))


def _row(snapshot: Snapshot, count: int, detail: PerTask) -> str:
    exposition = Exposition(lambda: snapshot, detail)
    first, _ = min(_timed(lambda: Exposition(lambda: snapshot, detail).render()) for _ in range(_ROUNDS))
    exposition.render()
    again, text = min(_timed(exposition.render) for _ in range(_ROUNDS))
    packing, packed = min(_timed(lambda: gzip.compress(text, compresslevel=1, mtime=0)) for _ in range(_ROUNDS))
    series = sum(1 for line in text.splitlines() if not line.startswith(b"#"))
    sizes = f"{len(text) / 1024:8.0f} {len(packed) / 1024:11.0f} {series:8}"
    return f"{count:6} {detail.value:8} {first * 1000:10.1f} {again * 1000:10.1f} {packing * 1000:8.1f} {sizes}"


def _timed(work: Callable[[], bytes]) -> tuple[float, bytes]:
    begun = perf_counter()
    made = work()
    return perf_counter() - begun, made


if __name__ == "__main__":
    main()
