"""How an agent fares, by what it says of itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from tests.builders import NOON, busy_snapshot, record, snapshot, sync_status, task, task_status
from torchsync.core import agentcheck
from torchsync.core.api import status_document, tasks_document
from torchsync.core.checkup import Finding, Level, Stake, checked, exit_status
from torchsync.core.model import Instant, Outcome


def worst(findings: Iterable[Finding]) -> Finding:
    found = checked("agent", "x", Stake.REMOTE, findings).findings[0]
    assert found.remedy or found.level is Level.OK
    return found


def quiet() -> dict[str, Any]:
    fresh = sync_status(last_success=NOON, last_verdict=NOON)
    return dict(status_document(snapshot(task_status(), sync=fresh, taken_at=Instant(NOON + 5000)), full=True))


def busy() -> dict[str, Any]:
    return dict(status_document(busy_snapshot(), full=True))


def test_of_an_agent_without_trouble_there_is_only_good_to_tell() -> None:
    said = quiet()
    every = (
        agentcheck.version_findings(said, said["version"]),
        agentcheck.config_findings(said),
        agentcheck.health_findings(said, "", ""),
        agentcheck.hold_findings(said),
        agentcheck.sync_findings(said),
        agentcheck.loss_findings([]),
    )
    assert {worst(findings).level for findings in every} == {Level.OK}


def test_an_agent_of_another_version_than_is_installed_is_told() -> None:
    assert worst(agentcheck.version_findings(quiet(), "9.9.9")).level is Level.WARNING


def test_a_configuration_that_was_refused_is_a_problem() -> None:
    assert worst(agentcheck.config_findings({**quiet(), "config_reload_ok": False})).level is Level.PROBLEM


@pytest.mark.parametrize(
    ("host", "executor", "expected"),
    [("", "auto", []), ("H1", "process", []), ("other", "auto", ["host.name"]), ("", "systemd", ["executor"])],
)
def test_what_waits_for_a_restart_is_told(host: str, executor: str, expected: list[str]) -> None:
    said = {**quiet(), "host": "h1", "executor": "process"}
    found = list(agentcheck.pending_findings(said, host=host, executor=executor))
    assert [finding.message.partition(" ")[0] for finding in found] == expected


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ([], 0),
        (["torchsync", "agent"], 0),
        (["torchsync", "agent", "--config", "/etc/torchsync/agent.yaml"], 0),
        (["torchsync", "agent", "--config", "/srv/other.yaml"], 1),
        (["torchsync", "agent", "--config=/srv/other.yaml"], 1),
        (["torchsync", "agent", "--config"], 0),
    ],
)
def test_an_agent_that_goes_by_another_file_is_told(words: list[str], number: int) -> None:
    assert len(list(agentcheck.other_config_findings(words, "/etc/torchsync/agent.yaml"))) == number


def test_an_agent_that_is_not_ready_says_why_and_one_that_is_dead_only_that() -> None:
    assert "no sync" in worst(agentcheck.health_findings(quiet(), "", "no sync yet")).message
    found = list(agentcheck.health_findings(quiet(), "the loop hangs", "the loop hangs"))
    assert ["the loop hangs" in finding.message for finding in found] == [True]


def test_a_state_that_cannot_be_written_is_told_with_the_status_for_that() -> None:
    found = checked("agent", "x", Stake.REMOTE, agentcheck.health_findings({**quiet(), "state_degraded": True}, "", ""))
    assert exit_status([found]) == 73


def test_what_the_agent_complains_about_is_passed_on() -> None:
    assert "127.0.0.1:9747 is in use" in worst(agentcheck.health_findings(busy(), "", "")).message


def test_each_hold_is_told_with_what_lifts_it() -> None:
    found = {finding.remedy: finding.level for finding in agentcheck.hold_findings(busy())}
    assert found == {"torchsync unpin": Level.NOTE, "torchsync resume web-proxy": Level.NOTE}


@pytest.mark.parametrize(("outcome", "status"), [("rejected", 65), ("refused", 77)])
def test_a_newest_commit_that_is_not_accepted_is_told_with_its_first_problem(outcome: str, status: int) -> None:
    said = busy()
    said["sync"] = {**said["sync"], "last": {**said["sync"]["last"], "outcome": outcome}}
    found = checked("agent", "syncs", Stake.REMOTE, agentcheck.sync_findings(said))
    assert "'soon' is not a length of time" in found.findings[0].message
    assert exit_status([found]) == status


@pytest.mark.parametrize(("failures", "level"), [(1, Level.WARNING), (3, Level.PROBLEM)])
def test_syncs_that_fail_are_told_with_what_the_agent_says(failures: int, level: Level) -> None:
    said = quiet()
    said["sync"] = {
        **said["sync"],
        "consecutive_failures": failures,
        "last": {"outcome": "unavailable", "sentence": "no way to git.example.org"},
    }
    found = worst(agentcheck.sync_findings(said))
    assert (found.level, "no way to git.example.org" in found.message) == (level, True)


def test_lost_runs_and_late_tasks_are_told() -> None:
    lost = replace(task_status(task("a")), record=record("a", runs={Outcome.LOST: 2}))
    tasks = list(tasks_document(snapshot(lost, task_status(task("b"))), full=True)["tasks"])  # type: ignore[call-overload]
    assert "a" in worst(agentcheck.loss_findings(tasks)).message
    late = [{**tasks[1], "late_since": "2026-11-23T00:00:00.000Z"}]
    assert worst(agentcheck.loss_findings(late)).message == "tasks are late: b"
