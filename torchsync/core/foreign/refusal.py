"""What another scheduler says and a task file cannot. Pure."""

from __future__ import annotations


class NoEqual(ValueError):
    """A sentence without a full stop on what was found and why it has no equal, and what to do about it, which may be empty."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def hint_of(error: ValueError, usual: str = "") -> str:
    """What the error says to do, or else what usually helps."""
    return (error.hint if isinstance(error, NoEqual) else "") or usual
