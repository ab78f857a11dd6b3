from dataclasses import replace

import pytest

from tests.builders import NOON, REVISION, SECOND, TREE, facts, generation, task
from torchsync.agent.sync import Candidate, Syncs, SyncSettings
from torchsync.codetable.row import Reason
from torchsync.core.course import Course
from torchsync.core.holds import Hold, Pin
from torchsync.core.model import Instant, Millis, Revision
from torchsync.core.rhythm import first_delay, next_delay
from torchsync.core.syncdoc import (
    Phase,
    RemoteSpec,
    SyncAnswer,
    SyncOutcome,
    SyncRequest,
    SyncResult,
    TrustSpec,
    Verdict,
    VerifyMode,
    stamp,
)
from torchsync.errors import Problem
from torchsync.ports import Resolved, ResolveFailed

REMOTE = RemoteSpec(url="file:///srv/tasks.git", ref="main")
BAD = Problem(code="TS120", message="minute: 61 is out of range", path="tasks/a.yaml", line=3, column=5)
AWAY = Problem(code="TS201", message="no answer")
NEW = "b" * 40


class Recorder:
    """A git source that only remembers what it was asked."""

    def __init__(self) -> None:
        self.resolves = 0
        self.requests: list[SyncRequest] = []

    def resolve(self, remote: RemoteSpec) -> None:
        self.resolves += 1

    def sync(self, request: SyncRequest) -> None:
        self.requests.append(request)

    def cancel(self) -> None: ...

    def drop_trees(self, keep) -> None: ...


SETTINGS = SyncSettings(remote=REMOTE, interval=Millis(30 * SECOND), jitter=0.1, facts=facts())


def syncs(source: Recorder | None = None, version: str = "1") -> Syncs:
    return Syncs(source or Recorder(), SETTINGS, state="/var/lib/torchsync", version=version)


def in_force(one: Syncs):
    return generation(task("a"), origin=one.origin, floor=REVISION)


def resolved(revision: str = NEW) -> Resolved:
    return Resolved(revision, "refs/heads/main", 0.1)


def answer(verdict: Verdict = Verdict.ACCEPTED, *problems: Problem, **changes) -> SyncAnswer:
    return SyncAnswer(**({"verdict": verdict, "revision": Revision(NEW), "tree": TREE, "problems": problems} | changes))


def begun(one: Syncs) -> Syncs:
    one.tick(NOON, Millis(0))
    return one


def reject(one: Syncs) -> SyncResult:
    begun(one).resolved(resolved(), None, NOON)
    result = one.answered(answer(Verdict.REJECTED, BAD), NOON)
    assert isinstance(result, SyncResult)
    one.schedule_next(NOON, Millis(0), 0.5)
    return result


def test_the_first_sync_starts_at_once_and_the_next_at_the_hosts_own_place_in_the_interval() -> None:
    source = Recorder()
    one = syncs(source)
    begun(one).resolved(resolved(REVISION), in_force(one), NOON)
    one.schedule_next(NOON, Millis(0), 0.5)
    delay = next_delay(facts().name, SETTINGS.interval, 0.1, NOON, 0.5)
    assert one.next_wake(Millis(0)) == delay
    one.tick(NOON, Millis(delay - 1))
    assert source.resolves == 1
    one.tick(NOON, Millis(delay))
    assert source.resolves == 2


def test_after_a_restart_a_host_that_has_tasks_waits_for_its_place() -> None:
    one = syncs()
    one.take_over(in_force(one), Millis(500))
    assert one.next_wake(Millis(500)) == first_delay(facts().name, SETTINGS.interval)


@pytest.mark.parametrize("origin", [None, "https://git.example.org/other.git main ."])
def test_after_a_restart_a_host_without_what_is_configured_asks_at_once(origin) -> None:
    one = syncs()
    one.take_over(generation(task("a"), origin=origin) if origin else None, Millis(500))
    assert one.next_wake(Millis(500)) == 0


def test_a_sync_that_finds_the_revision_in_force_ends_without_a_sync_process() -> None:
    source = Recorder()
    one = syncs(source)
    result = begun(one).resolved(resolved(REVISION), in_force(one), NOON)
    assert result is not None
    assert result.outcome is SyncOutcome.UNCHANGED
    assert source.requests == []
    assert one.status.results == {SyncOutcome.UNCHANGED: 1}
    assert sum(one.status.durations[Phase.RESOLVE].counts) == 1


@pytest.mark.parametrize(
    "different",
    [
        pytest.param({"revision": Revision("c" * 40)}, id="revision"),
        pytest.param({"observed": facts(labels={"role": "web"})}, id="facts"),
        pytest.param({"origin": "elsewhere main ."}, id="origin"),
        pytest.param({"trust": "keys of May"}, id="trust"),
    ],
)
def test_whatever_the_generation_depends_on_starts_the_sync_process_when_it_changes(different) -> None:
    source = Recorder()
    one = syncs(source)
    begun(one).resolved(resolved(REVISION), replace(in_force(one), **different), NOON)
    assert len(source.requests) == 1


def test_a_missing_tree_starts_the_sync_process() -> None:
    source = Recorder()
    one = syncs(source)
    one.tree_is_whole = lambda tree: False
    begun(one).resolved(resolved(REVISION), in_force(one), NOON)
    assert len(source.requests) == 1


TRUST = TrustSpec(mode=VerifyMode.ALL, allowed_signers="/etc/torchsync/allowed_signers")
UNSIGNED = Problem(code="TS206", message="bbbbbbbbbbbb by alice@example.org is not signed")


def verifying(source: Recorder, keys: list[str]) -> Syncs:
    """The last of `keys` stands for the files of the host as they are now."""
    one = Syncs(source, replace(SETTINGS, trust=TRUST), state="/var/lib/torchsync", version="1")
    one.trust_stamp = lambda trust: f"{trust.mode.value} {keys[-1]}"
    return one


def again(one: Syncs, revision: str, generation) -> SyncResult | None:
    one.request()
    return begun(one).resolved(resolved(revision), generation, NOON)


def test_a_revision_that_is_in_force_is_verified_again_when_the_trusted_keys_change() -> None:
    source, keys = Recorder(), ["May"]
    one = verifying(source, keys)
    now = replace(in_force(one), trust="all May")
    assert again(one, REVISION, now) is not None
    keys.append("June")
    assert again(one, REVISION, now) is None
    assert source.requests[-1].trust == TRUST
    refused = one.answered(answer(Verdict.REFUSED, UNSIGNED, revision=Revision(REVISION)), NOON)
    assert isinstance(refused, SyncResult)
    assert (refused.outcome, one.status.rejected) == (SyncOutcome.REFUSED, REVISION)
    told = again(one, REVISION, now)
    assert told is not None
    assert told.outcome is SyncOutcome.REFUSED
    assert len(source.requests) == 1
    assert one.status.rejections == {Reason.SIGNATURE: 1}


def test_the_sync_process_is_told_what_was_verified_and_by_which_keys() -> None:
    source = Recorder()
    one = verifying(source, ["May"])
    again(one, NEW, replace(in_force(one), trust="all April"))
    assert (source.requests[-1].verified, source.requests[-1].verified_by) == (REVISION, "all April")
    one.close(SyncOutcome.FAILED, "x", NOON)
    again(one, NEW, replace(in_force(one), trust="all May", origin="elsewhere main ."))
    assert (source.requests[-1].verified, source.requests[-1].verified_by) == ("", "")


def test_a_verdict_on_signatures_is_taken_anew_when_the_trusted_keys_change() -> None:
    source, keys = Recorder(), ["May"]
    one = verifying(source, keys)
    again(one, NEW, None)
    one.answered(answer(Verdict.REFUSED, UNSIGNED), NOON)
    assert again(one, NEW, None) is not None
    keys.append("June")
    assert again(one, NEW, None) is None
    assert len(source.requests) == 2


def test_a_verdict_that_depends_on_the_time_is_taken_anew_at_each_sync_and_counted_once() -> None:
    source = Recorder()
    one = verifying(source, ["May"])
    early = Problem(code="TS215", message="bbbbbbbbbbbb by alice@example.org is dated 2099-01-01T00:00:00Z")
    for _ in range(3):
        assert again(one, NEW, None) is None
        one.answered(answer(Verdict.REFUSED, early), NOON)
    assert len(source.requests) == 3
    assert one.status.rejections == {Reason.SIGNATURE: 1}


def test_a_verdict_under_another_configuration_is_taken_anew_also_over_a_restart() -> None:
    before = syncs()
    reject(before)
    for config, is_known in (("", True), ("rewind: allow", False)):
        later = Syncs(Recorder(), replace(SETTINGS, config=config), state="/var/lib/torchsync", version="1")
        later.remember(before.memory)
        assert (begun(later).resolved(resolved(), None, NOON) is not None) is is_known


def test_the_sync_process_is_told_what_is_in_force() -> None:
    source = Recorder()
    one = syncs(source)
    begun(one).resolved(resolved(), in_force(one), NOON)
    request = source.requests[0]
    assert (request.revision, request.floor, request.ref_name) == (NEW, REVISION, "refs/heads/main")
    assert request.known == {"a": stamp(task("a"))}


def test_the_floor_belongs_to_its_remote() -> None:
    source = Recorder()
    one = syncs(source)
    begun(one).resolved(resolved(), replace(in_force(one), origin="elsewhere main ."), NOON)
    assert source.requests[0].floor == ""


def test_an_accepted_answer_is_a_candidate_and_the_sync_goes_on() -> None:
    one = syncs()
    begun(one).resolved(resolved(), None, NOON)
    assert one.answered(answer(), NOON) == Candidate(answer())
    assert one.is_under_way


def test_a_rejected_revision_gets_the_same_verdict_again_without_another_look() -> None:
    source = Recorder()
    one = syncs(source)
    reject(one)
    one.request()
    again = begun(one).resolved(resolved(), None, NOON)
    assert again is not None
    assert (again.outcome, again.problems) == (SyncOutcome.REJECTED, (BAD,))
    assert len(source.requests) == 1


def test_a_rejection_is_counted_once_a_revision_and_reason() -> None:
    one = syncs()
    reject(one)
    one.request()
    begun(one).resolved(resolved(), None, NOON)
    assert one.status.rejections == {Reason.SCHEDULE: 1}
    assert one.status.results == {SyncOutcome.REJECTED: 2}
    assert (one.status.rejected, one.status.problems) == (NEW, (BAD,))


def test_a_verdict_is_forgotten_when_what_it_depends_on_changes() -> None:
    source = Recorder()
    one = syncs(source)
    reject(one)
    one.reconfigure(replace(SETTINGS, facts=facts(labels={"role": "web"})))
    one.request()
    begun(one).resolved(resolved(), None, NOON)
    assert len(source.requests) == 2


def test_a_verdict_survives_a_restart_of_the_agent_but_not_an_upgrade() -> None:
    first = syncs()
    reject(first)
    for version, looks in (("1", 0), ("2", 1)):
        source = Recorder()
        later = syncs(source, version=version)
        later.remember(first.memory)
        begun(later).resolved(resolved(), None, NOON)
        assert len(source.requests) == looks


def test_what_was_turned_down_is_told_after_a_restart_before_anybody_is_asked_and_counted_once() -> None:
    first = syncs()
    reject(first)
    later = syncs()
    later.remember(first.memory)
    assert (later.status.rejected, later.status.problems) == (NEW, (BAD,))
    assert later.status.refusals == first.status.refusals != ()
    begun(later).resolved(resolved(), None, NOON)
    assert (later.status.rejections, later.status.refusals) == (first.status.rejections, first.status.refusals)


def test_a_good_commit_clears_what_was_said_of_the_bad_one() -> None:
    one = syncs()
    reject(one)
    one.request()
    begun(one).resolved(resolved(REVISION), in_force(one), NOON)
    assert (one.status.rejected, one.status.problems, one.judged) == ("", (), None)


def test_an_unavailable_remote_is_asked_again_later_and_later_and_is_no_verdict() -> None:
    one = syncs()
    waits = []
    mono = Millis(0)
    for _ in range(5):
        one.tick(NOON, mono)
        result = one.failed(ResolveFailed(AWAY, 1.0, timed_out=True), None, NOON)
        assert result is not None
        assert result.outcome is SyncOutcome.UNAVAILABLE
        one.schedule_next(NOON, mono, 0.999)
        waits.append(one.next_wake(mono))
        mono = Millis(mono + (waits[-1] or 0))
    assert waits == sorted(waits)
    assert waits[-1] > 4 * (waits[0] or 0)
    assert one.status.consecutive_failures == 5
    assert one.status.git_timeouts == 5
    assert not one.status.verdict_since_start
    assert one.status.last_success == 0


def overloaded(one: Syncs) -> Syncs:
    begun(one).failed(ResolveFailed(AWAY, 1.0, overloaded=True), None, NOON)
    return one


def overloaded_while_it_fetched(one: Syncs) -> Syncs:
    begun(one).resolved(resolved(), None, NOON)
    one.answered(answer(Verdict.UNAVAILABLE, AWAY, overloaded=True), NOON)
    return one


@pytest.mark.parametrize("fail", [overloaded, overloaded_while_it_fetched])
def test_a_remote_that_is_asked_too_much_is_left_alone_for_a_minute_whoever_asks(fail) -> None:
    one = fail(syncs())
    one.request()
    one.schedule_next(NOON, Millis(100), 0.0)
    assert one.next_wake(Millis(100)) == 60 * SECOND
    ticket = one.request()
    assert one.held_back(Millis(100)) == 60 * SECOND
    one.tick(NOON, Millis(60_099))
    assert not one.is_under_way
    one.tick(NOON, Millis(60_100))
    one.resolved(resolved(REVISION), in_force(one), NOON)
    assert one.results[ticket].outcome is SyncOutcome.UNCHANGED
    one.schedule_next(NOON, Millis(60_200), 0.5)
    one.request()
    assert (one.held_back(Millis(60_200)), one.next_wake(Millis(60_200))) == (0, 0)


def test_a_pin_that_is_followed_without_the_remote_does_not_cut_its_minute_short() -> None:
    one = syncs()
    one.follow(Course(pin=Pin(revision=NEW, hold=Hold(actor="alice", since=NOON))))
    begun(one).failed(ResolveFailed(AWAY, 1.0, overloaded=True), in_force(one), NOON)
    assert isinstance(one.answered(answer(), NOON), Candidate)
    one.close(SyncOutcome.APPLIED, "applied", NOON)
    one.schedule_next(NOON, Millis(0), 0.0)
    assert one.held_back(Millis(0)) == one.next_wake(Millis(0)) == 60 * SECOND


OTHER = replace(SETTINGS, remote=replace(REMOTE, url="file:///srv/other.git"))


@pytest.mark.parametrize(
    "change", [lambda one: one.reconfigure(OTHER), lambda one: one.refit(facts(labels={"role": "web"}))], ids=["another url", "other facts"]
)
@pytest.mark.parametrize("is_answered", [False, True], ids=["while the remote is asked", "while the commit is read"])
def test_a_sync_under_way_begins_again_when_what_it_goes_by_changes(change, is_answered: bool) -> None:
    source = Recorder()
    one = begun(syncs(source))
    if is_answered:
        one.resolved(resolved(), None, NOON)
    change(one)
    ticket = one.request()
    assert one.resolved(resolved(), None, NOON) is None
    assert one.answered(answer(), NOON) is None
    assert len(source.requests) == is_answered
    one.tick(NOON, Millis(1))
    assert (source.resolves, one.newest_ticket) == (2, ticket)
    one.resolved(resolved(), None, NOON)
    assert len(source.requests) == is_answered + 1


def test_facts_that_are_the_same_give_no_sync_up() -> None:
    one = begun(syncs())
    one.refit(facts())
    one.resolved(resolved(), None, NOON)
    assert isinstance(one.answered(answer(), NOON), Candidate)


def test_a_request_during_a_sync_is_served_right_after_it() -> None:
    one = begun(syncs())
    ticket = one.request()
    one.resolved(resolved(REVISION), in_force(one), NOON)
    assert ticket not in one.results
    one.schedule_next(NOON, Millis(100), 0.5)
    assert one.next_wake(Millis(100)) == 0
    one.tick(NOON, Millis(100))
    one.resolved(resolved(REVISION), in_force(one), NOON)
    assert one.results[ticket].outcome is SyncOutcome.UNCHANGED


def test_success_and_apply_times_are_remembered_over_a_restart() -> None:
    one = syncs()
    begun(one).resolved(resolved(), None, NOON)
    one.answered(answer(), NOON)
    one.close(SyncOutcome.APPLIED, "applied", Instant(NOON + 5), changes=(1, 0, 0))
    later = syncs()
    later.remember(one.memory)
    assert (later.status.last_success, later.status.last_apply) == (NOON + 5, NOON + 5)
    assert not later.status.verdict_since_start


def test_what_comes_after_the_sync_is_over_is_passed_over() -> None:
    one = syncs()
    assert one.resolved(resolved(), None, NOON) is None
    assert one.failed(ResolveFailed(AWAY, 1.0), None, NOON) is None
    assert one.answered(answer(), NOON) is None
