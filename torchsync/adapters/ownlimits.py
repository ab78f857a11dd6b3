"""What this process can give to one that it starts: capabilities(7), getrlimit(2), setpriority(2)."""

from __future__ import annotations

import os
import resource
from pathlib import Path

_CAP_SYS_NICE, _CAP_SYS_RESOURCE = 23, 24


def most_files() -> int:
    """How many open files at once; 0 for as many as anybody may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 0 if _has(_CAP_SYS_RESOURCE) or hard == resource.RLIM_INFINITY else hard


def least_nice() -> int:
    """The lowest nice value, the one of the most urgent process."""
    if _has(_CAP_SYS_NICE):
        return -20
    soft, _ = resource.getrlimit(resource.RLIMIT_NICE)
    granted = -20 if soft == resource.RLIM_INFINITY else 20 - soft
    return max(-20, min(granted, os.getpriority(os.PRIO_PROCESS, 0)))


def _has(capability: int) -> bool:
    """By the effective set in proc(5). Root in a container or behind a sandbox may lack it."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> capability & 1)
    return False
