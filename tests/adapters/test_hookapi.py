"""Webhooks over real sockets: the handler behind the real server."""

import base64
import contextlib
import hashlib
import hmac
import http.client
import os
import select
import socket
import time

import pytest

from tests.webserver import clients_may_take_their_time
from torchsync.adapters import hookapi, wsgi
from torchsync.adapters.hookapi import AT_ONCE, MOST_BODY, MOST_KEPT, HookSettings, HookSurface, read_secrets
from torchsync.adapters.http import THREADS, bind_tcp, serve
from torchsync.core.flood import MOST_LINES
from torchsync.core.logevents import LogEvent
from torchsync.errors import Problem
from torchsync.ports import HookReceived

SECRET = b"0123456789abcdef0123456789abcdef"
BODY = b'{"ref": "refs/heads/main", "before": "%s", "after": "%s"}' % (b"1" * 40, b"2" * 40)
PUSHED = HookReceived(before="1" * 40, after="2" * 40)


class Door:
    """A surface that notes what it posts and logs."""

    def __init__(self, folder, ref="main", at_once=AT_ONCE):
        self.secret_file = folder / "secret"
        self.write(SECRET + b"\n")
        self.posted, self.logged = [], []
        self.now = 0
        settings = HookSettings(secret_file=str(self.secret_file), ref=ref)
        self.surface = HookSurface(settings, post=self.posted.append, log=self.log, monotonic=lambda: self.now, at_once=at_once)

    def write(self, secret):
        self.secret_file.write_bytes(secret)
        self.secret_file.chmod(0o600)

    def log(self, event, message, /, **fields):
        self.logged.append((event, message))

    def lines(self, event):
        return [message for one, message in self.logged if one is event]


@contextlib.contextmanager
def opened(door):
    bound = bind_tcp("127.0.0.1:0")
    assert not isinstance(bound, Problem), bound
    running = serve(bound, door.surface, lambda what: door.log(LogEvent.HTTP_FAILED, what), most_body=MOST_BODY)
    try:
        yield running.address
    finally:
        running.close()


@pytest.fixture
def patient(monkeypatch):
    """Slow senders have more time than a test takes."""
    clients_may_take_their_time(monkeypatch)
    monkeypatch.setattr(wsgi, "BODY_WITHIN", 3_600.0)


@pytest.fixture
def door(tmp_path):
    return Door(tmp_path)


@pytest.fixture
def address(door):
    with opened(door) as address:
        yield address


def signed(body=BODY, secret=SECRET, **more):
    return {"X-GitHub-Event": "push", "X-Hub-Signature-256": f"sha256={hmac.new(secret, body, hashlib.sha256).hexdigest()}", **more}


def connect(address):
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=60)


def send(address, headers, body=BODY, path="/hooks/push", method="POST"):
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=60)
    try:
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def head(headers, length):
    lines = ["POST /hooks/push HTTP/1.1", "Host: hooks.example.org", f"Content-Length: {length}"]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode()


def everything(connection):
    answer = b""
    with contextlib.suppress(OSError):
        while piece := connection.recv(4096):
            answer += piece
    return answer


# What is accepted.


def test_a_signed_push_asks_for_a_sync_whatever_name_it_calls_us(door, address):
    status, text = send(address, signed(Host="hooks.example.org"))
    assert (status, text) == (202, "a push to refs/heads/main brings a sync\n")
    assert door.posted == [PUSHED]
    assert door.lines(LogEvent.HOOK_ACCEPTED) == ["a push to refs/heads/main brings a sync"]


def test_what_needs_no_sync_is_accepted_and_brings_none(door, address):
    assert send(address, signed(**{"X-GitHub-Event": "ping"}))[0] == 202
    body = BODY.replace(b"heads/main", b"heads/other")
    status, text = send(address, signed(body), body)
    assert (status, text) == (202, "a push to refs/heads/other needs no sync, main is followed\n")
    assert door.posted == []


def test_a_replay_is_accepted_and_asks_once_more(door, address):
    assert [send(address, signed())[0] for _ in range(3)] == [202, 202, 202]
    assert door.posted == [PUSHED] * 3


def test_a_large_push_is_checked_whole_and_tells_no_commit(door, address):
    body = BODY[:-1] + b', "commits": "' + b"x" * (MOST_BODY - len(BODY) - 20) + b'"}'
    assert MOST_KEPT < len(body) <= MOST_BODY
    assert send(address, signed(body), body)[0] == 202
    assert send(address, signed(body), body[:-3] + b'y"}')[0] == 401
    assert door.posted == [HookReceived()]


def test_curl_that_asks_before_it_sends_is_told_to_go_on(door, address):
    body = b'{"a": "' + b"x" * 2_000_000 + b'"}'
    with connect(address) as connection:
        connection.sendall(head(signed(body, Expect="100-continue"), len(body)))
        assert connection.recv(64).startswith(b"HTTP/1.1 100")
        connection.sendall(body)
        assert everything(connection).startswith(b"HTTP/1.1 202")


def digest(body, key=SECRET):
    return hmac.new(key, body, hashlib.sha256)


SIGNING_KEY = b"0123456789abcdef0123456789abcdef"
SIGNING_TOKEN = b"whsec_" + base64.b64encode(SIGNING_KEY)
SIGNED_MESSAGE = base64.b64encode(digest(b"f5e5f430-f57b-4e6e-9fac-d9128cd7232f.1795435200." + BODY, SIGNING_KEY).digest()).decode()


@pytest.mark.parametrize(
    ("secret", "headers"),
    [
        pytest.param(
            SECRET,
            {
                "User-Agent": "GitHub-Hookshot/044aadd",
                "X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
                "X-GitHub-Event": "push",
                "X-Hub-Signature": f"sha1={hmac.new(SECRET, BODY, hashlib.sha1).hexdigest()}",
                "X-Hub-Signature-256": f"sha256={digest(BODY).hexdigest()}",
            },
            id="github",
        ),
        pytest.param(
            SECRET,
            {
                "X-Gitea-Event": "push",
                "X-Gitea-Signature": digest(BODY).hexdigest(),
                "X-Gogs-Event": "push",
                "X-Gogs-Signature": digest(BODY).hexdigest(),
                "X-GitHub-Event": "push",
                "X-Hub-Signature": f"sha1={hmac.new(SECRET, BODY, hashlib.sha1).hexdigest()}",
                "X-Hub-Signature-256": f"sha256={digest(BODY).hexdigest()}",
            },
            id="gitea",
        ),
        pytest.param(
            SIGNING_TOKEN,
            {
                "User-Agent": "GitLab/18.11.0",
                "Idempotency-Key": "f5e5f430-f57b-4e6e-9fac-d9128cd7232f",
                "X-Gitlab-Event": "Push Hook",
                "webhook-id": "f5e5f430-f57b-4e6e-9fac-d9128cd7232f",
                "webhook-timestamp": "1795435200",
                "webhook-signature": f"v1,{SIGNED_MESSAGE}",
            },
            id="gitlab",
        ),
        pytest.param(SECRET, {"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": SECRET.decode()}, id="gitlab by token"),
    ],
)
def test_what_a_forge_sends_is_accepted_and_with_another_body_it_is_not(door, address, secret, headers):
    door.write(secret)
    assert send(address, {"Content-Type": "application/json", **headers})[0] == 202
    assert door.posted == [PUSHED]
    if "X-Gitlab-Token" not in headers:
        assert send(address, headers, BODY + b" ")[0] == 401


# What is refused.


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        pytest.param({}, "not signed", id="unsigned"),
        pytest.param(signed(secret=SECRET[:-1]), "does not fit", id="another secret"),
        pytest.param(signed(BODY + b" "), "does not fit", id="another body"),
        pytest.param({"X-Gitlab-Token": "0123456789abcdef"}, "does not fit", id="part of the secret"),
        pytest.param({"X-Gitlab-Token": ""}, "does not fit", id="empty token"),
        pytest.param(signed(**{"X-Gitlab-Token": SECRET.decode()}), "two ways", id="two ways"),
    ],
)
def test_who_does_not_know_the_secret_gets_401_and_no_sync(door, address, headers, said):
    status, text = send(address, headers)
    assert status == 401
    assert said in text
    assert door.posted == []
    assert SECRET.decode() not in text + str(door.logged)


def test_a_signature_that_is_sent_twice_is_refused_whichever_of_them_is_right(door, address):
    good, bad = signed()["X-Hub-Signature-256"], "sha256=" + "0" * 64
    for first, second in ((good, bad), (bad, good), (good, good)):
        with connect(address) as connection:
            lines = f"X-Hub-Signature-256: {first}\r\nX-Hub-Signature-256: {second}\r\n"
            connection.sendall(head({}, len(BODY))[:-2] + lines.encode() + b"\r\n" + BODY)
            assert everything(connection).startswith(b"HTTP/1.1 401")
    assert door.posted == []


def test_only_a_post_to_the_path_is_taken(door, address):
    assert send(address, {}, None, method="GET")[0] == 405
    assert send(address, signed(), path="/metrics")[0] == 404
    assert send(address, signed(), path="/hooks/push/")[0] == 404
    assert door.posted == []


def test_a_body_of_thirty_mebibytes_is_refused_from_its_head(door, address):
    with connect(address) as connection:
        connection.sendall(head(signed(), 30 * 1024 * 1024))
        assert everything(connection).startswith(b"HTTP/1.1 413")
    with connect(address) as connection, contextlib.suppress(OSError):
        connection.sendall(head(signed(), 30 * 1024 * 1024))
        for _ in range(30):
            connection.sendall(b"x" * 1024 * 1024)
        raise AssertionError("everything was taken")
    assert send(address, signed())[0] == 202


def test_a_body_in_chunks_is_asked_for_its_length(door, address):
    with connect(address) as connection:
        connection.sendall(b"POST /hooks/push HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
        assert everything(connection).startswith(b"HTTP/1.1 411")


@pytest.mark.parametrize("length", ["-5", "5, 5", "five"])
def test_a_length_that_is_none_harms_nobody(door, address, length):
    with connect(address) as connection:
        connection.sendall(head(signed(), length) + b"hello")
        assert everything(connection).split()[1] in (b"400", b"401")
    assert send(address, signed())[0] == 202


def test_a_body_that_ends_early_is_refused(door, address):
    with connect(address) as connection:
        connection.sendall(head(signed(), len(BODY) + 10) + BODY)
        connection.shutdown(socket.SHUT_WR)
        assert everything(connection).startswith(b"HTTP/1.1 400")
    assert door.posted == []


def test_a_body_that_trickles_is_cut_when_its_time_is_over(door, address, monkeypatch):
    monkeypatch.setattr(wsgi, "BODY_WITHIN", 0.5)
    answers = (answer_to_a_trickle(address) for _ in range(10))
    assert next(answer for answer in answers if answer).startswith(b"HTTP/1.1 408")
    assert door.posted == []


def answer_to_a_trickle(address):
    """Empty when a byte came after the end: then the kernel throws away what was not read yet."""
    with connect(address) as connection, contextlib.suppress(OSError):
        connection.sendall(head(signed(), len(BODY)))
        for byte in BODY:
            if select.select([connection], [], [], 0.05)[0]:
                break
            connection.sendall(bytes([byte]))
        return everything(connection)
    return b""


def test_slow_senders_take_half_of_the_threads_and_no_more(door, patient):
    with opened(door) as address, contextlib.ExitStack() as stack:
        slow = [stack.enter_context(connect(address)) for _ in range(AT_ONCE)]
        for connection in slow:
            connection.sendall(head(signed(), len(BODY)))
        until = time.monotonic() + 60
        while (
            door.surface._slots._value and time.monotonic() < until
        ):  # one more request might be faster than they are, and take the place of one
            time.sleep(0.01)
        assert send(address, signed())[0] == 503
        assert send(address, {}, None, path="/other", method="GET")[0] == 404
        for connection in slow:
            connection.sendall(BODY)
            assert everything(connection).startswith(b"HTTP/1.1 202")
        assert send(address, signed())[0] == 202


def test_where_there_is_nothing_else_more_webhooks_than_threads_wait_for_their_turn(tmp_path, patient):
    door = Door(tmp_path, at_once=THREADS)
    with opened(door) as address, contextlib.ExitStack() as stack:
        connections = [stack.enter_context(connect(address)) for _ in range(3 * THREADS)]
        for connection in connections:
            connection.sendall(head(signed(), len(BODY)))
        for connection in connections:
            connection.sendall(BODY)
        assert {everything(connection).split()[1] for connection in connections} == {b"202"}
    assert len(door.posted) == 3 * THREADS


# The log.


def test_a_flood_of_refused_requests_leaves_a_few_lines_and_a_count(door, address):
    for _ in range(MOST_LINES + 20):
        assert send(address, {})[0] == 401
    assert len(door.lines(LogEvent.HOOK_REFUSED)) == MOST_LINES
    door.now = 60_000
    door.surface.look()
    assert door.lines(LogEvent.HOOK_REFUSED)[-1] == "20 more webhooks like those told before"


# The secret.


def test_a_secret_that_is_replaced_counts_from_the_next_request_on(door, address):
    fresh = b"fedcba9876543210"
    door.write(fresh)
    assert send(address, signed())[0] == 401
    assert send(address, signed(secret=fresh))[0] == 202


def test_while_a_secret_is_replaced_both_count_and_the_log_alone_says_which(door, address):
    fresh = b"fedcba9876543210"
    door.write(SECRET + b"\n" + fresh + b"\n")
    for secret in (SECRET, fresh):
        assert send(address, signed(secret=secret)) == (202, "a push to refs/heads/main brings a sync\n")
    said = "a push to refs/heads/main brings a sync (secret {} of 2)"
    assert door.lines(LogEvent.HOOK_ACCEPTED) == [said.format(1), said.format(2)]
    assert send(address, signed(secret=SECRET + b"\n" + fresh))[0] == 401
    door.write(fresh + b"\n")
    assert send(address, signed())[0] == 401
    assert door.posted == [PUSHED, PUSHED]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        pytest.param(lambda path: path.unlink(), "No such file", id="missing"),
        pytest.param(lambda path: path.write_bytes(b""), "holds no secrets", id="empty"),
        pytest.param(lambda path: path.write_bytes(b" \n"), "holds no secrets", id="blank"),
        pytest.param(lambda path: path.write_bytes(b"fifteen bytes..\n"), "15 bytes", id="short"),
        pytest.param(lambda path: path.write_bytes(b"x" * 5000), "5000 bytes in line 1", id="endless"),
        pytest.param(lambda path: path.write_bytes(SECRET + b"\nshort\n"), "5 bytes in line 2", id="short second"),
        pytest.param(lambda path: path.write_bytes(SECRET + b"\n" * 20_000 + SECRET), "more than", id="cut off"),
        pytest.param(lambda path: path.chmod(0o644), "open to every user", id="open to all"),
        pytest.param(lambda path: (path.unlink(), path.mkdir(0o700)), "is no file", id="folder"),
        pytest.param(lambda path: (path.unlink(), os.mkfifo(path, 0o600)), "is no file", id="pipe"),
        pytest.param(lambda path: (path.unlink(), path.symlink_to(path)), "symbolic links", id="loop"),
    ],
)
def test_without_a_good_secret_everything_is_refused_and_said_once_until_it_is_good_again(door, address, spoil, said):
    spoil(door.secret_file)
    assert send(address, signed())[0] == 503
    assert send(address, signed(b"", b""), b"")[0] == 503
    assert send(address, {"X-Gitlab-Token": ""})[0] == 503
    assert door.posted == []
    door.surface.look()
    door.surface.look()
    (line,) = door.lines(LogEvent.HOOKS_DISABLED)
    assert said in line
    assert door.surface.problem.code == "TS341"
    door.secret_file.rmdir() if door.secret_file.is_dir() else door.secret_file.unlink(missing_ok=True)
    door.write(SECRET)
    door.surface.look()
    assert door.surface.problem is None
    assert len(door.lines(LogEvent.HOOKS_ENABLED)) == 1
    assert send(address, signed())[0] == 202


def test_the_blanks_around_a_secret_are_not_part_of_it(tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(b"\n " + SECRET + b" \r\n")
    path.chmod(0o640)
    assert read_secrets(str(path)) == (SECRET,)


def test_without_a_secret_file_in_the_configuration_there_is_nothing_here(door, address):
    door.surface.settings = HookSettings(secret_file="", ref="main")
    assert send(address, signed())[0] == 404
    door.surface.look()
    assert door.surface.problem is None


def test_the_limits_are_what_the_manual_says():
    assert (hookapi.MOST_BODY, hookapi.MOST_KEPT, wsgi.BODY_WITHIN) == (25 * 1024 * 1024, 256 * 1024, 10.0)
