"""The HTTP server, watched at its work."""

from __future__ import annotations

import pytest

from torchsync.adapters import http


def looks_of_the_server(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The connections at which the accepting thread looks from now on, one entry for each look."""
    looks: list[object] = []
    look = http._Server.process_conn

    def noted(server: http._Server, connection: http.HTTPConnection) -> None:
        looks.append(connection)
        look(server, connection)

    monkeypatch.setattr(http._Server, "process_conn", noted)
    return looks


def clients_may_take_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is started from now on has more patience than any test: who is answered beside slow clients has not waited for their end."""
    monkeypatch.setattr(http, "TIMEOUT", 3_600)
