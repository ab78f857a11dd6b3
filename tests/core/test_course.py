from __future__ import annotations

from tests.builders import NOON, generation
from torchsync.core.course import Course
from torchsync.core.holds import Hold, Pin
from torchsync.core.model import Revision

A, B, C = "a" * 40, "b" * 40, "c" * 40
BY = Hold(actor="alice", since=NOON)
BACK = Course(pin=Pin(revision=A, hold=BY, passed_over=(B,)))


def at(revision: str):
    return generation(revision=Revision(revision))


def test_without_a_pin_syncs_go_with_the_remote() -> None:
    assert Course().pinned_from(A, at(B)) == ""
    assert not Course().is_off(at(A))


def test_a_pin_is_gone_for_also_before_anything_is_in_force() -> None:
    course = Course(pin=Pin(revision=A[:9], hold=BY))
    assert course.pinned_from(B, None) == course.pinned_from(B, at(A)) == A[:9]
    assert (course.is_off(at(B)), course.is_off(at(A))) == (True, False)


def test_a_rollback_is_off_until_it_has_got_back_and_not_after_it_was_outdone() -> None:
    assert [BACK.is_off(at(revision)) for revision in (B, A, C)] == [True, False, False]


def test_a_sync_under_way_does_not_fit_another_target_or_a_pause() -> None:
    assert Course().is_for_another(BACK)
    assert BACK.is_for_another(Course(pin=Pin(revision=A, hold=BY)))
    assert BACK.is_for_another(Course(pin=BACK.pin, paused="why"))
    assert not BACK.is_for_another(Course(pin=Pin(revision=A, hold=Hold(actor="bob", since=NOON), passed_over=(B,)), applied=(C,)))


def test_the_newest_ten_revisions_are_remembered_each_once_in_a_row() -> None:
    course = Course()
    for number in range(12):
        for _ in range(2):
            course = course.reached(f"{number:040x}")
    assert course.applied == tuple(f"{number:040x}" for number in range(2, 12))


def test_what_is_passed_over_is_no_way_back() -> None:
    assert BACK.reached(A).reached(B).reached(C).applied == (A, C)
