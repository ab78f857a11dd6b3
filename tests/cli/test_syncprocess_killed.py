"""A sync that is killed, wherever that is, is followed by one that works and leaves what it always leaves."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli.test_syncprocess import asked, codes, end, eventually, in_process, repo, start, state  # noqa: F401 fixtures
from tests.gitrepo import GOOD, Repo
from torchsync.adapters.child import session_members
from torchsync.adapters.mirrorfiles import look_at
from torchsync.core.syncdoc import SyncRequest, Verdict

STEPS = {"os.chmod", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "shutil.rmtree", "subprocess.Popen"}
"""What a sync does to the disk, and every git that it starts, as Python tells its audit hooks (sys.addaudithook); and `open` to write."""

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.cli.test_syncprocess"])


def run_until(request: SyncRequest, step: int) -> None:
    """One sync in this process, which is killed right before its step of that number."""
    left = step

    def on_event(event: str, words: tuple[object, ...]) -> None:
        nonlocal left
        if event in STEPS or (event == "open" and isinstance(words[2], int) and words[2] & (os.O_WRONLY | os.O_RDWR)):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(on_event)
    in_process(request)


def is_killed_at(step: int, request: SyncRequest) -> bool:
    """False when the sync has fewer steps."""
    process = FORKS.Process(target=run_until, args=(request, step))
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def assert_as_always(state: Path, tree: str) -> None:  # noqa: F811
    """Of the sync that was killed there is nothing left; replaced copies of a tree stay until the agent drops them."""
    assert {path.name for path in state.iterdir()} <= {"repo.git", "repo.lock", "worktrees", "verdicts.json"}
    names = {path.name for path in (state / "worktrees").iterdir()}
    assert {tree, f"{tree}.manifest"} <= names
    assert not [name for name in names if name.startswith(".new")]
    found = look_at(state / "repo.git")
    assert (found.locks, found.unfinished, found.is_foreign) == ([], [], False)


def nothing_yet(repo: Repo, state: Path) -> None:  # noqa: F811
    pass


def the_commit_before(repo: Repo, state: Path) -> None:  # noqa: F811
    in_process(asked(repo, state, repo.git("rev-parse", "HEAD~1")))


def a_damaged_mirror(repo: Repo, state: Path) -> None:  # noqa: F811
    the_commit_before(repo, state)
    (state / "repo.git/HEAD").write_text("")


def an_edited_tree(repo: Repo, state: Path) -> None:  # noqa: F811
    tree = in_process(asked(repo, state)).tree
    (state / "worktrees" / tree / "scripts/backup.sh").write_text("edited")


def a_mirror_to_be_packed(repo: Repo, state: Path) -> None:  # noqa: F811
    the_commit_before(repo, state)
    for number in range(51):
        name = f"objects/pack/pack-{number:040x}"
        for suffix in (".pack", ".idx"):
            source = next((state / "repo.git/objects/pack").glob(f"*{suffix}"))
            shutil.copy(source, state / "repo.git" / f"{name}{suffix}")


@pytest.mark.parametrize("before", [nothing_yet, the_commit_before, a_damaged_mirror, an_edited_tree, a_mirror_to_be_packed])
def test_a_sync_that_is_killed_at_any_step_is_made_up_for(repo: Repo, tmp_path: Path, before: Callable[[Repo, Path], None]) -> None:  # noqa: F811
    repo.commit(GOOD)
    repo.commit({"more": "x", "links/here": "y"})
    template = tmp_path / "template"
    template.mkdir()
    before(repo, template)
    step, is_killed = 0, True
    while is_killed:
        state = tmp_path / f"state-{step}"  # noqa: F811
        subprocess.run(["cp", "-a", template, state], check=True)
        request = asked(repo, state)
        is_killed = is_killed_at(step, request)
        answer = in_process(request)
        assert answer.verdict is Verdict.ACCEPTED, codes(answer)
        assert_as_always(state, answer.tree)
        assert in_process(request).recoveries == {}
        shutil.rmtree(state)
        step += 1
    assert step > 10


def kill(leader: int, *, with_git: bool) -> None:
    for number in (signal.SIGSTOP, signal.SIGKILL):  # stopped first, so that none of them sees another one die
        for pid in session_members(leader) if with_git else [leader]:
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def test_fifty_kills_at_random_moments_are_made_up_for(repo: Repo, state: Path) -> None:  # noqa: F811
    """Now and then git is killed too, as by a power cut, and now and then it lives on and holds the lock."""
    draw = random.Random(20261126)
    repo.commit(GOOD)
    in_process(asked(repo, state))
    for number in range(50):
        repo.commit({"data/noise": draw.randbytes(200_000), f"scripts/{number}": "#!/bin/sh\n"})
        process = start(asked(repo, state))
        time.sleep(draw.uniform(0.1, 0.5))
        kill(process.pid, with_git=number % 2 == 1)
        end(process)
        assert eventually(lambda: session_members(process.pid) == [])  # noqa: B023 called at once
        if number % 5 == 4:
            answer = in_process(asked(repo, state))
            assert answer.verdict is Verdict.ACCEPTED, codes(answer)
            assert_as_always(state, answer.tree)
