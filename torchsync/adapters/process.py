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

The modules procfs, cgroup, members, rundir, spawn, watchedrun, removedrun, leftbehind and credentials are parts of this one, used by nothing else.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from torchsync.adapters import procfs, rundir
from torchsync.adapters.cgroup import RunGroups, delegated
from torchsync.adapters.credentials import CredentialFolders, NoCredential
from torchsync.adapters.leftbehind import LeftBehind
from torchsync.adapters.members import Members
from torchsync.adapters.removedrun import traces
from torchsync.adapters.rundir import Claim, NoClaim, RunFiles
from torchsync.adapters.spawn import CannotStart, Launcher, Shim, open_fifo, script_of, sweep_scripts
from torchsync.adapters.syscalls import Timer
from torchsync.adapters.watchedrun import Watched, ending_of, ending_of_another_boot, instant_of, wake
from torchsync.core.model import AttemptId, Exited, Millis, NotBegun, Run, Vanished
from torchsync.core.startscript import Account, start_script
from torchsync.ports import Clock, RunEnded, RunNeverStarted, RunStarted, StartOrder, Wakeups

if TYPE_CHECKING:
    from torchsync.adapters.units import Units

_GRACE = Millis(2_000)
"""How long a shim may take from making its claim to writing it."""
_AGAIN = Millis(1_000)
_SOON = Millis(50)
"""Until an output that was too large is looked at again."""


class ProcessExecutor:
    """`Executor` with files under `<state>/runs`, and under `<run>/runs` while the state cannot be written.

    `notice` is told in a sentence, once each, what this host or file system cannot do, and whenever output begins to be
    discarded. `shell` is the argv that starts a POSIX shell. With `units` systemd starts the shims.
    """

    def __init__(  # noqa: PLR0913 two folders, two ports, and what differs between hosts
        self,
        state: Path,
        run: Path,
        wakeups: Wakeups,
        clock: Clock,
        *,
        notice: Callable[[str], None],
        shell: tuple[str, ...] = ("/bin/sh",),
        units: Units | None = None,
    ) -> None:
        self._parents = (state / "runs", run / "runs")
        self._starting = run / "starting"
        self._wakeups = wakeups
        self._clock = clock
        self._notice = notice
        self._timer = Timer(wakeups, clock)
        self._launcher = Launcher(shell)
        self._boot = procfs.boot_id()
        self._runs: dict[AttemptId, Watched] = {}
        self._left_behind = LeftBehind(self._timer)
        self._credentials = CredentialFolders(run, notice)
        self._has_holes = True
        self._keeps_output = True
        root = delegated()
        self._groups = RunGroups(root)
        self._members = Members(self._groups, clock)
        self._units = units
        if root is None and units is None:
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
        if watched.pid:
            self._watch_shim(watched)

    def _launch(self, order: StartOrder) -> Watched:
        """The shim is running. Raises CannotStart when it is not."""
        run = order.run
        account = self._launcher.account(run.user, run.task.group)
        new = self._create(run, account)
        watched = self._watched(run, new.files)
        try:
            shim = self._shim(order, account, new)
            watched.fifo = open_fifo(shim.fifo)
            self._wakeups.watch(watched.fifo, lambda: self._begun(watched))
            if self._units:
                self._units.launch(shim, self._launcher.clean_words(shim), run, lambda why: self._settled(watched, why))
                return watched
            watched.pid, watched.is_child = self._launcher.launch(shim), True
        except (OSError, CannotStart) as error:
            self._close_fifo(watched)
            self._groups.remove(run.id)
            self._credentials.drop(run.attempt_id)
            if isinstance(error, CannotStart):
                raise
            raise CannotStart(f"no process could be started: {error.strerror}") from error
        finally:
            os.close(new.output)
        watched.ticks = procfs.start_ticks(watched.pid) or 0
        return watched

    def _shim(self, order: StartOrder, account: Account, new: rundir.NewRun) -> Shim:
        run, is_switched = order.run, self._units is not None or self._launcher.is_other(account)
        credentials = self._secrets(order, account)
        return Shim(
            run=run.id,
            folder=str(new.files.folder),
            boot=self._boot,
            fifo=self._starting / run.attempt_id,
            cgroup=self._groups.in_unit(run.attempt_id) if self._units else self._groups.create(run.id),
            script=start_script(
                run.task, account, tree=order.tree, environment=order.environment, is_switched=is_switched, credentials=credentials
            ),
            output=new.output,
            switch_to=account if is_switched else None,
            limits=run.task.limits,
        )

    def _secrets(self, order: StartOrder, account: Account) -> str:
        """The directory with the secrets of the run, empty when it asks for none. Raises CannotStart."""
        try:
            return self._credentials.of_run(order.run, order.credentials, account.uid)
        except NoCredential as reason:
            raise CannotStart(str(reason)) from reason

    def _create(self, run: Run, account: Account) -> rundir.NewRun:
        try:
            new = rundir.create(self._parents, run.attempt_id, (account.uid, account.gid))
        except OSError as error:
            raise CannotStart(f"the directory of the run cannot be made: {error.strerror}") from error
        if self._keeps_output and not new.keeps_output:
            self._notice(f"{self._parents[0]} cannot be written: the output of runs that start now is discarded")
        self._keeps_output = new.keeps_output
        return new

    def _watched(self, run: Run, files: RunFiles) -> Watched:
        return Watched(run=run, files=files, stand_in=self._starting / f"{run.attempt_id}.exit", since=self._clock.monotonic())

    def _begun(self, watched: Watched) -> None:
        """The FIFO was closed: by the exec of the command, or by the end of what should have come to it."""
        self._close_fifo(watched)
        claim = watched.files.claim()
        if watched.files.begin() == "" and isinstance(claim, Claim):
            self._tell_start(watched, claim)
        if not watched.pid and isinstance(claim, Claim):
            self._find_shim(watched, claim)

    def _settled(self, watched: Watched, why: str, *, is_late: bool = False) -> None:
        """The unit of the run was started, or it was not for this reason; the claim knows better."""
        if watched.pid or watched.run.attempt_id not in self._runs:
            return
        claim = watched.files.take_claim(self._boot) if why else watched.files.claim()
        if isinstance(claim, Claim):
            self._find_shim(watched, claim)
        elif claim is NoClaim.NEVER:
            self._never_began(watched, why)
        elif is_late and claim is NoClaim.INCOMPLETE and not self._members.kin(watched).members(procfs.pids()):
            self._never_began(watched, "the claim of the run could not be written")
        else:
            why = why or ("its shim did not claim the run" if is_late else "")
            self._timer.after(Millis(5 * _GRACE), lambda: self._settled(watched, why, is_late=True))

    def _find_shim(self, watched: Watched, claim: Claim) -> None:
        watched.pid, watched.ticks, watched.since = claim.pid, claim.ticks, claim.uptime
        self._watch_shim(watched)

    def _never_began(self, watched: Watched, why: str) -> None:
        self._close_fifo(watched)
        self._credentials.drop(watched.run.attempt_id)
        self._wakeups.post(RunEnded(watched.run.attempt_id, NotBegun(why=why)))

    def _close_fifo(self, watched: Watched) -> None:
        if watched.fifo >= 0:
            self._wakeups.unwatch(watched.fifo)
            os.close(watched.fifo)
            watched.fifo = -1
        (self._starting / watched.run.attempt_id).unlink(missing_ok=True)
        if self._units:
            script_of(self._starting / watched.run.attempt_id).unlink(missing_ok=True)

    def _tell_start(self, watched: Watched, claim: Claim) -> None:
        watched.claim = claim
        watched.started_at = instant_of(claim, watched.run, self._clock)
        self._wakeups.post(RunStarted(watched.run.attempt_id, watched.started_at))

    # Watching.

    def _watch_shim(self, watched: Watched) -> None:
        """The shim is watched; tried again later when there is no descriptor left to do it with."""
        self._members.leaders.add(watched.pid)
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

    def _over(self, watched: Watched) -> None:
        """The shim is gone. What it left is told, or watched when the shim cannot have seen the end of the command."""
        if watched.fifo >= 0:
            self._begun(watched)
        self._members.leaders.discard(watched.pid)
        newest = procfs.newest()
        # Before the reaping, which sets the pid free.
        leftovers = bool(self._members.left_by(watched)) or self._members.are_fleeing(watched, newest)
        self._stop_watching(watched)
        watched.has_leftovers = leftovers
        watched.ending = ending_of(watched, self._clock)
        if watched.ending is not None:
            self._credentials.drop(watched.run.attempt_id)
            self._wakeups.post(RunEnded(watched.run.attempt_id, watched.ending, leftovers=leftovers))
        if watched.ending is None or leftovers:
            self._await_the_rest(watched)

    def _await_the_rest(self, watched: Watched) -> None:
        """What the run started and its shim did not see the end of is watched, one process after another. The end is told when none is left."""
        if watched.run.attempt_id not in self._runs:
            return
        newest = procfs.newest()
        for pid in self._members.of(watched, procfs.pids()):
            try:
                watched.pidfd = os.pidfd_open(pid)
            except OSError as error:
                if error.errno == errno.ESRCH:
                    continue
                self._timer.after(_AGAIN, lambda: self._await_the_rest(watched))
                return
            self._wakeups.watch(watched.pidfd, lambda: self._one_less(watched))
            return
        if self._members.are_fleeing(watched, newest):
            self._timer.after(_AGAIN, lambda: self._await_the_rest(watched))
            return
        self._credentials.drop(watched.run.attempt_id)
        killed = Vanished(why="the process that would have told the exit status was killed by somebody else", started_at=watched.started_at)
        self._wakeups.post(RunEnded(watched.run.attempt_id, watched.ending or killed))

    def _one_less(self, watched: Watched) -> None:
        self._stop_watching(watched)
        self._await_the_rest(watched)

    def _stop_watching(self, watched: Watched) -> None:
        if watched.pidfd >= 0:
            self._wakeups.unwatch(watched.pidfd)
            os.close(watched.pidfd)
            watched.pidfd = -1

    # Adopting.

    def adopt(self, runs: Sequence[Run]) -> None:
        known = {run.attempt_id for run in runs}
        self._groups.sweep({run.id for run in runs})
        self._credentials.sweep(known)
        self._left_behind.look_through(self._parents[:1], known)
        rundir.sweep_stand_ins(self._parents, known)
        sweep_scripts(self._starting)
        for run in runs:
            watched = self._watched(run, rundir.find(self._parents, run.attempt_id))
            self._runs[run.attempt_id] = watched
            if run.boot_id == self._boot:
                self._adopt(watched)
            else:
                self._wakeups.post(RunEnded(run.attempt_id, ending_of_another_boot(watched)))

    def _adopt(self, watched: Watched) -> None:
        claim: Claim | NoClaim | Exited | Vanished = watched.files.claim()
        if claim is NoClaim.MISSING:
            found = traces(watched, self._members.carriers(watched), self._boot, self._clock)
            claim = found or watched.files.take_claim(self._boot)
        match claim:
            case NoClaim.NEVER:
                self._never_started(watched)
            case Exited() | Vanished():
                watched.ending = claim
                self._await_the_rest(watched)
            case NoClaim():
                self._timer.after(_GRACE, lambda: self._judge(watched))
            case Claim():
                self._take_up(watched, claim)

    def _judge(self, watched: Watched) -> None:
        """A claim that was incomplete: the shim may have been slow, or have died over it."""
        if isinstance(watched.files.claim(), Claim) or self._members.kin(watched).members(procfs.pids()):
            self._adopt(watched)
            return
        self._never_started(watched)

    def _never_started(self, watched: Watched) -> None:
        self._credentials.drop(watched.run.attempt_id)
        self._wakeups.post(RunNeverStarted(watched.run.attempt_id))

    def _take_up(self, watched: Watched, claim: Claim) -> None:
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
        if watched is None:
            return
        watched.was_signalled = True
        wake(watched)
        self._members.send(watched, signal.Signals[f"SIG{name}"])

    def bound_output(self, attempt: AttemptId, limit: int) -> None:
        watched = self._runs.get(attempt)
        if watched is None or not self._has_holes:
            return
        try:
            if watched.files.bound_output(limit) and not watched.is_flooding:
                watched.is_flooding = True  # It may write a gigabyte until the agent asks again.
                self._timer.after(_SOON, lambda: self._bound_again(watched, limit))
        except OSError as error:
            self._has_holes = error.errno not in rundir.NO_HOLES
            if not self._has_holes:
                self._notice(
                    f"the file system of {self._parents[0]} has no holes ({error.strerror}): output of a run is not bounded while it runs"
                )

    def _bound_again(self, watched: Watched, limit: int) -> None:
        watched.is_flooding = False
        self.bound_output(watched.run.attempt_id, limit)

    def forget(self, attempt: AttemptId) -> None:
        watched = self._runs.get(attempt)
        if watched is None:
            return
        self.bound_output(attempt, watched.run.task.output_max)
        del self._runs[attempt]
        self._members.leaders.discard(watched.pid)
        self._stop_watching(watched)
        if watched.has_leftovers:
            self._left_behind.add(watched.files, watched.run.task.output_max)
        self._close_fifo(watched)
        self._credentials.drop(attempt)
        watched.stand_in.unlink(missing_ok=True)
        if not any(other.run.id == watched.run.id for other in self._runs.values()):
            self._groups.remove(watched.run.id)  # The attempts of a run share it, and another one may be about to enter it.
        rundir.drop_stand_in(self._parents, watched.files)
