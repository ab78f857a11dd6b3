"""What is believed of a sync process: its answer as far as it can be checked, and nothing that could make the agent fail later."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.adapters.contract_gitsource import eventually, request, synced
from tests.adapters.test_remote import RealWorld
from tests.liar import LIES, liar
from torchsync.adapters.child import session_members
from torchsync.adapters.clock import SystemClock
from torchsync.adapters.remote import RemoteGit
from torchsync.core.model import Revision
from torchsync.core.syncdoc import Verdict
from torchsync.ports import SyncAnswered


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> RealWorld:
    made = RealWorld(tmp_path_factory.mktemp("world"))
    made.push("one")
    return made


@pytest.fixture
def real(world: RealWorld) -> Iterator[RealWorld]:
    """One revision for all, and the truth about it is found out once."""
    remote = world.remote
    yield world
    world.source.cancel()
    world.remote = remote


def deceived(real: RealWorld, lie: str) -> RemoteGit:
    return RemoteGit(real.state, real.wakeups, SystemClock(), python=str(liar(real.state.parent, lie)))


def test_the_truth_is_believed(real: RealWorld) -> None:
    real.source = deceived(real, "")
    assert synced(real, Revision(real.repo.head)).verdict is Verdict.ACCEPTED


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_fails_the_sync_and_says_why(real: RealWorld, lie: str) -> None:
    real.source = deceived(real, lie)
    answer = synced(real, Revision(real.repo.head))
    assert (answer.verdict, [problem.code for problem in answer.problems]) == (Verdict.FAILED, ["TS220"])
    assert LIES[lie][1] in answer.problems[0].message
    assert answer.problems[0].message.isprintable()
    assert len(answer.problems[0].message) < 500


@pytest.mark.parametrize(("misdeed", "verdict"), [("die", Verdict.FAILED), ("leave a child", Verdict.ACCEPTED)])
def test_a_sync_process_that_ends_leaves_nothing_behind(real: RealWorld, misdeed: str, verdict: Verdict) -> None:
    real.source = deceived(real, misdeed)
    real.source.sync(request(real, Revision(real.repo.head)))
    session = real.source._child.pid
    event = real.next_event()
    assert isinstance(event, SyncAnswered)
    assert event.answer.verdict is verdict
    assert eventually(lambda: session_members(session) == [])


@pytest.mark.parametrize("misdeed", ["close and stay", "ignore the end", "complain for ever"])
def test_a_sync_process_that_does_not_end_is_ended_at_its_deadline(real: RealWorld, misdeed: str) -> None:
    real.source = deceived(real, misdeed)
    real.remote = replace(real.remote, timeout_ms=500, clone_timeout_ms=1_500)
    real.source.sync(request(real, Revision(real.repo.head)))
    session = real.source._child.pid
    event = real.next_event()
    assert isinstance(event, SyncAnswered)
    assert (event.answer.verdict, event.answer.problems[0].code) == (Verdict.UNAVAILABLE, "TS204")
    assert eventually(lambda: session_members(session) == [])
