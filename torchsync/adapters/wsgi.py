"""Between WSGI and our values: a request as the server has it becomes one of ours, and our answer what the server sends.

A handler that takes bodies from TCP reads them in pieces, which come within `BODY_WITHIN` seconds altogether or not at all.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import pwd
import re
import socket
import struct
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from torchsync.core.web import Handler, Peer, Request, Response

TIMEOUT = 10
BODY_WITHIN = 10.0
_SEND_WITHIN = 30.0
_PIECE = 32 * 1024
"""Each may take a few times TIMEOUT with a client that hardly reads: the smaller, the sooner it is noticed. Larger ones are not faster."""
_WORTH_PACKING = 4 * 1024
_SO_PEERGROUPS = 59
_REFUSED = re.compile(r"q=0(\.0*)?")

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], object]


def application(handler: Handler) -> Callable[[Environ, StartResponse], Iterable[bytes]]:
    def answer(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        request = _request(environ)
        response = handler(request)
        body, packing = _packed(request, response)
        headers = [("Content-Type", response.content_type), *_COMMON_HEADERS, *response.headers, *packing]
        if isinstance(body, bytes):
            headers.append(("Content-Length", str(len(body))))
        start_response(f"{response.status} {HTTPStatus(response.status).phrase}", headers)
        return [] if request.method == "HEAD" else _pieces(body)

    return answer


_COMMON_HEADERS = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"), ("Connection", "close"))


def _request(environ: Environ) -> Request:
    connection: socket.socket = environ["torchsync.connection"]
    return Request(
        method=environ["REQUEST_METHOD"],
        path=environ["PATH_INFO"],
        query=dict(parse_qsl(environ["QUERY_STRING"], keep_blank_values=True)),
        host=environ.get("HTTP_HOST", ""),
        accepts_gzip=_accepts_gzip(environ.get("HTTP_ACCEPT_ENCODING", "")),
        headers=_headers(environ),
        length=_length(environ),
        body=lambda: bytes(environ["wsgi.input"].read()),
        pieces=lambda: _arriving(environ),
        peer=peer_of(connection) if connection.family == socket.AF_UNIX else None,
        source="" if connection.family == socket.AF_UNIX else environ.get("REMOTE_ADDR", ""),
    )


def _accepts_gzip(header: str) -> bool:
    """Whether the header names it, and not to refuse it (RFC 9110, 12.5.3)."""
    codings = (text.lower().replace(" ", "").partition(";") for text in header.split(","))
    return any(coding == "gzip" and not _REFUSED.fullmatch(weight) for coding, _, weight in codings)


def _headers(environ: Environ) -> dict[str, str]:
    found = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    return {**found, "content-type": environ.get("CONTENT_TYPE", "")}


def _length(environ: Environ) -> int | None:
    """None for a body in chunks, as far as its head says."""
    return None if environ.get("HTTP_TRANSFER_ENCODING") else int(environ.get("CONTENT_LENGTH") or 0)


def _arriving(environ: Environ) -> Iterator[bytes]:
    """The body, of a length that is known, as its bytes come."""
    connection: socket.socket = environ["torchsync.connection"]
    until = time.monotonic() + BODY_WITHIN
    missing = _length(environ) or 0
    try:
        while missing > 0:
            connection.settimeout(max(0.001, until - time.monotonic()))
            piece = environ["torchsync.arriving"].read1(min(missing, _PIECE))
            if not piece:
                raise ConnectionError("the body ended early")
            missing -= len(piece)
            yield piece
    finally:
        connection.settimeout(TIMEOUT)


def _packed(request: Request, response: Response) -> tuple[bytes | Generator[bytes, None, None], list[tuple[str, str]]]:
    body = response.body
    if not isinstance(body, bytes) or not request.accepts_gzip or len(body) < _WORTH_PACKING:
        return body, []
    return gzip.compress(body, compresslevel=1, mtime=0), [("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")]


def _pieces(body: bytes | Generator[bytes, None, None]) -> Generator[bytes, None, None]:
    """The body, until the client has taken too long over it: a thread is not held by one who hardly reads."""
    until = time.monotonic() + _SEND_WITHIN
    with contextlib.closing(_sliced(body)) as pieces:
        for piece in pieces:
            if time.monotonic() > until:
                raise TimeoutError("the client did not read its answer in time")
            yield piece


def _sliced(body: bytes | Generator[bytes, None, None]) -> Generator[bytes, None, None]:
    if not isinstance(body, bytes):
        yield from body
        return
    for start in range(0, len(body), _PIECE):
        yield body[start : start + _PIECE]


# Who is asking.


def peer_of(connection: socket.socket) -> Peer:
    """The process at the other end of a Unix socket, as it was when it connected (SO_PEERCRED and SO_PEERGROUPS, unix(7))."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, gid = struct.unpack("3i", credentials)
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = "unknown"
    return Peer(uid=uid, user=user, groups=frozenset({gid, *_peer_groups(connection, user, gid)}))


def _peer_groups(connection: socket.socket, user: str, gid: int) -> Iterable[int]:
    try:
        packed = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, 1024)
    except OSError:  # More groups than fit into what getsockopt() of Python can take.
        return os.getgrouplist(user, gid)
    return struct.unpack(f"{len(packed) // 4}I", packed)
