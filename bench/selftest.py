"""Shows that the harness measures what it says: 30 MiB touched and a loop, against nothing at all."""

from __future__ import annotations

from bench.harness import Bench

MEMORY = 30 * 2**20
OPERATIONS = 1000


def busy() -> int:
    """30 MiB are written to, and each operation sums a thousand numbers."""
    held = bytearray(b"x") * MEMORY
    for _ in range(OPERATIONS):
        sum(range(1000))
    return OPERATIONS if held else 0


def rounds() -> Bench:
    return Bench(
        name="selftest", operation="summing a thousand numbers", floor_is="an empty loop", floor=idle, sides={"busy": busy}, count=3
    )


def idle() -> int:
    for _ in range(OPERATIONS):
        pass
    return OPERATIONS
