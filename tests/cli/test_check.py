"""`validate` on folders and files: its texts, its JSON, and its exit statuses."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.gitrepo import Repo
from torchsync.adapters.schemas import read_schema
from torchsync.cli.check import read_path
from torchsync.cli.report import print_problems, problem_lines
from torchsync.cli.validate import validate
from torchsync.errors import NotFound, Problem

GOOD = "version: 1\ntasks:\n  a: {schedule: '@daily', command: ./run.sh}\n"
BAD = "version: 1\ntasks:\n  a: {schedule: '61 * * * *', command: ./run.sh}\n  b: {comand: x}\n"


def repository(root: Path, **files: str) -> Path:
    (root / "tasks").mkdir()
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    for name, text in files.items():
        (root / "tasks" / f"{name}.yaml").write_text(text)
    return root


def validated(path: Path | str, form: str = "text") -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    status = validate(str(path), form, out=out, err=err)
    return status, out.getvalue(), err.getvalue()


def test_a_valid_folder_is_told_in_one_line(tmp_path: Path) -> None:
    root = repository(tmp_path, one=GOOD, two=GOOD.replace("a:", "b:"))
    assert validated(root) == (0, "2 tasks in 2 files: valid\n", "")


def test_one_task_is_not_tasks(tmp_path: Path) -> None:
    assert validated(repository(tmp_path, one=GOOD)) == (0, "1 task in 1 file: valid\n", "")


def test_problems_are_told_with_their_line_and_a_caret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository(tmp_path, one=BAD))
    status, out, err = validated(".")
    assert (status, out) == (65, "")
    assert err == (
        "tasks/one.yaml:3:18: TS120 task a: minute: 61 is out of range\n"
        "    3 |   a: {schedule: '61 * * * *', command: ./run.sh}\n"
        "      |                  ^\n"
        "    write 0 to 59\n"
        "tasks/one.yaml:4:3: TS112 the task `b` lacks `schedule`\n"
        "    4 |   b: {comand: x}\n"
        "      |   ^\n"
        "    add it, or `type: daemon`\n"
        "tasks/one.yaml:4:7: TS110 task b: unknown field `comand`\n"
        "    4 |   b: {comand: x}\n"
        "      |       ^\n"
        "    did you mean `command`?\n"
        "3 problems in 1 file: not valid\n"
    )


def test_paths_lead_to_the_file_from_the_current_folder(tmp_path: Path) -> None:
    root = repository(tmp_path, one=BAD)
    assert validated(root)[2].startswith(f"{root}/tasks/one.yaml:3:18: TS120 ")


def test_json_is_as_its_schema_says_and_goes_to_stdout(tmp_path: Path) -> None:
    root = repository(tmp_path, one=BAD)
    status, out, err = validated(root, "json")
    document = json.loads(out)
    Draft202012Validator(read_schema("problems")).validate(document)
    assert (status, err) == (65, "")
    assert (document["valid"], document["files"], document["tasks"], document["found"]) == (False, 1, None, 3)
    assert document["problems"][0] == {
        "code": "TS120",
        "title": "schedule not understood",
        "reason": "schedule",
        "message": "minute: 61 is out of range",
        "hint": "write 0 to 59",
        "path": f"{root}/tasks/one.yaml",
        "line": 3,
        "column": 18,
        "task": "a",
    }


def test_json_of_a_valid_folder(tmp_path: Path) -> None:
    status, out, _ = validated(repository(tmp_path, one=GOOD), "json")
    Draft202012Validator(read_schema("problems")).validate(json.loads(out))
    assert (status, json.loads(out)) == (0, {"valid": True, "files": 1, "tasks": 1, "found": 0, "problems": [], "warnings": []})


def test_a_single_file_is_judged_for_itself(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(GOOD)
    (tmp_path / "two.yaml").write_text(BAD)
    assert validated(tmp_path / "one.yaml") == (0, "1 task in 1 file: valid\n", "")
    assert validated(tmp_path / "two.yaml")[0] == 65


def test_a_path_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no such file or folder") as caught:
        validated(tmp_path / "nowhere")
    assert (caught.value.code, caught.value.exit_status) == ("TS353", 66)


def test_a_folder_without_tasks_is_said_to_be_one(tmp_path: Path) -> None:
    status, _, err = validated(tmp_path)
    assert status == 65
    assert err.startswith(f"{tmp_path}: TS150 ")


def test_links_are_judged_as_git_would_hold_them(tmp_path: Path) -> None:
    root = repository(tmp_path, one=GOOD)
    (root / "inside").symlink_to("run.sh")
    assert validated(root)[0] == 0
    (root / "outside").symlink_to("/etc/passwd")
    (root / "tasks/two.yaml").symlink_to("one.yaml")
    assert [(problem.code, Path(problem.path).name) for problem in read_path(str(root)).problems] == [
        ("TS140", "outside"),
        ("TS140", "two.yaml"),
    ]


def test_a_program_that_nobody_may_execute_is_told(tmp_path: Path) -> None:
    """Also one behind a link, from a working directory, or of a notice; not one that an interpreter reads, or that was judged before."""
    root = repository(
        tmp_path,
        one=GOOD,
        two="version: 1\ntasks:\n  b: {schedule: '@daily', command: [./link], working_dir: bin}\n"
        "  c: {schedule: '@daily', command: sh ./run.sh, notify: [{on: [failure], exec: [bin/told]}]}\n",
    )
    (root / "run.sh").chmod(0o644)
    (root / "bin").mkdir()
    (root / "bin/link").symlink_to("../run.sh")
    (root / "bin/told").write_text("x")
    places = ["one.yaml:3:36: TS177", "two.yaml:3:36: TS177", "two.yaml:4:58: TS177"]
    for _ in range(2):
        err = io.StringIO()
        assert validate(str(root), "text", out=io.StringIO(), err=err, use_cache=True) == 0
        assert [line.partition(" warning")[0].rpartition("/")[2] for line in err.getvalue().splitlines() if "TS" in line] == places
    for name in ("run.sh", "bin/told"):
        (root / name).chmod(0o755)
    assert validated(root) == (0, "3 tasks in 2 files: valid\n", "")


def test_the_git_folder_is_not_looked_at(tmp_path: Path) -> None:
    root = repository(tmp_path, one=GOOD)
    (root / ".git").mkdir()
    (root / ".git/escape").symlink_to("/etc")
    assert validated(root)[0] == 0


def test_what_git_ignores_is_no_part_of_the_verdict_and_an_ignored_task_file_is_told(tmp_path: Path) -> None:
    root = tmp_path / "repo"
    Repo(
        root,
        {"tasks/one.yaml": GOOD.replace("./run", "./scripts/run"), "scripts/run.sh": "#!/bin/sh\n", ".gitignore": ".venv\nlocal.yaml\n"},
    )
    (root / ".venv/bin").mkdir(parents=True)
    (root / ".venv/bin/python").symlink_to("/usr/bin/python3")
    (root / "tasks/local.yaml").write_text("nonsense")
    status, out, err = validated(root)
    assert (status, out) == (0, "1 task in 1 file: valid, 1 warning\n")
    assert err.startswith(f"{root}/tasks/local.yaml: TS167 warning: tasks/local.yaml is not read, since git ignores it")


def test_a_submodule_that_a_runner_did_not_fetch_is_refused_as_every_host_does(tmp_path: Path) -> None:
    root = tmp_path / "repo"
    repo = Repo(root, {"tasks/one.yaml": GOOD, "run.sh": "#!/bin/sh\n"})
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{repo.head},vendor/lib")
    (root / "vendor/lib").mkdir(parents=True)
    status, _, err = validated(root)
    assert status == 65
    assert err.startswith(f"{root}/vendor/lib: TS140 a submodule is not allowed")


def test_a_name_that_could_harm_a_terminal_is_told_safely(tmp_path: Path) -> None:
    root = repository(tmp_path, one=GOOD)
    (root / "tasks" / "x\x1b[2J.yaml").write_text(GOOD)
    assert "\x1b" not in validated(root)[2]


def test_the_fingerprints_are_those_of_the_commit(tmp_path: Path) -> None:
    root = repository(tmp_path, one=GOOD)
    before = read_path(str(root)).tasks[0].fingerprint
    (root / "run.sh").write_text("#!/bin/sh\necho\n")
    assert before != read_path(str(root)).tasks[0].fingerprint


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


PROBLEM = Problem(code="TS110", message="unknown field `x`", path="tasks/a.yaml", line=1, column=3, hint="did you mean `y`?")


def test_colours_are_for_terminals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal, file = Terminal(), io.StringIO()
    print_problems([PROBLEM], terminal)
    print_problems([PROBLEM], file)
    assert "\x1b[31mTS110\x1b[0m" in terminal.getvalue()
    assert file.getvalue() == "tasks/a.yaml:1:3: TS110 unknown field `x`\n    did you mean `y`?\n"
    monkeypatch.setenv("NO_COLOR", "1")
    plain = Terminal()
    print_problems([PROBLEM], plain)
    assert plain.getvalue() == file.getvalue()


def test_a_long_line_is_shown_around_its_column() -> None:
    line = "a" * 300 + "X" + "b" * 300
    problem = Problem(code="TS111", message="x", path="p", line=1, column=301)
    _, shown, caret = problem_lines(problem, {"p": line.encode()})
    assert len(shown) < 140
    assert shown[caret.index("^")] == "X"


def test_a_problem_without_a_place_is_one_line() -> None:
    assert list(problem_lines(Problem(code="TS141", message="too many"), {})) == ["TS141 too many"]
