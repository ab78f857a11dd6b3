"""`torchsync fleet --live` against a real Prometheus that scrapes what agents say, one of which is gone and one on another commit."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

import pytest
from jsonschema import Draft202012Validator

from tests.builders import HOUR, MINUTE, generation, record, snapshot, sync_status, task, task_status
from tests.gitrepo import Repo
from tests.gitserver import free_port
from tests.promserver import PromServer
from torchsync.adapters.metrics import Exposition
from torchsync.adapters.schemas import read_schema
from torchsync.cli.main import main
from torchsync.core.instants import parse_rfc3339
from torchsync.core.model import Instant, Revision, TaskName

OLDER = "feedfacefeedfacefeedfacefeedfacefeedface"
CONFIG = """\
global: {scrape_interval: 5s, scrape_timeout: 5s}
scrape_configs: [{job_name: torchsync, static_configs: [%s]}]
"""
"""A scrape that takes longer than its timeout makes a host silent, so those that are up get more than a busy machine needs."""
SOON = ", __scrape_interval__: 200ms, __scrape_timeout__: 200ms"
"""Of the host that goes."""
REPOSITORY = {
    "tasks/all.yaml": """\
version: 1
tasks:
  backup: {schedule: "0 1 * * *", command: "true", hosts: [db-*]}
  rotate: {schedule: "0 2 * * *", command: "true", hosts: [web-*]}
  everywhere: {schedule: "0 3 * * *", command: "true"}
""",
    "hosts.yaml": "hosts: {db-1: {}, web-1: {}, mail-1: {}, spare-1: {}}\n",
}


class Exporter:
    """Serves a text as an agent serves its metrics."""

    def __init__(self, text: bytes) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: object) -> None:
                """Nothing is told."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        self.address = f"127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def metrics(now: Instant, revision: str, failing: str = "", *tasks: str) -> bytes:
    """What an agent says that runs these tasks of that revision."""
    found = {}
    for name in tasks:
        numbers = {
            "last_success": Instant(now - HOUR),
            "last_run": Instant(now - MINUTE),
            "consecutive_failures": 3 if name == failing else 0,
        }
        found[TaskName(name)] = task_status(task(name), record=record(name, first_seen=Instant(now - 48 * HOUR), **numbers))
    one = snapshot(
        generation=generation(*(status.task for status in found.values()), revision=Revision(revision)),
        tasks=found,
        last_tick=now,
        sync=sync_status(last_success=Instant(now - MINUTE), last_apply=Instant(now - 2 * HOUR)),
    )
    return Exposition(lambda: one).render()


@dataclass(frozen=True)
class Watched:
    """A repository, and a Prometheus that watches hosts of it."""

    url: str
    folder: Path
    head: str
    gone_at: Instant


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not installed")
    folder = tmp_path_factory.mktemp("live")
    repo, now = Repo(folder / "repo", REPOSITORY), Instant(time.time_ns() // 1_000_000)
    said = {
        "db-1": metrics(now, repo.head, "", "backup", "everywhere"),
        "web-1": metrics(now, OLDER, "everywhere", "everywhere", "older"),
        "mail-1": metrics(now, repo.head, "", "everywhere"),
        "old-9": metrics(now, OLDER, ""),
    }
    exporters = {name: Exporter(text) for name, text in said.items()}
    with started(program, folder, exporters) as url:
        wait_for(url, "count(up == 1)", "4")
        exporters["mail-1"].close()
        wait_for(url, 'up{host="mail-1"}', "0")
        yield Watched(url, repo.folder, repo.head, now)
    for name in ("db-1", "web-1", "old-9"):
        exporters[name].close()


@contextmanager
def started(program: str, folder: Path, exporters: dict[str, Exporter]) -> Iterator[str]:
    """A Prometheus that scrapes the exporters under their names; its address."""
    address = f"127.0.0.1:{free_port()}"
    targets = (
        f"{{targets: ['{one.address}'], labels: {{host: {name}{SOON if name == 'mail-1' else ''}}}}}" for name, one in exporters.items()
    )
    (folder / "prometheus.yml").write_text(CONFIG % ", ".join(targets))
    words = ["--config.file=prometheus.yml", "--storage.tsdb.path=tsdb", f"--web.listen-address={address}", "--log.level=warn"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen([program, *words], cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield f"http://{address}"
        finally:
            process.kill()
            process.wait()


def wait_for(url: str, question: str, value: str) -> None:
    """Prometheus answers the question with that value."""
    deadline, answer = time.monotonic() + 60, b""
    while time.monotonic() < deadline:
        try:
            with build_opener(ProxyHandler({})).open(f"{url}/api/v1/query?query={question.replace(' ', '%20')}", timeout=5) as reply:
                answer = reply.read()
        except OSError:
            time.sleep(0.05)
            continue
        if any(result["value"][1] == value for result in json.loads(answer)["data"]["result"]):
            return
        time.sleep(0.05)
    pytest.fail(f"Prometheus does not say {value} of {question}: {answer.decode()}")


@pytest.fixture
def fleet(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Asks with these words; what was said, after the status was found to be the expected one."""
    monkeypatch.delenv("TORCHSYNC_PROMETHEUS", raising=False)
    monkeypatch.setenv("no_proxy", "*")

    def run(*words: object, status: int = 0):
        assert main(["fleet", *map(str, words)]) == status
        return capsys.readouterr()

    return run


def document(said) -> dict[str, Any]:
    found = json.loads(said.out)
    Draft202012Validator(read_schema("fleet")).validate(found)
    return found["live"]


def named(items: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(item for item in items if item["name"] == name)


def test_what_really_runs_is_held_against_the_repository(watched: Watched, fleet) -> None:
    found = document(fleet(watched.folder, "--live", "--prometheus", watched.url, "--host-label", "host", "--json"))
    assert (found["head"], found["warnings"]) == (watched.head[:12], [])
    assert (found["silent"], found["unknown"], found["drifting"]) == (["mail-1", "spare-1"], ["old-9"], ["old-9", "web-1"])
    assert [(one["name"], one["state"], one["running"]) for one in found["hosts"]] == [
        ("db-1", "up", watched.head[:12]),
        ("mail-1", "down", None),
        ("old-9", "up", OLDER[:12]),
        ("spare-1", "absent", None),
        ("web-1", "up", OLDER[:12]),
    ]
    web = named(found["hosts"], "web-1")
    assert (web["drifts"], web["missing"], web["extra"]) == (True, ["rotate"], ["older"])
    assert [(one["name"], one["failures"]) for one in web["tasks"]] == [("everywhere", 3), ("older", 0)]
    db = named(found["hosts"], "db-1")
    assert (db["drifts"], db["missing"], db["extra"]) == (False, [], [])
    assert db["running_since"] < db["last_sync"] < db["last_seen"]
    assert db["tasks"][0]["since"] < db["tasks"][0]["last_success"] < db["tasks"][0]["last_run"]


def test_when_a_silent_host_was_heard_last_is_remembered(watched: Watched, fleet) -> None:
    found = document(fleet(watched.folder, "--live", "--prometheus", watched.url, "--host-label", "host", "--host", "mail-1", "--json"))
    assert parse_rfc3339(found["hosts"][0]["last_seen"]) == watched.gone_at


def test_it_is_told_as_tables(watched: Watched, fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHSYNC_PROMETHEUS", watched.url)
    said = fleet(watched.folder, "--live", "--host-label", "host", "--by", "owner").out
    other = f"1 on another commit than {watched.head[:12]}"
    assert f"2 of 4 hosts up; 2 silent; {other}; 1 with other tasks than the repository says; 1 not in hosts.yaml." in said
    rows = {line.split()[0]: line for line in said.splitlines() if line}
    assert "another commit; lacks rotate; has besides older" in rows["web-1"]
    assert "not in hosts.yaml; another commit" in rows["old-9"]
    assert "last heard" in rows["mail-1"]
    assert "not heard for 7d" in rows["spare-1"]
    assert "failed 3 times" in rows["everywhere"]
    assert "backup" not in rows


def test_of_what_is_asked_for_every_run_is_told(watched: Watched, fleet) -> None:
    said = fleet(watched.folder, "--prometheus", watched.url, "--host-label", "host", "--task", "everywhere").out
    rows = [line.split() for line in said.splitlines() if line.startswith("everywhere ")]
    assert [(row[1], row[-1]) for row in rows] == [("db-1", "ok"), ("web-1", "times")]
    markdown = fleet(watched.folder, "--prometheus", watched.url, "--host-label", "host", "--format", "markdown").out
    assert "| `everywhere` | `web-1` |" in markdown
    assert "### What really runs" in markdown


def test_a_host_that_lacks_the_task_that_is_asked_for_is_told(watched: Watched, fleet) -> None:
    found = document(fleet(watched.folder, "--prometheus", watched.url, "--host-label", "host", "--task", "rotate", "--json"))
    assert [(one["name"], one["missing"], one["tasks"]) for one in found["hosts"]] == [("web-1", ["rotate"], [])]


def test_targets_that_are_no_hosts_are_said(watched: Watched, fleet) -> None:
    found = document(fleet(watched.folder, "--live", "--prometheus", watched.url, "--json"))
    assert found["silent"] == ["db-1", "mail-1", "spare-1", "web-1"]
    assert "--host-label names another label" in found["warnings"][0]


def test_a_question_that_prometheus_refuses_is_said(watched: Watched, fleet) -> None:
    said = fleet(watched.folder, "--live", "--prometheus", f"{watched.url}/api", status=69)
    assert "TS366" in said.err
    assert "HTTP 404" in said.err


def test_a_prometheus_that_has_never_heard_of_an_agent_is_said(tmp_path: Path, fleet) -> None:
    server, repo = PromServer(), Repo(tmp_path / "repo", REPOSITORY)
    try:
        said = fleet(repo.folder, "--live", "--prometheus", f"{server.url}/empty", status=69)
    finally:
        server.close()
    assert "TS366" in said.err
    assert "does it scrape the agents?" in said.err


def test_a_prometheus_that_is_away_is_said(tmp_path: Path, fleet) -> None:
    repo = Repo(tmp_path / "repo", REPOSITORY)
    said = fleet(repo.folder, "--live", "--prometheus", "http://127.0.0.1:1", status=69)
    assert "TS365 http://127.0.0.1:1: it cannot be reached: Connection refused" in said.err
    assert said.out == ""
