"""When the tasks of a fleet fire next, as far as that can be told without asking the hosts. Pure.

Most tasks have the same instants on all their hosts. `H` picks others for each host, `timezone: local` means another zone where the host is in
another, and hosts.yaml may not say in which. Jitter moves no instant: it only makes a fire due later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from torchsync.core.cron import has_hash
from torchsync.core.fleet import Fleet
from torchsync.core.inventory import Inventory
from torchsync.core.model import CronTiming, HostFacts, Instant, TaskName
from torchsync.core.timetable import rhythm_of


@dataclass(frozen=True, slots=True)
class NextFires:
    """`known`: the next instant of each task that is known to have one, of hosts that differ the earliest. `by_host`: tasks whose hosts differ."""

    known: Mapping[TaskName, Instant]
    by_host: frozenset[TaskName]


def next_fires(fleet: Fleet, inventory: Inventory, after: Instant) -> NextFires:
    """The first instants later than `after`. With `H` they are known of a task on one host only: to work out all would tell nobody anything.

    Raises ValueError for a schedule that is none, which a valid commit has not.
    """
    timed = [
        (name, task.timing, fleet.hosts_of[name])
        for name, task in fleet.tasks.items()
        if task.enabled and isinstance(task.timing, CronTiming)
    ]
    known: dict[TaskName, Instant] = {}
    for name, timing, hosts in timed:
        instants = [next(rhythm_of(name, timing, facts).following(after), None) for facts in _samples(timing, hosts, inventory)]
        known |= {name: min(found)} if (found := [instant for instant in instants if instant is not None]) else {}
    return NextFires(known, frozenset(name for name, timing, _ in timed if timing.zone == "local" or has_hash(timing.schedule)))


def _samples(timing: CronTiming, hosts: Sequence[str], inventory: Inventory) -> Iterator[HostFacts]:
    """As many hosts as are needed to tell the instants on all of them; none where they cannot be told."""
    if has_hash(timing.schedule) and len(hosts) != 1:
        return
    zones = {inventory.hosts[host].zone for host in hosts} - {""} if timing.zone == "local" else {"UTC"}
    yield from (HostFacts(name=hosts[0] if hosts else "", zone=zone) for zone in sorted(zones))
