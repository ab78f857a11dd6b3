"""The plain files of a commit under `<state>/worktrees/<tree id>`, in which runs start.

Theory of operation. A tree is written under a name that starts with a dot, made durable, and renamed: under its own name it is complete from
the first moment. Names are created exclusively and relative to a descriptor of their folder, so no link is ever followed. Beside a tree lies
`<tree id>.manifest`, which says for each of its files and folders what `lstat` saw when it was written: type and permissions, size, and the time
of the last change of anything about it, which only the kernel sets (inode(7), `ctime`). That is how a tree that somebody edited, or that a power
cut emptied, is told from a whole one without reading it. Files that a run added to its tree are no damage.

A tree that is not whole is written anew and changes places with the old one, which runs may still have for their working directory: it stays
under a name with a dot until no run needs its tree id.

Names: `.new-*` is being written, `.old-ID.*` was replaced, `.gone-*` is being deleted. Other names are not ours and stay.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from secrets import token_hex

from torchsync.adapters.gitcommand import OBJECT_ID
from torchsync.adapters.syscalls import exchange, sync_file_system
from torchsync.core.model import TreeId
from torchsync.core.syncdoc import RecoveryAction
from torchsync.core.taskset import TreeEntry
from torchsync.errors import StateUnwritable

Contents = Iterable[tuple[TreeEntry, bytes]]

_LINK = "120000"
_MODES = {"100644": 0o644, "100755": 0o755}
_FOLDER_MODE = 0o755
_OLD_KEPT = 2
"""Replaced copies kept of one tree: a run that edits its own tree at every start must not fill the disk."""

_FIRST_LINE, _LAST_LINE = "torchsync manifest 2\n", "complete\n"


class Trees:
    """The trees under one folder. Only the holder of the mirror's lock calls `store` and `tidy`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, tree: str) -> Path:
        return self._folder / tree

    def is_present(self, tree: str) -> bool:
        """Whether the tree was written and is still there; costs the same for every tree."""
        return self._is_ours() and self.path(tree).is_dir() and self._manifest(tree).is_file()

    def is_whole(self, tree: str) -> bool:
        """Whether everything that was written is there as it was; costs a look at every file, or fewer when something is wrong."""
        root = self.path(tree)
        try:
            found = root.lstat()
        except OSError:
            return False
        is_tree = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
        return is_tree and self._is_ours() and self._manifest(tree).is_file() and _is_as_written(root, self._manifest(tree))

    def store(self, tree: TreeId, contents: Callable[[], Contents]) -> RecoveryAction | None:
        """The tree is whole and durable; TREE when it had been there and was not whole. `contents` is asked only when it is to be written.

        Raises StateUnwritable when the disk does not take it.
        """
        if self.is_whole(tree):
            return None
        was_there = self._is_usurped() or os.path.lexists(self.path(tree)) or self._manifest(tree).exists()
        try:
            self._write(tree, contents())
        except OSError as error:
            raise StateUnwritable("TS333", f"the tree {tree} cannot be written: {error.strerror}") from error
        return RecoveryAction.TREE if was_there else None

    def tidy(self) -> None:
        """What a killed writer left is gone."""
        if self._is_ours():
            remove_all(list(self._folder.glob(".new-*")))

    def retire(self, keep: Collection[str]) -> list[Path]:
        """Trees but those of `keep` are out of sight; the paths that `remove_all` is to delete."""
        gone: list[Path] = []
        for path in list(self._folder.iterdir()) if self._is_ours() else ():
            name = path.name
            if name.startswith(".gone-") or (name.startswith(".old-") and name[5:].partition(".")[0] not in keep):
                gone.append(path)
            elif name.endswith(".manifest") and name.removesuffix(".manifest") not in keep:
                path.unlink(missing_ok=True)
            elif OBJECT_ID.fullmatch(name) and name not in keep:
                gone.append(path.rename(self._folder / f".gone-{token_hex(4)}"))
        return gone

    def _write(self, tree: TreeId, contents: Contents) -> None:
        self._make_folder()
        fresh = self._folder / f".new-{token_hex(4)}"
        fresh.mkdir(mode=0o700)
        try:
            seen = _fill(fresh, contents)
            manifest = self._folder / f".new-{token_hex(4)}.manifest"
            manifest.write_text("".join((_FIRST_LINE, *seen, _LAST_LINE)))
            _make_durable(fresh)
            manifest.rename(self._manifest(tree))
            self._show(fresh, tree)
            _sync_folder(self._folder)
        finally:
            remove_all([fresh])

    def _is_ours(self) -> bool:
        return self._folder.is_dir() and not self._folder.is_symlink()

    def _is_usurped(self) -> bool:
        return os.path.lexists(self._folder) and not self._is_ours()

    def _make_folder(self) -> None:
        """The folder is there. What stood in its place, such as a link that leads elsewhere, is kept under another name."""
        if self._is_usurped():
            self._folder.rename(self._folder.with_name(f"{self._folder.name}.damaged-{token_hex(4)}"))
        self._folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        self._folder.chmod(_FOLDER_MODE)

    def _show(self, fresh: Path, tree: TreeId) -> None:
        shown = self.path(tree)
        if not os.path.lexists(shown):
            fresh.rename(shown)
            return
        exchange(fresh, shown)
        fresh.rename(self._folder / f".old-{tree}.{token_hex(4)}")
        replaced = sorted(self._folder.glob(f".old-{tree}.*"), key=lambda path: path.lstat().st_ctime_ns)
        remove_all(replaced[:-_OLD_KEPT])

    def _manifest(self, tree: str) -> Path:
        return self._folder / f"{tree}.manifest"


def remove_all(paths: Iterable[Path]) -> None:
    """None of the paths is there any more; what cannot be deleted stays for the next time."""
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


# Writing.


def _fill(root: Path, contents: Contents) -> list[str]:
    """The files are under `root`; the lines of the manifest. They come in git's order, so all of a folder come together."""
    folders = _OpenFolders(root)
    try:
        for entry, content in contents:
            parent, name = folders.enter(entry.path)
            if entry.mode == _LINK:
                os.symlink(content, name.encode("utf-8", "surrogateescape"), dir_fd=parent)
                seen = os.stat(name, dir_fd=parent, follow_symlinks=False)
            else:
                seen = _write_file(parent, name, content, _MODES[entry.mode])
            folders.lines.append(_line(entry.path, seen))
        return folders.lines
    finally:
        folders.close()


class _OpenFolders:
    """Descriptors of the folders from the root to the one that is being filled."""

    def __init__(self, root: Path) -> None:
        self.lines: list[str] = []
        self._open: list[tuple[str, int]] = [("", os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC))]
        os.fchmod(self._open[0][1], _FOLDER_MODE)

    def enter(self, path: str) -> tuple[int, str]:
        """The descriptor of the folder that `path` is in, made when it is new, and the last part of `path`."""
        if {"", ".", ".."} & set(path.split("/")):
            raise OSError(errno.EINVAL, f"{path!r} is not inside the tree")
        folder, _, name = path.rpartition("/")
        while self._open[-1][0] and not f"{folder}/".startswith(f"{self._open[-1][0]}/"):
            os.close(self._open.pop()[1])
        inside = self._open[-1][0]
        for part in folder[len(inside) :].strip("/").split("/") if folder != inside else ():
            self._make(part)
        return self._open[-1][1], name

    def close(self) -> None:
        for _, descriptor in self._open:
            os.close(descriptor)

    def _make(self, name: str) -> None:
        above, parent = self._open[-1]
        os.mkdir(name, _FOLDER_MODE, dir_fd=parent)
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        path = f"{above}/{name}" if above else name
        self._open.append((path, descriptor))
        os.fchmod(descriptor, _FOLDER_MODE)  # whatever our umask is
        self.lines.append(_line(path, os.fstat(descriptor)))


def _write_file(folder: int, name: str, content: bytes, mode: int) -> os.stat_result:
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=folder)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fchmod(descriptor, mode)
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)


# What was written, and what is there.


def _line(path: str, seen: os.stat_result) -> str:
    """One of the manifest. Of a folder only the mode counts: a run may put files into it. No name of a valid tree holds the end of a line."""
    if stat.S_ISDIR(seen.st_mode):
        return f"{seen.st_mode:o} {path}\n"
    return f"{seen.st_mode:o},{seen.st_size},{seen.st_ctime_ns} {path}\n"


def _is_as_written(root: Path, manifest: Path) -> bool:
    """Line by line, so that a manifest of any length takes no memory."""
    try:
        with manifest.open(encoding="utf-8", newline="\n") as lines:
            if lines.readline() != _FIRST_LINE:
                return False
            for line in lines:
                path = line.partition(" ")[2].rstrip("\n")
                if not path:
                    return line == _LAST_LINE
                if _line(path, os.lstat(f"{root}/{path}")) != line:
                    return False
    except (OSError, ValueError):
        return False
    return False


def _make_durable(folder: Path) -> None:
    """Everything of the file system that holds `folder` is on the disk: one wait instead of one for each file."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        sync_file_system(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
