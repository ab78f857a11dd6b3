"""Jobs that mean no good, or are badly written: each is stopped, bounded, and told as it was. Real processes, of the agent's user and another."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.adapters.disks import small_disk
from tests.adapters.processes import IS_ROOT, ME, Rig, carriers, open_rig, status, wait_for
from torchsync.adapters import procfs
from torchsync.adapters.retention import Bounds, prune_runs
from torchsync.adapters.rundir import Claim, RunFiles
from torchsync.adapters.syscalls import is_open_for_writing
from torchsync.core.lifecycle import detail_of, outcome_of
from torchsync.core.model import Exited, Instant, Outcome, ProgramCommand, Run, StopCause, Vanished
from torchsync.ports import RunEnded, RunStarted

MIB = 1 << 20
OUTPUT_MIB = int(os.environ.get("TORCHSYNC_TEST_OUTPUT_MIB", "160"))
"""What a run writes. 10,240 take some minutes, and stay below the same bound."""
OTHERS = [
    pytest.param(ME, id="the agent's own user"),
    pytest.param("nobody", id="another user", marks=pytest.mark.skipif(not IS_ROOT, reason="only as root: switches users")),
]
both = pytest.mark.parametrize("user", OTHERS)


@pytest.fixture
def rig() -> Iterator[Rig]:
    with open_rig() as rig:
        yield rig


def python(script: str) -> ProgramCommand:
    return ProgramCommand(("/usr/bin/python3", "-I", "-c", textwrap.dedent(script)))


def living(rig: Rig, run: Run) -> list[int]:
    """The live processes of the run, told by its id, but for its shim."""
    return [pid for pid in carriers(run.id) if pid != shim_of(rig, run)]


def shim_of(rig: Rig, run: Run) -> int:
    claim = RunFiles(rig.files(run)).claim()
    return claim.pid if isinstance(claim, Claim) else 0


def started(rig: Rig, run: Run) -> None:
    rig.until(lambda event: isinstance(event, RunStarted) and event.attempt == run.attempt_id)


def stop(rig: Rig, run: Run, *, grace: float = 30) -> RunEnded:
    """As the engine stops a run: its signal, the grace, KILL, and KILL again for what its command left behind. Who obeys is given much time, on a
    busy machine; who does not gets little.
    """
    rig.executor.signal(run.id, "TERM")
    deadline = time.monotonic() + grace
    ended = None
    while time.monotonic() < deadline and ended is None:
        found = [event for event in rig.wakeups.wait(20) if isinstance(event, RunEnded) and event.attempt == run.attempt_id]
        ended = found[-1] if found else ended
    if ended is None or ended.leftovers:
        rig.executor.signal(run.id, "KILL")
    if ended is None:
        ended = rig.end_of(run)
    if ended.leftovers:
        rig.executor.signal(run.id, "KILL")
    return ended


def nobody_is_left(rig: Rig, run: Run) -> None:
    wait_for(lambda: living(rig, run) == [], "the end of everything that the run started")


# What multiplies.


@both
def test_a_bomb_of_children_that_ignore_term_is_killed_whole(user, rig) -> None:
    """Sixty-three processes, each of which has a signal handler that begins two more, as far as 200."""
    script = """
        import os, signal, time
        def split(*_):
            for _ in range(2):
                if len(os.listdir("/proc")) < LIMIT and os.fork() == 0:
                    signal.signal(signal.SIGTERM, split)
        LIMIT = len(os.listdir("/proc")) + 200
        signal.signal(signal.SIGTERM, split)
        for _ in range(6):
            os.fork()
        print("split", flush=True)
        while True:
            time.sleep(1)
    """
    run = rig.start(python(script), user=user)
    wait_for(lambda: rig.output(run).count("split") >= 63, "the bomb")
    ended = stop(rig, run, grace=0.3)
    assert status(ended) == 137
    nobody_is_left(rig, run)


@both
def test_a_comet_that_forks_and_ends_without_end_is_caught(user, rig) -> None:
    """One process at a time, each only there to fork the next and to end: whoever walks through all processes finds it gone."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler to make a comet with")
    source, comet, count = rig.folder / "comet.c", rig.folder / "comet", rig.folder / "count"
    source.write_text(COMET)
    subprocess.run([compiler, "-O2", "-o", comet, source], check=True)
    count.write_bytes(bytes(8))
    count.chmod(0o666)
    run = rig.start(f"{comet} {count}; sleep 60", user=user)
    wait_for(lambda: flown(count) > 100, "the comet")
    stop(rig, run)
    wait_for(lambda: is_caught(rig, run, count), "the end of the comet")
    nobody_is_left(rig, run)


COMET = """
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
int main(int argc, char **argv) {
    volatile long *count = mmap(0, 8, PROT_READ | PROT_WRITE, MAP_SHARED, open(argv[1], O_RDWR), 0);
    time_t until = time(0) + 60;
    signal(SIGTERM, SIG_IGN);
    for (; time(0) < until; ++*count)
        if (fork())
            _exit(0);
    return 0;
}
"""


def flown(count: Path) -> int:
    return int.from_bytes(count.read_bytes(), sys.byteorder)


def is_caught(rig: Rig, run: Run, count: Path) -> bool:
    """The chase is a race that a busy machine may lose; then KILL is sent again."""
    if stands_still(count):
        return True
    rig.executor.signal(run.id, "KILL")
    return False


def stands_still(count: Path) -> bool:
    before = flown(count)
    time.sleep(0.1)
    return flown(count) == before


@both
def test_a_daemon_by_the_book_is_stopped_with_its_run(user, rig) -> None:
    """Double fork, a session of its own, descriptors and signals let go of; only the environment stays."""
    script = """
        import os, signal, time
        if os.fork() == 0:
            os.setsid()
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            if os.fork():
                os._exit(0)
            os.chdir("/")
            for number in range(3):
                os.close(number)
            time.sleep(60)
        time.sleep(60)
    """
    run = rig.start(python(script), user=user)
    started(rig, run)
    wait_for(lambda: len(living(rig, run)) == 2, "the daemon")
    assert status(stop(rig, run)) == 143
    nobody_is_left(rig, run)


# What hides.


@both
def test_what_left_session_and_environment_is_out_of_reach_without_a_group_and_that_is_said(user, rig) -> None:
    """With a delegated control group it is reached: test_cgroup.py."""
    said = "stopping a run reaches its session and what carries its id, not what left both"
    if not any(said in notice for notice in rig.notices):
        pytest.skip("only as root and as an ordinary user without a delegated control group: here there is one")
    place = rig.folder / "pid"
    place.touch()
    place.chmod(0o666)
    run = rig.start(f"env -i setsid sh -c 'echo $$ >{place}; exec sleep 60' & wait", user=user)
    started(rig, run)
    wait_for(lambda: place.read_text().endswith("\n"), "the one that hides")
    hidden = int(place.read_text())
    try:
        ended = stop(rig, run)
        assert status(ended) == 143
        assert procfs.start_ticks(hidden) is not None
    finally:
        os.kill(hidden, signal.SIGKILL)


@both
def test_a_run_that_closes_its_descriptors_is_told_like_any_other(user, rig) -> None:
    ended, output = rig.complete("exec 0<&- 1>&- 2>&-; sleep 0.05; exit 9", user=user)
    assert (status(ended), output) == (9, "")


@both
def test_another_name_and_another_title_hide_nothing(user, rig) -> None:
    """A process whose name in /proc looks like the fields behind it."""
    script = """
        import time
        open("/proc/self/comm", "w").write(") Z 1 1 1\\n")
        time.sleep(60)
    """
    run = rig.start(python(script), user=user)
    started(rig, run)
    assert status(stop(rig, run)) == 143
    nobody_is_left(rig, run)


# What turns on its shim.


def test_a_run_of_the_agents_user_that_kills_its_shim_is_lost_once_nothing_of_it_lives(rig) -> None:
    run = rig.start("kill -KILL $PPID; sleep 0.3; echo done")
    ended = rig.end_of(run)
    assert isinstance(ended.ending, Vanished)
    assert "killed by somebody else" in ended.ending.why
    assert outcome_of(run, ended.ending) is Outcome.LOST
    assert rig.output(run) == "done\n"


@pytest.mark.skipif(not IS_ROOT, reason="only as root: switches users")
@pytest.mark.parametrize("name", ["KILL", "STOP"])
def test_a_run_of_another_user_cannot_touch_its_shim(name, rig) -> None:
    ended, output = rig.complete(f"kill -{name} $PPID; exit 4", user="nobody")
    assert status(ended) == 4
    assert "not permitted" in output


@both
def test_a_run_that_stops_itself_is_killed_after_its_timeout_and_told_so(user, rig) -> None:
    run = rig.start("sleep 60 & kill -STOP $! $$", user=user)
    started(rig, run)
    wait_for(lambda: [is_stopped(pid) for pid in living(rig, run)] == [True, True], "everything to stand still")
    ended = stop(rig, run, grace=0.3)
    assert status(ended) in (137, 143)
    timed_out = Run(**{name: getattr(run, name) for name in run.__slots__} | {"stop_cause": StopCause.TIMEOUT})
    assert outcome_of(timed_out, ended.ending) is Outcome.TIMED_OUT
    nobody_is_left(rig, run)


def test_a_run_that_stops_its_shim_is_over_all_the_same_once_it_is_stopped(rig) -> None:
    run = rig.start("kill -STOP $PPID; exit 6")
    started(rig, run)
    wait_for(lambda: is_stopped(shim_of(rig, run)) and living(rig, run) == [], "the shim to stand still, and the command to have exited")
    assert status(stop(rig, run)) == 6


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("T")


@both
def test_a_run_may_offer_itself_to_the_oom_killer_and_takes_nobody_with_it(user, rig) -> None:
    run = rig.start("echo 1000 >/proc/self/oom_score_adj; cat /proc/self/oom_score_adj; sleep 60", user=user)
    wait_for(lambda: rig.output(run) == "1000\n", "its score")
    own = Path("/proc/self/oom_score_adj").read_text()
    assert Path(f"/proc/{shim_of(rig, run)}/oom_score_adj").read_text() == own
    for pid in living(rig, run):
        with suppress(ProcessLookupError):  # `cat`, which has written and was about to exit.
            os.kill(pid, signal.SIGKILL)  # As the kernel does it.
    assert status(rig.end_of(run)) == 137


# What fills the disk.


def bounded(rig: Rig, run: Run, limit: int, is_over: Callable[[], bool]) -> int:
    """The most that the output of the run ever took, while it was bounded as the agent does it."""
    most = 0
    while not is_over():
        most = max(most, rig.bounded(run, limit))
    return most


@both
def test_the_disk_that_a_flood_of_output_takes_is_bounded_while_it_comes(user, rig) -> None:
    limit = 4 * MIB
    run = rig.start(f"echo first; head -c {OUTPUT_MIB}M /dev/zero | tr '\\0' x; echo; echo last", user=user)
    ends: list[RunEnded] = []

    def is_over() -> bool:
        ends.extend(event for event in rig.wakeups.wait(20) if isinstance(event, RunEnded))
        return bool(ends)

    most = bounded(rig, run, limit, is_over)
    assert status(ends[0]) == 0
    assert most < limit + 96 * MIB
    rig.executor.bound_output(run.id, limit)
    path = rig.files(run) / "output"
    assert path.stat().st_size == OUTPUT_MIB * MIB + 12
    assert path.stat().st_blocks * 512 <= limit + 16384
    with path.open("rb") as file:
        assert file.read(7) == b"first\nx"
        file.seek(-7, os.SEEK_END)
        assert file.read() == b"x\nlast\n"[-7:]


def test_an_output_that_was_too_large_once_is_looked_at_again_by_itself_and_when_the_run_is_over(rig) -> None:
    go, limit = rig.folder / "go", MIB
    run = rig.start(f"head -c 8M /dev/zero; until [ -e {go} ]; do sleep 0.02; done; head -c 8M /dev/zero; sleep 60", output_max=limit)
    path = rig.files(run) / "output"
    wait_for(lambda: path.stat().st_size == 8 * MIB, "the first half")
    rig.executor.bound_output(run.id, limit)
    go.touch()
    wait_for(lambda: path.stat().st_size == 16 * MIB, "the second half")
    wait_for(lambda: not rig.wakeups.wait(20) and path.stat().st_blocks * 512 <= limit + 16384, "the bound")
    rig.executor.signal(run.id, "KILL")
    rig.end_of(run)
    with path.open("ab") as more:
        more.write(b"x" * 4 * MIB)
    rig.executor.forget(run.id)
    assert path.stat().st_blocks * 512 <= limit + 16384


def test_a_run_that_fills_the_disk_is_stopped_and_its_status_known(tmp_path, rig) -> None:
    with small_disk(rig.folder / "small", "size=24m", "mode=0711") as disk:
        rig.state = disk
        rig.restart()
        run = rig.start("while :; do head -c 1048576 /dev/zero 2>/dev/null || sleep 0.01; done", output_max=MIB)
        started(rig, run)
        path = rig.files(run) / "output"
        wait_for(lambda: os.statvfs(disk).f_bavail == 0, "a full disk")
        bounded(rig, run, MIB, lambda: os.statvfs(disk).f_bavail > 0)
        assert path.stat().st_blocks > 0
        assert status(stop(rig, run)) == 143
        rig.executor.bound_output(run.id, MIB)
        assert os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize > 20 * MIB, "the room is there for others again"


# What stays behind.


@both
def test_children_that_hold_the_output_open_are_told_and_keep_nobody_waiting(user, rig) -> None:
    run = rig.start("(trap '' TERM; echo from the child; exec sleep 60) & sleep 0.1; exit 3", user=user)
    ended = rig.end_of(run)
    assert (status(ended), ended.leftovers) == (3, True)
    assert isinstance(ended.ending, Exited)
    assert ended.ending.duration < 50_000
    assert "processes it started live on" in detail_of(run, ended.ending, leftovers=ended.leftovers)
    wait_for(lambda: rig.output(run) == "from the child\n", "what the child writes, at any time")
    rig.executor.signal(run.id, "KILL")
    nobody_is_left(rig, run)


@pytest.mark.parametrize("is_restarted", [False, True], ids=["by the same agent", "by the next agent"])
@both
def test_what_is_left_behind_fills_no_disk_through_the_output_of_a_run_that_is_over(user, is_restarted, rig) -> None:
    limit, go, over = 11 * MIB, rig.folder / "go", rig.folder / "over"
    flood = f"(until [ -e {go} ]; do sleep 0.02; done; head -c 40M /dev/zero; until [ -e {over} ]; do sleep 0.02; done) &"
    run = rig.start(flood, user=user, output_max=limit)
    assert rig.end_of(run).leftovers
    rig.executor.forget(run.id)
    if is_restarted:
        rig.restart()
        rig.executor.adopt([])
        wait_for(lambda: not rig.wakeups.wait(100) and bool(rig.executor._left_behind._held), "the look at what an earlier agent left")
    path = rig.files(run) / "output"
    go.touch()
    wait_for(lambda: path.stat().st_size == 40 * MIB, "the flood")
    wait_for(lambda: not rig.wakeups.wait(100) and path.stat().st_blocks * 512 <= limit + 16384, "the bound")
    assert is_open_for_writing(path), "and a tidier that finds it too old leaves it alone"
    assert prune_runs(rig.state / "runs", nothing_is_kept(), ()) == 0
    over.touch()
    wait_for(lambda: not is_open_for_writing(path), "the end of it")
    assert prune_runs(rig.state / "runs", nothing_is_kept(), ()) == 1


def nothing_is_kept() -> Bounds:
    return Bounds(since=Instant(1 << 47), until=Instant(1 << 47), most_runs=0, most_bytes=0)
