"""How long to wait before the next try. Pure: randomness comes in as a value."""

from __future__ import annotations

from torchsync.core.model import DaemonTiming, Millis

SYNC_RETRY_LIMIT = Millis(5 * 60 * 1000)
"""The longest wait for a remote that does not answer, unless the interval itself is longer."""


def restart_delay(timing: DaemonTiming, quick_ends: int) -> Millis:
    """How long a copy of a daemon waits after its `quick_ends`-th early end in a row; none and the first wait `delay`."""
    return Millis(int(_grown(timing.delay, timing.backoff, max(0, quick_ends - 1), timing.max_delay)))


def sync_delay(interval: Millis, jitter: float, unavailable: int, randomness: float) -> Millis:
    """How long until the next sync, after `unavailable` in a row that nobody answered. `randomness` is in [0, 1).

    With an answer: the interval, spread by `jitter` (0.1 for 10%) to either side. Without: the interval doubled for each further failure, up
    to `SYNC_RETRY_LIMIT`, less up to half of it, so that a fleet does not come back in step.
    """
    if unavailable == 0:
        return Millis(int(interval * (1 + jitter * (2 * randomness - 1))))
    longest = _grown(interval, 2.0, unavailable - 1, max(interval, SYNC_RETRY_LIMIT))
    return Millis(int(longest * (1 + randomness) / 2))


def _grown(first: float, factor: float, times: int, limit: float) -> float:
    if first <= 0:
        return 0
    try:
        return min(limit, first * factor**times)
    except OverflowError:
        return limit
