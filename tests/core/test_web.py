import json

import pytest

from tests.builders import NOON, busy_snapshot, snapshot
from torchsync.core.exposition import Format
from torchsync.core.web import PublicSurface, Request, is_own_name

NAMES = frozenset({"db-1", "db-1.example.org"})


def surface(one=None):
    return PublicSurface(
        read=lambda: one or busy_snapshot(),
        now=lambda: NOON,
        metrics=lambda form: f"torchsync_up 1 {form.name}\n".encode(),
        page=lambda snapshot, now, is_still: f"<h1>{snapshot.facts.name} at {now}{', still' if is_still else ''}</h1>",
        names=NAMES,
    )


def ask(path, method="GET", host="localhost:9747", one=None):
    return surface(one)(Request(method=method, path=path, host=host))


@pytest.mark.parametrize("path", ["/", "/metrics", "/healthz", "/readyz", "/api/v1/status", "/api/v1/tasks", "/api/v1/runs"])
def test_every_page_answers_to_get_and_head_and_to_nothing_else(path):
    assert ask(path).status == 200
    assert ask(path, "HEAD").status == 200
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        answer = ask(path, method)
        assert (answer.status, answer.headers) == (405, (("Allow", "GET, HEAD"),))


@pytest.mark.parametrize(
    "path",
    [
        "//",
        "/index.html",
        "/metrics/",
        "/api/v1/run",
        "/api/v1/sync",
        "/api/v1/history",
        "/api/v1/runs/019ab0cbb400-00000001",
        "/api/v1/status?x",
        "",
    ],
)
def test_there_is_nothing_else(path):
    assert ask(path).status == 404
    assert ask(path, "POST").status == 404


@pytest.mark.parametrize("form", Format)
def test_metrics_come_in_the_format_that_the_scraper_asks_for(form):
    answer = surface()(Request(method="GET", path="/metrics", headers={"accept": form.value}))
    assert (answer.content_type, answer.body) == (form.value, f"torchsync_up 1 {form.name}\n".encode())


def test_the_api_answers_in_json():
    answer = ask("/api/v1/status")
    assert (answer.content_type, json.loads(answer.body)["host"]) == ("application/json", "db-1")


def test_the_status_page_is_framed_by_nobody_and_may_be_asked_to_keep_still():
    answer = ask("/")
    assert (answer.content_type, answer.body) == ("text/html; charset=utf-8", f"<h1>db-1 at {NOON}</h1>".encode())
    assert ("Content-Security-Policy", "frame-ancestors 'none'") in answer.headers
    still = surface()(Request(method="GET", path="/", query={"still": ""}, host="localhost"))
    assert still.body == f"<h1>db-1 at {NOON}, still</h1>".encode()


def test_an_agent_that_has_not_synced_is_alive_but_not_ready():
    assert ask("/healthz", one=snapshot()).status == 200
    answer = ask("/readyz", one=snapshot())
    assert (answer.status, answer.body) == (503, b"no generation is in force yet\n")


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("localhost", True),
        ("localhost:9747", True),
        ("LocalHost.", True),
        ("127.0.0.1:9747", True),
        ("[::1]:9747", True),
        ("10.2.0.7", True),
        ("db-1:9747", True),
        ("DB-1.example.org", True),
        ("", True),
        ("evil.example.com", False),
        ("evil.example.com:9747", False),
        ("localhost.evil.example.com", False),
        ("127.0.0.1.evil.example.com", False),
        ("db-1.evil.example.com", False),
        ("[evil]", False),
        ("127.0.0.1@evil.example.com", False),
    ],
)
def test_only_names_of_this_host_and_addresses_are_answered(host, is_ours):
    assert is_own_name(host, NAMES) is is_ours
    assert (ask("/metrics", host=host).status == 200) is is_ours
    assert ask("/metrics", host=host).status in (200, 421)
