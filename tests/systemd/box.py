"""A box in which the machine's own systemd runs as PID 1, and everything there is to do with it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

_PROGRAMS = ("unshare", "nsenter", "setpriv", "systemd-nspawn")
_SCRIPT = Path(__file__).with_name("box.sh")
_PATIENCE = 120.0
_ATTEMPT = """
umount -R /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir /sys/fs/cgroup/$0; rmdir /sys/fs/cgroup/$0
mount -t tmpfs box /mnt; mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work box /mnt/root
"""


def probe() -> None:
    """Skips where a box cannot be: tries what `box.sh` does, short of starting systemd."""
    if os.geteuid() != 0:
        pytest.skip("only as root: a systemd of its own needs namespaces and mounts")
    for program in _PROGRAMS:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    words = "unshare --mount --pid --uts --ipc --net --cgroup --fork --propagation private sh -ec".split()
    done = subprocess.run([*words, _ATTEMPT, f"torchsync-probe-{os.getpid()}"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"this machine gives no namespaces, overlay or cgroup2 to a box: {done.stderr.strip()}")


class Box:
    """A booted systemd. `folder` holds its layers; `shared` and the `others` are directories that are the same inside and outside."""

    def __init__(self, folder: Path, shared: Path, *others: Path) -> None:
        self.name = f"torchsync-{os.getpid()}"
        self.shared = shared
        self._console = folder.with_suffix(".console")
        alone = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private"]
        words = [*alone, str(_SCRIPT), str(folder), self.name, *map(str, (shared, *others))]
        with self._console.open("wb") as console:
            self._script = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True)
        self._leader = 0
        self._await_boot()

    @property
    def root(self) -> Path:
        """The box's files, seen from outside. A symbolic link that is absolute leads out of it."""
        return Path(f"/proc/{self._leader}/root")

    def reboot(self, *how: str) -> None:
        """It is up again, with the same files; `how` are options of `systemctl reboot`."""
        before = self._leader
        self.run("systemctl", "reboot", *how)
        deadline = time.monotonic() + _PATIENCE
        while _name(before) and time.monotonic() < deadline:
            time.sleep(0.02)
        self._leader = 0
        self._await_boot()

    def _await_boot(self) -> None:
        began = time.monotonic()
        while not self._has_booted():
            self._check(time.monotonic() - began)
            time.sleep(0.02)

    def _has_booted(self) -> bool:
        if not self._leader:
            found = [pid for nspawn in _children(self._script.pid) for pid in _children(nspawn) if _name(pid) == "systemd"]
            self._leader = found[0] if found else 0
        return self._leader > 0 and self.run("systemctl", "is-system-running").stdout.strip() in {"running", "degraded"}

    def _check(self, passed: float) -> None:
        if self._script.poll() is None and passed < _PATIENCE:
            return
        said = self._console.read_text(errors="replace")[-4000:]
        self.close()
        raise AssertionError(f"systemd did not come up within {passed:.0f} s: {said}")

    def run(self, *words: str | Path, user: str = "root", check: bool = False, patience: float = 60) -> subprocess.CompletedProcess[str]:
        """What the command said, run inside by that user."""
        done = subprocess.run([*self._enter(user), *map(str, words)], capture_output=True, text=True, check=False, timeout=patience)
        assert not check or done.returncode == 0, f"{words} ended with {done.returncode}: {done.stdout}{done.stderr}"
        return done

    def start(self, *words: str) -> subprocess.Popen[str]:
        """The command runs inside; it ends with its standard input."""
        return subprocess.Popen([*self._enter("root"), *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def _enter(self, user: str) -> list[str]:
        become = [] if user == "root" else ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"]
        clean = ["env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=/root"]
        return ["nsenter", f"--target={self._leader}", "--all", "--wdns=/", *clean, "SYSTEMD_COLORS=0", *become]

    def close(self) -> None:
        """Nothing of the box is left: powered off, or killed with everything in its control group."""
        if self._leader and self._script.poll() is None:
            os.kill(self._leader, signal.SIGRTMIN + 14)  # Powers off at once: nothing inside is worth an orderly end (systemd(1)).
        try:
            self._script.wait(5)
        except subprocess.TimeoutExpired:
            _kill_group(self._group())
            self._script.kill()
            self._script.wait()
        self._remove_group()
        self._console.unlink(missing_ok=True)

    def _group(self) -> Path:
        mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
        return Path(next(mount[1] for mount in mounts if mount[2] == "cgroup2")) / self.name

    def _remove_group(self) -> None:
        group = self._group()
        deadline = time.monotonic() + 5
        while group.exists() and time.monotonic() < deadline:
            for folder, _, _ in os.walk(group, topdown=False):
                try:
                    Path(folder).rmdir()
                except OSError:  # The kernel is not done with what was in it.
                    time.sleep(0.02)


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _kill_group(group: Path) -> None:
    if (group / "cgroup.kill").exists():
        (group / "cgroup.kill").write_text("1")
