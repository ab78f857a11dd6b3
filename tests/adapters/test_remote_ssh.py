"""Remotes over ssh: a real sshd, the real ssh, and what is said when they do not come together."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.adapters.contract_gitsource import eventually, request, resolved, synced
from tests.adapters.test_remote import RealWorld, commands_of
from tests.gitserver import tarpit
from tests.sshserver import SshServer, make_key, public
from torchsync.adapters.child import session_members
from torchsync.adapters.gitaccess import content_problems
from torchsync.core.syncdoc import Verdict
from torchsync.errors import Problem
from torchsync.ports import Resolved, ResolveFailed, SyncAnswered


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    server = SshServer(tmp_path_factory.mktemp("ssh") / "sshd")
    yield server
    server.close()


@pytest.fixture
def real(tmp_path: Path, sshd: SshServer) -> Iterator[RealWorld]:
    """A world whose remote is reached over ssh, with files of its own that a test may spoil."""
    made = RealWorld(tmp_path)
    key, known = tmp_path / "a key, 50%% 'quoted' %h $HOME", tmp_path / "known hosts %i"
    shutil.copy(sshd.client_key, key)
    shutil.copy(sshd.known_hosts, known)
    made.remote = replace(made.remote, url=sshd.url(made.repo.folder), ssh_key=str(key), known_hosts=str(known))
    yield made
    made.source.cancel()


def refused(world: RealWorld, **changes: str) -> Problem:
    event = resolved(world, **changes)
    assert isinstance(event, ResolveFailed), event
    return event.problem


def test_a_repository_is_read_over_ssh_with_key_and_known_hosts(real: RealWorld) -> None:
    revision = real.push("one")
    event = resolved(real)
    assert isinstance(event, Resolved), event
    assert event.revision == revision
    answer = synced(real, revision)
    assert answer.verdict is Verdict.ACCEPTED, answer.problems
    assert (real.state / "repo.git").is_dir()


def test_the_short_form_is_read_at_the_standard_port(real: RealWorld, tmp_path: Path) -> None:
    address = "127.0.0.77"
    try:
        socket.create_server((address, 22)).close()
    except OSError:
        pytest.skip("needs root, and nobody else on port 22")
    server = SshServer(tmp_path / "sshd", address=address, port=22)
    try:
        revision = real.push("one")
        url = f"{server.user}@{address}:{real.repo.folder}"
        real.remote = replace(real.remote, url=url, ssh_key=str(server.client_key), known_hosts=str(server.known_hosts))
        assert isinstance(resolved(real), Resolved)
        assert synced(real, revision).verdict is Verdict.ACCEPTED
    finally:
        server.close()


def test_nothing_of_the_users_own_ssh_counts(real: RealWorld, sshd: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real.push("one")
    for name in ("SSH_AUTH_SOCK", "SSH_ASKPASS", "GIT_SSH", "GIT_SSH_COMMAND", "DISPLAY"):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    assert isinstance(resolved(real), Resolved)
    assert not (real.state / ".ssh").exists()


# Host keys.


def test_a_server_that_is_not_known_is_refused_and_stays_unknown(real: RealWorld, sshd: SshServer) -> None:
    real.push("one")
    known = Path(real.remote.known_hosts)
    known.write_text("")
    problem = refused(real)
    assert problem.code == "TS203"
    assert f"ED25519 of [127.0.0.1]:{sshd.port}; {known} has no key for [127.0.0.1]:{sshd.port}" in problem.message
    assert f"ssh-keyscan -p {sshd.port} 127.0.0.1" in problem.hint
    assert known.read_text() == ""


def test_a_server_with_another_key_is_refused_with_its_own_code(real: RealWorld, sshd: SshServer, tmp_path: Path) -> None:
    revision = real.push("one")
    known = Path(real.remote.known_hosts)
    other = sshd.line_of(make_key(tmp_path / "other"))
    known.write_text(f"# ours\n{other}")
    problem = refused(real)
    assert problem.code == "TS211"
    assert "ED25519 SHA256:" in problem.message
    assert f"{known} has ssh-ed25519 in line 2 for [127.0.0.1]:{sshd.port}" in problem.message
    assert "nothing does that by itself" in problem.hint
    answer = synced(real, revision)
    assert (answer.verdict, answer.problems) == (Verdict.UNAVAILABLE, (problem,))
    assert known.read_text() == f"# ours\n{other}"


def test_a_server_of_which_only_another_kind_of_key_is_known_is_told_with_that_kind(
    real: RealWorld, sshd: SshServer, tmp_path: Path
) -> None:
    real.push("one")
    Path(real.remote.known_hosts).write_text(sshd.line_of(make_key(tmp_path / "other", kind="rsa")))
    problem = refused(real)
    assert problem.code == "TS211"
    assert "ED25519" in problem.message
    assert "ssh-rsa in line 1" in problem.message


def test_a_server_that_is_known_without_its_port_is_known(real: RealWorld, sshd: SshServer) -> None:
    real.push("one")
    Path(real.remote.known_hosts).write_text(f"127.0.0.1 {public(sshd.host_key)}\n")
    assert isinstance(resolved(real), Resolved)
    assert list(content_problems(real.remote)) == []


def test_a_revoked_key_is_refused(real: RealWorld, sshd: SshServer) -> None:
    real.push("one")
    Path(real.remote.known_hosts).write_text(f"@revoked * {public(sshd.host_key)}\n{sshd.line_of(sshd.host_key)}")
    problem = refused(real)
    assert problem.code == "TS211"
    assert "revoked" in problem.message


def test_a_server_with_a_certificate_of_a_known_authority_is_known(real: RealWorld, tmp_path: Path) -> None:
    authority, other = make_key(tmp_path / "authority"), make_key(tmp_path / "other")
    with closing(SshServer(tmp_path / "sshd")) as server:
        server.certify(authority)
        server.known_hosts.write_text(f"@cert-authority * {public(authority)}\n")
        real.push("one")
        access = {"url": server.url(real.repo.folder), "ssh_key": str(server.client_key), "known_hosts": str(server.known_hosts)}
        assert isinstance(resolved(real, **access), Resolved)
        server.known_hosts.write_text(f"@cert-authority * {public(other)}\n")
        problem = refused(real, **access)
    assert problem.code == "TS203"
    assert "has @cert-authority ssh-ed25519 in line 1" in problem.message


def test_a_host_key_that_changes_while_the_agent_runs_is_refused_until_the_file_has_it(real: RealWorld, tmp_path: Path) -> None:
    server = SshServer(tmp_path / "sshd")
    try:
        real.push("one")
        remote = replace(real.remote, url=server.url(real.repo.folder), ssh_key=str(server.client_key), known_hosts=str(server.known_hosts))
        real.remote = remote
        assert isinstance(resolved(real), Resolved)
        fresh = make_key(tmp_path / "fresh")
        server.restart_with(fresh)
        assert refused(real).code == "TS211"
        assert refused(real).code == "TS211"
        server.known_hosts.write_text(server.line_of(fresh))
        assert isinstance(resolved(real), Resolved)
    finally:
        server.close()


def test_known_hosts_that_are_not_there_are_said_without_asking_the_server(real: RealWorld) -> None:
    Path(real.remote.known_hosts).unlink()
    problem = refused(real)
    assert (problem.code, problem.path) == ("TS203", "repository.known_hosts")


# The key.


def test_a_key_that_the_server_does_not_take_is_said(real: RealWorld, tmp_path: Path) -> None:
    revision = real.push("one")
    problem = refused(real, ssh_key=str(make_key(tmp_path / "other")))
    assert problem.code == "TS202"
    assert "Permission denied (publickey)" in problem.message
    real.remote = replace(real.remote, ssh_key=str(tmp_path / "other"))
    assert [told.code for told in synced(real, revision).problems] == ["TS202"]


def test_a_key_that_others_can_read_is_not_even_shown_to_ssh(real: RealWorld) -> None:
    Path(real.remote.ssh_key).chmod(0o640)
    problem = refused(real)
    assert problem.code == "TS202"
    assert "mode 0640" in problem.message
    assert "chmod 600" in problem.hint


def test_a_key_that_is_not_there_is_said(real: RealWorld) -> None:
    Path(real.remote.ssh_key).unlink()
    problem = refused(real)
    assert (problem.code, problem.path) == ("TS202", "repository.ssh_key")


def test_a_key_with_a_passphrase_is_told_from_one_that_the_server_does_not_take(real: RealWorld, tmp_path: Path) -> None:
    real.push("one")
    problem = refused(real, ssh_key=str(make_key(tmp_path / "locked", passphrase="open sesame")))
    assert problem.code == "TS202"
    assert "needs a passphrase" in problem.message
    assert "ssh-keygen -p" in problem.hint


# The way there.


def test_a_host_that_has_no_address_is_said(real: RealWorld) -> None:
    problem = refused(real, url="ssh://git@no-such-host.invalid/x.git")
    assert problem.code == "TS201"
    assert "Could not resolve hostname" in problem.message


def test_a_port_where_nobody_listens_is_said(real: RealWorld) -> None:
    problem = refused(real, url="ssh://git@127.0.0.1:1/x.git")
    assert problem.code == "TS201"
    assert "Connection refused" in problem.message


def test_a_repository_that_is_not_there_is_said(real: RealWorld, sshd: SshServer, tmp_path: Path) -> None:
    problem = refused(real, url=sshd.url(tmp_path / "nowhere.git"))
    assert problem.code == "TS201"
    assert "does not appear to be a git repository" in problem.message


def test_a_machine_without_ssh_is_told_what_it_lacks(real: RealWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchsync.adapters.clock import SystemClock
    from torchsync.adapters.remote import RemoteGit

    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("git", "sh", "timeout"):
        (programs / name).symlink_to(shutil.which(name) or "")
    monkeypatch.setenv("PATH", str(programs))
    real.source = RemoteGit(real.state, real.wakeups, SystemClock())
    assert refused(real).code == "TS320"


def test_a_server_that_says_nothing_costs_the_timeout_and_leaves_no_process(real: RealWorld) -> None:
    with tarpit() as port:
        real.source.resolve(replace(real.remote, url=f"ssh://git@127.0.0.1:{port}/x.git"))
        session = real.source._child.pid
        assert eventually(lambda: any(command.startswith(b"ssh\0") for command in commands_of(session)))
        real.expire()
        event = real.next_event()
        assert isinstance(event, ResolveFailed)
        assert (event.problem.code, event.timed_out) == ("TS204", True)
        assert eventually(lambda: session_members(session) == [])


def test_a_fetch_from_a_server_that_says_nothing_ends_with_its_ssh(real: RealWorld) -> None:
    revision = real.push("one")
    with tarpit() as port:
        real.remote = replace(real.remote, url=f"ssh://git@127.0.0.1:{port}/x.git", clone_timeout_ms=4_000)
        real.source.sync(request(real, revision))
        session = real.source._child.pid
        event = real.next_event()
        assert isinstance(event, SyncAnswered)
        assert (event.answer.problems[0].code, event.answer.git_timeouts) == ("TS204", 1)
        assert eventually(lambda: session_members(session) == [])


def test_the_content_of_the_key_is_nowhere_but_in_its_file(real: RealWorld, sshd: SshServer) -> None:
    revision = real.push("one")
    secret = "".join(Path(real.remote.ssh_key).read_text().splitlines()[1:-1])[60:100].encode()
    assert synced(real, revision).verdict is Verdict.ACCEPTED
    for path in real.state.rglob("*"):
        assert not path.is_file() or secret not in path.read_bytes()
