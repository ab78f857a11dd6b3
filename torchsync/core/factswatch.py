"""Which addresses of the host count, while those that it has come and go. Pure.

Theory of operation. Tasks may be selected by address, so an address that is gone for a moment (a lease that is renewed, a cable, a start before the
network is up) would take tasks away and bring them back, daemons stopped and started each time. So what is seen counts only once it has
been seen unchanged for some minutes, and that a host has no address at all never counts. Everything else that a host says of itself is
configuration, and counts at once.
"""

from __future__ import annotations

from dataclasses import replace

from torchsync.core.model import HostFacts, Millis

STABLE_FOR = Millis(5 * 60 * 1000)


class FactsWatch:
    """The facts in force. They start as `seen`, or with the addresses that counted before the agent was started."""

    def __init__(self, seen: HostFacts, before: HostFacts | None = None) -> None:
        self.facts = replace(seen, addresses=before.addresses) if before and before.addresses else seen
        self.is_settled = self.facts == seen
        self._candidate = self.facts.addresses
        self._since = Millis(0)

    def observe(self, seen: HostFacts, mono: Millis, *, at_once: bool = False) -> HostFacts:
        """The facts in force once the host was seen like this. With `at_once` the addresses are configured, and count as they are."""
        if seen.addresses != self._candidate:
            self._candidate, self._since = seen.addresses, mono
        counts = at_once or (bool(seen.addresses) and mono - self._since >= STABLE_FOR)
        self.facts = seen if counts else replace(seen, addresses=self.facts.addresses)
        self.is_settled = self.facts == seen
        return self.facts


def described_facts(facts: HostFacts) -> str:
    """The facts in words, for a log and for people."""
    labels = ", ".join(f"{name}={value}" for name, value in sorted(facts.labels.items()))
    return f"{facts.name} with {', '.join(facts.addresses) or 'no address'}, {labels or 'no labels'}, zone {facts.zone}"
