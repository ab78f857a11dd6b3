"""A stand-in for journald: takes datagrams by its "Native Journal Protocol" and reads their fields back."""

from __future__ import annotations

import array
import fcntl
import os
import socket
from pathlib import Path

_F_GET_SEALS = 1034
_SEALED = 0x1 | 0x2 | 0x4 | 0x8


class Journald:
    """Listens on `address`; `entries` are what came since the last call."""

    def __init__(self, address: Path) -> None:
        self.address = str(address)
        self.files = 0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(self.address)

    def entries(self) -> list[dict[str, str]]:
        return [parsed(content) for content in self.contents()]

    def contents(self) -> list[bytes]:
        found = []
        while True:
            try:
                content, ancillary, _, _ = self._socket.recvmsg(1 << 20, socket.CMSG_SPACE(4))
            except BlockingIOError:
                return found
            found.append(self._in_file(ancillary[0][2]) if ancillary else content)

    def close(self) -> None:
        """Nobody listens, and the socket is gone."""
        self._socket.close()
        Path(self.address).unlink(missing_ok=True)

    def _in_file(self, rights: bytes) -> bytes:
        descriptor = array.array("i", rights)[0]
        assert fcntl.fcntl(descriptor, _F_GET_SEALS) == _SEALED
        self.files += 1
        with os.fdopen(descriptor, "rb") as file:
            return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0)


def parsed(content: bytes) -> dict[str, str]:
    """The fields of an entry, as the protocol has them: a line with `=`, or a name, eight bytes of length, the value and a line end."""
    fields = {}
    while content:
        line, _, content = content.partition(b"\n")
        name, is_short, value = line.partition(b"=")
        if not is_short:
            length = int.from_bytes(content[:8], "little")
            value, content = content[8 : 8 + length], content[8 + length :]
            assert content[:1] == b"\n"
            content = content[1:]
        assert name.decode() not in fields
        fields[name.decode()] = value.decode()
    return fields
