"""What operators hold, through the loop, over restarts and on a full disk."""

from __future__ import annotations

import json

import pytest

from tests.agent.desk import Desk, document
from tests.agent.test_once import Host
from tests.builders import NOON, SECOND, daemon, task
from tests.fakes_git import USUAL_GUARDS
from torchsync.agent.saved import Saved
from torchsync.core.control import Answer, DrainHost, LiftHold, PauseTasks, PinRevision, Rollback, RunTask, SyncNow, SyncProgress
from torchsync.core.entries import HistoryQuery
from torchsync.core.holds import EVERY_TASK, HOST, REF, SYNCS, Hold, HoldAct, Holds, HoldScope, Pin, held_task, pinned, placed
from torchsync.core.logevents import LogEvent
from torchsync.core.model import CronTiming, Fingerprint, Instant, Millis, Outcome, SkipReason, TaskName
from torchsync.core.syncdoc import SyncOutcome, SyncResult
from torchsync.errors import Problem
from torchsync.ports import ConfigRead, HangUp

ALICE = "alice (1000)"
BAD = Problem(code="TS120", message="minute: 61 is out of range", path="tasks/a.yaml", line=3, column=5)


def beat(version: int = 1, name: str = "beat", **changes: object):
    return task(name, timing=CronTiming(schedule="@every 1s"), fingerprint=Fingerprint(f"{version:064x}"), **changes)


def desk(*tasks, **changes) -> Desk:
    """An agent whose first generation is in force."""
    one = Desk(**changes)
    one.git.push(*(tasks or (beat(),)))
    one.loop.begin()
    one.pass_time(500)
    return one


def pause(one: Desk, *what, **changes: str) -> Answer:
    return one.ask(PauseTasks(what=what or (held_task("beat"),), actor=ALICE, **changes))


def lift(one: Desk, *what) -> Answer:
    return one.ask(LiftHold(what=what, actor="bob (1001)"))


def message(answer: Answer) -> str:
    return f"{answer.status} {answer.document['error']['message']}"


def told(one: Desk) -> list[tuple[HoldAct, HoldScope, str]]:
    """What the history knows of holds, oldest first."""
    rows = one.ledger.history(HistoryQuery(limit=1000))
    return [(row.hold.act, row.hold.what.scope, row.hold.actor) for row in reversed(rows) if row.hold]


def sync(one: Desk) -> SyncResult:
    ticket = one.ask(SyncNow(actor=ALICE)).document["ticket"]
    while ticket not in one.syncs.results:
        one.pass_time(1)
    return one.syncs.results[ticket]


def awaited(one: Desk, answer: Answer) -> SyncResult:
    """The sync whose ticket the answer holds."""
    assert answer.status == 200, answer
    ticket = answer.document["ticket"]
    for _ in range(20):
        one.pass_time(1)
    assert one.ask(SyncProgress(ticket=ticket)).document["done"]
    return one.syncs.results[ticket]


def stored(one: Desk) -> Holds:
    found = Saved(one.store).load_holds()
    assert found is not None
    return found


# Pauses.


def test_a_pause_is_durable_when_it_is_answered_and_outlives_the_agent() -> None:
    one = desk()
    answer = pause(one, reason="the disk is full", until="1h")
    assert answer.document["sentences"] == ["the pause of beat was placed until 2026-11-23T13:00:00.500Z by alice (1000): the disk is full"]
    assert stored(one).tasks[TaskName("beat")].reason == "the disk is full"
    assert told(one) == [(HoldAct.PLACED, HoldScope.TASK, ALICE)]
    for _ in range(3):
        one.crash()
        one.pass_time(2_000)
    assert one.runs("beat") == []
    assert {reason for reason, _ in one.skips("beat")} == {SkipReason.PAUSED}
    assert told(one) == [(HoldAct.PLACED, HoldScope.TASK, ALICE)]
    assert one.snapshot.holds == stored(one)
    assert one.snapshot.tasks[TaskName("beat")].paused
    assert one.events(LogEvent.HOLD_PLACED) == answer.document["sentences"]


def test_a_pause_that_cannot_be_written_is_refused_and_nothing_has_changed() -> None:
    one = desk()
    one.store.is_unwritable = True
    answer = pause(one)
    assert message(answer) == "507 control.json cannot be written: the disk is full; nothing was changed"
    assert answer.document["error"]["code"] == "TS333"
    assert one.snapshot.holds == Holds()
    assert told(one) == []
    one.pass_time(2_000)
    assert len(one.runs("beat")) == 2


def test_a_pause_that_cannot_be_lifted_durably_stays() -> None:
    one = desk()
    pause(one)
    one.store.is_unwritable = True
    assert lift(one, held_task("beat")).status == 507
    one.pass_time(2_000)
    assert one.runs("beat") == []


def test_every_unknown_task_is_named_at_once_and_none_is_paused() -> None:
    one = desk()
    answer = pause(one, held_task("beat"), held_task("nope"), held_task("neither"))
    assert message(answer) == "404 this host has no task 'nope', 'neither'; nothing was paused"
    assert one.snapshot.holds == Holds()
    assert message(pause(Desk())) == "404 this host has no task 'beat'; nothing was paused"


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"until": "soon"}, "'soon' is neither a length of time nor a time"),
        ({"until": "2020-01-01T00:00Z"}, "not in the future"),
        ({"reason": "a\nb"}, "line break"),
    ],
)
def test_what_cannot_be_a_hold_is_refused(changes: dict[str, str], what: str) -> None:
    one = desk()
    answer = pause(one, **changes)
    assert (answer.status, what in message(answer)) == (400, True)
    assert "control.json" not in one.store.files


def test_what_is_not_held_cannot_be_lifted() -> None:
    one = desk()
    pause(one, EVERY_TASK)
    answer = lift(one, EVERY_TASK, held_task("beat"))
    assert message(answer) == "409 the task 'beat' is not paused by itself; nothing was changed"
    assert one.snapshot.holds.all
    for what, sentence in ((SYNCS, "syncs are not paused"), (HOST, "this host is not drained"), (REF, "no revision is pinned")):
        assert message(lift(one, what)) == f"409 {sentence}; nothing was changed"


def test_a_pause_ends_by_itself_also_while_nothing_can_be_written() -> None:
    one = desk()
    pause(one, until="2s")
    one.store.is_unwritable = True
    one.pass_time(4_000)
    assert len(one.runs("beat")) == 2
    assert one.snapshot.holds.tasks == {}
    assert stored(one).tasks != {}
    one.store.is_unwritable = False
    one.pass_time(2_000)
    assert stored(one).tasks == {}
    assert told(one) == [(HoldAct.PLACED, HoldScope.TASK, ALICE), (HoldAct.EXPIRED, HoldScope.TASK, "")]
    assert one.events(LogEvent.HOLD_EXPIRED) == ["the pause of beat expired"]


def test_a_pause_that_ended_while_no_agent_lived_is_told_as_ended() -> None:
    one = desk()
    pause(one, until="1500ms")
    one.sleep(3_000)
    one.crash()
    one.pass_time(1_000)
    assert told(one)[-1] == (HoldAct.EXPIRED, HoldScope.TASK, "")
    assert one.skips("beat")[0] == (SkipReason.PAUSED, 1)


@pytest.mark.parametrize("content", [b"{", None], ids=["damaged", "gone"])
def test_a_file_that_is_lost_is_made_anew_from_the_ledger_and_nothing_starts(content: bytes | None) -> None:
    one = desk()
    pause(one, EVERY_TASK, reason="moving", until="1h")
    pause(one, held_task("beat"))
    pause(one, SYNCS)
    lift(one, SYNCS)
    before = one.snapshot.holds
    del one.store.files["control.json"]
    if content:
        one.store.files["control.json"] = content
    one.crash()
    one.pass_time(1_500)
    assert ("control.json.damaged-1" in one.store.files) is bool(content)
    assert "what operators hold is taken from the ledger" in one.events(LogEvent.STATE_SET_ASIDE)
    assert one.snapshot.holds == stored(one) == before
    assert one.runs("beat") == []


def test_a_rollback_whose_file_is_lost_becomes_a_pin() -> None:
    one = desk()
    _, second, _ = three(one)
    roll_back(one)
    one.store.files["control.json"] = b"{"
    one.crash()
    one.git.push(beat(4))
    one.pass_time(60 * SECOND)
    assert one.snapshot.generation.revision == second
    assert (one.snapshot.holds.pin.revision, one.snapshot.holds.pin.passed_over) == (second, ())


def test_a_restart_between_the_file_and_the_ledger_loses_no_change() -> None:
    one = desk()
    holds = placed(Holds(), held_task("beat"), Hold(actor=ALICE, since=Instant(NOON)))
    one.loop_saved.save_holds(holds)
    one.crash()
    assert told(one) == [(HoldAct.PLACED, HoldScope.TASK, ALICE)]


# A drained host.


def test_a_drained_host_becomes_empty_and_refuses_runs_by_hand() -> None:
    one = desk(beat(), daemon("proxy"), behaviour=lambda order: (Millis(10**9 if order.run.task.is_daemon else 100), 0))
    one.pass_time(1_000)
    one.ask(DrainHost(actor=ALICE, reason="new kernel"))
    one.pass_time(15_000)
    assert one.snapshot.runs == {}
    assert one.outcomes("proxy")[-1] is Outcome.STOPPED
    refused = one.ask(RunTask(task=TaskName("beat"), actor=ALICE))
    assert refused.status == 409
    assert "this host is drained by alice (1000)" in message(refused)
    lift(one, HOST)
    one.pass_time(2_000)
    assert [run.task.name for run in one.snapshot.runs.values()] == ["proxy"]


# Syncs.


def test_paused_syncs_contact_no_remote_and_say_so() -> None:
    one = desk()
    pause(one, SYNCS, reason="freeze", until="1h")
    one.git.push(beat(2))
    asked = len(one.git.requests)
    one.git.is_reachable = False
    before = one.snapshot.sync
    one.pass_time(120 * SECOND)
    status = one.snapshot.sync
    assert status.results[SyncOutcome.PAUSED] in (4, 5)
    assert (status.last_attempt, status.last_success, status.last_verdict) == (
        before.last_attempt,
        before.last_success,
        before.last_verdict,
    )
    assert status.consecutive_failures == 0
    assert len(one.git.requests) == asked
    assert len(one.events(LogEvent.SYNC_PAUSED)) == 1
    asked_for = one.ask(SyncNow(actor=ALICE))
    assert "freeze" in asked_for.document["paused"]
    result = sync(one)
    assert result.outcome is SyncOutcome.PAUSED
    assert result.sentence.startswith("syncs are paused by alice (1000) since")


def test_a_sync_under_way_is_given_up_when_syncs_are_paused() -> None:
    one = desk()
    one.git.is_held = True
    pushed = one.git.push(beat(2))
    ticket = one.ask(SyncNow(actor=ALICE)).document["ticket"]
    pause(one, SYNCS)
    assert one.syncs.results[ticket].outcome is SyncOutcome.PAUSED
    one.git.release()
    one.pass_time(60 * SECOND)
    assert one.snapshot.generation.revision != pushed
    one.git.is_held = False
    lift(one, SYNCS)
    one.pass_time(10)
    assert one.snapshot.generation.revision == pushed


def test_paused_syncs_follow_again_at_once_when_their_time_is_over() -> None:
    one = desk()
    pause(one, SYNCS, until="5s")
    pushed = one.git.push(beat(2))
    one.pass_time(5_100)
    assert one.snapshot.generation.revision == pushed


def test_paused_syncs_stay_paused_over_a_restart() -> None:
    one = desk()
    pause(one, SYNCS)
    pushed = one.git.push(beat(2))
    one.crash()
    one.pass_time(60 * SECOND)
    assert one.snapshot.generation.revision != pushed


# Pins.


def three(one: Desk) -> list[str]:
    """Three revisions that were in force one after the other."""
    revisions = [one.git.tip]
    for version in (2, 3):
        revisions.append(one.git.push(beat(version)))
        assert sync(one).outcome is SyncOutcome.APPLIED
    return revisions


def pin(one: Desk, revision: str, **changes: str) -> SyncResult:
    return awaited(one, one.ask(PinRevision(revision=revision, actor=ALICE, **changes)))


def test_a_pin_puts_an_older_revision_in_force_and_the_floor_stays() -> None:
    one = desk()
    first, _, third = three(one)
    result = pin(one, first)
    assert (result.outcome, result.revision) == (SyncOutcome.APPLIED, first)
    assert (one.snapshot.generation.revision, one.snapshot.generation.floor) == (first, third)
    fourth = one.git.push(beat(4))
    result = sync(one)
    assert result.outcome is SyncOutcome.UNCHANGED
    assert result.sentence == f"{first[:12]} is in force already; it is pinned, and the remote is at {fourth[:12]}"
    assert one.snapshot.sync.fetched == fourth
    one.crash()
    one.pass_time(60 * SECOND)
    assert one.snapshot.generation.revision == first
    assert awaited(one, lift(one, REF)).outcome is SyncOutcome.APPLIED
    assert (one.snapshot.generation.revision, one.snapshot.generation.floor) == (fourth, fourth)


def test_a_pin_to_what_is_ahead_of_the_floor_raises_it() -> None:
    one = desk()
    pause(one, SYNCS)
    second = one.git.push(beat(2))
    one.git.push(beat(3))
    one.ask(PinRevision(revision=second, actor=ALICE))
    lift(one, SYNCS)
    one.pass_time(10)
    assert (one.snapshot.generation.revision, one.snapshot.generation.floor) == (second, second)


def test_after_a_pin_a_remote_that_went_back_is_refused() -> None:
    one = desk()
    first, _, third = three(one)
    pin(one, first)
    one.git.tip = first
    assert awaited(one, lift(one, REF)).outcome is SyncOutcome.REFUSED
    assert [problem.code for problem in one.snapshot.sync.problems] == ["TS207"]
    assert one.snapshot.generation.floor == third


def test_the_first_digits_become_the_whole_id_once_it_is_known() -> None:
    one = desk()
    pause(one, SYNCS)
    second = one.git.push(beat(2))
    one.git.push(beat(3))
    one.ask(PinRevision(revision=second[:8], actor=ALICE))
    assert stored(one).pin.revision == second[:8]
    lift(one, SYNCS)
    one.pass_time(10)
    assert stored(one).pin.revision == second
    assert one.snapshot.generation.revision == second


def test_a_pin_that_cannot_be_followed_is_said_and_tried_again_when_the_remote_moves() -> None:
    one = desk()
    in_force = one.git.tip
    result = pin(one, "deadbee")
    assert (result.outcome, [problem.code for problem in result.problems]) == (SyncOutcome.REFUSED, ["TS219"])
    assert one.snapshot.generation.revision == in_force
    asked = len(one.git.requests)
    assert sync(one).outcome is SyncOutcome.REFUSED
    assert len(one.git.requests) == asked
    one.git.push(beat(2))
    assert sync(one).outcome is SyncOutcome.REFUSED
    assert len(one.git.requests) == asked + 1
    assert awaited(one, lift(one, REF)).outcome is SyncOutcome.APPLIED


def test_a_refused_pin_says_nothing_about_the_commit_of_the_remote() -> None:
    one = desk()
    pause(one, SYNCS)
    second = one.git.push(beat(2))
    one.ask(PinRevision(revision="deadbee", actor=ALICE))
    lift(one, SYNCS)
    one.pass_time(10)
    assert awaited(one, lift(one, REF)).revision == second


def test_the_guard_against_removal_does_not_hold_for_a_pin() -> None:
    one = desk(beat())
    many = one.git.push(*(beat(1, f"task-{number}") for number in range(40)))
    assert sync(one).outcome is SyncOutcome.APPLIED
    one.git.push(beat(2), guards=USUAL_GUARDS)
    assert sync(one).outcome is SyncOutcome.REFUSED
    first = one.git.commits[many].parent
    assert pin(one, first).outcome is SyncOutcome.APPLIED


def test_a_sync_under_way_begins_again_for_a_pin_with_the_same_ticket() -> None:
    one = desk()
    first, second, _ = three(one)
    one.git.is_held = True
    pushed = one.git.push(beat(4))
    ticket = one.ask(SyncNow(actor=ALICE)).document["ticket"]
    one.git.release()
    one.pass_time(1)
    assert one.git.requests[-1].revision == pushed
    answer = one.ask(PinRevision(revision=second, actor=ALICE))
    assert answer.document["ticket"] == ticket
    one.git.is_held = False
    one.git.release()
    one.pass_time(10)
    assert one.syncs.results[ticket].revision == second
    assert one.snapshot.generation.revision == second
    assert first != second


def test_what_is_no_commit_id_is_not_pinned() -> None:
    answer = desk().ask(PinRevision(revision="main", actor=ALICE))
    assert answer.status == 400
    assert "git rev-parse" in message(answer)


# Rollbacks.


def roll_back(one: Desk, **changes: str) -> SyncResult:
    return awaited(one, one.ask(Rollback(actor=ALICE, **changes)))


def test_a_rollback_goes_back_and_lasts_until_something_newer_is_accepted() -> None:
    one = desk()
    _, second, third = three(one)
    assert roll_back(one, reason="it deletes too much").revision == second
    assert one.snapshot.generation.revision == second
    assert sync(one).outcome is SyncOutcome.UNCHANGED
    one.git.push(beat(4), problems=(BAD,))
    assert sync(one).outcome is SyncOutcome.REJECTED
    assert one.snapshot.holds.pin.passed_over == (third,)
    assert one.snapshot.generation.revision == second
    fifth = one.git.push(beat(5))
    assert sync(one).outcome is SyncOutcome.APPLIED
    assert one.snapshot.generation.revision == one.snapshot.generation.floor == fifth
    assert one.snapshot.holds.pin is None
    assert stored(one).pin is None
    assert told(one)[-1] == (HoldAct.LIFTED, HoldScope.ROLLBACK, "torchsync")


def test_a_second_rollback_goes_one_further_back_and_a_third_has_nowhere_to_go() -> None:
    one = desk()
    first, second, third = three(one)
    assert roll_back(one).revision == second
    assert roll_back(one).revision == first
    assert one.snapshot.holds.pin.passed_over == (second, third)
    assert message(one.ask(Rollback(actor=ALICE))).startswith("409 no other revision than")
    assert one.snapshot.holds.pin.revision == first


def test_a_rollback_works_when_the_newest_commit_is_rejected() -> None:
    one = desk()
    _, second, _ = three(one)
    one.git.push(beat(4), problems=(BAD,))
    sync(one)
    assert roll_back(one).revision == second
    assert sync(one).outcome is SyncOutcome.UNCHANGED
    assert one.snapshot.generation.revision == second


def test_a_rollback_needs_no_remote() -> None:
    one = desk()
    _, second, third = three(one)
    one.git.is_reachable = False
    assert roll_back(one).outcome is SyncOutcome.APPLIED
    assert (one.snapshot.generation.revision, one.snapshot.generation.floor) == (second, third)
    assert sync(one).outcome is SyncOutcome.UNAVAILABLE
    one.git.is_reachable = True
    assert sync(one).outcome is SyncOutcome.UNCHANGED


def test_a_pin_that_was_never_fetched_waits_for_the_remote() -> None:
    one = desk()
    pause(one, SYNCS)
    one.git.is_reachable = False
    second = one.git.push(beat(2))
    one.ask(PinRevision(revision=second, actor=ALICE))
    assert awaited(one, lift(one, SYNCS)).outcome is SyncOutcome.REFUSED
    one.git.is_reachable = True
    assert sync(one).revision == second
    assert one.snapshot.generation.revision == second


def test_what_was_rolled_back_from_is_not_rolled_back_to() -> None:
    one = desk()
    first, second, third = three(one)
    roll_back(one)
    fourth = one.git.push(beat(4))
    assert sync(one).revision == fourth
    assert roll_back(one).revision == second
    assert third not in one.syncs.course.applied
    assert roll_back(one).revision == first


def test_a_rollback_survives_a_restart_at_every_point() -> None:
    one = desk()
    _, second, _ = three(one)
    one.git.is_held = True
    one.ask(Rollback(actor=ALICE))
    one.crash()
    one.git.is_held = False
    one.git.release()
    one.pass_time(100)
    assert one.snapshot.generation.revision == second
    one.crash()
    one.pass_time(60 * SECOND)
    assert one.snapshot.generation.revision == second
    assert one.snapshot.holds.pin is not None


def test_an_agent_that_was_killed_before_it_lifted_a_rollback_lifts_it() -> None:
    one = desk()
    three(one)
    roll_back(one)
    before = one.store.files["control.json"]
    fourth = one.git.push(beat(4))
    sync(one)
    one.store.files["control.json"] = before
    one.crash()
    one.pass_time(60 * SECOND)
    assert one.snapshot.holds.pin is None
    assert one.snapshot.generation.revision == fourth


def test_an_unpinned_rollback_follows_the_remote_again() -> None:
    one = desk()
    _, _, third = three(one)
    roll_back(one)
    assert awaited(one, lift(one, REF)).revision == third


def test_a_rollback_whose_agent_was_killed_leads_into_what_it_passed_over_never_again() -> None:
    one = desk()
    _, second, third = three(one)
    before = one.store.files["sync.json"]
    roll_back(one)
    one.store.files["sync.json"] = before
    one.crash()
    one.git.push(beat(4))
    sync(one)
    assert third not in one.syncs.course.applied
    assert roll_back(one).revision == second


def test_there_is_no_way_back_to_another_repository() -> None:
    one = desk()
    three(one)
    one.shelf.next = ConfigRead(document(repository={"url": "file:///srv/other.git"}))
    one.git.push(beat(4), parent="")
    one.loop.turn([HangUp()])
    one.pass_time(60 * SECOND)
    assert one.syncs.course.applied == (one.git.tip,)
    assert message(one.ask(Rollback(actor=ALICE))).startswith("409 no other revision than")


def test_the_first_revision_has_nothing_before_it() -> None:
    assert message(desk().ask(Rollback(actor=ALICE))).startswith("409 no other revision than")
    assert message(Desk().ask(Rollback(actor=ALICE))) == "409 no generation is in force yet: there is nothing to go back from"


def test_the_way_back_is_remembered_by_what_older_versions_wrote_too() -> None:
    one = desk()
    three(one)
    document = json.loads(one.store.files["sync.json"])
    del document["body"]["applied"]
    one.store.files["sync.json"] = json.dumps(document).encode()
    one.crash()
    assert message(one.ask(Rollback(actor=ALICE))).startswith("409 no other revision than")
    one.git.push(beat(4))
    sync(one)
    assert roll_back(one).outcome is SyncOutcome.APPLIED


# A single sync.


def hold_for_once(host: Host, change) -> None:
    Saved(host.store).save_holds(change(Holds()))


def test_a_single_sync_is_paused_with_the_others() -> None:
    host = Host()
    host.git.push(task("a"))
    hold_for_once(host, lambda holds: placed(holds, SYNCS, Hold(actor=ALICE, since=NOON)))
    result = host.once()
    assert (result.outcome, host.stored()) == (SyncOutcome.PAUSED, None)
    hold_for_once(host, lambda holds: placed(holds, SYNCS, Hold(actor=ALICE, since=Instant(NOON - 2), until=Instant(NOON - 1))))
    assert host.once().outcome is SyncOutcome.APPLIED


def test_a_single_sync_goes_for_the_pin() -> None:
    host = Host()
    first = host.git.push(task("a"))
    host.git.push(task("b"))
    hold_for_once(host, lambda holds: pinned(holds, Pin(revision=first, hold=Hold(actor=ALICE, since=NOON))))
    assert (host.once().outcome, host.stored().revision) == (SyncOutcome.APPLIED, first)
    assert host.once().outcome is SyncOutcome.UNCHANGED
