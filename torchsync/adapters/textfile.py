"""A file of metrics for the textfile collector of node_exporter.

The collector reads every file of its folder whose name ends in `.prom`, whenever it is scraped, and as a whole or not at all: so the file is replaced
by a rename, and the temporary one has another ending. Nothing is synced: after a loss of power the file may be empty, and the agent
that starts then writes it anew.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from torchsync.errors import Problem

_MODE = 0o644
"""Whatever the umask is: the collector runs as another user."""


def write_textfile(path: Path, content: bytes) -> Problem | None:
    """The file holds `content`, can be read by everybody, and has never held a part of it; else TS390, and what was there stands. A link or a special
    file at `path` is replaced, never followed or opened.
    """
    temporary = path.with_name(f".{path.name}.new")
    try:
        _write(temporary, content)
        temporary.rename(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        return Problem(code="TS390", message=f"{path} (metrics.textfile) cannot be written: {error.strerror}")
    return None


def remove_textfile(path: Path) -> None:
    """The file is gone, as far as that is possible."""
    with suppress(OSError):
        path.unlink()


def _write(path: Path, content: bytes) -> None:
    with suppress(FileNotFoundError):
        path.unlink()  # What a crash left. Anybody who puts something there again makes the next line fail.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, _MODE)
        file.write(content)
