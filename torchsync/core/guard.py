"""What a commit may not do to a host by mistake. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from torchsync.core.model import Guards
from torchsync.errors import Problem

GUARD_OF_REMOVAL = "TS208"
TRAILER = "Torchsync-Allow-Removal"
"""A commit with this trailer and the value `yes` or `true`, in any case, may remove what it likes (git-interpret-trailers(1))."""


def allows_removal(values: Iterable[str]) -> bool:
    """Whether one of the values of the trailer says so."""
    return any(value.lower() in ("yes", "true") for value in values)


def judge_removal(guards: Guards, before: int, after: int) -> Problem | None:
    """Why a host that has `before` tasks does not go on with `after`; None when it may. A host with few tasks may lose any of them."""
    if before < guards.min_tasks or (after and after * 100 >= before * (100 - guards.max_removed_percent)):
        return None
    kept = f"{after} of {before} tasks" if after else f"none of {before} tasks"
    message = f"this host would keep {kept}, and may lose {guards.max_removed_percent} % of them at most"
    hint = f"when it is meant, add the trailer `{TRAILER}: yes` to a commit, or run `torchsync sync --allow-removal` on the host"
    return Problem(code=GUARD_OF_REMOVAL, message=message, hint=hint)
