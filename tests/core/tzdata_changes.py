"""Every clock change of every zone from 1970 to 2040, out of the files of the tzdata package themselves (RFC 9636).

A file lists changes up to some year, often long ago, and ends with a rule for all that follow: those are found by asking zoneinfo.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from io import BytesIO
from zoneinfo import ZoneInfo

from tests.core.cron_oracle import utc

DAY = 86_400
NAMES = tuple(files("tzdata").joinpath("zones").read_text(encoding="ascii").split())


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """At `moment`, in seconds of UTC, the offset of `zone` went from `before` to `after`, in seconds."""

    moment: int
    before: int
    after: int
    zone: str


def zone_of_package(name: str) -> ZoneInfo:
    return ZoneInfo.from_file(BytesIO(_data(name)), key=name)


@cache
def _data(name: str) -> bytes:
    return files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()


@cache
def distinct_zones() -> tuple[str, ...]:
    """One name for each content of a file: the others are links."""
    return tuple({_data(name): name for name in reversed(NAMES)}.values())


@cache
def changes_of(name: str) -> tuple[Change, ...]:
    """The changes from two days before 1970 until 2040."""
    listed = listed_changes(name)
    return listed if "," not in footer_of(name) else (*listed, *_ruled_changes(name, listed[-1].moment if listed else 0))


def _ruled_changes(name: str, after: int) -> Iterator[Change]:
    zone = zone_of_package(name)
    for start in range(after, utc("2040-01-01"), 10 * DAY):
        low, high = start, start + 10 * DAY
        before, later = _offset(zone, low), _offset(zone, high)
        while before != later and high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if _offset(zone, middle) == before else (low, middle)
        if before != later:
            yield Change(high, before, later, name)


def _offset(zone: ZoneInfo, second: int) -> int:
    offset = datetime.fromtimestamp(second, zone).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


@cache
def listed_changes(name: str) -> tuple[Change, ...]:
    """The changes that the file lists, from two days before 1970 on. What follows the last is told by the footer."""
    offsets, moments, _ = _read(_data(name))
    found = [Change(moment, before, after, name) for moment, before, after in zip(moments, offsets, offsets[1:], strict=False)]
    return tuple(change for change in found if change.before != change.after and change.moment >= -2 * DAY)


def footer_of(name: str) -> str:
    """The rule for the time after the last listed change, as POSIX has it in TZ."""
    return _read(_data(name))[2]


@cache
def all_changes() -> tuple[Change, ...]:
    """Each change once, by moment and offsets: zones that changed together have the same rule to follow."""
    return tuple(sorted({(change.moment, change.before, change.after): change for name in NAMES for change in changes_of(name)}.values()))


def _read(data: bytes) -> tuple[list[int], tuple[int, ...], str]:
    """The offset before all changes and from each on, the moments of the changes, and the footer. The second, 64-bit part of the file."""
    isut, isstd, leaps, times, types, characters = struct.unpack(">6l", data[20:44])
    start = 44 + times * 5 + types * 6 + characters + leaps * 8 + isstd + isut
    isut, isstd, leaps, times, types, characters = struct.unpack(">6l", data[start + 20 : start + 44])
    place = start + 44
    moments = struct.unpack(f">{times}q", data[place : place + 8 * times])
    place += 8 * times
    indices = data[place : place + times]
    place += times
    offsets = [struct.unpack(">lbb", data[place + 6 * number : place + 6 * number + 6])[0] for number in range(types)]
    place += 6 * types + characters + leaps * 12 + isstd + isut
    return [offsets[0], *(offsets[index] for index in indices)], moments, data[place:].decode().strip()
