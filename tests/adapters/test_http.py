import contextlib
import gzip
import http.client
import os
import select
import shutil
import socket
import stat
import subprocess
import threading
import time

import pytest

from tests.builders import NOON, busy_snapshot, many_tasks
from tests.webserver import clients_may_take_their_time, looks_of_the_server
from torchsync.adapters import http as server_module
from torchsync.adapters.http import MOST_PARKED, Running, bind_tcp, bind_unix, close_all, own_names, serve
from torchsync.adapters.metrics import Exposition
from torchsync.core.exposition import Format
from torchsync.core.web import PublicSurface, Response
from torchsync.errors import Problem
from torchsync.pages.status import render_status


def public(one):
    return PublicSurface(
        read=lambda: one,
        now=lambda: NOON,
        metrics=Exposition(lambda: one).render,
        page=lambda snapshot, now, is_still: render_status(snapshot, now, is_still=is_still),
        names=own_names("db-1"),
    )


@contextlib.contextmanager
def serving(handler, bound=None, errors=None):
    bound = bound or bind_tcp("127.0.0.1:0")
    assert not isinstance(bound, Problem), bound
    running = serve(bound, handler, (errors if errors is not None else []).append)
    try:
        yield running
    finally:
        running.close()


class Stopping:
    """A server that is over once its neighbour was told to end as well."""

    def __init__(self):
        self.is_told, self.neighbour, self.met = threading.Event(), None, False

    def stop(self):
        self.is_told.set()
        self.met = self.neighbour.is_told.wait(60)


def test_servers_that_close_do_not_wait_for_each_other():
    one, other = Stopping(), Stopping()
    one.neighbour, other.neighbour = other, one
    close_all([Running(server, threading.current_thread(), "") for server in (one, other)], patience=60)
    assert (one.met, other.met) == (True, True)


def get(address, path, method="GET", body=None, **headers):
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=60)
    try:
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


def status_of(connection):
    """That of the answer, whose first line has arrived."""
    with connection.makefile("rb") as answer:
        return answer.readline().split()[1]


def connect(address):
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=60)


@pytest.fixture
def looks(monkeypatch):
    return looks_of_the_server(monkeypatch)


@pytest.fixture
def patient(monkeypatch):
    clients_may_take_their_time(monkeypatch)


@pytest.fixture
def address():
    with serving(public(busy_snapshot())) as running:
        yield running.address


def test_metrics_are_scraped(address):
    answer, body = get(address, "/metrics")
    assert (answer.status, answer.headers["Content-Type"]) == (200, Format.TEXT.value)
    assert b'torchsync_build_info{version="0.1.0"' in body
    assert answer.headers["Connection"] == "close"
    assert "cheroot" not in answer.headers["Server"].lower()


def test_a_scraper_that_takes_gzip_gets_the_same_text_packed(address):
    _, plain = get(address, "/metrics")
    answer, packed = get(address, "/metrics", **{"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed) == plain
    for refusing in ("gzip;q=0", "br, gzip; q=0.0", "identity, *;q=0"):
        answer, text = get(address, "/metrics", **{"Accept-Encoding": refusing})
        assert (answer.headers["Content-Encoding"], text) == (None, plain), refusing
    assert get(address, "/metrics", **{"Accept-Encoding": "deflate, GZIP;q=0.5"})[0].headers["Content-Encoding"] == "gzip"


def test_head_has_the_headers_of_get_and_no_body(address):
    answer, body = get(address, "/metrics", "HEAD")
    assert (answer.status, body) == (200, b"")
    assert int(answer.headers["Content-Length"]) == len(get(address, "/metrics")[1])


def test_other_methods_are_told_which_are_allowed(address):
    answer, _ = get(address, "/api/v1/status", "POST", body=b"{}")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_a_foreign_name_in_the_host_header_is_not_answered(address):
    answer, body = get(address, "/api/v1/status", Host="rebound.example.com:9747")
    assert answer.status == 421
    assert b"db-1" not in body


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        pytest.param(b"GET /metrics HTTP/1.0\r\n\r\n", b"200", id="http 1.0 without host"),
        pytest.param(b"BROKEN\r\n\r\n", b"400", id="no request line"),
        pytest.param(b"\r\n\r\n", b"400", id="nothing"),
        pytest.param(b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n", b"414", id="long path"),
        pytest.param(b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * 3_000 + b"\r\n", b"413", id="long head"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n", b"413", id="large body"),
        pytest.param(b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", b"404", id="dots"),
    ],
)
def test_odd_requests_get_an_answer_and_harm_nobody(address, raw, status):
    with connect(address) as connection:
        connection.sendall(raw)
        assert status_of(connection) == status
    assert get(address, "/healthz")[0].status == 200


def test_a_handler_that_fails_is_reported_and_the_next_request_is_served():
    errors = []

    def handler(request):
        if request.path == "/bad":
            raise ZeroDivisionError("on purpose")
        return Response(200, "text/plain", b"ok")

    with serving(handler, errors=errors) as running:
        assert get(running.address, "/bad")[0].status == 500
        assert get(running.address, "/good")[1] == b"ok"
    assert len(errors) == 1
    assert "on purpose" in errors[0]


def test_connections_that_never_finish_their_request_hold_nobody_up(patient, address):
    slow = [connect(address) for _ in range(MOST_PARKED + 40)]
    try:
        for number, connection in enumerate(slow):
            connection.sendall(b"GET /metrics HTTP/1.1\r\nX-Slow: "[: 1 + number % 30])
        for _ in range(3):
            for connection in slow:
                with contextlib.suppress(OSError):
                    connection.sendall(b"a")
            assert get(address, "/healthz")[0].status == 200
        closed, _, _ = select.select(slow, [], [], 60)
        assert closed, "the oldest give way"
        assert not set(closed) & set(slow[-MOST_PARKED // 2 :])
    finally:
        for connection in slow:
            connection.close()


def test_a_request_that_arrives_byte_by_byte_is_answered(patient, address):
    with connect(address) as connection:
        for byte in b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n":
            connection.sendall(bytes([byte]))
            select.select([connection], [], [], 0.002)
        assert status_of(connection) == b"200"


def test_a_slow_request_is_looked_at_when_bytes_of_it_arrive_and_not_besides(looks, patient, address):
    slow = [connect(address) for _ in range(20)]
    try:
        for number, connection in enumerate(slow):
            connection.sendall(b"GET /metrics HTTP/1.1\r\n"[number:])
        slow[0].shutdown(socket.SHUT_WR)
        for _ in range(10):  # Whoever answers them sees all that is ready meanwhile.
            assert get(address, "/healthz")[0].status == 200
        seen = len(looks)
    finally:
        for connection in slow:
            connection.close()  # which is looked at as well
    assert seen <= 2 * (20 + 10) + 1, "two for each, when it is accepted and when its bytes are there, and one for the end of the first"


def test_a_client_that_does_not_read_does_not_hold_others_up(patient):
    with serving(public(many_tasks(300))) as running:
        greedy = [connect(running.address) for _ in range(2)]
        try:
            for connection in greedy:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert get(running.address, "/healthz")[0].status == 200
        finally:
            for connection in greedy:
                connection.close()


def test_an_address_in_use_is_a_problem_not_an_error():
    with contextlib.closing(bind_tcp("127.0.0.1:0")) as first:
        port = first.getsockname()[1]
        problem = bind_tcp(f"127.0.0.1:{port}")
        assert isinstance(problem, Problem)
        assert (problem.code, problem.message) == ("TS340", f"cannot listen on 127.0.0.1:{port}: Address already in use")
    again = bind_tcp(f"127.0.0.1:{port}")
    assert not isinstance(again, Problem)
    again.close()


@pytest.mark.parametrize("listen", ["203.0.113.1:9747", "127.0.0.1:http-no-such", "no-such-host.invalid:80"])
def test_an_address_that_cannot_be_had_is_a_problem(listen):
    assert isinstance(bind_tcp(listen), Problem)


def test_a_closed_server_listens_no_more_and_leaves_no_thread():
    before = set(threading.enumerate())
    with serving(public(busy_snapshot())) as running:
        assert get(running.address, "/healthz")[0].status == 200
        begun = time.monotonic()
        close_all([running], patience=120)  # the usual moment may be too short here
        assert time.monotonic() - begun < 60
        with pytest.raises(OSError):
            connect(running.address)
    wait_until(lambda: set(threading.enumerate()) <= before)


def test_a_server_that_is_closed_before_it_has_begun_does_not_begin_later(monkeypatch):
    may_begin = threading.Event()
    prepare = server_module._Server.prepare
    monkeypatch.setattr(server_module._Server, "prepare", lambda server: (may_begin.wait(60), prepare(server)))
    before = set(threading.enumerate())
    with serving(public(busy_snapshot())) as running:
        running.close()
        may_begin.set()
    wait_until(lambda: set(threading.enumerate()) <= before)
    with pytest.raises(OSError):
        connect(running.address)


def wait_until(is_so):
    until = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < until
        select.select([], [], [], 0.02)


def test_a_request_under_way_does_not_keep_the_agent_from_ending():
    released = threading.Event()

    def handler(_):
        released.wait(120)
        return Response(200, "text/plain", b"late")

    with serving(handler) as running, connect(running.address) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        begun = time.monotonic()
        running.close()
        assert time.monotonic() - begun < 60
        released.set()


def test_a_socket_passed_by_a_unit_is_not_taken_for_ours(monkeypatch):
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    with serving(public(busy_snapshot())) as running:
        assert get(running.address, "/healthz")[0].status == 200


def test_ipv6_is_served_too():
    bound = bind_tcp("[::1]:0")
    if isinstance(bound, Problem):
        pytest.skip(f"no IPv6 here: {bound.message}")
    with serving(public(busy_snapshot()), bound), socket.create_connection(bound.getsockname()[:2], timeout=60) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: [::1]:9747\r\n\r\n")
        assert status_of(connection) == b"200"


# Unix sockets.


def test_a_unix_socket_has_its_mode_before_anybody_can_connect(tmp_path):
    path = tmp_path / "control.sock"
    with contextlib.closing(bind_unix(path, mode=0o660)) as bound:
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        with socket.socket(socket.AF_UNIX) as early, pytest.raises(ConnectionRefusedError):
            early.connect(str(path))
        bound.listen()


def test_a_stale_socket_is_replaced_and_a_live_one_is_not(tmp_path):
    path = tmp_path / "control.sock"
    first = bind_unix(path, mode=0o600)
    first.listen()
    problem = bind_unix(path, mode=0o600)
    assert isinstance(problem, Problem)
    assert problem.message == f"another agent listens on {path}"
    first.close()
    second = bind_unix(path, mode=0o600)
    assert not isinstance(second, Problem)
    second.close()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path):
    path = tmp_path / "control.sock"
    path.write_text("precious")
    assert isinstance(bind_unix(path, mode=0o600), Problem)
    assert path.read_text() == "precious"


def test_a_path_that_is_too_long_is_a_problem(tmp_path):
    assert isinstance(bind_unix(tmp_path / ("x" * 120), mode=0o600), Problem)


def test_the_handler_on_a_unix_socket_learns_its_peer(tmp_path):
    bound = bind_unix(tmp_path / "s", mode=0o600)
    seen = []

    def handler(request):
        seen.append(request)
        return Response(200, "text/plain", request.body())

    with serving(handler, bound), socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(tmp_path / "s"))
        connection.sendall(b"POST /x?a=1&b=%20 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody")
        answer = b""
        while piece := connection.recv(4096):
            answer += piece
    assert answer.endswith(b"\r\n\r\nbody")
    request = seen[0]
    assert (request.method, request.path, dict(request.query)) == ("POST", "/x", {"a": "1", "b": " "})
    assert request.peer.uid == os.getuid()
    assert {os.getgid(), *os.getgroups()} == set(request.peer.groups)


def test_curl_speaks_to_the_unix_socket(tmp_path):
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    bound = bind_unix(tmp_path / "s", mode=0o600)
    with serving(public(busy_snapshot()), bound):
        done = subprocess.run(
            ["curl", "-sS", "--unix-socket", tmp_path / "s", "http://localhost/api/v1/status"], capture_output=True, text=True, check=True
        )
    assert '"host": "db-1"' in done.stdout


def test_a_stream_that_its_reader_leaves_is_closed():
    closed = threading.Event()

    def endless():
        try:
            while True:
                yield b"x" * 65536
        finally:
            closed.set()

    with serving(lambda _: Response(200, "application/octet-stream", endless())) as running:
        connection = connect(running.address)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(100)
        connection.close()
        assert closed.wait(60)


def test_the_limits_are_what_the_manual_says():
    assert (server_module.TIMEOUT, server_module.MOST_HEAD, server_module.MOST_BODY) == (10, 16 * 1024, 64 * 1024)
