from __future__ import annotations

import pytest

from torchsync.core.hostmatch import HostMatch
from torchsync.core.inventory import HostEntry, Inventory

MATCH = HostMatch(
    Inventory(
        hosts={
            "db-1": HostEntry(addresses=("10.2.0.7", "2001:db8::7")),
            "web-1.fra.example.org": HostEntry(addresses=("10.9.9.9",)),
            "web-1.hel.example.org": HostEntry(addresses=("10.9.9.9",)),
            "mail": HostEntry(),
            "odd:9747": HostEntry(),
        }
    )
)


@pytest.mark.parametrize(
    ("target", "host"),
    [
        ("db-1", "db-1"),
        ("db-1:9747", "db-1"),
        ("DB-1:9747", "db-1"),
        ("db-1.example.org:9747", "db-1"),
        ("10.2.0.7:9747", "db-1"),
        ("10.2.0.7", "db-1"),
        ("[2001:db8::7]:9747", "db-1"),
        ("[2001:0db8:0::7]:9747", "db-1"),
        ("2001:db8::7", "db-1"),
        ("web-1.fra.example.org:9747", "web-1.fra.example.org"),
        ("odd:9747", "odd:9747"),
    ],
)
def test_a_target_is_the_host_that_it_names(target: str, host: str) -> None:
    assert MATCH.host_of(target) == host
    assert MATCH.is_known(MATCH.host_of(target))


@pytest.mark.parametrize(
    ("target", "host"),
    [
        ("web-1:9747", "web-1"),  # two hosts are called that
        ("10.9.9.9:9747", "10.9.9.9:9747"),  # and have that address
        ("127.0.0.1:9001", "127.0.0.1:9001"),
        ("db-2.example.org:9747", "db-2.example.org"),
        ("", ""),
    ],
)
def test_what_is_not_one_host_of_the_inventory_keeps_its_name(target: str, host: str) -> None:
    assert MATCH.host_of(target) == host
    assert not MATCH.is_known(MATCH.host_of(target))
