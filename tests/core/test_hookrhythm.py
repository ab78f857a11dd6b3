from torchsync.core.hookrhythm import LEAST_DISTANCE, LOOK_AGAIN, HookRhythm
from torchsync.core.model import Millis

A, B, C, D = ("a" * 40, "b" * 40, "c" * 40, "d" * 40)


def moments(rhythm: HookRhythm, start: int, end: int) -> list[int]:
    """When it asks for syncs, in steps of 100 ms, `end` excluded."""
    return [mono for mono in range(start, end, 100) if rhythm.is_due(Millis(mono))]


def test_nothing_is_due_before_a_hook_came() -> None:
    rhythm = HookRhythm()
    assert rhythm.next_wake(Millis(0)) is None
    assert not moments(rhythm, 0, 20_000)


def test_a_hook_is_followed_at_once_and_once() -> None:
    rhythm = HookRhythm()
    rhythm.take(A, B, Millis(1_000))
    assert rhythm.next_wake(Millis(1_000)) == 0
    assert moments(rhythm, 1_000, 60_000) == [1_000]
    assert rhythm.next_wake(Millis(60_000)) is None


def test_a_flood_costs_one_sync_each_five_seconds_and_the_last_hook_is_followed() -> None:
    rhythm = HookRhythm()
    asked = []
    for mono in range(0, 30_000, 100):
        if mono < 12_000:
            rhythm.take(A, B, Millis(mono))
        if rhythm.is_due(Millis(mono)):
            asked.append(mono)
    assert asked == [0, 5_000, 10_000, 15_000]
    assert LEAST_DISTANCE == 5_000


def test_the_loop_wakes_for_the_trailing_hook() -> None:
    rhythm = HookRhythm()
    rhythm.take(A, B, Millis(0))
    assert rhythm.is_due(Millis(0))
    rhythm.take(B, C, Millis(1_500))
    assert rhythm.next_wake(Millis(1_500)) == 3_500


def test_a_commit_that_is_not_shown_yet_is_looked_for_again_later_and_later_and_not_for_ever() -> None:
    rhythm = HookRhythm()
    rhythm.take(A, B, Millis(0))
    mono = 0
    waited = []
    for _ in range(5):
        assert rhythm.is_due(Millis(mono))
        rhythm.saw(A, Millis(mono))
        wait = rhythm.next_wake(Millis(mono))
        if wait is None:
            break
        waited.append(wait)
        assert not rhythm.is_due(Millis(mono + wait - 1))
        mono += wait
    assert tuple(waited) == LOOK_AGAIN


def test_finding_the_commit_ends_the_search() -> None:
    rhythm = HookRhythm()
    rhythm.take(A, B, Millis(0))
    assert rhythm.is_due(Millis(0))
    rhythm.saw(A, Millis(100))
    rhythm.saw(B, Millis(200))
    assert not moments(rhythm, 200, 60_000)


def test_a_remote_that_did_not_answer_has_not_shown_anything() -> None:
    rhythm = HookRhythm()
    rhythm.take(A, B, Millis(0))
    assert rhythm.is_due(Millis(0))
    rhythm.saw("", Millis(100))
    assert not moments(rhythm, 0, 60_000)
    rhythm.saw(A, Millis(60_000))
    assert rhythm.next_wake(Millis(60_000)) == LOOK_AGAIN[0]


def test_of_two_pushes_in_a_row_neither_replaced_commit_is_taken_for_the_newest() -> None:
    for shown in (A, B):
        rhythm = HookRhythm()
        rhythm.take(A, B, Millis(0))
        rhythm.take(B, C, Millis(50))
        assert rhythm.is_due(Millis(50))
        rhythm.saw(shown, Millis(100))
        assert moments(rhythm, 100, 60_000) == [2_100]
        rhythm.saw(C, Millis(2_200))
        assert rhythm.next_wake(Millis(2_200)) is None


def test_a_push_back_to_an_earlier_commit_finds_it() -> None:
    rhythm = HookRhythm()
    rhythm.take(A, B, Millis(0))
    rhythm.take(B, A, Millis(50))
    assert rhythm.is_due(Millis(50))
    rhythm.saw(A, Millis(100))
    assert rhythm.next_wake(Millis(100)) is None


def test_a_replay_of_an_old_hook_brings_one_sync_and_no_search() -> None:
    rhythm = HookRhythm()
    for mono in range(0, 3_600_000, 60_000):
        rhythm.take(A, B, Millis(mono))
        assert rhythm.is_due(Millis(mono))
        rhythm.saw(D, Millis(mono + 10))
        assert rhythm.next_wake(Millis(mono + 10)) is None


def test_a_replay_while_the_commit_is_not_shown_does_not_begin_the_search_anew() -> None:
    rhythm = HookRhythm()
    asked = 0
    for mono in range(0, 600_000, 100):
        rhythm.take(A, B, Millis(mono))
        if rhythm.is_due(Millis(mono)):
            asked += 1
            rhythm.saw(A, Millis(mono))
    assert asked <= 600_000 // LEAST_DISTANCE + len(LOOK_AGAIN)


def test_a_hook_that_tells_no_commit_brings_a_sync_and_no_search() -> None:
    rhythm = HookRhythm()
    rhythm.take("", "", Millis(0))
    assert rhythm.is_due(Millis(0))
    rhythm.saw(A, Millis(10))
    assert rhythm.next_wake(Millis(10)) is None


def test_what_is_remembered_stays_small() -> None:
    rhythm = HookRhythm()
    for number in range(1_000):
        rhythm.take(f"{number:040x}", f"{number + 1:040x}", Millis(number))
    assert rhythm.is_due(Millis(1_000))
    rhythm.saw(f"{1:040x}", Millis(1_000))
    assert rhythm.next_wake(Millis(1_000)) is None
