"""The server behind TLS: what waits, what breaks, and who is not held up by it."""

import contextlib
import http.client
import resource
import select
import socket
import ssl
import time
from dataclasses import dataclass

import pytest

from tests.certificates import Authority
from tests.webserver import clients_may_take_their_time, looks_of_the_server
from torchsync.adapters.http import MOST_PARKED, THREADS, bind_tcp, serve
from torchsync.adapters.tls import Front, TlsSocket, tls_on
from torchsync.core.web import Response
from torchsync.errors import Problem

LONG = b"x" * 300_000


@dataclass(frozen=True)
class Answer:
    """`subject` is the common name in the certificate of the server."""

    status: int
    body: bytes
    subject: str = ""
    version: str = ""


def ask(address, context, path="/", *, method="GET", body=None, headers=None):
    """The answer; without a context in plain. Raises OSError when there is none."""
    host, _, port = address.rpartition(":")
    kind = http.client.HTTPConnection(host, int(port), timeout=60)
    if context:
        kind = http.client.HTTPSConnection(host, int(port), timeout=60, context=context)
    with contextlib.closing(kind) as connection:
        try:
            connection.request(method, path, body=body, headers=headers or {})
            subject, version = _facts(connection.sock) if context else ("", "")
            answer = connection.getresponse()
            return Answer(answer.status, answer.read(), subject, version)
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from error


def _facts(tls):
    subject = dict(part[0] for part in tls.getpeercert()["subject"])
    return subject["commonName"], tls.version()


def wait_until(is_so):
    """The server tells of whom it refused after it has answered."""
    until = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < until
        select.select([], [], [], 0.01)


def connect(address):
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=60)


def echo(request):
    heard = request.headers.get("x-long", "").encode()
    return Response(200, "text/plain", request.body() if request.method == "POST" else heard or LONG)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def context(authority):
    pair = authority.issue("agent")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslsocket_class = TlsSocket
    context.load_cert_chain(pair.cert, pair.key)
    return context


@pytest.fixture
def refused():
    return []


@pytest.fixture
def errors():
    return []


@pytest.fixture
def looks(monkeypatch):
    return looks_of_the_server(monkeypatch)


@pytest.fixture
def patient(monkeypatch):
    clients_may_take_their_time(monkeypatch)


@pytest.fixture
def address(context, refused, errors):
    bound = bind_tcp("127.0.0.1:0")
    assert not isinstance(bound, Problem)
    front = Front(lambda connection: tls_on(context, connection), lambda address, why: refused.append((address, why)))
    running = serve(bound, echo, errors.append, front=front)
    yield running.address
    running.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_requests_and_answers_pass_whole_in_every_version_of_tls(address, authority, errors, version):
    trusting = authority.trusting()
    trusting.minimum_version = trusting.maximum_version = version
    body = bytes(range(256)) * 200
    assert ask(address, trusting, method="POST", body=body).body == body
    answer = ask(address, trusting)
    assert (answer.status, answer.body) == (200, LONG)
    assert answer.version == version.name.replace("_", ".")
    assert errors == []


def test_a_head_that_is_longer_than_a_buffer_is_read_whole(address, authority):
    long = "abcdefghij" * 1_200
    assert ask(address, authority.trusting(), headers={"X-Long": long}).body == long.encode()


def test_who_speaks_plain_http_is_told_to_speak_tls(address, refused):
    answer = ask(address, None)
    assert (answer.status, answer.body) == (400, b"this address speaks TLS: write https:// in place of http://\n")
    wait_until(lambda: refused == [("127.0.0.1", "http request")])


def test_a_client_that_does_not_know_the_ca_leaves_and_that_is_said(address, refused):
    with pytest.raises(ssl.SSLCertVerificationError):
        ask(address, ssl.create_default_context())
    wait_until(lambda: refused == [("127.0.0.1", "tlsv1 alert unknown ca")])


def test_noise_in_place_of_a_handshake_harms_nobody_and_is_no_error(address, authority, errors):
    for noise in (b"\x00" * 4000, b"\x16\x03\x01\xff\xff" + b"a" * 20_000, b"\x16\x03\x01\x00\x05hello", b"SSH-2.0-x\r\n", b""):
        with connect(address) as connection:
            connection.sendall(noise)
            connection.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionError):
                while connection.recv(4096):
                    pass
    assert ask(address, authority.trusting()).status == 200
    assert errors == []


def test_a_connection_that_breaks_in_the_middle_is_no_error(address, authority, errors):
    with connect(address) as raw, authority.trusting().wrap_socket(raw, server_hostname="localhost") as tls:
        tls.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n123")
        socket.socket.send(tls, b"this is no record of TLS")
        with contextlib.suppress(OSError):
            while tls.recv(4096):
                pass
    assert ask(address, authority.trusting()).status == 200
    assert errors == []


def test_a_handshake_and_a_request_that_come_byte_by_byte_are_answered(address, authority):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = authority.trusting().wrap_bio(incoming, outgoing, server_hostname="localhost")

    def trickle():
        for byte in outgoing.read():
            connection.sendall(bytes([byte]))

    with connect(address) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                trickle()
                incoming.write(connection.recv(65536))
        tls.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        trickle()
        while True:
            try:
                answer = tls.read(64)
                break
            except ssl.SSLWantReadError:
                incoming.write(connection.recv(65536))
    assert answer.startswith(b"HTTP/1.1 200")


@pytest.fixture
def many_files():
    """Room for the two ends of a thousand connections and more: a shell often grants 1,024 files only."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


MOST_LOOKS = 8
"""At a connection that makes a handshake and one request: when it is accepted, and for each piece that its end sends."""


@pytest.mark.usefixtures("many_files")
def test_a_thousand_connections_that_never_finish_their_handshake_hold_nobody_up(looks, patient, address, authority):
    hello = _client_hello(authority)
    slow, asked = [], 0
    try:
        for number in range(1000):
            slow.append(connect(address))
            slow[-1].sendall(hello[: (number % 4) * 40])
            if number % 50 == 0:
                assert ask(address, authority.trusting()).status == 200
                asked += 1
        for drip in range(3):
            for connection in slow[-MOST_PARKED:]:
                with contextlib.suppress(OSError):
                    connection.sendall(hello[200 + drip : 201 + drip])
            assert ask(address, authority.trusting()).status == 200
            asked += 1
    finally:
        for connection in slow:
            connection.close()
    assert len(looks) <= 3 * 1000 + 3 * MOST_PARKED + MOST_LOOKS * asked, (
        "three for each: it is accepted, its bytes are there, it gives way"
    )


def _client_hello(authority):
    outgoing = ssl.MemoryBIO()
    tls = authority.trusting().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def test_a_slow_handshake_or_request_is_looked_at_when_bytes_of_it_arrive_and_not_besides(looks, patient, address, authority):
    slow = [connect(address) for _ in range(20)]
    try:
        for connection in slow[:10]:
            connection.sendall(_client_hello(authority)[:100])
        slow[10:] = [authority.trusting().wrap_socket(connection, server_hostname="localhost") for connection in slow[10:]]
        for connection in slow[10:]:
            connection.sendall(b"GET / HTTP/1.1\r\n")
        for _ in range(20):  # Whoever answers them sees all that is ready meanwhile.
            assert ask(address, authority.trusting()).status == 200
    finally:
        for connection in slow:
            connection.close()
    assert len(looks) <= MOST_LOOKS * (20 + 20)


def test_clients_that_do_not_read_do_not_hold_others_up(patient, address, authority):
    greedy = []
    try:
        for _ in range(THREADS - 1):
            raw = connect(address)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            greedy.append(authority.trusting().wrap_socket(raw, server_hostname="localhost"))
            greedy[-1].sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert ask(address, authority.trusting()).status == 200
    finally:
        for connection in greedy:
            connection.close()
