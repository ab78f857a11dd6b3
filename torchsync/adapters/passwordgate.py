"""Who may ask on TCP: requests need the user and the password of a line of the file.

Theory of operation. To check a password is made to cost much, and whoever reaches the address can have it done. So a password that was right is
remembered, as a digest with a salt that this process made up, and costs nothing the next time: a scraper is let in whatever others do. Of all
others one is checked at a time, one more may wait for it, which leaves half of the threads of a server to those who are known; and the failures
of an address have a pace, so that a guesser takes a small share of a processor and keeps nobody at another address out. Who is too fast is told to
come again.

The file is read again every few seconds. What is wrong with it changes nothing while an earlier one was good; else everything is answered with 503.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
import threading
from collections.abc import Callable

from torchsync.core.logevents import Log, LogEvent
from torchsync.core.model import Millis
from torchsync.core.passwords import MOST_BYTES, Credentials, Pace, Passwords, credentials_of, read_passwords
from torchsync.core.web import Handler, Request, Response, of_text
from torchsync.errors import Problem

AT_ONCE = 2
"""One is checked and one waits."""
Check = Callable[[str, str], bool]
"""Whether a password is that of a hash; takes long."""
_SETTING = "http.basic_auth_file"


def load(path: str) -> Passwords | Problem:
    """The passwords in the file, or why they cannot be used (TS344)."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # A pipe that nobody writes to is not waited for.
        try:
            mode = os.fstat(descriptor).st_mode
            content = os.read(descriptor, MOST_BYTES + 1) if stat.S_ISREG(mode) else b""
        finally:
            os.close(descriptor)
    except OSError as error:
        return _unusable(f"{path} cannot be read: {error.strerror}")
    if not stat.S_ISREG(mode):
        return _unusable(f"{path} is no file")
    if mode & stat.S_IRWXO:
        return _unusable(f"{path} is open to every user of this host (mode {stat.S_IMODE(mode):04o})", f"chmod o= {path}")
    found = read_passwords(content)
    return found if isinstance(found, Passwords) else _unusable(f"{path}: {'; '.join(found)}")


def _unusable(message: str, hint: str = "") -> Problem:
    return Problem(code="TS344", path=_SETTING, message=message, hint=hint)


class PasswordGate:
    """`file` may be replaced at any time, by any thread, and the next `look` goes by it; empty: everybody may ask."""

    def __init__(
        self,
        file: str,
        *,
        find_check: Callable[[], Check | None],
        log: Log,
        monotonic: Callable[[], Millis],
        on_refused: Callable[[str], None],
    ) -> None:
        self.file = file
        self.problem: Problem | None = None
        self._in_force: Passwords | Problem | None = None
        self._find_check = find_check
        self._log = log
        self._monotonic = monotonic
        self._on_refused = on_refused
        self._salt = secrets.token_bytes(32)
        self._known: dict[str, bytes] = {}
        self._pace = Pace()
        self._places = threading.BoundedSemaphore(AT_ONCE)
        self._checking = threading.Lock()

    def look(self) -> None:
        """What the file holds is in force, or it is said why not. For one thread at a time."""
        file = self.file
        if not file:
            self._in_force, self.problem = None, None
            return
        found = load(file) if self._find_check() else _unusable("this host has no crypt(3) that knows bcrypt and SHA-512")
        if isinstance(found, Problem):
            self._refuse(found)
        elif found != self._in_force or self.problem:
            self._in_force, self.problem = found, None
            self._log(LogEvent.HTTP_SECURED, f"{len(found.hashes)} users of {file} may ask on TCP")

    def guard(self, handler: Handler) -> Handler:
        """The handler, for those who may ask."""

        def guarded(request: Request) -> Response:
            refusal = self._refusal(request)
            return handler(request) if refusal is None else refusal

        return guarded

    def _refuse(self, problem: Problem) -> None:
        is_kept = isinstance(self._in_force, Passwords)
        what_holds = "those read before stay in force" if is_kept else "everything on TCP is answered with 503 until it is right"
        told = Problem(code=problem.code, path=problem.path, message=f"{problem.message}; {what_holds}", hint=problem.hint)
        if not is_kept:
            self._in_force = told
        if told != self.problem:
            self._log(LogEvent.HTTP_NOT_SECURED, told.message, code=told.code)
        self.problem = told

    def _refusal(self, request: Request) -> Response | None:
        """What to answer to who may not ask; None for who may."""
        passwords = self._in_force
        if passwords is None:
            return None
        if isinstance(passwords, Problem):
            return of_text("the agent cannot read its passwords; its log says why", 503)
        given = credentials_of(request.headers.get("authorization", ""))
        if given is None:
            return _asking()
        return None if self._is_known(given, passwords) else self._judged(given, passwords, request.source)

    def _is_known(self, given: Credentials, passwords: Passwords) -> bool:
        known, digest = self._known.get(given.user), passwords.hashes.get(given.user)
        return known is not None and digest is not None and hmac.compare_digest(known, self._mark(given, digest))

    def _judged(self, given: Credentials, passwords: Passwords, source: str) -> Response | None:
        if not (self._pace.allows(source, self._monotonic()) and self._places.acquire(blocking=False)):
            return _later()
        try:
            with self._checking:
                return self._checked(given, passwords, source)
        finally:
            self._places.release()

    def _checked(self, given: Credentials, passwords: Passwords, source: str) -> Response | None:
        if self._is_known(given, passwords):  # By one who was before us.
            return None
        digest = passwords.hashes.get(given.user)
        check = self._find_check()
        is_right = check is not None and check(given.password, digest or passwords.decoy)
        if digest and is_right:
            self._known[given.user] = self._mark(given, digest)
            return None
        self._pace.failed(source, self._monotonic())
        self._on_refused(f"{source or 'somebody'} gave a user and a password that do not go together")
        return _asking()

    def _mark(self, given: Credentials, digest: str) -> bytes:
        """Another one for each password and each hash, so what was remembered counts no more when the line in the file changes."""
        return hmac.digest(self._salt, f"{given.user}\0{digest}\0{given.password}".encode(), hashlib.sha256)


def _asking() -> Response:
    answer = of_text("this takes a user and a password", 401)
    return Response(answer.status, answer.content_type, answer.body, (("WWW-Authenticate", 'Basic realm="torchsync", charset="UTF-8"'),))


def _later() -> Response:
    answer = of_text("too many passwords are being tried", 429)
    return Response(answer.status, answer.content_type, answer.body, (("Retry-After", "1"),))
