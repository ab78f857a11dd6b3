"""Lengths of time and sizes as people write them, to numbers and back. Pure."""

from __future__ import annotations

import re

from torchsync.core.model import Millis

DURATION = r"(?=[0-9])(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?(?:([0-9]{1,9})ms)?"
SIZE = r"([0-9]{1,12})(B|KiB|MiB|GiB|TiB)"

LONGEST = Millis(366 * 86_400_000)
"""No setting is longer than a year."""

_DURATION = re.compile(DURATION)
_DURATION_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms"))
_MEANT = re.compile(r"(?P<number>[0-9]{1,9}(\.[0-9]{1,3})?)(?P<unit>[a-z]*)")
_UNIT_NAMES = {
    1: ("ms", "msec", "millisecond", "milliseconds"),
    1_000: ("", "s", "sec", "secs", "second", "seconds"),
    60_000: ("m", "min", "mins", "minute", "minutes"),
    3_600_000: ("h", "hr", "hrs", "hour", "hours"),
    86_400_000: ("d", "day", "days"),
    604_800_000: ("w", "week", "weeks"),
}
_SIZE = re.compile(SIZE)
_SIZE_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}


def parse_duration(text: str) -> Millis | None:
    """The length of time that `300ms`, `90s`, `1h30m` or `2d` names, each unit at most once and the largest first; None for anything else."""
    found = _DURATION.fullmatch(text)
    if found is None:
        return None
    return Millis(sum(int(number or 0) * size for number, (size, _) in zip(found.groups(), _DURATION_UNITS, strict=True)))


def meant_duration(text: str) -> str:
    """How `parse_duration` would have it, for what people write elsewhere: `2 hours`, `1.5h`, `1h 30M`, `PT1H`, `90` for seconds; else empty."""
    plain = text.lower().replace(" ", "").removeprefix("pt")
    if parse_duration(plain) is not None:
        return plain
    found = _MEANT.fullmatch(plain)
    unit = next((unit for unit, names in _UNIT_NAMES.items() if found and found["unit"] in names), 0)
    length = round(float(found["number"]) * unit) if found else 0
    return format_duration(Millis(length)) if 0 < length <= LONGEST else ""


def format_duration(length: Millis) -> str:
    """The shortest text that `parse_duration` reads as `length`, which is not negative."""
    parts = []
    rest = int(length)
    for size, unit in _DURATION_UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def parse_size(text: str) -> int | None:
    """The number of bytes that `512KiB` or `10MiB` names; None for anything else."""
    found = _SIZE.fullmatch(text)
    return int(found[1]) * _SIZE_UNITS[found[2]] if found else None


def format_size(size: int) -> str:
    """The text with the largest unit that `parse_size` reads as `size` bytes."""
    unit = next(unit for unit, factor in reversed(_SIZE_UNITS.items()) if size % factor == 0 and (size or factor == 1))
    return f"{size // _SIZE_UNITS[unit]}{unit}"
