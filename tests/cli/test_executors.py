"""What starts the runs of a host: what was asked for, and what the host can do."""

from __future__ import annotations

import pytest

from tests.agent.test_config import document
from torchsync.agent.config import AgentConfig, config_from_document
from torchsync.cli import executors
from torchsync.cli.executors import choose, expected, systemd_obstacle
from torchsync.core.policy import ExecutorName
from torchsync.errors import ConfigInvalid


def config(executor: str) -> AgentConfig:
    return config_from_document({**document(), "executor": executor})


@pytest.fixture
def without_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "why_no_units", lambda: "systemd does not run this host")


@pytest.fixture
def with_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "why_no_units", lambda: "")
    monkeypatch.setattr(executors, "most_files_of_units", lambda: 4096)
    monkeypatch.setattr(executors, "least_nice_of_units", lambda: 0)


@pytest.mark.parametrize(("asked", "got"), [("auto", "systemd"), ("systemd", "systemd"), ("process", "process")])
def test_where_systemd_can_be_had_it_is_unless_asked_otherwise(with_systemd: None, asked: str, got: str) -> None:
    assert choose(config(asked)).name is ExecutorName(got)
    assert expected(config(asked)).name is ExecutorName(got)
    assert systemd_obstacle() is None


def test_where_it_cannot_auto_says_why(without_systemd: None) -> None:
    choice = choose(config("auto"))
    assert choice.name is ExecutorName.PROCESS
    assert choice.sentence == "runs are processes of the agent, since systemd does not run this host"


def test_what_was_asked_for_and_cannot_be_had_is_an_error(without_systemd: None) -> None:
    with pytest.raises(ConfigInvalid, match="`executor: systemd` cannot work: systemd does not run this host") as caught:
        choose(config("systemd"))
    assert caught.value.exit_status == 78
    problem = systemd_obstacle()
    assert problem is not None
    assert problem.code == "TS303"


def test_a_plan_goes_by_what_was_asked_for(without_systemd: None) -> None:
    assert expected(config("systemd")).name is ExecutorName.SYSTEMD


def test_units_have_limits_of_their_own(with_systemd: None) -> None:
    one = config("auto")
    policy = choose(one).policy(one)
    assert (policy.executor, policy.most_files, policy.least_nice) == (ExecutorName.SYSTEMD, 4096, 0)
    assert choose(config("process")).policy(one) == one.host_policy


@pytest.mark.parametrize("is_sandboxed", [True, False])
def test_processes_in_a_sandbox_are_told_of(monkeypatch: pytest.MonkeyPatch, is_sandboxed: bool) -> None:
    monkeypatch.setattr(executors, "is_sandboxed", lambda: is_sandboxed)
    assert ("process-executor.conf" in choose(config("process")).limit) == is_sandboxed
