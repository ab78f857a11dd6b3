"""`validate --format github` and `sarif`: what forges make of the output decides what it must be."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from torchsync.cli.checkoutroot import checkout_root, path_below
from torchsync.cli.sarif import Findings, sarif_document
from torchsync.cli.validate import MAX_PROBLEMS, validate
from torchsync.codes import CODES
from torchsync.core.model import Instant
from torchsync.errors import Problem

NOW = Instant(1_795_000_000_000)
WRONG = "version: 1\ntasks:\n  a:\n    shedule: '@daily'\n    command: x\n"
UNEVEN = "version: 1\ntasks:\n  a:\n    schedule: '*/7 * * * *'\n    command: x\n"


def shape(required: str, **more: Mapping[str, Any]) -> dict[str, Any]:
    """An object of these properties and no other; those named in `required` must be there."""
    return {"type": "object", "properties": dict(more), "required": required.split(), "additionalProperties": False}


def several(items: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


TEXT = {"type": "string", "minLength": 1}
COUNT = {"type": "integer", "minimum": 1}
LEVEL = {"enum": ["error", "warning", "note", "none"]}
MESSAGE = shape("text", text=TEXT, markdown=TEXT)
PLACE = shape(
    "artifactLocation",
    artifactLocation=shape("uri uriBaseId", uri={"type": "string", "pattern": r"^([A-Za-z0-9._~/-]|%[0-9A-F]{2})+$"}, uriBaseId=TEXT),
    region=shape("startLine", startLine=COUNT, startColumn=COUNT),
)
LOG = shape(
    "$schema version runs",
    **{
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": several(
            shape(
                "tool results columnKind invocations originalUriBaseIds",
                tool=shape(
                    "driver",
                    driver=shape(
                        "name version rules",
                        name=TEXT,
                        version=TEXT,
                        semanticVersion={"type": "string", "pattern": r"^\d+\.\d+\.\d+"},
                        rules=several(
                            shape(
                                "id shortDescription fullDescription help defaultConfiguration",
                                id={"enum": list(CODES)},
                                name={"type": "string", "pattern": "^[A-Za-z0-9]+$"},
                                shortDescription=MESSAGE,
                                fullDescription=MESSAGE,
                                help=MESSAGE,
                                defaultConfiguration=shape("level", level=LEVEL),
                                properties={"type": "object"},
                            )
                        ),
                    ),
                ),
                invocations=several(
                    shape(
                        "executionSuccessful",
                        executionSuccessful={"type": "boolean"},
                        exitCode={"type": "integer"},
                        toolExecutionNotifications=several(shape("message", level=LEVEL, message=MESSAGE)),
                    )
                ),
                originalUriBaseIds={"type": "object", "additionalProperties": shape("description", description=MESSAGE)},
                columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                results=several(
                    shape(
                        "ruleId ruleIndex level message locations partialFingerprints",
                        ruleId={"enum": list(CODES)},
                        ruleIndex={"type": "integer", "minimum": 0},
                        level=LEVEL,
                        message=MESSAGE,
                        locations={**several(shape("physicalLocation", physicalLocation=PLACE)), "minItems": 1, "maxItems": 1},
                        partialFingerprints={"type": "object", "additionalProperties": {"type": "string"}, "minProperties": 1},
                    )
                ),
            )
        ),
    },
)
"""The part of SARIF 2.1.0 that is used, by sections 3.13 to 3.60 of the standard; stricter than its schema, which lets much be left out."""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A task repository in the subfolder `ops` of a checkout; it is the current folder."""
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    (tmp_path / "checkout/.git").mkdir(parents=True)
    folder = tmp_path / "checkout/ops"
    (folder / "tasks").mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


def told(form: str, path: str = ".") -> tuple[int, str]:
    out, err = io.StringIO(), io.StringIO()
    status = validate(path, form, out=out, err=err, now=NOW)
    assert err.getvalue() == ""
    return status, out.getvalue()


def sarif(path: str = ".") -> dict[str, Any]:
    log = json.loads(told("sarif", path)[1])
    Draft202012Validator(LOG).validate(log)
    (run,) = log["runs"]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    return dict(run)


def fingerprints(run: Mapping[str, Any]) -> list[str]:
    return [fingerprint for result in run["results"] for fingerprint in result["partialFingerprints"].values()]


# GitHub's annotations


def test_an_error_is_a_workflow_command_with_the_path_from_the_root_of_the_checkout(root: Path) -> None:
    (root / "tasks/a.yaml").write_text(WRONG)
    status, out = told("github")
    error, notice = out.splitlines()
    assert status == 65
    assert error == (
        "::error title=TS110 unknown field,file=ops/tasks/a.yaml,line=4,col=5"
        "::tasks/a.yaml:4:5: TS110 task a: unknown field `shedule`%0A    did you mean `schedule`?"
    )
    assert notice == "::notice title=torchsync validate::1 problem in 1 file: not valid"


def test_a_warning_is_one_too_and_the_status_is_that_of_the_verdict(root: Path) -> None:
    (root / "tasks/a.yaml").write_text(UNEVEN)
    status, out = told("github")
    assert status == 0
    assert out.startswith("::warning title=TS160 ")
    assert ",file=ops/tasks/a.yaml,line=4,col=16::tasks/a.yaml:4:16: TS160 warning: task a: " in out
    assert out.endswith("::notice title=torchsync validate::1 task in 1 file: valid, 1 warning\n")


def test_nothing_in_a_file_can_end_a_workflow_command_or_begin_another(root: Path) -> None:
    name = "100%,a:b::error::c\r\n"
    (root / f"tasks/{name}.yaml").write_text(
        "version: 1\ntasks:\n  a:\n    'x::%0A\\n::stop-commands::y\\n::warning::z%': 1\n    command: x\n"
    )
    _, out = told("github")
    lines = out.splitlines()
    assert len(lines) > 2
    for line in lines:
        command = re.fullmatch(r"::(error|notice) ([^:\n]*)::(.*)", line)
        assert command, line
        assert not re.search(r"%(?!25|0A|0D|3A|2C)", command[2] + command[3])
        assert {pair.partition("=")[0] for pair in command[2].split(",")} <= {"file", "line", "col", "title"}
    assert any("file=ops/tasks/100%25%2Ca%3Ab%3A%3Aerror%3A%3Ac" in line for line in lines)


def test_more_annotations_than_are_shown_are_said(root: Path) -> None:
    tasks = "".join(f"  t{number}: {{shedule: x, command: x}}\n" for number in range(11))
    (root / "tasks/a.yaml").write_text(f"version: 1\ntasks:\n{tasks}")
    out = told("github")[1]
    assert out.count("::error ") == 11
    assert out.splitlines()[-1].endswith(
        "11 problems in 1 file: not valid; only the first 10 of a kind are shown here, the log of the job has them all"
    )


def test_what_is_wrong_with_the_folder_has_no_file(root: Path) -> None:
    out = told("github")[1]
    assert out.startswith("::error title=TS150 ")
    assert "file=" not in out


# Where paths begin


def test_the_root_is_the_work_tree_else_the_workspace_else_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "work/space/ops"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    assert checkout_root(".") == str(folder)
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path / "elsewhere"))
    assert checkout_root(".") == str(folder)
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path / "work"))
    assert checkout_root(".") == str(tmp_path / "work")
    (tmp_path / "work/space/.git").write_text("gitdir: elsewhere\n")
    assert checkout_root(".") == str(tmp_path / "work/space")
    assert path_below(checkout_root("."), "tasks/a.yaml") == "ops/tasks/a.yaml"


# SARIF


def test_a_sarif_log_has_a_rule_for_each_code_with_its_remedy_and_names_no_place_of_this_machine(root: Path) -> None:
    (root / "tasks/a.yaml").write_text(WRONG)
    run = sarif()
    (result,) = run["results"]
    (rule,) = run["tool"]["driver"]["rules"]
    assert rule["id"] == result["ruleId"] == "TS110"
    assert CODES["TS110"].remedy in rule["help"]["text"]
    assert result["level"] == rule["defaultConfiguration"]["level"] == "error"
    assert result["message"]["text"] == "task a: unknown field `shedule`; did you mean `schedule`?"
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "ops/tasks/a.yaml"
    assert place["artifactLocation"]["uriBaseId"] in run["originalUriBaseIds"]
    assert place["region"] == {"startLine": 4, "startColumn": 5}
    assert run["invocations"] == [{"executionSuccessful": True, "exitCode": 65}]
    assert str(root.parent) not in json.dumps(run)


def test_a_valid_folder_has_results_for_its_warnings_only(root: Path) -> None:
    (root / "tasks/a.yaml").write_text(UNEVEN)
    run = sarif()
    assert [(result["ruleId"], result["level"]) for result in run["results"]] == [("TS160", "warning")]
    (root / "tasks/a.yaml").write_text(UNEVEN.replace("*/7", "*/5"))
    run = sarif()
    assert run["results"] == run["tool"]["driver"]["rules"] == []


def test_a_fingerprint_stays_when_the_line_moves_and_is_another_for_another_line_task_or_file(root: Path) -> None:
    file = root / "tasks/a.yaml"
    file.write_text(WRONG)
    before = fingerprints(sarif())
    file.write_text("# moved\n\n" + WRONG.replace("    shedule", "      shedule").replace("    command", "      command"))
    assert fingerprints(sarif()) == before
    others = [WRONG.replace("  a:", "  b:"), WRONG.replace("@daily", "@hourly")]
    for text in others:
        file.write_text(text)
        before += fingerprints(sarif())
    file.rename(root / "tasks/b.yaml")
    before += fingerprints(sarif())
    assert len(set(before)) == 4


def test_equal_problems_of_one_line_have_different_fingerprints(root: Path) -> None:
    (root / "tasks/a.yaml").write_text("version: 1\ntasks:\n  a: {x: 1, y: 2, command: x, schedule: '@daily'}\n")
    found = fingerprints(sarif())
    assert len(found) == len(set(found)) == 2


def test_columns_count_code_units_of_utf16(root: Path) -> None:
    (root / "tasks/a.yaml").write_text('version: 1\ntasks:\n  a: {description: "\U0001f375 é", shedule: x, command: x}\n')
    (result,) = sarif()["results"]
    line = '  a: {description: "\U0001f375 é", shedule: x, command: x}'
    column = len(line[: line.index("shedule")].encode("utf-16-le")) // 2 + 1
    assert result["locations"][0]["physicalLocation"]["region"]["startColumn"] == column == line.index("shedule") + 2


def test_a_path_is_a_uri(root: Path) -> None:
    (root / "tasks/ä 1%#?.yaml").write_text(WRONG)
    (result,) = sarif()["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "ops/tasks/%C3%A4%201%25%23%3F.yaml"


def test_a_folder_whose_name_is_not_utf8_is_one_too(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = root / os.fsdecode(b"\xff")
    (folder / "tasks").mkdir(parents=True)
    (folder / "tasks/a.yaml").write_text(WRONG)
    (result,) = sarif(str(folder))["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "ops/%FF/tasks/a.yaml"


def test_braces_and_links_of_a_message_stay_text(root: Path) -> None:
    problem = Problem(code="TS111", message="found {0} and [this](that)", path="tasks/a.yaml", line=1, column=1)
    log: Any = sarif_document(Findings(problems=[problem], warnings=[], sources={}, root=str(root), exit_status=65))
    assert log["runs"][0]["results"][0]["message"]["text"] == "found {{0}} and [this] (that)"


def test_what_is_wrong_with_the_folder_is_at_the_folder(root: Path) -> None:
    (result,) = sarif()["results"]
    assert result["locations"] == [{"physicalLocation": {"artifactLocation": {"uri": "ops/", "uriBaseId": "%SRCROOT%"}}}]


def test_a_log_of_the_most_problems_stays_far_below_what_code_scanning_takes(root: Path) -> None:
    """GitHub takes 25,000 results a run and 10 MB packed; ours are counted, and what is left out is said."""
    for file in range(2):
        tasks = "".join(f"  t{file}-{number}: {{shedule: x, command: x}}\n" for number in range(550))
        (root / f"tasks/{file}.yaml").write_text(f"version: 1\ntasks:\n{tasks}")
    run = sarif()
    assert len(run["results"]) == MAX_PROBLEMS
    (notification,) = run["invocations"][0]["toolExecutionNotifications"]
    assert notification["message"]["text"].startswith("100 more problems ")
    assert len(json.dumps(run)) < 2_000_000
