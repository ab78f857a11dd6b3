from __future__ import annotations

import pytest

from torchsync.adapters.schemas import read_schema
from torchsync.core.model import Guards, Millis
from torchsync.core.repositoryfile import RepositoryFileReader, RepositorySettings, TooOld
from torchsync.core.schema import version_parts
from torchsync.errors import Problem

READER = RepositoryFileReader(read_schema("torchsync"), "1.2.3")


def read(text: str) -> tuple[RepositorySettings, tuple[Problem, ...]]:
    found = READER.read(text.encode())
    assert not isinstance(found, TooOld)
    return found


def test_settings_are_read() -> None:
    settings, problems = read(
        "version: 1\nrequires: '>=1.2'\nguards: {max_removed_percent: 30, min_tasks: 5, min_interval: 10s}\npools: {db: 2}\ndefaults: {owner: x}"
    )
    assert problems == ()
    assert settings.requires == "1.2"
    assert settings.guards == Guards(max_removed_percent=30, min_tasks=5, min_interval=Millis(10_000))
    assert settings.pools == {"db": 2}
    assert settings.defaults is not None
    assert settings.defaults.raw == {"owner": "x"}


@pytest.mark.parametrize("text", ["{}", "version: 1", "guards:", "guards: {}\npools:", "requires:"])
def test_everything_may_be_left_out(text: str) -> None:
    assert read(text) == (RepositorySettings(), ())


def test_the_defaults_of_the_schema_are_those_of_the_code() -> None:
    fields = read_schema("torchsync")["properties"]["guards"]["properties"]
    spelt = ", ".join(f"{name}: {field['default']}" for name, field in fields.items())
    assert read(f"guards: {{{spelt}}}")[0].guards == Guards()


def test_the_fields_of_defaults_are_those_of_a_task() -> None:
    assert read_schema("torchsync")["$defs"]["fields"] == read_schema("task")["$defs"]["fields"]


@pytest.mark.parametrize(
    ("text", "code", "place", "words"),
    [
        ("default: {}", "TS110", (1, 1), "did you mean `defaults`?"),
        ("- x", "TS111", (1, 1), "a mapping with `requires`"),
        ("requires: 1.2", "TS111", (1, 11), "`>=` and a version"),
        ("requires: '>1.2'", "TS111", (1, 11), "such as `>=1.2`"),
        ("guards: {max_removed: 5}", "TS110", (1, 10), "did you mean `max_removed_percent`?"),
        ("guards: {max_removed_percent: 101}", "TS111", (1, 31), "from 0 to 100"),
        ("guards: {max_removed_percent: 50%}", "TS111", (1, 31), "a whole number"),
        ("guards: {min_interval: 100ms}", "TS111", (1, 24), "from 1s to 366d"),
        ("guards: {min_interval: 60}", "TS111", (1, 24), "write `60s`"),
        ("pools: {db: 0}", "TS111", (1, 13), "from 1 to 10000"),
        ("pools: {DB: 1}", "TS111", (1, 9), "the name of a pool"),
        ("defaults: {tz: UTC}", "TS110", (1, 12), "did you mean `timezone`?"),
        ("defaults: {run_on: any}", "TS113", (1, 12), "not in this version"),
        ("defaults: {timezone: Berlin}", "TS122", (1, 22), "not a time zone"),
        ("defaults: {schedule: '0 0 31 2 *'}", "TS121", (1, 27), "no date"),
        ("defaults: {hosts: [DB]}", "TS131", (1, 20), "write `db`"),
        ("defaults: {restart: {delay: 1ms}}", "TS111", (1, 29), "from 100ms"),
        ("defaults: {timeout: 0s}", "TS111", (1, 21), "from 1ms"),
        ("defaults: {output: {max_size: 1B}}", "TS111", (1, 31), "from 64KiB"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_what_to_write(text: str, code: str, place: tuple[int, int], words: str) -> None:
    (problem,) = read(text)[1]
    assert (problem.code, problem.path, (problem.line, problem.column)) == (code, "torchsync.yaml", place)
    assert words in f"{problem.message}; {problem.hint}"


def test_what_only_some_tasks_cannot_have_is_no_mistake_of_the_defaults() -> None:
    assert read("defaults: {max_running: 0, restart: {delay: 5s}, jitter: 2h, shell: /bin/bash, schedule: '@hourly'}")[1] == ()


@pytest.mark.parametrize("required", ["1.2.4", "1.3", "2", "1.2.10", "10"])
def test_an_older_version_says_that_it_is_too_old(required: str) -> None:
    found = READER.read(f"x: [\n\nrequires: '>={required}'".encode())
    assert not isinstance(found, TooOld), "what cannot be read as YAML cannot say what it requires"
    found = READER.read(f"whatever: {{is: new}}\nrequires: '>={required}'".encode())
    assert isinstance(found, TooOld)
    assert (found.problem.code, found.problem.line, found.problem.column) == ("TS151", 2, 11)
    assert required in found.problem.message
    assert "1.2.3" in found.problem.message


@pytest.mark.parametrize("required", ["1.2.3", "1.2", "1", "0.99.99", "1.0.999"])
def test_a_version_that_will_do_goes_on(required: str) -> None:
    assert read(f"requires: '>={required}'")[1] == ()


@pytest.mark.parametrize(
    ("text", "parts"), [("1.2.3", (1, 2, 3)), ("1.2", (1, 2, 0)), ("3", (3, 0, 0)), ("1.2.0rc1", (1, 2, 0)), ("x", (0, 0, 0))]
)
def test_a_version_is_compared_by_its_numbers(text: str, parts: tuple[int, int, int]) -> None:
    assert version_parts(text) == parts
