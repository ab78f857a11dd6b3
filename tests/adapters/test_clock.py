from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.adapters.contract_clock import CONTRACT
from torchsync.adapters.clock import SystemClock


@pytest.mark.parametrize("contract", CONTRACT, ids=lambda contract: contract.__name__)
def test_the_clock_keeps_the_contract(contract) -> None:
    contract(SystemClock(), lambda by: time.sleep(by / 1000))


def test_the_monotonic_clock_is_the_one_of_proc_uptime() -> None:
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    assert abs(SystemClock().monotonic() / 1000 - uptime) < 0.5
