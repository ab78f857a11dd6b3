"""The alerting rules: they fire and keep silent as they should, they read what agents export, and each has its runbook.

What fires when is said in `grafana/rules/*.test.yaml`, which promtool plays.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from torchsync.cli.main import build_parser
from torchsync.core.metrictable import PREFIX, TABLE, Kind, Metric, PerTask, rows

ROOT = Path(__file__).parent.parent
GRAFANA = ROOT / "grafana"
RULES = GRAFANA / "rules/torchsync.rules.yaml"
CASES = sorted(RULES.parent.glob("*.test.yaml"))
RUNBOOKS = sorted((ROOT / "docs/runbooks").glob("*.md"))
PAGE = ROOT / "docs/how-to/alerts.md"

GROUPS = yaml.safe_load(RULES.read_text())["groups"]
ALERTS: dict[str, dict[str, Any]] = {rule["alert"]: rule for group in GROUPS for rule in group["rules"] if "alert" in rule}
RECORDS = {rule["record"] for group in GROUPS for rule in group["rules"] if "record" in rule}
EXPRESSIONS = [pytest.param(rule["expr"], id=rule.get("alert") or rule["record"]) for group in GROUPS for rule in group["rules"]]
SEVERITIES = {"info", "warning", "critical"}

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
needs_alertmanager = pytest.mark.skipif(shutil.which("prometheus-alertmanager") is None, reason="prometheus-alertmanager is not installed")


def told_by(*command: str) -> str:
    done = subprocess.run(command, cwd=RULES.parent, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def metrics_in(expression: str) -> set[str]:
    """The metrics of agents that an expression reads, without prefix; the parts of a histogram by its own name."""
    bare = expression
    for record in RECORDS:
        bare = bare.replace(record, "")
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(rf"\b{PREFIX}(\w+)", bare)}


def kebab(alert: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"-\1", alert.removeprefix("Torchsync")).lower()


# What the rules say.


@needs_promtool
@pytest.mark.parametrize("file", [pytest.param(path, id=path.name) for path in CASES])
def test_the_rules_do_what_their_cases_say(file: Path) -> None:
    assert "SUCCESS" in told_by("promtool", "test", "rules", file.name)


def test_each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_is_silent() -> None:
    checks = [check for path in CASES for case in yaml.safe_load(path.read_text())["tests"] for check in case["alert_rule_test"]]
    assert {check["alertname"] for check in checks if check.get("exp_alerts")} == set(ALERTS)
    assert {check["alertname"] for check in checks if not check.get("exp_alerts")} == set(ALERTS)


def test_alerts_read_only_what_agents_export_in_compact_mode_too_but_for_one() -> None:
    exported = {row.name for row in rows(PerTask.COMPACT)}
    rules = [rule for group in GROUPS for rule in group["rules"] if group["name"] != "torchsync-tasks-recorded"]
    beyond = {rule.get("alert", "record"): metrics_in(rule["expr"]) - exported for rule in rules}
    assert {name: more for name, more in beyond.items() if more} == {"TorchsyncTaskMissed": {"task_runs_skipped_total"}}


def test_metrics_of_tasks_are_read_in_the_group_of_tasks_alone_so_that_all_else_works_without_them() -> None:
    agents = {row.name for row in rows(PerTask.OFF)}
    for group in GROUPS:
        for rule in group["rules"] if not group["name"].startswith("torchsync-tasks") else ():
            assert metrics_in(rule["expr"]) <= agents, rule


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_a_matcher_asks_for_values_that_its_label_can_have(expression: str) -> None:
    for name, matchers in re.findall(rf"\b{PREFIX}(\w+){{([^}}]*)}}", expression):
        for label, operator, values in re.findall(r'(\w+)(=~|=)"([^"]*)"', matchers):
            assert operator == "=~" or "|" not in values
            assert set(values.split("|")) <= values_of(name, label), (name, label)


def values_of(name: str, label: str) -> set[str]:
    row: Metric = next(row for row in TABLE if row.name == name)
    assert label in row.labels, (name, label)
    return set(row.values) or {"running", "fetched", "rejected"}


def test_only_counters_are_rated_and_every_counter_is() -> None:
    counters = {row.name for row in TABLE if row.kind is Kind.COUNTER}
    for group in GROUPS:
        for rule in group["rules"]:
            rated = set(re.findall(rf"\b(?:increase|rate)\({PREFIX}(\w+?)(?:_bucket)?[{{\[]", rule["expr"]))
            passed = set(re.findall(rf"{PREFIX}(\w+){{[^}}]*}} offset", rule["expr"]))  # the difference to some time ago
            assert metrics_in(rule["expr"]) & counters <= rated | passed, rule
            assert rated <= counters | {row.name for row in TABLE if row.kind is Kind.HISTOGRAM}, rule


def test_a_rule_that_reads_a_recorded_one_stands_below_it_in_the_same_group() -> None:
    for group in GROUPS:
        known: set[str] = set()
        for rule in group["rules"]:
            assert {record for record in RECORDS if record in rule["expr"]} <= known, rule
            known |= {rule["record"]} if "record" in rule else set()


def test_severity_and_owner_come_from_the_newest_info_of_a_task_and_no_rule_joins_the_others() -> None:
    """Two of them may be in sight, and a join with both fails: `labels.test.yaml` plays it."""
    for name, rule in ALERTS.items():
        of_a_task = name.startswith(("TorchsyncTask", "TorchsyncDaemon"))
        assert f"{PREFIX}task_info" not in rule["expr"].replace("job_instance_task:torchsync_task_info:newest", ""), name
        assert ("group_left (severity, owner)" in rule["expr"]) == of_a_task, name
        assert (rule.get("labels", {}).get("severity") in SEVERITIES) != of_a_task, name


def test_what_a_scrape_that_fails_would_end_goes_on_for_five_minutes() -> None:
    """A window of the past has no gap, and `up` has a value also then. `absence.test.yaml` plays it for two of them. What inhibits the alerts
    of hosts outlives them.
    """
    for name, rule in ALERTS.items():
        of_series = not re.match(r"\s*(increase|changes|up\{|absent)", rule["expr"])
        inhibits = name in ("TorchsyncFleetSyncStale", "TorchsyncFleetCommitRejected")
        assert rule.get("keep_firing_for") == ("10m" if inhibits else "5m" if of_series else None), name


def test_what_a_description_asks_prometheus_is_exported_by_every_agent() -> None:
    asked = {name: metrics_in(rule["annotations"]["description"]) for name, rule in ALERTS.items()}
    assert {name: metrics for name, metrics in asked.items() if metrics} == {
        "TorchsyncCommitUntrusted": {"commit_untrusted"},
        "TorchsyncFleetCommitRejected": {"commit_info"},
    }
    assert {"commit_untrusted", "commit_info"} <= {row.name for row in rows(PerTask.OFF)}


def test_each_alert_says_what_is_wrong_and_what_to_read() -> None:
    for name, rule in ALERTS.items():
        said = rule["annotations"]
        assert set(said) == {"summary", "description", "runbook_url"}, name
        assert "{{" not in said["summary"], name
        assert said["summary"].endswith("."), name
        assert name == "TorchsyncAgentsAbsent" or "{{" in said["description"], name
        assert said["runbook_url"] == f"https://torchsync.example.org/docs/runbooks/{kebab(name)}.md", name


# Runbooks and the page about alerts.


def test_each_alert_has_its_runbook_and_each_runbook_its_alert() -> None:
    assert {path.stem: path.read_text().splitlines()[0] for path in RUNBOOKS} == {kebab(name): f"# {name}" for name in ALERTS}


@pytest.mark.parametrize("page", [pytest.param(path, id=path.stem) for path in RUNBOOKS])
def test_a_runbook_has_its_four_parts_and_commands_that_exist(page: Path) -> None:
    parts = re.split(r"^## (.+)\n", page.read_text(), flags=re.MULTILINE)
    assert parts[1::2] == ["Meaning", "Impact", "Diagnosis", "Mitigation"]
    assert all(body.strip() for body in parts[2::2])
    assert parts[0].splitlines()[2] == ALERTS[parts[0].splitlines()[0].removeprefix("# ")]["annotations"]["summary"]
    assert commands_in(page.read_text()), "no command of torchsync"
    for command in commands_in(page.read_text()):
        build_parser(every=True).parse_args(shlex.split(command)[1:])


def test_the_commands_that_alerts_name_exist() -> None:
    said = " ".join(rule["annotations"]["description"] for rule in ALERTS.values())
    found = set(commands_in(said.replace("{{ $labels.task }}", "backup")))
    assert found == {
        "torchsync " + words for words in ("logs backup", "logs -f backup", "why backup", "history backup", "fleet --task backup")
    }
    for command in found:
        build_parser(every=True).parse_args(shlex.split(command)[1:])


def commands_in(text: str) -> list[str]:
    """Those in blocks of a console, and those in the midst of a sentence."""
    blocks = re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    inline = re.findall(r"`(torchsync \w[^`\n]*)`", text)
    lines = [line for block in blocks for line in block.splitlines()]
    assert not [line for line in lines if not line.startswith("torchsync ")]
    return lines + inline


def test_the_page_about_alerts_lists_each_with_its_severity_and_how_long_it_waits() -> None:
    listed = re.findall(r"^\| \[(\w+)\]\(\.\./runbooks/([\w-]+)\.md\) \| ([\w' ]+) \| (\w+) \|", PAGE.read_text(), re.MULTILINE)
    known = [
        (name, kebab(name), rule.get("labels", {}).get("severity", "the task's own"), rule.get("for", "0m"))
        for name, rule in ALERTS.items()
    ]
    assert listed == known


# The examples.


@needs_promtool
def test_the_example_for_prometheus_is_valid_and_has_the_rules() -> None:
    assert f"{sum(len(group['rules']) for group in GROUPS)} rules found" in told_by(
        "promtool", "check", "config", str(GRAFANA / "prometheus.example.yaml")
    )


ROUTES = {
    "alertname=TorchsyncTaskFailing severity=critical owner=team-db": "team-db-pager",
    "alertname=TorchsyncTaskFailing severity=warning owner=team-db": "team-db-chat",
    "alertname=TorchsyncTaskFailing severity=info owner=team-db": "nobody",
    "alertname=TorchsyncTaskFailing severity=critical owner=team-without-a-block": "operations-pager",
    "alertname=TorchsyncTaskFailing severity=warning": "operations-chat",
    "alertname=TorchsyncAgentDown severity=critical": "operations-pager",
    "alertname=TorchsyncClockJump severity=info": "nobody",
}


@needs_alertmanager
@pytest.mark.parametrize(("labels", "receiver"), ROUTES.items())
def test_the_example_for_alertmanager_routes_by_severity_and_owner(labels: str, receiver: str) -> None:
    file = str(GRAFANA / "alertmanager.example.yaml")
    told_by("amtool", "config", "routes", "test", f"--config.file={file}", f"--verify.receivers={receiver}", *labels.split())


class Alertmanager:
    """A real one with the example; whom it inhibits is asked by its API."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/api/v2/"

    def ask(self, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or "null")

    def inhibited(self) -> set[tuple[str, ...]]:
        """Name, job and instance of each."""
        silent = [told["labels"] for told in self.ask("alerts") if told["status"]["inhibitedBy"]]
        return {(labels["alertname"], labels["job"], labels["instance"]) for labels in silent}

    def until_it_knows(self, *alerts: dict[str, str]) -> None:
        self.ask("alerts", [{"labels": labels} for labels in alerts])
        wait_until(lambda: len(self.ask("alerts")) >= len(alerts))


def wait_until(is_so: Any) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if is_so():
                return
        except OSError:
            pass
        time.sleep(0.02)
    pytest.fail("nothing came of it within 60 s")


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[Alertmanager]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    config = f"--config.file={GRAFANA / 'alertmanager.example.yaml'}"
    arguments = [config, f"--storage.path={tmp_path}", f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(["prometheus-alertmanager", *arguments], stdout=log, stderr=log) as process:
        one = Alertmanager(port)
        try:
            wait_until(lambda: one.ask("status")["cluster"])
            yield one
        finally:
            process.kill()


INHIBITIONS = {
    "loop": (
        "TorchsyncSchedulerStalled",
        ["TorchsyncTaskLate", "TorchsyncTaskOverdue", "TorchsyncDaemonDown", "TorchsyncDaemonShort", "TorchsyncSyncStale"],
    ),
    "disk": ("TorchsyncStateDegraded", ["TorchsyncSyncStale"]),
    "fleet": ("TorchsyncFleetSyncStale", ["TorchsyncSyncStale", "TorchsyncFleetDrift"]),
    "commit": ("TorchsyncFleetCommitRejected", ["TorchsyncCommitRejected"]),
    "task": ("TorchsyncTaskFailing", ["TorchsyncTaskLate", "TorchsyncTaskMissed"]),
    "missed": ("TorchsyncTaskMissed", ["TorchsyncTaskLate"]),
    "hang": ("TorchsyncTaskRunningTooLong", ["TorchsyncTaskLate"]),
    "daemon": ("TorchsyncDaemonFlapping", ["TorchsyncDaemonDown", "TorchsyncDaemonShort"]),
    "copies": ("TorchsyncDaemonDown", ["TorchsyncDaemonShort"]),
}


@needs_alertmanager
def test_one_cause_pages_once_and_no_other_host_is_silenced(alertmanager: Alertmanager) -> None:
    """Each row in a job of its own, all at once. Beside what it inhibits, each alert stands alone on a host that has nothing to do with it."""
    alerts, expected = [], set()
    for job, (source, targets) in INHIBITIONS.items():
        here = {"job": job, "instance": "a", "task": "backup", "severity": "warning"}
        elsewhere = {"job": f"other-{job}"} if source.startswith("TorchsyncFleet") else {}
        alerts.append({"alertname": source, **{label: here[label] for label in labels_of(source)}})
        alerts += [{**here, "alertname": name} for name in targets]
        alerts += [{**here, **elsewhere, "alertname": name, "instance": f"b-{name}"} for name in targets]
        expected |= {(name, job, "a") for name in targets}
    alertmanager.until_it_knows(*alerts)
    wait_until(lambda: expected <= alertmanager.inhibited())
    last = {"job": "last", "instance": "a", "task": "backup", "severity": "warning"}
    alertmanager.until_it_knows({**last, "alertname": "TorchsyncTaskLate"}, {**last, "alertname": "TorchsyncTaskMissed"})
    expected.add(("TorchsyncTaskLate", "last", "a"))
    wait_until(lambda: expected <= alertmanager.inhibited())  # what inhibits is taken in one after the other: all that came before was
    assert alertmanager.inhibited() == expected


def labels_of(alert: str) -> list[str]:
    """Those by which it is told apart."""
    if alert.startswith("TorchsyncFleet"):
        return ["job"]
    return ["job", "instance", "task"] if "group_left" in ALERTS[alert]["expr"] else ["job", "instance"]
