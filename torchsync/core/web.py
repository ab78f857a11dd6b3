"""HTTP without a wire: requests and answers as values, and the read-only surface for TCP. Pure.

Everything the TCP surface can say is decided here from one snapshot, so that what it may not say can be tested without a socket. It changes
nothing and shows the public form of the API only.

A browser can be led to send requests to a loopback address under a name of the attacker's choice (DNS rebinding), and would hand him the
answers. It says that name in the Host header, so only our own names are answered; an address is no name and always is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field

from torchsync.core.address import is_address
from torchsync.core.api import runs_document, status_document, tasks_document, why_dead, why_not_ready
from torchsync.core.control import Answer, failure
from torchsync.core.exposition import Format, format_for
from torchsync.core.model import Instant
from torchsync.core.snapshot import Snapshot

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Who is at the other end of a Unix socket. `groups` holds every group of the process, its primary one included."""

    uid: int
    user: str
    groups: frozenset[int]

    @property
    def actor(self) -> str:
        return f"{self.user} ({self.uid})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request. `query` keeps the last of repeated parameters. `headers` have names in lower case and values in latin-1, those of repeated ones
    joined by commas. `body` reads what was sent with it, and is called at most once. So is `pieces`, instead: the body as it comes, which raises
    TimeoutError when that takes too long and ConnectionError when it ends early. `length` is None when the request does not tell it.
    `source` is the address it came from, empty on a Unix socket.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    host: str = ""
    accepts_gzip: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = 0
    body: Callable[[], bytes] = lambda: b""
    pieces: Callable[[], Iterator[bytes]] = lambda: iter(())
    peer: Peer | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """One answer; a body that is not there yet comes in pieces."""

    status: int
    content_type: str
    body: bytes | Generator[bytes, None, None]
    headers: tuple[tuple[str, str], ...] = ()


Handler = Callable[[Request], Response]


def of_answer(answer: Answer) -> Response:
    return Response(answer.status, JSON, json.dumps(answer.document, indent=1).encode() + b"\n")


def of_document(document: Mapping[str, object]) -> Response:
    return of_answer(Answer(200, document))


def of_text(text: str, status: int = 200) -> Response:
    return Response(status, TEXT, f"{text}\n".encode())


def wrong_method(allowed: str) -> Response:
    answer = of_text(f"use {allowed} here", 405)
    return Response(answer.status, answer.content_type, answer.body, (("Allow", allowed),))


Metrics = Callable[[Format], bytes]
"""The metrics in a format."""


StatusPage = Callable[[Snapshot, Instant, bool], str]
"""Makes the status page; with True it does not load itself again."""

# The page has a policy of its own in its markup; that no other page may frame it can only be said here (CSP level 3, 6.4.2).
_PAGE_HEADERS = (("Content-Security-Policy", "frame-ancestors 'none'"), ("Referrer-Policy", "no-referrer"))


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicSurface:
    """The handler for TCP. `names` are the names of this host, in lower case; `localhost` always is one."""

    read: Callable[[], Snapshot]
    now: Callable[[], Instant]
    metrics: Metrics
    page: StatusPage
    names: frozenset[str]

    def __call__(self, request: Request) -> Response:
        if not is_own_name(request.host, self.names):
            return of_text("this is not a name of this host; use its address, localhost, or host.name of agent.yaml", 421)
        answer = _PAGES.get(request.path)
        if answer is None:
            return of_text(f"there is nothing here; see {', '.join(_PAGES)}", 404)
        if request.method not in ("GET", "HEAD"):
            return wrong_method("GET, HEAD")
        return answer(self, request)

    def home(self, request: Request) -> Response:
        page = self.page(self.read(), self.now(), "still" in request.query)
        return Response(200, HTML, page.encode(), _PAGE_HEADERS)

    def scrape(self, request: Request) -> Response:
        form = format_for(request.headers.get("accept", ""))
        return Response(200, form.value, self.metrics(form))

    def alive(self, _: Request) -> Response:
        return _health(why_dead(self.read(), self.now()))

    def ready(self, _: Request) -> Response:
        return _health(why_not_ready(self.read(), self.now()))

    def status(self, _: Request) -> Response:
        return of_document(status_document(self.read(), full=False))

    def tasks(self, _: Request) -> Response:
        return of_document(tasks_document(self.read(), full=False))

    def runs(self, _: Request) -> Response:
        return of_document(runs_document(self.read().runs.values(), full=False))


_PAGES: dict[str, Callable[[PublicSurface, Request], Response]] = {
    "/": PublicSurface.home,
    "/metrics": PublicSurface.scrape,
    "/healthz": PublicSurface.alive,
    "/readyz": PublicSurface.ready,
    "/api/v1/status": PublicSurface.status,
    "/api/v1/tasks": PublicSurface.tasks,
    "/api/v1/runs": PublicSurface.runs,
}


def not_allowed() -> Response:
    return of_answer(failure(403, "TS351", "the control socket is for root, the agent's user and the group torchsync-admin"))


def is_own_name(host: str, names: frozenset[str]) -> bool:
    """Whether a Host header names this host. A request without one comes from no browser."""
    name = _without_port(host).lower().rstrip(".")
    return name in ("", "localhost") or name in names or is_address(name)


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _health(complaint: str) -> Response:
    return of_text(complaint, 503) if complaint else of_text("ok")
