"""What becomes of runs when the agent, the shim or the machine does not live as long as they do."""

from __future__ import annotations

import os
import pickle
import resource
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.adapters.disks import fill, remount, small_disk
from tests.adapters.processes import Rig, carriers, only_children, open_folder, open_rig, status, wait_for, why_not
from torchsync.adapters import process, procfs, rundir
from torchsync.adapters.rundir import Claim, NoClaim, RunFiles
from torchsync.core.model import Exited, Millis, ProgramCommand, Run, Vanished
from torchsync.core.usage import UNKNOWN, Usage
from torchsync.ports import RunEnded, RunNeverStarted, RunStarted

ROOT = Path(__file__).parents[2]
ANOTHER_BOOT = "00000000-0000-4000-8000-00000000dead"


@pytest.fixture
def rig() -> Iterator[Rig]:
    with open_rig() as rig:
        yield rig


@pytest.fixture
def grace(monkeypatch) -> Millis:
    """A shim has this long to write its claim: less than it has on a host."""
    monkeypatch.setattr(process, "_GRACE", Millis(200))
    return process._GRACE


def claim_of(rig: Rig, run: Run) -> Claim:
    claim = RunFiles(rig.files(run)).claim()
    assert isinstance(claim, Claim)
    return claim


# The agent is killed.

AGENT = """
    import pickle, sys, time
    from pathlib import Path
    from tests.adapters.processes import Rig
    from torchsync.ports import RunStarted
    rig = Rig(Path(sys.argv[1]))
    runs = [rig.start(command) for command in sys.argv[3:]]
    seen = 0
    while seen < len(runs):
        seen += isinstance(rig.next_event(), RunStarted)
    Path(sys.argv[2]).write_bytes(pickle.dumps(runs))
    print("ready", flush=True)
    time.sleep(60)
"""


def killed_agent(rig: Rig, *commands: str) -> list[Run]:
    """The runs that an agent process of its own started before it got a SIGKILL."""
    told = rig.folder / "runs.pickle"
    command = [sys.executable, "-c", textwrap.dedent(AGENT), str(rig.folder), str(told), *commands]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as agent:
        assert agent.stdout is not None
        assert agent.stdout.readline() == "ready\n"
        agent.kill()
    runs: list[Run] = pickle.loads(told.read_bytes())
    return runs


def test_runs_of_a_killed_agent_are_adopted_with_status_and_output(rig) -> None:
    flag = rig.folder / "go"
    waiting = f"echo begun; until [ -e {flag} ]; do sleep 0.02; done; echo done; exit "
    over, *live = killed_agent(rig, "echo quick; exit 3", waiting + "0", waiting + "7", waiting + "255")
    wait_for(lambda: RunFiles(rig.files(over)).exit() is not None, "its whole exit line")
    rig.executor.adopt([over, *live])
    events = [rig.next_event() for _ in range(4)]
    assert [status(event) for event in events if isinstance(event, RunEnded)] == [3]
    assert {event.attempt for event in events if isinstance(event, RunStarted)} == {run.id for run in live}
    flag.touch()
    ends = {event.attempt: event for event in (rig.next_event() for _ in live)}
    assert [status(ends[run.id]) for run in live] == [0, 7, 255]
    assert [rig.output(run) for run in live] == ["begun\ndone\n"] * 3
    assert all(isinstance(ends[run.id].ending, Exited) and ends[run.id].ending.duration > 0 for run in live)


def test_a_run_of_a_killed_agent_is_stopped_by_the_next(rig) -> None:
    (run,) = killed_agent(rig, "setsid sleep 60 & sleep 60 & wait")
    wait_for(lambda: len(carriers(run.id)) >= 3)
    rig.executor.adopt([run])
    rig.until(lambda event: isinstance(event, RunStarted))
    rig.executor.signal(run.id, "KILL")
    assert status(rig.end_of(run)) == 137
    wait_for(lambda: carriers(run.id) == [])


@only_children
def test_two_hundred_runs_are_adopted_without_a_walk_through_all_processes(rig, monkeypatch) -> None:
    runs = [rig.start("sleep 60") for _ in range(200)]
    left = len(runs)
    while left:
        left -= isinstance(rig.next_event(), RunStarted)
    rig.restart()
    walks: list[int] = []
    everybody = procfs.pids
    monkeypatch.setattr(procfs, "pids", lambda: walks.append(1) or everybody())
    rig.executor.adopt(runs)
    events = [rig.next_event() for _ in runs]
    cost = len(walks)
    for run in runs:
        rig.executor.signal(run.id, "KILL")
    for run in runs:
        os.waitpid(claim_of(rig, run).pid, 0)
    assert {event.attempt for event in events if isinstance(event, RunStarted)} == {run.id for run in runs}
    assert cost == 0


# Who makes the claim decides.


def test_recovery_that_makes_the_claim_keeps_a_slow_shim_from_starting(rig) -> None:
    run = rig.admit(f"touch {rig.folder}/ran")
    rig.executor.adopt([run])
    assert rig.next_event() == RunNeverStarted(run.id)
    shim(rig, run)
    assert not (rig.folder / "ran").exists()
    assert RunFiles(rig.files(run)).claim() is NoClaim.NEVER


def test_a_shim_that_makes_the_claim_first_is_adopted(rig) -> None:
    run = rig.admit("exit 0")
    rig.files(run).mkdir(parents=True)
    shim(rig, run, script="echo begun >&4; exec /bin/sh -c 'exit 6' </dev/null 3>&- 4>&-")
    rig.executor.adopt([run])
    assert status(rig.end_of(run)) == 6


def shim(rig: Rig, run: Run, script: str = "") -> None:
    """The shim has run as the executor starts it, with this script for the command."""
    text = (ROOT / "torchsync/adapters/shim.sh").read_text()
    argv = ["/bin/sh", "-c", text, "torchsync-run", str(rig.files(run)), procfs.boot_id(), "", "", "/bin/sh", "-s"]
    subprocess.run(argv, check=False, input=script or f"touch {rig.folder}/ran", text=True, start_new_session=True, timeout=60)


@pytest.mark.parametrize(
    "text", [pytest.param("", id="empty"), pytest.param("123 456", id="cut off"), pytest.param("123 456 x 1.0", id="no newline")]
)
def test_an_incomplete_claim_without_a_process_means_never_started(text, rig, grace) -> None:
    run = rig.admit()
    rig.files(run).mkdir(parents=True)
    (rig.files(run) / "claim").write_text(text)
    began = time.monotonic()
    rig.executor.adopt([run])
    assert rig.next_event() == RunNeverStarted(run.id)
    assert time.monotonic() - began >= grace / 1000 - 0.01, "the shim had its time"


def test_an_incomplete_claim_that_is_completed_meanwhile_is_adopted(rig, grace) -> None:
    """A shim that was stopped between making its claim and writing it."""
    run = rig.start("sleep 60")
    rig.until(lambda event: isinstance(event, RunStarted))
    claim = rig.files(run) / "claim"
    text = claim.read_text()
    claim.write_text(text[:5])
    rig.restart()
    rig.executor.adopt([run])
    assert list(rig.silence(3 * grace)) == [], "a process carries the id of the run"
    claim.write_text(text)
    assert isinstance(rig.next_event(), RunStarted)
    rig.executor.signal(run.id, "KILL")
    assert status(rig.end_of(run)) == 137


def test_a_claim_that_cannot_be_written_is_a_start_that_failed(rig) -> None:
    rig.shell = ("/bin/sh", "-f")
    rig.restart()
    run = rig.admit()
    folder = rig.state / "runs" / run.id
    order = rig.order(run)
    rig.executor.start(order)
    ended = rig.end_of(run)
    assert status(ended) == 0
    again = Rig(rig.folder)
    again.executor.start(order)
    assert "directory of the run cannot be made" in why_not(again.end_of(run))
    assert folder.is_dir()


# The exit line.


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("0", id="cut off"),
        pytest.param("0 12.34", id="no newline"),
        pytest.param("x 1.0\n", id="no number"),
    ],
)
def test_an_exit_line_that_is_not_complete_is_not_known(text, rig) -> None:
    run = finished(rig)
    (rig.files(run) / "exit").write_text(text)
    rig.executor.adopt([run])
    ended = rig.end_of(run)
    assert isinstance(ended.ending, Vanished)


@pytest.mark.parametrize(
    ("line", "usage"),
    [
        ("2345678 4096\n", Usage(cpu=2345, memory=4096)),
        ("2345678 -\n", Usage(cpu=2345)),
        ("0 -\n", UNKNOWN),
        ("2345678 40", UNKNOWN),
        ("", UNKNOWN),
        ("a b c\n", UNKNOWN),
    ],
)
def test_what_a_run_used_is_what_its_shim_found_or_unknown(line, usage, rig) -> None:
    run = finished(rig)
    (rig.files(run) / "usage").write_text(line)
    rig.executor.adopt([run])
    ended = rig.end_of(run)
    assert isinstance(ended.ending, Exited)
    assert ended.ending.usage == usage


def test_an_exit_line_that_could_not_be_written_is_told_by_the_shim_to_its_agent(rig) -> None:
    run = rig.start(f"rm -f {rig.state}/runs/$TORCHSYNC_RUN_ID/exit; mkdir {rig.state}/runs/$TORCHSYNC_RUN_ID/exit; sleep 0.2; exit 9")
    ended = rig.end_of(run)
    assert status(ended) == 9
    assert ended.ending.duration >= 190


def finished(rig: Rig, command: str = "exit 0") -> Run:
    """A run that is over, and an agent that does not know it."""
    run = rig.start(command)
    rig.end_of(run)
    rig.restart()
    return run


# The shim is killed.


@pytest.mark.parametrize("is_adopted", [False, True], ids=["own", "adopted"])
def test_a_run_whose_shim_was_killed_goes_on_until_nothing_of_it_lives(is_adopted, rig) -> None:
    flag = rig.folder / "go"
    run = rig.start(f"setsid sh -c 'until [ -e {flag} ]; do sleep 0.02; done; sleep 0.2' & until [ -e {flag} ]; do sleep 0.02; done")
    rig.until(lambda event: isinstance(event, RunStarted))
    wait_for(lambda: len(carriers(run.id)) >= 3)
    if is_adopted:
        rig.restart()
        rig.executor.adopt([run])
        rig.until(lambda event: isinstance(event, RunStarted))
    os.kill(claim_of(rig, run).pid, signal.SIGKILL)
    assert list(rig.silence(300)) == []
    flag.touch()
    ended = rig.end_of(run)
    assert isinstance(ended.ending, Vanished)
    assert ended.ending.started_at is not None
    assert carriers(run.id) == []


def test_a_run_whose_shim_was_killed_can_be_stopped(rig) -> None:
    run = rig.start("sleep 60")
    rig.until(lambda event: isinstance(event, RunStarted))
    os.kill(claim_of(rig, run).pid, signal.SIGKILL)
    assert list(rig.silence()) == []
    rig.executor.signal(run.id, "TERM")
    assert isinstance(rig.end_of(run).ending, Vanished)


@only_children
def test_a_shim_killed_while_no_agent_ran_is_adopted_as_what_is_left(rig) -> None:
    run = rig.start("sleep 60")
    rig.until(lambda event: isinstance(event, RunStarted))
    claim = claim_of(rig, run)
    os.kill(claim.pid, signal.SIGKILL)
    os.waitpid(claim.pid, 0)
    rig.restart()
    rig.executor.adopt([run])
    assert isinstance(rig.next_event(), RunStarted)
    rig.executor.signal(run.id, "KILL")
    assert isinstance(rig.end_of(run).ending, Vanished)


def test_signals_that_a_service_manager_sends_do_not_end_the_shim(rig) -> None:
    run = rig.start("trap '' TERM INT HUP QUIT; sleep 0.5; exit 4")
    rig.until(lambda event: isinstance(event, RunStarted))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        os.kill(claim_of(rig, run).pid, number)
    assert status(rig.end_of(run)) == 4


# The machine restarts.


def in_another_boot(run: Run) -> Run:
    return replace(run, boot_id=ANOTHER_BOOT)


def test_a_run_that_ended_before_the_reboot_keeps_its_status(rig) -> None:
    run = finished(rig, "sleep 0.2; exit 5")
    rig.executor.adopt([in_another_boot(run)])
    ended = rig.end_of(run)
    assert status(ended) == 5
    assert ended.ending.duration >= 190
    assert abs(ended.ending.started_at - run.admitted_at) < 60_000


def test_a_run_that_never_began_before_the_reboot_keeps_its_reason(rig) -> None:
    run = rig.start(ProgramCommand(("no-such-program",)))
    rig.end_of(run)
    rig.restart()
    rig.executor.adopt([in_another_boot(run)])
    assert "no such program" in why_not(rig.end_of(run))


@pytest.mark.parametrize("kept", [("claim",), ("claim", "begin"), ()], ids=["claimed", "begun", "nothing on the disk"])
def test_a_run_in_flight_at_the_reboot_is_lost(kept, rig) -> None:
    run = finished(rig)
    for name in {"claim", "begin", "exit"} - set(kept):
        (rig.files(run) / name).unlink()
    rig.executor.adopt([in_another_boot(run)])
    ended = rig.end_of(run)
    assert isinstance(ended.ending, Vanished)
    assert "restarted" in ended.ending.why
    assert (ended.ending.started_at is not None) == ("claim" in kept)


# The state cannot be written.


@contextmanager
def rig_on_a_disk(*options: str) -> Iterator[Rig]:
    with open_folder() as folder, small_disk(folder / "state", *options):
        yield Rig(folder)


@pytest.mark.parametrize("harm", [fill, lambda disk: remount(disk, "ro")], ids=["full", "read-only"])
def test_a_run_starts_and_is_adopted_while_the_state_cannot_be_written(harm) -> None:
    with rig_on_a_disk("size=1m") as rig:
        harm(rig.state)
        flag = rig.folder / "go"
        run = rig.start(f"echo discarded; until [ -e {flag} ]; do sleep 0.02; done; exit 8")
        rig.until(lambda event: isinstance(event, RunStarted))
        assert (rig.memory / "runs" / run.id / "claim").exists()
        assert not rig.files(run).exists()
        rig.restart()
        rig.executor.adopt([run])
        assert isinstance(rig.next_event(), RunStarted)
        flag.touch()
        assert status(rig.end_of(run)) == 8


def test_output_that_is_discarded_is_said_once_each_time_it_begins() -> None:
    with rig_on_a_disk("size=1m") as rig:
        for _ in range(2):
            ballast = fill(rig.state)
            for _ in range(2):
                rig.end_of(rig.start("head -c 300000 /dev/zero"))
            ballast.unlink()
            rig.end_of(rig.start("echo kept"))
    discarded = [sentence for sentence in rig.notices if "discarded" in sentence]
    assert discarded == [f"{rig.state}/runs cannot be written: the output of runs that start now is discarded"] * 2


def test_what_stood_in_for_the_disk_goes_with_the_run() -> None:
    with rig_on_a_disk("size=1m") as rig:
        ballast = fill(rig.state)
        run = rig.start("true")
        rig.end_of(run)
        assert (rig.memory / "runs" / run.id / "exit").exists()
        rig.executor.forget(run.id)
        assert not (rig.memory / "runs" / run.id).exists()
        ballast.unlink()
        run = rig.start("true")
        rig.end_of(run)
        rig.executor.forget(run.id)
        assert (rig.files(run) / "exit").exists()


@pytest.mark.parametrize("is_adopted", [False, True], ids=["own", "adopted"])
def test_a_run_in_flight_while_the_disk_fills_keeps_its_status(is_adopted) -> None:
    with rig_on_a_disk("size=1m") as rig:
        flag = rig.folder / "go"
        run = rig.start(f"until [ -e {flag} ]; do sleep 0.02; done; exit 8")
        rig.until(lambda event: isinstance(event, RunStarted))
        fill(rig.state)
        if is_adopted:
            rig.restart()
            rig.executor.adopt([run])
        flag.touch()
        assert status(rig.end_of(run)) == 8


@pytest.mark.usefixtures("grace")
def test_a_run_that_was_only_admitted_never_starts_also_on_a_full_disk() -> None:
    with rig_on_a_disk("size=1m") as rig:
        run = rig.admit()
        fill(rig.state)
        rig.executor.adopt([run])
        assert rig.next_event() == RunNeverStarted(run.id)


# Descriptors run out.


def test_a_run_that_cannot_be_started_for_want_of_descriptors_says_so(rig) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    run = rig.admit()
    order = rig.order(run)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        rig.executor.start(order)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert "Too many open files" in why_not(rig.end_of(run))
    assert status(rig.complete("exit 0")[0]) == 0


def test_what_stood_in_for_the_disk_is_cleared_away_for_runs_whose_end_is_written_down(rig) -> None:
    """An agent was killed between the two. What has no end yet is left alone, also when nobody knows it."""
    over, unknown, known = (rig.memory / "runs" / name for name in ("over", "unknown", "known"))
    for folder in (over, unknown, known):
        folder.mkdir(parents=True)
    for folder in (over, known):
        (folder / "exit").write_text("0 12.34\n")
    (unknown / "exit").write_text("0 12")
    rundir.sweep_stand_ins((rig.state / "runs", rig.memory / "runs"), {"known"})
    assert not over.exists()
    assert unknown.exists()
    assert known.exists()
    rig.executor.adopt([])
    assert not known.exists()
