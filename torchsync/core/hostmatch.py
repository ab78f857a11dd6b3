"""Which host of the inventory a target of Prometheus is. Pure.

No metric carries the name of its host: Prometheus adds the address that it scrapes as the label `instance`, such as `db-1.example.org:9747`. Its
port aside, that is a name of hosts.yaml, or an address that hosts.yaml gives to one host, or a name whose first label one host alone has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_address

from torchsync.core.address import is_address
from torchsync.core.inventory import Inventory

_PORT = re.compile(r":[0-9]{1,5}")


class HostMatch:
    """The hosts of an inventory by all that they may be called."""

    def __init__(self, inventory: Inventory) -> None:
        self._names = frozenset(inventory.hosts)
        self._by_address = _unique((_normal(address), name) for name, entry in inventory.hosts.items() for address in entry.addresses)
        self._by_first = _unique((_first_label(name), name) for name in inventory.hosts)

    def host_of(self, target: str) -> str:
        """The name in the inventory; of what is not in it the target itself, without a port where it is a name."""
        text = target.lower()
        if text in self._names:
            return text
        name = _without_port(text)
        if name in self._names:
            return name
        if is_address(name):
            return self._by_address.get(_normal(name), text)
        return self._by_first.get(_first_label(name), name)

    def is_known(self, name: str) -> bool:
        return name in self._names


def _unique(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """What leads to one host only."""
    found: dict[str, set[str]] = {}
    for word, name in pairs:
        found.setdefault(word, set()).add(name)
    return {word: names.pop() for word, names in found.items() if len(names) == 1}


def _without_port(text: str) -> str:
    """RFC 3986, 3.2.2: an IPv6 address before a port is in brackets."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    before, colon, port = text.rpartition(":")
    return before if colon and _PORT.fullmatch(f":{port}") and ":" not in before else text


def _first_label(name: str) -> str:
    return name.partition(".")[0]


def _normal(address: str) -> str:
    return str(ip_address(address))
