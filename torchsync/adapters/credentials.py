"""Secrets that are handed to a run, as files in a directory of its own. Part of the process executor.

    <paths.run>/credentials/<run id>/<name>

They lie in memory where `paths.run` is a tmpfs, as /run is. The user of the run may list the directory and read the files and nothing else: they stay
the agent's, and an access control list (acl(5)) lets that one user in, so that a run cannot fill the memory behind /run with them. On a file
system without such lists they are given to the user instead. Whoever holds the name of a run sees no more than that there are secrets.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import struct
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from torchsync.adapters.syscalls import file_system_magic
from torchsync.core.model import Run
from torchsync.errors import Problem

MOST_BYTES = 1 << 20
_IN_MEMORY = frozenset({0x01021994, 0x858458F6})
"""TMPFS_MAGIC and RAMFS_MAGIC of statfs(2)."""
_NO_LISTS = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
_ACL = "system.posix_acl_access"
_USER_OBJ, _USER, _GROUP_OBJ, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
_NOBODY = 0xFFFFFFFF
_READ, _ENTER = 0o4, 0o5


class NoCredential(Exception):
    """A secret cannot be handed over; the text is the reason, a sentence."""


class CredentialFolders:
    """The directories of the runs, all in one folder of the agent's."""

    def __init__(self, run: Path, notice: Callable[[str], None]) -> None:
        self._root = run / "credentials"
        self._notice = notice
        self._is_secret = True

    def of_run(self, run: Run, granted: Mapping[str, str], uid: int) -> str:
        """The directory in which `uid` finds the secrets that the task asks for, empty when there are none. Raises NoCredential."""
        names = run.task.credentials
        if not names:
            return ""
        ungranted = [name for name in names if name not in granted]
        if ungranted:
            raise NoCredential(f"the secret {ungranted[0]!r} is not granted to user {run.user!r} by policy.secrets of this host")
        if self._is_secret and not self.is_in_memory:
            self._notice(f"{self._root.parent} is not in memory: the secrets that runs are handed are written to a disk for their time")
            self._is_secret = False
        return self.hand_over(run.attempt_id, {name: granted[name] for name in names}, uid)

    @property
    def is_in_memory(self) -> bool:
        return file_system_magic(self._root.parent) in _IN_MEMORY

    def hand_over(self, run: str, files: Mapping[str, str], uid: int) -> str:
        """The directory in which `uid` finds the content of each of the `files`, by its name. Raises NoCredential when one cannot be read or
        written; then nothing of it is left.
        """
        contents = {name: _content(name, path) for name, path in files.items()}
        folder = self._root / run
        try:
            self._root.mkdir(exist_ok=True)
            self._root.chmod(0o711)  # Whatever the umask of the agent is: its users pass through.
            folder.mkdir(mode=0o700)
            for name, content in contents.items():
                _write(folder / name, content, uid)
            _let_in(folder, uid, _ENTER)
        except OSError as error:
            self.drop(run)
            raise NoCredential(f"the secrets of the run cannot be written to {folder}: {error.strerror}") from error
        return str(folder)

    def drop(self, run: str) -> None:
        """The directory of the run is gone, if there was one."""
        folder = self._root / run
        with suppress(OSError):
            folder.chmod(0o700)
        shutil.rmtree(folder, ignore_errors=True)

    def sweep(self, kept: Collection[str]) -> None:
        """The directories of all other runs are gone."""
        for folder in self._root.iterdir() if self._root.is_dir() else ():
            if folder.name not in kept:
                self.drop(folder.name)


def secret_problems(files: Mapping[str, str]) -> tuple[Problem, ...]:
    """Everything that keeps the files from being secrets that can be handed over, TS303."""
    return tuple(problem for name, path in files.items() for problem in _judged(name, Path(path)))


def _judged(name: str, path: Path) -> Iterator[Problem]:
    try:
        _content(name, str(path))
        found = path.stat()
    except NoCredential as reason:
        yield Problem(code="TS303", message=str(reason), hint="put the file there, or take the secret out of policy.secrets")
        return
    if found.st_mode & 0o007:
        message = f"{path} has the mode {stat.S_IMODE(found.st_mode):04o}: every user may read or change the secret {name!r}"
        yield Problem(code="TS303", message=message, hint=f"chmod 600 {path}")
    if found.st_uid not in (0, os.geteuid()):
        message = f"{path} belongs to the user with the number {found.st_uid}, who may change the secret {name!r}"
        yield Problem(code="TS303", message=message, hint=f"chown root {path}")


def _content(name: str, path: str) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise NoCredential(f"the secret {name!r} cannot be handed over: {path} is no file")
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise NoCredential(f"the secret {name!r} cannot be handed over: {path}: {error.strerror}") from error
    if len(content) > MOST_BYTES:
        raise NoCredential(f"the secret {name!r} cannot be handed over: {path} has more than {MOST_BYTES} bytes")
    return content


def _write(path: Path, content: bytes, uid: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    _let_in(path, uid, _READ)


def _let_in(path: Path, uid: int, right: int) -> None:
    """Besides the agent's user only `uid` has the right."""
    if uid == os.geteuid():
        path.chmod(right << 6)
        return
    try:
        os.setxattr(path, _ACL, _access_list(uid, right))
    except OSError as error:
        if error.errno not in _NO_LISTS:
            raise
        path.chmod(right << 6)
        os.chown(path, uid, -1)


def _access_list(uid: int, right: int) -> bytes:
    """As linux/posix_acl_xattr.h has it: version 2, then tag, rights and id of each entry in the order of their tags."""
    entries = ((_USER_OBJ, right, _NOBODY), (_USER, right, uid), (_GROUP_OBJ, 0, _NOBODY), (_MASK, right, _NOBODY), (_OTHER, 0, _NOBODY))
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
