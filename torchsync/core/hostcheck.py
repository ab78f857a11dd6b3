"""What the machine under an agent has to be, judged from what it says of itself. Pure: facts in, findings out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from torchsync.core.checkup import Finding, fine, note, problem, warning

LEAST_KERNEL = (5, 4)
LEAST_GIT = (2, 39)
LEAST_PYTHON = (3, 11)
LEAST_SPACE = 64 << 20
LITTLE_SPACE = 512 << 20
LITTLE_INODES = 10_000
LITTLE_WATCHES = 8_192
TOLERATED_DRIFT = 5.0
"""Seconds: a Date header is in whole ones, and its answer was under way."""

_CONTROLLERS = ("cpu", "memory", "pids", "io")
_NETWORK = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse.glusterfs", "glusterfs", "ceph", "lustre", "afs", "ocfs2", "gfs2")
"""File systems whose files another host may hold open too: SQLite's write-ahead log needs memory shared by all who have it open."""


def numbers(text: str) -> tuple[int, ...]:
    """The first dotted number in a text: `git version 2.39.5` is (2, 39, 5); nothing when there is none."""
    found = re.search(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def kernel_findings(release: str) -> Iterator[Finding]:
    """Of the release as uname(2) has it."""
    found = numbers(release)
    if found[:2] >= LEAST_KERNEL:
        yield fine(f"Linux {release}")
    else:
        yield problem(f"Linux {release} is older than {_dotted(LEAST_KERNEL)}: it has no pidfd", "upgrade the kernel", "TS375")


def python_findings(version: tuple[int, ...]) -> Iterator[Finding]:
    if version >= LEAST_PYTHON:
        yield fine(f"Python {_dotted(version)}")
    else:
        yield problem(f"Python {_dotted(version)} is older than {_dotted(LEAST_PYTHON)}", "install a newer one", "TS320")


def git_findings(answer: str | None) -> Iterator[Finding]:
    """Of what `git --version` says, None when there is no git."""
    if answer is None:
        yield problem("git is not installed", "apt-get install git", "TS320")
    elif (found := numbers(answer))[:2] >= LEAST_GIT:
        yield fine(f"git {_dotted(found)}")
    else:
        yield problem(f"git {_dotted(found) or '(unknown)'} is older than {_dotted(LEAST_GIT)}", "install a newer git", "TS320")


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """The file system a folder is on, or would be made on. `options` are those of its mount; sizes are bytes, as this user may use them."""

    folder: str
    setting: str
    exists: bool
    mount: str
    kind: str
    options: frozenset[str]
    free: int
    inodes: int | None
    """None where the file system does not count them."""


def disk_findings(disk: Disk, *, runs_programs: bool, keeps_ledger: bool) -> Iterator[Finding]:
    """Whether an agent can keep there what it keeps."""
    place = f"{disk.folder} ({disk.setting})"
    bad = list(_unfit(disk, place, runs_programs=runs_programs, keeps_ledger=keeps_ledger))
    yield from bad
    if not bad:
        there = "" if disk.exists else ", not there yet: the agent makes it"
        yield fine(f"{place}: {_size(disk.free)} free on {disk.kind} at {disk.mount}{there}")


def _unfit(disk: Disk, place: str, *, runs_programs: bool, keeps_ledger: bool) -> Iterator[Finding]:
    if "ro" in disk.options:
        yield problem(f"{place} is on {disk.mount}, which is mounted read-only", f"mount -o remount,rw {disk.mount}", "TS379")
    elif disk.free < LEAST_SPACE:
        yield problem(f"{place} has {_size(disk.free)} left", f"free space on {disk.mount}, or set {disk.setting}", "TS379")
    elif disk.free < LITTLE_SPACE:
        yield warning(f"{place} has {_size(disk.free)} left", f"free space on {disk.mount}, or lower retention.total_output", "TS379")
    if disk.inodes is not None and disk.inodes < LITTLE_INODES:
        yield warning(f"{place} has room for {disk.inodes} more files", f"remove small files on {disk.mount} (`df -i`)", "TS379")
    if runs_programs and "noexec" in disk.options:
        remedy = f"mount -o remount,exec {disk.mount}, or set {disk.setting} to another disk"
        yield problem(f"{place} is on {disk.mount}, mounted noexec: no script of the repository can be run from there", remedy, "TS379")
    if keeps_ledger and disk.kind in _NETWORK:
        remedy = f"set {disk.setting} to a local disk"
        yield problem(f"{place} is on {disk.kind}: the ledger needs a disk of this host alone (SQLite's WAL)", remedy, "TS379")


def _size(number: int) -> str:
    return f"{number / (1 << 30):.1f} GiB" if number >= 1 << 30 else f"{number / (1 << 20):.0f} MiB"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockFacts:
    """What says whether the clock can be believed. `rtc_is_local` is None where /etc/adjtime does not say (hwclock(8))."""

    is_synchronised: bool
    daemons: tuple[str, ...]
    """The time daemons that run."""
    in_container: bool
    rtc_is_local: bool | None
    too_early: bool = False
    """It shows a time before this release."""


def clock_findings(clock: ClockFacts) -> Iterator[Finding]:
    if clock.too_early:
        yield problem("the clock shows a time before this release of torchsync", "set it: `timedatectl set-ntp true`", "TS336")
    if clock.is_synchronised:
        yield fine("the clock is synchronised")
    elif clock.in_container:
        yield note("the kernel does not say that the clock is synchronised; in a container that is the machine's to do")
    elif clock.daemons:
        yield warning(
            f"the clock is not synchronised, though {', '.join(clock.daemons)} runs",
            "ask it why: `chronyc tracking` or `timedatectl`",
            "TS376",
        )
    else:
        yield warning("the clock is not synchronised, and no time daemon runs", "apt-get install systemd-timesyncd", "TS376")
    if clock.rtc_is_local:
        yield warning(
            "the hardware clock keeps local time: after a boot in a clock change it is an hour off", "timedatectl set-local-rtc 0"
        )


def drift_findings(server: str, drift: float | None) -> Iterator[Finding]:
    """Of the seconds by which this host is ahead of the Date of a web server; None when the server told none."""
    if drift is None:
        yield note(f"{server} does not tell the time")
    elif abs(drift) <= TOLERATED_DRIFT:
        yield fine(f"the clock and that of {server} are {abs(drift):.0f} s apart")
    else:
        ahead = "ahead of" if drift > 0 else "behind"
        yield warning(
            f"the clock is {abs(drift):.0f} s {ahead} that of {server}", "see which is right: `timedatectl timesync-status`", "TS376"
        )


def zone_findings(host: str, package: str) -> Iterator[Finding]:
    """Of the releases of zone data, such as 2025b, of the host (empty: it has none) and of the package tzdata."""
    if not host:
        yield note(f"the host has no zone data; that of the package counts ({package})", "apt-get install tzdata")
    elif host < package:
        remedy = "apt-get install --only-upgrade tzdata"
        yield warning(f"the zone data of the host ({host}) is older than that of the package ({package}), and the host's counts", remedy)
    else:
        yield fine(f"zone data {host}")


def package_release(version: str) -> str:
    """The release of zone data that a version of the package holds: 2025.2 is 2025b."""
    year, _, part = version.partition(".")
    number = int(part.partition(".")[0] or 0) if part[:1].isdecimal() else 0
    return f"{year}{chr(ord('a') + number - 1)}" if 0 < number <= 26 else year


def controller_findings(root: str | None, controllers: tuple[str, ...]) -> Iterator[Finding]:
    """Of where control groups of version 2 are, None for nowhere, and which controllers there are."""
    if root is None:
        remedy = "boot with systemd.unified_cgroup_hierarchy=1"
        yield warning(
            "control groups of version 2 are not mounted: a run is stopped by its session, and limits are refused", remedy, "TS375"
        )
        return
    missing = [name for name in _CONTROLLERS if name not in controllers]
    if missing:
        message = f"control groups at {root} have no controller {', '.join(missing)}: such `limits` have no effect"
        yield note(message, f"see cgroup_disable= in /proc/cmdline; there are {', '.join(controllers) or 'none'}")
    else:
        yield fine(f"control groups of version 2 with {', '.join(_CONTROLLERS)}")


def watch_findings(limit: int | None) -> Iterator[Finding]:
    """Of fs.inotify.max_user_watches, None where there is no inotify."""
    if limit is None:
        yield note("there is no inotify: changes of agent.yaml and of a local repository are looked for every few seconds")
    elif limit < LITTLE_WATCHES:
        yield warning(f"a user may watch {limit} files at once", "sysctl -w fs.inotify.max_user_watches=65536", "TS375")
    else:
        yield fine(f"a user may watch {limit} files at once")
