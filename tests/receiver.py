"""A receiver of notices on loopback that answers as its path says, and keeps what it was sent. `FAULTS` are the ways in which it fails."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_NOTHING_LINGERS = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Posted:
    """One request, as it was read from the socket."""

    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, object]:
        return json.loads(self.body)


class HookServer:
    """Serves until it is closed; a connection each in a thread of its own. With `tls` it has that certificate and key."""

    def __init__(self, tls: tuple[Path, Path] | None = None) -> None:
        self.posts: list[Posted] = []
        self.connections = 0
        self._talks: list[threading.Thread] = []
        self.is_down = False
        """What the way `switch` goes by."""
        self._is_closing = threading.Event()
        self._context: ssl.SSLContext | None = None
        if tls:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*tls)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def origin(self) -> str:
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self._listener.getsockname()[1]}"

    def url(self, way: str = "ok") -> str:
        return f"{self.origin}/{way}"

    def close(self) -> None:
        self._is_closing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            talk = threading.Thread(target=self._talk, args=(connection,), daemon=True)
            talk.start()
            self._talks.append(talk)

    def _talk(self, connection: socket.socket) -> None:
        try:
            with connection if self._context is None else self._context.wrap_socket(connection, server_side=True) as stream:
                post = _read(stream)
                self.posts.append(post)
                WAYS[post.target.split("?")[0].split("/")[1]](self, stream)
        except (OSError, ValueError):
            return

    def catch_up(self) -> None:
        """What was sent until now is read, kept and answered. Connections are accepted in the order in which they came, so ours is the last."""
        with socket.create_connection(self._listener.getsockname()) as last:
            last.sendall(b"\n")
            last.shutdown(socket.SHUT_WR)
            last.recv(1)  # Nothing: it was closed for being no request.
        for talk in list(self._talks):
            talk.join()

    def wait(self) -> None:
        """Until the server is closed."""
        self._is_closing.wait(60)


def _read(stream: socket.socket) -> Posted:
    with stream.makefile("rb") as file:
        _, target, _ = file.readline().decode().split(" ")
        headers: dict[str, str] = {}
        while line := file.readline().decode().strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return Posted(target, headers, file.read(int(headers.get("content-length", 0))))


def answer(status: str, *headers: str, body: bytes = b"") -> Callable[[HookServer, socket.socket], None]:
    text = "\r\n".join((f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", "")).encode()
    return lambda _, stream: stream.sendall(text + body)


def _reset(_: HookServer, stream: socket.socket) -> None:
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NOTHING_LINGERS)


def _silent(server: HookServer, _: socket.socket) -> None:
    server.wait()


def _silent_in_the_head(server: HookServer, stream: socket.socket) -> None:
    stream.sendall(b"HTTP/1.1 200 OK\r\nX-")
    server.wait()


def _silent_before_the_body(server: HookServer, stream: socket.socket) -> None:
    stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
    server.wait()


def _drips(server: HookServer, stream: socket.socket) -> None:
    """A byte now and then, so that no single wait for the next one is long."""
    for character in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 10_000:
        stream.sendall(bytes([character]))
        time.sleep(0.05)


def _floods(_: HookServer, stream: socket.socket) -> None:
    stream.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    for _number in range(100_000):
        stream.sendall(b"x" * 100_000)


def _endless_head(_: HookServer, stream: socket.socket) -> None:
    stream.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
    for _number in range(100_000):
        stream.sendall(b"x" * 100_000)


WAYS: dict[str, Callable[[HookServer, socket.socket], None]] = {
    "ok": answer("200 OK", body=b"ok"),
    "switch": lambda server, stream: WAYS["error" if server.is_down else "ok"](server, stream),
    "accepted": answer("202 Accepted"),
    "error": answer("500 Internal Server Error", body=b"secret-in-the-answer"),
    "busy": answer("429 Too Many Requests", "Retry-After: 120"),
    "down-for-ever": answer("503 Service Unavailable", "Retry-After: 99999999"),
    "down-until": answer("503 Service Unavailable", "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT"),
    "gone": answer("404 Not Found", body=b"no_service"),
    "elsewhere": lambda server, stream: answer("301 Moved Permanently", f"Location: {server.url('ok')}")(server, stream),
    "elsewhere-again": lambda server, stream: answer("307 Temporary Redirect", f"Location: {server.url('ok')}")(server, stream),
    "reset": _reset,
    "silent": _silent,
    "silent-in-the-head": _silent_in_the_head,
    "silent-before-the-body": _silent_before_the_body,
    "drips": _drips,
    "floods": _floods,
    "endless-head": _endless_head,
    "garbage": lambda _, stream: stream.sendall(b"\x00\xff no HTTP here\r\n\r\n"),
    "says-nothing": lambda _, __: None,
}
