"""Notices changes of folders on this machine: agent.yaml, and a local repository that is the remote.

An event only means "look again": what changed is not believed, and a missed one costs no more than the next interval. Folders are watched,
never files or links, since a file that is replaced by renaming takes its watch with it. A folder that is replaced itself is noticed by its
device and inode when nothing has happened for a while, and watched anew.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from watchfiles import watch

_LOOK_AGAIN_MS = 10_000
_STEP_MS = 200
"""How often the watcher's own thread looks whether there is news: each look is a wake-up of an idle machine."""
_DEBOUNCE_MS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A folder to watch, with everything below it or without. `is_wanted` tells from a path whether a change of it matters."""

    folder: Path
    recursive: bool
    is_wanted: Callable[[Path], bool]
    on_change: Callable[[], None]


def config_folder(config: Path, on_change: Callable[[], None]) -> Watched:
    """Anything that happens beside agent.yaml may have changed it: editors write elsewhere and rename, and mounted settings swap a link. So the
    file is looked at each time, and `on_change` called when it is another one or another version.
    """
    seen = _version(config)

    def look() -> None:
        nonlocal seen
        found = _version(config)
        if found != seen:
            seen = found
            on_change()

    return Watched(folder=config.parent, recursive=False, is_wanted=lambda _: True, on_change=look)


def repository_folders(repository: Path, on_change: Callable[[], None]) -> tuple[Watched, ...]:
    """The places where git keeps what refs point to; `repository` is bare or has a work tree."""
    inner = repository / ".git" if (repository / ".git").is_dir() else repository
    names = {"HEAD", "packed-refs"}
    return (
        Watched(folder=inner / "refs", recursive=True, is_wanted=lambda path: path.suffix != ".lock", on_change=on_change),
        Watched(folder=inner, recursive=False, is_wanted=lambda path: path.name in names, on_change=on_change),
    )


class FolderWatcher:
    """One thread for each folder, until `close`. A folder that is not there, or cannot be watched, is tried again."""

    def __init__(self, folders: Iterable[Watched]) -> None:
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(folder,), daemon=True, name=f"watch {folder.folder}") for folder in folders
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """No thread is left."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, watched: Watched) -> None:
        is_first = True
        while not self._stop.is_set():
            identity = _identity(watched.folder)
            if identity is None:
                self._stop.wait(_LOOK_AGAIN_MS / 1000)
                continue
            if not is_first:
                watched.on_change()
            is_first = False
            self._watch(watched, identity)

    def _watch(self, watched: Watched, identity: tuple[int, int]) -> None:
        """Returns when the folder is not the same any more, or the watcher is closed."""
        try:
            for changes in watch(
                watched.folder,
                watch_filter=None,
                debounce=_DEBOUNCE_MS,
                step=_STEP_MS,
                stop_event=self._stop,
                rust_timeout=_LOOK_AGAIN_MS,
                yield_on_timeout=True,
                recursive=watched.recursive,
                raise_interrupt=False,
            ):
                paths = [Path(path) for _, path in changes]
                # The number of a removed folder's inode is soon given to the next one, so an event of the folder itself counts too.
                if watched.folder in paths or _identity(watched.folder) != identity:
                    return
                if any(watched.is_wanted(path) for path in paths):
                    watched.on_change()
        except OSError:
            # The folder went while the watch was set up, or the limit of watches is reached: the interval still finds every change.
            self._stop.wait(_LOOK_AGAIN_MS / 1000)


def _version(file: Path) -> tuple[int, ...] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
