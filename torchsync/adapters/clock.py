"""The clocks of the machine."""

from __future__ import annotations

import ctypes
import time
from pathlib import Path

from torchsync.core.model import Instant, Millis

TIMESYNCD_MARK = "/run/systemd/timesync/synchronized"
"""Made by systemd-timesyncd(8) once it has set the clock; systemd-time-wait-sync(8) waits for it."""

_LIBC = ctypes.CDLL(None, use_errno=True)
_STA_UNSYNC = 0x0040
"""linux/timex.h. The kernel sets it whenever somebody sets the clock, and a time daemon clears it."""

_READINGS, _CLOSE = 5, Millis(1)
"""Both clocks are read that close to each other, or once more; after so many readings the closest one counts."""


class _Timex(ctypes.Structure):
    """As far as it is read: adjtimex(2). The rest is room that the kernel writes to."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 512),
    )


class SystemClock:
    """The wall clock, and CLOCK_BOOTTIME, which never steps and goes on while the machine sleeps (clock_gettime(2)).

    It is synchronised when the kernel says so, or when timesyncd has left its mark, the file `mark`.
    """

    def __init__(self, mark: str = TIMESYNCD_MARK) -> None:
        self._mark = Path(mark)

    def now(self) -> Instant:
        return Instant(time.time_ns() // 1_000_000)

    def monotonic(self) -> Millis:
        return Millis(time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000)

    def moment(self) -> tuple[Instant, Millis]:
        readings = []
        for _ in range(_READINGS):
            before, now, after = self.monotonic(), self.now(), self.monotonic()
            readings.append((after - before, now, before))
            if after - before <= _CLOSE:
                break
        _, now, mono = min(readings)
        return now, mono

    def is_synchronised(self) -> bool:
        return _kernel_is_synchronised() or self._mark.exists()


def _kernel_is_synchronised() -> bool:
    """Reading needs no right; where even that is filtered, nothing is known."""
    timex = _Timex(modes=0)
    return _LIBC.adjtimex(ctypes.byref(timex)) >= 0 and not timex.status & _STA_UNSYNC
