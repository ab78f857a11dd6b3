"""Shows that the harness measures what it says: 30 MiB touched, a loop and a second of CPU time, against nothing at all."""

from __future__ import annotations

from time import process_time

from bench.harness import Bench

MEMORY = 30 * 2**20
OPERATIONS = 1000
BURNT = 1.0
"""Seconds of CPU time: several times what it takes to start."""


def busy() -> int:
    """30 MiB are written to, each operation sums a thousand numbers, and then there is nothing but work until `BURNT` is over."""
    begun = process_time()
    held = bytearray(b"x") * MEMORY
    for _ in range(OPERATIONS):
        sum(range(1000))
    while process_time() < begun + BURNT:
        pass
    return OPERATIONS if held else 0


def rounds() -> Bench:
    return Bench(
        name="selftest", operation="summing a thousand numbers", floor_is="an empty loop", floor=idle, sides={"busy": busy}, count=3
    )


def idle() -> int:
    for _ in range(OPERATIONS):
        pass
    return OPERATIONS
