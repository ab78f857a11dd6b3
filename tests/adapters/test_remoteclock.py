"""The clock of a web server."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gitserver import GitServer, free_port, make_certificate
from torchsync.adapters.remoteclock import drift_from


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The address of a server and the file of its certificate authority."""
    folder = tmp_path_factory.mktemp("remoteclock")
    authority, tls = make_certificate(folder / "tls")
    git = GitServer(folder, tls=tls)
    yield git.url("tasks.git"), str(authority)
    git.close()


def test_a_server_of_this_machine_has_the_time_of_this_machine(server: tuple[str, str]) -> None:
    begun = time.monotonic()
    drift = drift_from(*server)
    took = time.monotonic() - begun
    assert drift is not None
    assert abs(drift) <= 0.6 + took / 2, "the Date has whole seconds, and is of some moment of the exchange"


def test_a_server_that_is_not_trusted_is_not_believed(server: tuple[str, str]) -> None:
    with pytest.raises(ssl.SSLError):
        drift_from(server[0])


def test_a_server_that_is_not_there_is_an_error(server: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(OSError, match="refused"):
        drift_from(f"https://127.0.0.1:{free_port()}/x", server[1])
