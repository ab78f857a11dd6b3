"""The facts of this host, as its configuration and the host itself say them."""

from __future__ import annotations

from torchsync.adapters.hostfacts import read_host_facts
from torchsync.agent.config import AgentConfig
from torchsync.core.model import HostFacts


def configured_facts(config: AgentConfig) -> HostFacts:
    """What the configuration says, and where it says nothing, what the system does."""
    return read_host_facts(name=config.host.name, labels=config.host.labels, addresses=config.host.addresses or None)
