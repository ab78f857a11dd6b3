"""One POST over https or http, and nothing that a server does can take longer, weigh more or lead elsewhere than we allow.

No redirect is followed, no proxy is used, and of an answer its status and one header are looked at; what comes behind them is not read.
Certificates are checked by what the host trusts: the default store of OpenSSL, or what SSL_CERT_FILE and SSL_CERT_DIR name instead. For
the main thread of a process of its own: the deadline is a signal (setitimer(2)).
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection

from torchsync.adapters.deadline import deadline
from torchsync.core.noticeaddress import Address


class PostFailed(Exception):
    """The server did not answer; the text says why, without the address."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What counts of an answer."""

    status: int
    retry_after: str = ""


class Poster:
    """Posts to any server, each time for so many seconds at most. Made before the rights to read what the host trusts are given up."""

    def __init__(self, seconds: float) -> None:
        self._context = ssl.create_default_context()
        self._seconds = seconds

    def post(self, address: Address, body: bytes, headers: Mapping[str, str]) -> Reply:
        """The answer of the server. Raises PostFailed."""
        try:
            with deadline(self._seconds), closing(self._connection(address)) as connection:
                connection.request("POST", address.target, body, dict(headers))
                answer = connection.getresponse()
                return Reply(answer.status, answer.getheader("Retry-After", "")[:100])
        except (OSError, HTTPException, ValueError) as error:
            raise PostFailed(_why(error, self._seconds)) from error

    def _connection(self, address: Address) -> HTTPConnection:
        if address.is_encrypted:
            return HTTPSConnection(address.host, address.port, timeout=self._seconds, context=self._context)
        return HTTPConnection(address.host, address.port, timeout=self._seconds)


def _why(error: Exception, seconds: float) -> str:
    match error:
        case TimeoutError():
            return f"the server did not answer within {seconds:g} seconds"
        case socket.gaierror():
            return "the name of the server cannot be looked up"
        case ssl.SSLCertVerificationError():
            return f"the certificate of the server is not trusted: {error.verify_message}"
        case ssl.SSLError():
            return "the server does not speak TLS as it should"
        case HTTPException() | ValueError():
            return "the server broke off, or answered what is not HTTP"
        case _:
            return f"the server cannot be reached: {error.strerror if isinstance(error, OSError) else type(error).__name__}"
