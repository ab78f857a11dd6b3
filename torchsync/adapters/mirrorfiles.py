"""What lies in a mirror besides what git reads: locks and pieces that killed processes left, files of others, and how much is not packed yet.

All of it is found in one walk that follows no link. Only the holder of the mirror's lock looks, so no git is at work in it, and a lock or an
unfinished file belongs to nobody any more.

Sources: gitrepository-layout(5); git-repack(1) and git-fetch-pack(1) for the names of what is unfinished and for `.keep`.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_LOCK = re.compile(r".*\.lock|gc\.pid")
_UNFINISHED = re.compile(r"tmp_.*|incoming-.*|\.tmp-.*|pack-[0-9a-f]+\.keep")
_LOOSE = re.compile(r"[0-9a-f]{38}|[0-9a-f]{62}")
_PACK_PART = re.compile(r"pack-[0-9a-f]+\.(pack|idx|rev|bitmap)")

_NEVER_MADE = frozenset({"alternates", "http-alternates", "grafts", "shallow"})
"""Files by which git would find objects elsewhere, or see another history; the mirror is whole by itself and has none."""

_SPREAD_BYTES = 16 << 20
_SPREAD_NUMBER = 2_000
_MOST_PACKS = 50


@dataclass(slots=True)
class MirrorFiles:
    """The files of one mirror, at the moment of the look."""

    locks: list[Path] = field(default_factory=list)
    unfinished: list[Path] = field(default_factory=list)
    """Nothing reads them: pieces of writers that were killed, packs without an index, marks that keep a pack from being packed again."""
    is_foreign: bool = False
    """Something in it belongs to another user, or is nothing that our git makes: a link, a pipe, a list of other places for objects."""
    loose: int = 0
    loose_bytes: int = 0
    packs: list[int] = field(default_factory=list)
    """The size of each pack in bytes."""

    @property
    def is_spread_out(self) -> bool:
        """As much lies outside of the largest pack as in it: packing is worth reading all of it, and makes one pack of what refs lead to. So a mirror
        is at most twice its largest pack, and 16 MiB, and over time each byte is packed again a few times only.
        """
        largest = max(self.packs, default=0)
        spread = self.loose_bytes + sum(self.packs) - largest
        return spread > max(_SPREAD_BYTES, largest) or self.loose > _SPREAD_NUMBER or len(self.packs) > _MOST_PACKS


def look_at(mirror: Path) -> MirrorFiles:
    """Everything in the folder, but not what is inside a folder of another user. Raises OSError when one of ours cannot be listed."""
    found = MirrorFiles()
    parts: dict[str, set[str]] = {}
    for entry in _entries(mirror):
        seen = entry.stat(follow_symlinks=False)
        is_folder = stat.S_ISDIR(seen.st_mode)
        if seen.st_uid != os.geteuid() or entry.name in _NEVER_MADE or not (is_folder or stat.S_ISREG(seen.st_mode)):
            found.is_foreign = True
        elif _LOCK.fullmatch(entry.name):
            found.locks.append(Path(entry.path))
        elif _UNFINISHED.fullmatch(entry.name):
            found.unfinished.append(Path(entry.path))
        elif not is_folder and _LOOSE.fullmatch(entry.name):
            found.loose += 1
            found.loose_bytes += seen.st_size
        elif _PACK_PART.fullmatch(entry.name):
            path = Path(entry.path)
            parts.setdefault(str(path.with_suffix("")), set()).add(path.suffix)
            found.packs += [seen.st_size] if path.suffix == ".pack" else []
    found.unfinished += [
        Path(stem + suffix) for stem, suffixes in parts.items() if not suffixes >= {".pack", ".idx"} for suffix in suffixes
    ]
    return found


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    waiting = [str(folder)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                yield entry
                if entry.is_dir(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_uid == os.geteuid():
                    waiting.append(entry.path)
