"""The clocks of the machine."""

from __future__ import annotations

import time

from torchsync.core.model import Instant, Millis


class SystemClock:
    """The wall clock, and CLOCK_BOOTTIME, which never steps and goes on while the machine sleeps (clock_gettime(2))."""

    def now(self) -> Instant:
        return Instant(time.time_ns() // 1_000_000)

    def monotonic(self) -> Millis:
        return Millis(time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000)
