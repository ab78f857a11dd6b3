"""What can go wrong between us and a Prometheus. The real one is asked in `tests/cli/test_fleet_live.py`."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.promserver import PromServer
from torchsync.adapters.prometheus import Prometheus, basic, bearer
from torchsync.errors import NotFound, TorchsyncError, Unavailable, UsageError


@pytest.fixture(scope="module")
def server() -> Iterator[PromServer]:
    one = PromServer()
    yield one
    one.close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


def said(failing: type[TorchsyncError], url: str, **how) -> str:
    with pytest.raises(failing) as caught:
        Prometheus(url, **how).ask("up")
    return f"{caught.value.code} {caught.value.message}"


def test_a_question_is_answered(server: PromServer) -> None:
    answer = Prometheus(f"{server.url}/good/", authorization="Bearer s3cret").ask("up == 1")
    assert [(one.labels, one.value) for one in answer.samples] == [({"a": "b"}, 2.0)]
    assert ("api/v1/query", "Bearer s3cret", {"query": ["up == 1"]}) in server.asked  # Perhaps not as the last: an earlier one may be late.


@pytest.mark.parametrize(
    ("way", "told"),
    [
        ("bad", "it refuses the question (bad_data): parse error: ?[31mred"),
        ("late", "it refuses the question (timeout): query timed out"),
        ("page", "it is not the answer of a Prometheus"),
        ("other", "it is not the answer of a Prometheus"),
        ("gone", "it answers HTTP 404, which no Prometheus does at this address"),
        ("broken", "it answers HTTP 500"),
        ("locked", "it wants other credentials (HTTP 401): give --prometheus-token or --prometheus-login FILE"),
        ("moved", "it redirects to https://elsewhere.example.org/login: give the address of Prometheus itself"),
    ],
)
def test_what_is_wrong_with_an_answer_is_said(server: PromServer, way: str, told: str) -> None:
    text = said(Unavailable, f"{server.url}/{way}", authorization="Bearer s3cret")
    assert text.startswith(f"TS366 {server.url}/{way}: {told}")
    assert "s3cret" not in text


def test_an_answer_that_is_too_large_is_not_read(server: PromServer) -> None:
    assert "more than 0 MiB; ask for less with --task" in said(Unavailable, f"{server.url}/large", most=1024)


def test_a_server_that_does_not_answer_is_not_waited_for(server: PromServer) -> None:
    assert said(Unavailable, f"{server.url}/slow", seconds=0.2) == f"TS365 {server.url}/slow: it did not answer within 0.2 seconds"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://127.0.0.1:1", "it cannot be reached: Connection refused"),
        ("http://no-such-host.invalid", "its name cannot be looked up"),
    ],
)
def test_what_cannot_be_reached_is_said(url: str, told: str) -> None:
    assert said(Unavailable, url) == f"TS365 {url}: {told}"


def test_a_server_without_tls_is_said(server: PromServer) -> None:
    url = server.url.replace("http:", "https:")
    assert said(Unavailable, url) == f"TS365 {url}: it does not speak TLS as it should; is it http?"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "prometheus.example.org",
        "ftp://p",
        "http://",
        "http://p:99999",
        "http://p/?a=b",
        "http://p/#x",
        "http://[::1",
        "file:///etc/passwd",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    assert said(UsageError, url).startswith("TS357 --prometheus ")


def test_a_password_in_the_address_is_refused_without_being_told() -> None:
    text = said(UsageError, "https://bob:s3cret@p.example.org")
    assert "seen by everybody" in text
    assert "s3cret" not in text


# Credentials


def test_credentials_are_read_from_files(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("s3cret\n")
    assert bearer(str(file)) == "Bearer s3cret"
    file.write_text("bob:s3cret")
    assert basic(str(file)) == f"Basic {base64.b64encode(b'bob:s3cret').decode()}"


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines\n", b"t\xc3\xb6ken", b"a\x00b"])
def test_what_is_no_token_is_refused_without_being_told(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    with pytest.raises(UsageError, match="expected one line") as caught:
        bearer(str(file))
    assert caught.value.code == "TS367"
    assert "lines" not in caught.value.message


def test_a_login_has_a_name(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("s3cret")
    with pytest.raises(UsageError, match="of the form NAME:PASSWORD"):
        basic(str(file))


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="No such file") as caught:
        bearer(str(tmp_path / "secret"))
    assert caught.value.code == "TS367"


@pytest.mark.parametrize(
    ("url", "authorization", "is_so"),
    [
        ("http://p.example.org", "Bearer s3cret", True),
        ("http://p.example.org", "", False),
        ("https://p.example.org", "Bearer s3cret", False),
        ("http://[::1]:9090", "Bearer s3cret", False),
    ],
)
def test_credentials_that_others_can_read_are_known(url: str, authorization: str, is_so: bool) -> None:
    assert Prometheus(url, authorization=authorization).is_overheard is is_so
