"""What every `ports.Clock` does. `let_pass` lets that many milliseconds pass."""

from __future__ import annotations

from collections.abc import Callable

from torchsync.ports import Clock

LetPass = Callable[[int], None]


def times_are_whole_milliseconds(clock: Clock, let_pass: LetPass) -> None:
    assert type(clock.now()) is int
    assert type(clock.monotonic()) is int
    assert clock.now() > 1_700_000_000_000, "since the epoch, in milliseconds"


def the_monotonic_clock_never_goes_back(clock: Clock, let_pass: LetPass) -> None:
    readings = [clock.monotonic() for _ in range(1000)]
    assert readings == sorted(readings)


def both_clocks_move_on_together(clock: Clock, let_pass: LetPass) -> None:
    wall, mono = clock.moment()
    let_pass(30)
    later, passed = clock.moment()
    assert passed - mono >= 30
    assert abs((later - wall) - (passed - mono)) < 20


def a_moment_is_what_both_clocks_show(clock: Clock, let_pass: LetPass) -> None:
    before, mono_before = clock.now(), clock.monotonic()
    now, mono = clock.moment()
    assert before <= now <= clock.now()
    assert mono_before <= mono <= clock.monotonic()


def whether_it_is_synchronised_is_told(clock: Clock, let_pass: LetPass) -> None:
    assert type(clock.is_synchronised()) is bool


CONTRACT = (
    whether_it_is_synchronised_is_told,
    times_are_whole_milliseconds,
    the_monotonic_clock_never_goes_back,
    both_clocks_move_on_together,
    a_moment_is_what_both_clocks_show,
)
