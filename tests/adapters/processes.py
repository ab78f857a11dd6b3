"""A real process executor in a folder of its own, and runs for it."""

from __future__ import annotations

import os
import pwd
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import randbits

import pytest

from tests import builders
from torchsync.adapters import procfs
from torchsync.adapters.clock import SystemClock
from torchsync.adapters.process import ProcessExecutor
from torchsync.adapters.syscalls import Timer
from torchsync.adapters.systemdbus import SystemdBus
from torchsync.adapters.units import Units
from torchsync.adapters.wakeups import SelectorWakeups
from torchsync.core.model import Command, Exited, Millis, NotBegun, ProgramCommand, Run, RunId, RunState, ShellCommand
from torchsync.core.startscript import Account, run_environment
from torchsync.ports import RunEnded, StartOrder

PATIENCE = 60.0
ME = pwd.getpwuid(os.geteuid()).pw_name
IS_ROOT = os.geteuid() == 0
IN_UNITS = "TORCHSYNC_TEST_UNITS" in os.environ
"""In a box, where systemd starts what these tests start: tests/systemd/test_units.py."""
only_children = pytest.mark.skipif(IN_UNITS, reason="only where shims are children of the agent")


def account(name: str = ME) -> Account:
    entry = pwd.getpwnam(name)
    return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid, home=entry.pw_dir, shell=entry.pw_shell)


class Rig:
    """An agent's executor and its folders. `restart` makes the executor of a later agent process; what an earlier one posts is not seen."""

    def __init__(self, folder: Path, shell: tuple[str, ...] = ("/bin/sh",), *, in_units: bool = IN_UNITS) -> None:
        self.folder = folder
        self.state, self.memory, self.tree = folder / "state", folder / "run", folder / "tree"
        self.clock = SystemClock()
        self.shell, self.in_units = shell, in_units
        self.notices: list[str] = []
        self.secrets: dict[str, str] = {}
        self._admitted: list[RunId] = []
        self._seen: list[object] = []
        for path, mode in ((folder, 0o711), (self.state, 0o711), (self.memory, 0o755), (self.tree, 0o755)):
            path.mkdir(exist_ok=True)
            path.chmod(mode)
        self._bus: SystemdBus | None = None
        self.restart()

    def restart(self) -> None:
        if self._bus:
            self._bus.close()
        self.wakeups = SelectorWakeups()
        self._bus = SystemdBus(self.wakeups, Timer(self.wakeups, self.clock), self.clock) if self.in_units else None
        self.executor = ProcessExecutor(
            self.state,
            self.memory,
            self.wakeups,
            self.clock,
            notice=self.notices.append,
            shell=self.shell,
            units=Units(self._bus) if self._bus else None,
        )

    def close(self) -> None:
        """Nothing of any run is left, also when a test failed."""
        if self._bus:
            self._bus.close()
        wait_for(self._is_deserted, "the end of everything that the runs started")

    def _is_deserted(self) -> bool:
        """Who was killed may take a while to be gone, and must not write into a folder that is being removed."""
        census, pids = procfs.Census(), procfs.pids()
        left = [pid for run in self._admitted for pid in procfs.Kin(run, 0, 0, census).members(pids)]
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not left

    # Runs.

    def admit(self, command: Command | str = "exit 0", *, user: str = ME, boot_id: str = "", **task: object) -> Run:
        admitted_at = self.clock.now()
        # At random, as the agent does it: a test beside this one may kill everything that carries the id of its own run.
        self._admitted.append(builders.run_id(randbits(32), admitted_at))
        command = ShellCommand(command) if isinstance(command, str) else command
        return builders.run(
            builders.task(**({"command": command} | task)),
            id=self._admitted[-1],
            admitted_at=admitted_at,
            state=RunState.ADMITTED,
            started_at=None,
            boot_id=boot_id or procfs.boot_id(),
            user=user,
        )

    def order(self, run: Run) -> StartOrder:
        try:
            environment = run_environment(run, account(run.user), "db-1")
        except KeyError:
            environment = {}
        return StartOrder(run=run, tree=str(self.tree), environment=environment, credentials=self.secrets)

    def start(self, command: Command | str = "exit 0", **changes: object) -> Run:
        run = self.admit(command, **changes)
        self.executor.start(self.order(run))
        return run

    def complete(self, command: Command | str, **changes: object) -> tuple[RunEnded, str]:
        """How a run of the command ended, and what it wrote."""
        run = self.start(command, **changes)
        ended = self.end_of(run)
        return ended, self.output(run)

    def argv(self, *words: str, **changes: object) -> tuple[RunEnded, str]:
        return self.complete(ProgramCommand(words), **changes)

    def files(self, run: Run) -> Path:
        return self.state / "runs" / run.id

    def output(self, run: Run) -> str:
        path = self.files(run) / "output"
        return path.read_text() if path.exists() else ""

    def bounded(self, run: Run, limit: int) -> int:
        """The output of the run is bounded; what it takes on the disk then, but for what came meanwhile: we may stand still, and the run goes on."""
        path = self.files(run) / "output"
        before = path.stat().st_size
        self.executor.bound_output(run.id, limit)
        after = path.stat()
        return after.st_blocks * 512 - (after.st_size - before)

    # Events.

    def next_event(self, patience: float = PATIENCE) -> object:
        deadline = time.monotonic() + patience
        while not self._seen:
            self._seen += self.wakeups.wait(Millis(100))
            assert self._seen or time.monotonic() < deadline, "no event came"
        return self._seen.pop(0)

    def until(self, is_last: Callable[[object], bool]) -> list[object]:
        """Every event up to the one that is meant."""
        events = [self.next_event()]
        while not is_last(events[-1]):
            events.append(self.next_event())
        return events

    def end_of(self, run: Run) -> RunEnded:
        event = self.until(lambda event: isinstance(event, RunEnded) and event.attempt == run.attempt_id)[-1]
        assert isinstance(event, RunEnded)
        return event

    def silence(self, millis: int = 150) -> Sequence[object]:
        events = [*self._seen, *self.wakeups.wait(Millis(millis))]
        self._seen = []
        return events


def status(ended: RunEnded) -> int:
    assert isinstance(ended.ending, Exited), ended
    return ended.ending.status


def why_not(ended: RunEnded) -> str:
    assert isinstance(ended.ending, NotBegun), ended
    return ended.ending.why


def wait_for(is_so: Callable[[], bool], what: str = "it", patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not is_so():
        assert time.monotonic() < deadline, f"waited {patience} s for {what}"
        time.sleep(0.01)


def carriers(run: RunId) -> list[int]:
    """Every live process with the id of the run in its environment."""
    return procfs.Kin(run, 0, 0, procfs.Census()).members(procfs.pids())


@contextmanager
def open_rig(shell: tuple[str, ...] = ("/bin/sh",), *, in_units: bool = IN_UNITS) -> Iterator[Rig]:
    with open_folder() as folder:
        rig = Rig(folder, shell, in_units=in_units)
        try:
            yield rig
        finally:
            rig.close()


@contextmanager
def open_folder() -> Iterator[Path]:
    """A temporary folder that every user may pass through, unlike pytest's."""
    with tempfile.TemporaryDirectory(prefix="torchsync-") as name:
        yield Path(name)
