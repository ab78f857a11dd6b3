"""What git knows of a folder: a listing with that view is what `git add --all` would commit."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gitrepo import Repo
from torchsync.adapters.folder import list_folder
from torchsync.adapters.gitfolder import git_view
from torchsync.core.treepaths import NO_VIEW, SUBMODULE

FILES = {"tasks/a.yaml": "a", ".gitignore": "*.swp\n.venv/\n__pycache__/\n", "kept.swp": "x"}


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    repo = Repo(tmp_path / "repo", FILES)
    repo.git("add", "--force", "kept.swp")  # what is committed is in the tree, whatever is ignored
    repo.git("commit", "--quiet", "--message=kept")
    return repo


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")


def listed(folder: Path) -> list[str]:
    return [entry.path for entry in list_folder(folder, git_view(folder))]


def test_what_git_ignores_is_not_listed(repo: Repo) -> None:
    write(repo.folder, ".venv/bin/x", "new.yaml", "tasks/b.yaml", "tasks/b.swp", "new/x.swp", "new/y", "old/x.swp", "s/__pycache__/ü.pyc")
    (repo.folder / ".venv/bin/python").symlink_to("/usr/bin/python3")
    write(repo.folder, ".git/info/exclude")
    (repo.folder / ".git/info/exclude").write_text("old/\n")
    repo.git("add", "--all")
    assert listed(repo.folder) == sorted(repo.git("ls-files").splitlines())


def test_of_a_subfolder_its_own_paths_are_told(repo: Repo) -> None:
    write(repo.folder, "ops/.venv/x", "ops/tasks/a.yaml", "ops/tasks/a.swp")
    assert listed(repo.folder / "ops") == ["tasks/a.yaml"]


def test_a_folder_that_is_ignored_itself_is_listed_when_it_is_named(repo: Repo) -> None:
    write(repo.folder, ".venv/tasks/a.yaml")
    assert git_view(repo.folder / ".venv") == NO_VIEW
    assert listed(repo.folder / ".venv") == ["tasks/a.yaml"]


def test_a_submodule_that_is_not_filled_is_one(repo: Repo) -> None:
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{repo.head},vendor/lib")
    (repo.folder / "vendor/lib").mkdir(parents=True)
    assert git_view(repo.folder).submodules == {"vendor/lib"}
    assert [entry.path for entry in list_folder(repo.folder, git_view(repo.folder)) if entry.mode == SUBMODULE] == ["vendor/lib"]


def test_outside_of_git_and_without_git_nothing_is_known(repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(repo.folder, "a.swp")
    assert git_view(repo.folder).ignored == {"a.swp"}
    write(tmp_path / "plain", "a.swp")
    assert git_view(tmp_path / "plain") == NO_VIEW
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_view(repo.folder) == NO_VIEW


def test_what_cannot_be_read_as_a_repository_is_a_plain_folder(tmp_path: Path) -> None:
    write(tmp_path, ".git", "a.swp")
    assert git_view(tmp_path) == NO_VIEW
