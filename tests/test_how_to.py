"""The how-to pages: what they tell people to type works."""

from __future__ import annotations

import json
import os
import pwd
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.gitrepo import Repo, one_task
from torchsync.adapters.schemas import read_schema
from torchsync.agent.config import config_from_document
from torchsync.core.configfile import Account, ConfigFileReader
from torchsync.core.policy import HostRules, judge_host
from torchsync.core.taskfile import TaskFileReader

PAGES = sorted((Path(__file__).parent.parent / "docs/how-to").glob("*.md"))
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ME = pwd.getpwuid(os.geteuid()).pw_name


def blocks(page: str, language: str) -> list[str]:
    return [text for kind, text in FENCE.findall((PAGES[0].parent / page).read_text()) if kind == language]


def test_the_tasks_on_a_page_are_taken_by_the_host_beside_them() -> None:
    task_file, configuration = blocks("users-and-secrets.md", "yaml")
    drafts, problems = TaskFileReader(read_schema("task")).read("tasks/billing/a.yaml", task_file.encode())
    assert problems == ()
    document, _ = ConfigFileReader(read_schema("agent")).read("agent.yaml", configuration.encode(), Account(user="root", is_root=True))
    assert document is not None
    rules = HostRules(config_from_document(document).host_policy, {"billing": 1000}.get, lambda _: ("billing", "accounting"))
    assert judge_host([draft.task for draft in drafts], rules, {}) == ()


@pytest.fixture
def torchsync_on_path(tmp_path: Path) -> dict[str, str]:
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "torchsync"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m torchsync "$@"\n')
    script.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": str(PAGES[0].parents[2])}


@pytest.mark.parametrize(("tasks", "status"), [(1, 0), (3, 1)])
def test_the_loop_over_the_facts_fails_when_a_host_would_refuse(tmp_path: Path, torchsync_on_path, tasks: int, status: int) -> None:
    repo = Repo(tmp_path / "repo", {"tasks/a.yaml": one_task("a")})
    (tmp_path / "agent.yaml").write_text(
        yaml.safe_dump(
            {
                "version": 1,
                "repository": {"url": "/srv/tasks.git"},
                "host": {"name": "db-1", "addresses": ["10.2.0.7"]},
                "policy": {"default_user": ME, "allow_root": True, "max_tasks": 2},
            }
        )
    )
    (repo.folder / "facts").mkdir()
    facts = subprocess.run(
        ["torchsync", "facts", "--json", "--config", str(tmp_path / "agent.yaml")], env=torchsync_on_path, capture_output=True, check=True
    )
    (repo.folder / "facts/db-1.json").write_bytes(facts.stdout)
    assert json.loads(facts.stdout)["policy"]["max_tasks"] == 2
    for number in range(tasks):
        (repo.folder / f"tasks/new-{number}.yaml").write_text(one_task(f"new-{number}"))
    (loop,) = blocks("guard-hosts.md", "sh")
    done = subprocess.run(["sh", "-c", loop], cwd=repo.folder, env=torchsync_on_path, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    assert ("TS313" in done.stderr) is (status == 1)
