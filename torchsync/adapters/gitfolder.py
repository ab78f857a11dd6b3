"""What git knows of a folder that it has checked out: what it ignores there, and which folders are submodules. Nothing is written.

Git is asked twice, and nothing that the repository configures is run: listing files needs no filter and no hook. Ignored is what the repository
itself says, in `.gitignore` and `info/exclude` (gitignore(5)); what one user ignores everywhere is not known to colleagues and runners.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from torchsync.adapters.gitcommand import DEFAULT_SEARCH_PATH, GitHome, in_folder
from torchsync.core.treepaths import NO_VIEW, GitView

_TIMEOUT = 60.0
_NO_HOME = "/nonexistent"
_SUBMODULE = "160000 "
_ALL_OF_IT = "./"


def git_view(root: Path) -> GitView:
    """What git says of the folder; nothing outside of a work tree, where git is not installed, and where it cannot say."""
    if shutil.which("git") is None or not is_in_git(root):
        return NO_VIEW
    ignored = frozenset(_listed(root, "--others", "--ignored", "--exclude-standard", "--directory"))
    submodules = frozenset(line.partition("\t")[2] for line in _listed(root, "--stage") if line.startswith(_SUBMODULE))
    is_named_all_the_same = _ALL_OF_IT in ignored
    return GitView(ignored=frozenset() if is_named_all_the_same else ignored, submodules=submodules)


def is_in_git(root: Path) -> bool:
    """Told without git, which need not be installed to look at a plain folder."""
    place = root.resolve()
    return any((folder / ".git").exists() for folder in (place, *place.parents))


def _listed(root: Path, *words: str) -> Iterator[str]:
    """The lines of `git ls-files` (git-ls-files(1)); none when it fails."""
    home = GitHome(folder=_NO_HOME, search_path=os.environ.get("PATH", DEFAULT_SEARCH_PATH))
    call = in_folder(home, str(root), "ls-files", "-z", *words)
    try:
        done = subprocess.run(
            call.argv, env=dict(call.environment), capture_output=True, timeout=_TIMEOUT, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return
    if done.returncode == 0:
        yield from map(os.fsdecode, done.stdout.split(b"\0")[:-1])
