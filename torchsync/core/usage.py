"""What a run used of the machine, as far as the host counts it. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Milliseconds of processor time and the most bytes of memory at once, of a run with everything that it started; None is unknown."""

    cpu: int | None = None
    memory: int | None = None


UNKNOWN = Usage()
