"""What this host is: its name, its addresses, its zone, its boot and its users.

The addresses that count are those of global scope on interfaces with a default route, as the kernel tells them over rtnetlink(7): not those
of loopback, container bridges and link-local networks, which mean nothing to the rest of the fleet.
"""

from __future__ import annotations

import grp
import ipaddress
import os
import pwd
import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from zoneinfo import ZoneInfoNotFoundError

from torchsync.core.cron import zone_named
from torchsync.core.model import HostFacts
from torchsync.core.startscript import Account
from torchsync.errors import ConfigInvalid

# linux/netlink.h and linux/rtnetlink.h
_RTM_NEWADDR, _RTM_GETADDR, _RTM_NEWROUTE, _RTM_GETROUTE = 20, 22, 24, 26
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NLM_F_REQUEST, _NLM_F_DUMP = 0x1, 0x300
_RTA_OIF, _RTA_MULTIPATH, _RTA_TABLE = 4, 9, 15
_RTN_UNICAST, _RT_TABLE_MAIN = 1, 254
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS = 1, 2, 8
_IFA_F_TEMPORARY, _IFA_F_DEPRECATED, _IFA_F_TENTATIVE, _IFA_F_DADFAILED = 0x01, 0x20, 0x40, 0x08
_RT_SCOPE_UNIVERSE = 0

_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_ROUTE = struct.Struct("=BBBBBBBBI")  # family, dst_len, src_len, tos, table, protocol, scope, type, flags
_ADDRESS = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, interface
_ATTRIBUTE = struct.Struct("=HH")  # length, type
_NEXT_HOP = struct.Struct("=HBBi")  # length, flags, hops, interface

_NOT_LASTING = {
    socket.AF_INET: _IFA_F_DEPRECATED,
    socket.AF_INET6: _IFA_F_TEMPORARY | _IFA_F_DEPRECATED | _IFA_F_TENTATIVE | _IFA_F_DADFAILED,
}
"""Privacy addresses come and go (RFC 8981), tentative ones are not ours yet: none of them says which host this is. For IPv4 the bit of
IFA_F_TEMPORARY means a secondary address, which is as good as any."""


class Accounts:
    """The users of this host, looked up when asked: an operator may create one while the agent runs."""

    def get(self, name: str) -> Account | None:
        """The user of that name, None when there is none. A number is not a name."""
        try:
            found = pwd.getpwnam(name)
        except (KeyError, ValueError):  # ValueError: no name at all, such as one with a NUL
            return None
        return Account(name=found.pw_name, uid=found.pw_uid, gid=found.pw_gid, home=found.pw_dir, shell=found.pw_shell)

    def uid(self, name: str) -> int | None:
        found = self.get(name)
        return None if found is None else found.uid

    def groups(self, name: str) -> tuple[str, ...]:
        """The names of the groups that the user is in, the primary one first; an id without a name is left out."""
        found = self.get(name)
        if found is None:
            return ()
        ids = dict.fromkeys((found.gid, *sorted(os.getgrouplist(name, found.gid))))
        return tuple(group for gid in ids if (group := _group_name(gid)))

    def name(self, uid: int) -> str:
        """The name of the user with that id, or the id itself when it has none."""
        try:
            return pwd.getpwuid(uid).pw_name
        except KeyError:
            return str(uid)


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return ""


def read_host_facts(*, name: str = "", labels: Mapping[str, str] | None = None, addresses: Sequence[str] | None = None) -> HostFacts:
    """The facts as configured, and as the system tells them where nothing is configured. An empty list of addresses means none.

    Raises ConfigInvalid for a configured address that is none.
    """
    return HostFacts(
        name=(name or socket.gethostname()).lower(),
        addresses=global_addresses() if addresses is None else _configured(addresses),
        labels=dict(labels or {}),
        zone=local_zone(),
    )


def global_addresses() -> tuple[str, ...]:
    """The lasting addresses of global scope on interfaces with a default route, sorted, IPv4 first; none when the kernel does not say."""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as link:
            link.bind((0, 0))
            interfaces = set(_default_interfaces(link))
            found = {address for interface, address in _addresses(link) if interface in interfaces}
    except OSError:
        return ()
    return tuple(str(address) for address in sorted(found, key=lambda address: (address.version, int(address))))


def local_zone(root: Path = Path("/")) -> str:
    """The IANA name of the host's zone, by the link /etc/localtime (localtime(5)), else /etc/timezone (Debian), else UTC. A name that no zone data
    knows is passed over.
    """
    for name in (_zone_of_link(root / "etc/localtime"), _zone_of_file(root / "etc/timezone")):
        if name and _is_zone(name):
            return name
    return "UTC"


def _zone_of_link(link: Path) -> str:
    with suppress(OSError):
        _, _, name = str(link.readlink()).partition("/zoneinfo/")
        return name.removeprefix("posix/").removeprefix("right/")
    return ""


def _zone_of_file(file: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return file.read_text(encoding="ascii").strip()
    return ""


def _is_zone(name: str) -> bool:
    try:
        zone_named(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _configured(addresses: Sequence[str]) -> tuple[str, ...]:
    try:
        return tuple(str(ipaddress.ip_address(address)) for address in addresses)
    except ValueError as error:
        raise ConfigInvalid("TS303", f"host.addresses: {error}") from error


# rtnetlink(7)


def _default_interfaces(link: socket.socket) -> Iterator[int]:
    for body in _dump(link, _RTM_GETROUTE, _RTM_NEWROUTE, _ROUTE.size):
        _, length, _, _, table, _, _, kind, _ = _ROUTE.unpack_from(body)
        attributes = dict(_attributes(body[_ROUTE.size :]))
        if _RTA_TABLE in attributes:
            (table,) = struct.unpack("=I", attributes[_RTA_TABLE])
        if length or kind != _RTN_UNICAST or table != _RT_TABLE_MAIN:
            continue
        if _RTA_OIF in attributes:
            yield struct.unpack("=i", attributes[_RTA_OIF])[0]
        yield from _next_hops(attributes.get(_RTA_MULTIPATH, b""))


def _next_hops(data: bytes) -> Iterator[int]:
    while len(data) >= _NEXT_HOP.size:
        length, _, _, interface = _NEXT_HOP.unpack_from(data)
        yield interface
        data = data[max(_aligned(length), _NEXT_HOP.size) :]


def _addresses(link: socket.socket) -> Iterator[tuple[int, ipaddress.IPv4Address | ipaddress.IPv6Address]]:
    for body in _dump(link, _RTM_GETADDR, _RTM_NEWADDR, _ADDRESS.size):
        family, _, flags, scope, interface = _ADDRESS.unpack_from(body)
        attributes = dict(_attributes(body[_ADDRESS.size :]))
        if _IFA_FLAGS in attributes:
            (flags,) = struct.unpack("=I", attributes[_IFA_FLAGS])
        address = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS)  # on a point-to-point link IFA_ADDRESS is the other end
        if address and scope == _RT_SCOPE_UNIVERSE and not flags & _NOT_LASTING.get(family, 0):
            yield interface, ipaddress.ip_address(address)


def _dump(link: socket.socket, request: int, answer: int, size: int) -> Iterator[bytes]:
    """The bodies of all answers of that kind, for both families."""
    link.send(_HEADER.pack(_HEADER.size + size, request, _NLM_F_REQUEST | _NLM_F_DUMP, 1, 0) + bytes(size))
    while True:
        data = link.recv(1 << 16)
        while len(data) >= _HEADER.size:
            length, kind, _, _, _ = _HEADER.unpack_from(data)
            if kind == _NLMSG_DONE:
                return
            if kind == _NLMSG_ERROR:
                raise OSError("the kernel refuses the request")
            if kind == answer:
                yield data[_HEADER.size : length]
            data = data[max(_aligned(length), _HEADER.size) :]


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        yield kind, data[_ATTRIBUTE.size : length]
        data = data[max(_aligned(length), _ATTRIBUTE.size) :]


def _aligned(length: int) -> int:
    return (length + 3) & ~3
