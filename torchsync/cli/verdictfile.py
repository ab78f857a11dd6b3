"""Where `validate` keeps what it found, so that it need not find it again: `torchsync/verdicts` in the cache folder of the user.

The XDG Base Directory specification: `$XDG_CACHE_HOME`, else `~/.cache`. Nothing depends on the file: without it the verdict is the same.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from torchsync.adapters.schemas import verdict_rules
from torchsync.adapters.statefile import read_at_most
from torchsync.core.verdictcache import MAX_FILE_BYTES, VerdictCache, stored_verdicts

_FORGOTTEN_AFTER = 30 * 86_400


class VerdictFile:
    """The verdicts on the task files of one folder."""

    def __init__(self, root: Path) -> None:
        name = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:32]
        self._path = _folder() / f"{name}.json"

    def load(self) -> VerdictCache:
        """What was found before, or nothing when there is no such file, or another user could have written it."""
        return stored_verdicts(read_at_most(self._path, MAX_FILE_BYTES) if self._is_ours() else None, verdict_rules())

    def store(self, verdicts: VerdictCache) -> None:
        """The next one finds these verdicts, where the disk takes them; files that nobody has written for a month are gone."""
        if not _home().is_dir():
            return  # a home that does not exist is not ours to make
        with suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(prefix=".", dir=self._path.parent)
            with os.fdopen(descriptor, "wb") as file:
                file.write(verdicts.content())
            Path(temporary).replace(self._path)
            self._forget_others()

    def _forget_others(self) -> None:
        long_ago = time.time() - _FORGOTTEN_AFTER
        for other in self._path.parent.iterdir():
            with suppress(OSError):
                if other.lstat().st_mtime < long_ago:
                    other.unlink()

    def _is_ours(self) -> bool:
        try:
            status = self._path.lstat()
        except OSError:
            return False
        return status.st_uid == os.geteuid() and not status.st_mode & 0o022


def _folder() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(cache) if cache.startswith("/") else _home() / ".cache") / "torchsync" / "verdicts"


def _home() -> Path:
    return Path("~").expanduser()
