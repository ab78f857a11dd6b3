"""IP addresses as texts."""

from __future__ import annotations

import pytest

from torchsync.core.address import is_address


@pytest.mark.parametrize("text", ["10.2.0.7", "::1", "2001:db8::1", "fe80::1%eth0"])
def test_an_address_is_one(text: str) -> None:
    assert is_address(text)


@pytest.mark.parametrize("text", ["", "db-1", "10.2.0", "10.2.0.256", "010.2.0.7", "10.2.0.0/16", "[::1]", "10.2.0.7:80", " 10.2.0.7"])
def test_anything_else_is_none(text: str) -> None:
    assert not is_address(text)
