"""What starts the runs of this host: what agent.yaml says, or for `auto` systemd where it can."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torchsync.adapters.unithost import is_sandboxed, least_nice_of_units, most_files_of_units, why_no_units
from torchsync.agent.config import AgentConfig, ExecutorKind
from torchsync.core.policy import ExecutorName, HostPolicy
from torchsync.errors import ConfigInvalid, Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What was chosen, and a sentence that says why."""

    name: ExecutorName
    sentence: str
    limit: str = ""
    """What it costs here, in a sentence; empty for nothing."""
    most_files: int = 0
    least_nice: int = -20
    """What a unit can be given."""

    def policy(self, config: AgentConfig) -> HostPolicy:
        """The policy of the configuration, with what this executor is able to do: units have not the limits of the agent."""
        policy = config.host_policy
        if self.name is ExecutorName.PROCESS:
            return policy
        return replace(policy, executor=self.name, most_files=self.most_files, least_nice=self.least_nice)


_SYSTEMD = Choice(name=ExecutorName.SYSTEMD, sentence="runs are units of systemd, in torchsync.slice")


def choose(config: AgentConfig) -> Choice:
    """Decided once, at the start of an agent. Raises ConfigInvalid where agent.yaml asks for what this host cannot do."""
    if config.executor is ExecutorKind.PROCESS:
        return _process("as agent.yaml says")
    why = why_no_units()
    if not why:
        return replace(_SYSTEMD, most_files=most_files_of_units(), least_nice=least_nice_of_units())
    if config.executor is ExecutorKind.AUTO:
        return _process(f"since {why}")
    problem = _obstacle(why)
    raise ConfigInvalid(problem.code, problem.message, (problem,))


def _process(why: str) -> Choice:
    limit = "the agent may not gain privileges (NoNewPrivileges=), and runs inherit that with the rest of its unit's sandbox: "
    remedy = "install torchsync.service.d/process-executor.conf, or use the systemd executor"
    sentence = f"runs are processes of the agent, {why}"
    return Choice(name=ExecutorName.PROCESS, sentence=sentence, limit=limit + remedy if is_sandboxed() else "")


def expected(config: AgentConfig) -> Choice:
    """What an agent with this configuration chooses here, or would if it could."""
    if config.executor is ExecutorKind.SYSTEMD and why_no_units():
        return _SYSTEMD
    return choose(config)


def systemd_obstacle() -> Problem | None:
    """What keeps `executor: systemd` from working here."""
    why = why_no_units()
    return _obstacle(why) if why else None


def _obstacle(why: str) -> Problem:
    hint = "write `executor: auto` or `executor: process`, or mend what is said of the host"
    return Problem(code="TS303", message=f"`executor: systemd` cannot work: {why}", hint=hint)
