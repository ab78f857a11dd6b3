"""How far a command is, on the last line of a terminal. Elsewhere nothing is shown."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO

_EVERY = 0.1
_AT_FIRST = 0.5
"""What is over sooner needs no word."""


class Progress:
    """Shows `WORDS DONE of ALL` while it is told; `clear` takes it away again."""

    def __init__(self, words: str, stream: TextIO, now: Callable[[], float] = time.monotonic) -> None:
        self._words = words
        self._stream = stream
        self._now = now
        self._is_shown = stream.isatty()
        self._next = now() + _AT_FIRST
        self._width = 0

    def __call__(self, done: int, number: int) -> None:
        if not self._is_shown or self._now() < self._next:
            return
        self._next = self._now() + _EVERY
        text = f"{self._words} {done:,} of {number:,}"
        self._stream.write(f"\r{text.ljust(self._width)}")
        self._stream.flush()
        self._width = len(text)

    def clear(self) -> None:
        if self._width:
            self._stream.write(f"\r{' ' * self._width}\r")
            self._stream.flush()
            self._width = 0
