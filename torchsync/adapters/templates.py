"""The templates of a new task repository that are bundled with torchsync."""

from __future__ import annotations

from importlib.resources import files


def read_template(name: str) -> str:
    """The text of the template of that name. Raises FileNotFoundError when there is none."""
    return files("torchsync").joinpath("templates", name).read_text(encoding="utf-8")
