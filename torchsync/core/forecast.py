"""What a change does to the fires of a task in the days to come: those it gains, those it loses, and nights of clock changes. Pure.

Both streams of instants are walked together and no further than is worth telling: what fires every second has 2,592,000 instants in 30 days.
So a forecast ends at the horizon or, of a task with more instants than that, where `MOST_WALKED` of them have been looked at, and says which.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from heapq import merge
from itertools import groupby
from operator import itemgetter

from torchsync.core.clockchange import Night, nights
from torchsync.core.localtime import zone_named
from torchsync.core.model import Instant
from torchsync.core.schedule import Schedule, instants
from torchsync.core.timetable import Rhythm

HORIZON = 30 * 86_400_000
"""Milliseconds that a forecast looks ahead."""
MOST_WALKED = 9_000
"""Enough for every five minutes of the horizon."""
FIRST_TOLD = 3
_YEAR = 366 * 86_400_000


@dataclass(frozen=True, slots=True)
class Fires:
    """How many instants, and the first of them."""

    count: int = 0
    first: tuple[Instant, ...] = ()

    def and_then(self, instant: Instant) -> Fires:
        return Fires(self.count + 1, (*self.first, instant) if len(self.first) < FIRST_TOLD else self.first)


NO_FIRES = Fires()


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The instants that only the new rhythm has, and those that only the old one had, of all up to `until`. `is_whole`: that is the horizon."""

    gained: Fires
    lost: Fires
    until: Instant
    is_whole: bool


def forecast(old: Rhythm | None, new: Rhythm | None, after: Instant) -> Forecast:
    """What the instants later than `after` are with `new` in place of `old`; None has no instants."""
    return _forecast(_of(old), _of(new), after)


def nights_ahead(rhythm: Rhythm, after: Instant, *, is_new: bool) -> tuple[Night, ...]:
    """The clock changes up to the horizon that the rhythm runs into; where there is none, for a new rhythm, the first one within a year."""
    ahead = _nights(rhythm.schedule, rhythm.zone, after)
    near = tuple(night for night in ahead if night.change.at * 1_000 <= after + HORIZON)
    return near or (ahead[:1] if is_new else ())


_Stream = tuple[Schedule, str]


def _of(rhythm: Rhythm | None) -> _Stream | None:
    return (rhythm.schedule, rhythm.zone) if rhythm else None


@lru_cache(maxsize=16_384)
def _forecast(old: _Stream | None, new: _Stream | None, after: Instant) -> Forecast:
    end = Instant(after + HORIZON)
    gained = lost = NO_FIRES
    last = after
    walked = merge(_marked(old, after, end, is_new=False), _marked(new, after, end, is_new=True))
    for number, (instant, group) in enumerate(groupby(walked, key=itemgetter(0)), 1):
        if number > MOST_WALKED:
            return Forecast(gained=gained, lost=lost, until=last, is_whole=False)
        match [is_new for _, is_new in group]:
            case [True]:
                gained = gained.and_then(instant)
            case [False]:
                lost = lost.and_then(instant)
        last = instant
    return Forecast(gained=gained, lost=lost, until=end, is_whole=True)


def _marked(stream: _Stream | None, after: Instant, end: Instant, *, is_new: bool) -> Iterator[tuple[Instant, bool]]:
    if stream is None:
        return
    schedule, zone = stream
    for instant in instants(schedule, zone_named(zone), after):
        if instant > end:
            return
        yield instant, is_new


@lru_cache(maxsize=16_384)
def _nights(schedule: Schedule, zone: str, after: Instant) -> tuple[Night, ...]:
    return nights(schedule, zone_named(zone), after, Instant(after + _YEAR))
