"""`torchsync fleet` without Prometheus: that is `test_fleet_live.py`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.gitrepo import Repo
from torchsync.adapters.schemas import read_schema
from torchsync.cli.main import main
from torchsync.core.jsontext import Json

HOSTS: dict[str, Json] = {
    **{
        f"web-{number:02d}": {"addresses": [f"10.1.0.{number}"], "labels": {"role": "web", "site": "fra"}, "timezone": "Europe/Berlin"}
        for number in range(1, 13)
    },
    "db-1": {"addresses": ["10.2.0.1"], "labels": {"role": "db", "site": "fra"}, "timezone": "Europe/Berlin"},
    "db-2": {"addresses": ["10.2.0.2"], "labels": {"role": "db", "site": "hel"}},
    "spare-1": {},
}
TASKS: dict[str, Json] = {
    "rotate": {"schedule": "15 3 * * *", "command": "rotate --all", "hosts": ["role=web"], "owner": "team-web"},
    "backup": {
        "description": "Dumps and ships every database",
        "schedule": "H 2 * * *",
        "timezone": "local",
        "jitter": "10m",
        "timeout": "2h",
        "command": ["backup", "--to", "the attic"],
        "hosts": ["db-*", "!db-test-*"],
        "owner": "team-db",
        "runbook": "https://wiki.example.org/backup",
        "labels": {"cost": "high"},
        "alert": {"severity": "critical"},
    },
    "vacuum": {"schedule": "0 4 * * sun", "command": "vacuum", "hosts": ["db-1"], "owner": "team-db", "enabled": False},
    "proxy": {"type": "daemon", "command": "proxy", "max_running": 2, "hosts": ["web-0*"], "owner": "team-web"},
    "report": {"schedule": "@startup", "command": "report", "hosts": ["10.0.0.0/8"]},
    "stray": {"schedule": "0 6 * * *", "command": "true", "hosts": ["mail-*"]},
}
AFTER = ["--after", "2026-11-23T12:00:00Z"]


def files(tasks: dict[str, Json], hosts: dict[str, Json] | None = None) -> dict[str, str]:
    """A repository. JSON is YAML."""
    found = {"tasks/all.yaml": json.dumps({"version": 1, "tasks": tasks}, indent=1)}
    return found | ({"hosts.yaml": json.dumps({"hosts": hosts, "groups": {"front": ["role=web"]}}, indent=1)} if hosts is not None else {})


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    """Two commits: of the first, the tasks ran on other hosts."""
    before = {
        **{name: task for name, task in TASKS.items() if name != "proxy"},
        "rotate": {**TASKS["rotate"], "hosts": ["role=web", "spare-1"]},
        "backup": {**TASKS["backup"], "timeout": "1h"},
        "gone": {"schedule": "0 1 * * *", "command": "true", "hosts": ["db-2"]},
    }
    one = Repo(tmp_path_factory.mktemp("fleet") / "repo", files(before, HOSTS))
    one.commit(files(TASKS, HOSTS))
    return one


@pytest.fixture(autouse=True)
def no_prometheus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCHSYNC_PROMETHEUS", raising=False)


@pytest.fixture
def fleet(capsys: pytest.CaptureFixture[str]):
    """Asks with these words; what was said, after the status was found to be the expected one."""

    def run(*words: object, status: int = 0):
        assert main(["fleet", *AFTER, *map(str, words)]) == status
        return capsys.readouterr()

    return run


def document(said) -> dict[str, Any]:
    """The JSON that was printed; it keeps to its schema."""
    found = json.loads(said.out)
    Draft202012Validator(read_schema("fleet")).validate(found)
    return found


def named(items: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(item for item in items if item["name"] == name)


def names(items: list[dict[str, Any]]) -> list[str]:
    return [item["name"] for item in items]


# What is said.


def test_the_tables(repo: Repo, fleet, golden) -> None:
    said = fleet(repo.folder, "--base", "HEAD~1")
    golden("fleet.txt", said.out.replace(repo.head[:12], "HEAD").replace(repo.git("rev-parse", "HEAD~1")[:12], "BASE"))
    assert said.err == ""


def test_the_json(repo: Repo, fleet) -> None:
    found = document(fleet(repo.folder, "--base", "HEAD~1", "--json"))
    assert (found["generated_at"], found["revision"], found["dirty"], found["filters"]) == ("2026-11-23T12:00:00Z", repo.head, False, {})
    assert (found["idle_tasks"], found["idle_hosts"], found["notices"]) == (["stray"], ["spare-1"], [])
    backup = named(found["tasks"], "backup")
    assert (backup["hosts"], backup["next"], backup["next_by_host"], backup["timeout_seconds"]) == (["db-1", "db-2"], None, True, 7200)
    assert backup["source"] == {"path": "tasks/all.yaml", "line": 12, "column": 3}
    assert named(found["tasks"], "rotate")["next"] == "2026-11-24T03:15:00Z"
    assert (named(found["hosts"], "db-2")["zone"], named(found["hosts"], "db-1")["zone"]) == (None, "Europe/Berlin")
    moves = found["differences"]
    assert moves["base"] == repo.git("rev-parse", "HEAD~1")
    assert [(one["name"], one["change"], one["gains"], one["loses"]) for one in moves["tasks"]] == [
        ("backup", "changed", [], []),
        ("gone", "removed", [], ["db-2"]),
        ("proxy", "added", [f"web-0{number}" for number in range(1, 10)], []),
        ("rotate", "changed", [], ["spare-1"]),
    ]
    assert named(moves["hosts"], "spare-1")["loses"] == ["rotate"]


def test_the_markdown(repo: Repo, fleet, golden) -> None:
    said = fleet(repo.folder, "--format", "markdown", "--base", "HEAD~1")
    golden("fleet.md", said.out.replace(repo.head[:12], "HEAD").replace(repo.git("rev-parse", "HEAD~1")[:12], "BASE"))


def test_one_task_is_told_in_detail(repo: Repo, fleet, golden) -> None:
    golden("fleet-task.txt", fleet(repo.folder, "--task", "backup").out.replace(repo.head[:12], "HEAD"))


def test_one_host_is_told_in_detail(repo: Repo, fleet, golden) -> None:
    golden("fleet-host.txt", fleet(repo.folder, "--host", "db-1").out.replace(repo.head[:12], "HEAD"))


def test_owners_are_told_with_what_they_own(repo: Repo, fleet) -> None:
    said = fleet(repo.folder, "--by", "owner").out.splitlines()[2:]
    assert [line.split("  ")[0] for line in said] == ["OWNER", "team-db", "team-web", "(no owner)"]
    assert said[1].endswith("2: backup, vacuum  2: db-[1-2]")


def test_everything_is_named_where_that_is_asked_for(repo: Repo, fleet) -> None:
    tasks = {f"a-task-with-a-long-name-{number}": {"schedule": "0 1 * * *", "command": "true"} for number in range(9)}
    folder = Repo(repo.folder.parent / "full", files(tasks, {"web-1": {}, "mail": {}})).folder
    assert "and 8 more" in fleet(folder, "--by", "host").out
    said = fleet(folder, "--full").out
    assert "more" not in said
    assert all(name in said.splitlines()[-1] for name in tasks)


# What is asked for.


@pytest.mark.parametrize(
    ("words", "hosts", "tasks"),
    [
        (["--task", "vac*"], ["db-1"], ["vacuum"]),
        (["--host", "db-2"], ["db-2"], ["backup", "report"]),
        (["--host", "@front", "--host", "!web-0*", "--owner", "team-web"], ["web-10", "web-11", "web-12"], ["rotate"]),
        (["--host", "10.2.0.0/16", "--task", "backup", "--task", "vacuum"], ["db-1", "db-2"], ["backup", "vacuum"]),
        (["--label", "cost=h*"], ["db-1", "db-2"], ["backup"]),
        (["--task", "stray"], [], ["stray"]),
        (["--task", "stray", "--host", "db-1"], [], []),
    ],
)
def test_only_what_is_asked_for_is_shown(repo: Repo, fleet, words: list[str], hosts: list[str], tasks: list[str]) -> None:
    found = document(fleet(repo.folder, "--json", *words))
    assert (names(found["hosts"]), names(found["tasks"])) == (hosts, tasks)
    assert found["filters"].keys() == {word[2:] for word in words if word.startswith("--")}
    assert fleet(repo.folder, *words).out.splitlines()[0].endswith(f"of 15 hosts and 6 tasks in the folder as it is ({repo.head[:12]})")


def test_what_differs_is_asked_for_too(repo: Repo, fleet) -> None:
    found = document(fleet(repo.folder, "--json", "--base", "HEAD~1", "--task", "gone"))["differences"]
    assert (names(found["tasks"]), names(found["hosts"])) == (["gone"], ["db-2"])
    assert "Nothing differs" in fleet(repo.folder, "--base", "HEAD", "--host", "db-1").out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--task", "bakup"], "--task bakup: no task matches (did you mean 'backup'?)"),
        (["--task", "zzz*"], "--task zzz*: no task matches (`torchsync fleet --by task` shows all tasks)"),
        (["--host", "web-1"], "--host web-1: no host of hosts.yaml matches (did you mean 'web-12' or 'web-11' or 'web-10'?)"),
        (["--host", "192.168.0.0/16"], "`torchsync plan --host 192.168.0.0/16` tells what a host of that name would run"),
        (["--host", "role=bd"], "did you mean 'role=db' or 'role=web'?"),
        (["--owner", "team-bd"], "--owner team-bd: no task matches (did you mean 'team-db' or 'team-web'?)"),
        (["--label", "cost=low"], "--label cost=low: no task matches"),
    ],
)
def test_a_pattern_that_matches_nothing_is_said_with_names_that_are_near(repo: Repo, fleet, words: list[str], told: str) -> None:
    said = fleet(repo.folder, *words, status=66)
    assert said.err.startswith("TS364 ")
    assert told in said.err
    assert said.out == ""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--host", "DB-1"], "has capital letters"),
        (["--host", "@nobody"], "there is no group 'nobody'"),
        (["--after", "noon"], "--after: "),
        (["--live"], "--live needs the address of a Prometheus: give --prometheus URL, or set TORCHSYNC_PROMETHEUS"),
        (["--live", "--prometheus", "http://p", "--host-label", "a-b"], "expected the name of a label"),
    ],
)
def test_what_cannot_be_understood_is_said(repo: Repo, fleet, words: list[str], told: str) -> None:
    said = fleet(repo.folder, *words, status=2)
    assert "TS357" in said.err
    assert told in said.err


# What is read.


def test_a_revision_is_shown_as_it_was(repo: Repo, fleet) -> None:
    found = document(fleet(repo.folder, "--json", "--head", "HEAD~1"))
    assert "gone" in names(found["tasks"])
    assert (found["source"], found["revision"], found["dirty"]) == ("HEAD~1", repo.git("rev-parse", "HEAD~1"), False)


def test_a_revision_that_is_not_there_is_said(repo: Repo, fleet) -> None:
    for option in ("--head", "--base"):
        assert "TS354 there is no revision 'nowhere'" in fleet(repo.folder, option, "nowhere", status=66).err


def test_changes_that_are_not_committed_are_said(tmp_path: Path, fleet) -> None:
    repo = Repo(tmp_path / "repo", files(TASKS, HOSTS))
    (repo.folder / "build.log").write_text("of no task")
    assert document(fleet(repo.folder, "--json"))["dirty"] is False
    (repo.folder / "tasks" / "new.yaml").write_text("version: 1\ntasks: {new: {schedule: '0 1 * * *', command: 'true'}}\n")
    found = document(fleet(repo.folder, "--json"))
    assert (found["dirty"], found["revision"]) == (True, repo.head)
    assert found["notices"] == [
        "1 file of the folder is not committed as it stands here, and a commit may come out otherwise: tasks/new.yaml"
    ]
    assert fleet(repo.folder).out.splitlines()[0].endswith(f"in the folder as it is ({repo.head[:12]}, changed)")


def test_a_folder_outside_of_git_is_shown(tmp_path: Path, fleet) -> None:
    for name, text in files(TASKS, HOSTS).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    found = document(fleet(tmp_path, "--json"))
    assert (found["revision"], found["dirty"], len(found["hosts"])) == (None, False, 15)
    assert "is not in a git repository" in fleet(tmp_path, "--head", "HEAD", status=66).err


def test_without_an_inventory_tasks_are_shown_with_their_selectors(tmp_path: Path, fleet) -> None:
    repo = Repo(tmp_path / "repo", files({**TASKS, "anywhere": {"schedule": "0 1 * * *", "command": "true"}}))
    found = document(fleet(repo.folder, "--json"))
    assert (found["has_inventory"], found["hosts"], len(found["tasks"])) == (False, [], 7)
    assert "list the hosts in it, as `hosts: {web-1:" in found["notices"][0]
    lines = fleet(repo.folder).out.splitlines()
    assert next(line for line in lines if line.startswith("TASK")).endswith("SELECTORS")
    assert next(line for line in lines if line.startswith("backup")).endswith("db-*, !db-test-*")
    assert next(line for line in lines if line.startswith("anywhere")).endswith("every host")
    assert "for no host" not in "".join(lines)
    assert "hosts.yaml names no hosts" in fleet(repo.folder, "--host", "db-1", status=66).err
    assert "### By host" not in fleet(repo.folder, "--format", "markdown").out


def test_an_invalid_repository_is_told_with_all_its_problems(tmp_path: Path, fleet) -> None:
    repo = Repo(tmp_path / "repo", files({"one": {"schedule": "61 * * * *", "command": "true"}, "two": {"schedule": "0 1 * * *"}}, {}))
    said = fleet(repo.folder, status=65).err
    assert said.count("tasks/all.yaml:") == 2


def test_a_folder_that_is_not_there_is_said(tmp_path: Path, fleet) -> None:
    assert "TS353" in fleet(tmp_path / "nowhere", status=66).err


def test_texts_of_several_lines_and_marks_keep_to_their_place(tmp_path: Path, fleet) -> None:
    odd: Json = {"schedule": "0 1 * * *", "command": "first\nsecond | third", "owner": "@ops|`x`", "description": "<b>a</b>\nb\t#1 *c*"}
    repo = Repo(tmp_path / "repo", files({"one": odd}, {"db-1": {}, "db-2": {}}))
    for words in ([], ["--task", "one"], ["--host", "db-1"], ["--by", "owner"], ["--format", "markdown"]):
        assert all(line.isprintable() for line in fleet(repo.folder, *words).out.splitlines())
    assert "command      first\n               second | third\n" in fleet(repo.folder, "--task", "one").out
    assert fleet(repo.folder, "--host", "db-1").out.splitlines()[-1].endswith("  <b>a</b> b #1 *c*")
    row = next(line for line in fleet(repo.folder, "--format", "markdown").out.splitlines() if line.startswith("| `one`"))
    assert r"`` @ops\|`x` ``" in row
    assert row.endswith("| &#60;b&#62;a&#60;/b&#62; b #&#8203;1 &#42;c&#42; |")
    assert len(re.findall(r"(?<!\\)\|", row)) == 7


def test_thousands_of_hosts_are_a_few_rows(tmp_path: Path, fleet) -> None:
    hosts: dict[str, Json] = {f"{kind}-{number:03d}": {"labels": {"kind": kind}} for kind in ("web", "db") for number in range(1, 501)}
    tasks: dict[str, Json] = {
        f"{kind}-{number}": {"schedule": "0 1 * * *", "command": "true", "hosts": [f"kind={kind}"]}
        for kind in ("web", "db")
        for number in range(3)
    }
    for name, text in files(tasks, hosts).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert fleet(tmp_path, "--by", "host").out.splitlines()[3:] == [
        "500: db-[001-500]   kind=db           3: db-0, db-1, db-2",
        "500: web-[001-500]  kind=web          3: web-0, web-1, web-2",
    ]


def test_asking_costs_no_more_than_it_needs() -> None:
    script = "import sys, torchsync.cli.fleet; print(*sorted({'git', 'rich', 'jinja2', 'urllib.request', 'playwright'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
