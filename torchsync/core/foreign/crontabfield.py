"""The five time fields of a crontab line as cron reads them, and the same in a schedule of torchsync. Pure.

Debian's cron (3.0pl1) and cronie read some texts differently, and neither as its manual says. Measured with the former, read in `entry.c` of the
latter: `5/10` is refused by both; a range that runs backwards (`22-2`) is accepted and never matches, but for one that ends at Sunday in
cronie (`fri-sun`); Debian passes over whatever follows a complete value (`0~59` is 0), where cronie takes `a~b` for a value that it draws when
it loads the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Dialect(Enum):
    """Whose rules hold."""

    DEBIAN = "debian"
    CRONIE = "cronie"


@dataclass(frozen=True, slots=True)
class Kind:
    """What one field may hold; `names` begin at `first`."""

    word: str
    first: int
    last: int
    names: tuple[str, ...] = ()


KINDS = (
    Kind("minute", 0, 59),
    Kind("hour", 0, 23),
    Kind("day-of-month", 1, 31),
    Kind("month", 1, 12, ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")),
    Kind("day-of-week", 0, 7, ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")),
)
MACROS: Mapping[str, str] = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0", "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}  # fmt: skip
REBOOT = "@reboot"

_ENTRY = re.compile(r"(?:(?P<star>\*)|(?P<low>[0-9A-Za-z]+)(?:-(?P<high>[0-9A-Za-z]+))?)(?:/(?P<step>[0-9]+))?(?P<rest>.*)")
_DRAWN = re.compile(r"(?P<low>[0-9A-Za-z]*)~(?P<high>[0-9A-Za-z]*)")
_SUNDAY = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class CronField:
    """A field as cron has it: its values, whether its text starts with `*`, and the same text for torchsync. `drawn` is a range to draw from."""

    values: frozenset[int]
    is_starred: bool
    text: str
    drawn: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class FieldFault:
    """Why the field never comes true, in a sentence without a full stop. `by_cron`: since cron refuses it."""

    message: str
    by_cron: bool = True


def read_field(kind: Kind, text: str, dialect: Dialect) -> CronField | FieldFault:
    """The field, or what is wrong with it."""
    if dialect is Dialect.CRONIE and "~" in text:
        return _drawn(kind, text)
    values: set[int] = set()
    for entry in text.split(","):
        found = _entry(kind, entry, dialect)
        if isinstance(found, FieldFault):
            return found
        values |= found
        if dialect is Dialect.DEBIAN and _rest(entry):
            break
    if not values:
        return FieldFault(f"{kind.word}: {text!r} runs backwards, which cron accepts and takes for never", by_cron=False)
    if kind.word == "day-of-week" and values & {0, _SUNDAY}:
        values |= {0, _SUNDAY}
    return CronField(values=frozenset(values), is_starred=text.startswith("*"), text=_written(kind, text, values))


def ignored_end(text: str, dialect: Dialect) -> str:
    """What Debian's cron passes over at the end of the field; empty where nothing."""
    if dialect is Dialect.CRONIE:
        return ""
    return next((rest for entry in text.split(",") if (rest := _rest(entry))), "")


def _rest(entry: str) -> str:
    match = _ENTRY.fullmatch(entry)
    return match["rest"] if match else ""


def _entry(kind: Kind, text: str, dialect: Dialect) -> set[int] | FieldFault:
    match = _ENTRY.fullmatch(text)
    if match is None or (match["rest"] and (dialect is Dialect.CRONIE or _is_broken(match))):
        return FieldFault(f"{kind.word}: cron does not take {text!r}")
    if match["star"]:
        low, high = kind.first, kind.last
    else:
        ends = [_number(kind, part) for part in (match["low"], match["high"] or match["low"])]
        if None in ends:
            return FieldFault(f"{kind.word}: {text!r} is not from {kind.first} to {kind.last}")
        low, high = (end for end in ends if end is not None)
    if match["step"] and not (match["star"] or match["high"]):
        return FieldFault(f"{kind.word}: cron takes a step after `*` or a range only, and refuses {text!r}")
    if match["step"] and not int(match["step"]):
        return FieldFault(f"{kind.word}: a step of 0 never comes to an end")
    if dialect is Dialect.CRONIE and low > high == 0:
        high = _SUNDAY
    return set(range(low, high + 1, int(match["step"] or 1)))


def _is_broken(match: re.Match[str]) -> bool:
    """What follows the value begins a range or a step that does not come."""
    rest = match["rest"]
    return rest.startswith("/") or (rest.startswith("-") and match["low"] is not None and match["high"] is None)


def _number(kind: Kind, text: str) -> int | None:
    lower = text.lower()
    number = kind.first + kind.names.index(lower) if lower in kind.names else int(text) if text.isdigit() else -1
    return number if kind.first <= number <= kind.last else None


def _drawn(kind: Kind, text: str) -> CronField | FieldFault:
    match = _DRAWN.fullmatch(text)
    low = _number(kind, match["low"] or str(kind.first)) if match else None
    high = _number(kind, match["high"] or str(kind.last)) if match else None
    if low is None or high is None or low > high:
        return FieldFault(f"{kind.word}: cronie does not take {text!r}")
    if kind.word == "day-of-month":
        high = min(high, 28)
    if kind.word == "day-of-week":
        high = min(high, 6)
    return CronField(values=frozenset(range(low, high + 1)), is_starred=False, text=f"H({low}-{high})", drawn=(low, high))


def _written(kind: Kind, text: str, values: set[int]) -> str:
    """The field for torchsync: as it stands where that means the same there, else with its values spelt out."""
    plain = values - {_SUNDAY} if kind.word == "day-of-week" else values
    if all(_is_plain(kind, entry) for entry in text.split(",")):
        return text.lower()
    return ",".join(map(str, sorted(plain))) if len(plain) < kind.last - kind.first + (kind.word != "day-of-week") else "*"


def _is_plain(kind: Kind, entry: str) -> bool:
    """No end to pass over, no range backwards, and no step that is longer than what it steps through."""
    match = _ENTRY.fullmatch(entry)
    if match is None or match["rest"]:
        return False
    if match["star"]:
        return int(match["step"] or 1) <= (6 if kind.word == "day-of-week" else kind.last - kind.first)
    low, high = _number(kind, match["low"]), _number(kind, match["high"] or match["low"])
    return low is not None and high is not None and low <= high and int(match["step"] or 1) <= max(high - low, 1)


def fields_of_macro(name: str) -> tuple[str, ...] | None:
    """The five fields a macro stands for; None for one that is none. cron takes them in lower case only."""
    text = MACROS.get(name)
    return tuple(text.split()) if text else None
