"""The hooks that other repositories take from this one, and the one that `init` writes, run by the real pre-commit.

The environment of a hook is built as pre-commit builds it, with pip from the files of this project, but without an index: what the project depends
on is already on the path, and pip finds it there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import yaml

from tests.gitrepo import ENVIRONMENT, GOOD, Repo, one_task
from torchsync.cli.main import main

ROOT = Path(__file__).parent.parent
SCRIPTS = Path(sys.executable).parent
PARTS = (".pre-commit-hooks.yaml", "pyproject.toml", "README.md", "LICENSE", "torchsync")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    """This project in a repository of its own."""
    repo = Repo(tmp_path_factory.mktemp("project") / "torchsync")
    for name in PARTS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, repo.folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, repo.folder)
    repo.git("add", "--all")
    repo.git("commit", "--quiet", "--message=all")
    return repo


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pre-commit keeps what it has built, so that it builds it once."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def repo(project: Repo, tmp_path: Path) -> Repo:
    """A task repository that uses the hook."""
    config = {"repos": [{"repo": project.url, "rev": project.head, "hooks": [{"id": "torchsync-validate"}]}]}
    return Repo(tmp_path / "ops", {**GOOD, ".pre-commit-config.yaml": yaml.safe_dump(config)})


def pre_commit(repo: Repo, home: Path, *words: str, path: str = "") -> tuple[int, str]:
    environment = ENVIRONMENT | {
        "HOME": str(home),
        "PRE_COMMIT_HOME": str(home / "pre-commit"),
        "PYTHONPATH": sysconfig.get_path("purelib"),
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # 0 means none, for pip's variable
        "PATH": path or os.environ["PATH"],
    }
    command = [sys.executable, "-m", "pre_commit", "run", *words]
    done = subprocess.run(command, cwd=repo.folder, env=environment, text=True, capture_output=True, timeout=300, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_hook_is_built_from_the_repository_and_judges_what_is_staged(repo: Repo, home: Path) -> None:
    assert pre_commit(repo, home, "--all-files")[0] == 0
    (repo.folder / "tasks/other.yaml").write_text(one_task("nightly-backup"))
    repo.git("add", "--all")
    status, output = pre_commit(repo, home)
    assert status == 1
    assert "- exit code: 65" in output
    assert "tasks/other.yaml:3:3: TS" in output


def test_the_hook_leaves_commits_alone_that_change_no_task(repo: Repo, home: Path) -> None:
    (repo.folder / "docs.md").write_text("words\n")
    repo.git("add", "--all")
    status, output = pre_commit(repo, home)
    assert status == 0
    assert "(no files to check)Skipped" in output


def test_the_hook_judges_a_repository_in_a_subfolder(project: Repo, home: Path, tmp_path: Path) -> None:
    hook = {"id": "torchsync-validate", "files": "^ops/", "args": ["ops"]}
    config = {"repos": [{"repo": project.url, "rev": project.head, "hooks": [hook]}]}
    one = Repo(tmp_path / "all", {"ops/tasks/a.yaml": one_task("a", comand="x"), ".pre-commit-config.yaml": yaml.safe_dump(config)})
    status, output = pre_commit(one, home, "--all-files")
    assert status == 1
    assert "\nops/tasks/a.yaml:" in output


def test_the_hook_of_a_repository_that_init_made_takes_the_torchsync_at_hand(home: Path, tmp_path: Path) -> None:
    repo = Repo(tmp_path / "ops")
    assert main(["init", str(repo.folder), "--forge", "none"]) == 0
    repo.git("add", "--all")
    path = f"{SCRIPTS}:{os.environ['PATH']}"
    status, output = pre_commit(repo, home, path=path)
    assert (status, output.endswith("Passed\n")) == (0, True), output
    (repo.folder / "hosts.yaml").write_text("hosts: 1\n")
    repo.git("add", "--all")
    status, output = pre_commit(repo, home, path=path)
    assert status == 1
    assert "hosts.yaml:1:" in output
