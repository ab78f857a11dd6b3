"""What the clocks of a time zone show, as stretches of UTC in which the offset stays the same. Pure, but for reading zone data.

`zoneinfo` tells the offset at a moment, not when it changes, so the changes are searched: the offset is probed every few days, and where two
neighbouring probes differ, halving finds the second of the change. Since 1970 the changes of a zone have been more than six days apart, and
the rules for the future keep it so (tests read all of the tzdata package), so no change hides between two probes. What was found is kept by
zone and block of days: most questions cost one look-up.

Everything here counts whole seconds: of UTC, since 1970-01-01T00:00:00Z; and of the wall clock, which is UTC plus the offset.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from difflib import SequenceMatcher, get_close_matches
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from torchsync.core.cronfield import ScheduleRefusal

_Probe = tuple[int, int]
"""A second of UTC and the offset then."""
_SPACING = 3 * 86_400
_BLOCK = 128 * _SPACING
_UNREADABLE = (OSError, ValueError, IndexError, struct.error)
"""What `zoneinfo` raises for a file that is no zone, or only a part of one."""
_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Stretch:
    """From `start` until before `end`, in seconds of UTC, the wall clock shows UTC plus `offset` seconds."""

    start: int
    end: int
    offset: int


@lru_cache(maxsize=1024)
def check_zone(name: str) -> ScheduleRefusal | None:
    """None when `name` is an IANA zone of the `tzdata` package, which is the same on every host; else what is wrong with it (TS122)."""
    if name in _zone_names():
        return None
    return ScheduleRefusal("TS122", f"`{name}` is not a time zone", _zone_hint(_nearest(name)), 1)


def _zone_hint(nearest: str) -> str:
    return "write `UTC`" if nearest == "UTC" else f"write an IANA name such as `{nearest}`, or `UTC`"


def _nearest(name: str) -> str:
    """The zone that is probably meant: of the places with the same first letter the one that is written most alike, in the area most alike."""
    text = name.casefold()
    place = text.rpartition("/")[2]
    places = _zones_by_place().get(place[:1], {})
    alike = [place] if place in places else get_close_matches(place, places, cutoff=0.82)
    zones = [zone for one in alike for zone in places[one]]
    return max(zones, key=lambda zone: SequenceMatcher(None, zone.casefold(), text).ratio(), default="Europe/Berlin")


@lru_cache(maxsize=1)
def _zones_by_place() -> dict[str, dict[str, list[str]]]:
    """The zones by the place they are named for, in lower case, and that by its first letter."""
    found: dict[str, dict[str, list[str]]] = {}
    for zone in sorted(_zone_names()):
        place = zone.casefold().rpartition("/")[2]
        found.setdefault(place[:1], {}).setdefault(place, []).append(zone)
    return found


@lru_cache(maxsize=1024)
def zone_named(name: str) -> ZoneInfo:
    """The zone, from the host's zone data where it has the name, else from the `tzdata` package. ZoneInfoNotFoundError: neither has it."""
    try:
        return ZoneInfo(name)
    except _UNREADABLE:
        return _of_package(name)


def is_readable(name: str) -> bool:
    """The zone data, read anew, is there and whole."""
    try:
        ZoneInfo.no_cache(name)
    except (*_UNREADABLE, ZoneInfoNotFoundError):
        return False
    return True


def forget_zones() -> None:
    """Zone data is read anew from now on. A schedule that is being followed keeps what it has."""
    ZoneInfo.clear_cache()
    zone_named.cache_clear()
    _stretches_of_block.cache_clear()


def stretches(zone: ZoneInfo, start: int, end: int) -> Iterator[Stretch]:
    """The seconds from `start` until before `end`, in order, without a hole; neighbours may have the same offset."""
    for block in range(start // _BLOCK, (end - 1) // _BLOCK + 1):
        for stretch in _stretches_of_block(zone, block):
            if stretch.start < end and stretch.end > start:
                yield Stretch(max(stretch.start, start), min(stretch.end, end), stretch.offset)


@lru_cache(maxsize=4096)
def _stretches_of_block(zone: ZoneInfo, block: int) -> tuple[Stretch, ...]:
    start, end = block * _BLOCK, (block + 1) * _BLOCK
    probes = [(second, _offset(zone, second)) for second in range(start, end + 1, _SPACING)]
    changes = [change for low, high in pairwise(probes) for change in _changes(zone, low, high) if change < end]
    return tuple(Stretch(low, high, _offset(zone, low)) for low, high in zip([start, *changes], [*changes, end], strict=True))


def _changes(zone: ZoneInfo, low: _Probe, high: _Probe) -> Iterator[int]:
    """The seconds after `low`, up to `high`, from which on the offset is another one."""
    if low[1] == high[1]:
        return
    if high[0] - low[0] == 1:
        yield high[0]
        return
    middle = (low[0] + high[0]) // 2
    probe = (middle, _offset(zone, middle))
    yield from _changes(zone, low, probe)
    yield from _changes(zone, probe, high)


def _of_package(name: str) -> ZoneInfo:
    """Where the host's own file is damaged, or half written in the middle of an upgrade."""
    if name not in _zone_names():
        raise ZoneInfoNotFoundError(f"no time zone {name!r}")
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def _offset(zone: ZoneInfo, second: int) -> int:
    """Taken from the wall clock itself: `utcoffset()` asks back by wall time, and cannot tell a time that is shown three times."""
    wall = datetime.fromtimestamp(second, zone)
    days = wall.toordinal() - _EPOCH
    return days * 86_400 + wall.hour * 3_600 + wall.minute * 60 + wall.second - second


@lru_cache(maxsize=1)
def _zone_names() -> frozenset[str]:
    return frozenset(files("tzdata").joinpath("zones").read_text(encoding="ascii").split())
