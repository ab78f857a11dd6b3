"""The socket of journald: fields in datagrams, by systemd's "Native Journal Protocol" (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/).

Each datagram names its receiver anew, so one that is restarted, or whose socket is made anew, needs no connection to be mended.
"""

from __future__ import annotations

import array
import errno
import fcntl
import os
import socket
from collections.abc import Iterable
from contextlib import closing
from enum import Enum

from torchsync.adapters.journaltext import Entry, escaped, plain
from torchsync.core.logevents import FIELDS

ADDRESS = "/run/systemd/journal/socket"
IDENTIFIER = "torchsync"
_TOO_LONG = (errno.EMSGSIZE, errno.ENOBUFS)
_F_ADD_SEALS = 1033
_ALL_SEALS = 0x1 | 0x2 | 0x4 | 0x8
"""Of a sealed file nothing changes any more: F_SEAL_SEAL, SHRINK, GROW, WRITE (fcntl(2)). Journald maps no other memory of a stranger."""


class Fate(Enum):
    """What became of a datagram."""

    TAKEN = "taken"
    FULL = "full"
    """The receiver has as many waiting as the kernel keeps for it (net.unix.max_dgram_qlen)."""
    GONE = "gone"
    """Nobody receives."""


class JournalSocket:
    """`address` is the path of the socket, by default that of the host. May be used by any thread; nothing waits."""

    def __init__(self, address: str = "") -> None:
        self._address = address or ADDRESS
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)

    def send(self, content: bytes) -> Fate:
        """What became of it. Content too long for a datagram goes as a sealed file in memory, whose descriptor the datagram holds."""
        try:
            self._socket.sendto(content, socket.MSG_NOSIGNAL, self._address)
        except BlockingIOError:
            return Fate.FULL
        except OSError as error:
            return self._send_file(content) if error.errno in _TOO_LONG else Fate.GONE
        return Fate.TAKEN

    def close(self) -> None:
        self._socket.close()

    def _send_file(self, content: bytes) -> Fate:
        try:
            with closing(os.fdopen(os.memfd_create("torchsync-log", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING), "wb", buffering=0)) as file:
                file.write(content)
                fcntl.fcntl(file.fileno(), _F_ADD_SEALS, _ALL_SEALS)
                rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [file.fileno()]))
                self._socket.sendmsg([], [rights], socket.MSG_NOSIGNAL, self._address)
        except BlockingIOError:
            return Fate.FULL
        except OSError:
            return Fate.GONE
        return Fate.TAKEN


def content_of(entry: Entry) -> bytes:
    """The entry as journald takes it: the sentence is its message, each field has the name that `FIELDS` gives it."""
    event = entry.event
    return serialised(
        [
            ("MESSAGE", escaped(entry.sentence)),
            ("PRIORITY", str(event.level.value)),
            ("SYSLOG_IDENTIFIER", IDENTIFIER),
            ("MESSAGE_ID", event.message_id),
            ("TORCHSYNC_EVENT", event.label),
            *((FIELDS[name].journal, escaped(plain(value), kept="\n\t")) for name, value in entry.fields.items() if name in FIELDS),
        ]
    )


def serialised(fields: Iterable[tuple[str, str]]) -> bytes:
    """The fields as one datagram: `NAME=value` and a line end, or with a value of several lines the name, its length and the value."""
    return b"".join(_field(name.encode(), value.encode("utf-8", "backslashreplace")) for name, value in fields)


def _field(name: bytes, value: bytes) -> bytes:
    if b"\n" not in value:
        return name + b"=" + value + b"\n"
    return name + b"\n" + len(value).to_bytes(8, "little") + value + b"\n"
