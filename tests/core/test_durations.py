"""Lengths of time and sizes as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchsync.core.durations import format_duration, format_size, parse_duration, parse_size
from torchsync.core.model import Millis


@pytest.mark.parametrize(
    ("text", "length"),
    [("300ms", 300), ("90s", 90_000), ("1h30m", 5_400_000), ("2d", 172_800_000), ("1d1h1m1s1ms", 90_061_001), ("0s", 0)],
)
def test_a_duration_is_read_to_the_millisecond(text: str, length: int) -> None:
    assert parse_duration(text) == length


@pytest.mark.parametrize("text", ["", "5", "1.5h", "30m1h", "1h1h", "-5s", "5 s", "5S", "s", "5s\n", "٣s", "9999999999s"])
def test_what_is_no_duration_is_none(text: str) -> None:
    assert parse_duration(text) is None


@given(st.integers(0, 10**12))
def test_a_duration_comes_back_from_its_text(length: int) -> None:
    assert parse_duration(format_duration(Millis(length))) == length


@pytest.mark.parametrize(("text", "size"), [("0B", 0), ("512KiB", 524_288), ("10MiB", 10_485_760), ("1TiB", 1 << 40)])
def test_a_size_is_read_to_the_byte(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "10", "10MB", "10M", "1.5MiB", "10mib", "10 MiB"])
def test_what_is_no_size_is_none(text: str) -> None:
    assert parse_size(text) is None


@given(st.integers(0, 10**12 - 1))
def test_a_size_comes_back_from_its_text(size: int) -> None:
    assert parse_size(format_size(size)) == size
