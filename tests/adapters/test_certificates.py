"""The certificate of the TCP addresses, with files that openssl writes."""

import contextlib
import os
import random
import shutil
import ssl
import subprocess
import time

import pytest

from tests.adapters.test_tls import ask, wait_until
from tests.certificates import Authority, openssl
from torchsync.adapters.certificates import Certificates, TlsFiles, load
from torchsync.adapters.http import bind_tcp, serve
from torchsync.core.certificate import NEVER, validity_of
from torchsync.core.logevents import LogEvent
from torchsync.core.model import Instant
from torchsync.core.web import Response
from torchsync.errors import Problem

DAY = 24 * 3600 * 1000


class Host:
    """The files of a host under names of their own, and who looks at them."""

    def __init__(self, folder, authority):
        self.folder, self.authority = folder, authority
        self.files = TlsFiles(cert=str(folder / "agent.pem"), key=str(folder / "agent.key"))
        self.logged, self.refused = [], []
        self.now = time.time_ns() // 1_000_000
        self.certificates = Certificates(self.files, log=self.log, now=lambda: Instant(self.now), on_refused=self.refused.append)

    def put(self, pair, *, cert=True, key=True):
        if cert:
            shutil.copy(pair.cert, self.files.cert)
        if key:
            shutil.copy(pair.key, self.files.key)

    def look(self):
        self.certificates.look()
        return [problem.code for problem in self.certificates.problems]

    def log(self, event, message, /, **fields):
        self.logged.append((event, message))

    def lines(self, event):
        return [message for one, message in self.logged if one is event]


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def first(authority):
    return authority.issue("first")


@pytest.fixture(scope="module")
def second(authority):
    return authority.issue("second")


@pytest.fixture
def host(tmp_path, authority):
    return Host(tmp_path, authority)


@contextlib.contextmanager
def listening(host, *, is_hooks=False):
    bound = bind_tcp("127.0.0.1:0")
    assert not isinstance(bound, Problem)
    front = host.certificates.front(is_hooks=is_hooks)
    running = serve(bound, lambda _: Response(200, "text/plain", b"here"), host.refused.append, front=front)
    try:
        yield running.address
    finally:
        running.close()


def shown(address, authority):
    """The name in the certificate that a client is shown."""
    return ask(address, authority.trusting()).subject


def test_a_renewed_certificate_is_shown_at_the_next_look(host, authority, first, second):
    host.put(first)
    assert host.look() == []
    with listening(host) as address:
        assert shown(address, authority) == "first"
        host.put(second)
        assert shown(address, authority) == "first"
        assert host.look() == []
        assert shown(address, authority) == "second"
    assert len(host.lines(LogEvent.HTTP_SECURED)) == 2
    assert host.look() == []
    assert len(host.lines(LogEvent.HTTP_SECURED)) == 2, "nothing has changed since"


def test_of_a_half_written_pair_nothing_is_told_at_first_and_the_old_one_stays(host, authority, first, second):
    host.put(first)
    host.look()
    with listening(host) as address:
        host.put(second, key=False)
        assert host.look() == []
        assert shown(address, authority) == "first"
        host.put(second)
        assert host.look() == []
        assert shown(address, authority) == "second"
    assert host.lines(LogEvent.HTTP_NOT_SECURED) == []


def test_a_pair_that_stays_half_written_is_told_once_until_it_is_whole(host, authority, first, second):
    host.put(first)
    host.look()
    host.put(second, key=False)
    validity = host.certificates.validity
    assert [host.look(), host.look(), host.look()] == [[], ["TS342"], ["TS342"]]
    assert host.certificates.validity == validity, "that of the one in force"
    told = f"{host.files.key} is not the key of the certificate in {host.files.cert}; the one read before stays in force"
    assert host.lines(LogEvent.HTTP_NOT_SECURED) == [told]
    host.put(second)
    assert host.look() == []
    assert len(host.lines(LogEvent.HTTP_SECURED)) == 2


def test_without_a_good_certificate_connections_are_closed_and_never_answered_in_plain(host, authority, first):
    assert host.look() == ["TS342"]
    with listening(host) as address:
        with pytest.raises(OSError):
            ask(address, authority.trusting())
        with pytest.raises(OSError):
            ask(address, None)
        host.put(first)
        host.look()
        assert ask(address, authority.trusting()).body == b"here"
    assert host.lines(LogEvent.HTTP_NOT_SECURED)[0].endswith(
        "agent.pem cannot be read: No such file or directory; connections are closed until it is right"
    )


def damaged(host, what):
    cert, key = host.folder / "agent.pem", host.folder / "agent.key"
    match what:
        case "open key":
            key.chmod(0o644)
        case "no key":
            key.write_text("secret text that nobody should see")
        case "no certificate":
            cert.write_bytes(b"")
        case "half a certificate":
            cert.write_bytes(cert.read_bytes()[:400])
        case "locked key":
            openssl("pkey", "-in", key, "-aes256", "-passout", "pass:x", "-out", cert.with_name("locked"))
            cert.with_name("locked").rename(key)
            key.chmod(0o600)
        case "pipe":
            key.unlink()
            os.mkfifo(key)
        case "folder":
            cert.unlink()
            cert.mkdir()


@pytest.mark.parametrize(
    ("what", "setting", "words"),
    [
        ("open key", "http.tls_key", "is open to every user of this host (mode 0644)"),
        ("no key", "http.tls_key", "holds no private key in PEM"),
        ("no certificate", "http.tls_cert", "holds no certificate in PEM"),
        ("half a certificate", "http.tls_cert", "cannot be used"),
        ("locked key", "http.tls_key", "is locked by a password"),
        ("pipe", "http.tls_key", "is no file"),
        ("folder", "http.tls_cert", "is no file"),
    ],
)
def test_what_is_wrong_with_the_files_is_said(host, first, what, setting, words):
    host.put(first)
    damaged(host, what)
    problem = load(host.files)
    assert isinstance(problem, Problem)
    assert (problem.code, problem.path) == ("TS342", setting)
    assert words in problem.message
    assert "secret text" not in str(problem)


def test_a_certificate_that_runs_out_is_told_while_it_and_after_it_does_and_stays_in_force(host, authority, first, second):
    host.put(first)
    assert host.look() == []
    host.now += 24 * DAY
    assert host.look() == ["TS343"]
    host.now += 7 * DAY
    assert host.look() == ["TS343"]
    soon, over = host.lines(LogEvent.CERTIFICATE_EXPIRES)
    assert "runs out in 5 days, on " in soon
    assert "ran out on " in over
    with listening(host) as address:
        assert shown(address, authority) == "first"
    host.now -= 31 * DAY
    host.put(second)
    assert host.look() == []


def test_what_openssl_says_of_the_validity_is_what_is_read(authority, first):
    for pair in (first, authority.pair):
        validity = validity_of(pair.cert.read_bytes())
        assert validity is not None
        assert days_of(validity) == 30
        assert abs(validity.begin - time.time() * 1000) < DAY


def test_it_is_known_when_the_certificate_in_force_is_good(host, authority, first):
    assert host.certificates.validity == NEVER
    host.look()
    assert host.certificates.validity == NEVER, "nothing is in force"
    host.put(first)
    host.look()
    assert host.certificates.validity == validity_of(first.cert.read_bytes())
    host.certificates.files = TlsFiles()
    host.look()
    assert host.certificates.validity == NEVER


def test_dates_past_2050_are_read_too(tmp_path):
    """RFC 5280: from then on they are written in another form."""
    validity = validity_of(Authority(tmp_path).issue("long", days=20_000).cert.read_bytes())
    assert validity is not None
    assert days_of(validity) == 20_000


def days_of(validity):
    """Openssl asks the clock for each end anew, so a second may have begun between the two."""
    days, more = divmod(validity.end - validity.begin, DAY)
    assert more < 60_000
    return days


def test_whatever_stands_in_a_certificate_reading_its_dates_raises_nothing(first):
    chance = random.Random(7)
    der = ssl.PEM_cert_to_DER_cert(first.cert.read_text())
    for _ in range(2_000):
        changed = bytearray(der)
        for _ in range(chance.randint(1, 4)):
            changed[chance.randrange(120)] = chance.randrange(256)
        validity_of(ssl.DER_cert_to_PEM_cert(bytes(changed[: chance.choice([len(der), chance.randrange(len(der))])])).encode())


def test_nothing_older_than_tls_1_2_is_spoken(host, first):
    host.put(first)
    host.look()
    with listening(host) as address:
        words = ["openssl", "s_client", "-connect", address, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60)
        wait_until(lambda: host.refused)
    assert done.returncode != 0
    assert "alert" in done.stderr
    assert [line.partition(" did not come to TLS: ")[2] for line in host.refused] == ["unsupported protocol"]


# Clients.


def test_with_a_ca_of_clients_only_those_with_a_certificate_of_it_get_in(host, authority, first, tmp_path):
    stranger = Authority(tmp_path / "strangers", "strangers").issue("prometheus", usage="clientAuth")
    expired = authority.issue("expired", days=-1, usage="clientAuth")
    server = authority.issue("other-server")
    prometheus = authority.issue("prometheus", usage="clientAuth")
    host.put(first)
    host.certificates.files = TlsFiles(cert=host.files.cert, key=host.files.key, client_ca=str(authority.cert))
    assert host.look() == []
    with listening(host) as address, listening(host, is_hooks=True) as hooks:
        assert ask(address, authority.trusting(prometheus)).body == b"here"
        for number, client in enumerate((None, stranger, expired, server), 1):
            with pytest.raises(OSError):
                ask(address, authority.trusting(client))
            wait_until(lambda number=number: len(host.refused) == number)
        assert ask(hooks, authority.trusting()).body == b"here", "no forge has a certificate"
    assert [line.partition(" did not come to TLS: ")[2] for line in host.refused] == [
        "peer did not return a certificate",
        "its certificate is not accepted: unable to get local issuer certificate",
        "its certificate is not accepted: certificate has expired",
        "its certificate is not accepted: unsuitable certificate purpose",
    ]


def test_a_ca_of_clients_that_cannot_be_read_lets_nobody_in_who_was_not_let_in_before(host, authority, first, tmp_path):
    host.put(first)
    host.look()
    host.certificates.files = TlsFiles(cert=host.files.cert, key=host.files.key, client_ca=str(tmp_path / "none.pem"))
    assert host.look() == ["TS342"]
    with listening(host) as address, pytest.raises(OSError):
        ask(address, authority.trusting())
    for nothing in ("nothing", "", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        (tmp_path / "none.pem").write_text(nothing)
        assert host.look() == ["TS342"]
        assert host.certificates.problems[0].message.startswith(f"{tmp_path}/none.pem holds no certificate in PEM")


def test_files_with_words_beside_the_certificates_are_taken(host, authority, first, tmp_path):
    """As bundles have them, in the letters of all countries."""
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes("# Zertifizierungsstelle für Prüfungen\n".encode() + authority.cert.read_bytes() + b"\n# \xff\n")
    host.put(first)
    chain = tmp_path / "agent.pem"
    chain.write_bytes("# größer\n".encode() + first.cert.read_bytes() + bundle.read_bytes())
    host.certificates.files = TlsFiles(cert=host.files.cert, key=host.files.key, client_ca=str(bundle))
    assert host.look() == []
    with listening(host) as address:
        assert ask(address, authority.trusting(authority.issue("client", usage="clientAuth"))).body == b"here"


def test_tls_is_switched_on_and_off_by_the_settings_alone(host, authority, first):
    host.put(first)
    host.look()
    with listening(host) as address:
        host.certificates.files = TlsFiles()
        host.look()
        assert ask(address, None).body == b"here"
        host.certificates.files = host.files
        host.look()
        assert ask(address, authority.trusting()).body == b"here"
