"""What can be known of a run whose directory is gone. Part of the process executor.

The directory is made before a shim is started, so without one a run never began: unless somebody removed it while the run went on, to make room on
a disk or by mistake. Then its shim tells. It is the oldest process that carries the id of the run and has the directory among its words (`shim.sh`);
all that stood in its claim are facts of proc(5); and it writes its exit line beside the FIFO when it cannot in its directory.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from torchsync.adapters import procfs
from torchsync.adapters.rundir import Claim, read_exit
from torchsync.adapters.watchedrun import REMOVED, Watched, wall_clock_at
from torchsync.core.model import Exited, Millis, Vanished
from torchsync.ports import Clock


def traces(watched: Watched, pids: Iterable[int], boot: str, clock: Clock) -> Claim | Exited | Vanished | None:
    """The claim of its shim, which lives, else how the run ended, or will have when nothing of it is left; None when it never began, or has its
    directory. `pids` are the processes that carry its id.
    """
    if watched.files.folder.is_dir():
        return None
    carriers = list(pids)
    if claim := _claim_of_shim(watched.files.folder, carriers, boot):
        return claim
    admitted_at = watched.run.admitted_at
    if line := read_exit(watched.stand_in):
        ended_at = wall_clock_at(line.uptime, clock)
        return Exited(status=line.status, started_at=admitted_at, duration=Millis(max(0, ended_at - admitted_at)), note=REMOVED)
    return Vanished(why=REMOVED, started_at=admitted_at) if carriers else None


def _claim_of_shim(folder: Path, pids: Iterable[int], boot: str) -> Claim | None:
    """Its child has the same words for a moment, and is younger."""
    shims = [(ticks, pid) for pid in pids if str(folder).encode() in procfs.words(pid) and (ticks := procfs.start_ticks(pid)) is not None]
    if not shims:
        return None
    ticks, pid = min(shims)
    return Claim(pid=pid, ticks=ticks, boot=boot, uptime=procfs.millis_of(ticks))
