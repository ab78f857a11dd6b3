"""A control group for each run, where the agent's own may be divided: cgroups(7), version 2. Part of the process executor.

systemd marks a group that it hands over (`Delegate=yes`) by the extended attribute `trusted.delegate`, or `user.delegate` for an ordinary user.
Only below such a group anything is made: `<own group>/run-<run id>`. A process leaves its group only if it is moved by somebody who may, so a
group holds everything a run started, whatever session or environment it gave itself.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Container, Iterator
from pathlib import Path

SLICE = "torchsync.slice"
"""What the units of all runs are in."""
_PREFIX = "run-"
_ROUNDS = 10


def unit_of(attempt: str) -> str:
    """The name of the unit of an attempt that systemd starts."""
    return f"torchsync-run-{attempt}.service"


def delegated() -> Path | None:
    """The directory of the agent's own control group, when it may be divided. An agent that a run started is in the run's group: then its parent."""
    own = _own_group()
    if own is None:
        return None
    root = own.parent if own.name.startswith(_PREFIX) else own
    return root if _is_marked(root) else None


class RunGroups:
    """The control groups of runs; with `root` None there are none, and every question has the answer for an empty one.

    A run that is a unit has its group below that, and is found there as well, whatever starts runs now.
    """

    def __init__(self, root: Path | None) -> None:
        self._root = root
        self._units = unified()
        self._lingering: set[Path] = set()

    def create(self, run: str) -> str:
        """The directory of the run's group, or nothing where there can be none."""
        if self._root is None:
            return ""
        group = self._root / f"{_PREFIX}{run}"
        try:
            group.mkdir(exist_ok=True)
        except OSError:
            return ""
        return str(group)

    def in_unit(self, attempt: str) -> str:
        """The directory of the group that the attempt has as a unit, there or not; nothing where version 2 is not mounted."""
        return "" if self._units is None else str(self._units / SLICE / unit_of(attempt) / "run")

    def is_populated(self, run: str) -> bool:
        return any(_is_populated(group) for group in self._all_of(run))

    def pids(self, run: str) -> list[int]:
        """The processes in the group of the run and in groups that they made below it."""
        return [pid for group in self._all_of(run) for pid in _pids_below(group)]

    def send(self, run: str, number: int) -> None:
        """Every process in the group got the signal: `cgroup.kill` where the kernel has it, else until nobody is new."""
        for group in self._all_of(run):
            if number != signal.SIGKILL or not _was_killed(group):
                _send_below(group, number)

    def remove(self, run: str) -> None:
        """The group of the run is gone, or goes once nobody is left in it and another run's group is removed."""
        if self._root is None:
            return
        self._lingering.add(self._root / f"{_PREFIX}{run}")
        self._lingering = {group for group in self._lingering if not _was_removed(group)}

    def sweep(self, kept: Container[str]) -> None:
        """The groups of all other runs are gone, unless somebody is left in them."""
        if self._root is None:
            return
        for group in self._root.glob(f"{_PREFIX}*"):
            if group.name.removeprefix(_PREFIX) not in kept:
                _was_removed(group)

    def _all_of(self, run: str) -> list[Path]:
        """Each attempt of a run that is a unit has a unit of its own."""
        own = [] if self._root is None else [self._root / f"{_PREFIX}{run}"]
        units = [] if self._units is None else (self._units / SLICE).glob(unit_of(f"{run}*") + "/run")
        return [*own, *units]


def unified() -> Path | None:
    """Where version 2 has the root of all control groups, which is not /sys/fs/cgroup on hybrid hosts; None where it is not mounted from there."""
    return _mounted("/")


def _own_group() -> Path | None:
    """From the `0::` line of /proc/self/cgroup and the place where version 2 is mounted."""
    path = next((line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::")), None)
    return None if path is None else _mounted(path)


def _mounted(path: str) -> Path | None:
    """The directory of the group with this path in the hierarchy."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount, _, system = line.partition(" - ")
        if system.startswith("cgroup2 "):
            root, place = mount.split()[3:5]
            below = os.path.relpath(path, root)
            return None if below.startswith("..") else Path(place, below)
    return None


def _is_marked(group: Path) -> bool:
    for name in ("trusted.delegate", "user.delegate"):
        try:
            if os.getxattr(group, name) == b"1":
                return True
        except OSError:  # No such mark, no such file system, or not for us to read.
            continue
    return False


def _pids_below(group: Path) -> Iterator[int]:
    for folder, _, _ in os.walk(group):
        try:
            yield from map(int, Path(folder, "cgroup.procs").read_text().split())
        except OSError:  # The group went, or is a threaded one, whose processes stand in its parent.
            continue


def _send(pid: int, number: int, group: Path) -> None:
    """The process got the signal if it is still in the group once its pid cannot be used again."""
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return
    try:
        if pid in _pids_below(group):
            signal.pidfd_send_signal(descriptor, number)
    except OSError:
        pass
    finally:
        os.close(descriptor)


def _is_populated(group: Path) -> bool:
    try:
        return "populated 1" in (group / "cgroup.events").read_text()
    except OSError:
        return False


def _send_below(group: Path, number: int) -> None:
    signalled: set[int] = set()
    for _ in range(_ROUNDS):
        new = set(_pids_below(group)) - signalled
        if not new:
            return
        for pid in sorted(new):  # The command before what it waits for.
            _send(pid, number, group)
        signalled |= new


def _was_killed(group: Path) -> bool:
    try:
        descriptor = os.open(group / "cgroup.kill", os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.write(descriptor, b"1")
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _was_removed(group: Path) -> bool:
    try:
        group.rmdir()
    except FileNotFoundError:
        return True
    except OSError:  # Somebody is in it.
        return False
    return True
