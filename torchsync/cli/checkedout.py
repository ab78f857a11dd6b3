"""The commit that is checked out in a folder, and what of the folder is not as that commit has it. Nothing is fetched or written."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from torchsync.adapters.folder import list_folder
from torchsync.adapters.gitfolder import git_view, is_in_git
from torchsync.cli.checkout import opened
from torchsync.cli.sides import uncommitted
from torchsync.core.plan import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedOut:
    """`revision` is None outside of git, where git is not installed, and before the first commit. `files`: those that have a say in what hosts run
    and are not committed as they are; of a repository without a commit, and of one whose ids are SHA-256, they are not known.
    """

    revision: str | None = None
    files: tuple[str, ...] = ()


def checked_out(path: str, side: Side) -> CheckedOut:
    """What is known of the folder, which is that side as it is."""
    root = Path(path)
    if shutil.which("git") is None or not is_in_git(root):
        return CheckedOut()
    with opened(root) as checkout:
        revision = checkout.revision("HEAD")
        files = uncommitted(checkout, revision, list_folder(root, git_view(root)), side) if revision else ()
        return CheckedOut(revision=revision, files=files)
