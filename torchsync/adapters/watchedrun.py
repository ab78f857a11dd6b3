"""A run that the process executor watches, and what the files of a run tell about how it ended. Part of the process executor."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from torchsync.adapters.rundir import Claim, ExitLine, RunFiles, read_exit
from torchsync.core.model import Ending, Exited, Instant, Millis, NotBegun, Run, Vanished
from torchsync.ports import Clock

_UPTIME_STEP = 10
"""/proc/uptime counts hundredths of a second and drops the rest."""

REMOVED = "the directory of the run was removed while it went on"


@dataclass(slots=True, kw_only=True)
class Watched:
    """A run this agent process watches. `pid` and `ticks` are the shim's, 0 while unknown; descriptors are -1 when there is none."""

    run: Run
    files: RunFiles
    stand_in: Path
    """Where the exit line is when the disk was full."""
    pid: int = 0
    ticks: int = 0
    since: Millis
    is_child: bool = False
    pidfd: int = -1
    fifo: int = -1
    claim: Claim | None = None
    """What its shim has claimed, once that is known, whatever becomes of the file."""
    started_at: Instant | None = None
    was_signalled: bool = False
    has_leftovers: bool = False
    is_flooding: bool = False
    ending: Ending | None = None


def wake(watched: Watched) -> None:
    """A shim that its run has stopped goes on, so that it sees the end of the run: the one signal that it ever gets."""
    with suppress(OSError):
        signal.pidfd_send_signal(watched.pidfd, signal.SIGCONT)


def wall_clock_at(uptime: Millis, clock: Clock) -> Instant:
    """What the wall clock shows for that uptime."""
    now, mono = clock.moment()
    return Instant(now - mono + uptime)


def instant_of(claim: Claim, run: Run, clock: Clock) -> Instant:
    """What the wall clock shows for the uptime in the claim, which may lie a hundredth of a second too early."""
    instant = wall_clock_at(claim.uptime, clock)
    return Instant(max(instant, min(run.admitted_at, instant + _UPTIME_STEP)))


def ending_of(watched: Watched, clock: Clock) -> Ending | None:
    """How a run ended whose shim is gone, or None when the files do not tell. The status of a shim that is our child stands in for an exit line
    that could not be written.
    """
    reaped = _reaped(watched)
    claim, why = watched.claim or watched.files.claim(), watched.files.begin()
    if not isinstance(claim, Claim):
        return NotBegun(why="the claim of the run could not be written")
    if why:
        return NotBegun(why=why)
    line = watched.files.exit() or read_exit(watched.stand_in) or (ExitLine(reaped, clock.monotonic()) if reaped is not None else None)
    if line is None:
        return None
    if why is None and watched.started_at is None:
        return NotBegun(why=_never_got_there(line.status, watched.run.user))
    started_at = watched.started_at or instant_of(claim, watched.run, clock)
    duration = Millis(max(0, line.uptime - claim.uptime))
    note = "" if watched.files.folder.is_dir() else REMOVED
    return Exited(status=line.status, started_at=started_at, duration=duration, usage=watched.files.usage(), note=note)


def ending_of_another_boot(watched: Watched) -> Ending:
    """What the files tell about a run of an earlier boot. Its claim may be missing only because the disk never got it."""
    claim, line, why = watched.files.claim(), watched.files.exit(), watched.files.begin()
    if why:
        return NotBegun(why=why)
    if not isinstance(claim, Claim):
        return Vanished(why="the machine was restarted before the run was known to be over")
    started_at = Instant(watched.files.claimed_at())
    if line is None:
        return Vanished(why="the machine was restarted while the run went on", started_at=started_at)
    if why is None:
        return NotBegun(why=_never_got_there(line.status, watched.run.user))
    duration = Millis(max(0, line.uptime - claim.uptime))
    return Exited(status=line.status, started_at=started_at, duration=duration, usage=watched.files.usage())


def _reaped(watched: Watched) -> int | None:
    """The exit status of a shim that is our child and ended by itself, which is the status of the command."""
    if not watched.is_child:
        return None
    watched.is_child = False
    code = os.waitstatus_to_exitcode(os.waitpid(watched.pid, 0)[1])
    return code if code >= 0 else None


def _never_got_there(status: int, user: str) -> str:
    if status > 128:
        return f"signal {status - 128} ended it before its command began"
    return f"it could not be made a process of user {user!r}; what setpriv or the shell says about it is in the output"
