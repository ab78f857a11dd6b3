"""The schemas are complete, and say the same as the code that reads by them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from torchsync.adapters.schemas import NAMES, read_schema, repository_formats
from torchsync.agent import config
from torchsync.cli.reference import PAGES, main, render_schema_page, stale_pages
from torchsync.core.configfile import Account, ConfigFileReader
from torchsync.core.durations import parse_duration, parse_size
from torchsync.core.inventory import HostEntry, Inventory
from torchsync.core.model import Guards, Task
from torchsync.core.repositoryfile import RepositorySettings, TooOld
from torchsync.core.taskfile import TaskFileReader

ROOT = Path(__file__).parent.parent

# Which field of `Task` holds what a field of the file says.
HELD_BY = {
    "description": "description", "owner": "owner", "runbook": "runbook", "labels": "labels", "enabled": "enabled", "type": "timing",
    "schedule": "timing", "timezone": "timing", "jitter": "timing", "starting_deadline": "timing", "timeout": "timing",
    "inputs": "inputs", "restart": "timing", "retry": "timing", "on_change": "on_change", "on_remove": "on_remove", "overlap": "timing",
    "queue_limit": "timing", "misfire": "timing", "misfire_limit": "timing", "pool": "pool",
    "command": "command", "shell": "command", "working_dir": "working_dir", "user": "user", "env": "env", "hosts": "hosts",
    "max_running": "max_running", "stop_signal": "stop_signal", "stop_grace": "stop_grace", "success_exit_codes": "success_exit_codes",
    "output": "output_max", "alert": "alert", "notify": "notify", "group": "group", "umask": "umask", "env_file": "env_file",
    "credentials": "credentials", "limits": "limits",
}  # fmt: skip
MADE_BY_US = {"name", "fingerprint", "copy_print", "source"}


def task_fields() -> dict[str, Any]:
    return read_schema("task")["$defs"]["fields"]["properties"]


def properties(schema: Any, route: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every property that a schema describes, at any depth."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == "properties":
                for name, field in value.items():
                    yield f"{route}.{name}", field
                    yield from properties(field, f"{route}.{name}")
            elif key != "examples":
                yield from properties(value, route)


def subschemas(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for key, value in schema.items():
            if key not in ("examples", "default", "enum", "const", "required"):
                yield from subschemas(value)


every_property = pytest.mark.parametrize(
    ("name", "field"),
    [pytest.param(name, field, id=f"{name}{route}") for name in NAMES for route, field in properties(read_schema(name))],
)


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_a_valid_schema(name: str) -> None:
    schema = read_schema(name)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)
    for example in schema["examples"]:
        Draft202012Validator(schema).validate(example)


@every_property
def test_every_field_is_described_with_examples_that_are_valid(name: str, field: dict[str, Any]) -> None:
    assert field["description"].endswith(".")
    assert field["x-since"] == "0.1"
    assert field["examples"]
    whole = {**read_schema(name), "properties": {}, "required": [], "additionalProperties": True}
    for example in field["examples"]:
        Draft202012Validator({**whole, "properties": {"it": field}}).validate({"it": example})


@every_property
def test_a_default_is_valid(name: str, field: dict[str, Any]) -> None:
    if field.get("default") not in (None, ""):
        Draft202012Validator(field).validate(field["default"])


@pytest.mark.parametrize("name", ["task", "agent", "torchsync", "hosts"])
def test_nothing_undescribed_is_accepted_and_every_text_has_an_end(name: str) -> None:
    for schema in subschemas(read_schema(name)):
        kinds = schema.get("type", ())
        if "properties" in schema:
            assert schema["additionalProperties"] is False
        if "string" in kinds or "pattern" in schema:
            assert "maxLength" in schema, schema
        if "array" in kinds:
            assert "maxItems" in schema, schema
        if "object" in kinds and isinstance(schema.get("additionalProperties"), dict):
            assert "maxProperties" in schema, schema
        if "string" in kinds and ("pattern" in schema or "minLength" in schema):
            assert schema.get("x-form"), schema


SEARCHES = """
import json, re, sys
for pattern, texts in json.load(sys.stdin):
    print(pattern, flush=True)
    for text in texts:
        re.search(pattern, text)
"""


def test_no_text_keeps_a_pattern_busy_without_end() -> None:
    searches = [
        (pattern, ["a" * longest + "!", "1" * longest, "a." * (longest // 2) + "\n", "/" * longest, "1d" * (longest // 2), "-" * longest])
        for name in ("task", "agent", "torchsync", "hosts")
        for pattern, longest in {
            schema["pattern"]: schema["maxLength"] for schema in subschemas(read_schema(name)) if "pattern" in schema
        }.items()
    ]
    # In a process that can be ended. What it prints is shown with a failure: the pattern that is named last was in the way.
    subprocess.run([sys.executable, "-I", "-c", SEARCHES], input=json.dumps(searches), text=True, timeout=60, check=True)


def test_every_field_of_the_file_is_held_by_the_task_and_every_field_of_the_task_comes_from_the_file() -> None:
    assert set(task_fields()) == set(HELD_BY)
    held = {held for held in HELD_BY.values() if held} | {"severity"}  # which stands in `alert`, too
    assert {field.name for field in fields(Task)} - MADE_BY_US == held


@pytest.mark.parametrize(
    ("name", "example"),
    [pytest.param(name, example, id=f"{name} {example}") for name, field in task_fields().items() for example in field["examples"]],
)
def test_an_example_of_the_task_schema_is_a_task(name: str, example: object) -> None:
    beside = {"queue_limit": {"overlap": "queue"}, "misfire_limit": {"misfire": "all"}}.get(name, {})
    is_daemon = name in ("restart", "max_running") or example == "daemon"
    task = {"command": "true", **({"type": "daemon"} if is_daemon else {"schedule": "@daily"}), **beside, name: example}
    content = json.dumps({"version": 1, "tasks": {"t": task}}).encode()
    assert TaskFileReader(read_schema("task")).read("tasks/t.json", content)[1] == ()


def test_the_defaults_of_the_task_schema_are_those_of_the_code() -> None:
    reader = TaskFileReader(read_schema("task"))
    for kind in ({"schedule": "@daily"}, {"type": "daemon"}):
        plain = {"command": "x", **kind}
        left_out = (
            ("schedule", "timezone", "jitter", "starting_deadline", "timeout", "overlap", "queue_limit", "misfire", "misfire_limit")
            if "type" in kind
            else ("restart",)
        )
        spelt = {
            name: field["default"]
            for name, field in task_fields().items()
            if field.get("default") not in (None, "") and name not in left_out
        }
        drafts = [
            reader.read("tasks/t.json", json.dumps({"version": 1, "tasks": {"t": task}}).encode()) for task in (plain, {**spelt, **plain})
        ]
        assert drafts[0][1] == drafts[1][1] == ()
        assert drafts[0][0][0].task == drafts[1][0][0].task


def test_the_defaults_of_amounts_are_those_of_the_model() -> None:
    made = {field.name: field.default for field in fields(Task)}
    assert parse_duration(task_fields()["stop_grace"]["default"]) == made["stop_grace"]
    assert parse_size(task_fields()["output"]["properties"]["max_size"]["default"]) == made["output_max"]


def test_the_sections_of_the_agent_schema_are_those_of_the_configuration() -> None:
    schema = read_schema("agent")["properties"]
    held = {field.name for field in fields(config.AgentConfig)} - {"account"}
    assert set(schema) - {"version"} == held
    parts = (config.RepositoryConfig, config.HostConfig, config.PathsConfig, config.HttpConfig, config.PolicyConfig, config.LogConfig)
    for name, part in zip(("repository", "host", "paths", "http", "policy", "log"), parts, strict=True):
        assert set(schema[name]["properties"]) == {field.name for field in fields(part)}


def test_the_defaults_of_the_agent_schema_are_those_of_the_code() -> None:
    reader, root = ConfigFileReader(read_schema("agent")), Account(user="root", is_root=True)
    plain: dict[str, Any] = {"version": 1, "repository": {"url": "/srv/tasks.git"}}
    spelt = json.loads(json.dumps(plain))
    for name, section in read_schema("agent")["properties"].items():
        if "enum" in section:
            spelt[name] = section["default"]
        for key, field in section.get("properties", {}).items():
            if field.get("default") not in (None, ""):
                spelt.setdefault(name, {})[key] = field["default"]
    answers = [reader.read("agent.yaml", json.dumps(document).encode(), root) for document in (plain, spelt)]
    assert answers[0] == answers[1]
    assert answers[0][1] == ()


def test_what_the_other_two_files_say_is_held_by_their_values() -> None:
    hosts = read_schema("hosts")
    assert set(hosts["properties"]) - {"version"} == {field.name for field in fields(Inventory)}
    named = {"timezone" if field.name == "zone" else field.name for field in fields(HostEntry)}
    assert set(hosts["$defs"]["host"]["properties"]) == named
    settings = read_schema("torchsync")["properties"]
    assert set(settings) - {"version"} == {field.name for field in fields(RepositorySettings)}
    assert set(settings["guards"]["properties"]) == {field.name for field in fields(Guards)}


def test_an_example_of_the_other_two_files_is_read() -> None:
    formats = repository_formats()
    for name, reader in (("hosts", formats.inventory), ("torchsync", formats.settings)):
        for field, schema in read_schema(name)["properties"].items():
            for example in schema["examples"]:
                found = reader.read(json.dumps({field: example}).encode())
                assert isinstance(found, TooOld) or found[1] == (), (field, example)


@pytest.mark.parametrize(
    ("name", "shared"), [("runs", ["run", "command"]), ("logs", ["run", "command"]), ("why", ["entry", "run", "command", "hold"])]
)
def test_what_several_answers_have_is_described_alike(name: str, shared: list[str]) -> None:
    for part in shared:
        assert read_schema(name)["$defs"][part] == read_schema("history")["$defs"][part], part


def test_the_reference_pages_are_up_to_date() -> None:
    assert stale_pages(ROOT / "docs/reference") == [], "run: python -m torchsync.cli.reference --write docs/reference"


def test_the_reference_pages_are_written_and_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 1
    assert "task.md is out of date" in capsys.readouterr().out
    assert main(["--write", str(tmp_path)]) == 0
    assert main([str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == set(PAGES)


@pytest.mark.parametrize("name", ["task", "agent", "hosts"])
def test_a_page_names_every_field(name: str) -> None:
    page = render_schema_page(read_schema(name))
    for route, field in properties(read_schema(name)):
        assert f".{route.rpartition('.')[2]}`" in page or f"`{route.rpartition('.')[2]}`" in page
        assert field["description"] in page
