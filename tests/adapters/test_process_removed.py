"""What becomes of a run whose directory somebody removes while it goes on: to make room on a disk, or by mistake."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator

import pytest

from tests.adapters.processes import Rig, carriers, open_rig, status, wait_for
from torchsync.adapters import procfs
from torchsync.core.model import Exited, Run, Vanished
from torchsync.ports import RunEnded, RunNeverStarted, RunStarted


@pytest.fixture
def rig() -> Iterator[Rig]:
    with open_rig() as rig:
        yield rig


def run_without_directory(rig: Rig, status: int = 5) -> Run:
    """It goes on until there is a file `go`, and its exec is over: in the middle of that it shows no environment to be known by."""
    run = rig.start(f"echo begun; until [ -e {rig.folder}/go ]; do sleep 0.02; done; exit {status}")
    rig.until(lambda event: isinstance(event, RunStarted))
    wait_for(lambda: rig.output(run) == "begun\n", "the command")
    shutil.rmtree(rig.files(run))
    return run


def test_its_status_is_told_all_the_same(rig) -> None:
    run = run_without_directory(rig)
    (rig.folder / "go").touch()
    assert status(rig.end_of(run)) == 5


def test_the_next_agent_takes_it_up_and_starts_nothing_in_its_place(rig) -> None:
    run = run_without_directory(rig)
    rig.restart()
    rig.executor.adopt([run])
    started = rig.next_event()
    assert isinstance(started, RunStarted)
    assert abs(started.started_at - run.admitted_at) < 60_000
    (rig.folder / "go").touch()
    assert status(rig.end_of(run)) == 5


def test_the_next_agent_can_stop_it(rig) -> None:
    run = run_without_directory(rig)
    rig.restart()
    rig.executor.adopt([run])
    rig.until(lambda event: isinstance(event, RunStarted))
    rig.executor.signal(run.id, "KILL")
    assert status(rig.end_of(run)) == 137
    wait_for(lambda: carriers(run.id) == [])


def test_what_ended_while_no_agent_ran_is_over_and_not_started_again(rig) -> None:
    run = run_without_directory(rig)
    rig.restart()
    (rig.folder / "go").touch()
    wait_for(lambda: carriers(run.id) == [])
    rig.executor.adopt([run])
    ended = rig.next_event()
    assert isinstance(ended, RunEnded)
    assert isinstance(ended.ending, Exited)
    assert (ended.ending.status, ended.ending.note) == (5, "the directory of the run was removed while it went on")


def test_what_is_left_of_it_without_its_shim_is_waited_for_and_lost(rig) -> None:
    run = run_without_directory(rig)
    (shim,) = (pid for pid in carriers(run.id) if str(rig.files(run)).encode() in procfs.words(pid))
    rig.restart()
    os.kill(shim, signal.SIGKILL)
    wait_for(lambda: shim not in carriers(run.id))
    rig.executor.adopt([run])
    assert rig.silence(0) == []
    (rig.folder / "go").touch()
    ended = rig.next_event()
    assert isinstance(ended, RunEnded)
    assert isinstance(ended.ending, Vanished)


def test_what_was_admitted_and_has_no_directory_never_started(rig) -> None:
    run = rig.admit()
    rig.executor.adopt([run])
    assert rig.next_event() == RunNeverStarted(run.id)
