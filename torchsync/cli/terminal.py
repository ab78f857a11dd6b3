"""Plain text for terminals: tables, and colour where there is a terminal to show it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from enum import Enum

from torchsync.core.instants import brief_duration, parse_rfc3339
from torchsync.core.model import Millis

_RESET = "\x1b[0m"


class Tone(Enum):
    PLAIN = ""
    GOOD = "\x1b[32m"
    BAD = "\x1b[31m"
    HELD = "\x1b[33m"
    FAINT = "\x1b[2m"
    HEAD = "\x1b[1m"


Cell = str | tuple[str, Tone]


def is_coloured() -> bool:
    """On a terminal, unless NO_COLOR says otherwise (no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def printable(text: str) -> str:
    """`text` on one line, with nothing in it that a terminal acts on."""
    return "".join(character if character.isprintable() else "?" for character in text)


def table(head: Sequence[str], rows: Sequence[Sequence[Cell]], *, coloured: bool) -> list[str]:
    """The lines of a table with columns as wide as their widest cell."""
    cells = [[(title, Tone.HEAD) for title in head], *([_cell(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column][0]) for row in cells) for column in range(len(head))]
    return [_line(row, widths, coloured=coloured) for row in cells]


def paint(text: str, tone: Tone, *, coloured: bool) -> str:
    return f"{tone.value}{text}{_RESET}" if coloured and tone.value else text


def clock(instant: object) -> str:
    """`2026-11-23 20:00:00Z` of an instant of the API; `-` for none."""
    return f"{instant[:10]} {instant[11:19]}Z" if isinstance(instant, str) else "-"


def ago(instant: object, now: str) -> str:
    """How long before `now` an instant of the API was; `never` for none."""
    if not isinstance(instant, str):
        return "never"
    return f"{brief_duration(Millis(max(0, parse_rfc3339(now) - parse_rfc3339(instant))))} ago"


def lasting(start: object, end: object) -> str:
    """The time between two instants of the API; `-` when one is missing."""
    if not isinstance(start, str) or not isinstance(end, str):
        return "-"
    return brief_duration(Millis(parse_rfc3339(end) - parse_rfc3339(start)))


def _cell(cell: Cell) -> tuple[str, Tone]:
    text, tone = (cell, Tone.PLAIN) if isinstance(cell, str) else cell
    return printable(text), tone


def _line(row: Sequence[tuple[str, Tone]], widths: Sequence[int], *, coloured: bool) -> str:
    *columns, (last, tone) = row
    padded = [paint(text.ljust(width), kind, coloured=coloured) for (text, kind), width in zip(columns, widths, strict=False)]
    return "  ".join([*padded, paint(last, tone, coloured=coloured)])
