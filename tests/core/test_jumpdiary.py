from torchsync.core.entries import Tagged
from torchsync.core.jumpdiary import Diary
from torchsync.core.model import Instant, SkipReason, TaskName

A = TaskName("a")


def at(number: int) -> Instant:
    return Instant(number * 10)


def written(*entries: tuple[int, int, SkipReason | None], jump: int = 1) -> Diary:
    diary = Diary()
    for first, last, reason in entries:
        diary.note(A, at(first), at(last), jump, reason)
    return diary


def covered(diary: Diary) -> list[int]:
    return [number for number in range(20) if diary.covers(A, at(number))]


def test_what_was_noted_is_covered_and_what_lies_between_missed_and_ran_as_well() -> None:
    diary = written((1, 3, SkipReason.MISSED), (4, 4, None), (5, 5, None), (8, 8, SkipReason.OVERLAP))
    assert covered(diary) == [1, 2, 3, 4, 5, 8]
    assert not diary.covers(TaskName("b"), at(1))


def test_a_return_keeps_what_is_not_in_the_future_and_was_not_missed() -> None:
    diary = written((1, 3, SkipReason.MISSED), (4, 4, None), (5, 5, None), (6, 6, SkipReason.OVERLAP), (7, 7, None), (8, 8, None))
    diary.annul(A, 1, at(7), heir=0)
    assert covered(diary) == [4, 5, 6, 7]


def test_a_span_that_reaches_into_the_future_goes_whole() -> None:
    diary = written((1, 5, SkipReason.OVERLAP), (6, 8, SkipReason.MISSED))
    diary.annul(A, 1, at(4), heir=0)
    assert covered(diary) == []


def test_what_is_left_of_an_inner_jump_goes_with_the_outer_one() -> None:
    diary = written((1, 1, None), jump=1)
    diary.note(A, at(2), at(2), 2, None)
    diary.annul(A, 2, at(9), heir=1)
    diary.annul(A, 1, at(0), heir=0)
    assert covered(diary) == []


def test_an_entry_that_is_gone_leaves_its_instant_alone_free() -> None:
    diary = written((1, 1, None), (2, 2, None), (3, 3, None))
    diary.forget(A, at(2))
    assert covered(diary) == [1, 3]
    diary.note(A, at(2), at(2), 1, SkipReason.MISSED)
    diary.annul(A, 1, at(9), heir=0)
    assert covered(diary) == [1, 3]


def test_runs_of_another_schedule_do_not_grow_a_span_over_instants_in_between() -> None:
    diary = written((1, 1, None))
    diary.cut(A)
    diary.note(A, at(5), at(5), 1, None)
    assert covered(diary) == [1, 5]


def test_a_jump_is_passed_when_the_mark_is_behind_all_that_it_left() -> None:
    diary = written((1, 1, None), (3, 3, SkipReason.POOL))
    assert diary.passed(A, at(2), ()) == set()
    assert diary.passed(A, at(3), {1}) == set()
    assert diary.passed(A, at(3), ()) == {1}
    diary.settle(A, 1, 0)
    assert covered(diary) == []


def test_what_is_read_is_what_was_written() -> None:
    diary = Diary()
    diary.read([Tagged(A, at(4), at(4), 1), Tagged(A, at(1), at(3), 1, SkipReason.MISSED), Tagged(A, at(5), at(5), 1)])
    assert covered(diary) == [1, 2, 3, 4, 5]
    diary.annul(A, 1, at(9), heir=0)
    assert covered(diary) == [4, 5]
