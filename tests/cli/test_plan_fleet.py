"""`torchsync plan --all-hosts`: groups of equal hosts, what is not known of them, who refuses, and the exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.cli.test_plan import config_file, facts_file, write
from tests.gitrepo import Repo, one_task
from torchsync.adapters.schemas import read_schema
from torchsync.cli.main import main

AFTER = ["--after", "2027-03-20T12:00:00Z"]
WEB = "".join(f"  web-{number:02}: {{labels: {{role: web, site: {'eu' if number % 2 else 'us'}}}}}\n" for number in range(1, 31))
HOSTS = f"""\
hosts:
{WEB}  db-1: {{labels: {{role: db}}, addresses: [10.2.0.7], timezone: Europe/Berlin}}
  db-2: {{labels: {{role: db}}, timezone: Asia/Tokyo}}
  idle: {{}}
groups:
  eu: [site=eu]
"""
BEFORE = {
    "torchsync.yaml": "version: 1\npools: {disk: 2}\nguards: {min_tasks: 2}\n",
    "hosts.yaml": HOSTS,
    "tasks/web.yaml": """\
version: 1
defaults: {hosts: [role=web], command: "true"}
tasks:
  warm: {schedule: "*/5 * * * *"}
  rotate: {schedule: "H 2 * * *", timezone: Europe/Berlin}
  eu-only: {schedule: "0 3 * * *", hosts: ["@eu"]}
  ping: {schedule: "* * * * *"}
""",
    "tasks/db.yaml": """\
version: 1
defaults: {hosts: [role=db]}
tasks:
  backup: {schedule: "30 2 * * *", timezone: local, command: ./scripts/backup.sh, pool: disk}
  vacuum: {schedule: "0 4 * * sun", command: "true"}
  report: {schedule: "@monthly", command: "true"}
""",
    "scripts/backup.sh": "#!/bin/sh\necho backup\n",
}
AFTERWARDS = {
    "torchsync.yaml": "version: 1\npools: {disk: 1}\nguards: {min_tasks: 2}\n",
    "tasks/web.yaml": """\
version: 1
defaults: {hosts: [role=web], command: "true"}
tasks:
  warm: {schedule: "*/10 * * * *"}
  rotate: {schedule: "H 3 * * *", timezone: Europe/Berlin}
  eu-only: {schedule: "0 3 * * *", hosts: ["@eu"], owner: team-web}
  ping: {schedule: "* * * * *", enabled: false}
""",
    "tasks/db.yaml": """\
version: 1
defaults: {hosts: [role=db]}
tasks:
  backup: {schedule: "30 2 * * *", timezone: local, command: ./scripts/backup.sh, pool: disk}
""",
    "scripts/backup.sh": "#!/bin/sh\necho more\n",
}


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path / "repo", BEFORE)


@pytest.fixture
def plan(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory):
    """Plans for all hosts with these words; what was said, after the status was found to be the expected one."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.delenv("TORCHSYNC_CONFIG", raising=False)

    def run(*words: object, status: int):
        assert main(["plan", *AFTER, "--all-hosts", *map(str, words)]) == status
        return capsys.readouterr()

    return run


def document(said) -> dict:
    """The JSON that was printed; it keeps to its schema."""
    found = json.loads(said.out)
    Draft202012Validator(read_schema("plan")).validate(found)
    return found


def steps(group: dict) -> dict[str, list[str]]:
    return {kind: [step["task"] for step in group[kind]] for kind in ("added", "changed", "removed") if group[kind]}


# What is said.


@pytest.mark.parametrize("form", ["text", "json", "markdown"])
def test_the_plan_of_a_fleet(repo: Repo, plan, golden, form: str) -> None:
    base, head = repo.head, repo.commit(AFTERWARDS)
    said = plan(repo.folder, "--base", "HEAD~1", "--head", "HEAD", "--format", form, status=77).out
    for revision, word in ((base, "BASE"), (head, "HEAD")):
        said = said.replace(revision, word).replace(revision[:12], word)
    golden(f"plan-all.{ {'markdown': 'md', 'text': 'txt'}.get(form, form) }", said)


def test_hosts_with_the_same_change_are_one_group_whatever_their_zone_their_hash_and_their_other_tasks(repo: Repo, plan) -> None:
    repo.commit({"tasks/one.yaml": one_task("for-web-01", hosts="[web-01]")})
    repo.commit(AFTERWARDS)
    found = document(plan(repo.folder, "--base", "HEAD~1", "--head", "HEAD", "--json", status=77))
    assert (found["hosts"], found["touched"], found["refusing"]) == (33, 32, 2)
    refusing, eu, us, idle = found["groups"]
    assert refusing["hosts"] == ["db-1", "db-2"]
    assert steps(refusing) == {"changed": ["backup"], "removed": ["report", "vacuum"]}
    assert refusing["pools"] == [{"pool": "disk", "old": 2, "new": 1}]
    assert [problem["code"] for problem in refusing["refused"]] == ["TS208"]
    assert (len(eu["hosts"]), steps(eu)) == (15, {"changed": ["eu-only", "ping", "rotate", "warm"]})
    assert (len(us["hosts"]), steps(us)) == (15, {"changed": ["ping", "rotate", "warm"]})
    assert (eu["unchanged"], us["unchanged"]) == ({"least": 0, "most": 1}, {"least": 0, "most": 0})
    assert (idle["hosts"], steps(idle), idle["pools"]) == (["idle"], {}, [])


def test_a_change_of_a_pool_alone_is_a_change(repo: Repo, plan) -> None:
    repo.commit({"torchsync.yaml": AFTERWARDS["torchsync.yaml"]})
    words = (repo.folder, "--base", "HEAD~1", "--head", "HEAD")
    said = plan(*words, status=10).out
    assert "2 hosts: db-[1-2]" in said
    assert "Runs at once in the pool disk: 2 -> 1, unless agent.yaml of the host gives its own size." in said
    assert "31 hosts" in said


def test_a_change_of_nothing_is_none(repo: Repo, plan) -> None:
    assert plan(repo.folder, status=0).out.startswith("33 hosts: nothing changes\n")


def test_a_task_that_fires_every_minute_is_counted_and_not_listed(repo: Repo, plan) -> None:
    repo.commit(AFTERWARDS)
    found = document(plan(repo.folder, "--base", "HEAD~1", "--head", "HEAD", "--json", status=77))
    (ping,) = (step for step in found["groups"][2]["changed"] if step["task"] == "ping")
    assert (ping["forecast"]["lost"]["count"], len(ping["forecast"]["lost"]["first"])) == (9_000, 3)
    assert (ping["forecast"]["until"], ping["forecast"]["whole"]) == ("2027-03-26T18:00:00Z", False)


# What is known of the hosts.


def test_without_an_inventory_it_says_what_to_do(tmp_path: Path, plan) -> None:
    repo = Repo(tmp_path / "repo", {"tasks/a.yaml": one_task("a")})
    said = plan(repo.folder, status=66).err
    assert "TS359" in said
    assert "--host NAME or --facts FILE" in said


def test_facts_and_their_policy_stand_for_the_host_they_are_of(repo: Repo, plan, tmp_path: Path) -> None:
    config = config_file(tmp_path, host={"name": "idle", "labels": {"role": "web"}}, policy={"max_tasks": 1})
    repo.commit({"tasks/a.yaml": one_task("a", hosts='["*"]')})
    facts = facts_file(tmp_path, name="unheard-of", labels={"role": "db"})
    found = document(plan(repo.folder, "--base", "HEAD~1", "--facts", facts, "--config", config, "--json", status=77))
    assert (found["groups"][0]["hosts"], found["groups"][0]["policy_known"]) == (["idle"], True)
    assert found["groups"][0]["refused"][0]["code"] == "TS313"
    assert "unheard-of" in found["groups"][1]["hosts"]
    assert "the host unheard-of is not in hosts.yaml" in found["notices"]
    assert found["hosts"] == 34


def test_a_host_that_leaves_hosts_yaml_is_planned_for_and_told(repo: Repo, plan) -> None:
    write(
        repo.folder, {"hosts.yaml": HOSTS.replace("  db-2: {labels: {role: db}, timezone: Asia/Tokyo}\n", "  db-3: {labels: {role: db}}\n")}
    )
    found = document(plan(repo.folder, "--json", status=77))
    assert [notice for notice in found["notices"] if "db-" in notice] == [
        "no longer in hosts.yaml, and planned for as if their agents go on: db-2",
        "new in hosts.yaml, and planned for as if their agents ran the base: db-3",
        "hosts.yaml does not give the time zone of db-3: `timezone: local` is shown as UTC",
    ]
    lost, gained = (next(group for group in found["groups"] if group["hosts"] == [host]) for host in ("db-2", "db-3"))
    assert (steps(lost), steps(gained)) == ({"removed": ["backup", "report", "vacuum"]}, {"added": ["backup", "report", "vacuum"]})
    assert [problem["code"] for problem in lost["refused"]] == ["TS208"]


def test_without_an_inventory_facts_alone_make_a_fleet(tmp_path: Path, plan) -> None:
    repo = Repo(tmp_path / "repo", {"tasks/a.yaml": one_task("a")})
    found = document(plan(repo.folder, "--facts", facts_file(tmp_path, name="db-1"), "--json", status=0))
    assert [group["hosts"] for group in found["groups"]] == [["db-1"]]
