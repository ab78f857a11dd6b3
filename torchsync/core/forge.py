"""Which forge a task repository is kept at, as its remotes tell it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Forge(Enum):
    """The forges for which `init` knows how to check pull requests. Forgejo is a Gitea here: it reads the same files."""

    GITHUB = "github"
    GITLAB = "gitlab"
    GITEA = "gitea"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Guess:
    """The forge, and in words why it is taken for the one at hand."""

    forge: Forge
    reason: str


_NAMES = {"github": Forge.GITHUB, "gitlab": Forge.GITLAB, "gitea": Forge.GITEA, "forgejo": Forge.GITEA, "codeberg.org": Forge.GITEA}
_HOST = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*://)?(?:[^/@]*@)?(\[[0-9A-Fa-f:.]+\]|[^/:@\s]+)")
_HAS_HOST = re.compile(r"(?!file:)[A-Za-z][A-Za-z0-9+.-]*://|(?:[^/:]*@)?[^/:\s]+:(?!//)")


def guess_forge(urls: Sequence[str]) -> Guess:
    """The forge of the first address whose host bears the name of one. Nothing but hosts is quoted: an address may hold a password."""
    hosts = [host for host in map(_host, urls) if host]
    for host in hosts:
        for name, forge in _NAMES.items():
            if name in host:
                return Guess(forge, f"the git remote is at {host}")
    if hosts:
        return Guess(Forge.NONE, f"the git remote is at {hosts[0]}, whose name does not say which forge that is")
    return Guess(Forge.NONE, "there is no git remote on another machine")


def _host(url: str) -> str:
    """In lower case; empty for a path on this machine."""
    found = _HOST.match(url) if _HAS_HOST.match(url) else None
    return found[1].lower() if found else ""
