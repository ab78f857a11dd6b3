"""TLS on a connection that was accepted, without ever waiting for its other end.

Theory of operation. Both the handshake and the head of the request come in while the connection is parked (`adapters/http.py`): each time bytes have
arrived, `take_in` goes on with what is there and returns. Bytes of TLS cannot be looked at without taking them, so what was taken of the head is
kept, and read first by the thread that serves the request. That thread then reads and writes with a timeout, as on any socket.

A step of a handshake is computed by the accepting thread, which costs it about as long as one signature with the key of the certificate.
"""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

_HEAD_END = b"\r\n\r\n"
_PLAIN_TEXT = b"this address speaks TLS: write https:// in place of http://\n"
_PLAIN_ANSWER = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(_PLAIN_TEXT)
    + _PLAIN_TEXT
)
_MOST_THROWN_AWAY = 64 * 1024


class Arrival(Enum):
    """WHOLE: a thread can read the head of the request, or see the end, without waiting. FAILED: there will be no request, and nothing to answer."""

    WHOLE = "whole"
    AWAITED = "awaited"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Front:
    """What becomes of a connection that was accepted, without waiting: itself, TLS on it, or None and it is closed. `on_refused` is told
    the address of who came not to TLS, and why.
    """

    wrap: Callable[[socket.socket], socket.socket | None]
    on_refused: Callable[[str, str], None] = lambda _address, _why: None


PLAIN = Front(lambda connection: connection)
"""That of an address without TLS."""


class TlsSocket(ssl.SSLSocket):
    """The server's end of TLS. `flaw` says why the handshake failed, empty when the other end just left."""

    flaw = ""
    _arrived = b""
    _is_greeted = False

    def take_in(self, most_head: int) -> Arrival:
        """How far the request is after what has arrived; a head longer than `most_head` bytes is taken for whole. Leaves the socket non-blocking."""
        self.settimeout(0)
        try:
            return self._take_in(most_head)
        except ssl.SSLWantReadError:
            return Arrival.AWAITED
        except (OSError, ValueError) as error:  # SSLError is an OSError; ValueError is what a socket without a peer says.
            self._part(error)
            return Arrival.FAILED

    def _take_in(self, most_head: int) -> Arrival:
        if not self._is_greeted:
            self.do_handshake()
            self._is_greeted = True
        while _HEAD_END not in self._arrived and len(self._arrived) < most_head:
            piece = self.read(most_head - len(self._arrived))
            if not piece:
                break
            self._arrived += piece
        return Arrival.WHOLE

    def _part(self, error: Exception) -> None:
        """The other end can read why, if it reads at all: what it has sent meanwhile is taken, for else the kernel would reset the connection."""
        self.flaw = _flaw(error)
        try:
            socket.socket.recv(self, _MOST_THROWN_AWAY)
            if isinstance(error, ssl.SSLError) and error.reason == "HTTP_REQUEST":
                socket.socket.send(self, _PLAIN_ANSWER)
        except OSError:
            return

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        if not self._arrived:
            return self._told(lambda: super(TlsSocket, self).recv_into(buffer, nbytes, flags))
        view = memoryview(buffer)
        taken = self._arrived[: len(view)]
        view[: len(taken)] = taken
        self._arrived = self._arrived[len(taken) :]
        return len(taken)

    def send(self, data: Any, flags: int = 0) -> int:
        return self._told(lambda: super(TlsSocket, self).send(data, flags))

    def _told(self, work: Callable[[], int]) -> int:
        """TLS that breaks is told as a connection that broke, and a wait that was too long in the words of a plain socket: the server knows those."""
        try:
            return work()
        except ssl.SSLError as error:
            raise ConnectionResetError(errno.ECONNRESET, _flaw(error)) from error
        except TimeoutError:
            raise TimeoutError("timed out") from None


def tls_on(context: ssl.SSLContext, connection: socket.socket) -> socket.socket | None:
    """TLS by `context` on the connection, its handshake still to come; None when the other end has left already."""
    try:
        return context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
    except (OSError, ValueError):
        connection.close()
        return None


def _flaw(error: Exception) -> str:
    """In the words of OpenSSL, none of which are the other end's. To leave is no flaw, and has no reason."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError) and error.reason and not isinstance(error, ssl.SSLEOFError):
        return error.reason.lower().replace("_", " ")
    return ""
