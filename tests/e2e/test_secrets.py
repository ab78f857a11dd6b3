"""Planted secrets: an agent that uses them, and is turned away with them, leaves them nowhere: not in a command line, an environment, a file, a log,
a metric, a status or an error.
"""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from tests.e2e.host import Host, never, wait_for
from tests.gitserver import GitServer, make_certificate
from tests.proxyserver import ProxyServer
from tests.sshserver import SshServer

RIGHT, WRONG, PROXY = "glpat-canary-right-7c1d", "glpat-canary-wrong-90ab", "proxy-canary-e8f4"


class Watch:
    """Looks at every process of the machine, over and over, for the secrets; `found` names where one was, `seen` the programs that ran."""

    def __init__(self, secrets: Sequence[str]) -> None:
        encoded = [base64.b64encode(f"{user}:{secret}".encode()).decode() for secret in secrets for user in ("git", "bot")]
        self.secrets = [form.encode() for form in (*secrets, *encoded)]
        self.found: set[str] = set()
        self.seen: set[str] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def search(self, place: str, content: bytes) -> None:
        if any(secret in content for secret in self.secrets):
            self.found.add(place)

    def close(self) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        """Again and again at what has begun since; once at what ran before, which has its words and its environment since then."""
        before = processes()
        self._look_at(before)
        while not self._over.wait(0.002):
            self._look_at(processes() - before)

    def _look_at(self, pids: Collection[str]) -> None:
        for process in (Path("/proc", pid) for pid in pids):
            with suppress(OSError):
                words = (process / "cmdline").read_bytes()
                self.seen.add(words.partition(b"\0")[0].decode(errors="replace").rpartition("/")[2])
                self.search(f"the command line of {words[:60]!r}", words)
                self.search(f"the environment of {words[:60]!r}", (process / "environ").read_bytes())


def processes() -> set[str]:
    """The numbers of all there are."""
    return {name for name in os.listdir("/proc") if name.isdecimal()}  # noqa: PTH208 hundreds of names, again and again


@contextmanager
def watching(*secrets: str) -> Iterator[Watch]:
    with closing(Watch(secrets)) as watch:
        yield watch


def search_everywhere(watch: Watch, host: Host) -> None:
    """Everything that the agent wrote, and says to whoever asks."""
    for top in (host.state, host.run_folder):
        for folder, _, names in os.walk(top):
            for path in (Path(folder, name) for name in names):
                with suppress(OSError):  # gone meanwhile, or a socket
                    watch.search(str(path), path.read_bytes())
    watch.search("the log", host.log.read_bytes())
    for path in ("/metrics", "/", "/healthz", "/readyz", "/api/v1/status", "/api/v1/tasks", "/api/v1/runs"):
        watch.search(path, host.get(path)[1].encode())
    for words in (("status", "--json"), ("status",), ("history", "--json"), ("sync", "--wait")):
        done = host.torchsync(*words)
        watch.search(" ".join(words), (done.stdout + done.stderr).encode())


def has_told(host: Host, code: str) -> Callable[[], bool]:
    return lambda: any(problem["code"] == code for problem in (host.status()["sync"]["last"] or {}).get("problems", ()))


@pytest.fixture
def server(host: Host) -> Iterator[GitServer]:
    """An https server for the repository of the host, which goes by its CA; requests with credentials wait until its gate is open."""
    ca, pair = make_certificate(host.folder / "ca")
    made = GitServer(host.folder, token=RIGHT, tls=pair)
    host.configure(repository={"url": f"{made.origin}/tasks.git", "ca_file": str(ca)})
    made.gate.clear()
    yield made
    made.gate.set()
    made.close()


def web_settings(host: Host, server: GitServer, **access: object) -> None:
    host.configure(repository={"url": f"{server.origin}/tasks.git", "ca_file": str(host.folder / "ca/ca.pem"), **access})


def sync_well_then_badly(host: Host, server: GitServer, watch: Watch) -> None:
    """A sync with the right secret, held up while git has it in hand, and one whose secret the server does not take."""
    revision = host.tasks(one=never("true"))
    host.start()
    wait_for("git to show what it has", lambda: any(server.seen))
    wait_for("a look at it", lambda: "git-remote-https" in watch.seen)
    server.gate.set()
    host.wait_for_revision(revision)
    search_everywhere(watch, host)
    server.token = "another"
    wait_for("the refusal", has_told(host, "TS202"))
    search_everywhere(watch, host)


def test_a_token_is_found_nowhere(host: Host, server: GitServer) -> None:
    token = host.folder / "token"
    token.write_text(f"{RIGHT}\n")
    web_settings(host, server, token_file=str(token), username="bot")
    with watching(RIGHT, WRONG) as watch:
        sync_well_then_badly(host, server, watch)
        token.write_text(WRONG)
        before = len(server.seen)
        host.client.post("/api/v1/sync")  # By itself it tries later and later.
        wait_for("another try", lambda: any(server.seen[before:]))
        search_everywhere(watch, host)
    assert watch.found == set()


@pytest.fixture
def proxy(host: Host) -> Iterator[ProxyServer]:
    with closing(ProxyServer(host.folder / "proxy", password=PROXY)) as made:
        yield made


def test_what_a_credential_command_prints_and_the_password_of_a_proxy_are_found_nowhere(
    host: Host, server: GitServer, proxy: ProxyServer
) -> None:
    command = host.folder / "credentials"
    command.write_text(
        f'#!/bin/sh\nread -r secret < {host.folder}/secret\necho "$secret" >&2\necho username=bot\necho "password=$secret"\n'
    )
    command.chmod(0o755)
    (host.folder / "secret").write_text(f"{RIGHT}\n")
    (host.folder / "password").write_text(PROXY)
    to_proxy = {"proxy": proxy.url, "proxy_username": "bot", "proxy_password_file": str(host.folder / "password")}
    web_settings(host, server, credential_command=[str(command)], **to_proxy)
    with watching(RIGHT, PROXY) as watch:
        sync_well_then_badly(host, server, watch)
        command.write_text(f"#!/bin/sh\necho password=$(cat {host.folder}/secret)\nexit 3\n")
        host.client.post("/api/v1/sync")
        wait_for("the failure", lambda: "ended with status 3" in str(host.status()["sync"]["last"]))
        search_everywhere(watch, host)
        watch.search("the log of the proxy", proxy.log.read_bytes())
    assert watch.found == set()


def test_the_key_of_ssh_is_found_nowhere(host: Host) -> None:
    with closing(SshServer(host.folder / "sshd")) as sshd:
        lines = sshd.client_key.read_text().splitlines()[1:-1]
        revision = host.tasks(one=never("true"))
        host.configure(
            repository={"url": sshd.url(host.remote), "ssh_key": str(sshd.client_key), "known_hosts": str(sshd.known_hosts)},
        )
        with watching(*(line[10:50] for line in lines[2:-1])) as watch:
            host.start()
            host.wait_for_revision(revision)
            wait_for("a look at it", lambda: "ssh" in watch.seen)
            search_everywhere(watch, host)
            (sshd.folder / "authorized_keys").write_text("")
            wait_for("the refusal", has_told(host, "TS202"))
            search_everywhere(watch, host)
    assert watch.found == set()


def test_the_watch_finds_what_is_there() -> None:
    """The tests above can fail: a token in the environment of a process is found. It is not one of theirs: they may run at the same time."""
    planted = "glpat-canary-planted-3e52"
    with watching(planted) as watch, subprocess.Popen(["sleep", "60"], env={"PATH": "/usr/bin:/bin", "TOKEN": planted}) as process:
        wait_for("the find", lambda: bool(watch.found))
        process.kill()
    assert {place.partition(" of ")[0] for place in watch.found} == {"the environment"}
