"""How long to wait before the next try. Pure: randomness comes in as a value."""

from __future__ import annotations

from torchsync.core.model import DaemonTiming, Millis


def restart_delay(timing: DaemonTiming, quick_ends: int) -> Millis:
    """How long a copy of a daemon waits after its `quick_ends`-th early end in a row; none and the first wait `delay`."""
    return Millis(int(grown(timing.delay, timing.backoff, max(0, quick_ends - 1), timing.max_delay)))


def grown(first: float, factor: float, times: int, limit: float) -> float:
    """`first`, multiplied by `factor` that many times, and `limit` at most."""
    if first <= 0:
        return 0
    try:
        return min(limit, first * factor**times)
    except OverflowError:
        return limit
