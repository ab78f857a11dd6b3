"""Which hosts run which tasks: a set of tasks held against the inventory of the fleet. Pure.

Tasks share few lists of selectors, so each distinct list is judged once (`core/hostmask.py`). Hosts that run the same tasks are one *cohort*.

Only hosts of the inventory are known here. A host that hosts.yaml does not name, or whose agent.yaml gives it other labels or addresses, may
run something else: that is what `plan --facts` and `fleet --live` are for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torchsync.core.hostmask import Selection, places
from torchsync.core.inventory import Inventory
from torchsync.core.model import HostFacts, Task, TaskName


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """The hosts of an inventory and the tasks of a commit, each by name, and who runs what: names in order, also where there are none."""

    hosts: Mapping[str, HostFacts]
    tasks: Mapping[TaskName, Task]
    tasks_of: Mapping[str, tuple[TaskName, ...]]
    hosts_of: Mapping[TaskName, tuple[str, ...]]

    @property
    def idle_hosts(self) -> tuple[str, ...]:
        """The hosts that no task is for."""
        return tuple(host for host, tasks in self.tasks_of.items() if not tasks)

    @property
    def idle_tasks(self) -> tuple[TaskName, ...]:
        """The tasks that are for no host."""
        return tuple(task for task, hosts in self.hosts_of.items() if not hosts)

    def cohorts(self) -> tuple[tuple[tuple[str, ...], tuple[TaskName, ...]], ...]:
        """The hosts that run the same tasks, and those tasks: by the name of the first host."""
        found: dict[tuple[TaskName, ...], list[str]] = {}
        for host, tasks in self.tasks_of.items():
            found.setdefault(tasks, []).append(host)
        return tuple((tuple(hosts), tasks) for tasks, hosts in found.items())


def fleet_of(tasks: Iterable[Task], inventory: Inventory) -> Fleet:
    """Who runs what, as far as hosts.yaml tells. Raises ValueError for a selector that is none, which a valid commit has not."""
    by_name = {task.name: task for task in sorted(tasks, key=lambda task: task.name)}
    hosts = {name: inventory.named(name) for name in sorted(inventory.hosts)}
    names, selection = tuple(hosts), Selection(tuple(hosts.values()), inventory.groups)
    chosen = {
        selectors: tuple(names[place] for place in places(selection.of(selectors)))
        for selectors in {task.hosts for task in by_name.values()}
    }
    hosts_of = {name: chosen[task.hosts] for name, task in by_name.items()}
    tasks_of: dict[str, list[TaskName]] = {name: [] for name in hosts}
    for name, runners in hosts_of.items():
        for host in runners:
            tasks_of[host].append(name)
    return Fleet(hosts=hosts, tasks=by_name, tasks_of={host: tuple(names) for host, names in tasks_of.items()}, hosts_of=hosts_of)
