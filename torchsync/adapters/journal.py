"""Writes the log: one line an event, in one write, to a descriptor."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Mapping
from enum import Enum

from torchsync.core.instants import rfc3339
from torchsync.core.logevents import Level, LogEvent
from torchsync.core.model import Instant

_MOST_CHARACTERS = 8_000
"""Of one value: journald cuts lines at 48 KiB."""
_BARE = re.compile(r"[A-Za-z0-9_.:/@%+,#*-]+")


class Format(Enum):
    """The values of `log.format` of agent.yaml."""

    AUTO = "auto"
    TEXT = "text"
    JSON = "json"
    JOURNALD = "journald"


class Journal:
    """The `Log` of the ports on a descriptor. May be called from any thread. `least` is the least level that is logged, and may be changed."""

    def __init__(self, now: Callable[[], Instant], form: Format, least: Level = Level.INFO, descriptor: int = 2) -> None:
        self._now = now
        self._form = form
        self.least = least
        self._descriptor = descriptor

    def __call__(self, event: LogEvent, message: str, /, **fields: object) -> None:
        """The event is one line of the log; an agent whose log cannot be written goes on."""
        if event.level.value > self.least.value:
            return
        line = format_line(self._form, self._now(), event, message, fields)
        with contextlib.suppress(OSError):
            os.write(self._descriptor, line.encode() + b"\n")


def choose_format(wanted: Format, environment: Mapping[str, str], descriptor: int = 2) -> Format:
    """What `auto` means here: text on a terminal, journald when the descriptor is its stream (JOURNAL_STREAM, systemd.exec(5)), else JSON."""
    if wanted is not Format.AUTO:
        return wanted
    if os.isatty(descriptor):
        return Format.TEXT
    found = os.fstat(descriptor)
    return Format.JOURNALD if environment.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}" else Format.JSON


def format_line(form: Format, now: Instant, event: LogEvent, message: str, fields: Mapping[str, object]) -> str:
    """The event as one printable line without its end. Fields that are None are left out."""
    said = {name: value for name, value in fields.items() if value is not None}
    if form is Format.JSON:
        head = {"time": rfc3339(now), "level": event.level.label, "event": event.label}
        return json.dumps({**{name: _plain(value) for name, value in said.items()}, **head, "sentence": _cut(message)})
    tail = " ".join([event.label, *(f"{name}={_text(value)}" for name, value in said.items()), f"sentence={_quoted(_cut(message))}"])
    return f"<{event.level.value}>{tail}" if form is Format.JOURNALD else f"{rfc3339(now)} {event.level.label} {tail}"


def _plain(value: object) -> object:
    match value:
        case bool() | int() | float():
            return value
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return _cut(str(value))


def _cut(text: str) -> str:
    return f"{text[:_MOST_CHARACTERS]} ..." if len(text) > _MOST_CHARACTERS else text


def _text(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case list() | tuple():
            return _quoted(_cut("; ".join(str(item) for item in value)))
        case _:
            text = _cut(str(value))
            return text if _BARE.fullmatch(text) else _quoted(text)


def _quoted(text: str) -> str:
    """In quotes, with everything escaped that a terminal or a reader of lines could take for more than text."""
    return '"' + "".join(_escape(character) for character in text) + '"'


def _escape(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character == " " or character.isprintable():
        return character
    return json.dumps(character)[1:-1] if ord(character) > 0x7F or character < " " else "\\u007f"
