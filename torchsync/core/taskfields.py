"""The fields of one task after defaults, and where each of them was written. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from torchsync.core.durations import LONGEST, format_duration, parse_duration, parse_size
from torchsync.core.jsontext import Json
from torchsync.core.model import Millis, Position
from torchsync.core.yamltext import MERGE_KEY, Document, Place, Route
from torchsync.errors import Problem


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in the file; one in its defaults belongs to no single task."""

    place: Place
    is_shared: bool


class TaskFields:
    """What the task `name` of a document says, its defaults merged in. Collects what is wrong with it in `problems`.

    Fields at or above a `bad` route are left out, and `is_unsure` of them: they are there, but nobody can tell what they say.
    """

    def __init__(self, path: str, document: Document, name: str, bad: Collection[Route]) -> None:
        self.problems: list[Problem] = []
        self._path = path
        self._document = document
        self._bad = bad
        self.name = name
        root: Any = document.value
        own = root["tasks"][name]
        bad_own = {route[2] for route in bad if len(route) > 2 and route[:2] == ("tasks", name)}
        bad_defaults = {route[1] for route in bad if len(route) > 1 and route[0] == "defaults"}
        defaults = {key: value for key, value in root.get("defaults", {}).items() if key not in bad_defaults}
        self._own_keys = frozenset(key for key, value in own.items() if value is not None)
        self._unsure = bad_own | (bad_defaults - own.keys())
        self._values = {key: value for key, value in merge(defaults, own).items() if key not in bad_own}

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def is_unsure(self, key: str) -> bool:
        return key in self._unsure or MERGE_KEY in self._unsure

    def is_own(self, key: str) -> bool:
        """The task itself has the field, not only its defaults."""
        return key in self._own_keys

    def drop(self, key: str) -> None:
        """The field is as if it were not there."""
        self._values.pop(key, None)

    def value(self, *steps: str) -> Any:
        """The value at these keys, or None. The schema has checked its type."""
        value: Any = self._values
        for step in steps:
            value = value.get(step) if isinstance(value, dict) else None
        return value

    def text(self, key: str, default: str = "") -> str:
        return str(self._values.get(key, default))

    def entries(self, key: str) -> Iterator[tuple[int, str]]:
        """Index and text of the entries of a list of texts, also of one in which other entries are wrong."""
        root: Any = self._document.value
        raw = root["tasks"][self.name].get(key, root.get("defaults", {}).get(key))
        if isinstance(raw, list):
            routes = {self._route(key, index): (index, text) for index, text in enumerate(raw)}
            yield from (entry for route, entry in routes.items() if route not in self._bad)

    def texts(self, key: str) -> dict[str, str]:
        return dict(self.value(key) or {})

    def duration(self, *steps: str, default: str, least: Millis) -> Millis:
        """The length of time at these keys. One that is out of bounds is a problem, and the default stands."""
        fallback = parse_duration(default) or Millis(0)
        length = parse_duration(str(self.value(*steps) or default))
        if length is None or least <= length <= LONGEST:
            return fallback if length is None else length
        message = f"`{'.'.join(steps)}` must be from {format_duration(least)} to {format_duration(LONGEST)}, found {self.value(*steps)}"
        self.complain("TS111", message, self.spot(*steps))
        return fallback

    def size(self, *steps: str, default: str, least: str, most: str) -> int:
        """The number of bytes at these keys. One that is out of bounds is a problem, and the default stands."""
        low, high = parse_size(least) or 0, parse_size(most) or 0
        size = parse_size(str(self.value(*steps) or default)) or 0
        if low <= size <= high:
            return size
        self.complain("TS111", f"`{'.'.join(steps)}` must be from {least} to {most}, found {self.value(*steps)}", self.spot(*steps))
        return parse_size(default) or 0

    def spot(self, *steps: str | int) -> Spot:
        """Where the value at these keys stands: in the task, else in the defaults."""
        route = self._route(*steps)
        return Spot(self._document.place_of(route), route[0] == "defaults")

    def key_spot(self, *steps: str | int) -> Spot:
        """Where the last of these keys stands; without keys, where the name of the task does."""
        route = self._route(*steps)
        return Spot(self._document.key_place_of(route), route[0] == "defaults")

    def spot_inside(self, key: str, text: str, column: int) -> Spot:
        """Where the character at `column` (from 1) of the text of the field stands."""
        route = self._route(key)
        return Spot(self._document.place_inside(route, text, column), route[0] == "defaults")

    def position(self, *steps: str | int) -> Position:
        """The place of the value at these keys; without keys, of the name of the task."""
        place = (self.spot(*steps) if steps else self.key_spot()).place
        return Position(self._path, place.line, place.column)

    def complain(self, code: str, message: str, spot: Spot, hint: str = "") -> None:
        line, column = spot.place
        task = "" if spot.is_shared else self.name
        self.problems.append(Problem(code=code, message=message, path=self._path, line=line, column=column, task=task, hint=hint))

    def _route(self, *steps: str | int) -> Route:
        own: Route = ("tasks", self.name, *steps)
        shared: Route = ("defaults", *steps)
        return shared if own not in self._document.values and shared in self._document.values else own


def merge(defaults: dict[str, Json], own: dict[str, Json]) -> dict[str, Json]:
    """`own` over `defaults`: mappings by key, everything else replaced; null removes."""
    merged = _without_nulls(defaults)
    for key, value in own.items():
        below = merged.pop(key, None)
        if isinstance(value, dict):
            merged[key] = merge(below if isinstance(below, dict) else {}, value)
        elif value is not None:
            merged[key] = value
    return merged


def _without_nulls(values: dict[str, Json]) -> dict[str, Json]:
    return {key: _without_nulls(value) if isinstance(value, dict) else value for key, value in values.items() if value is not None}
