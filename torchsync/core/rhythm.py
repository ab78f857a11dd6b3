"""When a host asks the remote. Pure: time and randomness come in as values.

Theory of operation. A thousand hosts ask one server, so none of the causes that could make them ask together may last. Every host has a place of
its own in the interval, its *phase*, a number that its name alone decides: hosts that one deployment restarted, and hosts that lost the same
remote, are spread over the interval again with the next sync. Around that place the jitter moves each sync a little. A remote that does not
answer is asked on another schedule, later and later and never in step; one that says it is asked too much (HTTP 429, 503) has a minute of
silence at least, whatever else would cause a sync.
"""

from __future__ import annotations

from torchsync.core.backoff import grown
from torchsync.core.model import Instant, Millis
from torchsync.core.spread import Spread

RETRY_LIMIT = Millis(5 * 60 * 1000)
"""The longest wait for a remote that does not answer, unless the interval itself is longer."""

OVERLOADED_WAIT = Millis(60 * 1000)
"""The shortest wait for a remote that answered 429 or 503."""

FIRST_WITHIN = Millis(30 * 1000)
"""A restarted agent that has tasks in force asks within this time, or within the interval when that is shorter."""


def phase(host: str, interval: Millis) -> Millis:
    """The place of the host in the interval, from 0 until before `interval`; the same for ever."""
    return Millis(Spread(host, "").pick("sync", interval))


def first_delay(host: str, interval: Millis) -> Millis:
    """How long a restarted agent that has tasks in force waits before its first sync."""
    return phase(host, min(interval, FIRST_WITHIN))


def next_delay(host: str, interval: Millis, jitter: float, now: Instant, randomness: float) -> Millis:
    """How long until the next sync, after one that was answered.

    It falls on the host's phase, counted from the Unix epoch, at the first such moment that is at least half an interval away, and is moved by up
    to `jitter` (0.1 for 10 %) of the interval to either side. `randomness` is in [0, 1).
    """
    until = (phase(host, interval) - now) % interval
    until += interval if 2 * until < interval else 0
    return Millis(max(0, int(until + interval * jitter * (2 * randomness - 1))))


def retry_delay(interval: Millis, unavailable: int, randomness: float) -> Millis:
    """How long until the next try, after `unavailable` syncs in a row that nobody answered: the interval, doubled for each further failure up to
    `RETRY_LIMIT`, less up to half of it.
    """
    longest = grown(interval, 2.0, unavailable - 1, max(interval, RETRY_LIMIT))
    return Millis(int(longest * (1 + randomness) / 2))


def overloaded_delay(interval: Millis, unavailable: int, randomness: float) -> Millis:
    """As `retry_delay`, for a remote that asked for less: `OVERLOADED_WAIT` at least, and up to twice that, so that nobody comes back in step.
    `unavailable` may be 0: an operator's pin can be followed without the remote.
    """
    return Millis(max(retry_delay(interval, max(1, unavailable), randomness), int(OVERLOADED_WAIT * (1 + randomness))))
