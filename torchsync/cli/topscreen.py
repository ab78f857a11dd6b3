"""A terminal as a screen: taken over, drawn, asked for keys, and given back as it was, however that ends.

termios(3) gives keys one by one; console_codes(4) and the alternate screen of xterm keep what stood there. Given back is done on every way out:
the end, an exception, SIGTERM and SIGHUP (they become `Ended`), and Ctrl-Z, after which the screen is taken again.
"""

from __future__ import annotations

import io
import os
import select
import signal
import termios
import tty
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

from rich.console import Console
from rich.text import Text

from torchsync.cli.topframe import Size

_ENTER = b"\x1b[?1049h\x1b[?25l\x1b[2J"
_LEAVE = b"\x1b[?25h\x1b[?1049l"
_BEGIN, _END = "\x1b[?2026h\x1b[H", "\x1b[J\x1b[?2026l"
"""The first and the last of a frame; a terminal that knows 2026 shows it at once."""
_KEYS = {
    "\x1b[A": "up", "\x1bOA": "up", "\x1b[B": "down", "\x1bOB": "down", "\x1b[5~": "page up", "\x1b[6~": "page down",
    "\x1b[H": "home", "\x1bOH": "home", "\x1b[1~": "home", "\x1b[F": "end", "\x1bOF": "end", "\x1b[4~": "end",
    "\x1b": "escape", "\r": "enter", "\n": "enter", "\x7f": "back", "\x08": "back",
}  # fmt: skip


class Ended(SystemExit):
    """A signal asked for the end; the status is 128 and its number."""


class Screen:
    """The terminal at the two descriptors while `taken` lasts. `wake` ends a wait from any thread."""

    def __init__(self, source: int, target: int) -> None:
        self._source = source
        self._target = target
        self._bell_out, self._bell_in = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._before = termios.tcgetattr(source)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """The terminal is ours in the body, and as before afterwards."""
        handlers: dict[int, Callable[[int, FrameType | None], None]] = {
            signal.SIGTERM: self._on_end,
            signal.SIGHUP: self._on_end,
            signal.SIGWINCH: self._on_resize,
            signal.SIGTSTP: self._on_stop,
        }
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            self._take()
            yield
        finally:
            self._give_back()
            for number, handler in before.items():
                signal.signal(number, handler)

    def size(self) -> Size:
        """As the terminal says; 80 x 24 when it does not."""
        with suppress(OSError):
            found = os.get_terminal_size(self._target)
            if found.columns and found.lines:
                return Size(width=found.columns, height=found.lines)
        return Size(width=80, height=24)

    def draw(self, lines: Sequence[Text], size: Size) -> None:
        """The lines are the screen."""
        shown = "\r\n".join(f"{line}\x1b[K" for line in painted(lines, size))
        _write(self._target, (_BEGIN + shown + _END).encode())

    def wait(self, patience: float) -> list[str]:
        """The keys that were pressed, by name or as they are; returns early for `wake` and for another size."""
        ready, _, _ = select.select([self._source, self._bell_out], [], [], patience)
        if self._bell_out in ready:
            os.read(self._bell_out, 4096)
        if self._source not in ready:
            return []
        typed = os.read(self._source, 1024)
        if not typed:
            raise Ended(128 + signal.SIGHUP)
        return list(keys_of(typed.decode("utf-8", "ignore")))

    def wake(self) -> None:
        with suppress(BlockingIOError):
            os.write(self._bell_in, b"!")

    def _take(self) -> None:
        tty.setcbreak(self._source)
        _write(self._target, _ENTER)

    def _give_back(self) -> None:
        with suppress(OSError, termios.error):  # The terminal may be gone.
            _write(self._target, _LEAVE)
            termios.tcsetattr(self._source, termios.TCSAFLUSH, self._before)

    def _on_end(self, number: int, _: FrameType | None) -> None:
        raise Ended(128 + number)

    def _on_resize(self, _number: int, _: FrameType | None) -> None:
        self.wake()

    def _on_stop(self, _number: int, _: FrameType | None) -> None:
        """As by default, with the terminal given back in between."""
        self._give_back()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, self._on_stop)
        self._take()
        self.wake()


def painted(lines: Iterable[Text], size: Size) -> Iterator[str]:
    """The lines with the colours that this terminal has, none with NO_COLOR (no-color.org)."""
    console = Console(file=io.StringIO(), force_terminal=True, width=size.width, height=size.height, highlight=False, soft_wrap=True)
    for line in lines:
        with console.capture() as captured:
            console.print(line, end="", no_wrap=True, crop=False)
        yield captured.get()


def keys_of(typed: str) -> Iterator[str]:
    """Keys by name, letters as they are; a sequence that is not known is none."""
    while typed:
        known = next((code for code in sorted(_KEYS, key=len, reverse=True) if typed.startswith(code)), "")
        if typed.startswith("\x1b[") and not known.startswith("\x1b["):
            end = next((place for place, letter in enumerate(typed[2:], 2) if "@" <= letter <= "~"), len(typed))
            typed = typed[end + 1 :]
            continue
        code = known or typed[0]
        typed = typed[len(code) :]
        if known or code.isprintable():
            yield _KEYS.get(code, code)


def _write(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
