"""The bare mirror of the remote at `<state>/repo.git`: made, kept up to date and repaired, by one process at a time.

Theory of operation. Whoever works on the mirror holds a lock on `<state>/repo.lock`. The descriptor of that lock stays open in every git
process, so the lock lasts until the last of them is gone, also when their parent was killed: what a lock file, a temporary file or a broken
ref then means is certain, and they are cleared away. A mirror is fetched beside under a name with a dot, complete, and renamed into place;
that is how the first one is made and how a damaged one is replaced, so a failed repair leaves what was there. Nothing of this touches a tree
that was written out, or what runs.

Sources: flock(2) for the life of a lock, gitrepository-layout(5).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

from torchsync.adapters.git import Ended, GitRunner
from torchsync.adapters.gitaccess import failure
from torchsync.adapters.gitcommand import OBJECT_ID, TIP, GitHome, fetch, initialise, local
from torchsync.adapters.gitobjects import Repository
from torchsync.adapters.gitproblem import is_overloaded, shown, timeout_problem
from torchsync.core.model import Revision
from torchsync.core.remoteurl import redact
from torchsync.core.syncdoc import RecoveryAction, RemoteSpec
from torchsync.errors import CommitInvalid, Problem, TorchsyncError, Unavailable

_NAME = "repo.git"
_BESIDE = ".repo.git-"
_LOCK = "repo.lock"
_LOCK_POLL = 0.05
_SAMPLE = "17"
"""Loose objects are spread over 256 folders by their id: one of them tells how many there are."""
_MOST_IN_SAMPLE, _MOST_PACKS = 27, 50


@contextmanager
def mirror_lock(state: Path, patience: float) -> Iterator[int]:
    """The descriptor of the lock, which is held; raises Unavailable when another process keeps it for more than `patience` seconds."""
    descriptor = os.open(state / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        _lock(descriptor, time.monotonic() + patience)
        yield descriptor
    finally:
        os.close(descriptor)


class Mirror:
    """The mirror of one remote. The caller holds its lock.

    `recoveries` counts what was repaired; `is_overloaded` tells that the remote wants to be asked later.
    """

    def __init__(self, state: Path, remote: RemoteSpec, runner: GitRunner, home: GitHome) -> None:
        self.recoveries: Counter[RecoveryAction] = Counter()
        self.is_overloaded = False
        self._state = state
        self._folder = state / _NAME
        self._remote = remote
        self._runner = runner
        self._home = home
        self._repository = self._repository_at(self._folder)

    def tidy(self) -> None:
        """What killed processes left is gone: unfinished mirrors, locks, temporary files, a ref without a target."""
        for left in self._state.glob(f"{_BESIDE}*"):
            shutil.rmtree(left, ignore_errors=True)
        if self._flaw():
            return
        locks = [path for path in self._folder.rglob("*.lock") if _remove(path)]
        if locks:
            self.recoveries[RecoveryAction.LOCK] += 1
        for pattern in ("tmp_*", "*/tmp_*", "incoming-*", "tmp_objdir-*", "pack/.tmp-*"):
            for path in (self._folder / "objects").glob(pattern):
                _remove(path)
        tip = self._folder / TIP
        if tip.exists() and not OBJECT_ID.fullmatch(tip.read_text(errors="replace").strip()):
            _remove(tip)
            self.recoveries[RecoveryAction.REF] += 1
        self._pack()

    def obtain(self, ref_name: str, revision: Revision) -> Repository:
        """A repository that has `revision` with its whole history; the remote is asked only when the mirror does not have it as its tip.

        Raises Unavailable when the remote does not give it, CommitInvalid when it gives objects that git does not accept.
        """
        source = ref_name or revision
        flaw = self._flaw()
        if flaw or self._is_of_other_format(revision):
            self._rebuild(source, revision, flaw)
        elif (tip := self._repository.commit(TIP)) is None and (self._folder / TIP).exists():
            self._rebuild(source, revision, RecoveryAction.MIRROR)
        elif tip != revision:
            self._update(source, revision, is_first=tip is None)
        if self._repository.commit(revision) != revision:
            kind = self._repository.kind(revision)
            found = (
                f"has a {kind}, and no commit, at {source}" if kind else f"does not have {revision[:12]} any more: {source} moved meanwhile"
            )
            raise Unavailable("TS205", f"{redact(self._remote.url)} {found}")
        return self._repository

    def at_hand(self, *revisions: str) -> Repository | None:
        """The repository as it is, when it has all of these; the remote is not asked."""
        return None if self._flaw() or not all(map(self._repository.commit, revisions)) else self._repository

    def rebuild(self, ref_name: str, revision: Revision) -> Repository:
        """A new mirror has taken the place of one that turned out to be damaged."""
        self._rebuild(ref_name or revision, revision, RecoveryAction.MIRROR)
        return self._repository

    def _pack(self) -> None:
        """Small fetches leave loose objects and small packs; from time to time they become one pack, as git's own `gc --auto` has it.

        That this fails means nothing: damage shows when the objects are read.
        """
        objects = self._folder / "objects"
        loose = sum(1 for _ in (objects / _SAMPLE).glob("*"))
        packs = sum(1 for _ in (objects / "pack").glob("*.pack"))
        if loose > _MOST_IN_SAMPLE or packs > _MOST_PACKS:
            self._runner.run(local(self._home, str(self._folder), "repack", "-a", "-d", "-q"), self._remote.clone_timeout_ms / 1000)

    def _flaw(self) -> RecoveryAction | None:
        """Why the mirror cannot be used as it stands, as the action that repairs it."""
        try:
            found = self._folder.lstat()
        except FileNotFoundError:
            return RecoveryAction.MIRROR
        if found.st_uid != os.geteuid():
            return RecoveryAction.OWNER
        whole = all((self._folder / name).is_dir() for name in ("objects", "refs")) and not self._folder.is_symlink()
        return None if whole else RecoveryAction.MIRROR

    def _is_of_other_format(self, revision: Revision) -> bool:
        config = self._folder / "config"
        return ("sha256" in config.read_text(errors="replace") if config.exists() else False) != (len(revision) == 64)

    def _update(self, source: str, revision: Revision, *, is_first: bool) -> None:
        timeout = self._remote.clone_timeout_ms if is_first else self._remote.timeout_ms
        try:
            self._fetch(self._folder, source, timeout / 1000)
        except Unavailable as error:
            if error.code not in ("TS201", "TS209") or self._repository.is_whole():
                raise
            self._rebuild(source, revision, RecoveryAction.MIRROR)

    def _rebuild(self, source: str, revision: Revision, action: RecoveryAction | None) -> None:
        """What there was stays until the new mirror is complete."""
        fresh = self._state / f"{_BESIDE}{token_hex(4)}"
        fresh.mkdir(mode=0o700)
        try:
            ended = self._runner.run(
                initialise(self._home, str(fresh), "sha256" if len(revision) == 64 else "sha1"), self._remote.timeout_ms / 1000
            )
            if ended.status != 0:
                raise Unavailable("TS209", f"the local copy of the repository cannot be made: {shown(ended.stderr)}")
            self._fetch(fresh, source, self._remote.clone_timeout_ms / 1000)
            self._swap_in(fresh, action)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    def _swap_in(self, fresh: Path, action: RecoveryAction | None) -> None:
        if os.path.lexists(self._folder):
            old = self._state / f"{_BESIDE}{token_hex(4)}"
            self._folder.rename(old)
            fresh.rename(self._folder)
            _remove(old)
            if action is not None:
                self.recoveries[action] += 1
        else:
            fresh.rename(self._folder)

    def _fetch(self, folder: Path, source: str, timeout: float) -> None:
        ended = self._runner.run(fetch(self._remote, self._home, str(folder), source), timeout)
        if ended.timed_out:
            raise _failed(timeout_problem(self._remote.url, timeout))
        if ended.status != 0:
            self.is_overloaded = is_overloaded(ended.stderr)
            raise _failed(self._why(ended))

    def _why(self, ended: Ended) -> Problem:
        return failure(ended.stderr or f"git ended with status {ended.status}", self._remote)

    def _repository_at(self, folder: Path) -> Repository:
        return Repository(self._runner, self._home, str(folder), self._remote.timeout_ms / 1000)


def _failed(problem: Problem) -> TorchsyncError:
    kind = CommitInvalid if problem.reason else Unavailable
    return kind(problem.code, problem.message, (problem,))


def _lock(descriptor: int, deadline: float) -> None:
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise Unavailable("TS220", "another sync process is still at work on the local copy of the repository") from None
            time.sleep(_LOCK_POLL)


def _remove(path: Path) -> bool:
    """Whether something was there to be removed; what cannot be removed stays."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
        return True
    existed = os.path.lexists(path)
    path.unlink(missing_ok=True)
    return existed
