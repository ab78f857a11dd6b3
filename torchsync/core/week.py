"""When a task fires in the seven days from a moment on, made small enough to be sent along with a page. Pure.

Most schedules repeat evenly, so the fires are told as *series*: the first instant, the gap, how many. Where the gap changes, as over a weekend
or in the night of a clock change, another series begins. A task that fires more often than every five minutes or so is not listed but counted by the
quarter of an hour: a page shows it as a band with a number, and clocks differ by whole quarters, so the count of any day comes out right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, pairwise, takewhile
from zoneinfo import ZoneInfo

from torchsync.core.cron import Schedule, instants, zone_named
from torchsync.core.localtime import stretches
from torchsync.core.model import Instant, Millis

LENGTH = Millis(7 * 86_400_000)
SLOT = Millis(15 * 60_000)
SLOTS = LENGTH // SLOT
MOST_LISTED = 2_100
"""Every five minutes is 2,016 a week, and a clock change may add a dozen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """`count` instants, the first and each further one `step` later; a single one has step 0."""

    first: Instant
    step: Millis
    count: int

    def instants(self) -> tuple[Instant, ...]:
        return tuple(Instant(self.first + self.step * number) for number in range(self.count))


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """`slots` quarters of an hour in a row with `each` instants."""

    slots: int
    each: int


@dataclass(frozen=True, slots=True)
class Listed:
    """Every instant of the week, ascending."""

    series: tuple[Series, ...]

    @property
    def count(self) -> int:
        return sum(one.count for one in self.series)


@dataclass(frozen=True, slots=True)
class Counted:
    """Too many to list: the bands fill the week from its start to its end."""

    bands: tuple[Band, ...]

    @property
    def count(self) -> int:
        return sum(band.slots * band.each for band in self.bands)


Week = Listed | Counted


@dataclass(frozen=True, slots=True)
class Clock:
    """From `since` on, the wall clock of a zone shows UTC plus `offset` milliseconds."""

    since: Instant
    offset: Millis


@lru_cache(maxsize=8_192)
def week_of(schedule: Schedule, zone: str, start: Instant) -> Week:
    """The instants from `start` until before seven days later, in a zone with an IANA name. Jitter is not in them: it is a host's own."""
    found = tuple(takewhile(lambda instant: instant < start + LENGTH, instants(schedule, zone_named(zone), Instant(start - 1))))
    return Listed(series_of(found)) if len(found) <= MOST_LISTED else Counted(_bands(found, start))


def clocks_of(zone: str, start: Instant) -> tuple[Clock, ...]:
    """What the clocks of the zone show from `start` on for eight days, which is what a week and the rest of its last day need: a second entry is a
    clock change.
    """
    return _clocks(zone_named(zone), start)


def series_of(found: Sequence[Instant]) -> tuple[Series, ...]:
    """The ascending instants as series, each as long as its gap holds."""
    series: list[Series] = []
    place = 0
    while place < len(found):
        following = found[place + 1 : place + 2]
        step = Millis(following[0] - found[place]) if following else Millis(0)
        count = 1
        while place + count < len(found) and found[place + count] - found[place + count - 1] == step:
            count += 1
        series.append(Series(first=found[place], step=step, count=count))
        place += count
    return tuple(series)


def _bands(found: Sequence[Instant], start: Instant) -> tuple[Band, ...]:
    counts = Counter((instant - start) // SLOT for instant in found)
    return tuple(Band(slots=len(list(run)), each=each) for each, run in groupby(counts[slot] for slot in range(SLOTS)))


def _clocks(zone: ZoneInfo, start: Instant) -> tuple[Clock, ...]:
    parts = list(stretches(zone, start // 1_000, (start + LENGTH) // 1_000 + 86_400))
    changes = [later for earlier, later in pairwise(parts) if later.offset != earlier.offset]
    return tuple(Clock(Instant(part.start * 1_000), Millis(part.offset * 1_000)) for part in [parts[0], *changes])
