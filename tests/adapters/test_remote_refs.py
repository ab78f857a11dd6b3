"""Every kind of ref, from the settings to the accepted commit: what the remote is asked for is what is judged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.adapters.contract_gitsource import request, resolved
from tests.adapters.test_remote import RealWorld
from tests.gitserver import GitServer
from torchsync.core.model import Revision
from torchsync.core.syncdoc import SyncAnswer, Verdict
from torchsync.ports import Resolved, ResolveFailed, SyncAnswered


@pytest.fixture
def real(tmp_path: Path) -> Iterator[RealWorld]:
    made = RealWorld(tmp_path)
    yield made
    made.source.cancel()


def followed(world: RealWorld, ref: str) -> tuple[Resolved, SyncAnswer]:
    """What the ref leads to, and what the sync process makes of it, as the agent asks them."""
    world.remote = replace(world.remote, ref=ref)
    event = resolved(world)
    assert isinstance(event, Resolved), event
    world.source.sync(replace(request(world, Revision(event.revision)), ref_name=event.ref_name))
    answered = world.next_event()
    assert isinstance(answered, SyncAnswered)
    return event, answered.answer


def made_of_all_kinds(world: RealWorld) -> Revision:
    """The commit that every ref below names; the branch went on since."""
    wanted = world.push("one")
    git = world.repo.git
    git("branch", "feature/x.y")
    git("tag", "light")
    git("tag", "-a", "-m", "one", "annotated")
    git("tag", "-a", "-m", "two", "nested", "annotated")
    git("update-ref", "refs/changes/7/head", wanted)
    git("tag", "-a", "-m", "named as a branch is", "both")
    world.push("two")
    return wanted


@pytest.mark.parametrize(
    ("ref", "name"),
    [
        ("feature/x.y", "refs/heads/feature/x.y"),
        ("light", "refs/tags/light"),
        ("annotated", "refs/tags/annotated"),
        ("nested", "refs/tags/nested"),
        ("both", "refs/tags/both"),
        ("refs/heads/feature/x.y", "refs/heads/feature/x.y"),
        ("refs/tags/nested", "refs/tags/nested"),
        ("refs/changes/7/head", "refs/changes/7/head"),
    ],
)
def test_every_kind_of_ref_leads_to_its_commit(real: RealWorld, ref: str, name: str) -> None:
    wanted = made_of_all_kinds(real)
    event, answer = followed(real, ref)
    assert (event.revision, event.ref_name) == (wanted, name)
    assert (answer.verdict, answer.revision) == (Verdict.ACCEPTED, wanted), answer.problems
    assert {task.name for task in answer.tasks} == {"one"}


def test_of_a_branch_and_a_tag_with_one_name_the_branch_counts_and_the_tag_has_its_full_name(real: RealWorld) -> None:
    tagged = made_of_all_kinds(real)
    real.repo.git("branch", "both", "main")
    assert followed(real, "both")[1].revision == real.repo.head
    assert followed(real, "refs/tags/both")[1].revision == tagged


@pytest.mark.parametrize("ref", ["", "HEAD"])
def test_head_follows_the_branch_that_the_remote_calls_its_own(real: RealWorld, ref: str) -> None:
    made_of_all_kinds(real)
    assert followed(real, ref)[0].ref_name == "refs/heads/main"
    real.repo.git("symbolic-ref", "HEAD", "refs/heads/feature/x.y")
    event, answer = followed(real, ref)
    assert event.ref_name == "refs/heads/feature/x.y"
    assert answer.revision == real.repo.git("rev-parse", "refs/heads/feature/x.y")


def test_a_head_that_is_on_no_branch_is_followed(real: RealWorld) -> None:
    wanted = made_of_all_kinds(real)
    real.repo.git("checkout", "--quiet", "--detach", wanted)
    event, answer = followed(real, "HEAD")
    assert (event.ref_name, answer.revision, answer.verdict) == ("HEAD", wanted, Verdict.ACCEPTED)


def test_a_commit_id_in_any_case_is_followed_without_a_ref(real: RealWorld) -> None:
    wanted = made_of_all_kinds(real)
    event, answer = followed(real, wanted.upper())
    assert (event.revision, event.ref_name, answer.verdict) == (wanted, "", Verdict.ACCEPTED)


def test_a_short_commit_id_is_taken_for_a_name_that_is_not_there(real: RealWorld) -> None:
    wanted = made_of_all_kinds(real)
    event = resolved(real, ref=wanted[:12])
    assert isinstance(event, ResolveFailed)
    assert event.problem.code == "TS205"
    assert "all 40 digits" in event.problem.hint


def test_a_server_that_gives_no_commits_by_id_is_told_with_what_to_do(real: RealWorld, tmp_path: Path) -> None:
    wanted = made_of_all_kinds(real)
    real.repo.git("config", "uploadpack.allowAnySHA1InWant", "false")
    real.repo.git("checkout", "--quiet", "--orphan", "alone")
    inner = real.push("three")
    real.push("four")
    server = GitServer(tmp_path)
    server.is_new = False
    real.remote = replace(real.remote, url=server.url("tasks"), insecure=True)
    problem = followed(real, inner)[1].problems[0]
    assert problem.code == "TS205"
    assert "uploadpack.allowReachableSHA1InWant" in problem.hint
    real.repo.git("config", "uploadpack.allowReachableSHA1InWant", "true")
    assert followed(real, inner)[1].verdict is Verdict.ACCEPTED
    server.close()
    assert wanted


def test_a_commit_id_that_nobody_has_is_unavailable(real: RealWorld) -> None:
    made_of_all_kinds(real)
    answer = followed(real, "d" * 40)[1]
    assert (answer.verdict, [problem.code for problem in answer.problems]) == (Verdict.UNAVAILABLE, ["TS205"])


def test_a_ref_that_is_deleted_is_said_and_taken_up_when_it_is_back(real: RealWorld) -> None:
    wanted = made_of_all_kinds(real)
    assert followed(real, "light")[1].verdict is Verdict.ACCEPTED
    real.repo.git("tag", "-d", "light")
    event = resolved(real)
    assert isinstance(event, ResolveFailed)
    assert event.problem.code == "TS205"
    real.repo.git("tag", "light", wanted)
    assert followed(real, "light")[1].verdict is Verdict.ACCEPTED


def test_a_tag_that_moves_to_a_later_commit_is_followed(real: RealWorld) -> None:
    made_of_all_kinds(real)
    followed(real, "annotated")
    real.repo.git("tag", "-f", "-a", "-m", "moved", "annotated", "main")
    assert followed(real, "annotated")[1].revision == real.repo.head


@pytest.mark.parametrize("kind", ["tree", "blob"])
def test_a_tag_of_something_that_is_no_commit_is_said(real: RealWorld, kind: str) -> None:
    made_of_all_kinds(real)
    real.repo.git("tag", "odd", "main^{tree}" if kind == "tree" else "main:tasks/one.yaml")
    answer = followed(real, "odd")[1]
    assert (answer.verdict, answer.problems[0].code) == (Verdict.UNAVAILABLE, "TS205")
    assert "no commit" in answer.problems[0].message


def test_branches_that_share_nothing_are_followed_one_after_the_other_in_one_mirror(real: RealWorld) -> None:
    made_of_all_kinds(real)
    real.repo.git("checkout", "--quiet", "--orphan", "alone")
    alone = real.push("three")
    assert followed(real, "main")[1].verdict is Verdict.ACCEPTED
    answer = followed(real, "alone")[1]
    assert (answer.verdict, answer.revision, answer.recoveries) == (Verdict.ACCEPTED, alone, {})
    assert followed(real, "main")[1].verdict is Verdict.ACCEPTED
