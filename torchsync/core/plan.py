"""What a change of the repository would do to one host. Pure.

Theory of operation. The questions are those of a sync, and the same functions answer them: the inventory of each side completes what the host
says of itself, `selects` picks the tasks of this host, `diff` compares them, `reschedules` says whose instants count anew, the timetable tells
the instants, `judge_host` speaks for the host. Only what happens to running copies is told here and done by the engine; a test holds the two
against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cache

from torchsync.core.clockchange import Night
from torchsync.core.cron import has_hash
from torchsync.core.definition import instants_of
from torchsync.core.diff import Change, diff, reschedules
from torchsync.core.fieldchange import FieldChange, field_changes
from torchsync.core.forecast import Forecast, forecast, nights_ahead
from torchsync.core.guard import judge_removal
from torchsync.core.inputchange import InputChange, Inputs, input_changes
from torchsync.core.inventory import Inventory
from torchsync.core.model import CronTiming, Guards, HostFacts, Instant, Task, TaskName
from torchsync.core.policy import HostRules, judge_host
from torchsync.core.poolchange import PoolChange, pool_changes
from torchsync.core.selector import Groups, selects, why
from torchsync.core.succession import conduct, is_scaled
from torchsync.core.timetable import Rhythm, Timetable, is_moved, is_startup, rhythm_of
from torchsync.errors import Problem

FIRES_SHOWN = 3
GONE = "no longer in the repository"

_FOREVER = Instant(1 << 53)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two sets that are compared, for all hosts. `revision` is None for a folder as it is, and for nothing at all. `removal_allowed`:
    a commit that leads to it carries the trailer. `inputs` are the files that each task depends on, where they are known.
    """

    words: str
    revision: str | None
    tasks: tuple[Task, ...] = ()
    inventory: Inventory = Inventory()
    guards: Guards = Guards()
    removal_allowed: bool = False
    pools: Mapping[str, int] = field(default_factory=dict)
    inputs: Mapping[TaskName, Inputs] = field(default_factory=dict)


class Running(Enum):
    """What becomes of the copies of a task that run when the change is applied."""

    FINISH = "finish"
    STOP = "stop"
    KEEP = "keep"
    """A daemon is scaled: copies of a number that is no longer wanted end as they would at any change, the others are not touched."""
    NONE = "none"
    """The task had nothing to keep running."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A task that this host gets (`old` is None), loses (`new` is None) or goes on with changed.

    `why` says, for one that comes or goes, what makes it do so. `reschedules`: its instants count from the swap on. `next_fires` are the
    first of those. `forecast` is there for a task that has other instants from then on, `nights` are those it runs into in the zone `zone`.
    """

    name: TaskName
    old: Task | None = None
    new: Task | None = None
    fields: tuple[FieldChange, ...] = ()
    why: str = ""
    reschedules: bool = False
    next_fires: tuple[Instant, ...] = ()
    inputs: tuple[InputChange, ...] = ()
    forecast: Forecast | None = None
    nights: tuple[Night, ...] = ()
    zone: str = ""

    @property
    def is_by_host(self) -> bool:
        """When the task fires, before or after, depends on the host: by `H` or by the zone."""
        timings = [one.timing for one in (self.old, self.new) if one]
        return any(isinstance(timing, CronTiming) and (timing.zone == "local" or has_hash(timing.schedule)) for timing in timings)

    @property
    def running(self) -> Running:
        if self.old is None or (self.old.is_daemon and not self.old.enabled):
            return Running.NONE
        if self.new is not None and self.old.fingerprint == self.new.fingerprint:
            return Running.FINISH
        if self.new is not None and is_scaled(self.old, self.new):
            return Running.KEEP
        return Running(conduct(self.old, self.new).value)

    @property
    def surplus(self) -> int:
        """How many copies of a daemon go when nothing else of it changes."""
        return self.old.max_running - self.new.max_running if self.old and self.new and self.running is Running.KEEP else 0

    @property
    def finishes_first(self) -> bool:
        """Running copies of the daemon stay, and new ones with their numbers are started only when those have ended."""
        return self.old is not None and self.old.is_daemon and self.running in (Running.FINISH, Running.KEEP)

    @property
    def new_copies(self) -> int:
        """How many copies of a daemon are started when the change is applied."""
        if self.new is None or not self.new.is_daemon or not self.new.enabled:
            return 0
        staying = self.old.max_running if self.old and self.finishes_first else 0
        return max(0, self.new.max_running - staying)

    @property
    def starts(self) -> bool:
        """Copies of a daemon are started when the change is applied."""
        return self.new_copies > 0

    @property
    def at_startup(self) -> bool:
        """The task has no instants of its own, and fires once a boot."""
        timing = self.new.timing if self.new else None
        return isinstance(timing, CronTiming) and is_startup(timing)

    @property
    def restarts(self) -> bool:
        return self.running is Running.STOP and self.starts


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPlan:
    """What a change does to the host; each tuple is sorted by name.

    `facts` are those after the change. `removal` is why the guard against removal would refuse it. `not_selected` counts the tasks for other hosts.
    `refused` is None where the policy of the host is not known. `pools` are those that tasks of the host are in.
    """

    facts: HostFacts
    added: tuple[Step, ...]
    removed: tuple[Step, ...]
    changed: tuple[Step, ...]
    unchanged: int
    not_selected: int
    refused: tuple[Problem, ...] | None
    removal: Problem | None = None
    pools: tuple[PoolChange, ...] = ()

    @property
    def refusals(self) -> tuple[Problem, ...]:
        """Everything for which the host would refuse the change, as far as it is known."""
        return (*([self.removal] if self.removal else []), *(self.refused or ()))

    @property
    def is_empty(self) -> bool:
        return not (self.added or self.removed or self.changed or self.pools)

    @property
    def steps(self) -> tuple[Step, ...]:
        """All of them by name."""
        return tuple(sorted((*self.added, *self.removed, *self.changed), key=lambda step: step.name))


@dataclass(frozen=True, slots=True)
class _HostSide:
    """One side as the host sees it."""

    facts: HostFacts
    groups: Groups
    all: Mapping[TaskName, Task]
    selected: Mapping[TaskName, Task]
    inputs: Mapping[TaskName, Inputs]

    def why(self, task: Task) -> str:
        return why(task.hosts, self.facts, self.groups)


Chosen = Callable[[tuple[str, ...]], bool]
"""Whether tasks with these selectors are for the host."""


def plan_host(
    base: Side,
    head: Side,
    *,
    own: HostFacts,
    now: Instant,
    rules: HostRules | None = None,
    chosen: tuple[Chosen, Chosen] | None = None,
) -> HostPlan:
    """What leads the host, which says `own` of itself, from the valid set `base` to the valid set `head`, when that is applied at `now`.

    `chosen` is for who has worked out before which tasks of either side are for the host.
    """
    for_base, for_head = chosen or (None, None)
    change = _Changeover(_seen_by(base, own, for_base), _seen_by(head, own, for_head), now)
    old, new = change.before.selected, change.after.selected
    found = diff(old, new)
    moved = [change.moved(new[name]) for name in found.unchanged if is_moved(new[name], change.before.facts, change.after.facts)]
    changed = [*(change.changed(one) for one in found.changed), *moved]
    return HostPlan(
        facts=change.after.facts,
        added=tuple(change.addition(new[name]) for name in found.added),
        removed=tuple(change.removal(old[name]) for name in found.removed),
        changed=tuple(sorted(changed, key=lambda step: step.name)),
        unchanged=len(found.unchanged) - len(moved),
        not_selected=len(change.after.all) - len(new),
        refused=judge_host(new.values(), rules, head.pools) if rules else None,
        removal=None if head.removal_allowed else judge_removal(base.guards, len(old), len(new)),
        pools=pool_changes(base.pools, head.pools, (*old.values(), *new.values()), rules.policy.pools if rules else {}),
    )


def _seen_by(side: Side, own: HostFacts, chosen: Chosen | None) -> _HostSide:
    """Tasks share few lists of selectors, and each of these is held against the host once."""
    facts, groups = side.inventory.facts_of(own), side.inventory.groups
    tasks = {task.name: task for task in side.tasks}
    asked = chosen or cache(lambda hosts: selects(hosts, facts, groups))
    return _HostSide(facts, groups, tasks, {name: task for name, task in tasks.items() if asked(task.hosts)}, side.inputs)


@dataclass(frozen=True, slots=True)
class _Changeover:
    """The host goes over from one side to the other at `now`."""

    before: _HostSide
    after: _HostSide
    now: Instant

    def addition(self, task: Task) -> Step:
        reason = self.after.why(task)
        return self._with_instants(
            Step(name=task.name, new=task, why=f"new on this host: {reason}" if task.name in self.before.all else reason, reschedules=True)
        )

    def removal(self, task: Task) -> Step:
        later = self.after.all.get(task.name)
        reason = f"for other hosts from now on: {self.after.why(later)}" if later else GONE
        return self._with_instants(Step(name=task.name, old=task, why=reason))

    def moved(self, task: Task) -> Step:
        return self._with_instants(Step(name=task.name, old=task, new=task, fields=(self._zone_change(),), reschedules=True))

    def changed(self, change: Change) -> Step:
        is_elsewhere = is_moved(change.new, self.before.facts, self.after.facts)
        step = Step(
            name=change.name,
            old=change.old,
            new=change.new,
            fields=(*field_changes(change), *([self._zone_change()] if is_elsewhere else [])),
            reschedules=reschedules(change.old, change.new) or is_elsewhere,
            inputs=input_changes(self.before.inputs.get(change.name, ()), self.after.inputs.get(change.name, ())),
        )
        return self._with_instants(step)

    def _zone_change(self) -> FieldChange:
        return FieldChange(field="host.timezone", old=self.before.facts.zone, new=self.after.facts.zone)

    def _with_instants(self, step: Step) -> Step:
        """The step together with what it means for the instants to come."""
        old, new = _rhythm(step.old, self.before.facts), _rhythm(step.new, self.after.facts)
        is_other = step.reschedules or (new is None and old is not None)
        return replace(
            step,
            next_fires=_next_fires(step.new, self.after.facts, self.now) if step.new and step.reschedules else (),
            forecast=forecast(old, new, self.now) if is_other and (old or new) else None,
            nights=nights_ahead(new, self.now, is_new=step.reschedules) if new else (),
            zone=new.zone if new else "",
        )


def _rhythm(task: Task | None, facts: HostFacts) -> Rhythm | None:
    """None for a task that has no instants of the calendar."""
    timing = instants_of(task) if task else None
    return rhythm_of(task.name, timing, facts) if task and timing and not is_startup(timing) else None


def _next_fires(task: Task, facts: HostFacts, after: Instant) -> tuple[Instant, ...]:
    """The first instants of the task later than `after`, from the timetable that an agent would enter it in."""
    timing = instants_of(task)
    if timing is None:
        return ()
    timetable = Timetable()
    timetable.put(task.name, timing, facts, after)
    return tuple(fire.instant for fire in timetable.take(_FOREVER, FIRES_SHOWN))
