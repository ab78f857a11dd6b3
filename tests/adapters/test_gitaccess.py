"""What the files of a remote are worth on this host, and what they add to a refusal. What real servers make of them is in `test_remote_ssh.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from torchsync.adapters.gitaccess import access_problems, failure, file_problems
from torchsync.core.syncdoc import RemoteSpec

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ==\n-----END OPENSSH PRIVATE KEY-----\n"
KNOWN = "git.example.org ssh-ed25519 AAAA\n"


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., str]:
    """Makes a file with a mode and gives its path."""

    def make(name: str, content: str = "x", mode: int = 0o600) -> str:
        path = tmp_path / name
        path.write_text(content)
        path.chmod(mode)
        return str(path)

    return make


@pytest.fixture
def ssh(file: Callable[..., str]) -> RemoteSpec:
    return RemoteSpec(url="git@git.example.org:x", ssh_key=file("key", KEY), known_hosts=file("known", KNOWN, 0o644))


def told(remote: RemoteSpec) -> list[tuple[str, str]]:
    return [(problem.code, problem.path) for problem in access_problems(remote)]


def test_files_as_they_should_be_are_left_alone(ssh: RemoteSpec, file: Callable[..., str]) -> None:
    assert told(ssh) == []
    web = RemoteSpec(url="https://h/x", token_file=file("token"), ca_file=file("ca", mode=0o644))
    assert told(web) == []
    assert told(RemoteSpec(url="https://h/x", credential_command=(file("command", mode=0o755), "a"))) == []
    assert told(RemoteSpec(url="/x")) == []


def test_what_is_not_there_is_told_all_at_once(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere")
    remote = RemoteSpec(url="git@h:x", ssh_key=nowhere, known_hosts=str(tmp_path))
    assert told(remote) == [("TS203", "repository.known_hosts"), ("TS202", "repository.ssh_key")]
    assert [problem.path for problem in file_problems(replace(remote, credential_command=(nowhere,)))][
        -1
    ] == "repository.credential_command"


@pytest.mark.parametrize(("mode", "is_told"), [(0o600, False), (0o640, False), (0o644, True), (0o604, True), (0o602, True)])
def test_a_token_that_every_user_can_read_is_told(file: Callable[..., str], mode: int, is_told: bool) -> None:
    remote = RemoteSpec(url="https://h/x", token_file=file("token", mode=mode))
    assert told(remote) == ([("TS303", "repository.token_file")] if is_told else [])


def test_what_every_user_can_change_is_told(ssh: RemoteSpec, file: Callable[..., str]) -> None:
    Path(ssh.known_hosts).chmod(0o666)
    assert told(ssh) == [("TS303", "repository.known_hosts")]
    assert told(RemoteSpec(url="https://h/x", credential_command=(file("command", mode=0o777),))) == [
        ("TS303", "repository.credential_command")
    ]
    assert told(RemoteSpec(url="https://h/x", ca_file=file("ca", mode=0o646))) == [("TS303", "repository.ca_file")]


def test_a_host_without_ssh_is_told_before_it_needs_it(ssh: RemoteSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert told(ssh) == [("TS320", "")]
    assert told(RemoteSpec(url="/x")) == []


def test_a_refusal_names_the_keys_that_are_known_and_not_all_of_very_many(ssh: RemoteSpec) -> None:
    Path(ssh.known_hosts).write_text(KNOWN * 40)
    stderr = "No RSA host key is known for git.example.org and you have requested strict checking.\r\nHost key verification failed.\r\n"
    problem = failure(stderr, ssh)
    assert problem.code == "TS203"
    assert "ssh-ed25519 in line 1, ssh-ed25519 in line 2" in problem.message
    assert "line 6" not in problem.message


def test_a_refusal_over_the_web_is_left_as_it_is(ssh: RemoteSpec) -> None:
    problem = failure("fatal: Authentication failed for 'https://h/x'", replace(ssh, url="https://h/x"))
    assert (problem.code, problem.hint) == ("TS202", "")


def test_a_key_that_vanishes_while_it_is_looked_at_ends_nothing(ssh: RemoteSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop asks this before each sync, and a file is replaced by somebody's `cp` at any moment."""
    monkeypatch.setattr("os.access", lambda *_, **__: True)
    assert list(file_problems(replace(ssh, ssh_key="/nonexistent/key"))) == []
