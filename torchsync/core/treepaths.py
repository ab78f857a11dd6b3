"""The paths of a tree as git has them: which are safe to write out, and where its symbolic links lead. Pure.

What git itself refuses when it fetches is refused here again: no setting of git, and no way of fetching, stands between a tree and a host. A name
is refused as well when it would be another file's on a system that ignores case or what cannot be seen: such pairs are not told apart in review,
and no checkout of a colleague holds both. What such a system takes for the same must not depend on the version of Python that looks, so names are
folded by the Unicode of 2002, which every version has.

Links are followed as the kernel follows them (path_resolution(7)): step by step, each link where it stands, since `a/link/..` need not be `a`.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from torchsync.core.pathglob import literal_start, matches_path
from torchsync.errors import Problem

PLAIN = "100644"
PROGRAM = "100755"
LINK = "120000"
SUBMODULE = "160000"

_MAX_NAME = 255
_MAX_PATH = 4_000
_MAX_DEPTH = 100
_MAX_LINKS = 40
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Bytes that are not UTF-8, control characters, and those that turn the direction of writing or end a line."""
_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u206a-\u206f\ufeff]")
"""Characters that have no width; HFS+ ignores most of them."""
_UNICODE = unicodedata.ucd_3_2_0


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeEntry:
    """A file, link or submodule of a tree. `path` is relative to the root of the tree; bytes that are not UTF-8 are surrogates in it
    (`surrogateescape`). `mode` is git's: 100644, 100755, 120000 or 160000. `size` is in bytes, 0 for a submodule.
    """

    path: str
    mode: str
    object_id: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GitView:
    """What git knows of a folder that is no commit yet; paths are relative to it. `ignored` are untracked files that git ignores, and with `/` on
    their end folders of which it ignores all; `submodules` are folders that are submodules, whether they are filled or not. Both are empty where
    there is no git.
    """

    ignored: frozenset[str] = frozenset()
    submodules: frozenset[str] = frozenset()


NO_VIEW = GitView()


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

    def holds_nul(self, link: str) -> bool:
        return b"\0" in self._targets[link]

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
    twins = _Twins()
    for entry in entries:
        message = _unsafe_name(entry.path) or _unsafe_entry(entry, tree) or twins.fault(entry.path)
        if message:
            yield Problem(code="TS140", message=message, path=printable(entry.path), hint=_hint(entry))


class _Twins:
    """The paths seen so far, files and folders, as a system would have them that knows no case."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}
        self._files: set[str] = set()

    def fault(self, path: str) -> str:
        """Why the path cannot stand beside those that were asked about before; empty when it can."""
        if path in self._files:
            return "the path is there twice"
        self._files.add(path)
        for part in (*_parents(path), path):
            first = self._first.setdefault(_folded(part), part)
            if first != part:
                return f"the name differs only in case, or in what cannot be seen, from `{printable(first)}`"
        return ""


def _folded(path: str) -> str:
    if path.isascii():
        return path.lower()
    seen = _UNSEEN.sub("", path)
    return _UNICODE.normalize("NFC", "".join(one.casefold() if _UNICODE.category(one) != "Cn" else one for one in seen))


def printable(path: str) -> str:
    """The path with everything that a terminal could take amiss written as an escape."""
    return _UNSEEN.sub(lambda found: _escaped(found[0]), _UNSAFE.sub(lambda found: _escaped(found[0]), path))


def _unsafe_name(path: str) -> str | None:
    if _UNSAFE.search(path):
        return "the name holds bytes that are not UTF-8, or characters that cannot be seen"
    parts = path.split("/")
    if len(path.encode()) > _MAX_PATH or len(parts) > _MAX_DEPTH:
        return f"the path is too long: at most {_MAX_PATH:,} bytes and {_MAX_DEPTH} parts are allowed"
    return next(filter(None, map(_unsafe_part, parts)), None)


def _unsafe_part(part: str) -> str | None:
    if part in ("", ".", ".."):
        return "the path has an empty part, `.` or `..`"
    if _is_git_folder(part):
        return "a part of the path is `.git`, or would be on another system"
    if part.startswith("-"):
        return "a part of the path begins with a dash: programs take it for an option"
    return f"the name is too long: at most {_MAX_NAME} bytes are allowed" if len(part.encode()) > _MAX_NAME else None


def _is_git_folder(part: str) -> bool:
    """As git judges it for HFS+ and NTFS (core.protectHFS, core.protectNTFS): characters that are ignored, short names, streams, dots at the end."""
    name = part if part.isascii() else _UNSEEN.sub("", part)
    return name.partition(":")[0].rstrip(" .").lower() in (".git", "git~1")


def _unsafe_entry(entry: TreeEntry, tree: Tree) -> str | None:
    if entry.mode == SUBMODULE:
        return "a submodule is not allowed"
    if tree.is_folder(entry.path):
        return "the path is a file and a folder"
    return _unsafe_link(entry, tree) if entry.mode == LINK else None


def _unsafe_link(link: TreeEntry, tree: Tree) -> str | None:
    if link.path == "tasks" or link.path.startswith("tasks/"):
        return "a symbolic link under tasks/ is not allowed"
    if not 0 < link.size <= _MAX_PATH:
        return f"the symbolic link is empty or longer than {_MAX_PATH:,} bytes"
    if tree.holds_nul(link.path):
        return "the target of the symbolic link holds a NUL"
    found = tree.resolve(link.path)
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
