"""The files of an attempt of a run: how a shim, an agent and a later agent tell each other what became of it. Part of the process executor.

Each attempt has a directory of its own, named by its id: that of the first attempt is the id of the run (`core/model.py`). What is known never
to have begun is started again under another id, so that a shim that comes too late finds a claim that is taken.

    claim   made exclusively, by the shim as its first act or by a recovery that finds none: who made it decides whether the run begins.
            One line: pid, start ticks and boot id of the shim, /proc/uptime; or `never` and the boot id
    output  what the run writes; owned by its user
    begin   written by the shell that becomes the command: `begun` just before the exec, else or then why it did not begin
    exit    one line, by the shim: the exit status and /proc/uptime; in memory, beside the FIFO of the run, when the disk is full by then
    usage   one line, by the shim, where there is a control group: microseconds of processor and the most bytes of memory, `-` for unknown

A line counts once its newline is there. The directory is the agent's and 0700: nobody else can exchange or read these files by name.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from torchsync.adapters.syscalls import punch_hole
from torchsync.core.model import Millis
from torchsync.core.usage import UNKNOWN, Usage

_HEAD = 1024 * 1024
_SPARE_BLOCKS = 16

NO_HOLES = (errno.EOPNOTSUPP, errno.ENOSYS)
"""What fallocate(2) answers on a file system without holes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The shim `pid` of this boot took the run when the machine had been up for `uptime`."""

    pid: int
    ticks: int
    boot: str
    uptime: Millis


class NoClaim(Enum):
    MISSING = "missing"
    INCOMPLETE = "incomplete"
    NEVER = "never"
    """A recovery was first: the run never begins."""


@dataclass(frozen=True, slots=True)
class ExitLine:
    status: int
    uptime: Millis


class RunFiles:
    """The files of one run, in a directory that need not exist yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = folder / "output"

    def claim(self) -> Claim | NoClaim:
        text = _text(self.folder / "claim")
        if text is None:
            return NoClaim.MISSING
        match _words(text):
            case ["never", _]:
                return NoClaim.NEVER
            case [pid, ticks, boot, uptime] if pid.isdecimal() and ticks.isdecimal():
                return Claim(pid=int(pid), ticks=int(ticks), boot=boot, uptime=_millis(uptime))
            case _:
                return NoClaim.INCOMPLETE

    def refuse(self, boot: str) -> bool:
        """The claim says `never`, and it is ours; false when there was one. Raises OSError when it cannot be made."""
        try:
            descriptor = os.open(self.folder / "claim", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            return False
        with os.fdopen(descriptor, "w") as file:
            file.write(f"never {boot}\n")
        return True

    def take_claim(self, boot: str) -> Claim | NoClaim:
        """The claim as it is once we have tried to make it ourselves: whoever made it decides."""
        with suppress(OSError):
            self.folder.parent.mkdir(mode=0o700, exist_ok=True)
            self.folder.mkdir(mode=0o700, exist_ok=True)
            self.refuse(boot)
        if not self.folder.is_dir():
            return NoClaim.NEVER  # No shim is started before its directory is made.
        claim = self.claim()
        return NoClaim.INCOMPLETE if claim is NoClaim.MISSING else claim

    def exit(self) -> ExitLine | None:
        return read_exit(self.folder / "exit")

    def usage(self) -> Usage:
        """What the shim has found in the control group of the run. Everything takes some processor: nothing means that it was not counted there."""
        match _words(_text(self.folder / "usage") or ""):
            case [cpu, memory]:
                millis = int(cpu) // 1000 if cpu.isdecimal() and int(cpu) else None
                return Usage(cpu=millis, memory=int(memory) if memory.isdecimal() else None)
            case _:
                return UNKNOWN

    def begin(self) -> str | None:
        """Empty when the command has begun, else why not; None when nothing is said."""
        text = _text(self.folder / "begin") or ""
        if not text.endswith("\n"):
            return None
        first, _, rest = text.partition("\n")
        return " ".join((rest if first == "begun" else text).split())

    def claimed_at(self) -> int:
        """What the wall clock showed when the claim was made, in milliseconds: an uptime means nothing after a reboot."""
        return (self.folder / "claim").stat().st_mtime_ns // 1_000_000

    def output_blocks(self) -> int:
        """The bytes that the output takes on the disk."""
        try:
            return self.output.stat().st_blocks * 512
        except OSError:
            return 0

    def bound_output(self, limit: int) -> bool:
        """The middle of an output that takes more than `limit` bytes is free; whether it took more. Raises OSError when the file system has no holes.

        Whole blocks only, so that no byte of what stays is lost. A range that is a hole already stays one.
        """
        try:
            descriptor = os.open(self.output, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return False
        try:
            facts = os.fstat(descriptor)
            is_over = facts.st_blocks * 512 > limit
            if is_over:
                block = facts.st_blksize
                start = -(-min(_HEAD, limit // 2) // block) * block
                stop = (-(-facts.st_size // block) - (limit - start) // block) * block
                if start < stop:
                    punch_hole(descriptor, start, stop)
            return is_over
        finally:
            os.close(descriptor)


def read_exit(path: Path) -> ExitLine | None:
    """The exit line in the file, None when there is no whole one."""
    match _words(_text(path) or ""):
        case [status, uptime] if status.isdecimal() and int(status) <= 255:
            return ExitLine(int(status), _millis(uptime))
        case _:
            return None


@dataclass(frozen=True, slots=True)
class NewRun:
    """The files of a run about to start, and its output, open for appending."""

    files: RunFiles
    output: int
    keeps_output: bool


def create(parents: Sequence[Path], attempt: str, owner: tuple[int, int]) -> NewRun:
    """The directory of the attempt is made in the first of `parents` that can be written; `owner` (uid, gid) has its output.

    Only the first parent keeps output: the others stand in for it while it is full or read-only, and are memory. Raises OSError when none can
    be written, and FileExistsError when the attempt has a directory already, since then it may have been started.
    """
    if any((parent / attempt).exists() for parent in parents):
        raise FileExistsError(errno.EEXIST, "it is there already")
    for parent in parents[:-1]:
        try:
            return _filled(RunFiles(parent / attempt), owner, keeps_output=parent is parents[0])
        except OSError:
            shutil.rmtree(parent / attempt, ignore_errors=True)
    return _filled(RunFiles(parents[-1] / attempt), owner, keeps_output=len(parents) == 1)


def find(parents: Sequence[Path], attempt: str) -> RunFiles:
    """The directory that an earlier agent made for the attempt, else the one it would have made first."""
    found = [parent for parent in parents if (parent / attempt).is_dir()]
    return RunFiles((found or parents)[0] / attempt)


def drop_stand_in(parents: Sequence[Path], files: RunFiles) -> None:
    """What stood in for the first of `parents` is gone: the run is over and written down, and there is no output to keep."""
    if files.folder.parent in parents[1:]:
        shutil.rmtree(files.folder, ignore_errors=True)


def sweep_stand_ins(parents: Sequence[Path], known: Collection[str]) -> None:
    """What stood in for the first of `parents` is gone for runs that are over and not among the known ones: an agent was killed after it had
    written down their end.
    """
    for parent in parents[1:]:
        for folder in parent.iterdir() if parent.is_dir() else ():
            if folder.name not in known and RunFiles(folder).exit() is not None:
                shutil.rmtree(folder, ignore_errors=True)


def _filled(files: RunFiles, owner: tuple[int, int], *, keeps_output: bool) -> NewRun:
    files.folder.parent.mkdir(mode=0o700, exist_ok=True)
    files.folder.mkdir(mode=0o700)
    space = os.statvfs(files.folder)
    if space.f_blocks and (space.f_bavail if os.geteuid() else space.f_bfree) < _SPARE_BLOCKS:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    output = _output(files.output, owner) if keeps_output else os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    return NewRun(files, output, keeps_output)


def _output(path: Path, owner: tuple[int, int]) -> int:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
    if owner != (os.geteuid(), os.getegid()):
        try:
            os.fchown(descriptor, *owner)
        except OSError:
            os.close(descriptor)
            raise
    return descriptor


def _text(path: Path) -> str | None:
    """The content of a small file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(descriptor, 65536).decode(errors="replace")
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _words(text: str) -> list[str]:
    """The words of a line that is complete."""
    return text.split() if text.endswith("\n") else []


def _millis(seconds: str) -> Millis:
    whole, _, hundredths = seconds.partition(".")
    return Millis(int(whole) * 1000 + int(hundredths.ljust(3, "0")))
