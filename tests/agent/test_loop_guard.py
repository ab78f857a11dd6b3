"""The guard against removal under a running agent."""

from __future__ import annotations

from tests.agent.desk import Desk, document
from tests.builders import HOUR, MINUTE, SECOND, task
from torchsync.core.control import SyncNow
from torchsync.core.model import Guards, Task
from torchsync.core.syncdoc import SyncOutcome
from torchsync.ports import ConfigRead, ConfigTouched


def tasks(number: int, **changes) -> list[Task]:
    return [task(f"t{n}", **changes) for n in range(number)]


def begun(guards: Guards = Guards(), number: int = 20) -> Desk:  # noqa: B008  # a frozen value
    desk = Desk()
    desk.git.push(*tasks(number), guards=guards)
    desk.loop.begin()
    desk.pass_time(SECOND)
    return desk


def outcome(desk: Desk) -> SyncOutcome:
    assert desk.snapshot.sync.last is not None
    return desk.snapshot.sync.last.outcome


def test_a_commit_that_takes_most_tasks_away_is_refused_and_the_old_set_goes_on() -> None:
    desk = begun()
    desk.git.push(*tasks(5))
    desk.pass_time(MINUTE)
    assert outcome(desk) is SyncOutcome.REFUSED
    assert [problem.code for problem in desk.snapshot.sync.problems] == ["TS208"]
    assert len(desk.snapshot.tasks) == 20


def test_the_guards_are_those_of_the_generation_in_force() -> None:
    desk = begun(Guards(max_removed_percent=90))
    desk.git.push(*tasks(5), guards=Guards(max_removed_percent=0))
    desk.pass_time(MINUTE)
    assert len(desk.snapshot.tasks) == 5
    desk = begun(Guards(max_removed_percent=0))
    desk.git.push(*tasks(19), guards=Guards(max_removed_percent=100))
    desk.pass_time(MINUTE)
    assert len(desk.snapshot.tasks) == 20


def test_the_guards_survive_a_restart() -> None:
    desk = begun(Guards(max_removed_percent=0))
    desk.crash()
    desk.git.push(*tasks(19))
    desk.pass_time(MINUTE)
    assert len(desk.snapshot.tasks) == 20


def test_a_trailer_in_a_commit_lets_the_removal_pass() -> None:
    desk = begun()
    desk.git.push(*tasks(5), removal_allowed=True)
    desk.pass_time(MINUTE)
    assert len(desk.snapshot.tasks) == 5


def test_an_operator_lets_it_pass_once_and_for_one_sync_only() -> None:
    desk = begun()
    desk.git.push(*tasks(12))
    desk.git.push(*tasks(5))
    desk.pass_time(MINUTE)
    assert outcome(desk) is SyncOutcome.REFUSED
    desk.ask(SyncNow(actor="root (0)", allow_removal=True))
    desk.pass_time(SECOND)
    assert len(desk.snapshot.tasks) == 5
    desk.git.push(*tasks(20))
    desk.pass_time(MINUTE)
    desk.git.push(*tasks(5))
    desk.pass_time(MINUTE)
    assert len(desk.snapshot.tasks) == 20


def test_a_sync_that_may_not_remove_gives_the_same_verdict_again() -> None:
    desk = begun()
    desk.git.push(*tasks(5))
    desk.pass_time(MINUTE)
    asked = len(desk.git.requests)
    desk.ask(SyncNow(actor="root (0)"))
    desk.pass_time(HOUR)
    assert len(desk.git.requests) == asked
    assert len(desk.snapshot.tasks) == 20


def test_what_the_operator_of_the_host_changes_is_not_guarded() -> None:
    desk = Desk()
    desk.git.push(*tasks(20, hosts=("!role=idle",)))
    desk.loop.begin()
    desk.pass_time(SECOND)
    desk.shelf.next = ConfigRead(document(host={"labels": {"role": "idle"}}))
    desk.wakeups.post(ConfigTouched())
    desk.pass_time(MINUTE)
    assert desk.snapshot.tasks == {}
