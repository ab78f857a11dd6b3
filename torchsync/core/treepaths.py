"""The paths of a tree as git has them: which are safe to write out, and where its symbolic links lead. Pure.

Links are followed as the kernel follows them (path_resolution(7)): step by step, each link where it stands, since `a/link/..` need not be `a`.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from torchsync.core.pathglob import literal_start, matches_path
from torchsync.errors import Problem

LINK = "120000"
SUBMODULE = "160000"

_MAX_NAME = 255
_MAX_PATH = 4_000
_MAX_LINKS = 40
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeEntry:
    """A file, link or submodule of a tree. `path` is relative to the root of the tree; bytes that are not UTF-8 are surrogates in it
    (`surrogateescape`). `mode` is git's: 100644, 100755, 120000 or 160000. `size` is in bytes, 0 for a submodule.
    """

    path: str
    mode: str
    object_id: str
    size: int


class Nowhere(Enum):
    """Where a path leads that leads to no entry of the tree."""

    MISSING = "is not in the tree"
    OUTSIDE = "leads out of the tree"
    CIRCLE = "leads in a circle"


@dataclass(frozen=True, slots=True)
class Folder:
    """The path leads to a folder of the tree; the root is an empty path."""

    path: str


class Tree:
    """The entries of one tree by path. `contents` holds the targets of the links."""

    def __init__(self, entries: Sequence[TreeEntry], contents: Mapping[str, bytes]) -> None:
        self._entries = {entry.path: entry for entry in entries}
        self._folders = {""}
        for entry in entries:
            self._folders.update(_parents(entry.path))
        self._targets = {entry.path: contents[entry.path] for entry in entries if entry.mode == LINK}
        self._paths = sorted(self._entries)
        self._matches: dict[str, tuple[TreeEntry, ...]] = {}

    def is_folder(self, path: str) -> bool:
        return path in self._folders

    def matching(self, pattern: str) -> tuple[TreeEntry, ...]:
        """The files and links whose paths fit the pattern, by path. A pattern is looked up once, and only below the folders that it names."""
        if pattern not in self._matches:
            self._matches[pattern] = tuple(self._entries[path] for path in self._below(pattern) if matches_path(pattern, path))
        return self._matches[pattern]

    def _below(self, pattern: str) -> Sequence[str]:
        named = literal_start(pattern)
        end = bisect_left(self._paths, f"{named}\U0010ffff")
        return self._paths[bisect_left(self._paths, named) : end]

    def resolve(self, path: str, start: str = "") -> TreeEntry | Folder | Nowhere:
        """What `path`, taken from the folder `start`, leads to once every link is followed."""
        rest = [*reversed(path.split("/"))]
        here, links = start, 0
        while rest:
            name = rest.pop()
            if name == "..":
                if not here:
                    return Nowhere.OUTSIDE
                here = here.rpartition("/")[0]
            elif name not in ("", "."):
                here = f"{here}/{name}" if here else name
            if here in self._targets:
                links += 1
                target = self._targets[here].decode("utf-8", "surrogateescape")
                if target.startswith("/"):
                    return Nowhere.OUTSIDE
                if links > _MAX_LINKS:
                    return Nowhere.CIRCLE
                rest += reversed(target.split("/"))
                here = here.rpartition("/")[0]
        return Folder(here) if here in self._folders else self._entries.get(here, Nowhere.MISSING)


def path_problems(entries: Sequence[TreeEntry], contents: Mapping[str, bytes]) -> Iterator[Problem]:
    """Everything about the tree that is not safe to write out, and every link that is not allowed."""
    tree = Tree(entries, contents)
    for entry in entries:
        message = _unsafe_name(entry.path) or _unsafe_entry(entry, tree) or ""
        if message:
            yield Problem(code="TS140", message=message, path=printable(entry.path), hint=_hint(entry))


def printable(path: str) -> str:
    """The path with everything that a terminal could take amiss written as an escape."""
    return _UNSAFE.sub(lambda found: _escaped(found[0]), path)


def _unsafe_name(path: str) -> str | None:
    parts = path.split("/")
    if _UNSAFE.search(path):
        return "the name holds bytes that are not UTF-8, or control characters"
    if any(part in ("", ".", "..") for part in parts):
        return "the path has an empty part, `.` or `..`"
    if any(part.lower() == ".git" for part in parts):
        return "a part of the path is named `.git`"
    if len(path.encode()) > _MAX_PATH or any(len(part.encode()) > _MAX_NAME for part in parts):
        return f"the path is too long: at most {_MAX_NAME} bytes for a name and {_MAX_PATH:,} for all"
    return None


def _unsafe_entry(entry: TreeEntry, tree: Tree) -> str | None:
    if entry.mode == SUBMODULE:
        return "a submodule is not allowed"
    if tree.is_folder(entry.path):
        return "the path is a file and a folder"
    if entry.mode != LINK:
        return None
    if entry.path == "tasks" or entry.path.startswith("tasks/"):
        return "a symbolic link under tasks/ is not allowed"
    if not 0 < entry.size <= _MAX_PATH:
        return f"the symbolic link is empty or longer than {_MAX_PATH:,} bytes"
    found = tree.resolve(entry.path)
    return f"the symbolic link {found.value}" if found in (Nowhere.OUTSIDE, Nowhere.CIRCLE) else None


def _hint(entry: TreeEntry) -> str:
    if entry.mode == SUBMODULE:
        return "commit its files instead"
    return "commit the file it leads to instead" if entry.mode == LINK else "rename it"


def _parents(path: str) -> Iterator[str]:
    place = path.find("/")
    while place != -1:
        yield path[:place]
        place = path.find("/", place + 1)


def _escaped(character: str) -> str:
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:
        return f"\\x{number - 0xDC00:02x}"
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
