"""Lines on a descriptor, whoever reads it and however slowly: nothing here waits.

The descriptor may be shared with other processes, such as the shell on the same terminal: so it is not set to be non-blocking, it is asked first.
A pipe or socket that poll(2) calls writable takes PIPE_BUF bytes at once (pipe(7)), so a longer line goes in pieces.
"""

from __future__ import annotations

import os
import select

_PIECE = 4096
"""PIPE_BUF of Linux."""


class LineWriter:
    """For one thread at a time."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._rest = b""

    def offer(self, line: bytes) -> bool:
        """Whether the line is written, or its first piece is and the rest will be before any other line. Raises OSError when nobody can take it."""
        if not self.finish() or not self._is_ready():
            return False
        self._rest = line
        self.finish()
        return True

    def finish(self) -> bool:
        """Whether everything that was taken is written. Raises OSError."""
        while self._rest:
            if not self._is_ready():
                return False
            try:
                self._rest = self._rest[os.write(self.descriptor, self._rest[:_PIECE]) :]
            except OSError:
                self._rest = b""
                raise
        return True

    def _is_ready(self) -> bool:
        poll = select.poll()
        poll.register(self.descriptor, select.POLLOUT)
        return bool(poll.poll(0))
