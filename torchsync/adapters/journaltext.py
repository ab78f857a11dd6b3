"""Events as text: one printable line, for people or as JSON, or with the priority in front that journald takes (sd-daemon(3))."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from torchsync.core.instants import rfc3339
from torchsync.core.logevents import LogEvent
from torchsync.core.model import Instant
from torchsync.core.redaction import redacted

MOST_CHARACTERS = 8_000
"""Of one value: journald cuts lines at 48 KiB."""
_BARE = re.compile(r"[A-Za-z0-9_.:/@%+,#*-]+")


class LineForm(Enum):
    TEXT = "text"
    JSON = "json"
    MARKED = "marked"
    """Without time, since whoever takes it has a clock, and with the priority as `<6>` in front."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is logged, without secrets. Fields that have no value are not in it."""

    at: Instant
    event: LogEvent
    sentence: str
    fields: Mapping[str, object]


def entry_of(at: Instant, event: LogEvent, sentence: str, fields: Mapping[str, object]) -> Entry:
    """The event as it may be read by others."""
    said = {name: _safe(value) for name, value in fields.items() if value is not None}
    return Entry(at=at, event=event, sentence=_safe_text(sentence), fields=said)


def line_of(form: LineForm, entry: Entry) -> str:
    """The entry as one printable line without its end."""
    event = entry.event
    if form is LineForm.JSON:
        head = {"time": rfc3339(entry.at), "level": event.level.label, "event": event.label, "sentence": entry.sentence}
        return json.dumps({**head, **entry.fields, **head})  # it comes first, and no field can pass for a part of it
    tail = " ".join(
        [event.label, *(f"{name}={_word(value)}" for name, value in entry.fields.items()), f"sentence={_quoted(entry.sentence)}"]
    )
    return f"<{event.level.value}>{tail}" if form is LineForm.MARKED else f"{rfc3339(entry.at)} {event.level.label} {tail}"


def escaped(text: str, *, kept: str = "") -> str:
    """The text with everything escaped that a terminal or a reader of lines could take for more than text; but not what is in `kept`."""
    if text.isprintable():
        return text
    if "\n" in kept:
        return "\n".join(escaped(line, kept=kept.replace("\n", "")) for line in text.split("\n"))
    return "".join(one if one.isprintable() or one in kept else _escape(one) for one in text)


def plain(value: object) -> str:
    """A value of a field as people write it."""
    match value:
        case bool():
            return "true" if value else "false"
        case list() | tuple():
            return "; ".join(str(item) for item in value)
        case _:
            return str(value)


def _safe(value: object) -> object:
    match value:
        case bool() | int() | float():
            return value
        case list() | tuple():
            return [_safe(item) for item in value]
        case _:
            return _safe_text(str(value))


def _safe_text(text: str) -> str:
    text = redacted(text)
    return f"{text[:MOST_CHARACTERS]} ..." if len(text) > MOST_CHARACTERS else text


def _word(value: object) -> str:
    text = plain(value)
    return text if not isinstance(value, list) and _BARE.fullmatch(text) else _quoted(text)


def _quoted(text: str) -> str:
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped(text)}"'


def _escape(character: str) -> str:
    return json.dumps(character)[1:-1] if ord(character) > 0x7F or character < " " else "\\u007f"
