"""The processes of each run: those in its control group, where there is one, else its kin (`procfs.py`). Part of the process executor."""

from __future__ import annotations

import signal
from collections.abc import Iterable

from torchsync.adapters import procfs
from torchsync.adapters.cgroup import RunGroups
from torchsync.adapters.procfs import Census, Kin
from torchsync.adapters.watchedrun import Watched
from torchsync.core.model import Millis
from torchsync.ports import Clock


class Members:
    """`leaders` are the shims of all the runs that are watched: none of them is a member of anything."""

    def __init__(self, groups: RunGroups, clock: Clock) -> None:
        self.leaders: set[int] = set()
        self._groups = groups
        self._clock = clock
        self._census = Census()

    def of(self, watched: Watched, candidates: Iterable[int]) -> list[int]:
        """Those of the candidates that belong to the run and are alive; of one with a control group all that do."""
        if self._groups.is_populated(watched.run.id):
            return self._groups.pids(watched.run.id)
        return self.kin(watched).members(candidates, self.leaders)

    def left_by(self, watched: Watched) -> list[int]:
        """What lives on of a run whose shim is gone and not reaped yet. Of one that was signalled every process there is gets a look, since what is
        left of it will be killed.
        """
        age = Millis(self._clock.monotonic() - watched.since)
        return self.of(watched, procfs.pids() if watched.was_signalled else procfs.pids_since(watched.pid, age))

    def are_fleeing(self, watched: Watched, newest: int) -> bool:
        """Something is left of a run that was signalled, and too short-lived to be found by a walk that began when `newest` was."""
        if not watched.was_signalled or self._groups.is_populated(watched.run.id):
            return False
        return self.kin(watched).chase(0, newest)

    def send(self, watched: Watched, number: int) -> None:
        """Every one of them got the signal."""
        if self._groups.is_populated(watched.run.id):
            self._groups.send(watched.run.id, number)
        elif watched.pid:
            kin, newest = self.kin(watched), procfs.newest()
            kin.send_to_all(number, self.leaders)
            if number == signal.SIGKILL:
                kin.chase(number, newest)

    def carriers(self, watched: Watched) -> list[int]:
        """The processes that have its id in their environment, its shim among them; asked for many runs at once they are looked for once."""
        return self._census.carriers(watched.run.id)

    def kin(self, watched: Watched) -> Kin:
        """Its processes as they are told without a control group."""
        return Kin(watched.run.id, watched.pid, watched.ticks, self._census)
