"""Where a forge's runner has its checkout: forges name files by their path from there, whatever folder a command looked at."""

from __future__ import annotations

import os
from pathlib import Path


def checkout_root(path: str) -> str:
    """The folder that paths of annotations begin at: the git work tree around `path`, else the runner's workspace, else the current folder.

    `GITHUB_WORKSPACE` is the default working folder of the steps of a job (GitHub Actions, "Default environment variables"); Gitea and Forgejo set
    it too. The work tree comes first, since a job may check out into a subfolder of its workspace.
    """
    place = Path(os.path.abspath(path))  # noqa: PTH100  # links are not to be followed
    for folder in (place, *place.parents):
        if (folder / ".git").exists():
            return str(folder)
    workspace = os.environ.get("GITHUB_WORKSPACE", "")
    return workspace if workspace and place.is_relative_to(workspace) else str(Path.cwd())


def path_below(root: str, path: str) -> str:
    """`path`, which leads there from the current folder, as it leads there from `root`. With `/` on the end when it is a folder."""
    below = os.path.relpath(os.path.abspath(path), root)  # noqa: PTH100  # as above
    return f"{below}/" if Path(path).is_dir() else below
