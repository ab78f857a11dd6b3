"""The fields of one task after defaults, and where each of them was written. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torchsync.core.durations import LONGEST, format_duration, parse_duration, parse_size
from torchsync.core.jsontext import Json
from torchsync.core.model import Millis, Position
from torchsync.core.yamlfault import brief, on_one_line
from torchsync.core.yamltext import MERGE_KEY, NAME, Document, Place, Route
from torchsync.errors import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Fields of tasks that stand together in a file: those of a task itself, the defaults of its file, or those of the repository.

    `root` leads to them; what is at or above a `bad` route is not what it should be.
    """

    path: str
    document: Document
    root: Route
    bad: Collection[Route]

    @property
    def raw(self) -> dict[str, Json]:
        """The fields as they stand there."""
        found = self.document.value_at(self.root)
        return found if isinstance(found, dict) and not self.is_unreadable else {}

    @property
    def sound(self) -> dict[str, Json]:
        """The fields without what is bad: whole lists and texts, but of a mapping only the keys that are."""
        return _sound(self.raw, self.root, self.bad, {route[:length] for route in self.bad for length in range(len(route))})

    @property
    def is_unreadable(self) -> bool:
        return any(self.root[:length] in self.bad for length in range(len(self.root) + 1))

    @property
    def bad_keys(self) -> frozenset[str]:
        depth = len(self.root)
        return frozenset(str(route[depth]) for route in self.bad if len(route) > depth and route[:depth] == self.root)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A place in a file, within the value of the field `key`; one in defaults belongs to no single task."""

    path: str
    place: Place
    key: str
    is_shared: bool


class TaskFields:
    """What the task `name` says. The first of the `layers` is the task itself, those after it are defaults, the nearest first.

    Collects what is wrong in `problems`, and in `faulty` the keys of the fields that are. Fields at or above a bad route of their layer are left
    out, of a mapping only what is bad in it; `is_unsure` of them, since nobody can tell all that they say. The defaults of another file are told
    once, where that file is read; a problem that only this task has with them stands at the task.
    """

    def __init__(self, name: str, layers: Sequence[Layer]) -> None:
        self.problems: list[Problem] = []
        self.faulty: set[str] = set()
        self.name = name
        self._layers = tuple(layers)
        self._values: dict[str, Json] = {}
        self._unsure: frozenset[str] = frozenset()
        self._is_all_unsure = any(layer.is_unreadable for layer in layers)
        for layer in reversed(self._layers):
            self._put_over(layer)
        self._own_keys = frozenset(key for key, value in self._layers[0].raw.items() if value is not None)

    def _put_over(self, layer: Layer) -> None:
        bad, sound = layer.bad_keys, layer.sound
        self._unsure = (self._unsure - layer.raw.keys()) | bad
        merged = merge(self._values, sound)
        self._values = {key: value for key, value in merged.items() if key in sound or key not in bad}

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def is_unsure(self, key: str) -> bool:
        return self._is_all_unsure or key in self._unsure or MERGE_KEY in self._unsure

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
        layer, route = self._found(key)
        raw = layer.document.value_at(route)
        if isinstance(raw, list) and (layer.path == self._layers[0].path or route not in layer.bad):
            yield from ((index, str(text)) for index, text in enumerate(raw) if (*route, index) not in layer.bad)

    def mappings(self, key: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """Index and value of the entries of a list of mappings, without those in which something is wrong."""
        layer, route = self._found(key)
        raw = layer.document.value_at(route)
        if isinstance(raw, list) and route not in layer.bad:
            wrong = {bad[len(route)] for bad in layer.bad if len(bad) > len(route) and bad[: len(route)] == route}
            yield from ((index, entry) for index, entry in enumerate(raw) if isinstance(entry, dict) and index not in wrong)

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
        layer, route = self._found(*steps)
        return self._spot(layer, layer.document.place_of(route), steps[0])

    def key_spot(self, *steps: str | int) -> Spot:
        """Where the last of these keys stands; without keys, where the name of the task does."""
        layer, route = self._found(*steps)
        return self._spot(layer, layer.document.key_place_of(route), steps[0] if steps else "")

    def spot_inside(self, key: str, text: str, column: int) -> Spot:
        """Where the character at `column` (from 1) of the text of the field stands."""
        layer, route = self._found(key)
        return self._spot(layer, layer.document.place_inside(route, text, column), key)

    def position(self, *steps: str | int) -> Position:
        """The place of the value at these keys; without keys, of the name of the task."""
        spot = self.spot(*steps) if steps else self.key_spot()
        return Position(spot.path, *spot.place)

    def position_inside(self, key: str, text: str) -> Position:
        """The place of the first character of the text of the field."""
        spot = self.spot_inside(key, text, 1)
        return Position(spot.path, *spot.place)

    def complain(self, code: str, message: str, spot: Spot, hint: str = "") -> None:
        self.faulty.add(spot.key)
        if spot.path != self._layers[0].path:
            message, spot = f"{message}, by the defaults in {spot.path}", self.key_spot()
        line, column = spot.place
        task = "" if spot.is_shared else brief(self.name, most=63)
        message, hint = on_one_line(message), on_one_line(hint)
        self.problems.append(Problem(code=code, message=message, path=spot.path, line=line, column=column, task=task, hint=hint))

    def _found(self, *steps: str | int) -> tuple[Layer, Route]:
        """The nearest layer that has the value, and the route to it there; the task itself where none has."""
        for layer in self._layers:
            route = (*layer.root, *steps)
            if route in layer.document.values:
                return layer, route
        return self._layers[0], (*self._layers[0].root, *steps)

    def _spot(self, layer: Layer, place: Place, key: str | int) -> Spot:
        return Spot(path=layer.path, place=place, key=str(key), is_shared=layer is not self._layers[0])


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


def _sound(value: dict[str, Json], route: Route, bad: Collection[Route], around: Collection[Route]) -> dict[str, Json]:
    """`around` are the routes that lead to something bad."""
    kept: dict[str, Json] = {}
    for key, inner in value.items():
        way: Route = (*route, key)
        if way in bad or (*way, NAME) in bad or (way in around and not isinstance(inner, dict)):
            continue
        kept[key] = _sound(inner, way, bad, around) if isinstance(inner, dict) and way in around else inner
    return kept


def _without_nulls(values: dict[str, Json]) -> dict[str, Json]:
    return {key: _without_nulls(value) if isinstance(value, dict) else value for key, value in values.items() if value is not None}
