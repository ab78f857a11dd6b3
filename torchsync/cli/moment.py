"""`--after T`: the moment that a command looks forward from."""

from __future__ import annotations

import time

from torchsync.core.instants import parse_rfc3339
from torchsync.core.model import Instant
from torchsync.errors import UsageError


def moment_of(after: str | None) -> Instant:
    """What `--after` names, in RFC 3339 with a zone; the present without it. Raises UsageError for what is no time."""
    if after is None:
        return Instant(time.time_ns() // 1_000_000)
    try:
        return parse_rfc3339(after)
    except ValueError as error:
        raise UsageError("TS357", f"--after: {error}") from error
