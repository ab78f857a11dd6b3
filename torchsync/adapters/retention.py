"""Bounds what finished runs leave on the disk: their directories go by age, by number and by size, the oldest first, those of all attempts
of a run together.

The id of a run begins with the time of its admission, so the names sort by age and nothing has to be asked for it. A run that is not over is
never touched, nor is anything whose name is not that of a run, nor an output that somebody still writes: it would take as much room without a name.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from torchsync.adapters.syscalls import is_open_for_writing
from torchsync.core.model import Instant

_ATTEMPT = re.compile(r"(?P<run>[0-9a-f]{12}-[0-9a-f]{8})(\.[0-9]+){0,2}")
_BLOCK = 512
"""stat(2): st_blocks counts these, whatever the file system's own blocks are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What is kept: runs admitted after `since`, at most `most_runs` of them, the newest, with at most `most_bytes` on the disk. Runs admitted
    from `until` on are kept in any case: nobody knows yet whether they are in flight.
    """

    since: Instant
    until: Instant
    most_runs: int
    most_bytes: int


def prune_runs(folder: Path, bounds: Bounds, in_flight: Collection[str]) -> int:
    """The oldest goes first. How many directories of attempts of finished runs were removed; what is left is within the bounds, as far as it may be
    removed.
    """
    surplus = list(_surplus(folder, bounds, in_flight))
    for path in reversed(surplus):
        shutil.rmtree(path, ignore_errors=True)
    return len(surplus)


def _surplus(folder: Path, bounds: Bounds, in_flight: Collection[str]) -> Iterator[Path]:
    size = 0
    for number, (run, paths) in enumerate(sorted(_by_run(folder).items(), reverse=True), start=1):
        size += sum(map(_size, paths))
        admitted = int(run[:12], 16)
        is_settled = run not in in_flight and admitted < bounds.until
        if is_settled and (admitted <= bounds.since or number > bounds.most_runs or size > bounds.most_bytes):
            yield from (path for path in paths if not is_open_for_writing(path / "output"))


def _by_run(folder: Path) -> dict[str, list[Path]]:
    """The directories of the attempts of each run, by its id."""
    found: dict[str, list[Path]] = {}
    for path in folder.iterdir():
        if match := _ATTEMPT.fullmatch(path.name):
            found.setdefault(match["run"], []).append(path)
    return found


def _size(folder: Path) -> int:
    """On the disk, the directory itself included: of a short run that is half of it."""
    try:
        with os.scandir(folder) as entries:
            blocks = sum(entry.stat(follow_symlinks=False).st_blocks for entry in entries)
        return (blocks + folder.lstat().st_blocks) * _BLOCK
    except OSError:
        return 0
