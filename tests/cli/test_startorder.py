"""What a run is started with, by what the host allows at that moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.builders import run, task
from torchsync.cli.startorder import order_of
from torchsync.core.model import Limits, NotBegun
from torchsync.core.policy import ExecutorName, HostPolicy
from torchsync.ports import StartOrder


@pytest.mark.parametrize("executor", ExecutorName)
def test_a_limit_that_another_executor_was_to_enforce_is_never_ignored(executor: ExecutorName) -> None:
    """The commit was accepted under systemd; agent.yaml, or what the host is now, may say otherwise since."""
    bounded = run(task("a", limits=Limits(memory=1 << 30)))
    policy = HostPolicy(agent_user="me", is_root=False, default_user="me", executor=executor)
    found = order_of(bounded, "db-1", policy=policy, trees=Path("/trees"), credentials={})
    if executor is ExecutorName.SYSTEMD:
        assert isinstance(found, StartOrder)
    else:
        assert found == NotBegun(why="limits.memory needs the systemd executor, and this host runs tasks by the process executor")
