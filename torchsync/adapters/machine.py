"""What the machine says of itself, for checks: kernel, disks, clock, zone data, limits, its systemd and its cron. Only reads."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from torchsync.core.hostcheck import Disk

_ZONES = ("usr/share/zoneinfo/tzdata.zi", "usr/share/zoneinfo/+VERSION")
_DAEMONS = ("chronyd", "ntpd", "systemd-timesyncd", "ntpsec", "openntpd", "ptp4l", "phc2sys")
_COMM_MOST = 15
"""proc(5): what `comm` keeps of a name."""
_PATIENCE = 10.0


def kernel_release() -> str:
    return os.uname().release


def answer_of(argv: Sequence[str], patience: float = _PATIENCE) -> str | None:
    """What a program prints; None when it is not there, fails, or does not end in time."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=patience, check=False, stdin=subprocess.DEVNULL, env=environment, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def git_version() -> str | None:
    """What git says of itself; None when there is no git."""
    return answer_of(("git", "--version"))


def command_line(pid: int) -> tuple[str, ...]:
    """The words that a process was started with (proc(5), `cmdline`); none when it is not there."""
    with suppress(OSError):
        return tuple(Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")[:-1])
    return ()


def missing_programs(names: Sequence[str]) -> list[str]:
    return [name for name in names if shutil.which(name) is None]


# Disks.


def disk_of(folder: Path, setting: str, mounts: Path = Path("/proc/self/mountinfo")) -> Disk:
    """The file system that the folder is on, or that of the nearest folder above it that exists. Raises OSError when there is no looking."""
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    counts = os.statvfs(place)
    mount = _mount_of(place.resolve(), mounts.read_text(encoding="utf-8", errors="replace"))
    is_root = os.geteuid() == 0
    return Disk(
        folder=str(folder),
        setting=setting,
        exists=folder.exists(),
        mount=mount.place,
        kind=mount.kind,
        options=mount.options,
        free=(counts.f_bfree if is_root else counts.f_bavail) * counts.f_frsize,
        inodes=counts.f_favail if counts.f_files else None,
    )


@dataclass(frozen=True, slots=True)
class _Mount:
    place: str
    kind: str
    options: frozenset[str]


def _mount_of(path: Path, mountinfo: str) -> _Mount:
    """The newest of the innermost mounts (proc(5), `mountinfo`)."""
    best = _Mount("/", "unknown", frozenset())
    for line in mountinfo.splitlines():
        head, _, tail = line.partition(" - ")
        place = head.split()[4].replace(r"\040", " ")
        if path.is_relative_to(place) and len(place) >= len(best.place):
            options = {*head.split()[5].split(","), *(option for option in tail.split()[2].split(",") if option == "ro")}
            best = _Mount(place, tail.split()[0], frozenset(options))
    return best


# Clock and zones.


def time_daemons(processes: Path = Path("/proc")) -> tuple[str, ...]:
    """The time daemons among the processes that this user can see."""
    found = set()
    for process in processes.iterdir():
        if process.name.isdecimal():
            with suppress(OSError):
                name = (process / "comm").read_text().strip()
                found |= {daemon for daemon in _DAEMONS if daemon[:_COMM_MOST] == name}
    return tuple(sorted(found))


def is_in_container(root: Path = Path("/")) -> bool:
    """As systemd and the makers of containers mark it (systemd(1), `container`)."""
    return any((root / name).exists() for name in ("run/systemd/container", ".dockerenv", "run/.containerenv"))


def rtc_is_local(adjtime: Path = Path("/etc/adjtime")) -> bool | None:
    """hwclock(8): the third line says UTC or LOCAL; None when there is none."""
    with suppress(OSError, IndexError, UnicodeDecodeError):
        return adjtime.read_text().splitlines()[2].strip() == "LOCAL"
    return None


def zone_release(root: Path = Path("/")) -> str:
    """The release of the host's zone data, such as 2025b; empty when it has none or does not say."""
    for name in _ZONES:
        with suppress(OSError, UnicodeDecodeError), (root / name).open() as file:
            return file.readline(64).removeprefix("# version").strip()
    return ""


def zone_package() -> str:
    """The version of the package tzdata, such as 2025.2."""
    return version("tzdata")


# Limits.


def controllers(root: Path) -> tuple[str, ...]:
    """Of the control groups below this one."""
    return tuple((root / "cgroup.controllers").read_text().split())


def watches_limit(file: Path = Path("/proc/sys/fs/inotify/max_user_watches")) -> int | None:
    with suppress(OSError, ValueError):
        return int(file.read_text())
    return None


# systemd.


def shown_properties(unit: str, names: Sequence[str]) -> dict[str, str] | None:
    """What `systemctl show` says of these properties of a unit; None when systemd does not answer it."""
    answer = answer_of(("systemctl", "show", unit, f"--property={','.join(names)}"))
    return None if answer is None else dict(line.split("=", 1) for line in answer.splitlines() if "=" in line)
