"""What a run wrote, read back. The middle of a long output is a hole in its file: it says so in its place.

The file belongs to the user of the run, its folder does not: so it cannot be exchanged for a link, but it may grow, shrink or be made of
nothing but a hole while it is read.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from torchsync.core.model import RunId, attempt_id

_PIECE = 64 * 1024
MOST_AT_ONCE = 1024 * 1024
_MOST_ATTEMPTS = 100


def outputs_of(runs: Path, run: RunId) -> list[tuple[int, Path]]:
    """The files that hold what the attempts of the run wrote, each with the number of its attempt, the first one first."""
    found = ((number, _output_of(runs, run, number)) for number in range(1, _MOST_ATTEMPTS + 1))
    return [(number, path) for number, path in found if path is not None]


def run_output(runs: Path, run: RunId, attempt: int = 0) -> Generator[bytes, None, None] | None:
    """What is kept of the output of one attempt, or with 0 of all of them, in pieces; of several each has a line that says which one follows.

    None when nothing is kept. Raises OSError as `kept_output`.
    """
    kept = [(number, kept_output(path)) for number, path in outputs_of(runs, run) if attempt in (0, number)]
    there = [(number, pieces) for number, pieces in kept if pieces is not None]
    if not there:
        return None
    return _one_after_the_other(there) if len(there) > 1 else there[0][1]


def _one_after_the_other(outputs: list[tuple[int, Generator[bytes, None, None]]]) -> Generator[bytes, None, None]:
    is_at_start = True
    for number, pieces in outputs:
        yield f"{'' if is_at_start else chr(10)}... attempt {number} ...\n".encode()
        for piece in pieces:
            is_at_start = piece.endswith(b"\n")
            yield piece


def _output_of(runs: Path, run: RunId, number: int) -> Path | None:
    """That of the start of the attempt that came to something: those before it never began."""
    found, again = None, 0
    while (folder := runs / attempt_id(run, number, again)).is_dir():
        found = folder / "output" if (folder / "output").exists() else found
        again += 1
    return found


def kept_output(path: Path) -> Generator[bytes, None, None] | None:
    """What is kept of the output as of now, in pieces; None when there is no such file. Raises OSError when it cannot be opened."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    return _pieces(descriptor)


@dataclass(frozen=True, slots=True)
class Stretch:
    """What is kept of an output from some place on, and the place where that ends: what follows begins there."""

    content: bytes
    end: int


def output_stretch(runs: Path, run: RunId, attempt: int, place: int) -> tuple[bytes, int] | None:
    """As `kept_stretch`, of an attempt of a run below the folder `runs`."""
    path = _output_of(runs, run, attempt)
    found = kept_stretch(path, place) if path else None
    return (found.content, found.end) if found else None


def kept_stretch(path: Path, place: int, most: int = MOST_AT_ONCE) -> Stretch | None:
    """What is kept from that place on, at most so many bytes of it; None when there is no such file. An output that has become shorter than that goes
    on where it ends. Raises OSError when it cannot be opened.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    try:
        return _stretch(descriptor, place, os.fstat(descriptor).st_size, most)
    finally:
        os.close(descriptor)


def output_end(runs: Path, run: RunId, attempt: int, most: int) -> bytes:
    """The newest bytes of what is kept of an attempt, at most so many, from the beginning of a line on; nothing when nothing is kept.

    Raises OSError.
    """
    path = _output_of(runs, run, attempt)
    try:
        size = path.stat(follow_symlinks=False).st_size if path else 0
    except FileNotFoundError:
        return b""
    found = kept_stretch(path, max(0, size - most), most) if path else None
    if found is None:
        return b""
    return found.content if size <= most else b"... the end of it ...\n" + (found.content.partition(b"\n")[2] or found.content)


def _stretch(descriptor: int, place: int, size: int, most: int) -> Stretch:
    parts: list[bytes] = []
    for start, stop in _data(descriptor, place, size):
        if start > place:
            parts.append(_dropped(start - place))
        place = min(stop, start + most)
        parts += _read(descriptor, start, place)
        most -= place - start
        if not most:
            return Stretch(b"".join(parts), place)
    if place < size:
        parts.append(_dropped(size - place))
    return Stretch(b"".join(parts), size)


def _pieces(descriptor: int) -> Generator[bytes, None, None]:
    try:
        place, end = 0, os.fstat(descriptor).st_size
        for start, stop in _data(descriptor, 0, end):
            if start > place:
                yield _dropped(start - place)
            yield from _read(descriptor, start, stop)
            place = stop
        if place < end:
            yield _dropped(end - place)
    finally:
        os.close(descriptor)


def _data(descriptor: int, place: int, end: int) -> Iterator[tuple[int, int]]:
    """The parts of the file from that place on that are not holes (SEEK_DATA and SEEK_HOLE, lseek(2)); without holes on that file system it
    says: all of it.
    """
    stop = place
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
