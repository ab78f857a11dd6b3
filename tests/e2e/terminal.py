"""A program on a terminal of ours: a pseudo-terminal (pty(7)), with an emulator that shows what a person would see."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence

import pyte

_LEAD = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"
"""Whoever leads a session takes the terminal for it, and then becomes the program."""


class Terminal:
    """`words` run on it. `text()` is what it shows."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str], *, width: int = 80, height: int = 24) -> None:
        self._ours, theirs = pty.openpty()
        self.screen = pyte.Screen(width, height)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = bytearray()
        self.resize(width, height)
        self.before = termios.tcgetattr(theirs)
        self._theirs = theirs

        lead = [sys.executable, "-c", _LEAD, *words]
        self.process = subprocess.Popen(lead, stdin=theirs, stdout=theirs, stderr=theirs, env=dict(environment), start_new_session=True)

    def resize(self, width: int, height: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        self.screen.resize(height, width)

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def text(self) -> str:
        self._take()
        return "\n".join(line.rstrip() for line in self.screen.display)

    def wait_for(self, what: str, is_so: Callable[[str], bool], patience: float = 60.0) -> str:
        """The text of which it is so: a moment later half of the next frame may be there."""
        deadline = time.monotonic() + patience
        while not is_so(text := self.text()):
            assert time.monotonic() < deadline, f"waited {patience:.0f} s for {what}; the screen shows:\n{text}"
            select.select([self._ours], [], [], 0.1)
        return text

    def end(self, patience: float = 60.0) -> int:
        """The exit status, once the program has ended; what it still wrote is on the screen."""
        deadline = time.monotonic() + patience
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.text()
            self._take()
            time.sleep(0.02)
        self._take()
        return self.process.returncode

    def is_as_before(self) -> bool:
        """The settings of the terminal are those of the beginning, and what stood there is shown again, with a cursor."""
        is_left = self.raw.rfind(b"\x1b[?1049l") > self.raw.rfind(b"\x1b[?1049h") and self.raw.rfind(b"\x1b[?25h") > self.raw.rfind(
            b"\x1b[?25l"
        )
        return is_left and termios.tcgetattr(self._theirs) == self.before

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)

    def _take(self) -> None:
        while select.select([self._ours], [], [], 0)[0]:
            try:
                piece = os.read(self._ours, 65536)
            except OSError:
                return
            self.raw += piece
            self._stream.feed(piece)
