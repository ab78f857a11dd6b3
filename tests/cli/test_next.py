import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from torchsync.adapters.schemas import read_schema
from torchsync.cli.main import main
from torchsync.core.instants import parse_rfc3339, rfc3339_short
from torchsync.core.model import Instant
from torchsync.core.spread import Spread

AFTER = ["--after", "2026-03-28T12:00:00Z"]


def said(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0):
    """What is said; JSON keeps to its schema."""
    assert main(["next", *words]) == status
    told = capsys.readouterr()
    if "--json" in words:
        Draft202012Validator(read_schema("next")).validate(json.loads(told.out))
    return told


def test_an_expression_gives_its_fires_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--expr", "30 2 * * *", "--timezone", "Europe/Berlin", *AFTER, "-n", "2", "--json"]
    # 02:30 does not exist on the 29th: it fires at the first instant after the gap.
    assert json.loads(said(capsys, *words).out) == {"fires": ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]}


def test_fires_are_strictly_later_than_the_time_given(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--expr", "0 12 * * *", *AFTER, "-n", "1", "--json"]
    assert json.loads(said(capsys, *words).out) == {"fires": ["2026-03-29T12:00:00Z"]}


def test_there_are_fewer_fires_when_there_are_no_more(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--expr", "0 0 29 2 *", "--after", "2195-01-01T00:00:00Z", "-n", "5", "--json"]
    assert json.loads(said(capsys, *words).out) == {"fires": ["2196-02-29T00:00:00Z"]}


def test_several_expressions_give_a_result_each_and_a_refused_one_its_problem(capsys: pytest.CaptureFixture[str]) -> None:
    shown = said(capsys, "--expr", "@hourly", "--expr", "61 * * * *", *AFTER, "-n", "1", "--json", status=65)
    results = json.loads(shown.out)["results"]
    assert results[0] == {"expr": "@hourly", "fires": ["2026-03-28T13:00:00Z"]}
    assert results[1]["expr"] == "61 * * * *"
    assert results[1]["problem"]["code"] == "TS120"
    assert "TS120" in shown.err


def test_an_unknown_zone_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "TS122" in said(capsys, "--expr", "@hourly", "--timezone", "Europe/Berln", status=65).err


def test_h_is_told_for_the_host_and_the_task_that_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    """57 is what `printf 'db-1\\0nightly\\0minute' | sha256sum` comes to, as in the tests of `Spread`."""
    words = ["--expr", "H 3 * * *", "--host", "DB-1", "--task-name", "nightly", *AFTER, "-n", "1", "--json"]
    assert json.loads(said(capsys, *words).out) == {"fires": ["2026-03-29T03:57:00Z"]}


@pytest.mark.parametrize("words", [[], ["--host", "db-1"], ["--task-name", "nightly"]])
@pytest.mark.parametrize("expr", ["H 3 * * *", "0 1,h(2-5) * * *"])
def test_h_without_a_host_and_a_task_is_a_usage_error(words: list[str], expr: str, capsys: pytest.CaptureFixture[str]) -> None:
    message = said(capsys, "--expr", expr, *words, *AFTER, status=2).err
    assert "TS357" in message
    assert "--host and --task-name" in message


def test_a_refused_schedule_with_h_is_refused_and_no_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert "TS121" in said(capsys, "--expr", "0 0 31 H *", *AFTER, status=65).err


def test_at_fires_once_in_the_zone_and_startup_has_no_fires(capsys: pytest.CaptureFixture[str]) -> None:
    exprs = ["--expr", "@at 2026-12-01T03:00", "--expr", "@at 2026-03-28T13:00:00", "--expr", "@startup", "--expr", "@daily"]
    shown = said(capsys, *exprs, "--timezone", "Europe/Berlin", *AFTER, "-n", "2", "--json")
    assert json.loads(shown.out)["results"] == [
        {"expr": "@at 2026-12-01T03:00", "fires": ["2026-12-01T02:00:00Z"]},
        {"expr": "@at 2026-03-28T13:00:00", "fires": []},
        {"expr": "@startup", "fires": []},
        {"expr": "@daily", "fires": ["2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"]},
    ]


@pytest.mark.parametrize("text", ["tomorrow", "2026-03-28", "2026-03-28T12:00:00"])
def test_a_time_without_a_zone_is_a_usage_error(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "TS357" in said(capsys, "--expr", "@hourly", "--after", text, status=2).err


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "a.yaml").write_text(
        "version: 1\n"
        "tasks:\n"
        "  backup: {schedule: '0 3 * * *', command: 'true', hosts: ['db-*']}\n"
        "  report: {schedule: '@hourly', command: 'true'}\n"
        "  proxy: {type: daemon, command: 'sleep 1000'}\n"
    )
    return tmp_path


def test_the_tasks_of_a_repository_are_told_each_with_its_fires(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = json.loads(said(capsys, "--path", str(repository), *AFTER, "-n", "1", "--json").out)["results"]
    assert results == [
        {"task": "backup", "fires": ["2026-03-29T03:00:00Z"]},
        {"task": "proxy", "fires": []},
        {"task": "report", "fires": ["2026-03-28T13:00:00Z"]},
    ]


def test_a_host_has_only_its_own_tasks(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = json.loads(said(capsys, "--path", str(repository), "--host", "web-1", *AFTER, "--json").out)["results"]
    assert [result["task"] for result in results] == ["proxy", "report"]


def test_one_task_alone(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "backup", "--path", str(repository), *AFTER, "-n", "2").out.split() == [
        "2026-03-29T03:00:00Z",
        "2026-03-30T03:00:00Z",
    ]


def test_a_task_that_is_not_there_ends_with_66(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "TS352" in said(capsys, "nobody", "--path", str(repository), status=66).err


def test_a_repository_with_a_mistake_ends_with_65_and_says_where(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / "tasks" / "b.yaml").write_text("version: 1\ntasks:\n  x: {schedule: '61 * * * *', command: 'true'}\n")
    assert "tasks/b.yaml:3:" in said(capsys, "--path", str(repository), status=65).err


# What goes by the host


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "a.yaml").write_text(
        "version: 1\n"
        "defaults: {command: 'true'}\n"
        "tasks:\n"
        "  by-group: {schedule: '0 3 * * *', hosts: ['@eu']}\n"
        "  by-label: {schedule: '0 3 * * *', hosts: ['role=web']}\n"
        "  hashed: {schedule: 'H 3 * * *'}\n"
        "  late: {schedule: '0 3 * * *', jitter: 10m}\n"
        "  local: {schedule: '0 3 * * *', timezone: local}\n"
        "  off: {schedule: '0 3 * * *', enabled: false}\n"
        "  at-boot: {schedule: '@startup'}\n"
        "  served: {type: daemon}\n"
    )
    (tmp_path / "hosts.yaml").write_text(
        "hosts:\n  web-1: {labels: {role: web, site: eu}, timezone: Asia/Tokyo}\n  db-1:\ngroups: {eu: [site=eu]}\n"
    )
    return tmp_path


def test_a_host_is_what_hosts_yaml_says_of_it(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--path", str(fleet), "--host", "WEB-1", *AFTER, "-n", "1", "--json"]
    results = {result.pop("task"): result for result in json.loads(said(capsys, *words).out)["results"]}
    minute, delay = Spread("web-1", "hashed").pick("minute", 60), Spread("web-1", "late").pick("jitter", 600_000)
    assert results == {
        "at-boot": {"fires": []},
        "by-group": {"fires": ["2026-03-29T03:00:00Z"]},
        "by-label": {"fires": ["2026-03-29T03:00:00Z"]},
        "hashed": {"fires": [f"2026-03-29T03:{minute:02}:00Z"]},
        "late": {"fires": ["2026-03-29T03:00:00Z"], "due": [rfc3339_short(Instant(parse_rfc3339("2026-03-29T03:00:00Z") + delay))]},
        "local": {"fires": ["2026-03-28T18:00:00Z"]},
        "off": {"fires": []},
        "served": {"fires": []},
    }
    others = json.loads(said(capsys, "--path", str(fleet), "--host", "db-1", *AFTER, "--json").out)["results"]
    assert not {"by-group", "by-label"} & {result["task"] for result in others}


def test_the_text_says_why_a_task_has_no_fires_and_when_one_is_due(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = said(capsys, "--path", str(fleet), "--host", "web-1", *AFTER, "-n", "1").out
    told = dict(zip(out.splitlines()[::2], out.splitlines()[1::2], strict=True))
    assert told["served"] == "  a daemon, which is kept running"
    assert told["off"] == "  disabled"
    assert told["at-boot"] == "  once at each start of the host"
    assert told["late"].startswith("  2026-03-29T03:00:00Z, due 2026-03-29T03:0")


def test_without_a_host_what_goes_by_it_is_said_to(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = {
        result.pop("task"): result for result in json.loads(said(capsys, "--path", str(fleet), *AFTER, "-n", "1", "--json").out)["results"]
    }
    assert {name for name, result in results.items() if "problem" in result} == {"hashed", "late", "local"}
    assert results["by-label"] == {"fires": ["2026-03-29T03:00:00Z"]}
    assert "  by host: give --host NAME\n" in said(capsys, "--path", str(fleet), *AFTER).out
    assert "--host NAME" in said(capsys, "hashed", "--path", str(fleet), *AFTER, status=2).err


def test_a_host_that_is_not_in_the_inventory_is_told(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "the host web-9 is not in hosts.yaml" in said(capsys, "--path", str(fleet), "--host", "web-9", *AFTER).err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["by-lable"], "did you mean 'by-label'?"),
        (["zzz"], "`torchsync next` shows all of them"),
        (["by-label", "--host", "db-1"], "`torchsync plan --host db-1` shows what is"),
    ],
)
def test_a_task_that_is_not_there_is_told_with_what_might_be_meant(
    fleet: Path, words: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hint in said(capsys, *words, "--path", str(fleet), status=66).err
