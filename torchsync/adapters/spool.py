"""The spool: batches that the ledger could not take yet, in a file beside the sockets, where a full or read-only disk does not reach.

Theory of operation. A batch is one line of JSON, appended and fsynced. What `append` returned for survives the end of this process, however it
ends; where the folder is memory (a tmpfs, as /run is), a reboot takes it, and the runs it is about. A line counts once its newline is there.
What a killed writer left behind the last newline is no batch, since nothing was done yet that it would tell of: the next writer cuts it off, for
a line that is glued to it would be lost with it. A write that fails half way is cut off at once.

A line that is complete and cannot be read is kept in `<name>.damaged`, said, and passed over; the lines behind it still count.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from torchsync.core.entries import Batch
from torchsync.core.jsontext import canonical, parse_json
from torchsync.core.taskdoc import batch_document, batch_from_document
from torchsync.errors import Problem, StateUnwritable

NAME = "spool.jsonl"


class SpoolFile:
    """The spool in the folder `run`; see `ports.Spool`. For one process at a time. The file is there only while it holds something."""

    def __init__(self, run: Path) -> None:
        self._path = run / NAME
        self.notices: list[Problem] = []

    def append(self, batches: Sequence[Batch]) -> None:
        """All of them are kept, behind those that are there; or none is, and StateUnwritable is raised."""
        lines = "".join(f"{canonical(batch_document(batch))}\n" for batch in batches).encode()
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                _write_at(descriptor, _end(descriptor), lines)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise self._unwritable(error) from error

    def read(self) -> Sequence[Batch]:
        """Everything that was kept, oldest first. Lines that cannot be read are set aside, and `notices` tells."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return []
        except OSError as error:
            self._notice(f"{self._path} cannot be read ({error.strerror}); what it holds of the time without a disk is not known")
            return []
        batches: list[Batch] = []
        for line in content.split(b"\n")[:-1]:
            try:
                batches.append(batch_from_document(parse_json(line.decode())))
            except ValueError as error:
                self._set_aside(line, error)
        return batches

    def clear(self) -> None:
        """Nothing is kept any more; else StateUnwritable."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error

    def _set_aside(self, line: bytes, why: ValueError) -> None:
        kept = self._path.with_suffix(".damaged")
        with suppress(OSError):
            descriptor = os.open(kept, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(line + b"\n")
        self._notice(f"a line of {self._path} is damaged ({why}); it is kept in {kept.name}")

    def _notice(self, message: str) -> None:
        self.notices.append(Problem(code="TS334", message=message, path=str(self._path)))

    def _unwritable(self, error: OSError) -> StateUnwritable:
        return StateUnwritable("TS333", f"{self._path} cannot be written: {error.strerror}")


def _end(descriptor: int) -> int:
    """Where the last whole line ends."""
    size = os.fstat(descriptor).st_size
    if size == 0 or os.pread(descriptor, 1, size - 1) == b"\n":
        return size
    return os.pread(descriptor, size, 0).rfind(b"\n") + 1


def _write_at(descriptor: int, place: int, lines: bytes) -> None:
    """The file ends with these lines, or at `place` when OSError is raised."""
    os.ftruncate(descriptor, place)
    written = 0
    try:
        while written < len(lines):
            written += os.pwrite(descriptor, lines[written:], place + written)
        os.fsync(descriptor)
    except OSError:
        with suppress(OSError):
            os.ftruncate(descriptor, place)
        raise
