"""`validate`: its warnings, and what it remembers."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.core.cron_oracle import utc
from torchsync.adapters.folder import list_folder
from torchsync.adapters.schemas import read_schema
from torchsync.cli import verdictfile
from torchsync.cli.check import read_path
from torchsync.cli.main import main
from torchsync.cli.progress import Progress
from torchsync.cli.validate import MOST_OF_A_KIND, validate
from torchsync.cli.verdictfile import VerdictFile
from torchsync.core.model import Instant

NOW = Instant(utc("2026-11-26") * 1_000)
UNEVEN = "version: 1\ntasks:\n  a:\n    schedule: '*/7 * * * *'\n    command: x\n"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository that is the current folder, and a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "repository"
    (folder / "tasks").mkdir(parents=True)
    (folder / "tasks/a.yaml").write_text(UNEVEN)
    monkeypatch.chdir(folder)
    return folder


def validated(path: str = ".", form: str = "text", *, use_cache: bool = False) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    status = validate(path, form, out=out, err=err, now=NOW, use_cache=use_cache)
    return status, out.getvalue(), err.getvalue()


def test_a_warning_is_told_with_its_place_and_keeps_nobody_from_anything(root: Path) -> None:
    status, out, err = validated()
    assert (status, out) == (0, "1 task in 1 file: valid, 1 warning\n")
    first, line, caret, hint = err.splitlines()
    assert first.startswith("tasks/a.yaml:4:16: TS160 warning: task a: minute: `*/7` ")
    assert line == "    4 |     schedule: '*/7 * * * *'"
    assert line[caret.index("^")] == "*"
    assert hint.strip()


def test_warnings_are_part_of_the_json(root: Path) -> None:
    status, out, err = validated(form="json")
    document = json.loads(out)
    Draft202012Validator(read_schema("problems")).validate(document)
    assert (status, err, document["valid"]) == (0, "", True)
    assert [(warning["code"], warning["path"], warning["line"], warning["column"]) for warning in document["warnings"]] == [
        ("TS160", "tasks/a.yaml", 4, 16)
    ]


def test_what_is_wrong_comes_before_what_is_odd(root: Path) -> None:
    (root / "tasks/b.yaml").write_text("version: 1\ntasks: {}\n")
    status, out, err = validated()
    assert (status, out) == (65, "")
    assert "warning" not in err
    assert json.loads(validated(form="json")[1])["warnings"] == []


def test_the_path_of_a_warning_leads_there_from_the_current_folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root.parent)
    first, line, *_ = validated("repository")[2].splitlines()
    assert first.startswith("repository/tasks/a.yaml:4:16: TS160")
    assert "schedule" in line


def test_a_single_file_has_its_warnings_too(root: Path) -> None:
    assert validated("tasks/a.yaml")[2].startswith("tasks/a.yaml:4:16: TS160 warning: ")


def test_many_of_a_kind_are_counted(root: Path) -> None:
    tasks = "".join(f"  t{n}: {{schedule: '0 0 {n + 1} * mon', command: x}}\n" for n in range(MOST_OF_A_KIND + 5))
    (root / "tasks/a.yaml").write_text(f"version: 1\ntasks:\n{tasks}")
    _, out, err = validated()
    assert out.endswith(f"{MOST_OF_A_KIND + 5} warnings\n")
    assert err.count("TS162 warning: task t") == MOST_OF_A_KIND
    assert err.endswith("TS162 warning: either day is enough: 5 more; --format json tells them all\n")


def test_inventory_and_nights_take_part(root: Path) -> None:
    (root / "tasks/a.yaml").write_text(
        "version: 1\ntasks:\n  a:\n    schedule: 30 2 * * *\n    timezone: Europe/Berlin\n    command: x\n    hosts: [web-1, web-9]\n"
    )
    (root / "hosts.yaml").write_text("hosts: {web-1: {}}\n")
    (root / "torchsync.yml").write_text("{}\n")
    found = [line for line in validated()[2].splitlines() if "warning" in line]
    assert [line.partition(" warning")[0] for line in found] == [
        "tasks/a.yaml:4:15: TS163",
        "tasks/a.yaml:7:20: TS165",
        "torchsync.yml: TS167",
    ]


def test_the_defaults_of_the_repository_count_for_a_single_file_of_it(root: Path) -> None:
    (root / "torchsync.yaml").write_text("defaults: {schedule: '@daily'}\n")
    (root / "tasks/deep").mkdir()
    (root / "tasks/deep/b.yaml").write_text("version: 1\ntasks: {b: {command: x}}\n")
    assert validated("tasks/deep/b.yaml") == (0, "1 task in 1 file: valid\n", "")
    (root / "torchsync.yaml").write_text("defaults: {schedule: 5}\n")
    status, _, err = validated("tasks/deep/b.yaml")
    assert status == 65
    assert err.startswith("torchsync.yaml:1:22: TS111 ")


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("torchsync.yaml", "default: {}\n", "TS110"),
        ("torchsync.yaml", "requires: '>=99'\n", "TS151"),
        ("hosts.yaml", "host: {}\n", "TS110"),
    ],
)
def test_the_other_files_can_be_judged_alone(root: Path, name: str, text: str, code: str) -> None:
    (root / name).write_text(text)
    status, _, err = validated(name)
    assert (status, err.split()[1]) == (65, code)
    (root / name).write_text("version: 1\n")
    assert validated(name)[0] == 0


def test_a_field_that_is_newer_than_what_is_required_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "torchsync.yaml").write_text("requires: '>=0.0.9'\n")
    (root / "hosts.yaml").write_text("hosts: {a: {labels: {x: y}}}\n")
    found = [line.partition(": TS166")[0] for line in validated()[2].splitlines() if "TS166" in line]
    assert found == [
        *("hosts.yaml:1:1", "hosts.yaml:1:13"),  # hosts, labels: a name of yours is no field
        *("tasks/a.yaml:1:1", "tasks/a.yaml:2:1", "tasks/a.yaml:4:5", "tasks/a.yaml:5:5"),
        "torchsync.yaml:1:1",
    ]
    assert 'write `requires: ">=0.1"` in torchsync.yaml' in validated()[2]
    (root / "torchsync.yaml").write_text("requires: '>=0.1'\n")
    assert "TS166" not in validated()[2]


# What is remembered


def cache_files() -> list[Path]:
    return list(Path(os.environ["XDG_CACHE_HOME"]).glob("torchsync/verdicts/*"))


def test_the_verdict_is_the_same_when_it_is_remembered(root: Path) -> None:
    (root / "tasks/b.yaml").write_text("version: 1\ntasks:\n  b: {schedule: 0 3 1 * mon, command: x, hosts: [a, b]}\n")
    (root / "hosts.yaml").write_text("hosts: {a: {}}\n")
    cold = validated(use_cache=True)
    (file,) = cache_files()
    assert file.stat().st_mode & 0o777 == 0o600
    written = file.stat().st_mtime_ns
    assert validated(use_cache=True) == cold == validated()
    assert file.stat().st_mtime_ns == written


def test_what_is_remembered_is_not_read_again_and_what_changed_is(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    validated(use_cache=True)
    (root / "tasks/b.yaml").write_text(UNEVEN.replace("a:", "b:"))
    read: list[tuple[int, int]] = []
    taken: list[str] = []

    def spy(folder: Path, paths: tuple[str, ...]) -> dict[str, bytes]:
        taken.extend(paths)
        return {path: (folder / path).read_bytes() for path in paths}

    monkeypatch.setattr("torchsync.cli.check.read_files", spy)
    read_path(".", VerdictFile(Path()), lambda done, number: read.append((done, number)))
    assert taken == ["tasks/b.yaml"]
    assert read == [(1, 2), (2, 2)]


def test_a_problem_is_told_each_time(root: Path) -> None:
    (root / "tasks/b.yaml").write_text("version: 1\ntasks: {b: {}}\n")
    assert validated(use_cache=True) == validated(use_cache=True)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff" * 100, b"[]" * 1000])
def test_a_cache_that_is_damaged_is_passed_over(root: Path, content: bytes) -> None:
    cold = validated(use_cache=True)
    cache_files()[0].write_bytes(content)
    assert validated(use_cache=True) == cold


def test_a_cache_that_others_could_have_written_is_passed_over(root: Path) -> None:
    validated(use_cache=True)
    (file,) = cache_files()
    file.chmod(0o666)
    entries = list_folder(root)
    assert VerdictFile(root).load(entries).known(entries) == frozenset()
    file.chmod(0o600)
    assert VerdictFile(root).load(entries).known(entries)


def test_where_nothing_can_be_written_the_verdict_is_given_all_the_same(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(root / "tasks/a.yaml"))
    assert validated(use_cache=True)[0] == 0


def test_a_home_that_is_not_there_is_not_made(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    assert validated(use_cache=True)[0] == 0
    assert not (tmp_path / "nobody").exists()


def test_what_nobody_has_used_for_long_is_forgotten(root: Path) -> None:
    validated(use_cache=True)
    old = cache_files()[0].with_name("old.json")
    old.write_text("{}")
    os.utime(old, (1, 1))
    (root / "tasks/b.yaml").write_text(UNEVEN.replace("a:", "b:"))
    validated(use_cache=True)
    assert not old.exists()
    assert len(cache_files()) == 1


def test_the_command_remembers_unless_it_is_told_not_to(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "--no-cache"]) == 0
    assert not cache_files()
    assert main(["validate"]) == 0
    assert len(cache_files()) == 1


def test_the_cache_is_in_the_home_of_the_user_by_default(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/x")
    assert str(verdictfile._folder()) == "/home/x/.cache/torchsync/verdicts"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert str(verdictfile._folder()) == "/home/x/.cache/torchsync/verdicts"


# Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_shown_on_a_terminal_after_a_while_and_taken_away_again() -> None:
    screen, moment = Terminal(), [0.0]
    progress = Progress("checked", screen, lambda: moment[0])
    progress(1, 10_000)
    assert screen.getvalue() == ""
    moment[0] = 0.5
    progress(1_200, 10_000)
    progress(1_201, 10_000)
    assert screen.getvalue() == "\rchecked 1,200 of 10,000"
    progress.clear()
    assert screen.getvalue().endswith("\r" + " " * 23 + "\r")


def test_progress_is_for_terminals_only() -> None:
    file, moment = io.StringIO(), [0.0]
    progress = Progress("checked", file, lambda: moment[0])
    moment[0] = 60.0
    progress(1, 2)
    progress.clear()
    assert file.getvalue() == ""


def test_a_real_run_on_a_pipe_prints_the_verdict_alone(root: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "torchsync", "validate", "."], capture_output=True, text=True, check=True)
    assert done.stdout == "1 task in 1 file: valid, 1 warning\n"
    assert "\r" not in done.stderr
