"""Bytes of a file to its text: UTF-8, and no character that is not what it seems. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import islice

from torchsync.core.yamlfault import MOST_FAULTS, Fault

_TURNING = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_INVISIBLE = "\u00ad\u180e\u200b\u2060-\u2064\ufff9-\ufffb\U000e0000-\U000e007f"
FORBIDDEN = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff{_TURNING}{_INVISIBLE}]|\r(?!\n)")
"""What no file may hold. Not the joiners U+200C and U+200D: some languages, and many pictures, cannot be written without them."""
_KINDS = (
    (re.compile("\ufeff"), "a byte order mark in the middle"),
    (re.compile("\r"), "a carriage return without a line feed"),
    (re.compile("[\u2028\u2029]"), "a line break that editors do not show"),
    (re.compile(f"[{_TURNING}]"), "a character that changes how text is shown"),
    (re.compile(f"[{_INVISIBLE}]"), "a character that cannot be seen"),
)
_WIDE = "it seems to be UTF-16 or UTF-32"


def read_text(content: bytes) -> str | tuple[Fault, ...]:
    """The text without a byte order mark at its start; or what is wrong with it, once a line."""
    try:
        text = content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        return (_not_utf8(content, error),)
    return tuple(_forbidden(text)) or text


def character_named(text: str) -> str:
    """What the first character of `text` that is not allowed is."""
    found = FORBIDDEN.search(text)
    character = found[0] if found else text[0]
    kind = next((kind for form, kind in _KINDS if form.match(character)), "a control character")
    name = unicodedata.name(character, "").lower()
    return f"{kind} (U+{ord(character):04X}{', ' * bool(name)}{name})"


def _not_utf8(content: bytes, error: UnicodeDecodeError) -> Fault:
    start = error.start
    before = content[:start]
    line_start = before.rfind(b"\n") + 1
    column = len(before[line_start:].decode("utf-8", "replace")) + 1
    hint = f"{_WIDE}; save it as UTF-8" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else _narrow(content[start])
    if error.reason == "unexpected end of data":
        hint = "the file ends within a character: copy it again, whole"
    message = f"the byte 0x{content[start]:02x} is not UTF-8"
    return Fault(code="TS104", message=message, line=before.count(b"\n") + 1, column=column, hint=hint)


def _narrow(byte: int) -> str:
    character = bytes([byte]).decode("cp1252", "ignore")
    guess = f"; it may be Windows-1252, where the byte is `{character}`" if character and character.isprintable() else ""
    return f"save the file as UTF-8{guess}"


def _forbidden(text: str) -> Iterator[Fault]:
    """The first character of each line that is not allowed."""
    if "\0" in text[:4]:
        message = f"the file holds the byte 0x00: {_WIDE}"
        yield Fault(code="TS104", message=message, line=1, column=text.index("\0") + 1, hint="save it as UTF-8")
        return
    line, told, seen = 1, 0, 0
    for found in islice(FORBIDDEN.finditer(text), MOST_FAULTS):
        line += text.count("\n", seen, found.start())
        seen = found.start()
        if line > told:
            told = line
            message = f"the file holds {character_named(found[0])}"
            column = seen - text.rfind("\n", 0, seen)
            yield Fault(code="TS101", message=message, line=line, column=column, hint=_without(found[0]))


def _without(character: str) -> str:
    return "save the file with line feeds at the ends of lines" if character == "\r" else "delete it: it is shown as `?`"
