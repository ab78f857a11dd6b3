"""`POST /hooks/push`: the one thing that somebody on TCP can ask of the agent, if he knows the secret.

Theory of operation. A request is decided from its head, as far as it can be; its body goes through the check piece by piece and is kept only up to
`MOST_KEPT`, for what it tells. Nothing in it is looked at before the check holds. A request that proves itself becomes an event in the inbox of the
loop, and that is all it can do.

The Host header is not checked here, as it is everywhere else: forges know the agent under names of proxies, and a browser that was led here
cannot sign. The body is read to its end also when the answer is known before, since a client that is still sending may never see an answer.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from dataclasses import dataclass

from torchsync.core.flood import Flood
from torchsync.core.logevents import Log, LogEvent
from torchsync.core.model import Millis
from torchsync.core.web import Request, Response, of_text, wrong_method
from torchsync.core.webhook import LONGEST_SECRET, MOST_SECRETS, Check, OtherEvent, announced, is_about, proof_of, secrets_in
from torchsync.errors import Problem
from torchsync.ports import HookReceived

PATH = "/hooks/push"
MOST_BODY = 25 * 1024 * 1024
"""GitHub sends no more."""
MOST_KEPT = 256 * 1024
AT_ONCE = 2
"""Beside other pages: half of the threads of a server, so that hooks that are sent slowly do not keep a scrape waiting."""
_MOST_CONTENT = MOST_SECRETS * (LONGEST_SECRET + 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class HookSettings:
    """`secret_file` is an absolute path, or empty: then there are no webhooks. `ref` as in agent.yaml."""

    secret_file: str
    ref: str


def read_secrets(path: str) -> tuple[bytes, ...] | Problem:
    """The secrets in the file, one a line; or why none can be used."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # A pipe that nobody writes to is not waited for.
        try:
            mode = os.fstat(descriptor).st_mode
            content = os.read(descriptor, _MOST_CONTENT + 1) if stat.S_ISREG(mode) else b""
        finally:
            os.close(descriptor)
    except OSError as error:
        return _unusable(f"{path} cannot be read: {error.strerror}")
    if not stat.S_ISREG(mode):
        return _unusable(f"{path} is no file")
    if mode & stat.S_IRWXO:
        return _unusable(f"{path} is open to every user of this host (mode {stat.S_IMODE(mode):04o}); chmod o= {path}")
    if len(content) > _MOST_CONTENT:
        return _unusable(f"{path} has more than {_MOST_CONTENT} bytes")
    found = secrets_in(content)
    return _unusable(f"{path} {found}") if isinstance(found, str) else found


def _unusable(message: str) -> Problem:
    return Problem(code="TS341", message=f"webhooks are refused: {message}", path="http.webhook_secret_file")


class HookSurface:
    """The handler for webhooks. `settings` may be replaced at any time, by any thread. More than `at_once` of them are refused."""

    def __init__(
        self, settings: HookSettings, *, post: Callable[[object], None], log: Log, monotonic: Callable[[], Millis], at_once: int = AT_ONCE
    ) -> None:
        self.settings = settings
        self.problem: Problem | None = None
        self._post = post
        self._log = log
        self._monotonic = monotonic
        self._slots = threading.BoundedSemaphore(at_once)
        self._told = threading.Lock()
        self._refused, self._accepted = Flood(), Flood()

    def __call__(self, request: Request) -> Response:
        settings = self.settings
        if request.path != PATH or not settings.secret_file:
            return of_text("there is nothing here", 404)
        if request.method != "POST":
            return wrong_method("POST")
        if not self._slots.acquire(blocking=False):
            return self._refuse(503, "too many webhooks at once")
        try:
            return self._answer(request, settings)
        except TimeoutError:
            return self._refuse(408, "the body did not come in time")
        except ConnectionError:
            return self._refuse(400, "the body ended early")
        finally:
            self._slots.release()

    def look(self) -> None:
        """`problem` says whether the secrets can be used; a change is logged, and so is how many requests were not told one by one. For one thread
        at a time.
        """
        path = self.settings.secret_file
        found = read_secrets(path) if path else ()
        problem = found if isinstance(found, Problem) else None
        if problem and problem != self.problem:
            self._log(LogEvent.HOOKS_DISABLED, problem.message, code=problem.code)
        elif self.problem and not problem:
            self._log(LogEvent.HOOKS_ENABLED, "the secrets of webhooks can be used")
        self.problem = problem
        for event, flood in ((LogEvent.HOOK_REFUSED, self._refused), (LogEvent.HOOK_ACCEPTED, self._accepted)):
            with self._told:
                count = flood.drain(self._monotonic())
            if count:
                self._log(event, f"{count} more webhooks like those told before", count=count)

    def _answer(self, request: Request, settings: HookSettings) -> Response:
        if request.length is None:
            return self._refuse(411, "the request does not say how long its body is (Content-Length)")
        if request.length > MOST_BODY:
            return self._refuse(413, f"the body is longer than {MOST_BODY} bytes")
        secrets, proof = read_secrets(settings.secret_file), proof_of(request.headers)
        check = None if isinstance(secrets, Problem) or isinstance(proof, str) else Check(proof, secrets)
        body = self._read(request, check)
        if isinstance(secrets, Problem):
            return self._refuse(503, "the agent has no secret for webhooks; its log says why")
        if isinstance(proof, str):
            return self._refuse(401, proof)
        known = check.fitting() if check else 0
        if not known:
            return self._refuse(401, "the signature or token does not fit the secret")
        return self._accept(self._follow(request, settings, body), f" (secret {known} of {len(secrets)})" if len(secrets) > 1 else "")

    def _read(self, request: Request, check: Check | None) -> bytes | None:
        """The body, read to its end and checked; None when it is too long to keep, or nobody will look at it."""
        kept: list[bytes] | None = [] if check and request.length is not None and request.length <= MOST_KEPT else None
        for piece in request.pieces():
            if check:
                check.feed(piece)
            if kept is not None:
                kept.append(piece)
        return None if kept is None else b"".join(kept)

    def _follow(self, request: Request, settings: HookSettings, body: bytes | None) -> str:
        """What has come of a request that proved itself, in a sentence."""
        push = announced(request.headers, body)
        if isinstance(push, OtherEvent):
            return f"{push.name!a} needs no sync"
        if not is_about(push, settings.ref):
            return f"a push to {push.ref} needs no sync, {settings.ref} is followed"
        self._post(HookReceived(before=push.before, after=push.after))
        return f"a push to {push.ref or 'the repository'} brings a sync"

    def _accept(self, sentence: str, by: str) -> Response:
        """`by` which secret it was is for the log only: that is how an operator knows when the old one is not needed any more."""
        self._tell(LogEvent.HOOK_ACCEPTED, self._accepted, f"{sentence}{by}")
        return of_text(sentence, 202)

    def _refuse(self, status: int, sentence: str) -> Response:
        self._tell(LogEvent.HOOK_REFUSED, self._refused, f"{sentence} ({status})")
        return of_text(sentence, status)

    def _tell(self, event: LogEvent, flood: Flood, sentence: str) -> None:
        with self._told:
            is_told = flood.passes(self._monotonic())
        if is_told:
            self._log(event, sentence)
