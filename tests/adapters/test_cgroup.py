"""Runs in control groups of their own. A delegated group is made as systemd makes one, and this test's agent moves into it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.adapters.processes import open_folder
from torchsync.adapters import cgroup

ROOT = Path(__file__).parents[2]


def unified() -> Path | None:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount, _, system = line.partition(" - ")
        if system.startswith("cgroup2 "):
            return Path(mount.split()[4])
    return None


@pytest.fixture
def group() -> Iterator[Path]:
    """A delegated control group, empty again in the end."""
    if os.geteuid() != 0:
        pytest.skip("only as root: makes a control group")
    mount = unified()
    if mount is None:
        pytest.skip("no cgroup2 file system is mounted")
    path = mount / f"torchsync-test-{os.getpid()}"
    try:
        path.mkdir()
        os.setxattr(path, "trusted.delegate", b"1")
    except OSError as error:
        pytest.skip(f"no control group can be made and marked: {error.strerror}")
    yield path
    (path / "cgroup.kill").write_text("1")
    for folder, _, _ in os.walk(path, topdown=False):
        remove(Path(folder))


def remove(path: Path) -> None:
    for _ in range(200):
        with suppress(OSError):
            path.rmdir()
        if not path.exists():
            return
        time.sleep(0.01)


def inside(group: Path, script: str) -> str:
    """What a script prints that runs as an agent in the group; `rig`, `group` and the helpers are there."""
    text = textwrap.dedent("""
        import os, signal, sys, time
        from pathlib import Path
        group = Path(sys.argv[1])
        (group / "cgroup.procs").write_text(str(os.getpid()))
        from tests.adapters.processes import Rig, carriers, status, wait_for
        from torchsync.adapters import procfs
        from torchsync.ports import RunEnded, RunStarted
        rig = Rig(Path(sys.argv[2]))
    """) + textwrap.dedent(script)
    with open_folder() as folder:
        done = subprocess.run(
            [sys.executable, "-c", text, str(group), str(folder)], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
        )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_run_is_in_a_group_of_its_own_and_its_shim_is_not(group) -> None:
    output = inside(
        group,
        """
        assert rig.notices == []
        run = rig.start("sleep 0.2; cat /proc/self/cgroup /proc/$PPID/cgroup", user="nobody")
        ended = rig.end_of(run)
        assert status(ended) == 0 and not ended.leftovers
        print([line for line in rig.output(run).splitlines() if line.startswith("0::")], run.id)
        rig.executor.forget(run.id)
        print(sorted(path.name for path in group.iterdir() if path.is_dir()))
        """,
    )
    lines, _, rest = output.partition("] ")
    run_id = rest.split()[0]
    assert f"/{group.name}/run-{run_id}'" in lines
    assert f"/{group.name}'" in lines
    assert rest.split("\n")[1] == "[]"


@pytest.mark.parametrize(("name", "expected"), [("KILL", 137), ("TERM", 143)], ids=["cgroup.kill", "one by one"])
def test_stopping_reaches_what_left_both_session_and_environment(group, name, expected) -> None:
    output = inside(
        group,
        f"""
        from torchsync.adapters import cgroup
        run = rig.start("env -i setsid sh -c '(setsid sleep 60 &) ; exec sleep 60' & sleep 60")
        rig.until(lambda event: isinstance(event, RunStarted))
        groups = cgroup.RunGroups(group)
        wait_for(lambda: len(groups.pids(run.id)) >= 4, "its processes")
        pids = groups.pids(run.id)
        rig.executor.signal(run.id, "{name}")
        print(status(rig.end_of(run)) == {expected})
        wait_for(lambda: not groups.is_populated(run.id), "the end of all of them")
        wait_for(lambda: all(procfs.start_ticks(pid) is None for pid in pids), "their being collected")
        print(True)
        rig.executor.forget(run.id)
        print((group / f"run-{{run.id}}").exists())
        """,
    )
    assert output.split() == ["True", "True", "False"]


def test_what_is_left_in_a_group_is_told_and_its_group_goes_later(group) -> None:
    output = inside(
        group,
        """
        run = rig.start("env -i setsid sleep 60 & exit 0")
        print(rig.end_of(run).leftovers)
        rig.executor.forget(run.id)
        left = group / f"run-{run.id}"
        print(left.exists())
        (left / "cgroup.kill").write_text("1")
        wait_for(lambda: "populated 0" in (left / "cgroup.events").read_text())
        rig.restart()
        rig.executor.adopt([])
        print(left.exists())
        """,
    )
    assert output.split() == ["True", "True", "False"]


def test_an_agent_that_a_run_started_uses_the_same_groups(group) -> None:
    output = inside(
        group,
        """
        nested = group / "run-x"
        nested.mkdir()
        (nested / "cgroup.procs").write_text(str(os.getpid()))
        from torchsync.adapters.cgroup import delegated
        print(delegated() == group)
        (group / "cgroup.procs").write_text(str(os.getpid()))
        os.removexattr(group, "trusted.delegate")
        print(delegated())
        """,
    )
    assert output.split() == ["True", "None"]


def test_without_a_group_every_answer_is_that_of_an_empty_one() -> None:
    groups = cgroup.RunGroups(None)
    groups.send("x", 9)
    groups.remove("x")
    groups.sweep(())
    assert (groups.create("x"), groups.is_populated("x"), groups.pids("x")) == ("", False, [])
