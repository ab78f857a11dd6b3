"""Where the agent is whose configuration one reads."""

from __future__ import annotations

import socket
from argparse import Namespace
from pathlib import Path

import pytest

from torchsync.cli import place
from torchsync.cli.client import SOCKET_NAME, Place, place_of
from torchsync.cli.place import accounts_of, paths_of
from torchsync.core.configfile import Account

OWN, ROOT = None, Account(user="root", is_root=True)


@pytest.mark.parametrize(
    ("owner", "own", "accounts"),
    [(0, 0, (OWN,)), (0, 1000, (ROOT, OWN)), (1000, 1000, (OWN,)), (1000, 0, (OWN,)), (1000, 1001, (OWN,)), (None, 1000, (OWN,))],
)
def test_a_configuration_of_root_is_for_an_agent_of_root_whoever_reads_it(owner, own, accounts) -> None:
    assert accounts_of(owner, own) == accounts


@pytest.fixture
def operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Namespace:
    """What somebody without root types, whose host has an agent.yaml of root without a word about paths."""
    (tmp_path / "agent.yaml").write_text("version: 1\nrepository: {url: /srv/tasks.git}\n")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(place, "owner_of", lambda _: 0)
    return Namespace(config=str(tmp_path / "agent.yaml"), socket=None, shadow=False)


def test_an_operator_without_root_is_led_to_the_agent_of_root_and_not_to_one_of_his_own(operator: Namespace, tmp_path: Path) -> None:
    assert paths_of(operator) == (
        (Path("/var/lib/torchsync"), Path("/run/torchsync")),
        (tmp_path / "state/torchsync", tmp_path / "run/torchsync"),
    )
    assert paths_of(Namespace(**{**vars(operator), "shadow": True}))[0] == (
        Path("/var/lib/torchsync-shadow"),
        Path("/run/torchsync-shadow"),
    )


def test_what_only_root_may_grant_is_no_mistake_for_an_operator(operator: Namespace, tmp_path: Path) -> None:
    with (tmp_path / "agent.yaml").open("a") as file:
        file.write("policy: {users: {deploy: [tasks/web.yaml]}}\n")
    assert paths_of(operator) == ((Path("/var/lib/torchsync"), Path("/run/torchsync")),)


def test_of_two_agents_the_one_that_has_a_socket_is_meant_then_the_one_whose_state_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roots, own = ((tmp_path / name / "state", tmp_path / name) for name in ("root", "own"))
    monkeypatch.setattr("torchsync.cli.client.paths_of", lambda _: (roots, own))
    asked = Namespace(socket=None)
    assert place_of(asked) == Place(roots[1] / SOCKET_NAME, roots[0])
    own[0].mkdir(parents=True)
    assert place_of(asked) == Place(own[1] / SOCKET_NAME, own[0])
    roots[1].mkdir()
    with socket.socket(socket.AF_UNIX) as there:
        there.bind(str(roots[1] / SOCKET_NAME))
        assert place_of(asked) == Place(roots[1] / SOCKET_NAME, roots[0])
