"""The addresses of an agent, opened as the agent opens them."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adapters.test_tls import ask
from tests.builders import NOON, busy_snapshot
from tests.certificates import Authority
from tests.gitserver import free_port
from torchsync.adapters.certificates import TlsFiles
from torchsync.adapters.hookapi import HookSettings, HookSurface
from torchsync.adapters.statefile import StateDirectory
from torchsync.cli.secured import Secured, SecuritySettings
from torchsync.cli.surfaces import Listen, Surfaces
from torchsync.core.logevents import LogEvent
from torchsync.core.model import Millis
from torchsync.ports import HookReceived

SECRET = "0123456789abcdef0123456789abcdef"
BODY = b'{"ref": "refs/heads/main"}'


class Place:
    """The files of a host, and what its surfaces log and post."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "run").mkdir()
        self.store = StateDirectory(folder / "state", folder / "run")
        self.posted: list[object] = []
        self.logged: list[str] = []
        self.addresses = [f"127.0.0.1:{free_port()}" for _ in range(2)]
        self.secret = self.private("secret", SECRET)

    def private(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        return str(path)

    def log(self, event: LogEvent, message: str, /, **fields: object) -> None:
        self.logged.append(f"{event.label}: {message}")

    @contextlib.contextmanager
    def opened(self, settings: SecuritySettings, *, has_hooks: bool = False) -> Iterator[Surfaces]:
        secured = Secured(settings, log=self.log, now=lambda: NOON, monotonic=lambda: Millis(0))
        hooks = HookSurface(
            HookSettings(secret_file=self.secret, ref="main"), post=self.posted.append, log=self.log, monotonic=lambda: Millis(0)
        )
        surfaces = Surfaces(
            listen=Listen(public=self.addresses[0], hooks=self.addresses[1] if has_hooks else "", host="db-1", secured=secured),
            hooks=hooks,
            store=self.store,
            read=busy_snapshot,
            now=lambda: NOON,
            log=self.log,
        )
        surfaces.open(self.posted.append, Millis(0))
        try:
            yield surfaces
        finally:
            surfaces.close()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def push(address: str, context: ssl.SSLContext | None, secret: str = SECRET) -> int:
    signature = hmac.new(secret.encode(), BODY, hashlib.sha256).hexdigest()
    headers = {"X-Hub-Signature-256": f"sha256={signature}", "Content-Type": "application/json"}
    return ask(address, context, "/hooks/push", method="POST", body=BODY, headers=headers).status


def passwords(place: Place) -> str:
    done = subprocess.run(["openssl", "passwd", "-6", "-stdin"], input="right\n", capture_output=True, text=True, check=True)
    return place.private("passwords", f"prometheus:{done.stdout}")


def test_webhooks_need_neither_a_password_nor_a_certificate_and_nothing_else_is_let_in_with_them(place: Place) -> None:
    authority = Authority(place.folder / "ca")
    agent, client = authority.issue("agent"), authority.issue("prometheus", usage="clientAuth")
    public, hooks = place.addresses
    with place.opened(SecuritySettings(passwords=passwords(place))):
        assert (push(public, None), push(public, None, "wrong" * 8)) == (202, 401)
        assert [
            ask(public, None, path).status for path in ("/", "/healthz", "/metrics", "/hooks/", "/hooks/push/", "/hooks/../metrics")
        ] == [401] * 6
        assert [ask(public, None, path).status for path in ("/hooks%2fpush", "/metrics?/hooks/push")] == [401] * 2
    tls = TlsFiles(cert=str(agent.cert), key=str(agent.key), client_ca=str(authority.cert))
    with place.opened(SecuritySettings(tls=tls), has_hooks=True):
        assert push(hooks, authority.trusting()) == 202
        assert ask(hooks, authority.trusting(), "/metrics").status == 404
        assert ask(public, authority.trusting(client), "/metrics").status == 200
        with pytest.raises(OSError):
            ask(public, authority.trusting(), "/metrics")
    assert [type(event) for event in place.posted] == [HookReceived] * 2


def test_what_is_asked_follows_the_settings_and_what_is_wrong_with_them_is_a_notice(place: Place) -> None:
    public = place.addresses[0]
    with place.opened(SecuritySettings()) as surfaces:
        assert ask(public, None, "/healthz").status == 200
        assert surfaces._looking is not None
        surfaces._looking.join(60)  # while the first look goes on, there is no second one
        surfaces.secure(SecuritySettings(passwords=str(place.folder / "none")))
        surfaces.tick(Millis(1))
        surfaces._looking.join(60)
        assert [notice.code for notice in surfaces.notices()] == ["TS344"]
        assert ask(public, None, "/healthz").status == 503
