"""Outputs that somebody goes on writing after the run is over: they stay bounded as well. Part of the process executor.

Outside of a stop, what a run leaves behind is left alone, as cron does. Its output may still be open there, and would fill the disk without a run
to be seen. So it is looked at every second until nobody has it open for writing. An agent that starts looks through the outputs of its
predecessors, of which it does not know how much they may take: no more than they take then.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from torchsync.adapters.rundir import RunFiles
from torchsync.adapters.syscalls import Timer, is_open_for_writing
from torchsync.core.model import Millis

_EVERY = Millis(1_000)
_AT_ONCE = 500
"""Directories of earlier runs that are looked at in one go: 20,000 of them take half a minute, and the loop no time."""
_LEAST = 10 << 20


class LeftBehind:
    """The outputs to look at, each with the bytes that it may take."""

    def __init__(self, timer: Timer) -> None:
        self._timer = timer
        self._held: dict[Path, tuple[RunFiles, int]] = {}
        self._unseen: Iterator[Path] = iter(())
        self._is_awake = False

    def add(self, files: RunFiles, limit: int) -> None:
        """From now on the output takes no more than `limit` bytes for long, while somebody has it open for writing."""
        self._held[files.folder] = (files, limit)
        self._wake()

    def look_through(self, folders: Iterable[Path], besides: Collection[str]) -> None:
        """Every output in one of the folders, but for the runs `besides`, is bounded as if it had been added."""
        self._unseen = (folder for parent in folders if parent.is_dir() for folder in parent.iterdir() if folder.name not in besides)
        self._wake()

    def _wake(self) -> None:
        if not self._is_awake:
            self._is_awake = True
            self._timer.after(_EVERY, self._look)

    def _look(self) -> None:
        self._is_awake = False
        seen = list(islice(self._unseen, _AT_ONCE))
        for folder in seen:
            if is_open_for_writing(folder / "output"):
                files = RunFiles(folder)
                self._held[folder] = (files, max(_LEAST, files.output_blocks()))
        for folder, (files, limit) in list(self._held.items()):
            if not is_open_for_writing(files.output):
                del self._held[folder]
            with suppress(OSError):  # No holes: the executor has said so.
                files.bound_output(limit)
        if self._held or seen:
            self._wake()
