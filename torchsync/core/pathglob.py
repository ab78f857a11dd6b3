"""Patterns over the paths of a repository: `*`, `?` and `[...]` stay within one folder, `**` is any number of folders, none included. Pure."""

from __future__ import annotations

from fnmatch import fnmatchcase


def matches_path(pattern: str, path: str) -> bool:
    """Whether the whole of `path`, which is relative and uses `/`, fits `pattern`. `tasks/web/**` fits everything below tasks/web."""
    return _fits(pattern.split("/"), path.split("/"))


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
