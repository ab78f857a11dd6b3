"""Where `validate` and `plan` keep what they found, so that they need not find it again: `torchsync/verdicts` in the cache folder of the user.

The XDG Base Directory specification: `$XDG_CACHE_HOME`, else `~/.cache`. Nothing depends on the file: without it the verdict is the same.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from torchsync.adapters.schemas import verdict_rules
from torchsync.adapters.statefile import read_at_most
from torchsync.core.treepaths import TreeEntry
from torchsync.core.verdictcache import MAX_FILE_BYTES, VerdictCache, settings_of, stored_verdicts

_FORGOTTEN_AFTER = 30 * 86_400


class VerdictFile:
    """The verdicts on the task files of one folder, by the torchsync.yaml that they were given under: one file for each of these, since the two
    sides of a change may have different ones. Without `is_kept` nothing is taken from files and nothing stored.
    """

    def __init__(self, root: Path, *, is_kept: bool = True) -> None:
        self._is_kept = is_kept
        self._root = os.fsencode(root.resolve())
        self._loaded: dict[str, VerdictCache] = {}

    def load(self, entries: Sequence[TreeEntry] = ()) -> VerdictCache:
        """What was found before under the torchsync.yaml among the entries, and since by this process; nothing when there is no such file, or
        another user could have written it.
        """
        settings = settings_of(entries)
        if settings not in self._loaded:
            path = self._path(settings)
            is_good = self._is_kept and _is_ours(path)
            self._loaded[settings] = stored_verdicts(read_at_most(path, MAX_FILE_BYTES) if is_good else None, verdict_rules())
        return self._loaded[settings]

    def store_news(self) -> None:
        """The next one finds the verdicts that are new, where the disk takes them; files that nobody has written for a month are gone."""
        for settings, verdicts in self._loaded.items():
            if self._is_kept and verdicts.has_news():
                self._store(self._path(settings), verdicts)

    def _path(self, settings: str) -> Path:
        name = hashlib.sha256(b"\0".join((self._root, settings.encode()))).hexdigest()[:32]
        return _folder() / f"{name}.json"

    def _store(self, path: Path, verdicts: VerdictCache) -> None:
        if not _home().is_dir():
            return  # a home that does not exist is not ours to make
        with suppress(OSError):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(prefix=".", dir=path.parent)
            with os.fdopen(descriptor, "wb") as file:
                file.write(verdicts.content())
            Path(temporary).replace(path)
            _forget_old(path.parent)


def _forget_old(folder: Path) -> None:
    long_ago = time.time() - _FORGOTTEN_AFTER
    for file in folder.iterdir():
        with suppress(OSError):
            if file.lstat().st_mtime < long_ago:
                file.unlink()


def _is_ours(path: Path) -> bool:
    try:
        status = path.lstat()
    except OSError:
        return False
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022


def _folder() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(cache) if cache.startswith("/") else _home() / ".cache") / "torchsync" / "verdicts"


def _home() -> Path:
    return Path("~").expanduser()
