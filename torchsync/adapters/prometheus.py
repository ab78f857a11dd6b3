"""Questions to a Prometheus, by its HTTP API, and nothing that it does can take longer, weigh more or lead elsewhere than we allow.

https is checked by what the host trusts: the default store of OpenSSL, or what SSL_CERT_FILE and SSL_CERT_DIR name instead. A proxy is used where
the environment names one (`https_proxy`, `no_proxy`). No redirect is followed: credentials are for one server. For the main thread: the deadline is a
signal.

Source: https://prometheus.io/docs/prometheus/latest/querying/api/ ("Instant queries").
"""

from __future__ import annotations

import base64
import socket
import ssl
from contextlib import closing
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import SplitResult, urlencode, urlsplit, urlunsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, OpenerDirector, Request, build_opener

from torchsync.adapters.deadline import deadline
from torchsync.core.jsontext import parse_json
from torchsync.core.prometheus import PromAnswer, PromRefusal, answer_from_document
from torchsync.errors import NotFound, Unavailable, UsageError

MAX_ANSWER = 64 * 1024 * 1024
_MAX_CREDENTIALS = 64 * 1024
_MAX_SHOWN = 200
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_UNREACHABLE, _NO_ANSWER, _CREDENTIALS = "TS365", "TS366", "TS367"


class Prometheus:
    """The Prometheus at `url`, of which the path goes before `/api/v1`. `authorization` is sent with each question; empty for none.

    `is_overheard`: credentials go over the network as they are.
    """

    def __init__(self, url: str, *, authorization: str = "", seconds: float = 30.0, most: int = MAX_ANSWER) -> None:
        parts = _address(url)
        self.address = urlunsplit(parts)
        self.is_overheard = bool(authorization) and parts.scheme == "http" and parts.hostname not in _LOOPBACK
        self._headers = {"Authorization": authorization} if authorization else {}
        self._opener = _opener()
        self._seconds = seconds
        self._most = most

    def ask(self, question: str) -> PromAnswer:
        """The answer to an instant query. Raises Unavailable: TS365 when nothing answers in time, TS366 for any other trouble."""
        body = self._read(f"{self.address}/api/v1/query", urlencode({"query": question}).encode())
        try:
            answer = answer_from_document(parse_json(body))
        except ValueError as error:
            raise self._strange(f"it is not the answer of a Prometheus: {error}") from error
        if isinstance(answer, PromRefusal):
            raise self._strange(f"it refuses the question ({answer.kind}): {_brief(answer.message)}")
        return answer

    def _read(self, url: str, form: bytes) -> bytes:
        try:
            with deadline(self._seconds):
                body = self._sent(Request(url, form, self._headers))  # noqa: S310 the scheme is checked
        except (OSError, HTTPException, ValueError) as error:
            raise Unavailable(_UNREACHABLE, f"{self.address}: {_why(error, self._seconds)}") from error
        if len(body) > self._most:
            raise self._strange(f"it answers more than {self._most // 1024 // 1024} MiB; ask for less with --task")
        return body

    def _sent(self, request: Request) -> bytes:
        try:
            with closing(self._opener.open(request, timeout=self._seconds)) as answer:
                body: bytes = answer.read(self._most + 1)
                return body
        except HTTPError as error:
            return self._refused(error)

    def _refused(self, error: HTTPError) -> bytes:
        """The body where Prometheus says in it what is wrong with the question; everything else is raised."""
        with error:
            if error.code in (400, 422, 503):
                return error.read(_MAX_CREDENTIALS)
            if error.code in (401, 403):
                raise self._strange(f"it wants other credentials (HTTP {error.code}): give --prometheus-token or --prometheus-login FILE")
            if 300 <= error.code < 400:
                raise self._strange(f"it redirects to {_brief(error.headers.get('Location', '?'))}: give the address of Prometheus itself")
            raise self._strange(f"it answers HTTP {error.code}, which no Prometheus does at this address")

    def _strange(self, what: str) -> Unavailable:
        return Unavailable(_NO_ANSWER, f"{self.address}: {what}")


def bearer(path: str) -> str:
    """The header for the token that the file holds. Raises NotFound and UsageError (TS367)."""
    return f"Bearer {_secret(path)}"


def basic(path: str) -> str:
    """The header for the NAME:PASSWORD that the file holds. Raises NotFound and UsageError (TS367)."""
    secret = _secret(path)
    if ":" not in secret:
        raise UsageError(_CREDENTIALS, f"{path}: expected one line of the form NAME:PASSWORD")
    return f"Basic {base64.b64encode(secret.encode()).decode()}"


def _secret(path: str) -> str:
    """The one line of the file. What it holds is never part of an error."""
    try:
        with Path(path).open("rb") as file:
            text = file.read(_MAX_CREDENTIALS).decode("ascii").strip()
    except OSError as error:
        raise NotFound(_CREDENTIALS, f"{path}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise UsageError(_CREDENTIALS, f"{path}: expected one line of ASCII characters") from None
    if not text or not text.isprintable():
        raise UsageError(_CREDENTIALS, f"{path}: expected one line and nothing else")
    return text


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """None is left to be raised as the error that it is."""


def _opener() -> OpenerDirector:
    return build_opener(HTTPSHandler(context=ssl.create_default_context()), _NoRedirect())


def _address(url: str) -> SplitResult:
    """The parts without a slash at the end. Raises UsageError for what is no address of a Prometheus, or holds a password."""
    try:
        parts = urlsplit(url)
        has_secret = parts.username is not None
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        has_secret, is_one = False, False
    if has_secret:
        raise UsageError("TS357", "--prometheus: a name or password in the address is seen by everybody; give --prometheus-login FILE")
    if not is_one or parts.query or parts.fragment:
        raise UsageError("TS357", f"--prometheus {_brief(url)}: expected an address such as https://prometheus.example.org:9090")
    return parts._replace(path=parts.path.rstrip("/"))


def _brief(text: str) -> str:
    line = "".join(character if character.isprintable() else "?" for character in text)
    return line if len(line) <= _MAX_SHOWN else f"{line[:_MAX_SHOWN]}..."


def _why(error: Exception, seconds: float) -> str:
    cause = error.reason if isinstance(error, URLError) and isinstance(error.reason, Exception) else error
    match cause:
        case TimeoutError():
            return f"it did not answer within {seconds:g} seconds"
        case socket.gaierror():
            return "its name cannot be looked up"
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted: {cause.verify_message}"
        case ssl.SSLError():
            return "it does not speak TLS as it should; is it http?"
        case OSError() if cause.strerror:
            return f"it cannot be reached: {cause.strerror}"
        case _:
            return "it broke off, or answered what is not HTTP"
