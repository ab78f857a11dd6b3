"""Runs as processes of their own: the embedded executor. It needs /bin/sh, and util-linux `setpriv` to switch users.

Theory of operation. For each run the agent starts a *shim*: /bin/sh with the text of `shim.sh`, in a session of its own, with nothing of the agent's
environment, descriptors or signal dispositions. The shim claims the run (`rundir.py`), waits for the command and writes its exit status; it is
never signalled, so the status is written whatever happens to the command or to the agent. Its child becomes the command in three steps: into
the control group of the run, where the agent's own may be divided (`cgroup.py`); through `setpriv` to the user of the run; and in a shell that
is already that user, which reads the script of `core/startscript.py` from its standard input, a memfd_create(2) file, to the exec. So the
environment of a task is never in an argv and never meets a process of the agent's user.

That last shell holds the FIFO of the run open. When it closes, either the command was executed, and the run has started, or it was not, and the
file `begin` says why: nothing is polled. From then on the shim is watched by pidfd_open(2), which works for the children of this process and for
those of an earlier one alike. When the shim is gone, its `exit` file tells. When somebody killed it there is none: then the run goes on until
nothing that it started is left, one pidfd after another, and nobody knows how it ended. What a command leaves behind is watched in the same way: its
end is told at once, with `leftovers`, and again without when they are gone.

The modules procfs, cgroup, rundir, spawn and syscalls are parts of this one, used by nothing else.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from torchsync.adapters import procfs, rundir
from torchsync.adapters.cgroup import RunGroups, delegated
from torchsync.adapters.procfs import Kin
from torchsync.adapters.rundir import Claim, ExitLine, NoClaim, RunFiles
from torchsync.adapters.spawn import CannotStart, Launcher, Shim, open_fifo
from torchsync.adapters.syscalls import Timer
from torchsync.core.model import AttemptId, Ending, Exited, Instant, Millis, NotBegun, Run, Vanished
from torchsync.core.startscript import Account, start_script
from torchsync.ports import Clock, RunEnded, RunNeverStarted, RunStarted, StartOrder, Wakeups

_GRACE = Millis(2_000)
"""How long a shim may take from making its claim to writing it."""
_AGAIN = Millis(1_000)
_ROUNDS = 10
_UPTIME_STEP = 10
"""/proc/uptime counts hundredths of a second and drops the rest."""


@dataclass(slots=True, kw_only=True)
class _Watched:
    """A run this agent process watches. `pid` and `ticks` are the shim's, 0 while unknown; descriptors are -1 when there is none."""

    run: Run
    files: RunFiles
    pid: int = 0
    ticks: int = 0
    since: Millis
    is_child: bool = False
    pidfd: int = -1
    fifo: int = -1
    started_at: Instant | None = None
    was_signalled: bool = False
    ending: Ending | None = None


class ProcessExecutor:
    """`Executor` with files under `<state>/runs`, and under `<run>/runs` while the state cannot be written.

    `notice` is told in a sentence, once each, what this host or file system cannot do, and whenever output begins to be
    discarded. `shell` is the argv that starts a POSIX shell.
    """

    def __init__(
        self,
        state: Path,
        run: Path,
        wakeups: Wakeups,
        clock: Clock,
        *,
        notice: Callable[[str], None],
        shell: tuple[str, ...] = ("/bin/sh",),
    ) -> None:
        self._parents = (state / "runs", run / "runs")
        self._starting = run / "starting"
        self._wakeups = wakeups
        self._clock = clock
        self._notice = notice
        self._timer = Timer(wakeups, clock)
        self._launcher = Launcher(shell)
        self._boot = procfs.boot_id()
        self._runs: dict[AttemptId, _Watched] = {}
        self._leaders: set[int] = set()
        self._census = procfs.Census()
        self._has_holes = True
        self._keeps_output = True
        root = delegated()
        self._groups = RunGroups(root)
        if root is None:
            notice(
                "no control group is delegated to the agent: stopping a run reaches its session and what carries its id, not what left both"
            )

    # Starting.

    def start(self, order: StartOrder) -> None:
        try:
            watched = self._launch(order)
        except CannotStart as reason:
            self._wakeups.post(RunEnded(order.run.attempt_id, NotBegun(why=str(reason))))
            return
        self._runs[order.run.attempt_id] = watched
        self._wakeups.watch(watched.fifo, lambda: self._begun(watched))
        self._watch_shim(watched)

    def _launch(self, order: StartOrder) -> _Watched:
        """The shim is running. Raises CannotStart when it is not."""
        run = order.run
        account = self._launcher.account(run.user)
        is_switched = account.uid != os.geteuid()
        script = start_script(run.task, account, tree=order.tree, environment=order.environment, is_switched=is_switched)
        new = self._create(run, account)
        shim = Shim(
            run=run.id,
            folder=str(new.files.folder),
            boot=self._boot,
            fifo=self._starting / run.attempt_id,
            cgroup=self._groups.create(run.id),
            script=script,
            output=new.output,
            switch_to=account if is_switched else None,
        )
        watched = _Watched(run=run, files=new.files, since=self._clock.monotonic(), is_child=True)
        try:
            watched.fifo = open_fifo(shim.fifo)
            watched.pid = self._launcher.launch(shim)
        except OSError as error:
            self._close_fifo(watched)
            self._groups.remove(run.id)
            raise CannotStart(f"no process could be started: {error.strerror}") from error
        finally:
            os.close(new.output)
        watched.ticks = procfs.start_ticks(watched.pid) or 0
        return watched

    def _create(self, run: Run, account: Account) -> rundir.NewRun:
        try:
            new = rundir.create(self._parents, run.attempt_id, (account.uid, account.gid))
        except OSError as error:
            raise CannotStart(f"the directory of the run cannot be made: {error.strerror}") from error
        if self._keeps_output and not new.keeps_output:
            self._notice(f"{self._parents[0]} cannot be written: the output of runs that start now is discarded")
        self._keeps_output = new.keeps_output
        return new

    def _begun(self, watched: _Watched) -> None:
        """The FIFO was closed: by the exec of the command, or by the end of what should have come to it."""
        self._wakeups.unwatch(watched.fifo)
        self._close_fifo(watched)
        claim = watched.files.claim()
        if watched.files.begin() == "" and isinstance(claim, Claim):
            self._tell_start(watched, claim)

    def _close_fifo(self, watched: _Watched) -> None:
        if watched.fifo >= 0:
            os.close(watched.fifo)
            watched.fifo = -1
        (self._starting / watched.run.attempt_id).unlink(missing_ok=True)

    def _tell_start(self, watched: _Watched, claim: Claim) -> None:
        watched.started_at = self._instant_of(claim, watched.run)
        self._wakeups.post(RunStarted(watched.run.attempt_id, watched.started_at))

    def _instant_of(self, claim: Claim, run: Run) -> Instant:
        """What the wall clock shows for the uptime in the claim, which may lie a hundredth of a second too early."""
        instant = self._clock.now() - (self._clock.monotonic() - claim.uptime)
        return Instant(max(instant, min(run.admitted_at, instant + _UPTIME_STEP)))

    # Watching.

    def _watch_shim(self, watched: _Watched) -> None:
        """The shim is watched; tried again later when there is no descriptor left to do it with."""
        self._leaders.add(watched.pid)
        try:
            watched.pidfd = os.pidfd_open(watched.pid)
        except OSError as error:
            if error.errno != errno.ESRCH:
                self._timer.after(_AGAIN, lambda: self._watch_shim(watched))
                return
            self._over(watched)
            return
        self._wakeups.watch(watched.pidfd, lambda: self._over(watched))
        if not watched.is_child and procfs.start_ticks(watched.pid) != watched.ticks:
            self._over(watched)  # It ended before the descriptor was made, and another process has its pid.

    def _over(self, watched: _Watched) -> None:
        """The shim is gone. What it left is told, or watched when the shim cannot have seen the end of the command."""
        if watched.fifo >= 0:
            self._begun(watched)
        self._leaders.discard(watched.pid)
        leftovers = self._leftovers(watched)  # Before the reaping, which sets the pid free.
        self._stop_watching(watched)
        watched.ending = self._ending(watched, _reaped(watched))
        if watched.ending is not None:
            self._wakeups.post(RunEnded(watched.run.attempt_id, watched.ending, leftovers=bool(leftovers)))
        if watched.ending is None or leftovers:
            self._await_the_rest(watched)

    def _ending(self, watched: _Watched, reaped: int | None) -> Ending | None:
        """How the run ended, or None when the files do not tell. `reaped` stands in for an exit line that could not be written."""
        files = watched.files
        claim, why = files.claim(), files.begin()
        if not isinstance(claim, Claim):
            return NotBegun(why="the claim of the run could not be written")
        if why:
            return NotBegun(why=why)
        line = files.exit() or (ExitLine(reaped, self._clock.monotonic()) if reaped is not None else None)
        if line is None:
            return None
        if why is None:
            return NotBegun(why=_never_got_there(line.status, watched.run.user))
        started_at = watched.started_at or self._instant_of(claim, watched.run)
        return Exited(status=line.status, started_at=started_at, duration=Millis(max(0, line.uptime - claim.uptime)))

    def _await_the_rest(self, watched: _Watched) -> None:
        """What the run started and its shim did not see the end of is watched, one process after another. The end is told when none is left."""
        for pid in self._members(watched, procfs.pids()):
            try:
                watched.pidfd = os.pidfd_open(pid)
            except OSError as error:
                if error.errno == errno.ESRCH:
                    continue
                self._timer.after(_AGAIN, lambda: self._await_the_rest(watched))
                return
            self._wakeups.watch(watched.pidfd, lambda: self._one_less(watched))
            return
        killed = Vanished(why="the process that would have told the exit status was killed by somebody else", started_at=watched.started_at)
        self._wakeups.post(RunEnded(watched.run.attempt_id, watched.ending or killed))

    def _one_less(self, watched: _Watched) -> None:
        self._stop_watching(watched)
        self._await_the_rest(watched)

    def _leftovers(self, watched: _Watched) -> list[int]:
        """Of a run that was signalled every process there is gets a look, since what is left of it will be killed."""
        age = Millis(self._clock.monotonic() - watched.since)
        return self._members(watched, procfs.pids() if watched.was_signalled else procfs.pids_since(watched.pid, age))

    def _members(self, watched: _Watched, candidates: Iterable[int]) -> list[int]:
        if self._groups.is_populated(watched.run.id):
            return self._groups.pids(watched.run.id)
        return self._kin(watched).members(candidates, self._leaders)

    def _kin(self, watched: _Watched) -> Kin:
        return Kin(watched.run.id, watched.pid, watched.ticks, self._census)

    def _stop_watching(self, watched: _Watched) -> None:
        if watched.pidfd >= 0:
            self._wakeups.unwatch(watched.pidfd)
            os.close(watched.pidfd)
            watched.pidfd = -1

    # Adopting.

    def adopt(self, runs: Sequence[Run]) -> None:
        self._groups.sweep({run.id for run in runs})
        rundir.sweep_stand_ins(self._parents, {run.attempt_id for run in runs})
        for run in runs:
            watched = _Watched(run=run, files=rundir.find(self._parents, run.attempt_id), since=self._clock.monotonic())
            self._runs[run.attempt_id] = watched
            if run.boot_id == self._boot:
                self._adopt(watched)
            else:
                self._wakeups.post(RunEnded(run.attempt_id, _ending_of_another_boot(watched)))

    def _adopt(self, watched: _Watched) -> None:
        claim = watched.files.claim()
        if claim is NoClaim.MISSING:
            claim = self._refuse(watched)
        match claim:
            case NoClaim.NEVER:
                self._wakeups.post(RunNeverStarted(watched.run.attempt_id))
            case NoClaim():
                self._timer.after(_GRACE, lambda: self._judge(watched))
            case Claim():
                self._take_up(watched, claim)

    def _refuse(self, watched: _Watched) -> Claim | NoClaim:
        """The claim as it is once we have tried to make it ourselves: whoever made it decides."""
        with suppress(OSError):
            watched.files.folder.parent.mkdir(mode=0o700, exist_ok=True)
            watched.files.folder.mkdir(mode=0o700, exist_ok=True)
            watched.files.refuse(self._boot)
        if not watched.files.folder.is_dir():
            return NoClaim.NEVER  # No shim is started before its directory is made.
        claim = watched.files.claim()
        return NoClaim.INCOMPLETE if claim is NoClaim.MISSING else claim

    def _judge(self, watched: _Watched) -> None:
        """A claim that was incomplete: the shim may have been slow, or have died over it."""
        if isinstance(watched.files.claim(), Claim) or self._kin(watched).members(procfs.pids()):
            self._adopt(watched)
            return
        self._wakeups.post(RunNeverStarted(watched.run.attempt_id))

    def _take_up(self, watched: _Watched, claim: Claim) -> None:
        watched.pid, watched.ticks, watched.since = claim.pid, claim.ticks, claim.uptime
        self._close_fifo(watched)
        if watched.files.exit() is not None or watched.files.begin():
            self._over(watched)
            return
        self._tell_start(watched, claim)
        self._watch_shim(watched)

    # What else is done to a run.

    def signal(self, attempt: AttemptId, name: str) -> None:
        watched = self._runs.get(attempt)
        if watched is None or not watched.pid:
            return
        watched.was_signalled = True
        number = signal.Signals[f"SIG{name}"]
        if self._groups.is_populated(watched.run.id):
            self._groups.send(watched.run.id, number)
            return
        kin, signalled = self._kin(watched), set[int]()
        for _ in range(_ROUNDS):
            new = set(kin.members(procfs.pids(), self._leaders)) - signalled
            if not new:
                return
            for pid in sorted(new):  # The command before what it waits for, so that it sees the signal and not their end.
                kin.send(pid, number)
            signalled |= new

    def bound_output(self, attempt: AttemptId, limit: int) -> None:
        watched = self._runs.get(attempt)
        if watched is None or not self._has_holes:
            return
        try:
            watched.files.bound_output(limit)
        except OSError as error:
            self._has_holes = error.errno not in rundir.NO_HOLES
            if not self._has_holes:
                self._notice(
                    f"the file system of {self._parents[0]} has no holes ({error.strerror}): output of a run is not bounded while it runs"
                )

    def forget(self, attempt: AttemptId) -> None:
        watched = self._runs.pop(attempt, None)
        if watched is None:
            return
        self._leaders.discard(watched.pid)
        self._stop_watching(watched)
        if watched.fifo >= 0:
            self._wakeups.unwatch(watched.fifo)
            self._close_fifo(watched)
        if not any(other.run.id == watched.run.id for other in self._runs.values()):
            self._groups.remove(watched.run.id)  # The attempts of a run share it, and another one may be about to enter it.
        rundir.drop_stand_in(self._parents, watched.files)


def _reaped(watched: _Watched) -> int | None:
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


def _ending_of_another_boot(watched: _Watched) -> Ending:
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
    return Exited(status=line.status, started_at=started_at, duration=Millis(max(0, line.uptime - claim.uptime)))
