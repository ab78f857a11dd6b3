from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import HOUR, MINUTE, NOON
from torchsync.core.holds import (
    CHANGES_KEPT,
    EVERY_TASK,
    HOST,
    MOST_REASON,
    REF,
    SYNCS,
    Held,
    Hold,
    HoldAct,
    Holds,
    HoldScope,
    Pin,
    change_sentence,
    expired,
    held_task,
    lifted,
    parse_until,
    pin_problem,
    pinned,
    placed,
    reason_problem,
    rolled_back,
    sentence,
)
from torchsync.core.model import Instant, TaskName
from torchsync.core.taskdoc import CODEC

A, B, C, D = ("a" * 40, "b" * 40, "c" * 40, "d" * 40)
BACKUP = held_task("backup")


def by(actor: str = "alice (1000)", at: int = NOON, **changes: object) -> Hold:
    return Hold(**({"actor": actor, "since": Instant(at)} | changes))


def later(length: int) -> Instant:
    return Instant(NOON + length)


# Pauses.


@pytest.mark.parametrize("what", [EVERY_TASK, HOST, BACKUP])
def test_a_task_is_paused_by_its_name_with_all_tasks_and_with_the_host(what: Held) -> None:
    holds = placed(Holds(), what, by())
    assert holds.pauses(TaskName("backup"))
    assert holds.pauses(TaskName("other")) is (what != BACKUP)
    assert not lifted(holds, what, actor="bob", now=NOON).pauses(TaskName("backup"))


def test_paused_syncs_and_a_pin_pause_no_task() -> None:
    holds = pinned(placed(Holds(), SYNCS, by()), Pin(revision=A, hold=by()))
    assert not holds.pauses(TaskName("backup"))


def test_a_pause_covers_what_is_due_before_its_end_and_nothing_from_there_on() -> None:
    holds = placed(Holds(), BACKUP, by(until=later(HOUR)))
    assert holds.pauses(TaskName("backup"), later(HOUR - 1))
    assert not holds.pauses(TaskName("backup"), later(HOUR))


def test_the_longer_of_two_pauses_counts() -> None:
    holds = placed(placed(Holds(), BACKUP, by(until=later(MINUTE))), EVERY_TASK, by(until=later(HOUR)))
    assert holds.pauses(TaskName("backup"), later(HOUR - 1))


def test_a_pause_that_is_placed_again_has_the_new_reason_actor_and_end_since_when_it_was() -> None:
    holds = placed(placed(Holds(), SYNCS, by(reason="old", until=later(HOUR))), SYNCS, by("bob (1)", NOON + MINUTE, reason="new"))
    assert holds.sync == Hold(actor="bob (1)", since=NOON, reason="new")
    assert [(change.act, change.at, change.reason) for change in holds.changes] == [
        (HoldAct.PLACED, NOON, "old"),
        (HoldAct.PLACED, later(MINUTE), "new"),
    ]


def test_only_what_has_ended_expires() -> None:
    holds = placed(placed(placed(Holds(), SYNCS, by(until=later(MINUTE))), HOST, by(until=later(HOUR))), EVERY_TASK, by())
    assert holds.next_end() == later(MINUTE)
    assert expired(holds, later(MINUTE - 1)) is holds
    after = expired(holds, later(MINUTE))
    assert (after.sync, after.drain is None, after.all is None) == (None, False, False)
    assert [(change.act, change.what, change.actor) for change in after.told_since(holds)] == [(HoldAct.EXPIRED, SYNCS, "")]
    assert expired(after, later(HOUR)).next_end() is None


def test_changes_have_growing_numbers_that_are_never_before_their_time() -> None:
    holds = placed(placed(Holds(), SYNCS, by()), HOST, by())
    holds = lifted(holds, HOST, actor="a", now=later(-HOUR))
    assert [change.number for change in holds.changes] == [NOON, NOON + 1, NOON + 2]
    assert placed(holds, HOST, by(at=NOON + HOUR)).changes[-1].number == NOON + HOUR


def test_of_many_changes_the_newest_are_kept() -> None:
    holds = Holds()
    for number in range(CHANGES_KEPT + 5):
        holds = placed(holds, SYNCS, by(at=NOON + number))
    assert [change.at for change in holds.changes] == [NOON + number for number in range(5, CHANGES_KEPT + 5)]


holds_of_any_kind = st.builds(
    Hold,
    actor=st.text(max_size=5),
    since=st.integers(0, NOON).map(Instant),
    reason=st.text(max_size=5),
    until=st.none() | st.integers(0, NOON).map(Instant),
    stops_runs=st.booleans(),
)


@given(
    st.lists(st.tuples(st.sampled_from([SYNCS, EVERY_TASK, HOST, BACKUP]), holds_of_any_kind)),
    st.none() | st.sampled_from([(), (A,), (A, B)]),
)
def test_what_is_stored_is_what_was_held(story: list[tuple[Held, Hold]], passed_over: tuple[str, ...] | None) -> None:
    holds = Holds()
    for what, hold in story:
        holds = placed(holds, what, hold)
    if passed_over is not None:
        holds = pinned(holds, Pin(revision="abcdef1", hold=by(), passed_over=passed_over))
    assert CODEC.value(Holds, CODEC.document(holds)) == holds


# Pins and rollbacks.


def test_a_pin_holds_whatever_the_remote_points_to() -> None:
    pin = Pin(revision=A[:9], hold=by())
    assert pin.keeps_from(B, A)
    assert pin.keeps_from(B, "")
    assert not pin.is_outdone_by(B)
    assert (pin.names(A), pin.names(B)) == (True, False)


def test_a_rollback_gets_back_first_and_follows_the_first_newer_commit_then() -> None:
    pin = Pin(revision=A, hold=by(), passed_over=(B,))
    assert pin.keeps_from(B, B)
    assert pin.keeps_from(C, B)
    assert pin.keeps_from(B, A)
    assert pin.keeps_from(A, A)
    assert not pin.keeps_from(C, A)
    assert [pin.is_outdone_by(one) for one in (A, B, C)] == [False, False, True]


def test_a_rollback_leads_to_what_was_in_force_before() -> None:
    assert rolled_back(Holds(), (A, B), B, B, by()) == Pin(revision=A, hold=by(), passed_over=(B,))


def test_what_the_remote_has_already_is_no_newer_commit() -> None:
    pin = rolled_back(Holds(), (A, B), B, C, by())
    assert pin is not None
    assert pin.passed_over == (B, C)
    assert not pin.keeps_from(D, A)


def test_a_second_rollback_goes_one_further_back_also_before_the_first_was_done() -> None:
    first = rolled_back(Holds(), (A, B, C), C, C, by())
    assert first is not None
    for in_force in (B, C):
        second = rolled_back(pinned(Holds(), first), (A, B, C), in_force, C, by())
        assert second == Pin(revision=A, hold=by(), passed_over=(B, C))


def test_a_rollback_from_a_pin_does_not_jump_ahead_to_the_remote() -> None:
    holds = pinned(Holds(), Pin(revision=B, hold=by()))
    pin = rolled_back(holds, (A, B), B, C, by())
    assert pin is not None
    assert (pin.revision, pin.passed_over) == (A, (B, C))


def test_without_another_revision_there_is_no_way_back() -> None:
    assert rolled_back(Holds(), (), A, A, by()) is None
    assert rolled_back(Holds(), (A,), A, B, by()) is None


@given(st.lists(st.sampled_from([A, B, C, D]), max_size=6), st.sampled_from([A, B, C, D]), st.sampled_from(["", A, B, C, D]))
def test_a_rollback_never_leads_to_what_it_passes_over(applied: list[str], in_force: str, fetched: str) -> None:
    holds = Holds()
    for _ in range(5):
        pin = rolled_back(holds, applied, in_force, fetched, by())
        if pin is None:
            return
        assert pin.revision in applied
        assert pin.revision not in pin.passed_over
        assert in_force in pin.passed_over
        holds = pinned(holds, pin)
    raise AssertionError("there is always one further back")


# Words.


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("90m", NOON + 90 * MINUTE),
        ("2d", NOON + 48 * HOUR),
        ("2026-12-01T03:00Z", 1_796_094_000_000),
        ("2026-12-01T04:00+01:00", 1_796_094_000_000),
    ],
)
def test_until_is_a_length_of_time_or_a_time_with_zone(text: str, instant: int) -> None:
    assert parse_until(text, NOON) == instant


@pytest.mark.parametrize("text", ["", "soon", "2", "2026-12-01T03:00", "-2h", "2 h"])
def test_until_says_what_to_write_instead(text: str) -> None:
    with pytest.raises(ValueError, match="neither a length of time nor a time; write a length of time such as 90m"):
        parse_until(text, NOON)


@pytest.mark.parametrize("text", ["0s", "2026-11-23T12:00Z", "2020-01-01T00:00Z"])
def test_until_lies_in_the_future(text: str) -> None:
    with pytest.raises(ValueError, match="not in the future"):
        parse_until(text, NOON)


@pytest.mark.parametrize("text", ["3654d", "999999999d", "9999-12-31T23:59:59-23:59", "2036-11-30T00:00Z"])
def test_until_is_a_time_that_can_be_told(text: str) -> None:
    with pytest.raises(ValueError, match="more than ten years ahead"):
        parse_until(text, NOON)


def test_a_reason_is_one_line_that_can_be_shown() -> None:
    assert reason_problem("disk: wächst, see #12") == ""
    assert "line break" in reason_problem("a\nb")
    assert "control character" in reason_problem("\x1b[2J")
    assert f"at most {MOST_REASON}" in reason_problem("x" * (MOST_REASON + 1))


def test_a_pin_is_a_commit_id_of_seven_digits_at_least() -> None:
    assert [pin_problem(text) for text in (A, "abcdef1", "0" * 64)] == ["", "", ""]
    for text in ("main", "v1.2", "abcdef", "HEAD~1", "ABCDEF1", "", "a" * 65, "abcdef1\n"):
        assert "git rev-parse" in pin_problem(text)


def test_a_sentence_says_what_is_held_by_whom_since_when_until_when_and_why() -> None:
    hold = by(reason="the disk is full", until=later(HOUR))
    tail = "by alice (1000) since 2026-11-23T12:00:00Z until 2026-11-23T13:00:00Z: the disk is full"
    pin = Pin(revision=A, hold=hold)
    holds = pinned(Holds(), pin)
    assert {sentence(holds, what, hold) for what in (SYNCS, EVERY_TASK, HOST, BACKUP, REF)} == {
        f"syncs are paused {tail}",
        f"all tasks are paused {tail}",
        f"this host is drained {tail}",
        f"the task backup is paused {tail}",
        f"pinned to {A[:12]} {tail}",
    }
    back = pinned(Holds(), replace(pin, passed_over=(B,)))
    assert [sentence(back, what, one) for what, one in back] == [f"rolled back to {A[:12]} {tail}"]


def test_a_change_says_what_happened() -> None:
    holds = pinned(placed(placed(Holds(), BACKUP, by(until=later(HOUR))), HOST, by()), Pin(revision=A, hold=by(), passed_over=(B,)))
    holds = lifted(expired(holds, later(HOUR)), REF, actor="bob", now=NOON)
    assert [change_sentence(change) for change in holds.changes] == [
        "the pause of backup was placed until 2026-11-23T13:00:00Z",
        "the drain was placed",
        f"the rollback to {A[:12]} was placed",
        "the pause of backup expired",
        f"the rollback to {A[:12]} was lifted",
    ]
    assert holds.changes[-1].what.scope is HoldScope.ROLLBACK
