"""What a run is started with on this host, or why it is not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torchsync.adapters import hostfacts
from torchsync.core.model import NotBegun, Run
from torchsync.core.policy import HostPolicy, HostRules, refused_limits, refused_user
from torchsync.core.startscript import run_environment
from torchsync.ports import StartOrder


def order_of(run: Run, host: str, *, policy: HostPolicy, trees: Path, credentials: Mapping[str, str]) -> StartOrder | NotBegun:
    """The order by the policy of now, which may have changed since the task was accepted. Without an account of its user it has no environment, and
    the executor says so.
    """
    accounts = hostfacts.Accounts()
    if why := refused_user(run.task, run.user, HostRules(policy, accounts.uid)) or refused_limits(run.task, policy):
        return NotBegun(why=why)
    account = accounts.get(run.user)
    environment = run_environment(run, account, host) if account else {}
    return StartOrder(run=run, tree=f"{trees}/{run.tree}", environment=environment, credentials=credentials)
