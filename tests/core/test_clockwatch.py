"""What two readings a turn tell of the wall clock."""

import re
from pathlib import Path

from tests.builders import HOUR, MINUTE, NOON, SECOND
from torchsync.core.clockwatch import FAR, HELD_FOR, JUMP, KEPT, RELEASED, ClockWatch, Hold, Sighting
from torchsync.core.instants import rfc3339
from torchsync.core.model import Instant, Millis

DAY = 24 * HOUR
CHANGELOG = Path(__file__).parents[2] / "CHANGELOG.md"


class Clocks:
    """Two clocks and somebody who watches them."""

    def __init__(self, now: int = NOON, *, newest: int = NOON, is_synchronised: bool = True) -> None:
        self.now, self.mono = now, 10 * MINUTE
        self.newest, self.is_synchronised = newest, is_synchronised
        self.watch = ClockWatch("boot-1")

    def see(self) -> Sighting:
        return self.watch.see(Instant(self.now), Millis(self.mono), Instant(self.newest), is_synchronised=self.is_synchronised)

    def after(self, passed: int, step: int = 0) -> Sighting:
        self.now += passed + step
        self.mono += passed
        return self.see()

    def restart(self, boot: str = "boot-1") -> None:
        state = self.watch.state
        self.watch = ClockWatch(boot)
        self.watch.restore(state)


def seen(**changes) -> Clocks:
    clocks = Clocks(**changes)
    clocks.see()
    return clocks


def test_no_clock_is_right_before_the_newest_release() -> None:
    dates = re.findall(r"^## \[[^]]+\] - (\S+)$", CHANGELOG.read_text(encoding="utf-8"), re.MULTILINE)
    assert RELEASED < NOON
    assert not dates or rfc3339(RELEASED) == f"{dates[0][:7]}-01T00:00:00.000Z", "move RELEASED on with the release"


def test_clocks_that_go_on_together_have_made_no_step_however_long_it_was() -> None:
    clocks = seen()
    assert clocks.after(SECOND) == Sighting()
    assert clocks.after(30 * DAY) == Sighting()


def test_a_step_has_a_size_and_a_direction() -> None:
    clocks = seen()
    assert clocks.after(SECOND, 5 * SECOND).step == 5 * SECOND
    assert clocks.after(SECOND, -7 * SECOND).step == -7 * SECOND
    assert clocks.after(SECOND, 1_999).step == 0


def test_a_jump_returns_when_the_clock_is_nearer_to_where_it_was() -> None:
    clocks = seen()
    jump = clocks.after(SECOND, 20 * MINUTE).opened
    assert jump is not None
    assert jump.since == NOON + SECOND
    assert clocks.after(MINUTE, -9 * MINUTE).returned == ()
    assert clocks.after(MINUTE, -2 * MINUTE).returned == (jump,)


def test_a_large_jump_has_not_returned_while_the_clock_is_a_jump_away_from_where_it_was() -> None:
    clocks = seen()
    clocks.after(SECOND, 10 * DAY)
    assert clocks.after(MINUTE, -10 * DAY + JUMP + 1).returned == ()
    assert len(clocks.after(MINUTE, -1).returned) == 1


def test_slewing_back_is_no_step_and_a_return_all_the_same() -> None:
    clocks = seen()
    clocks.after(SECOND, 20 * MINUTE)
    sightings = [clocks.after(SECOND, -SECOND) for _ in range(700)]
    assert {sighting.step for sighting in sightings} == {0}
    assert sum(len(sighting.returned) for sighting in sightings) == 1


def test_a_jump_is_believed_after_two_days_of_the_monotonic_clock() -> None:
    clocks = seen()
    jump = clocks.after(SECOND, DAY).opened
    assert clocks.after(KEPT).expired == ()
    assert clocks.after(1).expired == (jump,)
    assert clocks.after(SECOND, -DAY).returned == ()


def test_what_time_it_is_at_least_does_not_believe_an_open_jump() -> None:
    clocks = seen()
    clocks.after(SECOND, 300 * DAY)
    clocks.after(MINUTE, 20 * MINUTE)
    assert clocks.watch.earliest(Instant(clocks.now), Millis(clocks.mono)) == NOON + SECOND + MINUTE


def test_the_state_is_the_same_object_while_nothing_is_to_be_kept() -> None:
    clocks = seen()
    state = clocks.watch.state
    for _ in range(5):
        clocks.after(SECOND, 100)
    assert clocks.watch.state is state
    clocks.after(SECOND, 3 * SECOND)
    assert clocks.watch.state is not state


def test_a_step_while_no_agent_lived_is_seen_by_the_next_one_of_the_same_boot() -> None:
    clocks = seen()
    clocks.restart()
    assert clocks.after(HOUR, DAY).opened is not None
    clocks.restart()
    assert len(clocks.after(HOUR, -DAY).returned) == 1


def test_in_a_new_boot_nothing_tells_a_step_from_time_that_passed_while_the_clock_is_synchronised() -> None:
    clocks = seen()
    clocks.restart("boot-2")
    clocks.mono = 0
    assert clocks.after(SECOND, 100 * DAY) == Sighting()


def test_a_clock_that_comes_up_ahead_and_is_not_synchronised_may_return() -> None:
    clocks = Clocks(NOON + 100 * DAY, is_synchronised=False)
    jump = clocks.see().opened
    assert jump is not None
    assert jump.since == NOON
    assert clocks.after(MINUTE, -10 * MINUTE).returned == ()
    assert clocks.after(MINUTE, -97 * DAY).returned == (jump,)


def test_without_any_instant_decided_nothing_tells_that_a_clock_is_ahead_but_it_may_return() -> None:
    clocks = Clocks(NOON + 100 * DAY, newest=0, is_synchronised=False)
    assert clocks.see() == Sighting()
    assert clocks.watch.earliest(Instant(clocks.now), Millis(clocks.mono)) == clocks.now
    assert clocks.after(MINUTE, -JUMP + SECOND).returned == ()
    assert [jump.since for jump in clocks.after(MINUTE, -MINUTE).returned] == [NOON + 100 * DAY]


def test_without_any_instant_decided_a_clock_that_is_synchronised_or_shows_1970_is_not_ahead() -> None:
    for now, is_synchronised in ((NOON, True), (60 * SECOND, False)):
        clocks = Clocks(now, newest=0, is_synchronised=is_synchronised)
        clocks.see()
        assert clocks.watch.state.jumps == ()


def test_a_time_before_the_release_is_held_for_ten_minutes() -> None:
    clocks = Clocks(RELEASED - 1 - 2 * HELD_FOR, newest=0, is_synchronised=False)
    assert clocks.see().hold is Hold.HELD
    assert clocks.after(HELD_FOR - 1).hold is Hold.HELD
    assert clocks.after(1).hold is Hold.GIVEN_UP
    assert clocks.after(DAY).hold is Hold.NONE


def test_a_time_far_before_the_newest_instant_is_held() -> None:
    assert Clocks(NOON - FAR, is_synchronised=False).see().hold is Hold.NONE
    assert Clocks(NOON - FAR - 1, is_synchronised=False).see().hold is Hold.HELD
    assert Clocks(NOON - FAR - 1, is_synchronised=True).see().hold is Hold.NONE


def test_a_hold_ends_at_once_when_the_clock_is_synchronised() -> None:
    clocks = Clocks(60 * SECOND, is_synchronised=False)
    assert clocks.see().hold is Hold.HELD
    clocks.is_synchronised = True
    assert clocks.after(SECOND).hold is Hold.NONE


def test_a_second_time_that_cannot_be_is_held_anew() -> None:
    clocks = seen(is_synchronised=False)
    for _ in range(2):
        assert clocks.after(SECOND, -365 * DAY).hold is Hold.HELD
        assert clocks.after(HELD_FOR).hold is Hold.GIVEN_UP
        assert clocks.after(SECOND, 365 * DAY).hold is Hold.NONE


def test_a_step_out_of_a_time_that_cannot_be_names_what_the_clock_has_shown() -> None:
    clocks = seen(now=20 * MINUTE, is_synchronised=False)
    sighting = clocks.after(5 * MINUTE, NOON)
    assert sighting.impossible == (10 * MINUTE, 25 * MINUTE)
    assert clocks.after(5 * MINUTE, HOUR).impossible is None


def test_a_clock_that_returns_to_1970_has_not_returned_yet() -> None:
    clocks = seen(is_synchronised=False)
    clocks.after(SECOND, 10 * DAY)
    assert clocks.after(SECOND, -NOON).returned == ()
    assert len(clocks.after(SECOND, NOON - 10 * DAY).returned) == 1
