"""`torchsync fleet --format html` prints the page of the very document that `--json` prints. What the page is like: `tests/pages`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.gitrepo import Repo
from torchsync.cli.main import main
from torchsync.pages.fleet import render_fleet

AFTER = ["--after", "2026-10-22T09:20:00Z"]
HOSTS = "hosts: {db-1: {labels: {role: db}, timezone: Europe/Berlin}, web-1: {labels: {role: web}}}\n"
TASK = "version: 1\ntasks: {backup: {schedule: H 2 * * *, timezone: local, command: backup, hosts: [%s]}}\n"


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    monkeypatch.delenv("TORCHSYNC_PROMETHEUS", raising=False)
    one = Repo(tmp_path / "repo", {"hosts.yaml": HOSTS, "tasks/a.yaml": TASK % "web-1"})
    one.commit({"tasks/a.yaml": TASK % "db-1"})
    return one


@pytest.mark.parametrize("options", [[], ["--base", "HEAD~1"], ["--host", "db-*"]])
def test_the_page_is_that_of_the_document(repo: Repo, capsys: pytest.CaptureFixture[str], options: list[str]) -> None:
    words = ["fleet", str(repo.folder), *AFTER, *options]
    assert main([*words, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert main([*words, "--format", "html"]) == 0
    assert capsys.readouterr().out.strip() == render_fleet(document).strip()
