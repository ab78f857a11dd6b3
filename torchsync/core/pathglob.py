"""Patterns over the paths of a repository: `*`, `?` and `[...]` stay within one folder, `**` is any number of folders, none included. Pure."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

_WILD = re.compile(r"[*?\[]")


def matches_path(pattern: str, path: str) -> bool:
    """Whether the whole of `path`, which is relative and uses `/`, fits `pattern`. `tasks/web/**` fits everything below tasks/web."""
    return _fits(pattern.split("/"), path.split("/"))


def literal_start(pattern: str) -> str:
    """What every path that fits `pattern` starts with: whole folders, and a part of a name at most."""
    return _WILD.split(pattern, maxsplit=1)[0].rstrip("/")


def _fits(patterns: list[str], parts: list[str]) -> bool:
    reachable = {0}
    for pattern in patterns:
        if pattern == "**":
            reachable = set(range(min(reachable), len(parts) + 1))
        else:
            reachable = {at + 1 for at in reachable if at < len(parts) and fnmatchcase(parts[at], pattern)}
        if not reachable:
            return False
    return len(parts) in reachable
