"""The bare mirror of the remote at `<state>/repo.git`: made, kept up to date and repaired, by one process at a time.

Theory of operation. Whoever works on the mirror holds a lock on `<state>/repo.lock`. The descriptor of that lock stays open in every git
process, so the lock lasts until the last of them is gone, also when their parent was killed: what a lock file, a temporary file or a broken
ref then means is certain, and they are cleared away. A mirror is fetched beside under a name with a dot, complete, and changes places with
the one that is there; that is how the first one is made and how a damaged one is replaced, so a failed repair leaves what was there. Nothing
of this touches a tree that was written out, or what runs.

Everything in the mirror is ours to delete; beside it only names that start with `.repo.git-` are.

Sources: flock(2) for the life of a lock, gitrepository-layout(5).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

from torchsync.adapters.git import Ended, GitRunner
from torchsync.adapters.gitaccess import failure
from torchsync.adapters.gitcommand import OBJECT_ID, TIP, GitHome, fetch, initialise, local
from torchsync.adapters.gitobjects import Repository
from torchsync.adapters.gitproblem import is_overloaded, shallow_problem, shown, timeout_problem
from torchsync.adapters.mirrorfiles import look_at
from torchsync.adapters.syscalls import exchange
from torchsync.core.model import Revision
from torchsync.core.remoteurl import redact
from torchsync.core.syncdoc import RecoveryAction, RemoteSpec
from torchsync.errors import CommitInvalid, Problem, TorchsyncError, Unavailable

_NAME = "repo.git"
_BESIDE = ".repo.git-"
_LOCK = "repo.lock"
_LOCK_POLL = 0.05
_NEEDED = "refs/torchsync/needed-"
"""Refs while the mirror is packed."""


@contextmanager
def mirror_lock(state: Path, patience: float) -> Iterator[int]:
    """The descriptor of the lock, which is held; raises Unavailable when another process keeps it for more than `patience` seconds."""
    path = state / _LOCK
    if path.is_symlink() or path.is_dir():  # what stands in its place is kept under another name
        path.rename(state / f"{_LOCK}.damaged-{token_hex(4)}")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
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

    def tidy(self, needed: Iterable[str] = ()) -> None:
        """What killed processes left is gone: unfinished mirrors, locks, temporary files, a ref without a target. What is spread over many objects is
        in one pack, together with the `needed` revisions, which the remote may not have any more.
        """
        for left in self._state.glob(f"{_BESIDE}*"):
            _remove(left)
        if self._flaw():
            return
        found = look_at(self._folder)
        if found.locks:
            self.recoveries[RecoveryAction.LOCK] += 1
        for path in (*found.locks, *found.unfinished):
            _remove(path)
        tip = self._folder / TIP
        if tip.exists() and not (tip.is_file() and OBJECT_ID.fullmatch(tip.read_text(errors="replace").strip())):
            _remove(tip)
            self.recoveries[RecoveryAction.REF] += 1
        if found.is_spread_out and tip.exists():  # without a ref everything would be dropped
            self._pack(needed)

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

    def _pack(self, needed: Iterable[str]) -> None:
        """Loose objects and small packs, which small fetches leave, become one pack; what neither a ref nor `needed` leads to is gone.

        That this fails means nothing: damage shows when the objects are read, and what a killed one left goes with the next sync. Nothing is
        packed unless everything that is needed has a ref meanwhile.
        """
        here = [revision for revision in needed if revision and self._repository.commit(revision)]
        kept = [("update-ref", f"{_NEEDED}{number}", revision) for number, revision in enumerate(here)]
        if all(self._does(*words) for words in kept) and self._does("repack", "-a", "-d", "-q"):
            self._does("prune", "--expire=now")
        for ref in self._folder.glob(f"{_NEEDED}*"):
            _remove(ref)

    def _does(self, *words: str) -> bool:
        """Whether git did that to the mirror in time."""
        return self._runner.run(local(self._home, str(self._folder), *words), self._remote.timeout_ms / 1000).status == 0

    def _flaw(self) -> RecoveryAction | None:
        """Why the mirror cannot be used as it stands, as the action that repairs it."""
        try:
            found = self._folder.lstat()
        except FileNotFoundError:
            return RecoveryAction.MIRROR
        if found.st_uid != os.geteuid():
            return RecoveryAction.OWNER
        if not stat.S_ISDIR(found.st_mode):
            return RecoveryAction.MIRROR
        try:
            is_foreign = look_at(self._folder).is_foreign
        except OSError:
            return RecoveryAction.MIRROR
        if is_foreign:
            return RecoveryAction.OWNER
        return None if all((self._folder / name).is_dir() for name in ("objects", "refs")) else RecoveryAction.MIRROR

    def _is_of_other_format(self, revision: Revision) -> bool:
        config = self._folder / "config"
        return ("sha256" in config.read_text(errors="replace") if config.is_file() else False) != (len(revision) == 64)

    def _update(self, source: str, revision: Revision, *, is_first: bool) -> None:
        timeout = self._remote.clone_timeout_ms if is_first else self._remote.timeout_ms
        try:
            self._fetch(self._folder, source, timeout / 1000)
        except TorchsyncError as error:
            self._clear_unfinished()
            if not self._is_damaged(error.code):
                raise
            self._rebuild(source, revision, RecoveryAction.MIRROR)

    def _is_damaged(self, code: str) -> bool:
        """Whether a fetch that ended with `code` may have failed because of the mirror. A remote that cannot be reached costs a look at what is
        there; only where git found damage, be it here or on the other side, all of the mirror is read.
        """
        match code:
            case "TS201":
                return not self._repository.is_whole()
            case "TS209":
                return not self._repository.is_sound(self._remote.clone_timeout_ms / 1000)
            case _:
                return False

    def _clear_unfinished(self) -> None:
        """What the failed fetch had written takes no room."""
        for path in look_at(self._folder).unfinished:
            _remove(path)

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
            _remove(fresh)

    def _swap_in(self, fresh: Path, action: RecoveryAction | None) -> None:
        if not os.path.lexists(self._folder):
            fresh.rename(self._folder)
            return
        exchange(fresh, self._folder)
        _remove(fresh)
        if action is not None:
            self.recoveries[action] += 1

    def _fetch(self, folder: Path, source: str, timeout: float) -> None:
        ended = self._runner.run(fetch(self._remote, self._home, str(folder), source), timeout)
        if ended.timed_out:
            raise _failed(timeout_problem(self._remote.url, timeout))
        if ended.status != 0:
            self.is_overloaded = is_overloaded(ended.stderr)
            raise _failed(self._why(ended))
        if shallow := shallow_problem(ended.stderr, self._remote.url):
            raise _failed(shallow)

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
