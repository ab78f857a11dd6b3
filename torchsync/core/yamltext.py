"""YAML text to plain values, with the place of every key and value; strict. Pure.

Theory of operation. libyaml turns the text into events, and we build the values from those ourselves: PyYAML's own constructors read YAML 1.1
(`no` is false, `010` is 8), keep the last of two equal keys, and follow aliases into structures of any size. Scalars mean what the core
schema of YAML 1.2.2 (10.3) says, with two exceptions: a number with a leading zero and a number that is not finite are refused.

What hides the meaning of a file from its reader is refused: anchors, aliases, merge keys, tags, directives, a second document, control
characters, and those that turn the direction of the text. Size, depth and number of nodes are limited before they can hurt. Reading goes on
after a fault wherever it can, so that all of them are told at once; the value at a faulty place is None and its route is in `broken`.

JSON is YAML 1.2, so JSON files are read here too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import yaml
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from torchsync.core.filetext import FORBIDDEN, character_named, read_text
from torchsync.core.jsontext import Json
from torchsync.core.yamlfault import DELETE_THE_LINE, DIRECTIVE, MOST_FAULTS, Fault, and_more, brief, explain, place_within, quoting_hint
from torchsync.errors import TorchsyncError

_C_PARSER: Callable[[str], Any] | None = getattr(yaml, "CSafeLoader", None)
"""The pure Python parser would do the same ten times slower, and unnoticed."""

MERGE_KEY = "<<"
MAX_BYTES = 65_536
MAX_DEPTH = 20
MAX_NODES = 5_000


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a file is looked at."""

    size: int = MAX_BYTES
    nodes: int = MAX_NODES


_USUAL = Limits()
_MAX_DIGITS = 18

_SMALLER = "make it smaller; tasks can be split over several files"
_UNREADABLE: Json = None
_WORDS: Mapping[str, Json] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_PADDED = re.compile(r"[-+]?0[0-9]")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

Route: TypeAlias = tuple[str | int, ...]
"""The way from the root of a document to a value in it: keys and indexes."""


NAME = ""
"""The last step of a route that means a key itself, and not its value."""


class Place(NamedTuple):
    """Line and column, counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What a text says, and where it says it. A repeated key keeps its first value."""

    value: Json
    values: Mapping[Route, Place]
    keys: Mapping[Route, Place]
    """Where the key of the value at this route stands."""
    broken: frozenset[Route]
    """Routes of values that could not be read."""
    lines: tuple[str, ...]

    def value_at(self, route: Route) -> Json:
        """The value at this route; None when there is none."""
        value: Any = self.value
        for step in route:
            if not isinstance(value, dict) or step not in value:
                return None
            value = value[step]
        found: Json = value
        return found

    def place_of(self, route: Route) -> Place:
        """Where the value stands; for one that is not there, where the nearest value around it stands."""
        while route and route not in self.values:
            route = route[:-1]
        return self.values.get(route, Place(1, 1))

    def key_place_of(self, route: Route) -> Place:
        """Where the key of the value stands; as `place_of` for what has none."""
        return self.keys.get(route) or self.place_of(route)

    def place_inside(self, route: Route, text: str, column: int) -> Place:
        """Where the character of `text`, the value at this route, stands that is at `column` of it, counted from 1.

        Where the text is written otherwise (with escapes, over several lines) this is where the value begins.
        """
        place = self.place_of(route)
        source = self.lines[place.line - 1] if place.line <= len(self.lines) else ""
        start = place.column - 1 + (source[place.column - 1 : place.column] in ("'", '"'))
        return Place(place.line, start + max(column, 1)) if source.startswith(text, start) else place


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The document, when there is one, and every fault found in the text."""

    document: Document | None
    faults: tuple[Fault, ...] = ()


def load(content: bytes, limits: Limits = _USUAL, parser: Callable[[str], Any] | None = _C_PARSER) -> Loaded:
    """The one document of a YAML or JSON file. Never raises for its content; raises TorchsyncError when PyYAML lacks its C parser."""
    if parser is None:
        raise TorchsyncError("TS320", "PyYAML was installed without libyaml: install the wheel, or python3-yaml of the distribution")
    if len(content) > limits.size:
        message = f"the file has {len(content):,} bytes, at most {limits.size:,} are allowed"
        return Loaded(document=None, faults=(_fault("TS141", message, _SMALLER),))
    text = read_text(content)
    if not isinstance(text, str):
        return Loaded(document=None, faults=text)
    return _Builder(text, limits.nodes).build(parser)


class _LimitReached(Exception):
    """The rest of the document is not looked at."""


class _Builder:
    """Builds the document of one text from the events of libyaml."""

    def __init__(self, text: str, most_nodes: int) -> None:
        self._text = text
        self._most_nodes = most_nodes
        self._lines = tuple(text.replace("\r\n", "\n").split("\n"))
        self._faults: list[Fault] = []
        self._values: dict[Route, Place] = {}
        self._keys: dict[Route, Place] = {}
        self._broken: set[Route] = set()
        self._anchors: dict[str, int] = {}
        self._nodes = 0
        self._next: Callable[[], Any]

    def build(self, parser: Callable[[str], Any]) -> Loaded:
        try:
            events = parser(self._text)
            self._next = events.get_event
            value = self._stream()
        except yaml.YAMLError as error:
            self._add_unless_a_consequence(explain(error, self._lines))
        except _LimitReached:
            pass
        except (ValueError, OverflowError, RecursionError):
            self._faults.append(_fault("TS101", "the file cannot be read as YAML", "check the indentation and the quotes"))
        else:
            return self._loaded(value)
        return Loaded(document=None, faults=tuple(self._faults))

    def _loaded(self, value: Json) -> Loaded:
        document = Document(value=value, values=self._values, keys=self._keys, broken=frozenset(self._broken), lines=self._lines)
        return Loaded(document=document, faults=tuple(self._faults))

    def _add_unless_a_consequence(self, fault: Fault) -> None:
        if all(earlier.line != fault.line for earlier in self._faults):
            self._faults.append(fault)

    def _stream(self) -> Json:
        self._next()  # the start of the stream
        start = self._next()
        if isinstance(start, StreamEndEvent):
            message, hint = "the file holds nothing but blanks and comments", "write its fields, or delete the file"
            self._faults.append(_fault("TS101", message, hint))
            raise _LimitReached
        if isinstance(start, DocumentStartEvent) and (start.version or start.tags):
            self._complain("TS102", DIRECTIVE, start, DELETE_THE_LINE)
        value = self._node(self._next(), (), 1)
        while not isinstance(event := self._next(), StreamEndEvent):
            if not isinstance(event, DocumentEndEvent):
                self._complain("TS102", "a second document is not allowed", event, "use one file for each")
                raise _LimitReached
        return value

    def _node(self, event: Any, route: Route, depth: int) -> Json:
        self._values[route] = Place(*place_within(self._lines, event.start_mark.line + 1, event.start_mark.column + 1))
        self._count(event, depth)
        if isinstance(event, AliasEvent):
            return self._refuse("TS102", f"an alias (`*{brief(str(event.anchor))}`) is not allowed", event, route, self._instead_of(event))
        if event.anchor is not None:
            self._anchors.setdefault(event.anchor, event.start_mark.line + 1)
            return self._hidden(f"an anchor (`&{brief(event.anchor)}`)", "write the value out wherever it is needed", event, route, depth)
        if event.tag is not None:
            return self._hidden(f"a tag (`{brief(event.tag)}`)", self._quoting(event), event, route, depth)
        return self._content(event, route, depth)

    def _content(self, event: Any, route: Route, depth: int) -> Json:
        if isinstance(event, ScalarEvent):
            return self._scalar(event, route)
        return self._mapping(route, depth) if isinstance(event, MappingStartEvent) else self._sequence(route, depth)

    def _hidden(self, what: str, hint: str, event: Any, route: Route, depth: int) -> Json:
        self._content(event, route, depth)
        return self._refuse("TS102", f"{what} is not allowed", event, route, hint)

    def _mapping(self, route: Route, depth: int) -> Json:
        result: dict[str, Json] = {}
        has_unreadable_keys = False
        while not isinstance(event := self._next(), MappingEndEvent):
            name = self._key(event, route, depth)
            if name is None or name in result:
                if name is not None:
                    self._refuse_twice(name, event, route)
                has_unreadable_keys |= name is None
                self._pass_over(depth)
                continue
            way = (*route, name)
            self._keys[way] = Place(event.start_mark.line + 1, event.start_mark.column + 1)
            result[name] = self._node(self._next(), way, depth + 1)
        if has_unreadable_keys and not result:
            self._broken.add(route)
        return result

    def _refuse_twice(self, name: str, event: Any, route: Route) -> None:
        first = self._keys[*route, name]
        self._complain("TS103", f"the key `{brief(name)}` is given twice, first in line {first.line}", event, "keep one of the two")

    def _key(self, event: Any, route: Route, depth: int) -> str | None:
        self._count(event, depth)
        if not isinstance(event, ScalarEvent):
            self._complain("TS102", "a key must be a word", event, self._instead_of_key(event))
            self._skip(event, depth + 1)
            return None
        if event.anchor is not None or event.tag is not None:
            self._complain("TS102", "an anchor or a tag is not allowed", event, self._quoting(event))
            return None
        if event.value == MERGE_KEY and not event.style:
            self._refuse(
                "TS102", "a merge key (`<<`) is not allowed", event, (*route, MERGE_KEY), "write the values out, or move them to `defaults`"
            )
            return None
        if event.style == '"' and FORBIDDEN.search(event.value):
            self._complain("TS101", f"the key holds {character_named(event.value)}", event, "take it out of the key")
            return None
        return event.value

    def _pass_over(self, depth: int) -> None:
        """The value of a key that does not count is read for its faults only; an alias would be one more for the same mistake."""
        event = self._next()
        if not isinstance(event, AliasEvent):
            self._skip(event, depth + 1)

    def _skip(self, event: Any, depth: int) -> None:
        kept, self._values, self._keys = (self._values, self._keys), {}, {}
        self._node(event, ("", 0, depth), depth)
        self._values, self._keys = kept

    def _sequence(self, route: Route, depth: int) -> Json:
        result: list[Json] = []
        while not isinstance(event := self._next(), SequenceEndEvent):
            result.append(self._node(event, (*route, len(result)), depth + 1))
        return result

    def _scalar(self, event: ScalarEvent, route: Route) -> Json:
        text = event.value
        if event.style:
            found = FORBIDDEN.search(text) if event.style == '"' else None
            return (
                self._refuse("TS101", f"the text holds {character_named(found[0])}", event, route, "take its escape out") if found else text
            )
        if text in _WORDS:
            return _WORDS[text]
        return self._number(text, event, route) if text[0] in "+-.0123456789" else text

    def _number(self, text: str, event: Any, route: Route) -> Json:
        if _NOT_FINITE.fullmatch(text):
            return self._refuse(
                "TS111", f"`{text}` is not a finite number", event, route, "write a number in digits, or quotes around a text"
            )
        is_integer = _INTEGER.fullmatch(text) is not None
        if _PADDED.match(text) and (is_integer or _FLOAT.fullmatch(text)):
            hint = f'write "{brief(text)}" for the text, or the number without the zero'
            message = f"`{brief(text)}` starts with a zero: some readers take it for octal, others do not"
            return self._refuse("TS105", message, event, route, hint)
        if len(text) > _MAX_DIGITS and (is_integer or _HEXADECIMAL.fullmatch(text) or _OCTAL.fullmatch(text)):
            message = f"a number has at most {_MAX_DIGITS} digits, found {len(text):,}"
            return self._refuse("TS111", message, event, route, "write a smaller number, or quotes around a text")
        if is_integer:
            return int(text)
        if _OCTAL.fullmatch(text) or _HEXADECIMAL.fullmatch(text):
            return int(text, 0)
        return self._float(text, event, route) if _FLOAT.fullmatch(text) else text

    def _float(self, text: str, event: Any, route: Route) -> Json:
        number = float(text)
        if abs(number) <= 1e300:
            return number
        return self._refuse("TS111", "the number is too large", event, route, "write a smaller number, or quotes around a text")

    def _count(self, event: Any, depth: int) -> None:
        self._nodes += 1
        if depth > MAX_DEPTH:
            self._complain("TS141", f"nested more than {MAX_DEPTH} deep", event, "take brackets out: no field needs more than six levels")
            raise _LimitReached
        if self._nodes > self._most_nodes:
            self._complain("TS141", f"more than {self._most_nodes:,} keys and values", event, _SMALLER)
            raise _LimitReached

    def _refuse(self, code: str, message: str, event: Any, route: Route, hint: str = "") -> Json:
        self._complain(code, message, event, hint)
        self._broken.add(route)
        return _UNREADABLE

    def _complain(self, code: str, message: str, event: Any, hint: str = "") -> None:
        line, column = place_within(self._lines, event.start_mark.line + 1, event.start_mark.column + 1)
        self._faults.append(Fault(code=code, message=message, line=line, column=column, hint=hint))
        if len(self._faults) == MOST_FAULTS:
            self._faults.append(and_more(self._faults[-1]))
            raise _LimitReached

    def _instead_of(self, alias: Any) -> str:
        if alias.anchor in self._anchors:
            return f"write out the value that the anchor in line {self._anchors[alias.anchor]} names"
        return self._quoting(alias)

    def _instead_of_key(self, event: Any) -> str:
        mark = event.start_mark
        if self._lines[mark.line][max(0, mark.column - 1) : mark.column + 1] == "{{":
            return "fill the template in, or put quotes around the whole value"
        return self._quoting(event)

    def _quoting(self, event: Any) -> str:
        mark = event.start_mark
        return f"{quoting_hint(self._lines, mark.line + 1, mark.column + 1)} when it is meant as text"


def _fault(code: str, message: str, hint: str) -> Fault:
    return Fault(code=code, message=message, line=1, column=1, hint=hint)
