"""The certificate of the TCP addresses: read, checked, and read again when its files have changed.

Theory of operation. `Certificates` holds two contexts of TLS by one certificate: that of `http.listen`, which may ask for certificates of
clients, and that of `http.hooks_listen`, which does not, since no forge has one. `look`, in a thread of its own every few seconds, reads the
files whole; when their bytes are others than before it makes new contexts out of those very bytes. New connections take the new ones; those that
are open keep what they began with. Files that do not fit together change nothing: what was read before stays in force, and it is said. A pair is
written as two files, so a pair that does not fit is looked at once more before it is said.

While TLS is configured and nothing good has been read, connections are closed: never is something answered without TLS that should have it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import ssl
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from torchsync.adapters.tls import Front, TlsSocket, tls_on
from torchsync.core.certificate import NEVER, Validity, date_of, validity_of
from torchsync.core.logevents import Log, LogEvent
from torchsync.core.model import Instant
from torchsync.errors import Problem

_MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Absolute paths, as in agent.yaml. Without `cert` and `key` there is no TLS; without `client_ca` nobody is asked for a certificate."""

    cert: str = ""
    key: str = ""
    client_ca: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What was made of files. `digest` is another one when any of their bytes is."""

    files: TlsFiles
    digest: bytes
    validity: Validity | None
    public: ssl.SSLContext
    hooks: ssl.SSLContext

    def does_for(self, files: TlsFiles) -> bool:
        """Whether it asks of others no less than these would."""
        return bool(self.files.client_ca) or not files.client_ca


class _Plain:
    """There is no TLS, as configured."""


def load(files: TlsFiles) -> Loaded | Problem:
    """What the files hold, ready for use; or what is wrong with them (TS342)."""
    try:
        return _loaded(files, _read(files))
    except _UnusableError as error:
        return error.problem


def expiry_problem(files: TlsFiles, validity: Validity | None, now: Instant) -> Problem | None:
    """TS343 when the certificate is not good now, or soon will not be."""
    flaw = validity.flaw(now) if validity else ""
    if not flaw:
        return None
    return Problem(
        code="TS343", path="http.tls_cert", message=f"the certificate in {files.cert} {flaw}", hint="renew it; it is read by itself"
    )


class _UnusableError(Exception):
    def __init__(self, setting: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.problem = Problem(code="TS342", path=f"http.{setting}", message=message, hint=hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Contents:
    cert: bytes
    key: bytes
    client_ca: bytes

    @property
    def digest(self) -> bytes:
        each = [hashlib.sha256(content).digest() for content in (self.cert, self.key, self.client_ca)]
        return hashlib.sha256(b"".join(each)).digest()


def _read(files: TlsFiles) -> _Contents:
    return _Contents(
        cert=_content("tls_cert", files.cert),
        key=_content("tls_key", files.key, is_secret=True),
        client_ca=_content("client_ca", files.client_ca) if files.client_ca else b"",
    )


def _content(setting: str, path: str, *, is_secret: bool = False) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # A pipe that nobody writes to is not waited for.
        try:
            mode = os.fstat(descriptor).st_mode
            content = os.read(descriptor, _MOST_BYTES) if stat.S_ISREG(mode) else b""
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _UnusableError(setting, f"{path} cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(mode):
        raise _UnusableError(setting, f"{path} is no file")
    if is_secret and mode & stat.S_IRWXO:
        raise _UnusableError(setting, f"{path} is open to every user of this host (mode {stat.S_IMODE(mode):04o})", f"chmod o= {path}")
    return content


def _loaded(files: TlsFiles, contents: _Contents) -> Loaded:
    return Loaded(
        files=files,
        digest=contents.digest,
        validity=validity_of(contents.cert),
        public=_context(files, contents, asks_clients=bool(files.client_ca)),
        hooks=_context(files, contents, asks_clients=False),
    )


def _context(files: TlsFiles, contents: _Contents, *, asks_clients: bool) -> ssl.SSLContext:
    """ssl.PROTOCOL_TLS_SERVER: nothing before TLS 1.2, no compression, ciphers with forward secrecy."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslsocket_class = TlsSocket
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    if b"ENCRYPTED" in contents.key:
        raise _UnusableError(
            "tls_key", f"{files.key} is locked by a password", f"write it without one: `openssl pkey -in {files.key} -out NEW`"
        )
    try:
        with _in_memory(contents.cert) as cert, _in_memory(contents.key) as key:
            context.load_cert_chain(cert, key, password=_no_password)
    except ssl.SSLError as error:
        raise _misfit(files, contents, error) from None
    except OSError as error:  # Of the memory that they are read from.
        raise _UnusableError("tls_cert", f"{files.cert} cannot be handed to OpenSSL: {error.strerror}") from None
    if asks_clients:
        _ask_clients(context, files, contents)
    return context


def _ask_clients(context: ssl.SSLContext, files: TlsFiles, contents: _Contents) -> None:
    try:
        context.load_verify_locations(cadata=contents.client_ca.decode("ascii", "ignore"))  # What is not ASCII is a comment.
    except (ssl.SSLError, ValueError):
        raise _UnusableError("client_ca", f"{files.client_ca} holds no certificate in PEM") from None
    context.verify_mode = ssl.CERT_REQUIRED


def _misfit(files: TlsFiles, contents: _Contents, error: ssl.SSLError) -> _UnusableError:
    if error.reason == "KEY_VALUES_MISMATCH":
        return _UnusableError("tls_key", f"{files.key} is not the key of the certificate in {files.cert}")
    if b"-----BEGIN CERTIFICATE-----" not in contents.cert:
        return _UnusableError("tls_cert", f"{files.cert} holds no certificate in PEM")
    if b"PRIVATE KEY-----" not in contents.key:
        return _UnusableError("tls_key", f"{files.key} holds no private key in PEM")
    why = (error.reason or "it cannot be read").lower().replace("_", " ")
    return _UnusableError("tls_cert", f"{files.cert} and {files.key} cannot be used: {why}")


@contextlib.contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    """A path whose file holds these bytes and no others: Python reads certificates from paths only, and the file may have changed meanwhile."""
    descriptor = os.memfd_create("torchsync-tls", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _no_password() -> str:
    """Else OpenSSL asks for one on the terminal."""
    return ""


class Certificates:
    """`files` may be replaced at any time, by any thread; the next `look` goes by them. `problems` says what is wrong, or soon will be."""

    def __init__(self, files: TlsFiles, *, log: Log, now: Callable[[], Instant], on_refused: Callable[[str], None]) -> None:
        self.files = files
        self.problems: tuple[Problem, ...] = ()
        self._in_force: Loaded | _Plain | None = None
        self._suspect = ""
        self._log = log
        self._now = now
        self._on_refused = on_refused

    def front(self, *, is_hooks: bool) -> Front:
        """That of `http.hooks_listen`, or of `http.listen`."""
        return Front(lambda connection: self._wrap(connection, is_hooks=is_hooks), self._refused)

    @property
    def validity(self) -> Validity:
        """When the certificate in force is good; NEVER where there is none, or that cannot be told."""
        in_force = self._in_force
        return in_force.validity if isinstance(in_force, Loaded) and in_force.validity else NEVER

    def look(self) -> None:
        """What the files hold is in force, or it is said why not. For one thread at a time."""
        files = self.files
        if not files.cert:
            self._in_force, self.problems = _Plain(), ()
            return
        try:
            self._take(self._read(files))
        except _UnusableError as error:
            self._refuse(files, error.problem)

    def _wrap(self, connection: socket.socket, *, is_hooks: bool) -> socket.socket | None:
        match self._in_force:
            case Loaded(public=public, hooks=hooks):
                return tls_on(hooks if is_hooks else public, connection)
            case _Plain():
                return connection
            case None:
                return None

    def _refused(self, address: str, why: str) -> None:
        self._on_refused(f"{address} did not come to TLS: {why}")

    def _read(self, files: TlsFiles) -> Loaded:
        contents, known = _read(files), self._in_force
        is_known = isinstance(known, Loaded) and (known.files, known.digest) == (files, contents.digest)
        return known if is_known and isinstance(known, Loaded) else _loaded(files, contents)

    def _take(self, loaded: Loaded) -> None:
        if loaded is not self._in_force or self._has_told("TS342"):
            self._log(LogEvent.HTTP_SECURED, f"the certificate in {loaded.files.cert} is in force{_until(loaded)}")
        self._in_force, self._suspect = loaded, ""
        self._say(self._expiry(loaded), LogEvent.CERTIFICATE_EXPIRES)

    def _refuse(self, files: TlsFiles, problem: Problem) -> None:
        kept = self._in_force if isinstance(self._in_force, Loaded) and self._in_force.does_for(files) else None
        if kept and self._suspect != problem.message and not self._has_told("TS342"):
            self._suspect = problem.message
            return
        self._in_force = kept
        what_holds = "the one read before stays in force" if kept else "connections are closed until it is right"
        told = replace(problem, message=f"{problem.message}; {what_holds}")
        self._say((told, *(self._expiry(kept) if kept else ())), LogEvent.HTTP_NOT_SECURED)

    def _expiry(self, loaded: Loaded) -> tuple[Problem, ...]:
        found = expiry_problem(loaded.files, loaded.validity, self._now())
        return (found,) if found else ()

    def _has_told(self, code: str) -> bool:
        return any(problem.code == code for problem in self.problems)

    def _say(self, problems: tuple[Problem, ...], event: LogEvent) -> None:
        for problem in problems:
            if problem not in self.problems:
                self._log(event if problem is problems[0] else LogEvent.CERTIFICATE_EXPIRES, problem.message, code=problem.code)
        self.problems = problems


def _until(loaded: Loaded) -> str:
    return f", good until {date_of(loaded.validity.end)}" if loaded.validity else ""
