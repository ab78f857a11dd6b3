"""A git server on loopback: Python's HTTP server in front of `git http-backend`, over TLS with a CA of its own, for a user with a token."""

from __future__ import annotations

import base64
import os
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from tests.gitrepo import ENVIRONMENT
from tests.ports import free_port


class GitServer:
    """Serves the repositories under `root`. `token` empty: everybody may read; `user` empty: under any name. `redirect` sends every request to
    another origin, `turned_away` answers it with that status. Not `is_new`: it speaks git's protocol of old, which gives commits by name only.

    `seen` holds the Authorization header of every request, empty when it had none.
    """

    def __init__(self, root: Path, *, token: str = "", redirect: str = "", tls: tuple[Path, Path] | None = None) -> None:
        self.token = token
        self.redirect = redirect
        self.user = ""
        self.turned_away = 0
        self.is_new = True
        self.seen: list[str] = []
        self.users: set[str] = set()
        self.gate = threading.Event()
        """Cleared: requests with credentials wait."""
        self.gate.set()
        self._root = root
        self._tls = tls
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self._http.daemon_threads = True
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def origin(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._http.server_address[1]}"

    def url(self, name: str) -> str:
        return f"{self.origin}/{name}/.git"

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def admits(self, header: str) -> bool:
        if not self.token:
            return True
        kind, _, value = header.partition(" ")
        user, _, password = base64.b64decode(value).decode().partition(":") if kind == "Basic" else ("", "", "")
        if password == self.token:
            self.users.add(user)
        return password == self.token and self.user in ("", user)

    def cgi(self, request: BaseHTTPRequestHandler) -> dict[str, str]:
        parts = urlsplit(request.path)
        return ENVIRONMENT | {
            "GIT_PROJECT_ROOT": str(self._root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query,
            "REQUEST_METHOD": request.command,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": request.headers.get("Git-Protocol", "") if self.is_new else "",
            "REMOTE_ADDR": "127.0.0.1",
            # Repositories of tests may belong to anybody.
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
        }


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, git: GitServer, *args: object) -> None:
        self._git = git
        super().__init__(*args)

    def do_GET(self) -> None:
        header = self.headers.get("Authorization", "")
        self._git.seen.append(header)
        if header:
            self._git.gate.wait(30)
        if self._git.turned_away:
            self._answer(self._git.turned_away, {"Retry-After": "120"})
        elif self._git.redirect:
            self._answer(302, {"Location": self._git.redirect + self.path})
        elif not self._git.admits(header):
            self._answer(401, {"WWW-Authenticate": 'Basic realm="git"'})
        else:
            self._serve()

    def do_POST(self) -> None:
        self.do_GET()

    def _serve(self) -> None:
        done = subprocess.run(
            ["git", "http-backend"], input=self._body(), env=self._git.cgi(self), capture_output=True, check=False, timeout=120
        )
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
        self._answer(int(headers.pop("Status", "200").split()[0]), headers, body)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the name of the standard library
        pass


def make_certificate(folder: Path, host: str = "127.0.0.1", *, days: int = 2) -> tuple[Path, tuple[Path, Path]]:
    """A CA, and a certificate it signed for `host`, for so many days from now, with its key."""
    folder.mkdir()
    names = {name: folder / name for name in ("ca.pem", "ca.key", "server.pem", "server.key", "server.csr", "names")}
    kind = "IP" if host[0].isdigit() else "DNS"
    names["names"].write_text(f"subjectAltName={kind}:{host}\n")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    _openssl("req", "-x509", *key, "-keyout", names["ca.key"], "-out", names["ca.pem"], "-days", "2", "-subj", "/CN=test CA")
    _openssl("req", *key, "-keyout", names["server.key"], "-out", names["server.csr"], "-subj", "/CN=test")
    signing = ["-CA", names["ca.pem"], "-CAkey", names["ca.key"], "-CAcreateserial", "-days", str(days), "-extfile", names["names"]]
    _openssl("x509", "-req", "-in", names["server.csr"], *signing, "-out", names["server.pem"])
    return names["ca.pem"], (names["server.pem"], names["server.key"])


def _openssl(*words: object) -> None:
    done = subprocess.run(["openssl", *map(str, words)], env={"PATH": os.environ["PATH"]}, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


@contextmanager
def git_daemon(root: Path) -> Iterator[int]:
    """The port of a real `git daemon` that serves every repository under `root` to everybody."""
    port = free_port()
    words = ["git", "-c", "safe.directory=*", "daemon", f"--base-path={root}", "--export-all", "--listen=127.0.0.1", f"--port={port}"]
    process = subprocess.Popen(words, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_for_port(port, process)
        yield port
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for_port(port: int, process: subprocess.Popen[bytes], address: str = "127.0.0.1") -> None:
    """The process listens on the port."""
    deadline = time.monotonic() + 60
    while True:
        assert process.poll() is None, f"{process.args!r} ended with {process.returncode}"
        try:
            socket.create_connection((address, port), 5).close()
        except OSError:
            assert time.monotonic() < deadline, f"{process.args!r} does not listen"
            time.sleep(0.02)
        else:
            return


@contextmanager
def dripping(tls: tuple[Path, Path]) -> Iterator[int]:
    """The port of an https server that answers every request one byte at a time, twenty a second, without an end."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*tls)
    with socket.socket() as plain:
        plain.bind(("127.0.0.1", 0))
        plain.listen(8)
        threading.Thread(target=_drip_for_ever, args=(plain, context), daemon=True).start()
        try:
            yield plain.getsockname()[1]
        finally:
            plain.shutdown(socket.SHUT_RDWR)


def _drip_for_ever(plain: socket.socket, context: ssl.SSLContext) -> None:
    with suppress(OSError):
        while True:
            threading.Thread(target=_drip, args=(plain.accept()[0], context), daemon=True).start()


def _drip(plain: socket.socket, context: ssl.SSLContext) -> None:
    with suppress(OSError), context.wrap_socket(plain, server_side=True) as connection:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\n\r\n")
        while True:
            for byte in b"001e# service=git-upload-pack\n0000":
                connection.sendall(bytes([byte]))
                time.sleep(0.05)


@contextmanager
def tarpit() -> Iterator[int]:
    """The port of a server that accepts every connection and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        kept: list[socket.socket] = []
        acceptor = threading.Thread(target=_accept_for_ever, args=(listener, kept), daemon=True)
        acceptor.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join()  # it may be about to keep one more
            for connection in kept:
                connection.close()


def _accept_for_ever(listener: socket.socket, kept: list[socket.socket]) -> None:
    try:
        while True:
            kept.append(listener.accept()[0])
    except OSError:
        pass  # the test is over
