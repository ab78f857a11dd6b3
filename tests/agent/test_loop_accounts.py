"""A commit that a host refuses for want of a user, and an operator who creates the user, as he is told to."""

from __future__ import annotations

import pytest

from tests.agent.desk import Desk
from tests.builders import MINUTE, task
from torchsync.core.syncdoc import SyncOutcome


def refusing() -> Desk:
    desk = Desk()
    del desk.uids["torchsync-run"]
    desk.git.push(task("a"))
    desk.loop.begin()
    desk.pass_time(MINUTE)
    assert desk.snapshot.sync.last is not None
    assert desk.snapshot.sync.last.outcome is SyncOutcome.REFUSED
    assert [problem.code for problem in desk.snapshot.sync.problems] == ["TS311"]
    return desk


@pytest.mark.parametrize("is_restarted", [False, True], ids=["a living agent", "over a restart"])
def test_a_user_that_is_created_brings_the_commit_into_force_with_the_next_sync(is_restarted: bool) -> None:
    desk = refusing()
    if is_restarted:
        desk.crash()
    desk.uids["torchsync-run"] = 990
    desk.pass_time(MINUTE)
    assert set(desk.snapshot.tasks) == {"a"}
    assert desk.snapshot.sync.problems == ()


def test_while_nobody_creates_it_the_verdict_stands_without_another_sync_process() -> None:
    desk = refusing()
    desk.uids["somebody-else"] = 991
    desk.crash()
    desk.pass_time(5 * MINUTE)
    assert len(desk.git.requests) == 1
    assert desk.snapshot.sync.last is not None
    assert desk.snapshot.sync.last.outcome is SyncOutcome.REFUSED
