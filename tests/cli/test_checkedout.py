from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.gitrepo import Repo
from torchsync.cli.checkedout import CheckedOut, checked_out
from torchsync.cli.sides import read_side

TASKS = """\
version: 1
tasks:
  backup: {schedule: "0 1 * * *", command: ./scripts/backup.sh}
"""


def state(folder: Path) -> CheckedOut:
    return checked_out(str(folder), read_side(str(folder), None))


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    files = {"ops/tasks/db.yaml": TASKS, "ops/scripts/backup.sh": "#!/bin/sh\n", "ops/README": "x", "other/file": "x"}
    one = Repo(tmp_path / "repo", files)
    (one.folder / "ops/scripts/backup.sh").chmod(0o755)
    one.commit({})
    return one


CHANGES: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "changed": (lambda ops: (ops / "tasks/db.yaml").write_text(f"{TASKS}# more\n"), ("tasks/db.yaml",)),
    "new": (lambda ops: (ops / "tasks/new.yaml").write_text(TASKS.replace("backup:", "new:")), ("tasks/new.yaml",)),
    "removed": (lambda ops: (ops / "tasks/db.yaml").rename(ops / "tasks/other.yaml"), ("tasks/db.yaml", "tasks/other.yaml")),
    "inventory": (lambda ops: (ops / "hosts.yaml").write_text("hosts: {db-1: {}}\n"), ("hosts.yaml",)),
    "input": (lambda ops: (ops / "scripts/backup.sh").write_text("#!/bin/sh\necho\n"), ("scripts/backup.sh",)),
}


def test_a_folder_is_as_its_commit_has_it(repo: Repo) -> None:
    (repo.folder / "ops/README").write_text("of no task")
    (repo.folder / "other/file").write_text("outside of the folder")
    assert state(repo.folder / "ops") == CheckedOut(revision=repo.head)


@pytest.mark.parametrize(("change", "files"), CHANGES.values(), ids=CHANGES)
def test_a_folder_differs_from_its_commit(repo: Repo, change: Callable[[Path], object], files: tuple[str, ...]) -> None:
    change(repo.folder / "ops")
    assert state(repo.folder / "ops") == CheckedOut(revision=repo.head, files=files)


def test_nothing_that_the_repository_configures_is_run(repo: Repo, tmp_path: Path) -> None:
    repo.git("config", "filter.own.clean", f"touch {tmp_path}/run; cat")
    repo.git("config", "core.fsmonitor", f"touch {tmp_path}/run")
    (repo.folder / "ops/.gitattributes").write_text("* filter=own\n")
    (repo.folder / "ops/tasks/db.yaml").write_text(f"{TASKS}# more\n")
    assert state(repo.folder / "ops").files == ("tasks/db.yaml",)
    assert not (tmp_path / "run").exists()


def test_there_is_no_commit_yet(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "repo")
    (repo.folder / "tasks").mkdir()
    (repo.folder / "tasks/db.yaml").write_text(TASKS.replace("./scripts/backup.sh", "backup"))
    assert state(repo.folder) == CheckedOut()


def test_outside_of_git_and_without_git_there_is_none(tmp_path: Path, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plain/tasks").mkdir(parents=True)
    (tmp_path / "plain/tasks/db.yaml").write_text(TASKS.replace("./scripts/backup.sh", "backup"))
    assert state(tmp_path / "plain") == CheckedOut()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert state(repo.folder / "ops") == CheckedOut()
