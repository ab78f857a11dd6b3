"""What every git source does, the fake one and the real one. A test module that has a fixture `world` takes these tests in by importing them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from tests.builders import facts
from torchsync.core.model import HostFacts, Revision, TaskName
from torchsync.core.syncdoc import RemoteSpec, SyncAnswer, SyncRequest, Verdict, stamp
from torchsync.ports import GitSource, Resolved, ResolveFailed, SyncAnswered


class World(Protocol):
    """A remote that the test drives, and the source under test."""

    source: GitSource
    remote: RemoteSpec
    state: Path

    def push(self, *names: str, hosts: str = "", site: str = "", is_valid: bool = True, follows: bool = True) -> Revision:
        """A new tip with one task of each name. `hosts` is a selector for all of them; not `follows`: it has no parent. With `site` there is an
        inventory, in which db-1 has that label and is in a group of that name.
        """
        ...

    def break_remote(self) -> None: ...

    def hold(self) -> None:
        """What is asked from now on is not answered before it is cancelled."""
        ...

    def next_event(self) -> object: ...

    def events(self, seconds: float) -> Sequence[object]: ...

    def has_tree(self, tree: str) -> bool: ...


def resolved(world: World, **changes: str) -> Resolved | ResolveFailed:
    world.source.resolve(replace(world.remote, **changes))
    event = world.next_event()
    assert isinstance(event, Resolved | ResolveFailed)
    return event


def synced(
    world: World, revision: Revision, *, floor: str = "", known: dict[TaskName, str] | None = None, host: HostFacts | None = None
) -> SyncAnswer:
    world.source.sync(request(world, revision, floor=floor, known=known, host=host))
    event = world.next_event()
    assert isinstance(event, SyncAnswered)
    return event.answer


def request(
    world: World, revision: Revision, *, floor: str = "", known: dict[TaskName, str] | None = None, host: HostFacts | None = None
) -> SyncRequest:
    return SyncRequest(
        remote=world.remote,
        ref_name="refs/heads/main",
        revision=revision,
        floor=floor,
        facts=host or facts(),
        state=str(world.state),
        known=known or {},
    )


def eventually(holds: Callable[[], bool], seconds: float = 60.0) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_the_ref_resolves_to_the_newest_commit(world: World) -> None:
    world.push("one")
    newest = world.push("one", "two")
    for ref in ("", "HEAD", "main"):
        event = resolved(world, ref=ref)
        assert isinstance(event, Resolved)
        assert (event.revision, event.ref_name) == (newest, "refs/heads/main")


def test_a_commit_id_resolves_to_itself_without_the_remote(world: World) -> None:
    revision = world.push("one")
    world.break_remote()
    event = resolved(world, ref=revision)
    assert isinstance(event, Resolved)
    assert (event.revision, event.ref_name) == (revision, "")


def test_a_ref_that_is_not_there_is_said(world: World) -> None:
    world.push("one")
    event = resolved(world, ref="no-such-branch")
    assert isinstance(event, ResolveFailed)
    assert event.problem.code == "TS205"


def test_a_remote_that_is_not_there_is_said(world: World) -> None:
    world.push("one")
    world.break_remote()
    event = resolved(world)
    assert isinstance(event, ResolveFailed)
    assert (event.problem.code, event.timed_out) == ("TS201", False)


def test_a_valid_commit_is_accepted_with_its_tasks_and_its_tree(world: World) -> None:
    revision = world.push("one", "two")
    answer = synced(world, revision)
    assert (answer.verdict, answer.revision, answer.problems) == (Verdict.ACCEPTED, revision, ())
    assert {task.name for task in answer.tasks} == {"one", "two"}
    assert world.has_tree(answer.tree)


def test_tasks_that_are_known_and_unchanged_are_named_only(world: World) -> None:
    first = synced(world, world.push("one", "two"))
    known = {task.name: stamp(task) for task in first.tasks}
    second = synced(world, world.push("one", "two", "three"), known=known)
    assert second.kept == ("one", "two")
    assert [task.name for task in second.tasks] == ["three"]


def test_tasks_for_other_hosts_are_counted_only(world: World) -> None:
    answer = synced(world, world.push("one", "two", hosts="web-*"), host=facts(name="db-1"))
    assert (answer.verdict, answer.tasks, answer.not_selected) == (Verdict.ACCEPTED, (), 2)


def test_the_inventory_of_the_commit_completes_the_facts_and_has_the_groups(world: World) -> None:
    own = facts(name="db-1", labels={"role": "db"})
    answer = synced(world, world.push("one", hosts="@eu", site="eu"), host=own)
    assert [task.name for task in answer.tasks] == ["one"]
    assert answer.facts == replace(own, labels={"role": "db", "site": "eu"})
    assert answer.notices == ()


def test_a_host_that_disagrees_with_the_inventory_is_told_so(world: World) -> None:
    answer = synced(world, world.push("one", site="eu"), host=facts(name="db-1", labels={"site": "us"}))
    assert answer.notices == ("the label site is 'us' by agent.yaml, over 'eu' by hosts.yaml",)


def test_a_commit_that_breaks_a_rule_is_rejected_with_its_problems(world: World) -> None:
    answer = synced(world, world.push("one", is_valid=False))
    assert answer.verdict is Verdict.REJECTED
    assert answer.problems
    assert answer.tree == ""


def test_a_commit_that_does_not_descend_from_the_floor_is_refused(world: World) -> None:
    floor = world.push("one")
    answer = synced(world, world.push("two", follows=False), floor=floor)
    assert answer.verdict is Verdict.REFUSED
    assert [problem.code for problem in answer.problems] == ["TS207"]


def test_a_descendant_of_the_floor_is_accepted(world: World) -> None:
    floor = world.push("one")
    world.push("two")
    assert synced(world, world.push("three"), floor=floor).verdict is Verdict.ACCEPTED


def test_a_sync_without_a_remote_is_unavailable(world: World) -> None:
    revision = world.push("one")
    world.break_remote()
    answer = synced(world, revision)
    assert answer.verdict is Verdict.UNAVAILABLE
    assert answer.problems


def pinned(world: World, revision: Revision, pin: str, floor: str = "") -> SyncAnswer:
    world.source.sync(replace(request(world, revision, floor=floor), pin=pin))
    event = world.next_event()
    assert isinstance(event, SyncAnswered)
    return event.answer


def test_a_pinned_commit_is_judged_in_place_of_the_tip_and_the_floor_is_told_to_stay(world: World) -> None:
    first, second, third = world.push("one"), world.push("one", "two"), world.push("three")
    answer = pinned(world, third, second[:12], floor=third)
    assert (answer.verdict, answer.revision, answer.raises_floor) == (Verdict.ACCEPTED, second, False)
    assert {task.name for task in answer.tasks} == {"one", "two"}
    assert pinned(world, third, second, floor=first).raises_floor
    assert synced(world, third, floor=first).raises_floor


def test_a_pin_that_leads_nowhere_is_refused(world: World) -> None:
    tip = world.push("one")
    for pin in ("deadbeef", "0" * 40):
        answer = pinned(world, tip, pin)
        assert (answer.verdict, answer.revision, [problem.code for problem in answer.problems]) == (Verdict.REFUSED, tip, ["TS219"])


def test_a_pin_that_was_fetched_before_needs_no_remote(world: World) -> None:
    first, second = world.push("one"), world.push("two")
    assert synced(world, second).verdict is Verdict.ACCEPTED
    world.break_remote()
    assert pinned(world, second, first, floor=second).revision == first


def test_nothing_is_posted_for_what_was_cancelled(world: World) -> None:
    revision = world.push("one")
    world.hold()
    world.source.sync(request(world, revision))
    world.source.cancel()
    world.source.resolve(world.remote)
    world.source.cancel()
    assert list(world.events(0.3)) == []


def test_trees_that_are_not_kept_go(world: World) -> None:
    old = synced(world, world.push("one")).tree
    new = synced(world, world.push("one", "two")).tree
    world.source.drop_trees([new])
    assert eventually(lambda: not world.has_tree(old))
    assert world.has_tree(new)


def test_no_tree_goes_while_a_sync_is_under_way(world: World) -> None:
    tree = synced(world, world.push("one")).tree
    world.hold()
    world.source.sync(request(world, world.push("two")))
    world.source.drop_trees([])
    assert world.has_tree(tree)
    world.source.cancel()
