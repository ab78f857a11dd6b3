"""The OpenAPI documents and the surfaces they are of say the same: each is asked over a real socket, and each answer held against its document."""

from __future__ import annotations

import http.client
import json
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.adapters.test_controlapi import OLD_RUN, ROOT, Agent
from tests.builders import HOUR, NOON, busy_snapshot, run_id, snapshot
from torchsync.adapters import controlapi
from torchsync.adapters.http import bind_tcp, serve
from torchsync.adapters.passwordgate import PasswordGate
from torchsync.core import control, web
from torchsync.core.control import Ask
from torchsync.core.model import Instant, Millis
from torchsync.core.snapshot import Snapshot
from torchsync.core.syncdoc import SyncOutcome, SyncResult
from torchsync.core.web import Handler, PublicSurface, Request, Response
from torchsync.errors import Problem
from torchsync.pages.status import render_status

Json = dict[str, Any]

PRIVATE = {
    "command",
    "env",
    "env_file",
    "path",
    "output",
    "actor",
    "user",
    "working_dir",
    "detail",
    "message",
    "sentence",
    "hint",
    "tree",
    "facts",
}
STALE = replace(busy_snapshot(), last_tick=Instant(NOON - HOUR))


def document(name: str) -> Json:
    found: Json = json.loads((files("torchsync") / "schemas" / f"{name}.json").read_text())
    return found


PUBLIC, CONTROL = document("openapi"), document("openapi-control")
both = pytest.mark.parametrize("described", [PUBLIC, CONTROL], ids=["public", "control"])


@dataclass
class Server:
    """A surface behind a socket. What is shown can be exchanged."""

    described: Json
    address: str = ""
    shown: Snapshot = busy_snapshot()

    def ask(self, method: str, path: str, body: object = None, host: str = "localhost", password: str = "") -> tuple[int, str, bytes]:
        told = {"Authorization": f"Basic {b64encode(f'user:{password}'.encode()).decode()}"} if password else {}
        connection = http.client.HTTPConnection(self.address, timeout=30)
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, body=content, headers={"Host": host, **told})
            answer = connection.getresponse()
            return answer.status, answer.headers["Content-Type"], answer.read()
        finally:
            connection.close()

    def holds(self, method: str, path: str, body: object = None, *, template: str = "", host: str = "localhost", password: str = "") -> int:
        """The status of the answer, which is one that the document describes, and so is its content."""
        status, kind, content = self.ask(method, path, body, host, password)
        described = self.described["paths"][template or path][method.lower()]["responses"][str(status)]["content"]
        assert kind.partition(";")[0] in described
        if schema := described[kind.partition(";")[0]].get("schema"):
            errors = list(Draft202012Validator({**schema, "components": self.described["components"]}).iter_errors(json.loads(content)))
            assert [f"{error.json_path}: {error.message}" for error in errors] == []
        return status


def serving(described: Json, handler: Handler) -> Iterator[Server]:
    bound = bind_tcp("127.0.0.1:0")
    assert not isinstance(bound, Problem)
    running = serve(bound, handler, print)
    try:
        yield Server(described, running.address)
    finally:
        running.close()


@pytest.fixture
def gate() -> PasswordGate:
    """Asks for nothing until a test names a file, and finds every password wrong."""
    return PasswordGate(
        "",
        find_check=lambda: lambda _password, _digest: False,
        log=lambda _event, _message, **_: None,
        monotonic=lambda: Millis(0),
        on_refused=lambda _: None,
    )


@pytest.fixture
def public(gate: PasswordGate) -> Iterator[Server]:
    surface = PublicSurface(
        read=lambda: found[0].shown,
        now=lambda: NOON,
        metrics=lambda _: b"up 1\n",
        page=lambda one, now, is_still: render_status(one, now, is_still=is_still),
        names=frozenset(),
    )
    found: list[Server] = []
    for server in serving(PUBLIC, gate.guard(surface)):
        found.append(server)
        yield server


class Loop(Agent):
    """Answers each request as the loop does."""

    def post(self, ask: Ask) -> None:
        ask.reply.put(self.answer(ask.request))

    def answer(self, request: control.Request) -> control.Answer:
        found = control.held(["it is so"], 7)
        match request:
            case control.RunTask(task=task):
                others = {"unknown": control.not_found("no such task"), "busy": control.conflict("it runs already")}
                found = others.get(task, control.run_started(run_id()))
            case control.StopRuns():
                found = control.runs_stopping([run_id()])
            case control.SyncNow() | control.Reload():
                found = control.ticket_given(7, waits=5, paused="held")
            case control.SyncProgress(ticket=ticket):
                found = control.pending(ticket) if ticket == 1 else control.sync_done(ticket, SYNCED)
            case control.ReloadProgress(ticket=ticket):
                found = control.reload_done(ticket, [Problem(code="TS301", message="no")])
        return found


SYNCED = SyncResult(outcome=SyncOutcome.UNCHANGED, sentence="so", started_at=NOON, finished_at=NOON)


@pytest.fixture
def operator() -> Iterator[Server]:
    """The control socket, as root sees it; over TCP, so that there is one way to ask."""
    surface = Loop().surface()

    def as_root(request: Request) -> Response:
        return surface(replace(request, peer=ROOT))

    yield from serving(CONTROL, as_root)


@both
def test_every_part_is_a_schema_that_says_what_may_be_there_and_every_reference_leads_somewhere(described: Json) -> None:
    schemas: Mapping[str, Json] = described["components"]["schemas"]
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    for one in objects(described):
        if "$ref" in one:
            assert one["$ref"].removeprefix("#/components/schemas/") in schemas
        if one.get("type") == "object":
            assert "additionalProperties" in one
    names = [operation["operationId"] for path in described["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names))


def objects(value: Any) -> Iterator[Json]:
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects(item)


def test_the_documents_name_the_paths_that_there_are() -> None:
    assert set(PUBLIC["paths"]) == set(web._PAGES)
    templates = {pattern.pattern.replace(f"({controlapi._RUN_ID})", "{run}") for pattern, _ in controlapi._READINGS}
    templates = {re.sub(r"\(\[0-9\].*\)", "{ticket}", template) for template in templates}
    assert set(CONTROL["paths"]) == templates | set(controlapi._VERBS)


def test_nothing_of_the_public_answers_has_room_for_what_is_private() -> None:
    properties = {name for one in objects(PUBLIC["components"]) for name in one.get("properties", ())}
    assert not properties & PRIVATE
    assert {"revision", "author", "recent", "refusals", "code", "title"} <= properties


@pytest.mark.parametrize("shown", [busy_snapshot(), snapshot(), STALE], ids=["busy", "new", "stale"])
def test_what_the_public_surface_answers_is_what_its_document_says(public: Server, shown: Snapshot) -> None:
    public.shown = shown
    for path in PUBLIC["paths"]:
        assert public.holds("GET", path) in (200, 503)
        assert public.ask("HEAD", path)[2] == b""


def test_the_public_surface_gives_every_answer_that_its_document_names(public: Server, gate: PasswordGate, tmp_path: Path) -> None:
    given = {(path, str(public.holds("GET", path, host=host))) for path in PUBLIC["paths"] for host in ("localhost", "evil.example.com")}
    public.shown = STALE
    given |= {(path, str(public.holds("GET", path))) for path in PUBLIC["paths"]}
    gate.file = str(tmp_path / "passwords")
    gate.look()
    given |= {(path, str(public.holds("GET", path))) for path in PUBLIC["paths"]}
    (tmp_path / "passwords").write_text(f"user:$2y$10${'a' * 53}\n")
    (tmp_path / "passwords").chmod(0o600)
    gate.look()
    for number in range(10):
        assert public.holds("GET", "/", password=f"guess {number}") == 401
    given |= {(path, str(public.holds("GET", path, password=word))) for path in PUBLIC["paths"] for word in ("", "guess")}
    assert given == {(path, status) for path, item in PUBLIC["paths"].items() for status in item["get"]["responses"]}


@pytest.mark.parametrize(
    ("template", "path", "status"),
    [
        ("/api/v1/status", "", 200),
        ("/api/v1/tasks", "", 200),
        ("/api/v1/runs", "", 200),
        ("/api/v1/runs/{run}", f"/api/v1/runs/{OLD_RUN.id}", 200),
        ("/api/v1/runs/{run}", f"/api/v1/runs/{run_id(77)}", 404),
        ("/api/v1/runs/{run}/output", f"/api/v1/runs/{OLD_RUN.id}/output?attempt=2", 200),
        ("/api/v1/runs/{run}/output", f"/api/v1/runs/{OLD_RUN.id}/output?attempt=x", 400),
        ("/api/v1/runs/{run}/tail", f"/api/v1/runs/{OLD_RUN.id}/tail?attempt=2&from=4", 200),
        ("/api/v1/history", "/api/v1/history?task=nightly-backup&failed=true&limit=5", 200),
        ("/api/v1/history", "/api/v1/history?colour=red", 400),
        ("/api/v1/why", "/api/v1/why?task=nightly-backup", 200),
        ("/api/v1/why", "/api/v1/why?task=unknown", 404),
        ("/api/v1/syncs/{ticket}", "/api/v1/syncs/1", 200),
        ("/api/v1/syncs/{ticket}", "/api/v1/syncs/2", 200),
        ("/api/v1/reloads/{ticket}", "/api/v1/reloads/3", 200),
    ],
)
def test_what_the_control_socket_tells_is_what_its_document_says(operator: Server, template: str, path: str, status: int) -> None:
    assert operator.holds("GET", path or template, template=template) == status


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/v1/run", {"task": "nightly-backup"}, 202),
        ("/api/v1/run", {"task": "unknown"}, 404),
        ("/api/v1/run", {"task": "busy"}, 409),
        ("/api/v1/stop", {"target": "nightly-backup"}, 202),
        ("/api/v1/sync", {"allow_removal": "yes"}, 202),
        ("/api/v1/reload", None, 202),
        ("/api/v1/pause", {"scope": "task", "tasks": "a b", "reason": "so", "until": "2h"}, 200),
        ("/api/v1/resume", {"scope": "drain"}, 200),
        ("/api/v1/drain", {"stop": "yes"}, 200),
        ("/api/v1/pin", {"revision": "1234567"}, 200),
        ("/api/v1/unpin", {}, 200),
        ("/api/v1/rollback", {"reason": "so"}, 200),
    ],
)
def test_each_verb_takes_what_its_document_says_and_nothing_else(operator: Server, path: str, body: Json | None, status: int) -> None:
    schema = CONTROL["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    Draft202012Validator(schema).validate(body or {})
    assert operator.holds("POST", path, body) == status
    assert not Draft202012Validator(schema).is_valid({**(body or {}), "colour": "red"})
    assert operator.holds("POST", path, {**(body or {}), "colour": "red"}) == 400


def test_somebody_who_may_not_is_told_so_as_the_document_says() -> None:
    nobody = replace(ROOT, uid=4242, groups=frozenset())
    surface = Loop().surface()
    for server in serving(CONTROL, lambda request: surface(replace(request, peer=nobody))):
        assert server.holds("GET", "/api/v1/status") == 403
