from __future__ import annotations

import subprocess
from collections import Counter

import pytest

from torchsync.core.spread import Spread


@pytest.mark.parametrize(("field", "size"), [("minute", 60), ("hour", 24), ("jitter", 600_000)])
def test_the_place_is_what_coreutils_come_to(field: str, size: int) -> None:
    """By a program of others: `printf 'db-1\\0nightly\\0minute' | sha256sum`."""
    told = subprocess.run(["sha256sum"], input=f"db-1\0nightly\0{field}".encode(), capture_output=True, check=True)
    assert Spread("db-1", "nightly").pick(field, size) == int(told.stdout[:16], 16) % size


def test_the_place_never_moves() -> None:
    assert Spread("db-1", "nightly").pick("minute", 60) == 57
    assert Spread("db-1", "nightly").pick("jitter", 600_000) == 468_279


def test_a_thousand_hosts_are_spread_evenly() -> None:
    counts = Counter(Spread(f"web-{number}.example.org", "nightly").pick("minute", 60) for number in range(1_000))
    assert len(counts) == 60
    assert max(counts.values()) < 40
