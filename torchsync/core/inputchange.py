"""Which of the files that a task depends on are others. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

Inputs = tuple[tuple[str, str, str], ...]
"""Path, mode and blob id of each file that a task depends on, as its fingerprint is taken of them."""


class InputEffect(Enum):
    """What happened to a file that a task depends on."""

    ADDED = "added"
    REMOVED = "removed"
    CONTENT = "content"
    MODE = "mode"
    BOTH = "content and mode"


@dataclass(frozen=True, slots=True)
class InputChange:
    """`mode` is the new one, empty for a file that is gone."""

    path: str
    effect: InputEffect
    mode: str = ""


def input_changes(old: Inputs, new: Inputs) -> tuple[InputChange, ...]:
    """What differs, by path."""
    before, after = ({path: (mode, blob) for path, mode, blob in files} for files in (old, new))
    paths = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    return tuple(InputChange(path, _effect(before.get(path), after.get(path)), after.get(path, ("",))[0]) for path in paths)


def _effect(old: tuple[str, str] | None, new: tuple[str, str] | None) -> InputEffect:
    if old is None:
        return InputEffect.ADDED
    if new is None:
        return InputEffect.REMOVED
    if old[1] == new[1]:
        return InputEffect.MODE
    return InputEffect.CONTENT if old[0] == new[0] else InputEffect.BOTH
