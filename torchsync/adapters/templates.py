"""The files that are bundled with torchsync for others to have: templates of a new task repository, and the unit of the agent."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def read_template(name: str) -> str:
    """The text of the template of that name. Raises FileNotFoundError when there is none."""
    return files("torchsync").joinpath("templates", name).read_text(encoding="utf-8")


def unit_path(name: str) -> Path:
    """Where the unit file of that name lies, such as `torchsync.service`."""
    return Path(str(files("torchsync").joinpath("systemd", name)))
