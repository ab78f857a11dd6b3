"""The sample repository is valid and reads like a real one: it uses all there is, each host gets what it should, and its README is true."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import cache
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from tests.e2e.host import Host, environment, git, wait_for
from torchsync.adapters.schemas import read_schema, repository_formats
from torchsync.cli.main import main
from torchsync.core.model import CronTiming, DaemonTiming, ShellCommand, Task
from torchsync.core.pathglob import matches_path
from torchsync.core.selector import Group, LabelPatterns, NamePattern, Network, Selector, parse_selector, selects
from torchsync.core.taskset import Rejection, TaskSet, judge
from torchsync.core.treepaths import TreeEntry

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "sample-repo"
README = (SAMPLE / "README.md").read_text()
EXAMPLE = "tasks/tea-of-the-day.yaml"

FILES = {"task": sorted((SAMPLE / "tasks").glob("*")), "torchsync": [SAMPLE / "torchsync.yaml"], "hosts": [SAMPLE / "hosts.yaml"]}
"""The files of each schema."""

UNUSED: Mapping[str, str] = {
    "task: group": "a host without that group would refuse the whole",
    "task: env_file": "every run fails to start where the file is not there",
    "task: credentials": "a host that does not grant the secret would refuse the whole",
    **dict.fromkeys(
        ("task: limits.memory", "task: limits.cpu", "task: limits.pids"), "a host without the systemd executor would refuse the whole"
    ),
}
"""Fields of the schemas that the sample repository does not use, each with the reason. All others must be in it somewhere."""

EVERYWHERE = {"disk-usage", "clock-check", "boot-report"}
LIVE = EVERYWHERE | {"pending-updates", "login-accounts"}
WEB = {"heartbeat", "order-worker", "order-report", "rotate-logs", "certificate-expiry"}
DATABASE = {"database-dump", "database-growth", "database-vacuum"}
STORE = {"heartbeat", "till-closing", "price-list"}
TASKS_OF = {
    "web-1": LIVE | WEB,
    "web-2": LIVE | WEB,
    "db-1": LIVE | DATABASE,
    "db-2": LIVE | DATABASE,
    "mail-1": LIVE | {"heartbeat", "certificate-expiry", "mail-queue-at-night"},
    "web-test-1": EVERYWHERE | {"order-worker", "order-report", "certificate-expiry"},
    "db-test-1": EVERYWHERE | {"restore-test"},
    "backup-1": LIVE | {"backup-archive", "backup-check", "delete-invoices-2020"},
    "store-lisbon": LIVE | STORE,
    "store-newyork": LIVE | STORE,
}
"""Which host gets which tasks."""

KINDS_OF_SCHEDULE = {
    "five fields": r"\S+( \S+){4}",
    "six fields": r"\S+( \S+){5}",
    "a macro": r"@(hourly|daily|weekly|monthly|yearly)",
    "@every": r"@every .+",
    "@at": r"@at .+",
    "@startup": r"@startup",
    "H": r"(.* )?H( .*)?",
    "H in a range": r".*\bH\(\d+-\d+\).*",
    "H with a step": r".*\bH/\d+.*",
    "a step": r".*\*/\d+.*",
    "a step from a value": r"(.* )?\d+/\d+.*",
    "the last day of the month": r".* L \S+ \S+",
    "the last such weekday of the month": r".* L[0-7]",
    "the nth such weekday of the month": r".* [0-7]#[1-5]",
    "names": r".*\b(mon|tue|wed|thu|fri|sat|sun)\b.*",
}
"""What some schedule of the repository must look like, as a pattern over the whole of it."""


def judged(folder: Path) -> TaskSet | Rejection:
    """The verdict on a commit of the folder as it is."""
    contents = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    entries = [
        TreeEntry(path=name, mode=mode(folder / name), object_id=hashlib.sha1(content).hexdigest(), size=len(content))
        for name, content in sorted(contents.items())
    ]
    return judge(entries, contents, repository_formats())


def mode(path: Path) -> str:
    return "100755" if os.access(path, os.X_OK) else "100644"


@cache
def sample() -> TaskSet:
    verdict = judged(SAMPLE)
    assert isinstance(verdict, TaskSet), "\n".join(map(str, verdict.problems))
    return verdict


def tasks_of(host: str) -> set[str]:
    inventory = sample().inventory
    return {task.name for task in sample().tasks if selects(task.hosts, inventory.named(host), inventory.groups)}


def timings() -> list[CronTiming]:
    return [task.timing for task in sample().tasks if isinstance(task.timing, CronTiming)]


def test_the_repository_is_valid_and_of_some_size() -> None:
    assert len(sample().tasks) >= 12
    assert sample().files >= 5


def test_a_mistake_in_it_would_be_found(tmp_path: Path) -> None:
    shutil.copytree(SAMPLE, tmp_path, dirs_exist_ok=True)
    (tmp_path / "scripts/heartbeat.sh").unlink()
    verdict = judged(tmp_path)
    assert isinstance(verdict, Rejection)
    assert [(problem.code, problem.path) for problem in verdict.problems] == [("TS132", "tasks/every-host.yaml")]


# Which host gets what.


def test_the_inventory_holds_ten_hosts_with_addresses_labels_and_zones() -> None:
    hosts = sample().inventory.hosts
    assert list(hosts) == list(TASKS_OF)
    assert len(hosts) == 10
    assert not [name for name, host in hosts.items() if not (host.addresses and host.labels and host.zone)]


@pytest.mark.parametrize("host", TASKS_OF)
def test_a_host_gets_the_tasks_it_should(host: str) -> None:
    assert tasks_of(host) == TASKS_OF[host]


@pytest.mark.parametrize("host", TASKS_OF)
def test_the_plan_of_a_host_adds_these_tasks(host: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(SAMPLE, tmp_path / "repo")  # outside of git, so that all of it is new
    assert main(["plan", str(tmp_path / "repo"), "--host", host, "--json"]) == 10
    plan = json.loads(capsys.readouterr().out)
    assert {task["task"] for task in plan["added"]} == TASKS_OF[host]
    assert plan["facts"]["labels"] == dict(sample().inventory.hosts[host].labels)
    assert not [notice for notice in plan["notices"] if "not in a git repository" not in notice]


def test_every_task_is_for_some_host() -> None:
    assert {task.name for task in sample().tasks} == set().union(*TASKS_OF.values())


def test_the_host_of_the_demo_runs_tasks_that_any_user_may_run() -> None:
    assert not [task.name for task in sample().tasks if task.name in TASKS_OF["web-1"] and task.user]


# It uses all there is.


def field_names(schema: Mapping[str, Any], node: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """The fields below the node of the schema, `*` standing for names that are free."""
    node = resolved(schema, node)
    for name, child in node.get("properties", {}).items():
        yield prefix + name
        yield from field_names(schema, child, f"{prefix}{name}.")
    if isinstance(node.get("additionalProperties"), dict):
        yield from field_names(schema, node["additionalProperties"], f"{prefix}*.")


def used_fields(schema: Mapping[str, Any], node: Mapping[str, Any], value: object, prefix: str = "") -> Iterator[str]:
    """Those of `field_names` that the value has."""
    node = resolved(schema, node)
    for name, below in value.items() if isinstance(value, dict) else ():
        child = node.get("properties", {}).get(name)
        if child is not None:
            yield prefix + name
            yield from used_fields(schema, child, below, f"{prefix}{name}.")
        elif isinstance(node.get("additionalProperties"), dict):
            yield from used_fields(schema, node["additionalProperties"], below, f"{prefix}*.")


def resolved(schema: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    target: Mapping[str, Any] = schema
    for step in node["$ref"].removeprefix("#/").split("/") if "$ref" in node else ():
        target = target[step]
    return target if "$ref" in node else node


def of_a_task(field: str) -> str:
    """A field is the same in a task and in defaults."""
    return re.sub(r"^(tasks\.\*|defaults)\.", "task: ", field)


def test_every_field_of_the_schemas_is_used_or_said_not_to_be() -> None:
    there: set[str] = set()
    used: set[str] = set()
    for name, files in FILES.items():
        schema = read_schema(name)
        there |= {of_a_task(field) for field in field_names(schema, schema)}
        for file in files:
            used |= {of_a_task(field) for field in used_fields(schema, schema, yaml.safe_load(file.read_text()))}
    assert len(there) > 40
    assert there - used == set(UNUSED), "use the new field in sample-repo, or give the reason in UNUSED"


def test_every_form_of_selector_is_used() -> None:
    lists = [*(task.hosts for task in sample().tasks), *sample().inventory.groups.values()]
    forms = {form(selector) for selectors in lists for selector in selectors}
    assert forms == {"name", "pattern", "IPv4 network", "IPv6 network", "one address", "a label", "two labels", "group"}
    excluding = {form(selector) for selectors in lists for selector in selectors if selector.startswith("!")}
    assert excluding == {"pattern", "group"}
    assert () in lists
    assert any(selectors and all(selector.startswith("!") for selector in selectors) for selectors in lists)


def form(text: str) -> str:
    selector = parse_selector(text)
    assert isinstance(selector, Selector)
    match selector.test:
        case NamePattern(pattern):
            return "pattern" if set(pattern) & set("*?[") else "name"
        case Network(network) if network.num_addresses == 1:
            return "one address"
        case Network(IPv4Network()):
            return "IPv4 network"
        case Network(IPv6Network()):
            return "IPv6 network"
        case LabelPatterns(patterns):
            return "a label" if len(patterns) == 1 else "two labels"
        case Group():
            return "group"
    raise AssertionError(text)


def test_a_group_names_another_and_a_group_excludes() -> None:
    groups = [selector for selectors in sample().inventory.groups.values() for selector in selectors]
    assert any(selector.startswith("@") for selector in groups)
    assert any(selector.startswith("!") for selector in groups)


@pytest.mark.parametrize("kind", KINDS_OF_SCHEDULE)
def test_every_kind_of_schedule_is_used(kind: str) -> None:
    assert [timing.schedule for timing in timings() if re.fullmatch(KINDS_OF_SCHEDULE[kind], timing.schedule)]


def test_a_range_wraps_around() -> None:
    ranges = [found for timing in timings() if timing.schedule[0] != "@" for found in re.findall(r"\b(\d+)-(\d+)\b", timing.schedule)]
    assert any(int(low) > int(high) for low, high in ranges)


def test_times_are_local_and_in_a_zone_that_changes_its_clocks_and_spread_by_jitter() -> None:
    zones = {timing.zone for timing in timings()}
    assert "local" in zones
    assert any(offset(zone, month=1) != offset(zone, month=7) for zone in zones - {"local"})
    assert len({host.zone for host in sample().inventory.hosts.values()}) >= 3
    assert any(timing.jitter for timing in timings())


def offset(zone: str, *, month: int) -> timedelta | None:
    return datetime(2026, month, 1, tzinfo=ZoneInfo(zone)).utcoffset()


def test_there_are_a_daemon_with_copies_a_disabled_task_with_its_reason_and_commands_of_both_kinds() -> None:
    tasks = sample().tasks
    assert any(isinstance(task.timing, DaemonTiming) and task.max_running > 1 for task in tasks)
    assert {type(task.command).__name__ for task in tasks} == {"ShellCommand", "ProgramCommand"}
    assert any("*" in pattern for task in tasks for pattern in task.inputs)
    (disabled,) = [task for task in tasks if not task.enabled]
    lines = (SAMPLE / disabled.source.path).read_text().splitlines()[disabled.source.line :]
    assert re.match(r"    enabled: false # \w+", next(line for line in lines if "enabled:" in line))


# The rules of the house.


def test_every_task_has_an_owner_and_says_what_it_is_for() -> None:
    assert not [task.name for task in sample().tasks if not task.owner or not task.description]


def test_a_task_that_can_wake_somebody_up_says_what_to_do() -> None:
    assert not [task.name for task in sample().tasks if task.severity.value == "critical" and not task.runbook]


def test_every_script_is_used() -> None:
    commands = " ".join(first_words(task) for task in sample().tasks)
    assert not [script.name for script in (SAMPLE / "scripts").iterdir() if f"./scripts/{script.name}" not in commands]


def first_words(task: Task) -> str:
    return task.command.text if isinstance(task.command, ShellCommand) else task.command.argv[0]


@pytest.mark.parametrize("name", FILES)
def test_editors_know_the_schema_of_every_file(name: str) -> None:
    settings = json.loads((SAMPLE / ".vscode/settings.json").read_text())["yaml.schemas"]
    schema = f"./schemas/{name}.schema.json"
    assert (SAMPLE / schema).is_file()
    patterns = [settings[schema]] if isinstance(settings[schema], str) else settings[schema]
    for file in FILES[name]:
        assert any(matches_path(pattern.removeprefix("/"), str(file.relative_to(SAMPLE))) for pattern in patterns)
        from_there = schema if file.parent == SAMPLE else f".{schema}"
        assert file.read_text().startswith(f"# yaml-language-server: $schema={from_there}\n")


# The README.


def blocks(heading: str) -> list[tuple[str, str]]:
    """Language and text of the code blocks under a heading."""
    section = next(part for part in re.split(r"^## ", README, flags=re.MULTILINE) if part.startswith(heading))
    return re.findall(r"^```(\w*)\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[list[str]]:
    return [shlex.split(line.partition(" #")[0])[1:] for line in text.splitlines() if line.startswith("torchsync ")]


def looks() -> list[object]:
    """Each command before a pull request, with its exit status and what it says."""
    expected = {
        "validate": (0, r"21 tasks in 7 files: valid\n"),
        "plan --host": (10, r"\+ tea-of-the-day "),
        "plan --all-hosts": (10, r"\+ tea-of-the-day "),
        "next tea-of-the-day": (0, r"^(\S+T\S+Z\n){3}$"),
    }
    found = {" ".join(words[:2]): words for words in commands(blocks("Add or change a task")[1][1])}
    assert list(found) == list(expected)
    return [pytest.param(words, *expected[name], id=name) for name, words in found.items()]


@pytest.mark.parametrize(("words", "status", "says"), looks())
def test_the_example_of_the_readme_can_be_looked_at_as_it_says(words: list[str], status: int, says: str, tmp_path: Path) -> None:
    shutil.copytree(SAMPLE, tmp_path, dirs_exist_ok=True)
    git("init", "-q", cwd=tmp_path)
    git("add", "-A", cwd=tmp_path)
    git("commit", "-q", "-m", "the tasks", cwd=tmp_path)
    assert EXAMPLE in README
    (tmp_path / EXAMPLE).write_text(blocks("Add or change a task")[0][1])
    command = [sys.executable, "-m", "torchsync", *words]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == status, done.stderr
    assert re.search(says, done.stdout)


@pytest.fixture
def web_1() -> Iterator[Host]:
    """A host of the inventory, whose tasks run as somebody who may do no harm."""
    folder = Path(tempfile.mkdtemp(prefix="tss-", dir="/tmp"))
    folder.chmod(0o755)
    host = Host(folder)
    policy = {"default_user": "nobody", "allow_root": False} if os.geteuid() == 0 else {}
    host.configure(host={"name": "web-1", "labels": {}}, policy=policy)
    yield host
    host.close()
    shutil.rmtree(folder, ignore_errors=True)


def test_the_commands_after_a_merge_work_on_a_host(web_1: Host) -> None:
    shutil.copytree(SAMPLE, web_1.clone, dirs_exist_ok=True)
    revision = web_1.commit({})
    web_1.start()
    web_1.wait_for_revision(revision)
    assert {task["name"] for task in json.loads(web_1.get("/api/v1/tasks")[1])["tasks"]} == TASKS_OF["web-1"]
    wait_for("two copies of the worker", lambda: len([run for run in web_1.runs("order-worker") if run["started_at"]]) == 2)
    wait_for("a heartbeat", lambda: "succeeded" in web_1.outcomes("heartbeat"))
    wait_for("the report of this boot, beside which no other runs", lambda: "succeeded" in web_1.outcomes("boot-report"))
    ((_, after_the_merge),) = blocks("After the merge")
    assert len(commands(after_the_merge)) >= 5
    for words in commands(after_the_merge):
        done = web_1.torchsync(*words)
        assert done.returncode == 0, (words, done.stderr)
    assert web_1.torchsync("logs", "boot-report").stdout.startswith("web-1: kernel ")


def test_a_refused_commit_is_told_as_the_readme_says(web_1: Host) -> None:
    shutil.copytree(SAMPLE, web_1.clone, dirs_exist_ok=True)
    revision = web_1.commit({})
    web_1.start()
    web_1.wait_for_revision(revision)
    text = (SAMPLE / "tasks/web.yaml").read_text()
    refused = web_1.commit({"tasks/web.yaml": text.replace("@hourly", "@often")})
    wait_for("the commit to be rejected", lambda: web_1.status()["sync"]["rejected"] == refused)
    assert "`@often` is not accepted" in web_1.torchsync("status").stdout
    git("revert", "--no-edit", "HEAD", cwd=web_1.clone)
    web_1.commit({})
    assert web_1.torchsync("sync", "--wait").returncode == 0


def test_a_commit_that_takes_too_much_needs_the_line_that_the_readme_names(web_1: Host) -> None:
    shutil.copytree(SAMPLE, web_1.clone, dirs_exist_ok=True)
    revision = web_1.commit({})
    web_1.start()
    web_1.wait_for_revision(revision)
    web_1.commit({"tasks/web.yaml": None}, "the web servers are not needed any more")
    assert web_1.torchsync("sync", "--wait").returncode == 77
    (line,) = re.findall(r"`(Torchsync-\S+: \w+)`", README)
    web_1.commit({}, f"and that is meant\n\n{line}")
    assert web_1.torchsync("sync", "--wait").returncode == 0
