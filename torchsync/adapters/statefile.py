"""The state directory: made, checked, locked by one agent, and the one way in which JSON state is written.

Theory of operation. A state file is replaced whole: written under a temporary name in the same folder, fsynced, renamed over the old one, and
the folder is fsynced, so that after a loss of power there is the old content or the new one and never a part (rename(2); Pillai et al.,
OSDI 2014, for why each of the steps is needed). Temporary names start with `.new-`; what a crash left of them goes at the next start.

The lock is an flock(2) on the folder itself, which needs no write: it can be had on a disk that is full or read-only, it goes with the
process that holds it however that ends, and two agents can never hold it by different names. The file `lock` only says who has it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from contextlib import ExitStack, suppress
from enum import Enum
from pathlib import Path

from torchsync.errors import Problem, StateHeld, StateUncreatable, StateUnwritable

_TEMPORARY = ".new-"
_MARK = "shadow"
_MARK_TEXT = b"Kept by `torchsync agent --shadow`: nothing that is noted here ever ran.\n"
_KEPT = ("lock", "generation.json", "ledger.sqlite", "control.json", "sync.json", "repo.git")
"""What an agent leaves, the first of it at once."""
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})


class Keeper(Enum):
    """Whose history a state directory holds. Each refuses that of the other: what a shadow noted as run never ran."""

    AGENT = "agent"
    SHADOW = "shadow"


class StateDirectory:
    """`paths.state` and `paths.run`, ready for use and held by this process until `close`. Fits `ports.Store`.

    Raises StateHeld when another agent holds the folder, StateUncreatable when it cannot be made, belongs to another user, or is kept by another
    kind of agent. A disk that is full or read-only is said in `notices` and stops nothing.
    """

    def __init__(self, state: Path, run: Path, keeper: Keeper = Keeper.AGENT) -> None:
        self.path = state
        self.run = run
        self.worktrees = state / "worktrees"
        self.runs = state / "runs"
        self.ledger = state / "ledger.sqlite"
        self.notices: list[Problem] = []
        _own_folder(state, 0o711, "paths.state")
        with ExitStack() as undo:
            self._folder = os.open(state, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            undo.callback(os.close, self._folder)
            self._lock()
            self._enter(keeper)
            self._prepare()
            _own_folder(run, 0o755, "paths.run")
            undo.pop_all()

    def write(self, name: str, document: bytes) -> None:
        """`name` holds `document`, durably and atomically; else StateUnwritable, and the old content stands."""
        replace_file(self.path / name, document)

    def read(self, name: str) -> bytes | None:
        """The content, or None when there is no such file. Raises StateUnwritable when the disk fails."""
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateUnwritable("TS334", f"{self.path / name} cannot be read: {error.strerror}") from error

    def set_aside(self, name: str) -> Path:
        """The damaged file is renamed so that it is kept but not read again; the new path. Raises StateUnwritable."""
        number = 1
        while (kept := self.path / f"{name}.damaged-{number}").exists():
            number += 1
        try:
            (self.path / name).rename(kept)
            _sync_folder(self.path)
        except OSError as error:
            raise _unwritable(self.path / name, error) from error
        return kept

    def close(self) -> None:
        """Another agent may take the state directory."""
        os.close(self._folder)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = _holder(self.path)
            raise StateHeld("TS330", f"another agent ({holder}) holds {self.path}") from error

    def _enter(self, keeper: Keeper) -> None:
        """A shadow marks its folder before anything else is in it."""
        is_marked = (self.path / _MARK).exists()
        if is_marked and keeper is Keeper.AGENT:
            message = f"{self.path} is kept by a shadow, which noted runs that never ran; set paths.state, or remove the folder"
            raise StateUncreatable("TS370", message)
        if is_marked or keeper is Keeper.AGENT:
            return
        if found := next((name for name in _KEPT if (self.path / name).exists()), None):
            raise StateUncreatable("TS371", f"{self.path} holds {found} of an agent that starts runs; a shadow keeps a folder of its own")
        try:
            replace_file(self.path / _MARK, _MARK_TEXT)
        except StateUnwritable as error:
            raise StateUncreatable("TS331", error.message) from error

    def _prepare(self) -> None:
        try:
            for leftover in self.path.glob(f"{_TEMPORARY}*"):
                leftover.unlink()
            for folder, mode in ((self.worktrees, 0o755), (self.runs, 0o700)):
                folder.mkdir(exist_ok=True)
                folder.chmod(mode)
            replace_file(self.path / "lock", f"{os.getpid()}\n".encode())
        except (OSError, StateUnwritable) as error:
            why = error.message if isinstance(error, StateUnwritable) else f"{self.path} cannot be written: {error.strerror}"
            self.notices.append(Problem(code="TS333", message=why, path=str(self.path)))


def replace_file(path: Path, content: bytes, mode: int = 0o600) -> None:
    """The file holds `content`, durably, and has never held anything in between. Raises StateUnwritable; then the old content stands.

    One process at a time may replace a file. When only the fsync of the folder fails, the new content may be seen; it is not sure to last.
    """
    temporary = path.with_name(f"{_TEMPORARY}{path.name}")
    try:
        with ExitStack() as undo:
            undo.callback(_discard, temporary)
            _write_durably(temporary, content, mode)
            temporary.rename(path)
            undo.pop_all()
        _sync_folder(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error


def read_at_most(path: Path, limit: int) -> bytes | None:
    """What the file holds, and a byte more than `limit` when it is larger; None when it cannot be read, or is no plain file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            return file.read(limit + 1) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
    except OSError:
        return None


def is_held(state: Path) -> bool:
    """Whether an agent holds the state directory just now. False when there is none, or this user may not look."""
    try:
        folder = os.open(state, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(folder, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(folder)
    return False


def _own_folder(folder: Path, mode: int, setting: str) -> None:
    """The folder is there, ours, and has this mode as far as its disk lets us."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found = folder.stat()
    except OSError as error:
        message = f"{folder} ({setting}) cannot be made: {error.strerror}"
        raise StateUncreatable("TS331", message) from error
    if found.st_uid != os.geteuid():
        message = f"{folder} ({setting}) belongs to the user with id {found.st_uid}, and the agent runs as {os.geteuid()}"
        raise StateUncreatable("TS332", message)
    if found.st_mode & 0o7777 == mode:
        return
    try:
        folder.chmod(mode)
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise StateUncreatable("TS331", f"{folder} ({setting}) cannot be given the mode {mode:o}: {error.strerror}") from error


def _holder(state: Path) -> str:
    with suppress(OSError, ValueError):
        return f"process {int((state / 'lock').read_bytes())}"
    return "of unknown process id"


def _write_durably(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _discard(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError) -> StateUnwritable:
    return StateUnwritable("TS333", f"{path} cannot be written: {error.strerror}")
