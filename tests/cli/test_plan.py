"""`torchsync plan` on real repositories: what is compared, for which host, what is said, and the exit status."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.gitrepo import Repo, one_task
from torchsync.adapters.schemas import read_schema
from torchsync.cli.main import main

ROOT = Path(__file__).parents[2]
AFTER = ["--after", "2026-11-23T12:00:00Z"]
HERE = ["--host", "db-1"]

BEFORE = {
    "tasks/db.yaml": """\
version: 1
defaults: {owner: team-db, hosts: ["db-*"]}
tasks:
  backup:
    schedule: "30 2 * * *"
    timezone: Europe/Berlin
    command: ./scripts/backup.sh --all
    env: {KEEP: "3", TARGET: /srv}
    timeout: 2h
  vacuum: {schedule: "0 4 * * sun", command: vacuumdb --all}
  proxy: {type: daemon, command: exec ./scripts/proxy.sh, stop_grace: 30s}
  queue: {type: daemon, command: [./scripts/queue.sh, --fast], max_running: 2}
  lock-cleaner: {schedule: "@hourly", command: "true"}
""",
    "tasks/web.yaml": one_task("warm-cache", hosts="[web-*]"),
    "scripts/backup.sh": "#!/bin/sh\necho backup\n",
    "scripts/proxy.sh": "#!/bin/sh\nsleep 1000\n",
    "scripts/queue.sh": "#!/bin/sh\nsleep 1000\n",
}
AFTERWARDS = {
    "tasks/db.yaml": """\
version: 1
defaults: {owner: team-db, hosts: ["db-*"]}
tasks:
  archive: {schedule: "0 30 5 * * mon", command: "true", enabled: false}
  backup:
    schedule: "30 3 * * *"
    timezone: Europe/Berlin
    command: "./scripts/backup.sh --all\\n\\techo done"
    env: {KEEP: "5", VERBOSE: ""}
  lock-cleaner: {schedule: "@hourly", command: "true"}
  proxy: {type: daemon, command: exec ./scripts/proxy.sh, stop_grace: 30s, description: Answers for the database}
  queue: {type: daemon, command: [./scripts/queue.sh, --fast], max_running: 2}
""",
    "tasks/more.yaml": """\
version: 1
tasks:
  report: {schedule: "0 6 * * *", command: "true", hosts: [db-1]}
  shipper: {type: daemon, command: sleep 1000, max_running: 3, hosts: ["*"]}
""",
    "scripts/queue.sh": "#!/bin/sh\nsleep 2000\n",
}


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path / "repo", BEFORE)


@pytest.fixture
def plan(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory):
    """Plans with these words; what was said, after the status was found to be the expected one."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.delenv("TORCHSYNC_CONFIG", raising=False)

    def run(*words: object, status: int):
        assert main(["plan", *AFTER, *map(str, words)]) == status
        return capsys.readouterr()

    return run


def document(said) -> dict:
    """The JSON that was printed; it keeps to its schema."""
    found = json.loads(said.out)
    Draft202012Validator(read_schema("plan")).validate(found)
    return found


def names(steps: list[dict]) -> list[str]:
    return [step["task"] for step in steps]


def write(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(0o755 if name.startswith("scripts/") else 0o644)


# What is said.


def test_the_text_of_a_plan(repo: Repo, plan, golden) -> None:
    base, head = repo.head, repo.commit(AFTERWARDS)
    said = plan(repo.folder, "--base", "HEAD~1", "--head", "HEAD", *HERE, status=10)
    golden("plan.txt", said.out.replace(base[:12], "BASE").replace(head[:12], "HEAD"))
    assert said.err == ""


def test_the_json_of_a_plan(repo: Repo, plan, golden) -> None:
    base, head = repo.head, repo.commit(AFTERWARDS)
    said = plan(repo.folder, "--base", "HEAD~1", "--head", "HEAD", *HERE, "--json", status=10)
    found = document(said)
    assert (found["base"], found["head"]) == (base, head)
    golden("plan.json", said.out.replace(base, "BASE").replace(head, "HEAD"))


def test_the_comment_of_a_plan(repo: Repo, plan, golden) -> None:
    base, head = repo.head, repo.commit(AFTERWARDS)
    said = plan(repo.folder, "--base", "HEAD~1", "--head", "HEAD", *HERE, "--format", "markdown", status=10)
    golden("plan.md", said.out.replace(base[:12], "BASE").replace(head[:12], "HEAD"))


def test_the_schema_of_the_json_is_one() -> None:
    Draft202012Validator.check_schema(read_schema("plan"))


def test_nothing_that_a_terminal_acts_on_is_printed(repo: Repo, plan) -> None:
    repo.commit(AFTERWARDS)
    assert all(line.isprintable() for line in plan(repo.folder, "--base", "HEAD~1", *HERE, status=10).out.splitlines())


# What is compared.


def test_a_clean_checkout_changes_nothing(repo: Repo, plan) -> None:
    found = document(plan(repo.folder, *HERE, "--json", status=0))
    assert (found["base"], found["head"]) == (repo.head, None)
    assert (found["unchanged"], found["not_selected"]) == (5, 1)


def test_a_clean_checkout_with_links_and_a_program_changes_nothing(repo: Repo, plan) -> None:
    (repo.folder / "scripts" / "again.sh").symlink_to("backup.sh")
    repo.commit({"tasks/again.yaml": one_task("again", command="./scripts/again.sh")})
    assert document(plan(repo.folder, *HERE, "--json", status=0))["unchanged"] == 6


def test_without_revisions_the_folder_is_compared_with_the_last_commit(repo: Repo, plan) -> None:
    write(repo.folder, AFTERWARDS)
    found = document(plan(repo.folder, *HERE, "--json", status=10))
    assert names(found["added"]) == ["archive", "report", "shipper"]
    assert names(found["removed"]) == ["vacuum"]
    assert names(found["changed"]) == ["backup", "proxy", "queue"]


def test_the_folder_as_it_is_and_the_commit_of_it_give_the_same_plan(repo: Repo, plan) -> None:
    write(repo.folder, AFTERWARDS)
    as_folder = document(plan(repo.folder, *HERE, "--json", status=10))
    repo.commit({})
    as_commit = document(plan(repo.folder, "--base", "HEAD~1", "--head", "main", *HERE, "--json", status=10))
    (notice,) = as_folder["notices"]
    assert notice.startswith("3 files of the folder are not committed as it stands here")
    assert as_folder == as_commit | {"head": None, "notices": [notice]}


def test_a_subfolder_of_a_work_tree_is_a_task_repository_of_its_own(tmp_path: Path, plan) -> None:
    repo = Repo(tmp_path / "repo", {"README": "hello\n"} | {f"ops/cron/{name}": content for name, content in BEFORE.items()})
    for name in ("backup", "proxy", "queue"):
        (repo.folder / f"ops/cron/scripts/{name}.sh").chmod(0o755)
    repo.commit({})
    assert document(plan(repo.folder / "ops/cron", *HERE, "--json", status=0))["unchanged"] == 5
    write(repo.folder / "ops/cron", AFTERWARDS)
    assert names(document(plan(repo.folder / "ops/cron", *HERE, "--json", status=10))["removed"]) == ["vacuum"]


def test_the_current_folder_is_the_default(repo: Repo, plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repo.folder)
    assert "5 unchanged" in plan(*HERE, status=0).out


def test_outside_of_git_every_task_is_new(tmp_path: Path, plan) -> None:
    write(tmp_path / "plain", BEFORE)
    found = document(plan(tmp_path / "plain", *HERE, "--json", status=10))
    assert names(found["added"]) == ["backup", "lock-cleaner", "proxy", "queue", "vacuum"]
    assert found["base"] is None
    assert any("not in a git repository" in notice for notice in found["notices"])


def test_outside_of_git_no_git_is_needed(tmp_path: Path) -> None:
    write(tmp_path / "plain", BEFORE)
    words = [sys.executable, "-m", "torchsync", "plan", str(tmp_path / "plain"), *HERE]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={"PATH": "/nonexistent", "PYTHONPATH": str(ROOT)})
    assert (done.returncode, done.stderr) == (10, "")


def test_without_git_installed_a_revision_cannot_be_read_and_that_is_said(repo: Repo) -> None:
    words = [sys.executable, "-m", "torchsync", "plan", str(repo.folder), *HERE]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={"PATH": "/nonexistent", "PYTHONPATH": str(ROOT)})
    assert done.returncode == 1
    assert "TS320" in done.stderr


def test_before_the_first_commit_every_task_is_new(tmp_path: Path, plan) -> None:
    repo = Repo(tmp_path / "repo")
    write(repo.folder, BEFORE)
    found = document(plan(repo.folder, *HERE, "--json", status=10))
    assert len(found["added"]) == 5
    assert any("no commit yet" in notice for notice in found["notices"])


def test_a_base_that_is_not_valid_is_taken_for_empty_and_that_is_said(tmp_path: Path, plan) -> None:
    repo = Repo(tmp_path / "repo", {"tasks/bad.yaml": "version: 1\ntasks: {a: {schedule: nonsense, command: 'true'}}\n"})
    bad = repo.head
    repo.commit({"tasks/bad.yaml": one_task("a")})
    found = document(plan(repo.folder, "--base", bad, *HERE, "--json", status=10))
    assert (names(found["added"]), found["base"]) == (["a"], bad)
    assert any("is not valid and is taken for empty" in notice and "TS120" in notice for notice in found["notices"])


def test_in_place_of_a_base_that_is_not_valid_the_newest_valid_commit_before_it_is_compared_as_hosts_run_that(tmp_path: Path, plan) -> None:
    files: dict = {f"tasks/{n}.yaml": one_task(f"t{n}") for n in range(12)}
    repo = Repo(tmp_path / "repo", files)
    good = repo.head
    repo.commit({"tasks/1.yaml": one_task("t1", owner="ops"), "tasks/bad.yaml": "nonsense"})
    bad = repo.commit({"tasks/2.yaml": one_task("t2", owner="ops")})
    repo.commit({"tasks/bad.yaml": None} | {f"tasks/{n}.yaml": None for n in range(3, 12)}, "mend")
    found = document(plan(repo.folder, "--base", bad, "--head", "HEAD", *HERE, "--json", status=77))
    assert (found["base"], names(found["changed"]), len(found["removed"])) == (good, ["t1", "t2"], 9)
    assert [problem["code"] for problem in found["refused"]] == ["TS208"]
    (notice,) = found["notices"]
    assert notice.startswith(
        f"{bad} is not valid so that no host runs it; compared is {good[:12]}, the newest valid commit before it: tasks/bad"
    )
    repo.git("commit", "--quiet", "--allow-empty", "-m", "meant\n\nTorchsync-Allow-Removal: yes")
    assert f"from {good[:12]} to HEAD" in plan(repo.folder, "--base", bad, "--head", "HEAD", *HERE, status=10).out


def test_a_base_without_the_folder_is_taken_for_empty(repo: Repo, plan) -> None:
    write(repo.folder / "new", {"tasks/a.yaml": one_task("a")})
    found = document(plan(repo.folder / "new", *HERE, "--json", status=10))
    assert names(found["added"]) == ["a"]
    assert any("TS150" in notice for notice in found["notices"])


def test_a_script_that_changed_is_named_as_inputs(repo: Repo, plan) -> None:
    write(repo.folder, {"scripts/queue.sh": "#!/bin/sh\n"})
    (step,) = document(plan(repo.folder, *HERE, "--json", status=10))["changed"]
    assert (step["task"], step["fields"]) == ("queue", [{"field": "inputs", "old": None, "new": None}])
    assert step["restarts"]


def test_a_script_that_cannot_be_executed_any_more_is_told_so(repo: Repo, plan) -> None:
    (repo.folder / "scripts/queue.sh").chmod(0o644)
    write(repo.folder, {"scripts/backup.sh": "#!/bin/sh\n"})
    said = plan(repo.folder, *HERE, status=10).out
    assert "scripts/queue.sh: its mode changed, and it cannot be executed\n" in said
    assert "scripts/backup.sh: its content changed\n" in said
    repo.commit({})
    (repo.folder / "scripts/queue.sh").chmod(0o755)
    assert "scripts/queue.sh: its mode changed, and it can be executed\n" in plan(repo.folder, *HERE, status=10).out


def test_revisions_of_a_sha256_repository_are_compared_and_what_its_folder_cannot_tell_is_said(tmp_path: Path, plan) -> None:
    repo = Repo(tmp_path / "repo", BEFORE, object_format="sha256")
    assert document(plan(repo.folder, "--head", "HEAD", *HERE, "--json", status=0))["notices"] == []
    assert "SHA-256" in document(plan(repo.folder, *HERE, "--json", status=10))["notices"][0]


# What cannot be compared.


def test_a_head_that_is_not_valid_is_told_with_all_its_problems(repo: Repo, plan) -> None:
    write(repo.folder, {"tasks/a.yaml": one_task("a", schedule="nonsense"), "tasks/b.yaml": one_task("b", comand="x")})
    said = plan(repo.folder, *HERE, status=65)
    assert said.out == ""
    assert [line.split(" ")[1] for line in said.err.splitlines()] == ["TS120", "TS110"]
    assert said.err.startswith(f"{repo.folder}/tasks/a.yaml:4:")


def test_a_revision_that_is_not_valid_is_told_in_the_same_way(repo: Repo, plan) -> None:
    write(repo.folder, {"tasks/a.yaml": one_task("a", schedule="nonsense"), "tasks/b.yaml": one_task("b", comand="x")})
    as_folder = plan(repo.folder, *HERE, status=65)
    repo.commit({})
    assert plan(repo.folder, "--head", "HEAD", *HERE, status=65).err == as_folder.err


@pytest.mark.parametrize("which", ["--base", "--head"])
@pytest.mark.parametrize("name", ["no-such-branch", "HEAD:tasks", "--version", "0" * 40, ""])
def test_a_revision_that_is_not_there(repo: Repo, plan, which: str, name: str) -> None:
    said = plan(repo.folder, f"{which}={name}", status=66)
    assert "TS354" in said.err
    assert "shallow" not in said.err


def test_a_shallow_clone_says_how_to_deepen_it(repo: Repo, plan, tmp_path: Path) -> None:
    first, _ = repo.head, repo.commit(AFTERWARDS)
    shallow = tmp_path / "shallow"
    repo.git("clone", "--quiet", "--depth=1", repo.url, str(shallow))
    assert "git fetch --unshallow" in plan(shallow, "--base", first, status=66).err
    plan(shallow, *HERE, status=0)


def test_a_partial_clone_says_what_it_lacks(repo: Repo, plan, tmp_path: Path) -> None:
    first = repo.head
    repo.git("config", "uploadpack.allowFilter", "true")
    repo.commit(AFTERWARDS)
    partial = tmp_path / "partial"
    repo.git("clone", "--quiet", "--filter=blob:none", repo.url, str(partial))
    assert "--filter" in plan(partial, "--base", first, status=66).err


def test_a_folder_that_is_not_there(tmp_path: Path, plan) -> None:
    assert "TS353" in plan(tmp_path / "nowhere", status=66).err


def test_a_single_file_is_not_a_repository(repo: Repo, plan) -> None:
    assert "TS353" in plan(repo.folder / "tasks/db.yaml", status=66).err


def test_a_revision_outside_of_git_is_not_there(tmp_path: Path, plan) -> None:
    write(tmp_path / "plain", BEFORE)
    assert "is not in a git repository" in plan(tmp_path / "plain", "--base", "HEAD", status=66).err


# For which host.


def facts_file(folder: Path, **facts: object) -> Path:
    path = folder / "facts.json"
    path.write_text(json.dumps(facts))
    return path


def test_facts_from_a_file_decide_what_is_selected_and_what_local_time_is(tmp_path: Path, plan) -> None:
    by_label = one_task("by-label", hosts='["role=db"]', schedule='"0 21 * * *"', timezone="local")
    by_address = one_task("by-address", hosts='["10.2.0.0/16"]')
    repo = Repo(tmp_path / "repo", {"tasks/a.yaml": by_label, "tasks/b.yaml": by_address, "tasks/c.yaml": one_task("c", hosts='["db-*"]')})
    repo.git("update-ref", "-d", "HEAD")
    facts = facts_file(tmp_path, name="X", addresses=["10.2.0.7"], labels={"role": "db"}, zone="Asia/Tokyo")
    found = document(plan(repo.folder, "--facts", facts, "--json", status=10))
    assert (found["host"], names(found["added"]), found["not_selected"]) == ("x", ["by-address", "by-label"], 1)
    assert found["added"][1]["next"][0] == "2026-11-24T12:00:00Z"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param("{", "facts.json: TS357", id="no JSON"),
        pytest.param("[]", "an object", id="a list"),
        pytest.param("{}", "'name'", id="no name"),
        pytest.param('{"name": ""}', "not the name of a host", id="an empty name"),
        pytest.param('{"name": "a", "addresses": ["10.2"]}', "10.2", id="a bad address"),
        pytest.param('{"name": "a", "addresses": "10.2.0.7"}', "a list", id="an address alone"),
        pytest.param('{"name": "a", "labels": {"a": 1}}', "labels.a", id="a label that is no text"),
        pytest.param('{"name": "a", "zone": "Mars"}', "Mars", id="a bad zone"),
        pytest.param('{"name": "a", "lables": {}}', "'lables'", id="an unknown fact"),
    ],
)
def test_facts_that_make_no_sense_are_a_usage_error(repo: Repo, tmp_path: Path, plan, content: str, why: str) -> None:
    path = tmp_path / "facts.json"
    path.write_text(content)
    assert why in plan(repo.folder, "--facts", path, status=2).err


def test_a_file_of_facts_that_is_not_there(repo: Repo, plan) -> None:
    assert "TS353" in plan(repo.folder, "--facts", "/nonexistent", status=66).err


@pytest.mark.parametrize("name", ["", "a b", "a\x1b[31m"])
def test_a_host_without_a_proper_name_is_a_usage_error(repo: Repo, plan, name: str) -> None:
    plan(repo.folder, "--host", name, status=2)


def test_this_machine_is_the_default(repo: Repo, plan) -> None:
    assert document(plan(repo.folder, "--json", status=0))["host"] == os.uname().nodename.lower()


def test_host_names_are_in_lower_case(repo: Repo, plan) -> None:
    found = document(plan(repo.folder, "--host", "DB-1", "--json", status=0))
    assert (found["host"], found["unchanged"]) == ("db-1", 5)


def test_what_a_name_alone_cannot_tell_is_said_where_it_matters(tmp_path: Path, repo: Repo, plan) -> None:
    assert document(plan(repo.folder, *HERE, "--json", status=0))["notices"] == []
    repo.commit({"tasks/label.yaml": one_task("label", hosts='["!role=db"]', timezone="local")})
    notices = document(plan(repo.folder, *HERE, "--json", status=0))["notices"]
    assert ["selectors by address or label" in notices[0], "time zone" in notices[1], len(notices)] == [True, True, 2]
    assert document(plan(repo.folder, "--facts", facts_file(tmp_path, name="db-1"), "--json", status=0))["notices"] == []


# What the host says to it.


def config_file(folder: Path, **settings: object) -> Path:
    path = folder / "agent.yaml"
    path.write_text(json.dumps({"version": 1, "repository": {"url": "file:///srv/tasks.git"}} | settings))
    return path


ME = pwd.getpwuid(os.geteuid()).pw_name
POLICY = {"default_user": ME, "allow_root": True}


def test_a_host_that_accepts_says_so(repo: Repo, tmp_path: Path, plan) -> None:
    config = config_file(tmp_path, policy=POLICY)
    write(repo.folder, AFTERWARDS)
    assert (
        f"Accepted by the policy of this host, for an agent that runs as {ME}."
        in plan(repo.folder, *HERE, "--config", config, status=10).out
    )
    assert document(plan(repo.folder, *HERE, "--config", config, "--json", status=10))["policy_known"] is True


def test_a_host_that_refuses_says_why_and_what_would_have_changed(repo: Repo, tmp_path: Path, plan) -> None:
    write(repo.folder, {"tasks/new.yaml": one_task("new", user="no-such-user-here")})
    said = plan(repo.folder, *HERE, "--config", config_file(tmp_path, policy=POLICY), status=77)
    assert "+ new" in said.out
    assert "Refused by this host, whole: 1 problem" in said.out
    assert said.err.startswith(f"{repo.folder}/tasks/new.yaml:3:3: TS31")


def test_a_task_with_a_user_in_a_file_of_another_name_is_told_where_nobody_knows_what_the_host_grants(
    repo: Repo, tmp_path: Path, plan
) -> None:
    repo.commit({"tasks/owned.yaml": one_task("owned", user="deploy"), "tasks/free.yaml": one_task("free")})
    for name in ("owned", "free"):
        repo.git("mv", f"tasks/{name}.yaml", f"tasks/new-{name}.yaml")
    repo.git("commit", "--quiet", "-m", "move")
    words = (repo.folder, "--base", "HEAD~1", "--head", "HEAD", "--json")
    (notice,) = document(plan(*words, *HERE, status=0))["notices"]
    assert notice.startswith(
        "1 task with `user` in another file, which hosts may not grant that user: tasks/owned.yaml -> tasks/new-owned.yaml"
    )
    (said,) = document(plan(*words, *HERE, "--config", config_file(tmp_path, policy=POLICY), status=77))["refused"]
    assert (said["code"], said["path"]) == ("TS310", f"{repo.folder}/tasks/new-owned.yaml")
    repo.commit({"hosts.yaml": "hosts: {db-1: {}}\n"})
    assert "1 task with `user` in another file" in plan(repo.folder, "--base", "HEAD~2", "--head", "HEAD", "--all-hosts", status=0).out


def test_a_refusal_is_part_of_the_json(repo: Repo, tmp_path: Path, plan) -> None:
    config = config_file(tmp_path, policy=POLICY | {"max_tasks": 1})
    said = plan(repo.folder, *HERE, "--config", config, "--json", status=77)
    assert [problem["code"] for problem in document(said)["refused"]] == ["TS313"]
    assert said.err == ""


def test_the_configuration_says_what_this_host_is(repo: Repo, tmp_path: Path, plan, monkeypatch: pytest.MonkeyPatch) -> None:
    host = {"name": "web-7", "labels": {"role": "web"}, "addresses": ["192.0.2.7"]}
    monkeypatch.setenv("TORCHSYNC_CONFIG", str(config_file(tmp_path, host=host, policy=POLICY)))
    found = document(plan(repo.folder, "--json", status=0))
    assert (found["host"], found["unchanged"], found["facts"]["labels"], found["facts"]["addresses"]) == (
        "web-7",
        1,
        {"role": "web"},
        ["192.0.2.7"],
    )


def test_what_the_configuration_does_not_say_the_host_itself_does(repo: Repo, tmp_path: Path, plan) -> None:
    found = document(plan(repo.folder, "--config", config_file(tmp_path, policy=POLICY), "--json", status=0))
    assert found["facts"] == document(plan(repo.folder, "--json", status=0))["facts"]


def test_a_configuration_that_cannot_be_used_is_an_error(repo: Repo, tmp_path: Path, plan) -> None:
    assert "TS304" in plan(repo.folder, "--config", tmp_path / "nowhere.yaml", status=78).err


# The command line.


@pytest.mark.parametrize("text", ["tomorrow", "2026-03-28", "2026-03-28T12:00:00"])
def test_a_time_without_a_zone_is_a_usage_error(repo: Repo, text: str) -> None:
    assert main(["plan", str(repo.folder), "--after", text]) == 2


def test_a_host_has_either_a_name_or_facts(repo: Repo, tmp_path: Path) -> None:
    facts = facts_file(tmp_path, name="a")
    assert main(["plan", str(repo.folder), *HERE, "--facts", str(facts)]) == 2
    assert main(["plan", str(repo.folder), "--facts", str(facts), "--facts", str(facts)]) == 2
    with pytest.raises(SystemExit):
        main(["plan", str(repo.folder), *HERE, "--all-hosts"])


def test_nothing_is_left_or_changed_by_a_plan(repo: Repo, plan) -> None:
    write(repo.folder, AFTERWARDS)
    before = sorted((path, path.stat().st_mtime_ns) for path in repo.folder.rglob("*"))
    plan(repo.folder, "--base", "HEAD", *HERE, status=10)
    assert sorted((path, path.stat().st_mtime_ns) for path in repo.folder.rglob("*")) == before


def test_nothing_that_the_repository_configures_is_run(repo: Repo, plan, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {mark}\n")
    trap.chmod(0o755)
    for name in ("core.fsmonitor", "core.sshCommand", "core.pager", "diff.external", "alias.ls-tree"):
        repo.git("config", name, str(trap))
    plan(repo.folder, "--base", "HEAD", "--head", "HEAD", *HERE, status=0)
    assert not mark.exists()


# The inventory, and the guard against removal


def test_hosts_yaml_tells_labels_zone_and_address_of_a_host_that_only_has_a_name_here(tmp_path: Path, plan) -> None:
    files = {
        "tasks/a.yaml": "version: 1\ntasks:\n  a: {schedule: '0 3 * * *', timezone: local, command: x, hosts: [10.2.0.0/16]}\n"
        "  b: {schedule: '0 3 * * *', command: x, hosts: ['@eu']}\n",
        "hosts.yaml": "hosts:\n  db-1: {addresses: [10.2.0.7], labels: {site: eu}, timezone: Asia/Tokyo}\ngroups: {eu: [site=eu]}\n",
    }
    repo = Repo(tmp_path / "r", files)
    out = json.loads(plan(repo.folder, "--base", "HEAD", *HERE, "--json", status=0).out)
    assert out["facts"] == {"name": "db-1", "addresses": ["10.2.0.7"], "labels": {"site": "eu"}, "zone": "Asia/Tokyo"}
    assert (out["unchanged"], out["notices"]) == (2, [])
    write(repo.folder, {"hosts.yaml": "hosts:\n  db-1: {addresses: [10.2.0.7], timezone: Europe/Berlin}\ngroups: {eu: [site=eu]}\n"})
    out = json.loads(plan(repo.folder, *HERE, "--json", status=10).out)
    assert [(step["task"], step["fields"]) for step in out["changed"]] == [
        ("a", [{"field": "host.timezone", "old": "Asia/Tokyo", "new": "Europe/Berlin"}])
    ]
    assert out["changed"][0]["next"][0] == "2026-11-24T02:00:00Z"
    assert [step["task"] for step in out["removed"]] == ["b"]


def test_a_host_that_is_taken_out_of_hosts_yaml_keeps_its_addresses_as_its_agent_does(tmp_path: Path, plan) -> None:
    files = {
        "tasks/a.yaml": one_task("a", hosts="[10.2.0.0/16]"),
        "tasks/b.yaml": one_task("b", hosts="[role=db]"),
        "hosts.yaml": "hosts: {db-1: {addresses: [10.2.0.7], labels: {role: db}}, db-2: {}}\n",
    }
    repo = Repo(tmp_path / "r", files)
    repo.commit({"hosts.yaml": "hosts: {db-2: {}}\n"})
    words = (repo.folder, "--base", "HEAD~1", "--head", "HEAD", "--json")
    found = document(plan(*words, *HERE, status=10))
    assert (names(found["removed"]), found["unchanged"], found["not_selected"]) == (["b"], 1, 1)
    assert found["notices"] == ["no longer in hosts.yaml, and planned for as if their agents go on: db-1"]
    (group,) = [group for group in json.loads(plan(*words, "--all-hosts", status=10).out)["groups"] if "db-1" in group["hosts"]]
    assert (names(group["removed"]), group["unchanged"]) == (["b"], {"least": 1, "most": 1})


def test_a_host_that_hosts_yaml_does_not_have_is_said(tmp_path: Path, plan) -> None:
    repo = Repo(tmp_path / "r", BEFORE | {"hosts.yaml": "hosts: {web-1: {}}\n"})
    assert "the host db-1 is not in hosts.yaml" in plan(repo.folder, *HERE, status=0).out


def test_a_change_that_takes_most_tasks_away_is_refused_unless_a_commit_says_that_it_is_meant(tmp_path: Path, plan) -> None:
    many = {f"tasks/{n}.yaml": one_task(f"t{n}") for n in range(12)}
    repo = Repo(tmp_path / "r", many)
    for n in range(8):
        (repo.folder / f"tasks/{n}.yaml").unlink()
    told = plan(repo.folder, *HERE, status=77)
    assert "TS208 this host would keep 4 of 12 tasks" in told.err
    assert "Refused by the guard against removal" in told.out
    (problem,) = json.loads(plan(repo.folder, *HERE, "--json", status=77).out)["refused"]
    assert problem["code"] == "TS208"
    repo.git("add", "--all")
    repo.git("commit", "--quiet", "-m", "drop\n\nTorchsync-Allow-Removal: yes")
    plan(repo.folder, "--base", "HEAD~1", "--head", "HEAD", *HERE, status=10)
    plan(repo.folder, "--base", "HEAD~1", *HERE, status=10)


def test_files_that_look_like_a_repository_are_not_taken_for_the_one_they_are_in(tmp_path: Path, plan) -> None:
    """Whoever could have a folder of the work tree taken for the repository would choose what a plan compares."""
    repo = Repo(tmp_path / "repo", {f"ops/{name}": content for name, content in BEFORE.items()})
    for name in ("HEAD", "config", "objects/info/packs", "refs/keep"):
        source = repo.folder / ".git" / name
        write(repo.folder, {f"ops/{name}": source.read_text() if source.is_file() else ""})
    assert "cannot use bare repository" in plan(repo.folder / "ops", "--head", "HEAD", *HERE, status=66).err
