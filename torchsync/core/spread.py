"""The fixed places that `H` and `jitter` stand for: different from host to host and from task to task, the same for ever. Pure.

The number comes from SHA-256 alone, so no upgrade of Python or of a library moves a task.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256


@dataclass(frozen=True, slots=True)
class Spread:
    """The place of one task on one host. `host` is the name of the host in lower case."""

    host: str
    task: str

    def pick(self, field: str, size: int) -> int:
        """A number from 0 until before `size`, by the name of the field: second, minute, hour, day, month, weekday or jitter.

        The first eight bytes of SHA-256 over host, task and field in UTF-8, with a NUL between, read big-endian, modulo `size`.
        """
        digest = sha256(f"{self.host}\0{self.task}\0{field}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % size
