"""What brings a sync before its time, on a whole host: the interval is an hour, so that nothing else does."""

import contextlib
import getpass
import hashlib
import hmac
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.host import ROOT, Document, Host, environment, free_port, git, never, wait_for
from torchsync.core.hookrhythm import LEAST_DISTANCE

SECRET = "0123456789abcdef0123456789abcdef"
NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
SOON = 60.0
"""Seconds: far below the interval, far above what a sync takes here."""


@pytest.fixture
def hooked(host: Host) -> Host:
    """A host in sync, which takes webhooks."""
    write_secret(host, SECRET)
    host.tasks(beat=never("true"))
    start(host)
    return host


def start(host: Host, **http: str | None) -> None:
    host.configure(repository={"interval": "1h", "watch": "off"}, http={"webhook_secret_file": str(host.folder / "secret"), **http})
    host.start()
    wait_for("the first sync", lambda: syncs(host) == 1)


def write_secret(host: Host, secret: str) -> None:
    path = host.folder / "secret"
    path.write_text(secret + "\n")
    path.chmod(0o600)


def syncs(host: Host) -> int:
    lines = host.get("/metrics")[1].splitlines()
    return sum(int(float(line.rsplit(" ", 1)[1])) for line in lines if line.startswith("torchsync_sync_total{"))


def push(host: Host, command: str = "false") -> tuple[str, bytes]:
    """A commit that is pushed, and what a forge says of it."""
    before = git("rev-parse", "HEAD", cwd=host.clone)
    after = host.tasks(beat=never(command))
    return after, b'{"ref": "refs/heads/main", "before": "%s", "after": "%s"}' % (before.encode(), after.encode())


def send(port: int, body: bytes, secret: str = SECRET, **headers: str) -> tuple[int, str]:
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    usual = {"Content-Type": "application/json", "X-GitHub-Event": "push", "X-Hub-Signature-256": f"sha256={signature}"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/hooks/push", body, {**usual, **headers}, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def codes(host: Host) -> list[str]:
    return [notice["code"] for notice in host.status()["notices"]]


def told_of_hooks(host: Host) -> list[str]:
    return [event["event"] for event in host.events() if event["event"].startswith("hook")]


# Webhooks.


def test_a_signed_webhook_brings_the_push_into_force_at_once_and_a_replay_one_sync_more_at_most(hooked: Host) -> None:
    pushed, body = push(hooked)
    status, text = send(hooked.port, body)
    assert (status, text) == (202, "a push to refs/heads/main brings a sync\n")
    wait_for("the push", lambda: hooked.revision() == pushed, SOON)
    before, begun = syncs(hooked), time.monotonic()
    assert [send(hooked.port, body)[0] for _ in range(10)] == [202] * 10
    wait_for("the sync of the replays", lambda: syncs(hooked) > before, SOON)
    time.sleep(1)
    assert syncs(hooked) - before <= 1 + (time.monotonic() - begun) / (LEAST_DISTANCE / 1000)
    assert hooked.revision() == pushed


def test_a_webhook_with_another_secret_is_refused_and_brings_no_sync(hooked: Host) -> None:
    _, body = push(hooked)
    assert send(hooked.port, body, "another secret of some length")[0] == 401
    assert send(hooked.port, body + b" ", **{"X-Hub-Signature-256": "sha256=" + "0" * 64})[0] == 401
    assert send(hooked.port, body, **{"X-GitHub-Event": "ping"})[0] == 202
    time.sleep(2)
    assert syncs(hooked) == 1
    wait_for("all three to be told", lambda: len(told_of_hooks(hooked)) >= 3)
    assert told_of_hooks(hooked) == ["hook_refused"] * 2 + ["hook_accepted"]
    assert SECRET not in hooked.log.read_text()


def test_a_body_of_thirty_mebibytes_is_refused_and_curl_says_so(hooked: Host) -> None:
    large = hooked.folder / "large"
    with large.open("wb") as file:
        file.truncate(30 * 1024 * 1024)
    words = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--data-binary", f"@{large}"]
    done = subprocess.run([*words, f"http://127.0.0.1:{hooked.port}/hooks/push"], capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout == "413", done.stderr
    assert hooked.get("/healthz")[0] == 200


def test_webhooks_have_an_address_of_their_own_if_wished_and_nothing_else_is_there(host: Host) -> None:
    write_secret(host, SECRET)
    host.tasks(beat=never("true"))
    port = free_port()
    start(host, hooks_listen=f"127.0.0.1:{port}")
    pushed, body = push(host)
    assert send(host.port, body)[0] == 404
    for path in ("/metrics", "/", "/api/v1/status", "/healthz"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60)
    assert host.get("/metrics")[0] == 200
    assert send(port, body)[0] == 202
    wait_for("the push", lambda: host.revision() == pushed, SOON)


def test_without_a_usable_secret_every_webhook_is_refused_until_there_is_one(host: Host) -> None:
    host.tasks(beat=never("true"))
    start(host)
    pushed, body = push(host)
    for secret in ("", SECRET):
        assert send(host.port, body, secret)[0] == 503
    wait_for("the notice", lambda: codes(host) == ["TS341"])
    write_secret(host, "short")
    assert send(host.port, body, "short")[0] == 503
    write_secret(host, SECRET)
    assert send(host.port, body)[0] == 202
    wait_for("the push", lambda: host.revision() == pushed, SOON)
    wait_for("the notice to go", lambda: codes(host) == [])


def test_webhooks_are_taken_and_given_up_by_a_reload(host: Host) -> None:
    write_secret(host, SECRET)
    host.tasks(beat=never("true"))
    start(host, webhook_secret_file=None)
    _, body = push(host)
    assert send(host.port, body)[0] == 404
    host.configure(repository={"interval": "1h", "watch": "off"}, http={"webhook_secret_file": str(host.folder / "secret")})
    assert host.torchsync("reload", "--wait").returncode == 0
    assert send(host.port, body)[0] == 202
    host.configure(repository={"interval": "1h", "watch": "off"})
    assert host.torchsync("reload", "--wait").returncode == 0
    assert send(host.port, body)[0] == 404


def test_the_manual_signs_a_webhook_that_is_accepted(host: Host) -> None:
    """Its last block of commands, with the paths and the port of this host."""
    write_secret(host, SECRET)
    host.tasks(beat=never("true"))
    port = free_port()
    start(host, hooks_listen=f"127.0.0.1:{port}")
    pushed, _ = push(host)
    script = block("sh").replace("/etc/torchsync/secrets/webhook", str(host.folder / "secret")).replace("9748", str(port))
    done = subprocess.run(["sh", "-e", "-c", script], env=environment(), capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout == "a push to refs/heads/main brings a sync\n", done.stderr
    wait_for("the push", lambda: host.revision() == pushed, SOON)


def test_the_proxy_of_the_manual_passes_webhooks_on_over_tls(host: Host) -> None:
    """A real nginx with the block of the manual: certificate, paths and ports are those of this host."""
    if NGINX is None:
        pytest.skip("needs nginx (Debian: nginx)")
    write_secret(host, SECRET)
    host.tasks(beat=never("true"))
    port, front = free_port(), free_port()
    start(host, hooks_listen=f"127.0.0.1:{port}")
    pushed, body = push(host)
    large = body[:-1] + b', "x": "' + b"x" * 2_000_000 + b'"}'
    with nginx(host.folder, block("nginx").replace("9748", str(port)).replace("443", f"127.0.0.1:{front}"), front):
        address = f"https://tasks.example.org:{front}/hooks/push"
        for one, secret, status in ((large, SECRET, "202"), (body, "another secret", "401"), (b"x" * 27_000_000, SECRET, "413")):
            (host.folder / "body").write_bytes(one)
            words = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", str(host.folder / "tasks.pem")]
            words += ["--resolve", f"tasks.example.org:{front}:127.0.0.1", "--data-binary", f"@{host.folder}/body"]
            signature = hmac.new(secret.encode(), one, hashlib.sha256).hexdigest()
            words += ["-H", f"X-Hub-Signature-256: sha256={signature}", address]
            done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120, env=environment())
            assert done.stdout == status, done.stderr
    wait_for("the push", lambda: host.revision() == pushed, SOON)


def block(language: str) -> str:
    """The last code block of the manual in this language, before it turns to answers."""
    page = (ROOT / "docs" / "how-to" / "webhooks.md").read_text()
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    return found[-1]


@contextlib.contextmanager
def nginx(folder: Path, server: str, port: int) -> Iterator[None]:
    """Serves the `server` block, with a certificate that is its own authority."""
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=tasks.example.org", "-addext", "subjectAltName=DNS:tasks.example.org"]
    subprocess.run([*words, *names, "-keyout", folder / "tasks.key", "-out", folder / "tasks.pem"], check=True, capture_output=True)
    temporary = "".join(f"{kind}_temp_path {folder}/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    settings = (
        f"daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log; events {{}} http {{ access_log off; {temporary} {server} }}"
    )
    config = folder / "nginx.conf"
    config.write_text((f"user {getpass.getuser()}; " if os.geteuid() == 0 else "") + settings.replace("/etc/ssl", str(folder)))
    assert NGINX is not None
    process = subprocess.Popen([NGINX, "-c", config, "-e", folder / "nginx.log"], stdin=subprocess.DEVNULL)
    try:
        wait_for("nginx to listen", lambda: is_open(port))
        yield
    finally:
        process.terminate()
        process.wait(60)


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


# Operators.


def test_what_was_pushed_right_before_a_sync_is_asked_for_is_in_force_when_the_command_returns(hooked: Host) -> None:
    for number in range(5):
        pushed, _ = push(hooked, f"exit {number}")
        assert hooked.torchsync("sync", "--wait").returncode == 0
        assert hooked.revision() == pushed


def test_a_sync_that_was_under_way_is_not_taken_for_the_one_that_was_asked_for(hooked: Host) -> None:
    """Pushes and syncs in parallel: one that is asked for while another resolves must still bring what was pushed before it."""
    noise = subprocess.Popen(
        [
            "sh",
            "-c",
            f"while :; do curl -sS --unix-socket {hooked.run_folder}/control.sock -X POST -d '{{}}' http://localhost/api/v1/sync; done",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for number in range(5):
            pushed, _ = push(hooked, f"exit {number}")
            assert hooked.torchsync("sync", "--wait").returncode == 0
            assert hooked.revision() == pushed
        wait_for("more syncs than were waited for", lambda: syncs(hooked) > 10)
    finally:
        noise.kill()
        noise.wait()


def test_a_sync_that_is_asked_for_does_not_wait_for_the_back_off(hooked: Host) -> None:
    away = hooked.folder / "away.git"
    hooked.remote.rename(away)
    for _ in range(4):
        assert hooked.torchsync("sync", "--wait").returncode == 69
    away.rename(hooked.remote)
    pushed, _ = push(hooked)
    assert hooked.torchsync("sync", "--wait").returncode == 0
    assert hooked.revision() == pushed


# Watches.


@pytest.mark.parametrize("watch", ["auto", "poll"])
def test_a_push_to_a_local_repository_is_in_force_at_once_also_after_it_was_replaced(host: Host, watch: str) -> None:
    first = host.tasks(beat=never("true"))
    host.configure(repository={"interval": "1h", "watch": watch})
    host.start()
    host.wait_for_revision(first)
    pushed, _ = push(host, "exit 1")
    host.wait_for_revision(pushed)
    copy = host.folder / "copy.git"
    shutil.copytree(host.remote, copy)
    shutil.rmtree(host.remote)
    copy.rename(host.remote)
    pushed, _ = push(host, "exit 2")
    host.wait_for_revision(pushed)


def test_a_configuration_behind_links_is_read_again_when_a_link_is_turned(host: Host) -> None:
    """As Kubernetes mounts it: agent.yaml leads through a link that is replaced."""
    documents = (host.config.read_text(), host.config.read_text().replace('"level": "debug"', '"level": "info"'))
    host.config.unlink()
    for number in range(4):
        (host.folder / f"..{number}").mkdir()
        (host.folder / f"..{number}" / "agent.yaml").write_text(documents[number % 2])
    (host.folder / "..data").symlink_to("..0")
    host.config.symlink_to("..data/agent.yaml")
    host.start()
    for number in (1, 2, 3):
        fresh = host.folder / "..fresh"
        fresh.symlink_to(f"..{number}")
        fresh.rename(host.folder / "..data")
        wait_for("the reload", lambda: reloads(host) == number)  # noqa: B023  called before the next turn


def reloads(host: Host) -> int:
    return len([event for event in host.events() if event["event"] == "config_reloaded"])


def test_another_local_repository_is_watched_from_the_reload_on(host: Host) -> None:
    first = host.tasks(beat=never("true"))
    host.configure(repository={"interval": "1h"})
    host.start()
    host.wait_for_revision(first)
    other = host.folder / "other.git"
    shutil.copytree(host.remote, other)
    repository: Document = {"interval": "1h", "url": f"file://{other}"}
    host.configure(repository=repository)
    assert host.torchsync("reload", "--wait").returncode == 0
    git("remote", "set-url", "origin", str(other), cwd=host.clone)
    pushed, _ = push(host, "exit 1")
    host.wait_for_revision(pushed)


def test_polling_needs_no_inotify(host: Host) -> None:
    host.tasks(beat=never("true"))
    host.configure(repository={"interval": "1h", "watch": "poll"})
    agent = host.start()
    descriptors = []
    for link in Path(f"/proc/{agent.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            descriptors.append(str(link.readlink()))
    assert descriptors
    assert not [found for found in descriptors if "inotify" in found]
