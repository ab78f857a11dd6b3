"""Every check of `doctor`, as a table: the documentation is made from it, and nothing is looked at that is not in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Flag, auto

from torchsync.cli import agentchecks, configchecks, hostchecks, repositorychecks, webchecks
from torchsync.cli.site import Site
from torchsync.core.checkup import Finding, Stake


class Need(Flag):
    """What a check cannot do without; where that is missing, the check says so and how to get it."""

    NOTHING = 0
    CONFIG = auto()
    RIGHTS = auto()
    """Those of the agent's user."""
    NETWORK = auto()
    AGENT = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A check; what it looks at is told by the docstring of its function. `patience` is how many seconds it may take."""

    group: str
    name: str
    look: Callable[[Site], Iterable[Finding]]
    stake: Stake = Stake.HOST
    needs: Need = Need.NOTHING
    patience: float = 20.0

    @property
    def summary(self) -> str:
        return (self.look.__doc__ or "").partition("\n")[0]


_OWN = Need.CONFIG | Need.RIGHTS
_ASKS = _OWN | Need.NETWORK

CHECKS: tuple[Check, ...] = (
    Check(group="config", name="agent.yaml", look=configchecks.agent_yaml, stake=Stake.CONFIG),
    Check(group="config", name="owner", look=configchecks.agent_yaml_owner, stake=Stake.CONFIG, needs=Need.CONFIG),
    Check(group="config", name="in force", look=agentchecks.config_in_force, stake=Stake.CONFIG, needs=Need.AGENT),
    Check(group="config", name="metrics", look=configchecks.metrics, stake=Stake.CONFIG, needs=Need.CONFIG),
    Check(group="credentials", name="files", look=configchecks.credentials, stake=Stake.CONFIG, needs=_OWN),
    Check(group="credentials", name="signing keys", look=configchecks.signing_keys, stake=Stake.CONFIG, needs=_OWN),
    Check(group="credentials", name="webhook secret", look=configchecks.webhook_secret, stake=Stake.CONFIG, needs=_OWN),
    Check(group="credentials", name="certificate", look=webchecks.certificate, stake=Stake.CONFIG, needs=_OWN),
    Check(group="credentials", name="passwords", look=webchecks.passwords, stake=Stake.CONFIG, needs=_OWN),
    Check(group="policy", name="users", look=configchecks.policy, stake=Stake.POLICY, needs=Need.CONFIG),
    Check(group="policy", name="secrets", look=configchecks.secrets, stake=Stake.POLICY, needs=_OWN),
    Check(group="policy", name="notify hosts", look=configchecks.notify_hosts, needs=Need.CONFIG | Need.NETWORK, patience=30.0),
    Check(group="remote", name="reached", look=repositorychecks.remote, stake=Stake.REMOTE, needs=_ASKS, patience=610.0),
    Check(group="remote", name="clock", look=repositorychecks.remote_clock, needs=_ASKS, patience=30.0),
    Check(group="repository", name="newest commit", look=repositorychecks.newest_commit, stake=Stake.REMOTE, needs=_ASKS, patience=900.0),
    Check(group="state", name="folder", look=agentchecks.state_folder, stake=Stake.STATE, needs=_OWN),
    Check(group="state", name="disks", look=hostchecks.disks, stake=Stake.STATE, needs=Need.CONFIG),
    Check(group="state", name="leftovers", look=agentchecks.leftovers, stake=Stake.STATE, needs=_OWN),
    Check(group="host", name="kernel", look=hostchecks.kernel),
    Check(group="host", name="control groups", look=hostchecks.control_groups),
    Check(group="host", name="file watches", look=hostchecks.file_watches),
    Check(group="host", name="programs", look=hostchecks.programs),
    Check(group="clock", name="synchronised", look=hostchecks.clock),
    Check(group="clock", name="zone data", look=hostchecks.zone_data),
    Check(group="systemd", name="unit", look=hostchecks.unit),
    Check(group="systemd", name="executor", look=hostchecks.executor, stake=Stake.CONFIG, needs=_OWN),
    Check(group="access", name="ports", look=agentchecks.ports, needs=Need.CONFIG),
    Check(group="access", name="operators", look=agentchecks.operators),
    Check(group="agent", name="answers", look=agentchecks.answers, stake=Stake.REMOTE),
    Check(group="agent", name="health", look=agentchecks.health, stake=Stake.REMOTE, needs=Need.AGENT),
    Check(group="agent", name="syncs", look=agentchecks.syncs, stake=Stake.REMOTE, needs=Need.AGENT),
    Check(group="agent", name="holds", look=agentchecks.holds, needs=Need.AGENT),
    Check(group="agent", name="losses", look=agentchecks.losses, needs=Need.AGENT),
    Check(group="cron", name="jobs", look=hostchecks.cron_jobs),
)


def obstacle(check: Check, site: Site, *, is_offline: bool) -> str:
    """What of the needs of the check is missing, in a few words; empty when nothing is."""
    if Need.NETWORK in check.needs and is_offline:
        return "asks the network (--offline)"
    if Need.CONFIG in check.needs and site.config is None:
        return "agent.yaml cannot be used"
    if Need.RIGHTS in check.needs and not site.has_its_rights:
        return "only root and the agent's user can (sudo torchsync doctor)"
    if Need.AGENT in check.needs and site.answers is None:
        return "no agent answers"
    return ""
