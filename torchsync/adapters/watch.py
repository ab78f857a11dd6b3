"""Notices changes of files on this machine: agent.yaml, and a local repository that is the remote.

Theory of operation. What is watched has a *stamp*, a value that is another one once something changed. It is compared whenever the kernel says that
something stirred in one of its *places*, and every `LOOK_AGAIN` seconds anyway. So nothing rests on the kernel's word: a watch that died with its
file or folder (renamed over, removed and made anew, behind a link that was turned) costs a few seconds, never a change.

Places are folders, never files or links, since a file that is replaced by renaming takes its watch with it. They are real folders: those that hold a
link on the way, and those where the way ends. They are found anew at each look, with their device and inode, and watched anew when they are
other ones. The stamp is compared once the watch is up: what happened while it was set up shows there, and what happens later is told.

Where the kernel cannot tell (network file systems, whose changes happen elsewhere; no watches left), the stamp is compared every `POLL_EVERY`
seconds instead. The part of watchfiles that is written in Rust is used as it is: what goes around it reads settings from the environment, and does
not tell when its watch is up.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from watchfiles._rust_notify import RustNotify

from torchsync.adapters.syscalls import file_system_magic

LOOK_AGAIN = 5.0
POLL_EVERY = 2.0
_STEP_MS = 200
"""How often the watcher's own thread looks whether there is news: each look is a wake-up of an idle machine."""
_DEBOUNCE_MS = 400
_CLOSE_WITHIN = 1.0
_MOST_LINKS = 40
"""path_resolution(7)."""
_MOST_PLACES = 200
_MOST_REFS = 20_000

NETWORK_FILE_SYSTEMS = {
    0x6969: "NFS",
    0x517B: "SMB",
    0xFF534D42: "SMB",
    0xFE534D42: "SMB",
    0x01021997: "9p",
    0x65735546: "FUSE",
    0x00C36400: "Ceph",
    0x0BD00BD0: "Lustre",
    0x5346414F: "AFS",
    0x6B414653: "AFS",
    0x786F4256: "a shared folder of VirtualBox",
}
"""By statfs(2): file systems that other machines, or the host of a virtual one, change too."""


@dataclass(frozen=True, slots=True)
class Place:
    """A real folder. Another device or inode of the same path is another place."""

    path: Path
    device: int
    inode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Something that may change. `places` are where a change would show, as things are now; those that cannot be had are left out."""

    name: str
    places: Callable[[], Sequence[Place]]
    stamp: Callable[[], object]
    on_change: Callable[[], None]


def config_file(config: Path, on_change: Callable[[], None]) -> Watched:
    """agent.yaml: another file of that name, wherever links lead, or another version of it."""
    config = config.absolute()
    return Watched(name=str(config), places=lambda: _known(_way_to(config)), stamp=lambda: _version(config), on_change=on_change)


def local_repository(repository: Path, on_change: Callable[[], None]) -> Watched:
    """The refs of a repository, bare or with a work tree."""
    return Watched(
        name=str(repository),
        places=lambda: _known([*_way_to(_git_folder(repository) / "HEAD"), *islice(_ref_folders(repository), _MOST_PLACES)]),
        stamp=lambda: _refs_stamp(repository),
        on_change=on_change,
    )


class Watcher:
    """One thread for each thing that is watched, from what it is now until `close`. `notice` is told, once each, why something is polled though
    it was not to be.
    """

    def __init__(self, watched: Iterable[Watched], notice: Callable[[str], None], *, polls: bool = False) -> None:
        self._stop = threading.Event()
        self._notice = notice
        self._polls = polls
        self._threads = [
            threading.Thread(target=self._run, args=(one, one.stamp()), daemon=True, name=f"watch {one.name}") for one in watched
        ]
        for thread in self._threads:
            thread.start()

    def leave(self) -> None:
        """Every thread ends as soon as it wakes; nobody waits for that."""
        self._stop.set()

    def close(self) -> None:
        """No thread is left, but one that hangs in a dead file system."""
        self._stop.set()
        until = time.monotonic() + _CLOSE_WITHIN
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _run(self, watched: Watched, seen: object) -> None:
        for _ in self._looks(watched):
            found = watched.stamp()
            if found != seen and not self._stop.is_set():
                seen = found
                watched.on_change()

    def _looks(self, watched: Watched) -> Iterator[None]:
        """One for each time the stamp is to be compared."""
        reason, is_said = "", False
        while not self._stop.is_set():
            places = () if self._polls or reason else watched.places()
            reason = reason or _why_poll(places)
            if reason and not is_said:
                is_said = True
                self._notice(f"{watched.name} is looked at every {POLL_EVERY:.0f} s: {reason}")
            if self._polls or reason:
                self._stop.wait(POLL_EVERY)
            elif places:
                reason = yield from self._stirs(watched, places)
            else:
                self._stop.wait(LOOK_AGAIN)
            yield

    def _stirs(self, watched: Watched, places: Sequence[Place]) -> Generator[None, None, str]:
        """One when the places are watched, and then whenever something happened in them, or nothing did for a while, until they are other ones.
        Returns why watching is not possible, or nothing.
        """
        paths = {place.path for place in places}
        try:
            with RustNotify([str(path) for path in paths], False, False, 0, False, False) as kernel:
                stirred: set[Path] = set()
                # The number of a removed folder's inode is soon given to the next one, so an event of the folder itself counts too.
                while not stirred & paths:
                    yield
                    if watched.places() != places:
                        return ""
                    changes = kernel.watch(_DEBOUNCE_MS, _STEP_MS, int(LOOK_AGAIN * 1000), self._stop)
                    if changes in ("stop", "signal"):
                        return ""
                    stirred = {Path(path) for _, path in changes} if isinstance(changes, set) else set()
        except FileNotFoundError:
            return ""
        except (OSError, RuntimeError) as error:  # RuntimeError: how watchfiles tells that it may open no more inotify instances.
            return f"it cannot be watched: {error}"
        return ""


def _why_poll(places: Sequence[Place]) -> str:
    for place in places:
        name = NETWORK_FILE_SYSTEMS.get(file_system_magic(place.path))
        if name:
            return f"{place.path} lies on {name}, where others make changes that the kernel here does not see"
    return ""


# Where changes show.


def _way_to(file: Path) -> list[Path]:
    """The real folders that hold a link on the way to `file`, and the one that holds the file itself; fewer when the way ends early."""
    found: list[Path] = []
    at, ahead = Path("/"), list(reversed(file.parts[1:]))
    while ahead:
        name = ahead.pop()
        try:
            target = (at / name).readlink()
        except OSError:  # No link. What is not there ends the way later: `_known` leaves it out.
            if ahead:
                at = at.parent if name == ".." else at / name
            continue
        found.append(at)
        if len(found) > _MOST_LINKS:
            break
        at = Path("/") if target.is_absolute() else at
        ahead += reversed(target.parts[1:] if target.is_absolute() else target.parts)
    return [*found, at]


def _known(folders: Iterable[Path]) -> Sequence[Place]:
    places = []
    for folder in dict.fromkeys(folders):
        try:
            found = folder.stat()
        except OSError:
            continue
        places.append(Place(folder, found.st_dev, found.st_ino))
    return places


def _git_folder(repository: Path) -> Path:
    return repository / ".git" if (repository / ".git").is_dir() else repository


def _ref_folders(repository: Path) -> Iterator[Path]:
    refs = Path(os.path.realpath(_git_folder(repository) / "refs"))
    return (Path(folder) for folder, _, _ in os.walk(refs))


# What is there.


def _version(file: Path | str) -> tuple[int, ...] | None:
    try:
        found = Path(file).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _refs_stamp(repository: Path) -> int:
    """Of everything that says where refs point: gitrepository-layout(5). A lock is none of it."""
    inner = _git_folder(repository)
    loose = (f"{folder}/{name}" for folder, _, names in os.walk(inner / "refs") for name in names if not name.endswith(".lock"))
    files = [str(inner / name) for name in ("HEAD", "packed-refs", "reftable/tables.list")]
    return hash(frozenset((file, _version(file)) for file in [*files, *islice(loose, _MOST_REFS)]))
