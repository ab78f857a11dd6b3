"""What a run wrote, read back. The middle of a long output is a hole in its file: it says so in its place.

The file belongs to the user of the run, its folder does not: so it cannot be exchanged for a link, but it may grow, shrink or be made of
nothing but a hole while it is read.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Generator, Iterator
from pathlib import Path

_PIECE = 64 * 1024


def kept_output(path: Path) -> Generator[bytes, None, None] | None:
    """What is kept of the output as of now, in pieces; None when there is no such file. Raises OSError when it cannot be opened."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    return _pieces(descriptor)


def _pieces(descriptor: int) -> Generator[bytes, None, None]:
    try:
        place, end = 0, os.fstat(descriptor).st_size
        for start, stop in _data(descriptor, end):
            if start > place:
                yield _dropped(start - place)
            yield from _read(descriptor, start, stop)
            place = stop
        if place < end:
            yield _dropped(end - place)
    finally:
        os.close(descriptor)


def _data(descriptor: int, end: int) -> Iterator[tuple[int, int]]:
    """The parts of the file that are not holes (SEEK_DATA and SEEK_HOLE, lseek(2)); a file system without holes says: all of it."""
    stop = 0
    while stop < end:
        try:
            start = os.lseek(descriptor, stop, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # Nothing but a hole from here on.
                return
            raise
        stop = min(end, os.lseek(descriptor, start, os.SEEK_HOLE))
        if start < stop:
            yield start, stop


def _read(descriptor: int, start: int, stop: int) -> Iterator[bytes]:
    while start < stop:
        piece = os.pread(descriptor, min(_PIECE, stop - start), start)
        if not piece:
            return
        yield piece
        start += len(piece)


def _dropped(count: int) -> bytes:
    return f"\n... {count} bytes dropped ...\n".encode()
