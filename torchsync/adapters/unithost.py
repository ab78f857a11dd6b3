"""Whether runs can be units of systemd on this host."""

from __future__ import annotations

import os
from pathlib import Path

from torchsync.adapters.cgroup import unified

LEAST_VERSION = 250
"""The first with ExitType=, which lets a unit live as long as anything in it (systemd.service(5))."""
_RUNS_THE_HOST = Path("/run/systemd/system")
"""sd_booted(3)."""
_CAP_SYS_NICE, _CAP_SYS_RESOURCE = 23, 24


def why_no_units(path: str = "/run/systemd/private") -> str:
    """Why runs cannot be units on this host, in a few words; empty when they can. Waits for systemd to answer, ten seconds at most:
    a host that boots keeps it busy, and an agent decides this once.
    """
    if os.geteuid() != 0:
        return "the agent does not run as root"
    if not _RUNS_THE_HOST.is_dir():
        return "systemd does not run this host"
    if unified() is None:
        return "control groups of version 2 are not mounted"
    from torchsync.adapters.systemdbus import BusLost, manager_property  # noqa: PLC0415 not for agents without a use for it: 3 MB

    try:
        version = manager_property("Version", path)
    except (OSError, BusLost) as error:
        return f"systemd does not answer: {error}"
    return "" if _number(version) >= LEAST_VERSION else f"systemd {version} is older than {LEAST_VERSION}"


def most_files_of_units(path: str = "/run/systemd/private") -> int:
    """How many open files a unit can be given; 0 for any number. In a container systemd itself may lack the capability to raise the limit."""
    if _systemd_has(_CAP_SYS_RESOURCE):
        return 0
    from torchsync.adapters.systemdbus import BusLost, manager_property  # noqa: PLC0415 as above

    try:
        return int(manager_property("DefaultLimitNOFILE", path))
    except (OSError, BusLost, ValueError):
        return 0


def least_nice_of_units() -> int:
    """The lowest nice value that a unit can be given."""
    return -20 if _systemd_has(_CAP_SYS_NICE) else 0


def _systemd_has(capability: int) -> bool:
    """By the effective set of process 1 (proc(5), capabilities(7))."""
    sets = dict(line.split(":\t", 1) for line in Path("/proc/1/status").read_text().splitlines() if line.startswith("Cap"))
    return bool(int(sets["CapEff"], 16) >> capability & 1)


def is_sandboxed() -> bool:
    """What the agent starts may not gain privileges, as under NoNewPrivileges= (proc(5), `NoNewPrivs`)."""
    return "NoNewPrivs:\t1" in Path("/proc/self/status").read_text()


def _number(version: str) -> int:
    """Of `252.39-1~deb12u2` or `v257`; 0 when it is none."""
    digits = version.removeprefix("v")
    for end, letter in enumerate(digits):
        if not letter.isdecimal():
            digits = digits[:end]
            break
    return int(digits or 0)
