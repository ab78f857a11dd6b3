from torchsync.adapters.clock import SystemClock
from torchsync.adapters.syscalls import Timer
from torchsync.adapters.wakeups import SelectorWakeups
from torchsync.core.model import Millis


def test_a_timer_that_is_set_anew_in_the_round_in_which_it_rings_still_rings() -> None:
    """The callback of another descriptor may come between the ringing and our look at it: then there is nothing to read any more."""
    wakeups = SelectorWakeups()
    timer = Timer(wakeups, SystemClock())
    rung: list[str] = []
    timer.after(Millis(1), lambda: rung.append("first"))
    while SystemClock().monotonic() < timer._waiting[0][0] + 1:
        pass
    timer.after(Millis(60_000), lambda: rung.append("second"))
    timer._ring()
    assert rung == ["first"]
