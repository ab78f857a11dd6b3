from __future__ import annotations

import ctypes
import time
from pathlib import Path

import pytest

from tests.adapters.contract_clock import CONTRACT
from torchsync.adapters.clock import SystemClock
from torchsync.core.model import Instant, Millis


@pytest.mark.parametrize("contract", CONTRACT, ids=lambda contract: contract.__name__)
def test_the_clock_keeps_the_contract(contract) -> None:
    contract(SystemClock(), lambda by: time.sleep(by / 1000))


def test_the_monotonic_clock_is_the_one_of_proc_uptime() -> None:
    before, read, after = uptime(), SystemClock().monotonic() / 1000, uptime()
    assert before - 0.02 <= read <= after + 0.02


def test_a_process_that_stands_still_between_its_looks_at_the_two_clocks_knows_the_moment() -> None:
    class Held(SystemClock):
        """Every other reading of the wall clock is followed by two seconds in which nothing is read."""

        held, readings = 0, 0

        def now(self) -> Instant:
            now = Instant(super().now() + self.held)
            Held.readings += 1
            Held.held += Held.readings % 2 * 2_000
            return now

        def monotonic(self) -> Millis:
            return Millis(super().monotonic() + self.held)

    now, mono = SystemClock().moment()
    held_now, held_mono = Held().moment()
    assert abs((held_now - held_mono) - (now - mono)) < 1_000


def uptime() -> float:
    return float(Path("/proc/uptime").read_text().split()[0])


def test_the_mark_of_timesyncd_is_enough(tmp_path: Path) -> None:
    mark = tmp_path / "synchronized"
    before = SystemClock(str(mark)).is_synchronised()
    mark.touch()
    assert SystemClock(str(mark)).is_synchronised()
    assert before is _is_synchronised_by_kernel()


def _is_synchronised_by_kernel() -> bool:
    """As adjtimex(2) answers: 5 is TIME_ERROR, by another way than the adapter's."""
    buffer = ctypes.create_string_buffer(1024)
    return 0 <= ctypes.CDLL(None).adjtimex(buffer) < 5
