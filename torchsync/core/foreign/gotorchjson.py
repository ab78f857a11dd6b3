"""The task list of Gotorch as JSON text, entry by entry, each with its line. Pure.

Gotorch ends at the first mistake anywhere in the file. Here every entry is read for itself, so one that is broken does not hide the others, and a
comma too many, which is the most frequent mistake, does not hide its entry.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from torchsync.core.jsontext import Json
from torchsync.core.yamlfault import on_one_line

_COMMA_TOO_MANY = re.compile(r",(?=\s*[\]}])")
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_NEXT = re.compile(r"\}\s*,\s*|\n\s*(?=\{)")
_MOST_MISTAKES = 50
_BLANKS = " \t\r\n"
_HINT = "Gotorch ends when it reads this; correct it and import it again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One task of the list as it is written: its keys and values, and the line it begins at."""

    line: int
    values: dict[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """What is wrong with the text, and where; line and column count from 1."""

    message: str
    line: int
    column: int
    hint: str = _HINT


def read_entries(text: str) -> tuple[tuple[Entry, ...], tuple[Mistake, ...]]:
    """The entries that can be read, in their order, and all that is wrong."""
    plain, mistakes = _without_commas_too_many(text.removeprefix("\ufeff"))
    start = _skip(plain, 0, _BLANKS)
    if start == len(plain):
        return (), (_at(plain, 0, "the file is empty, expected a list of tasks in brackets"),)
    if plain[start] != "[":
        return (), (*mistakes, _at(plain, start, f"found `{on_one_line(plain[start : start + 20])}`, expected a list of tasks in brackets"))
    entries, others = _entries(plain, start + 1)
    return tuple(entries), tuple(sorted([*mistakes, *others], key=lambda mistake: (mistake.line, mistake.column)))


def _entries(text: str, place: int) -> tuple[list[Entry], list[Mistake]]:
    entries: list[Entry] = []
    mistakes: list[Mistake] = []
    place = _skip(text, place, _BLANKS)
    while place < len(text) and text[place] != "]" and len(mistakes) < _MOST_MISTAKES:
        value, end = _read_entry(text, place, mistakes)
        if isinstance(value, dict):
            entries.append(Entry(line=_line(text, place), values=value))
        elif end not in (None, len(text)):
            mistakes.append(_at(text, place, "found no task here, expected one in braces"))
        place = _next_entry(text, place, end, mistakes)
    mistakes.extend(_at_the_end(text, place))
    return entries, mistakes


def _read_entry(text: str, place: int, mistakes: list[Mistake]) -> tuple[Json, int | None]:
    """The value that begins there and where it ends; no end, or that of the text, when it cannot be read, which is said."""
    try:
        return json.JSONDecoder().raw_decode(text, place)
    except json.JSONDecodeError as error:
        mistakes.append(Mistake(message=f"not JSON: {error.msg}", line=error.lineno, column=error.colno))
    except RecursionError:
        mistakes.append(_at(text, place, "nested too deeply"))
        return None, len(text)
    return None, None


def _next_entry(text: str, start: int, end: int | None, mistakes: list[Mistake]) -> int:
    """Where the next entry begins, or the list ends. After one that cannot be read: behind the next `},`, or at a brace that begins a line."""
    if end is None:
        found = _NEXT.search(text, start + 1)
        last = text.rfind("]")
        return found.end() if found else last if last > start else len(text)
    place = _skip(text, end, _BLANKS)
    if text[place : place + 1] == ",":
        return _skip(text, place + 1, _BLANKS)
    if text[place : place + 1] not in ("", "]"):
        mistakes.append(_at(text, place, f"found `{on_one_line(text[place])}`, expected a comma between two tasks, or `]`"))
    return place


def _at_the_end(text: str, place: int) -> list[Mistake]:
    """What is wrong where the last entry was read."""
    if text[place : place + 1] not in ("", "]"):
        return [_at(text, place, f"more than {_MOST_MISTAKES} mistakes: the rest is not looked at")]
    if place >= len(text):
        return [_at(text, len(text.rstrip()), "the list is not closed, expected `]`")]
    rest = _skip(text, place + 1, _BLANKS)
    return [_at(text, rest, "there is more after the list, expected its end")] if rest < len(text) else []


def _without_commas_too_many(text: str) -> tuple[str, list[Mistake]]:
    """The text with blanks for them, so that every place stays what it was; the first ones are told."""
    blanked = _STRING.sub(lambda found: "x" * len(found[0]), text)
    places = [found.start() for found in _COMMA_TOO_MANY.finditer(blanked)]
    characters = list(text)
    for place in places:
        characters[place] = " "
    told = places[:_MOST_MISTAKES]
    return "".join(characters), [_at(text, place, "a comma with nothing after it, which JSON does not allow") for place in told]


def _skip(text: str, place: int, characters: str) -> int:
    while place < len(text) and text[place] in characters:
        place += 1
    return place


def _at(text: str, place: int, message: str) -> Mistake:
    return Mistake(message=message, line=_line(text, place), column=place - text.rfind("\n", 0, place))


def _line(text: str, place: int) -> int:
    return text.count("\n", 0, place) + 1
