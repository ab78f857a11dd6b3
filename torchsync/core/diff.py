"""What one set of tasks changes in another. Pure; two definitions are the same when their fingerprints are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from torchsync.core.model import CronTiming, DaemonTiming, ShellCommand, Task, TaskName


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A task whose fingerprint differs.

    `fields` names what differs in the words of a task file, sorted; `inputs` alone may stand for the content of files that the task depends on.
    """

    name: TaskName
    old: Task
    new: Task
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """Every name of both sets, once in the first four tuples; each tuple is sorted by name.

    `moved` are tasks of both sets whose instants are others because the facts of the host changed, whatever else became of them.
    """

    added: tuple[TaskName, ...] = ()
    removed: tuple[TaskName, ...] = ()
    changed: tuple[Change, ...] = ()
    unchanged: tuple[TaskName, ...] = ()
    moved: tuple[TaskName, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.added or self.removed or self.changed or self.moved)


def diff(old: Mapping[TaskName, Task], new: Mapping[TaskName, Task]) -> Diff:
    """What leads from `old` to `new`."""
    common = sorted(old.keys() & new.keys())
    return Diff(
        added=tuple(sorted(new.keys() - old.keys())),
        removed=tuple(sorted(old.keys() - new.keys())),
        changed=tuple(_change(old[name], new[name]) for name in common if old[name].fingerprint != new[name].fingerprint),
        unchanged=tuple(name for name in common if old[name].fingerprint == new[name].fingerprint),
    )


def reschedules(old: Task, new: Task) -> bool:
    """Whether the instants of the task are others from now on, so that it counts only those to come: its schedule, zone or jitter changed, or
    it was disabled or a daemon before.
    """
    if not isinstance(new.timing, CronTiming) or not new.enabled:
        return False
    if not isinstance(old.timing, CronTiming) or not old.enabled:
        return True
    return _instants(old.timing) != _instants(new.timing)


def _instants(timing: CronTiming) -> tuple[str, str, int]:
    return timing.schedule, timing.zone, timing.jitter


_WORDS = {"severity": "alert.severity", "output_max": "output.max_size", "zone": "timezone"}
_NOT_THE_TASKS_OWN = frozenset({"name", "fingerprint", "copy_print", "source"})


def described(task: Task) -> dict[str, object]:
    """What the task is made of by the words of a task file; values as the model holds them."""
    names = [field.name for field in fields(task) if field.name not in _NOT_THE_TASKS_OWN]
    told: dict[str, object] = {_WORDS.get(name, name): getattr(task, name) for name in names if name not in ("timing", "alert")}
    told |= {f"alert.{field.name}": getattr(task.alert, field.name) for field in fields(task.alert)}
    told["alert.max_age"] = {None: "auto", 0: "off"}.get(task.alert.max_age, task.alert.max_age)
    match task.timing:
        case CronTiming():
            told |= {"type": "cron"} | {
                _WORDS.get(field.name, field.name): getattr(task.timing, field.name) for field in fields(task.timing)
            }
        case DaemonTiming():
            told |= {"type": "daemon", "restart": task.timing}
    if isinstance(task.command, ShellCommand):
        told |= {"command": task.command.text, "shell": task.command.shell}
    return told


def _change(old: Task, new: Task) -> Change:
    before, after = described(old), described(new)
    differing = sorted(word for word in before.keys() | after.keys() if before.get(word) != after.get(word))
    return Change(name=new.name, old=old, new=new, fields=tuple(differing) or ("inputs",))
