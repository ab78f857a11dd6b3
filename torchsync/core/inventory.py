"""What hosts.yaml says of the hosts: the inventory of the fleet, as values. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from torchsync.core.model import HostFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class HostEntry:
    """A host of the inventory. `zone` is empty where hosts.yaml gives none."""

    addresses: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    zone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """The hosts by name, and the groups: lists of selectors by name. Both are empty where there is no hosts.yaml."""

    hosts: Mapping[str, HostEntry] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def facts_of(self, own: HostFacts) -> HostFacts:
        """What is in force for a host that says `own` of itself.

        Labels are those of the inventory with the host's own over them, the zone is the inventory's where it gives one. Addresses are always the
        host's own: an address that only the inventory knows selects nothing.
        """
        entry = self.hosts.get(own.name)
        if entry is None:
            return own
        return replace(own, labels={**entry.labels, **own.labels}, zone=entry.zone or own.zone)

    def named(self, name: str) -> HostFacts:
        """What can be told of a host by its name alone, as if it were what the inventory says."""
        entry = self.hosts.get(name, HostEntry())
        return HostFacts(name=name, addresses=entry.addresses, labels=entry.labels, zone=entry.zone or "UTC")

    def notices(self, own: HostFacts) -> Iterator[str]:
        """What an operator should know about the host that says `own` of itself, in sentences without a full stop."""
        entry = self.hosts.get(own.name)
        if entry is None:
            if self.hosts:
                yield f"the host {own.name} is not in hosts.yaml"
            return
        for name, value in own.labels.items():
            if entry.labels.get(name, value) != value:
                yield f"the label {name} is {value!r} by agent.yaml, over {entry.labels[name]!r} by hosts.yaml"
