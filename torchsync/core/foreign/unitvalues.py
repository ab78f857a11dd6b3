"""Values in unit files of systemd: time spans, sizes, signals, exit statuses and words (systemd.time(7), systemd.syntax(7)). Pure.

Each reader raises ValueError, with a sentence, for what is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from torchsync.core.values import Millis

_SPAN = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-zµ]*)")
_UNITS = {
    **dict.fromkeys(("usec", "us", "µs"), Fraction(1, 1_000)),
    **dict.fromkeys(("msec", "ms"), Fraction(1)),
    **dict.fromkeys(("seconds", "second", "sec", "s", ""), Fraction(1_000)),
    **dict.fromkeys(("minutes", "minute", "min", "m"), Fraction(60_000)),
    **dict.fromkeys(("hours", "hour", "hr", "h"), Fraction(3_600_000)),
    **dict.fromkeys(("days", "day", "d"), Fraction(86_400_000)),
    **dict.fromkeys(("weeks", "week", "w"), Fraction(7 * 86_400_000)),
    **dict.fromkeys(("months", "month", "M"), Fraction(2_629_800_000)),
    **dict.fromkeys(("years", "year", "y"), Fraction(31_557_600_000)),
}
_SIZES = {"": 1, "B": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40, "P": 1 << 50}
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"', "'": "'", "s": " "}
_CODED = re.compile(r"x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})")
_STATUS_NAMES = {
    "SUCCESS": 0, "FAILURE": 1, "INVALIDARGUMENT": 2, "NOTIMPLEMENTED": 3, "NOPERMISSION": 4, "NOTINSTALLED": 5, "NOTCONFIGURED": 6, "NOTRUNNING": 7,
    "USAGE": 64, "DATAERR": 65, "NOINPUT": 66, "NOUSER": 67, "NOHOST": 68, "UNAVAILABLE": 69, "SOFTWARE": 70, "OSERR": 71, "OSFILE": 72,
    "CANTCREAT": 73, "IOERR": 74, "TEMPFAIL": 75, "PROTOCOL": 76, "NOPERM": 77, "CONFIG": 78,
}  # fmt: skip
_SIGNAL_NUMBERS = {"HUP": 1, "INT": 2, "QUIT": 3, "ABRT": 6, "KILL": 9, "USR1": 10, "USR2": 12, "PIPE": 13, "ALRM": 14, "TERM": 15}


def read_span(text: str) -> Millis | None:
    """The length of time that `5min 20s`, `1.5h` or `90` (seconds) names; None for `infinity`. Whole milliseconds, rounded down."""
    if text.strip() == "infinity":
        return None
    total, place = Fraction(0), 0
    while place < len(text.rstrip()):
        found = _SPAN.match(text, place)
        if found is None or found[2] not in _UNITS:
            raise ValueError(f"`{text}` is not a time span: write such as `5min 20s`")
        total += Fraction(found[1]) * _UNITS[found[2]]
        place = found.end()
    if not place:
        raise ValueError("the time span is empty: write such as `5min 20s`")
    return Millis(int(total))


def read_size(text: str) -> int | None:
    """Bytes, rounded down; None for `infinity`. K, M, G, T and P count in 1024."""
    if text == "infinity":
        return None
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([BKMGTP]?)", text)
    if found is None:
        raise ValueError(f"`{text}` is not a size that is the same on every host: write bytes, such as `512M`")
    return int(Fraction(found[1]) * _SIZES[found[2]])


def read_statuses(text: str) -> tuple[int, ...]:
    """The exit statuses of `SuccessExitStatus=`, 128+n for a signal."""
    return tuple(_status(word) for word in text.split())


def _status(word: str) -> int:
    signal = _SIGNAL_NUMBERS.get(word.removeprefix("SIG"))
    if word.isascii() and word.isdigit() and int(word) < 256:
        return int(word)
    if word.startswith("SIG") and signal is not None:
        return 128 + signal
    if word in _STATUS_NAMES:
        return _STATUS_NAMES[word]
    raise ValueError(f"`{word}` is not an exit status")


def split_words(text: str) -> tuple[str, ...]:
    """The words of a setting: blanks part them, quotes keep them together, backslashes escape as in C. Raises ValueError for an open quote."""
    return tuple(word for word, _ in words_and_sources(text))


def words_and_sources(text: str) -> Iterator[tuple[str, str]]:
    """The words, each with how it is written."""
    place = 0
    while place < len(text):
        if text[place].isspace():
            place += 1
            continue
        start = place
        word, place = _read_word(text, place)
        yield word, text[start:place]


def _read_word(text: str, place: int) -> tuple[str, int]:
    """The word that begins there, and where it ends."""
    parts: list[str] = []
    quote = ""
    while place < len(text) and (quote or not text[place].isspace()):
        character = text[place]
        place += 1
        if character == "\\" and place < len(text):
            escaped, place = _unescape(text, place)
            parts.append(escaped)
        elif character == quote:
            quote = ""
        elif character in "\"'" and not quote:
            quote = character
        else:
            parts.append(character)
    if quote:
        raise ValueError(f"a quote ({quote}) is opened and not closed")
    return "".join(parts), place


def _unescape(text: str, place: int) -> tuple[str, int]:
    """What a backslash before `place` stands for, and where it goes on; one that means nothing stays as it is."""
    found = _CODED.match(text, place)
    if found:
        base = 8 if found[4] else 16
        return chr(int(next(group for group in found.groups() if group), base)), found.end()
    character = text[place]
    return _ESCAPES.get(character, f"\\{character}"), place + 1


def unescape_name(name: str) -> str:
    """A part of the name of a unit with the work of systemd-escape(1) undone: `-` is `/`, and a number in hexadecimal the character it stands for."""
    return re.sub(r"\\x([0-9a-fA-F]{2})", lambda found: chr(int(found[1], 16)), name.replace("-", "/"))
