"""`schema`, `explain` and `facts`."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.gitrepo import one_task
from torchsync.adapters.hostfacts import read_host_facts
from torchsync.adapters.schemas import read_schema, schema_names
from torchsync.cli.main import COMMANDS, main
from torchsync.codes import CODES

SCHEMAS = Path(__file__).parents[2] / "torchsync/schemas"


def said(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0):
    """What is said; JSON keeps to the schema of the command."""
    assert main(list(words)) == status
    told = capsys.readouterr()
    if "--json" in words and words[0] in ("facts", "explain"):
        Draft202012Validator(read_schema(words[0])).validate(json.loads(told.out))
    return told


def test_every_schema_is_listed_and_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    listed = [line.split()[0] for line in said(capsys, "schema").out.splitlines()]
    assert listed == list(schema_names()) == sorted(path.name.removesuffix(".schema.json") for path in SCHEMAS.glob("*.schema.json"))
    for name in listed:
        assert said(capsys, "schema", name).out == (SCHEMAS / f"{name}.schema.json").read_text()
        assert read_schema(name)["title"]


@pytest.mark.parametrize("name", schema_names())
def test_a_schema_is_one_and_its_examples_keep_to_it(name: str) -> None:
    schema = read_schema(name)
    Draft202012Validator.check_schema(schema)
    for example in schema.get("examples", ()):
        Draft202012Validator(schema).validate(example)


SCHEMA_OF = {
    "validate": "problems", "plan": "plan", "fleet": "fleet", "next": "next", "import": "import", "facts": "facts", "explain": "explain",
    "doctor": "doctor", "status": "status", "history": "history", "why": "why", "logs": "logs", "top": "top",
}  # fmt: skip


def test_every_command_that_prints_json_has_a_schema_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    printing = set()
    for command in COMMANDS:
        with pytest.raises(SystemExit):
            main([command.name, "--help"])
        if "--json" in capsys.readouterr().out:
            printing.add(command.name)
    assert printing == SCHEMA_OF.keys()
    assert set(SCHEMA_OF.values()) <= set(schema_names())


@pytest.mark.parametrize(
    ("name", "hint"), [("tosk", "did you mean 'task'?"), ("../task", "did you mean 'task'?"), ("zzz", "there are agent, ")]
)
def test_a_schema_that_is_not_there(name: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert hint in said(capsys, "schema", name, status=66).err


@pytest.mark.parametrize("text", ["TS120", "ts120", "120", " TS120 "])
def test_a_code_is_explained_however_it_is_written(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = said(capsys, "explain", text).out
    assert out.startswith("TS120: schedule not understood\n")
    assert CODES["TS120"].cause in out
    assert CODES["TS120"].remedy in out
    assert 'reason="schedule"' in out


def test_every_code_is_listed_and_can_be_explained(capsys: pytest.CaptureFixture[str]) -> None:
    listed = [line.split()[0] for line in said(capsys, "explain").out.splitlines()]
    assert listed == list(CODES)
    for code in listed:
        assert said(capsys, "explain", code).out.startswith(code)


def test_an_explanation_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(said(capsys, "explain", "TS330", "--json").out) == {
        "code": "TS330",
        "title": CODES["TS330"].title,
        "cause": CODES["TS330"].cause,
        "remedy": CODES["TS330"].remedy,
        "reason": None,
    }
    assert len(json.loads(said(capsys, "explain", "--json").out)) == len(CODES)


@pytest.mark.parametrize("text", ["TS999", "nonsense", "TS12", "1200"])
def test_a_code_that_is_not_there(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "`torchsync explain` lists all of them" in said(capsys, "explain", text, status=66).err


# facts


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("TORCHSYNC_CONFIG", raising=False)
    path = tmp_path / "agent.yaml"
    path.write_text(
        "version: 1\nrepository: {url: /srv/tasks.git}\nhost: {name: DB-1, labels: {role: db, site: us}, addresses: [10.2.0.7]}\n"
        f"policy: {{default_user: {pwd.getpwuid(os.geteuid()).pw_name}, allow_root: true}}\n"
    )
    return path


def test_the_facts_are_those_of_the_configuration(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = said(capsys, "facts", "--config", str(config)).out.splitlines()
    assert out[:3] == ["name       db-1", "addresses  10.2.0.7", "labels     role=db, site=us"]
    assert out[3] == f"zone       {read_host_facts().zone}"


def test_without_a_configuration_the_host_speaks_for_itself(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCHSYNC_CONFIG", raising=False)
    monkeypatch.setattr("torchsync.cli.place.USUAL_CONFIG", "/nonexistent/agent.yaml")
    found = json.loads(said(capsys, "facts", "--json").out)
    host = read_host_facts()
    assert found == {"name": host.name, "addresses": list(host.addresses), "labels": {}, "zone": host.zone}


def test_what_facts_prints_is_what_plan_takes(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts = tmp_path / "facts.json"
    facts.write_text(said(capsys, "facts", "--config", str(config), "--json").out)
    (tmp_path / "r/tasks").mkdir(parents=True)
    (tmp_path / "r/tasks/a.yaml").write_text(one_task("a", hosts="[10.2.0.0/16]"))
    out = json.loads(said(capsys, "plan", str(tmp_path / "r"), "--facts", str(facts), "--json", status=10).out)
    assert [step["task"] for step in out["added"]] == ["a"]


def test_the_policy_of_a_host_goes_with_its_facts_to_where_a_change_is_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    me = pwd.getpwuid(os.geteuid()).pw_name
    policy = {"default_user": me, "allow_root": True, "max_tasks": 1}
    config = {"version": 1, "repository": {"url": "file:///srv/tasks.git"}, "host": {"name": "db-1"}, "policy": policy}
    (tmp_path / "agent.yaml").write_text(json.dumps(config))
    (tmp_path / "facts.json").write_text(said(capsys, "facts", "--config", str(tmp_path / "agent.yaml"), "--json").out)
    monkeypatch.delenv("TORCHSYNC_CONFIG", raising=False)
    (tmp_path / "r/tasks").mkdir(parents=True)
    (tmp_path / "r/tasks/a.yaml").write_text(one_task("a"))
    accepted = said(capsys, "plan", str(tmp_path / "r"), "--facts", str(tmp_path / "facts.json"), status=10)
    assert f"Accepted by the policy of db-1, for an agent that runs as {me}." in accepted.out
    (tmp_path / "r/tasks/b.yaml").write_text(one_task("b"))
    refused = said(capsys, "plan", str(tmp_path / "r"), "--facts", str(tmp_path / "facts.json"), status=77)
    assert "TS313 2 tasks are selected for this host, which takes at most 1" in refused.err


def test_with_a_repository_the_facts_are_those_in_force(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "r/tasks").mkdir(parents=True)
    (tmp_path / "r/tasks/a.yaml").write_text(one_task("a"))
    (tmp_path / "r/hosts.yaml").write_text("hosts: {db-1: {labels: {site: eu, rack: '7'}, timezone: Asia/Tokyo}}\n")
    shown = said(capsys, "facts", "--config", str(config), "--path", str(tmp_path / "r"), "--json")
    found = json.loads(shown.out)
    assert found.pop("policy")["is_root"] is (os.geteuid() == 0)
    assert found == {
        "name": "db-1",
        "addresses": ["10.2.0.7"],
        "labels": {"site": "us", "rack": "7", "role": "db"},
        "zone": "Asia/Tokyo",
    }
    assert shown.err == "notice: the label site is 'us' by agent.yaml, over 'eu' by hosts.yaml\n"


def test_a_configuration_that_cannot_be_used_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "agent.yaml").write_text("version: 1\n")
    assert "TS302" in said(capsys, "facts", "--config", str(tmp_path / "agent.yaml"), status=78).err
