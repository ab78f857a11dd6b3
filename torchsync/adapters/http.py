"""The HTTP server: sockets that we bind, and cheroot in threads of its own behind them.

Theory of operation. cheroot has one thread that accepts and a few that serve. Each serving thread reads its request to the end, so a client
that sends a request slowly would hold a thread, and a handful of them the server. Here a connection therefore reaches a thread only when
the head of its request has arrived whole: until then it is parked in the accepting thread's selector, which looks at the bytes without taking
them (MSG_PEEK) and asks to be woken by further ones only (SO_RCVLOWAT, socket(7)). Parked connections are closed after `TIMEOUT`
seconds, whatever trickles in, and when too many are parked the oldest one gives way. Every connection serves one request.

A body is read by the thread (`adapters/wsgi.py`). A handler that takes bodies from TCP sees to it that not all threads wait for one.

On an address with TLS the connection is parked from its first byte on, the handshake included: `adapters/tls.py`.

A Unix socket is not guarded like that: it does not honour SO_RCVLOWAT, and its file mode already says who may connect.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from traceback import format_exc
from typing import Any

from cheroot.connections import ConnectionManager
from cheroot.errors import FatalSSLAlert
from cheroot.makefile import MakeFile
from cheroot.server import HTTPConnection, HTTPRequest, comma_separated_headers  # type: ignore[attr-defined]  # missing in its stubs
from cheroot.wsgi import Gateway_10
from cheroot.wsgi import Server as CherootServer

from torchsync.adapters.tls import PLAIN, Arrival, Front, TlsSocket
from torchsync.adapters.wsgi import TIMEOUT, application
from torchsync.core.web import Handler
from torchsync.errors import Problem

THREADS = 4
MOST_PARKED = 128
MOST_HEAD = 16 * 1024
MOST_BODY = 64 * 1024
BACKLOG = 128
_STOP_WITHIN = 1
_CLOSE_WITHIN = 0.75
_HEAD_END = b"\r\n\r\n"


# Sockets.


def bind_tcp(listen: str, setting: str = "http.listen") -> socket.socket | Problem:
    """A socket that listens on `HOST:PORT` or `[ADDRESS]:PORT`; or why there is none. `setting` is where the address was configured."""
    host, _, port = listen.rpartition(":")
    bound: socket.socket | None = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(BACKLOG)  # Of two sockets bound with SO_REUSEADDR the second one learns of the first here.
    except OSError as error:
        if bound:
            bound.close()
        return Problem(code="TS340", path=setting, message=f"cannot listen on {listen}: {error.strerror or error}")
    return bound


def bind_unix(path: Path, *, mode: int, group: int = -1) -> socket.socket | Problem:
    """A socket bound to `path` with this mode and group, not yet listening; or why there is none. A file that nobody listens on is replaced."""
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if _is_live(path):
            bound.close()
            return Problem(code="TS340", message=f"another agent listens on {path}")
        path.unlink(missing_ok=True)
        bound.bind(str(path))
        os.chown(path, -1, group)
        path.chmod(mode)
    except OSError as error:
        bound.close()
        return Problem(code="TS340", message=f"cannot listen on {path}: {error.strerror or error}")
    return bound


def _is_live(path: Path) -> bool:
    """Whether somebody listens. Raises OSError for a file that is no socket: it is not ours to remove."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise OSError(errno.EEXIST, "there is a file of that name that is no socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1)
            probe.connect(str(path))
    except (FileNotFoundError, ConnectionRefusedError):
        return False
    return True


def own_names(configured: str) -> frozenset[str]:
    """The names under which this host is addressed: the configured one and the kernel's, whole and up to the first dot."""
    names = {configured.lower(), socket.gethostname().lower()}
    return frozenset(names | {name.partition(".")[0] for name in names}) - {""}


# The server.


@dataclass(frozen=True, slots=True)
class Running:
    """A server at work in daemon threads."""

    server: CherootServer
    thread: threading.Thread
    address: str

    def close(self) -> None:
        close_all([self])


def close_all(servers: Iterable[Running], patience: float = _CLOSE_WITHIN) -> None:
    """None of them listens any more. Requests being served get a moment to end, the same for all servers; then they are left behind."""
    closings = [threading.Thread(target=one.server.stop, name="http-close", daemon=True) for one in servers]
    for closing in closings:
        closing.start()
    until = time.monotonic() + patience
    for closing in closings:
        closing.join(max(0.0, until - time.monotonic()))


def serve(
    bound: socket.socket,
    handler: Handler,
    on_error: Callable[[str], None],
    *,
    threads: int = THREADS,
    most_body: int = MOST_BODY,
    front: Front = PLAIN,
) -> Running:
    """`handler` answers what comes in on `bound`, which the server owns from now on. It is called in several threads at once, and
    `on_error` with what went wrong in them. A request that says its body is longer than `most_body` bytes is answered with 413. `front` is asked for
    each connection, and told of those whose TLS failed.
    """
    bound.listen(BACKLOG)
    server = _Server(bound, handler, on_error, threads)
    server.ssl_adapter = _Fronted(front)
    server.max_request_body_size = most_body
    # The threads that cheroot starts are daemons when the one that starts them is: a client that hangs cannot keep the process.
    thread = threading.Thread(target=server.start, name="http", daemon=True)
    address = server.bind_addr if isinstance(server.bind_addr, str) else "{}:{}".format(*server.bind_addr)
    thread.start()
    return Running(server, thread, address)


class _Stay(Enum):
    """Whether a parked connection may still wait for its request, or only for a thread to close it."""

    GRANTED = "granted"
    ENDED = "ended"


class _Headers(dict[bytes, bytes]):
    """The values of a header that is repeated are joined by commas (RFC 9110, 5.3), where cheroot believes the last one: what was said twice does
    not pass for what was said once.
    """

    def __setitem__(self, name: bytes, value: bytes) -> None:
        is_repeated = name in self and name not in comma_separated_headers  # Those cheroot joins itself.
        super().__setitem__(name, self[name] + b", " + value if is_repeated else value)


class _HttpRequest(HTTPRequest):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.inheaders = _Headers()


class _Connection(HTTPConnection):
    RequestHandlerClass = _HttpRequest


class _Fronted:
    """What cheroot asks for its TLS: it does not wait, as those that come with cheroot do."""

    makefile = staticmethod(MakeFile)

    def __init__(self, front: Front) -> None:
        self.front = front

    def wrap(self, connection: socket.socket) -> tuple[socket.socket, dict[str, str]]:
        fronted = self.front.wrap(connection)
        if fronted is None:
            connection.close()
            raise FatalSSLAlert
        return fronted, {}


class _Server(CherootServer):
    """cheroot on a socket of ours, with connections parked until the head of their request is here."""

    ConnectionClass = _Connection
    max_request_header_size = MOST_HEAD
    keep_alive_conn_limit = 0
    expiration_interval = 0.25
    ssl_adapter: _Fronted
    _connections: ConnectionManager

    def __init__(self, bound: socket.socket, handler: Handler, on_error: Callable[[str], None], threads: int) -> None:
        self._bound = bound
        self._is_unix = bound.family == socket.AF_UNIX
        self._on_error = on_error
        self._parked: dict[HTTPConnection, _Stay] = {}
        self._has_begun = threading.Event()
        """Or could not."""
        super().__init__(
            bound.getsockname() if self._is_unix else bound.getsockname()[:2],
            application(handler),
            numthreads=threads,
            max=threads,
            server_name="torchsync",
            request_queue_size=BACKLOG,
            timeout=TIMEOUT,
            shutdown_timeout=_STOP_WITHIN,
            accepted_queue_size=BACKLOG,
            accepted_queue_timeout=0,
        )
        self.gateway = _Gateway

    def prepare(self) -> None:
        # Else cheroot takes descriptor 3 for its socket when the agent was started by a unit with a socket.
        os.environ.pop("LISTEN_PID", None)
        try:
            super().prepare()
        finally:
            self._has_begun.set()

    def stop(self) -> None:
        self._has_begun.wait()  # cheroot takes a server that has not begun yet for one that was stopped, and lets it begin.
        super().stop()

    def bind(self, *_: object) -> socket.socket:
        self.socket = self._bound
        return self._bound

    def bind_unix_socket(self, *_: object) -> socket.socket:
        return self.bind()

    def process_conn(self, conn: HTTPConnection) -> None:
        """The connection is on its way to a thread, or parked. Called in the accepting thread only."""
        arrival = Arrival.WHOLE if self._is_unix or self._parked.get(conn) is _Stay.ENDED else _arrival(conn.socket)
        if arrival is Arrival.AWAITED:
            self._park(conn)
            return
        self._parked.pop(conn, None)
        if arrival is Arrival.WHOLE:
            super().process_conn(conn)
        else:
            self._turn_away(conn)

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        if level >= logging.WARNING:
            self._on_error(f"{msg}\n{format_exc()}" if traceback else msg)

    def _turn_away(self, conn: HTTPConnection) -> None:
        if isinstance(conn.socket, TlsSocket) and conn.socket.flaw:
            self.ssl_adapter.front.on_refused(str(conn.remote_addr), conn.socket.flaw)
        with contextlib.suppress(OSError):
            conn.close()

    def _park(self, conn: HTTPConnection) -> None:
        since = conn.last_used or time.time()
        self._connections.put(conn)
        conn.last_used = since  # What trickles in does not lengthen the stay.
        self._parked[conn] = _Stay.GRANTED
        if len(self._parked) > MOST_PARKED:
            self._make_room()

    def _make_room(self) -> None:
        self._parked = {conn: stay for conn, stay in self._parked.items() if conn.socket.fileno() != -1}
        staying = [conn for conn, stay in self._parked.items() if stay is _Stay.GRANTED]
        for oldest in staying[:-MOST_PARKED]:
            self._parked[oldest] = _Stay.ENDED
            with contextlib.suppress(OSError):
                oldest.socket.shutdown(socket.SHUT_RDWR)  # Wakes the selector; then a thread sees the end and closes.


def _arrival(connection: socket.socket) -> Arrival:
    if not isinstance(connection, TlsSocket):
        return Arrival.WHOLE if _has_whole_head(connection) else Arrival.AWAITED
    arrival = connection.take_in(MOST_HEAD)
    connection.settimeout(TIMEOUT)
    return arrival


def _has_whole_head(connection: socket.socket) -> bool:
    """Whether a thread can read the head of the request, or see that there will be none, without waiting."""
    connection.settimeout(0)  # With a timeout Python waits before it calls recv(2), whatever the flags say.
    try:
        arrived = connection.recv(MOST_HEAD, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        connection.settimeout(TIMEOUT)
    is_over = len(arrived) < connection.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT)  # Woken by the end, not by bytes.
    is_whole = is_over or _HEAD_END in arrived or len(arrived) == MOST_HEAD
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1 if is_whole else len(arrived) + 1)
    return is_whole


class _Gateway(Gateway_10):
    """Adds the connection to what an application is told, since only it knows its peer."""

    def get_environ(self) -> dict[str, Any]:  # type: ignore[override]  # the stubs of cheroot say None
        environ: dict[str, Any] = super().get_environ()  # type: ignore[no-untyped-call]
        environ["torchsync.connection"] = self.req.conn.socket
        environ["torchsync.arriving"] = self.req.conn.rfile
        return environ
