"""The addresses that notices go to, and which of them a host allows. Pure.

An address is `https://HOST[:PORT]/...`. A host allows those that its `policy.notify_hosts` names, and plain http only where the entry says
`http://`: whoever can push to the repository cannot make the hosts of the fleet ask servers that only they can reach.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """`host` in lower case, without brackets; `path` begins with a slash; `query` has no question mark."""

    is_encrypted: bool
    host: str
    port: int
    path: str
    query: str

    @property
    def origin(self) -> str:
        """Where it leads, without what may be secret."""
        scheme = "https" if self.is_encrypted else "http"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}" if self.port == _PORTS[scheme] else f"{scheme}://{host}:{self.port}"

    @property
    def target(self) -> str:
        """What a request line names."""
        return urlunsplit(("", "", self.path, self.query, ""))

    def below(self, name: str, query: str = "") -> Address:
        """The address of that name under this one, or this one for an empty name, with more in its query."""
        path = f"{self.path.rstrip('/')}/{name}" if name else self.path
        joined = "&".join(part for part in (self.query, query) if part)
        return Address(is_encrypted=self.is_encrypted, host=self.host, port=self.port, path=path, query=joined)


def parse_address(text: str) -> Address | str:
    """The address, or in a sentence's end what is wrong with it; that quotes none of it, since it may be a secret."""
    if not text.isascii() or any(character <= " " or character == "\x7f" for character in text):
        return "has characters that no address has"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "is no address"
    if parts.scheme not in _PORTS or not host:
        return "must start with `https://` and a host"
    if parts.username is not None or parts.password is not None:
        return "must not hold a user name or a password"
    if parts.fragment:
        return "must not have a part behind `#`"
    is_encrypted = parts.scheme == "https"
    return Address(is_encrypted=is_encrypted, host=host, port=port or _PORTS[parts.scheme], path=parts.path or "/", query=parts.query)


def allows(hosts: Iterable[str], address: Address) -> bool:
    """One of the entries of `policy.notify_hosts` names the server of the address."""
    return any(_names(entry, address) for entry in hosts)


def allows_plain(hosts: Iterable[str], address: Address) -> bool:
    """As `allows`, for an address that the host has chosen itself: only what goes unencrypted has to be named."""
    return address.is_encrypted or allows(hosts, address)


def _names(entry: str, address: Address) -> bool:
    pattern = parse_address(entry.lower() if "://" in entry else f"https://{entry.lower()}")
    if isinstance(pattern, str) or (pattern.is_encrypted, pattern.port) != (address.is_encrypted, address.port):
        return False
    if pattern.host.startswith("*."):
        return address.host.endswith(pattern.host[1:])
    return pattern.host == address.host
