"""`init`: what it makes is valid and runs, what is there stays, and an error leaves nothing behind."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

from tests.e2e.host import git
from tests.gitrepo import Repo
from torchsync.adapters.schemas import read_schema_text
from torchsync.cli.main import main
from torchsync.core.forge import Forge
from torchsync.core.starter import GATES, SCHEMAS

GATE_FILES = {path for paths in GATES.values() for path in paths}


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty current folder, and a git that knows who commits but nothing else of this machine."""
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CEILING_DIRECTORIES": str(tmp_path.parent),
    }.items():
        monkeypatch.setenv(name, value)
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Alice")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "alice@example.org")


def names(folder: Path) -> set[str]:
    files = (path for path in folder.rglob("*") if path.is_file() and ".git" not in path.relative_to(folder).parts)
    return {str(path.relative_to(folder)) for path in files}


def test_what_it_makes_is_valid_has_no_warning_and_changes_nothing_where_nothing_ran(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "ops"]) == 0
    said = capsys.readouterr().out
    assert all(f"\n  {name}\n" in said for name in names(Path("ops")))
    assert main(["validate", "ops"]) == 0
    assert capsys.readouterr() == ("1 task in 1 file: valid\n", "")
    assert main(["plan", "ops", "--host", "web-1"]) == 10
    assert "hello" in capsys.readouterr().out


def test_the_commands_that_it_names_work(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    main(["init", "my ops", "--git"])
    commands = [line.strip() for line in capsys.readouterr().out.partition("next:\n")[2].splitlines()]
    assert commands[0] == "cd 'my ops'"
    monkeypatch.chdir("my ops")
    for command in commands[1:]:
        assert main(command.split()[1:]) == 0


def test_the_schemas_and_the_mode_lines_fit_the_files(capsys: pytest.CaptureFixture[str]) -> None:
    main(["init", "ops"])
    for name in SCHEMAS:
        assert Path(f"ops/schemas/{name}.schema.json").read_text() == read_schema_text(name)
    for file in ("tasks/hello.yaml", "torchsync.yaml", "hosts.yaml"):
        place = Path("ops", file)
        mode = place.read_text().splitlines()[0].removeprefix("# yaml-language-server: $schema=")
        assert (place.parent / mode).is_file()
    for schema in json.loads(Path("ops/.vscode/settings.json").read_text())["yaml.schemas"]:
        assert Path("ops", schema).is_file()
    for option in ET.parse("ops/.idea/jsonSchemas.xml").iter("option"):
        if option.get("name") in ("relativePathToSchema", "path"):
            assert Path("ops", option.attrib["value"]).exists()


# Which forge


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("git@github.com:ops/tasks.git", ".github/workflows/torchsync.yml"),
        ("https://me:pass-w0rd@gitlab.example.org/ops/tasks.git", ".gitlab-ci.yml"),
        ("https://codeberg.org/ops/tasks.git", ".gitea/workflows/torchsync.yml"),
    ],
)
def test_the_forge_is_that_of_the_git_remote_and_it_says_so(
    tmp_path: Path, url: str, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    repo = Repo(tmp_path / "ops")
    repo.git("remote", "add", "backup", "git@git.example.org:x.git")
    repo.git("remote", "add", "origin", url)
    assert main(["init", "ops"]) == 0
    assert names(tmp_path / "ops") & GATE_FILES == {file}
    said = capsys.readouterr().out
    assert "the git remote is at " in said
    assert "(--forge says otherwise)" in said
    assert "pass-w0rd" not in said


def test_in_a_subfolder_of_a_repository_it_says_where_the_checks_belong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Repo(tmp_path / "all").git("remote", "add", "origin", "git@github.com:ops/all.git")
    assert main(["init", "all/ops"]) == 0
    assert f"move them to {tmp_path / 'all'}, and set TASKS" in capsys.readouterr().out


@pytest.mark.parametrize("forge", Forge)
def test_forge_says_which_checks_are_written(forge: Forge, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "ops", "--forge", forge.value]) == 0
    assert names(Path("ops")) & GATE_FILES == set(GATES[forge])
    for file in GATES[forge]:
        assert yaml.safe_load(Path("ops", file).read_text())


def test_without_a_remote_there_are_no_checks_and_another_call_adds_them(capsys: pytest.CaptureFixture[str]) -> None:
    main(["init", "ops"])
    assert "no checks of pull requests: there is no git remote" in capsys.readouterr().out
    assert main(["init", "ops", "--forge", "gitlab"]) == 0
    assert capsys.readouterr().out.startswith("ops has 1 new file:\n  .gitlab-ci.yml\n")
    assert main(["init", "ops", "--forge", "gitlab"]) == 0
    assert capsys.readouterr().out.startswith("ops has all of the files already\n")


# What is there


def test_everything_in_the_way_is_told_and_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "ops/tasks").mkdir(parents=True)
    (tmp_path / "ops/README.md").write_text("mine\n")
    (tmp_path / "ops/tasks/hello.yaml").write_text("mine\n")
    (tmp_path / "ops/schemas").write_text("mine\n")
    before = names(tmp_path)
    assert main(["init", "ops"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert [line.partition(" is ")[0] for line in told.err.splitlines()] == [
        "ops/README.md: TS360",
        "ops/schemas: TS360",
        "ops/tasks/hello.yaml: TS360",
    ]
    assert names(tmp_path) == before


def test_what_is_in_nobodys_way_stays(tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_text("mine\n")
    assert main(["init", "."]) == 0
    assert (tmp_path / "LICENSE").read_text() == "mine\n"
    assert (tmp_path / "tasks/hello.yaml").exists()


def test_a_file_is_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "ops").write_text("mine\n")
    assert main(["init", "ops"]) == 2
    assert capsys.readouterr().err.startswith("ops: TS360 is no folder")
    assert main(["init", "ops/deep"]) == 1
    assert "TS361" in capsys.readouterr().err
    assert names(tmp_path) == {"ops"}


# --git


def test_git_begins_a_history_with_all_that_was_made_whatever_is_ignored_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ignored").write_text(".idea\n.vscode\n")
    (tmp_path / "config").write_text(f"[core]\nexcludesFile = {tmp_path / 'ignored'}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    Path("ops").mkdir()
    Path("ops/mine").write_text("mine\n")
    assert main(["init", "ops", "--git"]) == 0
    assert git("status", "--porcelain", cwd=Path("ops")) == "?? mine"
    assert set(git("ls-files", cwd=Path("ops")).splitlines()) == names(Path("ops")) - {"mine"}
    assert git("log", "--format=%an %D", cwd=Path("ops")) == "Alice HEAD -> main"


def test_git_is_not_for_a_repository_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Repo(tmp_path / "ops")
    assert main(["init", "ops", "--git"]) == 2
    assert capsys.readouterr().err.startswith("ops: TS362 ")
    assert names(tmp_path) == set()


@pytest.mark.parametrize("there", [False, True], ids=["new", "there"])
def test_a_commit_that_git_refuses_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], there: bool
) -> None:
    monkeypatch.setenv("GIT_COMMITTER_NAME", "")
    if there:
        (tmp_path / "ops").mkdir()
    assert main(["init", "ops", "--git"]) == 1
    error = capsys.readouterr().err
    assert "TS363 git commit: " in error
    assert "name" in error
    assert sorted(tmp_path.iterdir()) == ([tmp_path / "ops"] if there else [])
    assert not there or not list((tmp_path / "ops").iterdir())
