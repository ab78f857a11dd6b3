"""What a change of the repository would do to one host. Pure.

Theory of operation. The questions are those of a sync, and the same functions answer them: the inventory of each side completes what the host
says of itself, `selects` picks the tasks of this host, `diff` compares them, `reschedules` says whose instants count anew, the timetable tells
the instants, `judge_host` speaks for the host. Only what happens to running copies is told here and done by the engine; a test holds the two
against each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import Enum

from torchsync.core.cron import StartupSchedule, parse_schedule
from torchsync.core.diff import Change, described, diff, reschedules
from torchsync.core.durations import format_duration, format_size
from torchsync.core.guard import judge_removal
from torchsync.core.inventory import Inventory
from torchsync.core.jsontext import Json
from torchsync.core.model import (
    CronTiming,
    DaemonTiming,
    Guards,
    HostFacts,
    Instant,
    Limits,
    Millis,
    ProgramCommand,
    Retry,
    Task,
    TaskName,
)
from torchsync.core.notify import Notify, written
from torchsync.core.policy import HostRules, judge_host
from torchsync.core.selector import Groups, selects, why
from torchsync.core.succession import conduct, is_scaled
from torchsync.core.timetable import Timetable, is_moved
from torchsync.errors import Problem

FIRES_SHOWN = 3

_DURATIONS = frozenset(
    {"timeout", "jitter", "starting_deadline", "stop_grace", "delay", "max_delay", "reset_after", "alert.max_age", "alert.max_duration"}
)
_SIZES = frozenset({"output.max_size"})
_NONE_AT_ZERO = frozenset({"timeout", "jitter", "alert.max_duration"})
_FOREVER = Instant(1 << 53)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two sets that are compared, for all hosts. `revision` is None for a folder as it is, and for nothing at all. `removal_allowed`:
    a commit that leads to it carries the trailer.
    """

    words: str
    revision: str | None
    tasks: tuple[Task, ...] = ()
    inventory: Inventory = Inventory()
    guards: Guards = Guards()
    removal_allowed: bool = False
    pools: Mapping[str, int] = field(default_factory=dict)


class Running(Enum):
    """What becomes of the copies of a task that run when the change is applied."""

    FINISH = "finish"
    STOP = "stop"
    KEEP = "keep"
    """A daemon is scaled: copies of a number that is no longer wanted end as they would at any change, the others are not touched."""
    NONE = "none"
    """The task had nothing to keep running."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """A field in the words of a task file, with values as one would write them there; None for a field that is not given.

    The field `inputs` without values stands for the content of files that the task depends on, `host.timezone` for the zone of the host.
    """

    field: str
    old: Json
    new: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A task that this host gets (`old` is None), loses (`new` is None) or goes on with changed.

    `why` says, for one that comes or goes, what makes it do so. `reschedules`: its instants count from the swap on. `next_fires` are the
    first of those.
    """

    name: TaskName
    old: Task | None = None
    new: Task | None = None
    fields: tuple[FieldChange, ...] = ()
    why: str = ""
    reschedules: bool = False
    next_fires: tuple[Instant, ...] = ()

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
        return isinstance(timing, CronTiming) and isinstance(parse_schedule(timing.schedule), StartupSchedule)

    @property
    def restarts(self) -> bool:
        return self.running is Running.STOP and self.starts


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPlan:
    """What a change does to the host; each tuple is sorted by name.

    `facts` are those after the change. `removal` is why the guard against removal would refuse it. `not_selected` counts the tasks for other hosts.
    `refused` is None where the policy of the host is not known.
    """

    facts: HostFacts
    added: tuple[Step, ...]
    removed: tuple[Step, ...]
    changed: tuple[Step, ...]
    unchanged: int
    not_selected: int
    refused: tuple[Problem, ...] | None
    removal: Problem | None = None

    @property
    def refusals(self) -> tuple[Problem, ...]:
        """Everything for which the host would refuse the change, as far as it is known."""
        return (*([self.removal] if self.removal else []), *(self.refused or ()))

    @property
    def is_empty(self) -> bool:
        return not (self.added or self.removed or self.changed)

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

    def why(self, task: Task) -> str:
        return why(task.hosts, self.facts, self.groups)


def plan_host(base: Side, head: Side, *, own: HostFacts, now: Instant, rules: HostRules | None = None) -> HostPlan:
    """What leads the host, which says `own` of itself, from the valid set `base` to the valid set `head`, when that is applied at `now`."""
    before, after = _seen_by(base, own), _seen_by(head, own)
    old, new = before.selected, after.selected
    found = diff(old, new)
    moved = [
        _moved(new[name], before.facts, after.facts, now) for name in found.unchanged if is_moved(new[name], before.facts, after.facts)
    ]
    return HostPlan(
        facts=after.facts,
        added=tuple(_addition(new[name], before.all.get(name), after, now) for name in found.added),
        removed=tuple(_removal(old[name], after) for name in found.removed),
        changed=(*(_changed(change, before.facts, after.facts, now) for change in found.changed), *moved),
        unchanged=len(found.unchanged) - len(moved),
        not_selected=len(after.all) - len(new),
        refused=judge_host(new.values(), rules, head.pools) if rules else None,
        removal=None if head.removal_allowed else judge_removal(base.guards, len(old), len(new)),
    )


def _seen_by(side: Side, own: HostFacts) -> _HostSide:
    facts, groups = side.inventory.facts_of(own), side.inventory.groups
    tasks = {task.name: task for task in side.tasks}
    return _HostSide(facts, groups, tasks, {name: task for name, task in tasks.items() if selects(task.hosts, facts, groups)})


def _addition(task: Task, earlier: Task | None, after: _HostSide, now: Instant) -> Step:
    reason = f"new on this host: {after.why(task)}" if earlier else after.why(task)
    return Step(name=task.name, new=task, why=reason, reschedules=True, next_fires=_next_fires(task, after.facts, now))


def _removal(task: Task, after: _HostSide) -> Step:
    later = after.all.get(task.name)
    reason = f"for other hosts from now on: {after.why(later)}" if later else "no longer in the repository"
    return Step(name=task.name, old=task, why=reason)


def _moved(task: Task, before: HostFacts, facts: HostFacts, now: Instant) -> Step:
    fires = _next_fires(task, facts, now)
    return Step(name=task.name, old=task, new=task, fields=(_zone_change(before, facts),), reschedules=True, next_fires=fires)


def _zone_change(before: HostFacts, facts: HostFacts) -> FieldChange:
    return FieldChange(field="host.timezone", old=before.zone, new=facts.zone)


def _changed(change: Change, before: HostFacts, facts: HostFacts, now: Instant) -> Step:
    is_elsewhere = is_moved(change.new, before, facts)
    counts_anew = reschedules(change.old, change.new) or is_elsewhere
    return Step(
        name=change.name,
        old=change.old,
        new=change.new,
        fields=(*_field_changes(change), *([_zone_change(before, facts)] if is_elsewhere else [])),
        reschedules=counts_anew,
        next_fires=_next_fires(change.new, facts, now) if counts_anew else (),
    )


def _next_fires(task: Task, facts: HostFacts, after: Instant) -> tuple[Instant, ...]:
    """The first instants of the task later than `after`, from the timetable that an agent would enter it in."""
    if not isinstance(task.timing, CronTiming) or not task.enabled:
        return ()
    timetable = Timetable()
    timetable.put(task.name, task.timing, facts, after)
    return tuple(fire.instant for fire in timetable.take(_FOREVER, FIRES_SHOWN))


def _field_changes(change: Change) -> tuple[FieldChange, ...]:
    before, after = described(change.old), described(change.new)
    return tuple(_field_change(field, before.get(field), after.get(field)) for field in change.fields)


def _field_change(field: str, old: object, new: object) -> FieldChange:
    if old == new:
        return FieldChange(field=field, old=None, new=None)
    return FieldChange(field=field, old=_written(field, old), new=_written(field, new))


def _written(field: str, value: object) -> Json:
    """The value as a task file has it; None for one that a task file would leave out."""
    match value:
        case Limits():
            return _written_limits(value)
        case DaemonTiming() | Retry():
            return {item.name: _written(item.name, getattr(value, item.name)) for item in fields(value)}
        case ProgramCommand(argv=argv):
            return list(argv)
        case Enum():
            return str(value.value)
        case int() | float():
            return _written_number(field, value)
        case _:
            return _written_text(value)


def _written_limits(limits: Limits) -> Json:
    given: dict[str, Json] = {
        "files": limits.files or None,
        "nice": limits.nice,
        "io": limits.io or None,
        "memory": format_size(limits.memory) if limits.memory else None,
        "cpu": f"{limits.cpu}%" if limits.cpu else None,
        "pids": limits.pids or None,
    }
    return {name: value for name, value in given.items() if value is not None} or None


def _written_number(field: str, value: float) -> Json:
    if field in _NONE_AT_ZERO and not value:
        return None
    if field in _DURATIONS:
        return format_duration(Millis(int(value)))
    return format_size(int(value)) if field in _SIZES else value


def _written_text(value: object) -> Json:
    """Of a text, of texts in a list or a mapping: empty ones are as good as none."""
    match value:
        case str():
            return value or None
        case (Notify(), *_):
            return [written(entry) for entry in value if isinstance(entry, Notify)]
        case tuple():
            return list(value) or None
        case Mapping():
            return dict(value) or None
        case _:
            return None
