"""IP addresses as texts. Pure."""

from __future__ import annotations

from ipaddress import ip_address


def is_address(text: str) -> bool:
    """An IPv4 or IPv6 address, as the module ipaddress reads it: without brackets, port or network."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
