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
    apart = []
    for _ in range(20):  # between two readings a busy machine may do something else for a while: seldom twenty times
        wall, mono = clock.now(), clock.monotonic()
        let_pass(30)
        passed = clock.monotonic() - mono
        apart.append(abs((clock.now() - wall) - passed))
        assert passed >= 30
        if apart[-1] < 20:
            break
    assert min(apart) < 20


def whether_it_is_synchronised_is_told(clock: Clock, let_pass: LetPass) -> None:
    assert type(clock.is_synchronised()) is bool


CONTRACT = (
    whether_it_is_synchronised_is_told,
    times_are_whole_milliseconds,
    the_monotonic_clock_never_goes_back,
    both_clocks_move_on_together,
)
