"""What a change of the repository would do to all hosts of a fleet. Pure.

Theory of operation. Hosts for which the change is the same are one group, and the plan of the first of them, made by `plan_host` as for any
host, speaks for all. What is the same is found without planning each host: for every task that comes, goes or changes, the set of hosts on
which it does is a mask, and hosts that no mask tells apart see the same steps. So is, for the pools that get another size, the set of hosts
that have tasks in them; and the guard against removal, which goes by numbers, is asked for each host.

What depends on the host alone does not tell hosts apart: the instants of `H`, of jitter and of the local zone, the selector's words, and how many
other tasks there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from torchsync.core.guard import judge_removal
from torchsync.core.hostmask import Mask, Selection, parts, places
from torchsync.core.model import CronTiming, HostFacts, Instant, Task, TaskName
from torchsync.core.plan import Chosen, HostPlan, Side, plan_host
from torchsync.core.policy import HostRules, judge_host
from torchsync.errors import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetHost:
    """A host as it says of itself. `rules` are there where its policy is known."""

    own: HostFacts
    rules: HostRules | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostGroup:
    """Hosts, by name, for which the change is the same. `plan` is that of the first; `unchanged` and `not_selected` are the least and the most.

    `refusals` are those of all hosts, each once: they may differ in the numbers of tasks.
    """

    hosts: tuple[str, ...]
    plan: HostPlan
    unchanged: tuple[int, int]
    not_selected: tuple[int, int]
    refusals: tuple[Problem, ...]

    @property
    def is_untouched(self) -> bool:
        return self.plan.is_empty and not self.refusals


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPlan:
    """The groups: first those that refuse the change, then those that it does something to, then the others; the large ones first."""

    groups: tuple[HostGroup, ...]

    @property
    def hosts(self) -> int:
        return sum(len(group.hosts) for group in self.groups)

    @property
    def touched(self) -> int:
        """How many hosts the change does something to, or would if they did not refuse it."""
        return sum(len(group.hosts) for group in self.groups if not group.plan.is_empty)

    @property
    def refusing(self) -> int:
        return sum(len(group.hosts) for group in self.groups if group.refusals)


def plan_fleet(base: Side, head: Side, *, hosts: Sequence[FleetHost], now: Instant) -> FleetPlan:
    """What leads each of the hosts from the valid set `base` to the valid set `head`, when that is applied at `now`."""
    ordered = sorted(hosts, key=lambda host: host.own.name)
    comparison = _Comparison(base, head, ordered)
    groups = []
    for part in comparison.groups():
        first = ordered[part[0]]
        plan = plan_host(base, head, own=first.own, now=now, rules=first.rules, chosen=comparison.chosen(part[0]))
        groups.append(comparison.group(part, plan))
    return FleetPlan(groups=tuple(sorted(groups, key=_rank)))


def _rank(group: HostGroup) -> tuple[bool, bool, int, str]:
    return not group.refusals, group.plan.is_empty, -len(group.hosts), group.hosts[0]


class _Comparison:
    """The two sides as all of the hosts see them."""

    def __init__(self, base: Side, head: Side, hosts: Sequence[FleetHost]) -> None:
        self._hosts = hosts
        self._base, self._head = base, head
        self._before = [base.inventory.facts_of(host.own) for host in hosts]
        self._after = [head.inventory.facts_of(host.own) for host in hosts]
        seen, seen_then = (self._before, base.inventory.groups), (self._after, head.inventory.groups)
        selection = Selection(*seen)
        self._selections = selection, selection if seen == seen_then else Selection(*seen_then)
        self._old, self._new = map(_selected, (base, head), self._selections)
        self._zones = self._zone_changes()
        self._old_counts, self._new_counts = (_counts(masks.values(), len(hosts)) for masks in (self._old, self._new))
        self._same_counts = _counts(self._same(), len(hosts))
        self._removals = [self._removal(place) for place in range(len(hosts))]
        self._refused = [
            judge_host(self._tasks_of(place), host.rules, head.pools) if host.rules else None for place, host in enumerate(hosts)
        ]

    def groups(self) -> Iterator[tuple[int, ...]]:
        """The places of hosts for which the change is the same."""
        for part in parts(len(self._hosts), dict.fromkeys(self._differences())):
            alike: dict[object, list[int]] = {}
            for place in places(part):
                alike.setdefault((self._removals[place] is None, self._refused[place]), []).append(place)
            yield from map(tuple, alike.values())

    def chosen(self, place: int) -> tuple[Chosen, Chosen]:
        """What is for the host before and after."""
        before, after = self._selections
        return before.at(place), after.at(place)

    def group(self, part: Sequence[int], plan: HostPlan) -> HostGroup:
        same = [self._same_counts[place] for place in part]
        others = [len(self._head.tasks) - self._new_counts[place] for place in part]
        removals = (problem for place in part if (problem := self._removals[place]))
        return HostGroup(
            hosts=tuple(self._hosts[place].own.name for place in part),
            plan=plan,
            unchanged=(min(same), max(same)),
            not_selected=(min(others), max(others)),
            refusals=tuple(dict.fromkeys((*removals, *(plan.refused or ())))),
        )

    def _differences(self) -> Iterator[Mask]:
        """The hosts to which one and the same thing happens, for each of the things that happen."""
        old_tasks, new_tasks = ({task.name: task for task in side.tasks} for side in (self._base, self._head))
        for name in sorted(old_tasks.keys() | new_tasks.keys()):
            old, new = self._old.get(name, 0), self._new.get(name, 0)
            yield from (new & ~old, old & ~new)
            if old & new:
                yield from self._changes(old_tasks[name], new_tasks[name], old & new)
        yield from self._pools()

    def _changes(self, old: Task, new: Task, both: Mask) -> Iterator[Mask]:
        if old.fingerprint != new.fingerprint:
            yield both
        if _is_local(new):
            yield from (both & mask for mask in self._zones.values())

    def _pools(self) -> Iterator[Mask]:
        old, new = self._base.pools, self._head.pools
        for pool in sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name)):
            mask = 0
            for side, masks in ((self._base, self._old), (self._head, self._new)):
                for task in side.tasks:
                    mask |= masks[task.name] if task.pool == pool else 0
            yield mask & ~self._own_pools(pool)

    def _own_pools(self, pool: str) -> Mask:
        """The hosts that give the pool a size of their own."""
        return sum(1 << place for place, host in enumerate(self._hosts) if host.rules and pool in host.rules.policy.pools)

    def _same(self) -> Iterator[Mask]:
        """For every task that some host keeps as it is, those hosts."""
        moved = 0
        for mask in self._zones.values():
            moved |= mask
        prints = {task.name: task.fingerprint for task in self._base.tasks}
        for task in self._head.tasks:
            if prints.get(task.name) == task.fingerprint:
                yield self._old[task.name] & self._new[task.name] & ~(moved if _is_local(task) else 0)

    def _zone_changes(self) -> Mapping[tuple[str, str], Mask]:
        """The hosts that get another zone, by the zones."""
        found: Counter[tuple[str, str]] = Counter()
        for place, (before, after) in enumerate(zip(self._before, self._after, strict=True)):
            if before.zone != after.zone:
                found[before.zone, after.zone] += 1 << place
        return found

    def _removal(self, place: int) -> Problem | None:
        if self._head.removal_allowed:
            return None
        return judge_removal(self._base.guards, self._old_counts[place], self._new_counts[place])

    def _tasks_of(self, place: int) -> list[Task]:
        return [task for task in self._head.tasks if self._new[task.name] >> place & 1]


def _selected(side: Side, selection: Selection) -> Mapping[TaskName, Mask]:
    return {task.name: selection.of(task.hosts) for task in side.tasks}


def _counts(masks: Iterable[Mask], hosts: int) -> list[int]:
    """For each host, in how many of the masks it is; there are few different ones."""
    counts = [0] * hosts
    for mask, number in Counter(masks).items():
        for place in places(mask):
            counts[place] += number
    return counts


def _is_local(task: Task) -> bool:
    return isinstance(task.timing, CronTiming) and task.timing.zone == "local"
