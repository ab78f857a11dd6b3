"""Remotes over https, http and git://: real servers, a real proxy, tokens, commands that print credentials, and servers that never end."""

from __future__ import annotations

import os
import socket
import socketserver
import ssl
import stat
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.contract_gitsource import eventually, request, resolved, synced
from tests.adapters.test_remote import RealWorld, commands_of
from tests.gitserver import GitServer, dripping, git_daemon, make_certificate, tarpit
from tests.proxyserver import ProxyServer
from torchsync.adapters import gitcommand, gitcredential
from torchsync.adapters.child import session_members
from torchsync.core.model import Revision
from torchsync.core.syncdoc import RemoteSpec, Verdict
from torchsync.errors import Problem
from torchsync.ports import Resolved, ResolveFailed, SyncAnswered

TOKEN, PASSWORD = "glpat-canary-51d0aa", "open-canary-5521"
Certificate = tuple[Path, tuple[Path, Path]]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls") / "ca")


@pytest.fixture
def real(tmp_path: Path) -> Iterator[RealWorld]:
    made = RealWorld(tmp_path)
    made.push("one")
    yield made
    made.source.cancel()


@pytest.fixture
def server(real: RealWorld, certificate: Certificate, tmp_path: Path) -> Iterator[GitServer]:
    """An https server with a private CA for the repository of `real`, which is configured for it, but has no credentials yet."""
    ca, pair = certificate
    server = GitServer(tmp_path, token=TOKEN, tls=pair)
    real.remote = replace(real.remote, url=server.url("tasks"), ca_file=str(ca))
    yield server
    server.close()


def refused(world: RealWorld, **changes: object) -> Problem:
    event = resolved(world, **changes)  # type: ignore[arg-type]  # any field of a remote
    assert isinstance(event, ResolveFailed), event
    return event.problem


def token_file(folder: Path, content: bytes) -> str:
    file = folder / "token"
    file.write_bytes(content)
    return str(file)


def command(folder: Path, script: str) -> tuple[str, ...]:
    """A credential command that is this shell script; what it gets as arguments, it can show."""
    file = folder / "credentials"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return (str(file),)


# The token file.


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"], ids=repr)
def test_a_token_counts_without_the_end_of_its_line(real: RealWorld, server: GitServer, tmp_path: Path, end: str) -> None:
    assert isinstance(resolved(real, token_file=token_file(tmp_path, f"{TOKEN}{end}".encode())), Resolved)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"  \n", "is empty"),
        (f"{TOKEN}\nsecond\n".encode(), "holds more than one line"),
        (f"\n{TOKEN}\n".encode(), "holds more than one line"),
        (TOKEN.encode() + b"\0", "holds more than one line"),
        (b"x" * 70_000, "holds more than one line"),
    ],
)
def test_a_token_file_that_holds_no_token_is_said_and_the_server_gets_none(
    real: RealWorld, server: GitServer, tmp_path: Path, content: bytes, says: str
) -> None:
    problem = refused(real, token_file=token_file(tmp_path, content))
    assert problem.code == "TS202"
    assert f"{tmp_path}/token {says}" in problem.message
    assert TOKEN not in str(problem)
    assert set(server.seen) == {""}


def test_a_token_that_was_changed_between_two_syncs_is_used_by_the_second(real: RealWorld, server: GitServer, tmp_path: Path) -> None:
    real.remote = replace(real.remote, token_file=token_file(tmp_path, TOKEN.encode()))
    first = Revision(real.repo.head)
    assert synced(real, first).verdict is Verdict.ACCEPTED
    server.token = "rotated"
    second = real.push("two")
    assert [problem.code for problem in synced(real, second).problems] == ["TS202"]
    token_file(tmp_path, b"rotated\n")
    assert synced(real, second).verdict is Verdict.ACCEPTED


def test_basic_auth_is_a_username_with_the_password_in_the_token_file(real: RealWorld, server: GitServer, tmp_path: Path) -> None:
    server.user = "deploy bot"
    file = token_file(tmp_path, TOKEN.encode())
    assert refused(real, token_file=file).code == "TS202"
    assert isinstance(resolved(real, token_file=file, username="deploy bot"), Resolved)
    encoded = real.remote.url.replace("https://", "https://deploy%20bot@")
    assert isinstance(resolved(real, token_file=file, url=encoded), Resolved)


def test_without_credentials_a_private_repository_is_refused_at_once(real: RealWorld, server: GitServer) -> None:
    assert refused(real).code == "TS202"


# The credential command.


def test_a_credential_command_gives_name_and_password(real: RealWorld, server: GitServer, tmp_path: Path) -> None:
    server.user = "x-access-token"
    real.remote = replace(
        real.remote, credential_command=command(tmp_path, f"echo username=x-access-token; echo password={TOKEN}; echo path=x")
    )
    assert isinstance(resolved(real), Resolved)
    assert synced(real, Revision(real.repo.head)).verdict is Verdict.ACCEPTED


def test_a_command_that_prints_only_a_password_goes_with_the_configured_name(real: RealWorld, server: GitServer, tmp_path: Path) -> None:
    server.user = "bot"
    real.remote = replace(real.remote, username="bot", credential_command=command(tmp_path, f"printf 'password={TOKEN}'"))
    assert isinstance(resolved(real), Resolved)


def test_a_command_is_run_again_for_every_git_process(real: RealWorld, server: GitServer, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    real.remote = replace(real.remote, credential_command=command(tmp_path, f"echo x >> {calls}; echo password={TOKEN}"))
    assert isinstance(resolved(real), Resolved)
    assert isinstance(resolved(real), Resolved)
    assert calls.read_text().count("x") == 2


def test_a_command_gets_its_arguments_as_they_are_and_a_clean_environment(
    real: RealWorld, server: GitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_AGENT", "x")
    seen = tmp_path / "seen"
    script = f'for word in "$@"; do printf "%s\\n" "$word"; done > {seen}; env >> {seen}; cat >> {seen}; echo password={TOKEN}'
    arguments = ("$(touch /nonexistent/pwned)", "a  b", "it's", '"', "*", "")
    real.remote = replace(real.remote, credential_command=(*command(tmp_path, script), *arguments))
    assert isinstance(resolved(real), Resolved)
    lines = seen.read_text().splitlines()
    assert tuple(lines[: len(arguments)]) == arguments
    names = {line.partition("=")[0] for line in lines[len(arguments) :]}
    assert names <= {"PATH", "HOME", "USER", "LOGNAME", "LANG", "PWD", "OLDPWD", "SHLVL", "_"}


SPOKEN = "said-canary-77aa"


@pytest.mark.parametrize(
    ("script", "says"),
    [
        pytest.param(f"echo {SPOKEN}; echo {SPOKEN} >&2; exit 3", "ended with status 3", id="fails"),
        pytest.param(f"echo password={SPOKEN}; exit 1", "ended with status 1", id="fails after all"),
        pytest.param(f"echo password={SPOKEN}; kill -9 $$", "ended with signal 9", id="is killed"),
        pytest.param("exit 0", "no line `password=...`", id="says nothing"),
        pytest.param(f"echo {SPOKEN}", "no line `password=...`", id="prints the password alone"),
        pytest.param("echo password=", "no line `password=...`", id="empty password"),
        pytest.param("exec cat /dev/zero", "more than 64 KiB", id="never stops"),
    ],
)
def test_a_command_that_fails_is_said_without_its_words(real: RealWorld, server: GitServer, tmp_path: Path, script: str, says: str) -> None:
    problem = refused(real, credential_command=command(tmp_path, script))
    assert problem.code == "TS202"
    assert says in problem.message
    assert SPOKEN not in str(problem)
    assert set(server.seen) == {""}


@pytest.mark.parametrize("end", ["exit 3", f"echo password={TOKEN}"])
def test_nobody_hears_what_a_command_says_beside_its_answer(tmp_path: Path, end: str) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "TORCHSYNC_USERNAME": "bot",
        "TORCHSYNC_CREDENTIAL_COMMAND": command(tmp_path, f"echo {SPOKEN}; echo torchsync: {SPOKEN} >&2; {end}")[0],
    }
    helper = [sys.executable, "-I", "-S", gitcredential.__file__, "get"]
    done = subprocess.run(helper, env=environment, capture_output=True, text=True, check=True)
    assert SPOKEN not in done.stdout + done.stderr


def test_a_command_that_hangs_is_given_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gitcredential, "_PATIENCE", 0.3)
    with pytest.raises(gitcredential._Unanswered, match=r"did not end within 0\.3 s"):
        gitcredential._output(["/bin/sleep", "600"])
    with pytest.raises(gitcredential._Unanswered, match=r"did not end within 0\.3 s"):
        gitcredential._output(["/bin/sh", "-c", "exec >&-; exec sleep 600"])


def test_a_command_that_hangs_ends_with_the_deadline_of_git(real: RealWorld, server: GitServer, tmp_path: Path) -> None:
    real.remote = replace(real.remote, credential_command=command(tmp_path, "exec sleep 600"))
    real.source.resolve(real.remote)
    session = real.source._child.pid
    assert eventually(lambda: any(b"sleep" in line for line in commands_of(session)))
    real.expire()
    event = real.next_event()
    assert isinstance(event, ResolveFailed)
    assert event.problem.code == "TS204"
    assert eventually(lambda: session_members(session) == [])


def test_a_command_that_is_not_there_is_said(real: RealWorld, server: GitServer, tmp_path: Path) -> None:
    problem = refused(real, credential_command=(str(tmp_path / "nowhere"),))
    assert (problem.code, problem.path) == ("TS202", "repository.credential_command")


def test_a_command_that_cannot_be_started_is_said(real: RealWorld, server: GitServer, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/no/such/interpreter\n")
    broken.chmod(0o755)
    problem = refused(real, credential_command=(str(broken),))
    assert problem.code == "TS202"
    assert "cannot be started" in problem.message


def test_another_server_never_gets_what_the_command_printed(
    real: RealWorld, server: GitServer, certificate: Certificate, tmp_path: Path
) -> None:
    thief = GitServer(tmp_path, token="x", tls=certificate[1])
    server.redirect = thief.origin
    refused(real, credential_command=command(tmp_path, f"echo password={TOKEN}"))
    thief.close()
    assert thief.seen
    assert set(thief.seen) == {""}


# A proxy.


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[ProxyServer]:
    made = ProxyServer(tmp_path / "proxy")
    yield made
    made.close()


def test_a_repository_is_read_through_a_proxy(real: RealWorld, server: GitServer, proxy: ProxyServer, tmp_path: Path) -> None:
    real.remote = replace(real.remote, proxy=proxy.url, token_file=token_file(tmp_path, TOKEN.encode()))
    assert isinstance(resolved(real), Resolved)
    assert synced(real, Revision(real.repo.head)).verdict is Verdict.ACCEPTED
    log = proxy.log.read_text()
    assert log.count("CONNECT 127.0.0.1:") >= 2
    assert TOKEN not in log


def test_plain_http_goes_through_the_proxy_too(real: RealWorld, proxy: ProxyServer, tmp_path: Path) -> None:
    plain = GitServer(tmp_path)
    event = resolved(real, url=plain.url("tasks"), insecure=True, proxy=proxy.url)  # type: ignore[arg-type]  # a field of a remote
    plain.close()
    assert isinstance(event, Resolved)
    assert "GET http://127.0.0.1:" in proxy.log.read_text()


def test_without_a_proxy_in_the_settings_none_is_used(
    real: RealWorld, server: GitServer, proxy: ProxyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", proxy.url)
    monkeypatch.setenv("ALL_PROXY", proxy.url)
    assert isinstance(resolved(real, token_file=token_file(tmp_path, TOKEN.encode())), Resolved)
    assert "Request (file descriptor" not in proxy.log.read_text()


def test_a_proxy_has_no_exceptions(real: RealWorld, server: GitServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    problem = refused(real, proxy="http://127.0.0.1:1")
    assert problem.code == "TS201"
    assert "127.0.0.1 port 1" in problem.message
    assert server.seen == []


@pytest.fixture
def guarded(real: RealWorld, server: GitServer, tmp_path: Path) -> Iterator[ProxyServer]:
    """A proxy that lets only `bot` through, who says PASSWORD; the remote has its token, and is behind it."""
    with closing(ProxyServer(tmp_path / "guarded", password=PASSWORD)) as made:
        real.remote = replace(real.remote, proxy=made.url, token_file=token_file(tmp_path, TOKEN.encode()))
        yield made


def password_file(folder: Path, content: str) -> str:
    (folder / "password").write_text(content)
    return str(folder / "password")


def test_a_proxy_gets_the_password_in_a_file_which_is_read_again_at_each_sync(
    real: RealWorld, server: GitServer, guarded: ProxyServer, tmp_path: Path
) -> None:
    real.remote = replace(real.remote, proxy_username="bot", proxy_password_file=password_file(tmp_path, f"{PASSWORD}\n"))
    assert isinstance(resolved(real), Resolved)
    assert synced(real, Revision(real.repo.head)).verdict is Verdict.ACCEPTED
    password_file(tmp_path, "another")
    assert "refuses the credentials" in refused(real).message
    password_file(tmp_path, PASSWORD)
    assert isinstance(resolved(real), Resolved)


@pytest.mark.parametrize(
    ("user", "password", "says"),
    [
        pytest.param("bot", "wrong-canary-4410", "is behind a proxy that refuses the credentials", id="wrong password"),
        pytest.param("nobody", PASSWORD, "is behind a proxy that refuses the credentials", id="wrong user"),
        pytest.param("bot", "", "/password is empty", id="empty"),
        pytest.param("bot", "two\nlines", "/password holds more than one line", id="two lines"),
        pytest.param("", "", "is behind a proxy that refuses the credentials", id="none configured"),
    ],
)
def test_a_proxy_that_lets_nobody_through_is_said(guarded: ProxyServer, real: RealWorld, user: str, password: str, says: str) -> None:
    file = password_file(guarded.log.parent, password)
    problem = refused(real, proxy_username=user, proxy_password_file=file if user else "")
    assert problem.code == "TS202"
    assert says in problem.message
    assert "canary" not in str(problem)


def test_a_server_behind_a_proxy_that_lets_nobody_through_is_not_asked(real: RealWorld, server: GitServer, guarded: ProxyServer) -> None:
    assert "behind a proxy" in refused(real).message
    assert server.seen == []


def test_neither_the_proxy_nor_the_server_hears_the_secret_of_the_other(
    real: RealWorld, server: GitServer, guarded: ProxyServer, tmp_path: Path
) -> None:
    server.token = "another"
    problem = refused(real, proxy_username="bot", proxy_password_file=password_file(tmp_path, PASSWORD))
    assert "refuses the credentials" in problem.message
    assert "proxy" not in problem.message
    shown = "".join(server.seen)
    assert b64encode(f"git:{TOKEN}".encode()).decode() in shown
    assert b64encode(f"bot:{PASSWORD}".encode()).decode() not in shown
    assert TOKEN not in guarded.log.read_text()


def test_a_password_file_that_is_not_there_is_said(real: RealWorld, server: GitServer, guarded: ProxyServer) -> None:
    problem = refused(real, proxy_username="bot", proxy_password_file="/nonexistent/password")
    assert (problem.code, problem.path) == ("TS202", "repository.proxy_password_file")


def test_a_proxy_may_be_spoken_to_over_tls(
    real: RealWorld, server: GitServer, proxy: ProxyServer, certificate: Certificate, tmp_path: Path
) -> None:
    with tls_in_front_of(proxy.port, certificate[1]) as port:
        real.remote = replace(real.remote, proxy=f"https://127.0.0.1:{port}", token_file=token_file(tmp_path, TOKEN.encode()))
        assert isinstance(resolved(real), Resolved)
        assert refused(real, ca_file="").code == "TS210"
    assert "CONNECT 127.0.0.1:" in proxy.log.read_text()


class _PassOn(socketserver.BaseRequestHandler):
    """Hands everything over TLS to the port of this machine that the server is for, and back."""

    def handle(self) -> None:
        server: Any = self.server
        with (
            suppress(OSError),
            server.tls.wrap_socket(self.request, server_side=True) as front,
            socket.create_connection(("127.0.0.1", server.behind)) as back,
        ):
            there = threading.Thread(target=_copy, args=(front, back))
            there.start()
            _copy(back, front)
            there.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError, ValueError):
        while piece := source.recv(65_536):
            target.sendall(piece)
    with suppress(OSError, ValueError):
        target.shutdown(socket.SHUT_RDWR)


@contextmanager
def tls_in_front_of(port: int, tls: tuple[Path, Path]) -> Iterator[int]:
    """The port of a TLS server that hands everything to a port of this machine."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*tls)
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _PassOn) as server:
        server.tls, server.behind = context, port  # type: ignore[attr-defined]  # for the handler
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


# Plain ways, and servers in trouble.


def test_a_repository_is_read_over_git_where_that_is_permitted(real: RealWorld) -> None:
    with git_daemon(real.repo.folder.parent) as port:
        real.remote = replace(real.remote, url=f"git://127.0.0.1:{port}/tasks/.git")
        assert refused(real).code == "TS303"
        real.remote = replace(real.remote, insecure=True)
        assert isinstance(resolved(real), Resolved)
        assert synced(real, Revision(real.repo.head)).verdict is Verdict.ACCEPTED


def test_a_repository_that_a_git_daemon_does_not_have_is_said(real: RealWorld) -> None:
    with git_daemon(real.repo.folder.parent) as port:
        problem = refused(real, url=f"git://127.0.0.1:{port}/nowhere", insecure=True)
    assert problem.code == "TS201"
    assert "access denied or repository not exported" in problem.message


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_with_too_much_to_do_is_told_from_one_that_is_away(real: RealWorld, server: GitServer, status: int) -> None:
    server.turned_away = status
    event = resolved(real)
    assert isinstance(event, ResolveFailed)
    assert (event.problem.code, event.overloaded) == ("TS201", True)
    assert f"overloaded and wants to be asked later: The requested URL returned error: {status}" in event.problem.message
    answer = synced(real, Revision(real.repo.head))
    assert (answer.verdict, answer.overloaded) == (Verdict.UNAVAILABLE, True)


def test_a_server_that_is_broken_is_not_one_with_too_much_to_do(real: RealWorld, server: GitServer) -> None:
    server.turned_away = 500
    event = resolved(real)
    assert isinstance(event, ResolveFailed)
    assert (event.problem.code, event.overloaded) == ("TS201", False)
    assert not synced(real, Revision(real.repo.head)).overloaded


def test_certificates_that_are_not_there_are_said(real: RealWorld, server: GitServer) -> None:
    problem = refused(real, ca_file="/nonexistent/ca.pem")
    assert (problem.code, problem.path) == ("TS210", "repository.ca_file")


def test_a_git_daemon_that_says_nothing_costs_the_timeout_and_leaves_no_process(real: RealWorld) -> None:
    with tarpit() as port:
        real.source.resolve(replace(real.remote, url=f"git://127.0.0.1:{port}/x", insecure=True, timeout_ms=700))
        session = real.source._child.pid
        assert session_members(session)
        event = real.next_event()
    assert isinstance(event, ResolveFailed)
    assert (event.problem.code, event.timed_out) == ("TS204", True)
    assert eventually(lambda: session_members(session) == [])


def test_an_answer_that_drips_costs_the_timeout_and_leaves_no_process(real: RealWorld, certificate: Certificate) -> None:
    ca, pair = certificate
    with dripping(pair) as port:
        drip = replace(real.remote, url=f"https://127.0.0.1:{port}/x", ca_file=str(ca))
        real.source.resolve(drip)
        session = real.source._child.pid
        assert eventually(lambda: any(b"git-remote-https" in line for line in commands_of(session)))
        real.expire()
        event = real.next_event()
        assert isinstance(event, ResolveFailed)
        assert (event.problem.code, event.timed_out) == ("TS204", True)
        assert eventually(lambda: session_members(session) == [])
        real.remote = replace(drip, clone_timeout_ms=4_000)
        real.source.sync(request(real, Revision(real.repo.head)))
        session = real.source._child.pid
        answered = real.next_event()
        assert isinstance(answered, SyncAnswered)
        assert ([problem.code for problem in answered.answer.problems], answered.answer.git_timeouts) == (["TS204"], 1)
        assert eventually(lambda: session_members(session) == [])


@pytest.mark.parametrize("form", ["https://127.0.0.1:{port}/x", "git://127.0.0.1:{port}/x", "ssh://git@127.0.0.1:{port}/x"])
def test_git_ends_with_its_helpers_also_when_nobody_is_left_to_end_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.setattr(gitcommand, "_LAST_RESORT", 0)
    files = {"ssh_key": "/nonexistent", "known_hosts": "/dev/null"} if form.startswith("ssh") else {}
    with tarpit() as port:
        remote = RemoteSpec(url=form.format(port=port), insecure=True, timeout_ms=4_000, **files)
        call = gitcommand.ls_remote(remote, gitcommand.GitHome(folder=str(tmp_path), search_path=os.environ["PATH"]))
        process = subprocess.Popen(
            call.argv, env=call.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        assert eventually(lambda: len(session_members(process.pid)) >= 2)
        assert process.wait(60) != 0
        assert eventually(lambda: session_members(process.pid) == [])


def test_files_that_only_root_may_read_are_said_to_others(real: RealWorld, server: GitServer, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("only as an ordinary user: root reads everything")
    file = Path(token_file(tmp_path, TOKEN.encode()))
    file.chmod(0)
    problem = refused(real, token_file=str(file))
    assert (problem.code, problem.path) == ("TS202", "repository.token_file")
    assert stat.S_IMODE(file.stat().st_mode) == 0
