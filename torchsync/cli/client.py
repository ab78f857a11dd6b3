"""The client of the control socket. Imports little: commands are to answer at once."""

from __future__ import annotations

import http.client
import json
import os
import socket
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from torchsync.cli.place import add_config_argument, is_named, paths_of
from torchsync.core.control import TAIL_HEADER
from torchsync.errors import ConfigInvalid, NotFound, Refused, TorchsyncError, Unavailable

SOCKET_NAME = "control.sock"
DEFAULT_SOCKET = f"/run/torchsync/{SOCKET_NAME}"
DEFAULT_SHADOW_SOCKET = f"/run/torchsync-shadow/{SOCKET_NAME}"
_TIMEOUT = 15.0
_PIECE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Place:
    """Where the agent is to be found: its socket, and its state directory when that is known."""

    socket: Path
    state: Path | None = None


def add_place_arguments(parser: ArgumentParser) -> None:
    add_config_argument(parser)
    parser.add_argument(
        "--socket", metavar="PATH", help=f"the control socket of the agent (default: as its configuration says, else {DEFAULT_SOCKET})"
    )
    parser.add_argument("--shadow", action="store_true", help="ask `agent --shadow` of this host instead of its agent")


def place_of(args: Namespace) -> Place:
    """`--socket`, else what the configuration says, else the usual socket. Of two agents that may be meant, the one that has a socket, else the one
    whose state we may read, else the first.

    The agent that listens there may go on with its last good configuration while the file has mistakes: it is still to be found, not least by
    the reload that is to refuse the file. Raises ConfigInvalid for a configuration that was named and cannot be used, or with nobody there.
    """
    if args.socket:
        return Place(Path(args.socket))
    usual = Path(DEFAULT_SHADOW_SOCKET if getattr(args, "shadow", False) else DEFAULT_SOCKET)
    try:
        paths = paths_of(args)
    except ConfigInvalid:
        if is_named(args) or not usual.is_socket():
            raise
        paths = ()
    places = [Place(run / SOCKET_NAME, state) for state, run in paths] or [Place(usual)]
    is_there = (place for place in places if place.socket.is_socket())
    can_be_read = (place for place in places if place.state and os.access(place.state, os.R_OK))
    return next(is_there, None) or next(can_be_read, None) or places[0]


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, patience: float) -> None:
        super().__init__("localhost", timeout=patience)
        self._path = path
        self._patience = patience

    def connect(self) -> None:
        """As of the base class, to a Unix socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self._patience)
        self.sock.connect(os.fspath(self._path))


class ControlClient:
    """Asks the running agent. Raises Unavailable (TS350) when none answers, Refused (TS351) when the socket is not for this user,
    NotFound (TS352) when the agent does not know what is asked for, and TorchsyncError with the agent's own code for the rest. `patience` is how
    many seconds it may say nothing.
    """

    def __init__(self, socket_path: Path, patience: float = _TIMEOUT) -> None:
        self._path = socket_path
        self._patience = patience

    def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The document at `path`."""
        return _document(b"".join(self._exchange("GET", f"{path}?{urlencode(query)}" if query else path)))

    def post(self, path: str, fields: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The answer to a verb."""
        return _document(b"".join(self._exchange("POST", path, json.dumps(fields or {}).encode())))

    def probe(self, path: str) -> str:
        """Why a health check says no, empty when it says yes."""
        said: list[str] = []
        b"".join(self._exchange("GET", path, refused=said))
        return "".join(said)

    def tail(self, path: str, query: Mapping[str, str]) -> tuple[bytes, int]:
        """A stretch of an output, and where the next one begins."""
        head: list[str] = []
        content = b"".join(self._exchange("GET", f"{path}?{urlencode(query)}", head=head))
        return content, int(head[0])

    def stream(self, path: str) -> Iterator[bytes]:
        """The bytes at `path` in pieces, as they come."""
        return self._exchange("GET", path)

    def _exchange(
        self, method: str, target: str, body: bytes | None = None, head: list[str] | None = None, refused: list[str] | None = None
    ) -> Iterator[bytes]:
        """The body in pieces. `head` gets what the answer says of the place where it ends. With `refused` a 503 is no error: its text
        goes there.
        """
        connection = _Connection(self._path, self._patience)
        try:
            connection.request(method, target, body=body)
            response = connection.getresponse()
            if response.status == 503 and refused is not None:
                refused.append(response.read().decode("utf-8", "replace").strip())
                return
            if response.status >= 400:
                raise _error(response.status, response.read())
            if head is not None:
                head.append(response.headers[TAIL_HEADER])
            while piece := response.read(_PIECE):
                yield piece
        except PermissionError as error:
            raise Refused("TS351", f"{self._path} is not for this user; use sudo, or ask to be in the group torchsync-admin") from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise Unavailable("TS350", f"no agent answers on {self._path}: {reason}") from error
        finally:
            connection.close()


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError as error:
        raise TorchsyncError("TS901", "the agent answered with something that is not JSON") from error
    if not isinstance(document, dict):
        raise TorchsyncError("TS901", "the agent answered with something that is not a document")
    return document


_KINDS: dict[int, type[TorchsyncError]] = {403: Refused, 404: NotFound, 503: Unavailable, 504: Unavailable}


def _error(status: int, body: bytes) -> TorchsyncError:
    kind = _KINDS.get(status, TorchsyncError)
    try:
        told = json.loads(body)["error"]
        return kind(str(told["code"]), str(told["message"]))
    except (ValueError, KeyError, TypeError):
        return kind("TS350", f"the agent answered with status {status}")
