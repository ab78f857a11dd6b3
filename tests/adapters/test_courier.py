"""Notices to real servers and commands, by real processes."""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.adapters.contract_gitsource import eventually
from tests.builders import NOON, REVISION, TREE, task
from tests.gitserver import make_certificate
from tests.receiver import HookServer
from torchsync.adapters.child import session_members
from torchsync.adapters.clock import SystemClock
from torchsync.adapters.courier import ChildCourier, Folders, Patience
from torchsync.adapters.wakeups import SelectorWakeups
from torchsync.core.errand import Mail
from torchsync.core.model import Instant, Millis, Outcome, TaskName
from torchsync.core.notice import Notice, Place, notice_id, run_uuid
from torchsync.core.notify import NoticeCommand, NoticeEvent, Ping, Receiver, Webhook, WebhookFormat
from torchsync.core.postbox import Fate, Parcel, Result, line_of
from torchsync.ports import ParcelAnswered

ME = pwd.getpwuid(os.geteuid()).pw_name
QUICK = Patience(answer=Millis(1_000))
PATIENT = Patience(answer=Millis(20_000), command=Millis(20_000))


def notice(to: Receiver, event: NoticeEvent = NoticeEvent.FAILURE, number: int = 1, **changes) -> Notice:
    return Notice(
        **(
            {
                "id": notice_id(str(number), event.value),
                "event": event,
                "to": to,
                "task": TaskName("nightly"),
                "made_at": NOON,
                "host": "db-1",
                "user": ME,
                "run": "019f0000abcd-00000001",
                "outcome": Outcome.FAILED,
                "exit_status": 3,
                "revision": REVISION,
                "started_at": Instant(NOON - 5000),
                "finished_at": NOON,
                "place": Place(task("nightly", env={"LEVEL": "9"}), TREE, "019f0000abcd-00000001")
                if isinstance(to, NoticeCommand)
                else None,
            }
            | changes
        )
    )


class Office:
    """A courier and what it posts."""

    def __init__(self, folder: Path, patience: Patience = QUICK) -> None:
        self.wakeups = SelectorWakeups()
        self.trees = folder
        self.courier = ChildCourier(self.wakeups, SystemClock(), folders=Folders(folder, folder / "runs"), version="0.1", patience=patience)

    def send(self, *notices: Notice, **mail) -> list[Result]:
        self.start(*notices, **mail)
        return self.results()

    def start(self, *notices: Notice, **mail) -> None:
        self.courier.send(Parcel(line_of(notices[0]), notices), Mail(notices=notices, **mail) if mail else None)

    def results(self) -> list[Result]:
        (event,) = self.wakeups.wait(Millis(60_000))
        assert isinstance(event, ParcelAnswered)
        return list(event.results)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path)
    (tmp_path / TREE).mkdir()
    yield office
    office.courier.cancel()


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path, PATIENT)
    (tmp_path / TREE).mkdir()
    yield office
    office.courier.cancel()


@pytest.fixture
def server() -> Iterator[HookServer]:
    server = HookServer()
    yield server
    server.close()


def posted(office: Office, server: HookServer, way: str, *notices: Notice) -> list[Result]:
    url = server.url(way)
    return office.send(*(notices or (notice(Webhook(url=url)),)), url=url, hosts=(server.origin,))


def test_a_webhook_is_posted_with_the_id_of_the_notice(patient: Office, server: HookServer) -> None:
    sent = notice(Webhook(url=server.url()))
    assert posted(patient, server, "ok", sent) == [Result(notice=sent.id, fate=Fate.SENT)]
    (post,) = server.posts
    assert (post.target, post.headers["content-type"], post.headers["idempotency-key"]) == ("/ok", "application/json", sent.id)
    assert (post.headers["user-agent"], post.json["event"], post.json["exit_status"]) == ("torchsync/0.1", "failure", 3)


def test_slack_gets_a_text(patient: Office, server: HookServer) -> None:
    assert posted(patient, server, "ok", notice(Webhook(url="x", format=WebhookFormat.SLACK), detail="a <b> & c"))[0].fate is Fate.SENT
    (post,) = server.posts
    assert list(post.json) == ["text"]
    assert "nightly on db-1 failed with exit status 3: a &lt;b&gt; &amp; c" in str(post.json["text"])


def test_pings_tell_start_and_end_of_a_run_by_the_same_id(patient: Office, server: HookServer) -> None:
    url = server.url("ok/some-uuid?create=1")
    to = Ping(url=url)
    pings = (
        notice(to, NoticeEvent.START, outcome=None, exit_status=None),
        notice(to, NoticeEvent.FAILURE),
        notice(to, NoticeEvent.FAILURE, 2, outcome=Outcome.TIMED_OUT, exit_status=137),
        notice(to, NoticeEvent.FAILURE, 3, outcome=Outcome.FAILED, exit_status=0),
        notice(to, NoticeEvent.SUCCESS, outcome=Outcome.SUCCEEDED, exit_status=7),
    )
    results = patient.send(*pings, url=url, hosts=(server.origin,))
    assert [result.fate for result in results] == [Fate.SENT] * 5
    rid = f"?create=1&rid={run_uuid(pings[0].run)}"
    assert [post.target.removeprefix("/ok/some-uuid") for post in server.posts] == [
        f"/start{rid}",
        f"/3{rid}",
        f"/fail{rid}",
        f"/fail{rid}",
        rid,
    ]


@pytest.mark.parametrize(
    ("way", "fate", "why"),
    [
        pytest.param("accepted", Fate.SENT, "", id="another status that means yes"),
        pytest.param("silent-before-the-body", Fate.SENT, "", id="a body that never comes: the status is there"),
        pytest.param("floods", Fate.SENT, "", id="a body without an end is not read"),
        pytest.param("error", Fate.LATER, "the server answered 500", id="500"),
        pytest.param("gone", Fate.REFUSED, "the server answered 404", id="404"),
        pytest.param("elsewhere", Fate.REFUSED, "the server answered 301, a redirect, and none is followed", id="301"),
        pytest.param("elsewhere-again", Fate.REFUSED, "the server answered 307, a redirect, and none is followed", id="307"),
        pytest.param("reset", Fate.LATER, "the server cannot be reached: Connection reset by peer", id="a reset"),
        pytest.param("silent", Fate.LATER, "the server did not answer within 1 seconds", id="no answer"),
        pytest.param("silent-in-the-head", Fate.LATER, "the server did not answer within 1 seconds", id="half an answer"),
        pytest.param("drips", Fate.LATER, "the server did not answer within 1 seconds", id="an answer byte by byte"),
        pytest.param("endless-head", Fate.LATER, "the server broke off, or answered what is not HTTP", id="a header without an end"),
        pytest.param("garbage", Fate.LATER, "the server broke off, or answered what is not HTTP", id="no HTTP"),
        pytest.param("says-nothing", Fate.LATER, "the server broke off, or answered what is not HTTP", id="an early end"),
    ],
)
def test_whatever_a_server_does_comes_to_a_result(tmp_path: Path, server: HookServer, way: str, fate: Fate, why: str) -> None:
    (result,) = posted(Office(tmp_path, QUICK if "within" in why else PATIENT), server, way)
    assert (result.fate, result.why) == (fate, why)
    assert len(server.posts) == 1 or "within" in why, "on a busy machine the time may be over before it has asked"


def test_a_server_says_how_long_it_wants_to_be_left_alone(patient: Office, server: HookServer) -> None:
    assert posted(patient, server, "busy")[0].wait == 120_000
    assert posted(patient, server, "down-for-ever")[0].wait == 99_999_999_000
    assert posted(patient, server, "down-until")[0].wait > 10**12


def test_the_first_that_has_to_wait_ends_the_parcel(patient: Office, server: HookServer) -> None:
    several = [notice(Webhook(url="x"), number=number) for number in range(3)]
    (result,) = posted(patient, server, "error", *several)
    assert (result.notice, len(server.posts)) == (several[0].id, 1)


def test_a_port_where_nobody_listens(patient: Office) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    url = f"http://127.0.0.1:{port}/"
    (result,) = patient.send(notice(Webhook(url=url)), url=url, hosts=(f"http://127.0.0.1:{port}",))
    assert (result.fate, result.why) == (Fate.LATER, "the server cannot be reached: Connection refused")


def test_a_name_that_nobody_knows(office: Office) -> None:
    url = "https://no-such-host.invalid/"
    (result,) = office.send(notice(Webhook(url=url)), url=url)
    assert (result.fate, result.why) in [
        (Fate.LATER, "the name of the server cannot be looked up"),
        (Fate.LATER, "the server did not answer within 1 seconds"),
    ]


def test_a_private_ca_is_trusted_where_the_host_says_so(patient: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority, certificate = make_certificate(tmp_path / "tls")
    server = HookServer(certificate)
    url = server.url()
    (result,) = patient.send(notice(Webhook(url=url)), url=url)
    assert (result.fate, result.why) == (
        Fate.LATER,
        "the certificate of the server is not trusted: unable to get local issuer certificate",
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    assert patient.send(notice(Webhook(url=url)), url=url)[0].fate is Fate.SENT
    assert len(server.posts) == 1
    server.close()


def test_a_certificate_whose_time_is_over_is_not_trusted(patient: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority, certificate = make_certificate(tmp_path / "tls", days=-1)
    server = HookServer(certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    (result,) = patient.send(notice(Webhook(url=server.url())), url=server.url())
    assert (result.fate, result.why) == (Fate.LATER, "the certificate of the server is not trusted: certificate has expired")
    server.close()


def test_a_certificate_for_another_host_is_not_trusted(patient: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority, certificate = make_certificate(tmp_path / "tls", "127.0.0.2")
    server = HookServer(certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    (result,) = patient.send(notice(Webhook(url=server.url())), url=server.url())
    assert "IP address mismatch" in result.why
    server.close()


def test_a_server_without_tls_is_no_server_for_https(patient: Office, server: HookServer) -> None:
    url = server.url().replace("http:", "https:")
    (result,) = patient.send(notice(Webhook(url=url)), url=url)
    assert (result.fate, result.why) == (Fate.LATER, "the server does not speak TLS as it should")


def test_a_secret_address_is_read_each_time_and_shown_nowhere(patient: Office, server: HookServer, tmp_path: Path) -> None:
    secret, sent = tmp_path / "slack", notice(Webhook(secret="slack"))
    (result,) = patient.send(sent, secret_file=str(secret), hosts=(server.origin,))
    assert (result.fate, result.why) == (Fate.LATER, f"{secret} cannot be read, or is no file of one address")
    secret.write_text(f"{server.url('ok/T0K3N')}\n")
    secret.chmod(0o600)
    assert patient.send(sent, secret_file=str(secret), hosts=(server.origin,))[0].fate is Fate.SENT
    secret.write_text(server.url("elsewhere/T0K3N"))
    (result,) = patient.send(sent, secret_file=str(secret), hosts=(server.origin,))
    assert result.fate is Fate.REFUSED
    assert "T0K3N" not in result.why
    assert [post.target for post in server.posts] == ["/ok/T0K3N", "/elsewhere/T0K3N"]


@pytest.mark.parametrize("content", ["", "two words", "ftp://x/T0K3N", "https://user:T0K3N@x/", "https://x/\x01T0K3N", "x" * 5000])
def test_what_is_no_address_is_not_quoted(patient: Office, tmp_path: Path, content: str) -> None:
    secret = tmp_path / "slack"
    secret.write_text(content)
    (result,) = patient.send(notice(Webhook(secret="slack")), secret_file=str(secret))
    assert result.fate is Fate.LATER
    assert str(secret) in result.why
    assert "T0K3N" not in result.why


def test_a_secret_address_goes_unencrypted_only_where_the_host_allows_it(patient: Office, server: HookServer, tmp_path: Path) -> None:
    (tmp_path / "slack").write_text(server.url())
    (result,) = patient.send(notice(Webhook(secret="slack")), secret_file=str(tmp_path / "slack"))
    assert "is not encrypted" in result.why
    assert server.connections == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only as root: another user cannot become nobody")
def test_root_speaks_to_a_server_as_nobody(patient: Office, server: HookServer) -> None:
    url = server.url("silent")
    patient.start(notice(Webhook(url=url)), url=url, hosts=(server.origin,))
    (child,) = patient.courier._children.values()
    while not server.posts:
        assert not patient.wakeups.wait(Millis(20))
    status = Path(f"/proc/{child.pid}/status").read_text()
    assert "Uid:\t65534\t65534\t65534\t65534" in status
    assert "Groups:\t \n" in status


def test_everything_ends_when_the_agent_has_gone(patient: Office, server: HookServer) -> None:
    url = server.url("silent")
    patient.start(notice(Webhook(url=url)), url=url, hosts=(server.origin,))
    (child,) = patient.courier._children.values()
    while not server.posts:
        patient.wakeups.wait(Millis(20))
    assert child._process.stdin is not None
    child._process.stdin.close()
    (result,) = patient.results()
    assert (result.fate, result.why) == (Fate.LATER, "the process that sends notices ended with status 1")


# Commands.


def call(office: Office, script: str, **changes) -> Result:
    (result,) = office.send(notice(NoticeCommand(("/bin/sh", "-c", script)), **changes))
    return result


def test_a_command_runs_in_the_tree_and_knows_what_happened(patient: Office, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = call(patient, f"{{ pwd; id -un; env; }} >{out}", detail="no space left", failures=2)
    assert result.fate is Fate.SENT, result.why
    folder, user, *lines = out.read_text().splitlines()
    assert (folder, user) == (str(tmp_path / TREE), ME)
    environment = dict(line.split("=", 1) for line in lines if "=" in line)
    told = {name.removeprefix("TORCHSYNC_"): value for name, value in environment.items() if name.startswith("TORCHSYNC_")}
    assert (told["EVENT"], told["TASK"], told["OUTCOME"], told["EXIT_STATUS"], told["FAILURES"]) == (
        "failure",
        "nightly",
        "failed",
        "3",
        "2",
    )
    assert told["TEXT"] == "nightly on db-1 failed with exit status 3: no space left (2 in a row)"
    assert told["FINISHED_AT"] == "2026-11-23T12:00:00Z"
    assert (environment["LEVEL"], environment["LANG"]) == ("9", "C.UTF-8")


def test_a_command_may_read_what_the_run_wrote_and_nothing_beside_it(patient: Office, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "019f0000abcd-00000001"
    folder.mkdir(parents=True, mode=0o700)
    (folder / "output").write_text("one\ntwo\n")
    out = tmp_path / "out"
    assert call(patient, f'tail -n 1 "$TORCHSYNC_OUTPUT" >{out}').fate is Fate.SENT
    assert out.read_text() == "two\n"


def test_a_command_reads_nothing_where_no_output_was_kept(patient: Office, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert call(patient, f'cat "$TORCHSYNC_OUTPUT" >{out}').fate is Fate.SENT
    assert call(patient, f'cat "$TORCHSYNC_OUTPUT" >>{out}', run="", place=Place(task(), TREE)).fate is Fate.SENT
    assert out.read_text() == ""


@pytest.mark.parametrize(
    ("script", "fate", "why"),
    [
        pytest.param(
            "echo first; echo 'cannot connect' >&2; exit 3", Fate.REFUSED, "it ended with exit status 3: cannot connect", id="a failure"
        ),
        pytest.param("exit 75", Fate.LATER, "it asks to be run again (exit status 75)", id="a wish to be run again"),
        pytest.param("kill -SEGV $$", Fate.REFUSED, "it ended with exit status 139", id="a signal"),
        pytest.param("trap '' TERM; sleep 100 & wait", Fate.REFUSED, "it took too long and was killed", id="one that does not end"),
        pytest.param("head -c 5000000 /dev/zero; echo; exec false", Fate.REFUSED, "it ended with exit status 1", id="one that writes much"),
        pytest.param("yes 2>/dev/null", Fate.REFUSED, "it took too long and was killed", id="one that writes for ever"),
        pytest.param("sleep 100 & exit 0", Fate.SENT, "", id="one that leaves something behind"),
    ],
)
def test_whatever_a_command_does_comes_to_a_result(tmp_path: Path, script: str, fate: Fate, why: str) -> None:
    (tmp_path / TREE).mkdir()
    result = without_end(tmp_path, script) if "too long" in why else call(Office(tmp_path, PATIENT), script)
    assert (result.fate, result.why) == (fate, why)


def without_end(folder: Path, script: str, done: Path | None = None) -> Result:
    """What becomes of a command that does not end, after it has made the file `done`. On a busy machine it may not have begun when a short time is
    over: then it gets a longer one.
    """
    for seconds in (2, 30):
        result = call(Office(folder, Patience(command=Millis(seconds * 1000))), script)
        if result.fate is not Fate.LATER and (done is None or done.exists()):
            break
    return result


def test_a_command_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    (tmp_path / TREE).mkdir()
    pids = tmp_path / "pids"
    script = f"(trap '' TERM; echo $$ >{pids}.new; mv {pids}.new {pids}; sleep 300) & wait"
    assert without_end(tmp_path, script, pids).fate is Fate.REFUSED
    assert eventually(lambda: session_members(int(pids.read_text())) == [])


def test_a_command_that_is_not_there_was_not_begun(patient: Office) -> None:
    (result,) = patient.send(notice(NoticeCommand(("./scripts/nothing.sh",))))
    assert (result.fate, result.why) == (Fate.REFUSED, "no such program: ./scripts/nothing.sh")


def test_a_user_that_is_not_there_runs_nothing(patient: Office) -> None:
    (result,) = patient.send(replace(notice(NoticeCommand(("true",))), user="no-such-user"))
    assert (result.fate, result.why) == (Fate.REFUSED, "this host has no user 'no-such-user'")


@pytest.mark.skipif(os.geteuid() != 0, reason="only as root: another user cannot become nobody")
def test_root_runs_the_command_of_a_user_as_that_user(open_folder: Path) -> None:
    patient = Office(open_folder, PATIENT)
    (open_folder / TREE).mkdir()
    out = open_folder / "out"
    out.touch()
    out.chmod(0o666)
    output = open_folder / "runs" / "019f0000abcd-00000001" / "output"
    output.parent.mkdir(parents=True)
    output.write_text("written by nobody")
    output.chmod(0o600)
    os.chown(output, 65534, 65534)
    (open_folder / "runs").chmod(0o700)
    script = f'id -u >{out}; id -G >>{out}; ls /proc/self/fd >>{out}; cat "$TORCHSYNC_OUTPUT" >>{out}; cat {output} >>{out}'
    result = call(patient, script, user="nobody")
    assert (result.fate, result.why.rpartition(": ")[2]) == (Fate.REFUSED, "Permission denied")
    assert out.read_text().split() == ["65534", "65534", "0", "1", "2", "3", "5", "written", "by", "nobody"]
