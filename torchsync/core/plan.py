"""What a change of the repository would do to one host. Pure.

Theory of operation. The questions are those of a sync, and the same functions answer them: `selects` picks the tasks of this host, `diff`
compares them, `reschedules` says whose instants count anew, the timetable tells the instants, `judge_host` speaks for the host. Only what
happens to running copies is told here and done by the engine; a test holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from enum import Enum

from torchsync.core.diff import Change, described, diff, reschedules
from torchsync.core.durations import format_duration, format_size
from torchsync.core.jsontext import Json
from torchsync.core.model import CronTiming, DaemonTiming, HostFacts, Instant, Millis, ProgramCommand, Task, TaskName
from torchsync.core.policy import HostRules, judge_host
from torchsync.core.selector import selects, why
from torchsync.core.timetable import Timetable
from torchsync.errors import Problem

FIRES_SHOWN = 3

_DURATIONS = frozenset({"timeout", "starting_deadline", "stop_grace", "delay", "max_delay", "reset_after"})
_SIZES = frozenset({"output.max_size"})
_NONE_AT_ZERO = frozenset({"timeout"})
_FOREVER = Instant(1 << 53)


class Running(Enum):
    """What becomes of the copies of a task that run when the change is applied."""

    FINISH = "finish"
    STOP = "stop"
    NONE = "none"
    """The task had nothing to keep running."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """A field in the words of a task file, with values as one would write them there; None for a field that is not given.

    The field `inputs` stands for files that the task depends on, and has no values.
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
        return Running.STOP if self.old.is_daemon else Running.FINISH

    @property
    def starts(self) -> bool:
        """Copies of a daemon are started when the change is applied."""
        return self.new is not None and self.new.is_daemon and self.new.enabled

    @property
    def restarts(self) -> bool:
        return self.running is Running.STOP and self.starts


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPlan:
    """What a change does to the host; each tuple is sorted by name.

    `not_selected` counts the tasks for other hosts. `refused` is None where the policy of the host is not known.
    """

    facts: HostFacts
    added: tuple[Step, ...]
    removed: tuple[Step, ...]
    changed: tuple[Step, ...]
    unchanged: int
    not_selected: int
    refused: tuple[Problem, ...] | None

    @property
    def is_empty(self) -> bool:
        return not (self.added or self.removed or self.changed)

    @property
    def steps(self) -> tuple[Step, ...]:
        """All of them by name."""
        return tuple(sorted((*self.added, *self.removed, *self.changed), key=lambda step: step.name))


def plan_host(base: Iterable[Task], head: Iterable[Task], *, facts: HostFacts, now: Instant, rules: HostRules | None = None) -> HostPlan:
    """What leads the host from the valid set `base` to the valid set `head`, when that is applied at `now`."""
    before, after = _by_name(base), _by_name(head)
    old, new = _selected(before, facts), _selected(after, facts)
    found = diff(old, new)
    return HostPlan(
        facts=facts,
        added=tuple(_addition(new[name], before.get(name), facts, now) for name in found.added),
        removed=tuple(_removal(old[name], after.get(name), facts) for name in found.removed),
        changed=tuple(_changed(change, facts, now) for change in found.changed),
        unchanged=len(found.unchanged),
        not_selected=len(after) - len(new),
        refused=judge_host(new.values(), rules.policy, rules.uid_of) if rules else None,
    )


def _by_name(tasks: Iterable[Task]) -> dict[TaskName, Task]:
    return {task.name: task for task in tasks}


def _selected(tasks: Mapping[TaskName, Task], facts: HostFacts) -> dict[TaskName, Task]:
    return {name: task for name, task in tasks.items() if selects(task.hosts, facts)}


def _addition(task: Task, earlier: Task | None, facts: HostFacts, now: Instant) -> Step:
    reason = f"new on this host: {why(task.hosts, facts)}" if earlier else why(task.hosts, facts)
    return Step(name=task.name, new=task, why=reason, reschedules=True, next_fires=_next_fires(task, facts, now))


def _removal(task: Task, later: Task | None, facts: HostFacts) -> Step:
    reason = f"for other hosts from now on: {why(later.hosts, facts)}" if later else "no longer in the repository"
    return Step(name=task.name, old=task, why=reason)


def _changed(change: Change, facts: HostFacts, now: Instant) -> Step:
    counts_anew = reschedules(change.old, change.new)
    return Step(
        name=change.name,
        old=change.old,
        new=change.new,
        fields=_field_changes(change),
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
    return tuple(
        FieldChange(field=field, old=_written(field, before.get(field)), new=_written(field, after.get(field))) for field in change.fields
    )


def _written(field: str, value: object) -> Json:
    """The value as a task file has it; None for one that a task file would leave out."""
    match value:
        case DaemonTiming():
            return {item.name: _written(item.name, getattr(value, item.name)) for item in fields(value)}
        case ProgramCommand(argv=argv):
            return list(argv)
        case Enum():
            return str(value.value)
        case int() | float():
            return _written_number(field, value)
        case _:
            return _written_text(value)


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
        case tuple():
            return list(value) or None
        case Mapping():
            return dict(value) or None
        case _:
            return None
