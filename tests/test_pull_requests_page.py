"""`docs/how-to/pull-requests.md`: what it tells people to type works, and says what the page says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gitrepo import Repo, one_task
from torchsync.cli.planmarkdown import MARKER
from torchsync.core.forecast import HORIZON, MOST_WALKED
from torchsync.core.guard import TRAILER

PAGE = (Path(__file__).parent.parent / "docs/how-to/pull-requests.md").read_text()
COMMANDS = [line for block in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL) for line in block.splitlines()]
HOSTS = "hosts:\n  db-1: {labels: {role: db}}\n  web-1: {}\n  web-2: {}\n"


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """The main branch of the remote, and a branch on it with one commit."""
    repo = Repo(
        tmp_path / "repo", {"hosts.yaml": HOSTS, "tasks/a.yaml": one_task("a"), "tasks/db.yaml": one_task("db", hosts='["role=db"]')}
    )
    repo.git("update-ref", "refs/remotes/origin/main", repo.head)
    facts = {"name": "db-1", "addresses": [], "labels": {}, "zone": "UTC"}
    repo.commit({"tasks/db.yaml": one_task("db", hosts='["role=db"]', timeout="1h"), "facts/db-1.json": json.dumps(facts)})
    (repo.folder / "tasks/db.yaml").write_text(one_task("db", hosts='["role=db"]', timeout="2h"))
    return repo


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_plans_the_change(command: str, repo: Repo, tmp_path: Path) -> None:
    program = tmp_path / "bin/torchsync"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m torchsync "$@"\n')
    program.chmod(0o755)
    environment = {
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(Path(__file__).parent.parent),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    done = subprocess.run(["sh", "-c", command], cwd=repo.folder, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (10, "")
    told = (repo.folder / "plan.md").read_text() if "plan.md" in command else done.stdout
    assert re.search(r"^\s*[~!] db ", told, re.MULTILINE)
    assert "timeout" in told


def test_the_page_has_the_numbers_the_marker_and_the_trailer_of_the_code() -> None:
    assert len(COMMANDS) == 5
    assert f"The count ends after {MOST_WALKED:,}," in PAGE
    assert f"the next {HORIZON // 86_400_000} days" in PAGE
    assert f"`{MARKER}`" in PAGE
    assert f"\n{TRAILER}: yes\n" in PAGE
