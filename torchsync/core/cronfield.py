"""One field of a schedule: its text in, the values it stands for out. Pure.

    field   = entry { "," entry }
    entry   = "*" [ "/" step ] | value [ "/" step ] | value "-" value [ "/" step ] | special
    value   = number | name                                (names: month and day of week)
    special = "L" | "LW"                                   (day of month: last day, last weekday)
            | "L" value | value "#" ( "1" ... "5" )        (day of week: last Friday, third Friday)

A range may wrap (`22-2`), and then its step is carried over the wrap: `23-3/2` is 23, 1, 3. `a/n` runs from a to the end of the field, `a-a`
is a. What is refused is what other crons read in another way or would never do what it seems to say; the hint names what to write instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class ScheduleRefusal:
    """Why a schedule or a zone is not accepted. `column` counts within the expression, from 1."""

    code: str
    message: str
    hint: str
    column: int


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the expression in lower case, and the column where it starts."""

    text: str
    column: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FieldKind:
    """What one of the six fields may hold: numbers from `first` to `last`, the same by name, and `again` as a second number for `first`."""

    name: str
    first: int
    last: int
    names: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    again: int | None = None

    @property
    def size(self) -> int:
        return self.last - self.first + 1

    @property
    def highest(self) -> int:
        return self.last if self.again is None else self.again


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """What a field says: plain `values` in ascending order, and `specials` (`l`, `lw`, `l5`, `5#3`) that depend on the month."""

    token: Token
    values: tuple[int, ...]
    specials: tuple[Token, ...] = ()
    is_full: bool = False
    """Every value of the field is among `values`."""

    @property
    def is_starred(self) -> bool:
        """The text starts with `*`; that, not the values, is what Debian's cron goes by."""
        return self.token.text.startswith("*")


def _numbered(names: str, first: int) -> Mapping[str, int]:
    return MappingProxyType({name: number for number, name in enumerate(names.split(), first)})


SECOND = FieldKind(name="second", first=0, last=59)
MINUTE = FieldKind(name="minute", first=0, last=59)
HOUR = FieldKind(name="hour", first=0, last=23)
DAY = FieldKind(name="day of month", first=1, last=31)
MONTH = FieldKind(name="month", first=1, last=12, names=_numbered("jan feb mar apr may jun jul aug sep oct nov dec", 1))
WEEKDAY = FieldKind(name="day of week", first=0, last=6, names=_numbered("sun mon tue wed thu fri sat", 0), again=7)

_VALUE = r"[0-9]+|[a-z]+"
_PLAIN = re.compile(rf"(?:(?P<star>\*)|(?P<low>{_VALUE})(?:-(?P<high>{_VALUE}))?)(?:/(?P<step>[0-9]+))?")
_LAST_WEEKDAY = re.compile(r"l(?P<day>[0-9]+|[a-z]{3})")
_NTH_WEEKDAY = re.compile(rf"(?P<day>{_VALUE})#(?P<nth>[0-9]+)")
_HASHED = re.compile(r"h(\([0-9]+-[0-9]+\))?(/[0-9]+)?")


@dataclass(frozen=True, slots=True)
class _Mistake:
    """A form that other crons know; `fields` are those it is looked for in, all when empty. The texts may use `{0}` and the groups."""

    form: re.Pattern[str]
    message: str
    hint: str
    fields: tuple[FieldKind, ...] = ()


_MISTAKES = (
    _Mistake(re.compile(r""), "an entry of the list is empty", "take out the comma, or write the value that is missing"),
    _Mistake(re.compile(r"\?"), "`?` is not accepted", "write `*`"),
    _Mistake(
        re.compile(r"r(\(.*\))?(/.*)?"),
        "`R` is not accepted: it would draw another value at every start",
        "write a fixed value",
    ),
    _Mistake(
        re.compile(r"[0-9]+w|w[0-9]+"),
        "`W` on a date is not accepted",
        "write the date itself, or `LW` for the last weekday of the month",
    ),
    _Mistake(
        re.compile(r"l-[0-9]+(w)?"), "`L-n` is not accepted", "write `L` for the last day of the month, or dates such as `25-28`", (DAY,)
    ),
    _Mistake(
        re.compile(r"l"), "`L` alone does not say which day of the week", "write `L5` for the last Friday, `6` for Saturdays", (WEEKDAY,)
    ),
    _Mistake(
        re.compile(r"(?P<day>[0-9]|sun|mon|tue|wed|thu|fri|sat)l"),
        "`{0}` is not accepted",
        "write `L{day}` for the last such day of the month",
        (WEEKDAY,),
    ),
    _Mistake(re.compile(r"lw?"), "`{0}` stands only in day of month", "move it there, or write a number"),
    _Mistake(
        re.compile(r"l[0-9]|[0-9a-z]+#[0-9]+|l(sun|mon|tue|wed|thu|fri|sat)|[0-9]l"),
        "`{0}` stands only in day of week",
        "write it as the last field, with `*` for day of month; a last Friday is `L5`",
    ),
    _Mistake(
        re.compile(r"[0-9a-z]+-[0-9a-z]+#[0-9]+"), "`#` takes one day, not a range", "list the days: `1#2,2#2` for Monday and Tuesday"
    ),
)


def read_field(kind: FieldKind, token: Token) -> Field | ScheduleRefusal:
    """What the field says, or the first thing that is wrong with it (TS120, or TS113 for `H`)."""
    values: set[int] = set()
    specials: list[Token] = []
    for entry in _entries(token):
        found = _read_entry(kind, entry)
        if isinstance(found, ScheduleRefusal):
            return found
        if isinstance(found, Token):
            specials.append(found)
        else:
            values |= found
    return Field(token=token, values=tuple(sorted(values)), specials=tuple(specials), is_full=len(values) == kind.size)


def refusal(token: Token, message: str, hint: str) -> ScheduleRefusal:
    """TS120 at the place of the token."""
    return ScheduleRefusal("TS120", message, hint, token.column)


def _entries(token: Token) -> Iterator[Token]:
    column = token.column
    for text in token.text.split(","):
        yield Token(text, column)
        column += len(text) + 1


def _read_entry(kind: FieldKind, entry: Token) -> frozenset[int] | Token | ScheduleRefusal:
    """The plain values of the entry, or the entry in croniter's spelling when it is a special one."""
    special = _read_special(kind, entry)
    if special:
        return special
    plain = _PLAIN.fullmatch(entry.text)
    found = _read_plain(kind, entry, plain) if plain else _not_understood(kind, entry)
    if isinstance(found, frozenset):
        return found
    if _HASHED.fullmatch(entry.text):
        return ScheduleRefusal("TS113", "`H` is not in this version", "write a fixed value, or upgrade first", entry.column)
    return _known_mistake(kind, entry) or found


def _read_special(kind: FieldKind, entry: Token) -> Token | ScheduleRefusal | None:
    if kind is DAY and entry.text in {"l", "lw"}:
        return entry
    if kind is not WEEKDAY:
        return None
    if nth := _NTH_WEEKDAY.fullmatch(entry.text):
        return _read_nth_weekday(entry, nth)
    if last := _LAST_WEEKDAY.fullmatch(entry.text):
        day = _read_value(kind, entry, last, "day")
        return day if isinstance(day, ScheduleRefusal) else Token(f"l{day % 7}", entry.column)
    return None


def _read_nth_weekday(entry: Token, match: re.Match[str]) -> Token | ScheduleRefusal:
    day = _read_value(WEEKDAY, entry, match, "day")
    if isinstance(day, ScheduleRefusal):
        return day
    nth = match["nth"].lstrip("0")
    if nth not in set("12345"):
        place = Token(match["nth"], entry.column + match.start("nth"))
        return refusal(place, f"`#{match['nth']}`: expected 1 to 5", "write `5#1` for the first Friday, `L5` for the last")
    return Token(f"{day % 7}#{nth}", entry.column)


def _read_plain(kind: FieldKind, entry: Token, match: re.Match[str]) -> frozenset[int] | ScheduleRefusal:
    if match["star"]:
        low, high = kind.first, kind.last
    else:
        start = _read_value(kind, entry, match, "low")
        if isinstance(start, ScheduleRefusal):
            return start
        to_the_end = kind.last if match["step"] else start
        end = _read_value(kind, entry, match, "high") if match["high"] else to_the_end
        if isinstance(end, ScheduleRefusal):
            return end
        low, high = start, end
    distance = _distance(kind, low, high)
    step = int(match["step"] or 1)
    if match["step"] and not 1 <= step <= distance:
        place = Token(match["step"], entry.column + match.start("step"))
        return _wrong_step(kind, place, low, distance)
    return frozenset(kind.first + (low - kind.first + passed) % kind.size for passed in range(0, distance + 1, step))


def _distance(kind: FieldKind, low: int, high: int) -> int:
    """How many values lie after `low` up to `high`, over the end of the field where `high` is the lower one."""
    return high - low if high >= low else high - low + kind.size


def _read_value(kind: FieldKind, entry: Token, match: re.Match[str], group: str) -> int | ScheduleRefusal:
    """The number, or the number of the name, as written: 7 stays 7 in day of week, since it ends a range in another place than 0."""
    place = Token(match[group], entry.column + match.start(group))
    if not place.text.isdigit():
        return kind.names[place.text] if place.text in kind.names else _unknown_name(kind, place)
    number = int(place.text)
    return number if kind.first <= number <= kind.highest else refusal(place, f"{kind.name}: {number} is out of range", _expected(kind))


def _known_mistake(kind: FieldKind, entry: Token) -> ScheduleRefusal | None:
    for mistake in _MISTAKES:
        match = mistake.form.fullmatch(entry.text) if not mistake.fields or kind in mistake.fields else None
        if match:
            message, hint = (text.format(entry.text.upper(), **match.groupdict()) for text in (mistake.message, mistake.hint))
            return refusal(entry, f"{kind.name}: {message}", hint)
    return None


def _wrong_step(kind: FieldKind, step: Token, low: int, distance: int) -> ScheduleRefusal:
    if int(step.text) == 0:
        return refusal(step, f"{kind.name}: a step of 0 never moves", "write a step of 1 or more")
    message = f"{kind.name}: the step {step.text} is larger than the {distance} from the first to the last value of its range"
    return refusal(step, message, f"write `{low}`, which is all it would match, or a smaller step")


def _unknown_name(kind: FieldKind, name: Token) -> ScheduleRefusal:
    if name.text[:3] in kind.names:
        return refusal(name, f"{kind.name}: `{name.text}` is not a name", f"write `{name.text[:3]}`")
    return refusal(name, f"{kind.name}: `{name.text}` is not a name or a number", _expected(kind))


def _not_understood(kind: FieldKind, entry: Token) -> ScheduleRefusal:
    return refusal(
        entry, f"{kind.name}: `{entry.text}` is not understood", f"{_expected(kind)}, as `*`, `a`, `a-b`, `*/n`, `a-b/n` or a list"
    )


def _expected(kind: FieldKind) -> str:
    names = list(kind.names)
    return f"write {kind.first} to {kind.highest}" + (f" or {names[0]} to {names[-1]}" if names else "")
