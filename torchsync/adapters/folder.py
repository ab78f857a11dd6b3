"""A folder as the tree that git would make of it, without git: for task files that are not committed yet.

Files, links and modes are taken as `git add --all` takes them (gitglossary(7), "tree object"): empty folders and special files are not
there, a folder with a repository of its own is a submodule, `.git` is left out. What git ignores, and which empty folder is a submodule that
was not fetched, is in no file that could be read here: `adapters/gitfolder.py` asks git, where there is one.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from torchsync.core.treepaths import LINK, NO_VIEW, SUBMODULE, GitView, TreeEntry
from torchsync.errors import NotFound

_HASHED = 64 * 1024 * 1024
"""A larger file is over the limit of a commit, so its id does not matter."""


def list_folder(root: Path, view: GitView = NO_VIEW) -> tuple[TreeEntry, ...]:
    """The entries of the folder, by path; what git ignores by `view` is none. Raises NotFound when the folder or a part of it cannot be read."""
    try:
        return tuple(sorted(_entries(root, "", view), key=lambda entry: entry.path))
    except OSError as error:
        raise NotFound("TS353", f"{error.filename}: {error.strerror}") from error


def read_files(root: Path, paths: Iterable[str]) -> Mapping[str, bytes]:
    """The contents of these files of the folder, the targets of its links. Raises NotFound when one cannot be read."""
    try:
        return {path: _content(root / path) for path in paths}
    except OSError as error:
        raise NotFound("TS353", f"{error.filename}: {error.strerror}") from error


def _entries(folder: Path, prefix: str, view: GitView) -> Iterator[TreeEntry]:
    with os.scandir(folder) as found:
        for item in sorted(found, key=lambda item: item.name):
            path = f"{prefix}{item.name}"
            if item.name == ".git" or path in view.ignored:
                continue
            if item.is_dir(follow_symlinks=False):
                yield from _below(folder / item.name, path, view)
            elif item.is_symlink() or item.is_file():
                yield _entry(folder / item.name, path)


def _below(folder: Path, path: str, view: GitView) -> Iterator[TreeEntry]:
    if f"{path}/" in view.ignored:
        return
    if path in view.submodules or (folder / ".git").exists():
        yield TreeEntry(path=path, mode=SUBMODULE, object_id="", size=0)
    else:
        yield from _entries(folder, f"{path}/", view)


def _entry(file: Path, path: str) -> TreeEntry:
    status = file.lstat()
    is_link = stat.S_ISLNK(status.st_mode)
    mode = LINK if is_link else "100755" if status.st_mode & stat.S_IXUSR else "100644"
    content = _content(file) if status.st_size <= _HASHED else b""
    return TreeEntry(path=path, mode=mode, object_id=_blob_id(content), size=status.st_size)


def _content(file: Path) -> bytes:
    return os.fsencode(file.readlink()) if file.is_symlink() else file.read_bytes()


def _blob_id(content: bytes) -> str:
    """The id that git gives to a file (gitformat-pack(5)): it names content, and guards nothing."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
