"""One field of a schedule: its text in, the values it stands for out. Pure.

    field   = entry { "," entry }
    entry   = "*" [ "/" step ] | value [ "/" step ] | value "-" value [ "/" step ] | hashed | special
    hashed  = "H" [ "(" value "-" value ")" ] [ "/" step ]
    value   = number | name                                (names: month and day of week)
    special = "L" | "LW"                                   (day of month: last day, last weekday)
            | "L" value | value "#" ( "1" ... "5" )        (day of week: last Friday, third Friday)

A range may wrap (`22-2`), and then its step is carried over the wrap: `23-3/2` is 23, 1, 3. `a/n` runs from a to the end of the field, `a-a`
is a. `H` is a value of its range, picked by host and task (`core/spread.py`); its range is the field or what the brackets say, and in day of
month never more than 1 to 28, the days that every month has. What is refused is what other crons read in another way or would never do what
it seems to say; the hint names what to write instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from torchsync.core.spread import Spread


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
    word: str = ""
    """What `Spread.pick` calls the field."""

    @property
    def size(self) -> int:
        return self.last - self.first + 1

    @property
    def highest(self) -> int:
        return self.last if self.again is None else self.again


@dataclass(frozen=True, slots=True, kw_only=True)
class Hashed:
    """An entry with `H`, and its range: from `low` up to `distance` later. Without a `step` it stands for one value of the range."""

    kind: FieldKind
    token: Token
    low: int
    distance: int
    step: int | None

    @property
    def size(self) -> int:
        """How many choices there are."""
        return self.step or self.distance + 1

    def choice(self, number: int) -> frozenset[int]:
        """What it stands for where the number `number`, from 0 until before `size`, is picked."""
        return _run(self.kind, self.low + number, self.distance - number if self.step else 0, self.step or 1)

    @property
    def choices(self) -> list[frozenset[int]]:
        """What it may stand for on one host or another."""
        return [self.choice(number) for number in range(self.size)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """What a field says: plain `values` in ascending order, and `specials` (`l`, `lw`, `l5`, `5#3`) that depend on the month."""

    kind: FieldKind
    token: Token
    values: tuple[int, ...]
    """Those of `fixed` and of one choice for each of `hashed`."""
    fixed: frozenset[int]
    hashed: tuple[Hashed, ...] = ()
    specials: tuple[Token, ...] = ()

    @property
    def is_full(self) -> bool:
        """Every value of the field is among `values`."""
        return len(self.values) == self.kind.size

    @property
    def is_starred(self) -> bool:
        """The text starts with `*`; that, not the values, is what Debian's cron goes by."""
        return self.token.text.startswith("*")


def _numbered(names: str, first: int) -> Mapping[str, int]:
    return MappingProxyType({name: number for number, name in enumerate(names.split(), first)})


SECOND = FieldKind(name="second", word="second", first=0, last=59)
MINUTE = FieldKind(name="minute", word="minute", first=0, last=59)
HOUR = FieldKind(name="hour", word="hour", first=0, last=23)
DAY = FieldKind(name="day of month", word="day", first=1, last=31)
HASHED_DAY = FieldKind(name="day of month", word="day", first=1, last=28)
"""The days among which `H` picks."""
MONTH = FieldKind(name="month", word="month", first=1, last=12, names=_numbered("jan feb mar apr may jun jul aug sep oct nov dec", 1))
WEEKDAY = FieldKind(name="day of week", word="weekday", first=0, last=6, names=_numbered("sun mon tue wed thu fri sat", 0), again=7)

_VALUE = r"[0-9]+|[a-z]+"
_PLAIN = re.compile(rf"(?:(?P<star>\*)|(?P<low>{_VALUE})(?:-(?P<high>{_VALUE}))?)(?:/(?P<step>[0-9]+))?")
_LAST_WEEKDAY = re.compile(r"l(?P<day>[0-9]+|[a-z]{3})")
_NTH_WEEKDAY = re.compile(rf"(?P<day>(?!h#)(?:{_VALUE}))#(?P<nth>[0-9]+)")
_HASHED = re.compile(rf"h(?:\((?P<low>{_VALUE})-(?P<high>{_VALUE})\))?(?:/(?P<step>[0-9]+))?")


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
        re.compile(r"h\((?P<value>[0-9a-z]+)\)(/[0-9]+)?"),
        "`H` takes a range in brackets, not one value",
        "write `{value}` for that value alone, or `H(a-b)`",
    ),
    _Mistake(re.compile(r"h-[0-9a-z]+|[0-9a-z]+-h"), "`H` cannot be the end of a range", "write the range in brackets: `H(a-b)`"),
    _Mistake(re.compile(r"h\(?.*|.*\)"), "`{0}` is not understood", "write `H`, `H(a-b)`, `H/n` or `H(a-b)/n`"),
    _Mistake(
        re.compile(r"(?P<low>[0-9a-z]*)~(?P<high>[0-9a-z]*)"), "`~` is not accepted", "write `H(a-b)`, which picks a value by host and task"
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


def read_field(kind: FieldKind, token: Token, spread: Spread | None) -> Field | ScheduleRefusal:
    """What the field says, or the first thing that is wrong with it (TS120). Without `spread`, `H` is the start of its range."""
    fixed: set[int] = set()
    hashed: list[Hashed] = []
    specials: list[Token] = []
    for entry in _entries(token):
        match _read_entry(kind, entry):
            case ScheduleRefusal() as found:
                return found
            case Token() as special:
                specials.append(special)
            case Hashed() as choice:
                hashed.append(choice)
            case plain:
                fixed |= plain
    picked = (entry.choice(spread.pick(kind.word, entry.size) if spread else 0) for entry in hashed)
    values = tuple(sorted(fixed.union(*picked)))
    return Field(kind=kind, token=token, values=values, fixed=frozenset(fixed), hashed=tuple(hashed), specials=tuple(specials))


def refusal(token: Token, message: str, hint: str) -> ScheduleRefusal:
    """TS120 at the place of the token."""
    return ScheduleRefusal("TS120", message, hint, token.column)


def _entries(token: Token) -> Iterator[Token]:
    column = token.column
    for text in token.text.split(","):
        yield Token(text, column)
        column += len(text) + 1


def _read_entry(kind: FieldKind, entry: Token) -> frozenset[int] | Hashed | Token | ScheduleRefusal:
    """The plain values of the entry, what it may stand for when it has `H`, or the entry in croniter's spelling when it is a special one."""
    special = _read_special(kind, entry)
    if special:
        return special
    if hashed := _HASHED.fullmatch(entry.text):
        return _read_hashed(HASHED_DAY if kind is DAY else kind, entry, hashed)
    plain = _PLAIN.fullmatch(entry.text)
    found = _read_plain(kind, entry, plain) if plain else _not_understood(kind, entry)
    if isinstance(found, frozenset):
        return found
    return _known_mistake(kind, entry) or found


def _read_hashed(kind: FieldKind, entry: Token, match: re.Match[str]) -> Hashed | ScheduleRefusal:
    low, high = kind.first, kind.last
    if match["low"]:
        start, end = (_read_value(kind, entry, match, group) for group in ("low", "high"))
        if isinstance(start, ScheduleRefusal):
            return start
        if isinstance(end, ScheduleRefusal):
            return end
        low, high = start, end
    distance = min(_distance(kind, low, high), kind.size - 1)
    step = int(match["step"]) if match["step"] else None
    if step is not None and not 1 <= step <= distance:
        place = Token(match["step"], entry.column + match.start("step"))
        return _wrong_step(kind, place, entry.text.partition("/")[0].upper(), distance)
    return Hashed(kind=kind, token=entry, low=low, distance=distance, step=step)


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
        return refusal(place, f"day of week: `#{match['nth']}` is not from 1 to 5", "write `5#1` for the first Friday, `L5` for the last")
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
        return _wrong_step(kind, place, str(low), distance)
    return _run(kind, low, distance, step)


def _run(kind: FieldKind, low: int, distance: int, step: int) -> frozenset[int]:
    """From `low` on every `step`th value up to `distance` later, over the end of the field where it comes first."""
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


def _wrong_step(kind: FieldKind, step: Token, instead: str, distance: int) -> ScheduleRefusal:
    if int(step.text) == 0:
        return refusal(step, f"{kind.name}: a step of 0 never moves", "write a step of 1 or more")
    message = f"{kind.name}: the step {step.text} is larger than the {distance} from the first to the last value of its range"
    return refusal(step, message, f"write `{instead}`, which is all it would match, or a smaller step")


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
    if kind is HASHED_DAY:
        return "write `H(1-28)`, or a part of it: these are the days that every month has"
    return f"write {kind.first} to {kind.highest}" + (f" or {names[0]} to {names[-1]}" if names else "")
