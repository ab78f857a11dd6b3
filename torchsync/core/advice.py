"""What is allowed in a repository, and may not be what was meant: the warnings of `validate`. Pure.

None of it is part of the verdict on a commit: it may depend on the day, and it never keeps a commit from being applied.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache

from torchsync.core.clockchange import nights
from torchsync.core.cron import ScheduleRefusal, parse_schedule, zone_named
from torchsync.core.crowd import Timed, crowds
from torchsync.core.inventory import Inventory
from torchsync.core.model import CronTiming, Instant, Position, TaskName
from torchsync.core.nightwords import night_told
from torchsync.core.schedulehints import HintKind, schedule_hints
from torchsync.core.selector import NamePattern, Selector, matches, parse_selector, selects
from torchsync.errors import Problem

UNEVEN_STEP, SHORT_MONTHS, EITHER_DAY = "TS160", "TS161", "TS162"
CLOCK_CHANGE, CROWDED_MINUTE = "TS163", "TS164"
NO_HOST, NEWER_THAN_REQUIRED, PASSED_OVER = "TS165", "TS166", "TS167"

_IDLE_TASK = "no host of hosts.yaml runs the task"
_YEAR = 366 * 86_400_000
_HINTS = {HintKind.UNEVEN_STEP: UNEVEN_STEP, HintKind.SHORT_MONTHS: SHORT_MONTHS, HintKind.EITHER_DAY: EITHER_DAY}
_NAMED = 5
_RIGHT_NAMES = {f"{name}.{ending}": f"{name}.yaml" for name in ("torchsync", "hosts") for ending in ("yaml", "yml", "json")}
_TASK_FILES = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A valid task, as far as there is anything to say of it. `timing` is None for one that has no instants."""

    name: TaskName
    source: Position
    hosts: tuple[str, ...]
    timing: CronTiming | None
    places: Mapping[str, Position]

    def warn(self, code: str, message: str, hint: str, key: str = "", column: int = 1) -> Problem:
        """About the field `key`, at that column of its text; about the task itself without a key."""
        place = self.places.get(key, self.source)
        return Problem(
            code=code, message=message, path=place.path, line=place.line, column=place.column + column - 1, task=self.name, hint=hint
        )


def advice(subjects: Sequence[Subject], inventory: Inventory, now: Instant) -> Iterator[Problem]:
    """Everything there is to say of the tasks of a valid commit, to its authors, at `now`.

    What many tasks have in common, such as a selector, is told once, where the first of them stands.
    """
    zones = sorted({entry.zone for entry in inventory.hosts.values() if entry.zone})
    found: list[Problem] = []
    for subject in subjects:
        if subject.timing is not None:
            found += _of_schedule(subject, subject.timing)
            found += _of_clock_changes(subject, subject.timing, zones, now)
    found += _of_hosts(subjects, inventory)
    yield from _told_once(found)
    yield from _of_crowds(subjects, inventory, now)


def _told_once(found: Sequence[Problem]) -> Iterator[Problem]:
    same: dict[tuple[str, str], list[Problem]] = {}
    for problem in found:
        same.setdefault((problem.code, problem.message), []).append(problem)
    for (_, message), group in same.items():
        others = len({problem.task for problem in group}) - 1
        if not others or message == _IDLE_TASK:
            yield from group
        else:
            yield replace(group[0], message=f"{message} (so in {others} more {'task' if others == 1 else 'tasks'})")


def ignored_tasks(ignored: Iterable[str]) -> Iterator[Problem]:
    """The files, and with `/` on their end the folders, of those that git ignores, which look as if they were read."""
    for path in sorted(ignored):
        if path.startswith("tasks/") and path.lower().endswith((*_TASK_FILES, "/")):
            message = f"{path} is not read, since git ignores it: no commit holds it"
            yield Problem(code=PASSED_OVER, message=message, path=path, hint="take it out of .gitignore, or move it out of tasks/")


def misnamed(paths: Sequence[str]) -> Iterator[Problem]:
    """The files that look as if they were read, and are not."""
    present = set(paths)
    for path in paths:
        right = _RIGHT_NAMES.get(path.lower())
        if right and path != right and right not in present:
            yield Problem(code=PASSED_OVER, message=f"{path} is not read, {right} would be", path=path, hint=f"rename it to {right}")
        name = path.rpartition("/")[2]
        if path.startswith("tasks/") and name.lower().endswith(_TASK_FILES) and not name.endswith(_TASK_FILES):
            yield Problem(code=PASSED_OVER, message=f"{path} is not read", path=path, hint="write its ending in lower case")


# Schedules


def _of_schedule(subject: Subject, timing: CronTiming) -> Iterator[Problem]:
    for hint in schedule_hints(timing.schedule):
        yield subject.warn(_HINTS[hint.kind], hint.message, hint.hint, "schedule", hint.column)


def _of_clock_changes(subject: Subject, timing: CronTiming, zones: Sequence[str], now: Instant) -> Iterator[Problem]:
    for zone in zones if timing.zone == "local" else (timing.zone,):
        sentences = _nights_told(timing.schedule, zone, now)
        if sentences:
            hint = f"choose an hour that {zone} has once on every day, or `timezone: UTC`, when that is not meant"
            yield subject.warn(CLOCK_CHANGE, f"{zone}: {'; '.join(sentences)}", hint, "schedule")


@lru_cache(maxsize=16_384)
def _nights_told(text: str, zone: str, now: Instant) -> tuple[str, ...]:
    schedule = parse_schedule(text)
    if isinstance(schedule, ScheduleRefusal):
        return ()
    return tuple(map(night_told, nights(schedule, zone_named(zone), now, Instant(now + _YEAR))))


def _moment(wall: int) -> datetime:
    return datetime.fromtimestamp(wall, UTC)


# Hosts


def _of_hosts(subjects: Sequence[Subject], inventory: Inventory) -> Iterator[Problem]:
    """Selectors, and tasks, that no host of the inventory answers to."""
    if not inventory.hosts:
        return
    fleet = _Fleet(inventory)
    for subject in subjects:
        idle = [index for index, selector in enumerate(subject.hosts) if not fleet.has(selector)]
        for index in idle:
            message = f"`{subject.hosts[index]}` matches no host of hosts.yaml"
            yield subject.warn(NO_HOST, message, "correct it, or add the host to hosts.yaml", f"hosts.{index}")
        if not idle and subject.hosts and not fleet.has_any(subject.hosts):
            yield subject.warn(NO_HOST, _IDLE_TASK, "correct `hosts`, or add the host to hosts.yaml")


class _Fleet:
    """The hosts of an inventory; each selector and each list of selectors is held against them once."""

    def __init__(self, inventory: Inventory) -> None:
        self._groups = inventory.groups
        self._facts = [inventory.named(name) for name in inventory.hosts]
        self._names = {name for facts in self._facts for name in (facts.name, facts.name.partition(".")[0])}
        self._known: dict[str | tuple[str, ...], bool] = {}

    def has(self, selector: str) -> bool:
        """Whether any host matches, the `!` aside."""
        if selector not in self._known:
            self._known[selector] = self._is_named(selector) or any(matches(selector, facts, self._groups) for facts in self._facts)
        return self._known[selector]

    def has_any(self, selectors: tuple[str, ...]) -> bool:
        if selectors not in self._known:
            self._known[selectors] = any(selects(selectors, facts, self._groups) for facts in self._facts)
        return self._known[selectors]

    def _is_named(self, selector: str) -> bool:
        """The usual case, without a look at every host."""
        found = parse_selector(selector)
        return isinstance(found, Selector) and isinstance(found.test, NamePattern) and found.test.pattern in self._names


# The load


def _of_crowds(subjects: Sequence[Subject], inventory: Inventory, now: Instant) -> Iterator[Problem]:
    timed = [Timed(name=one.name, hosts=one.hosts, timing=one.timing) for one in subjects if one.timing is not None]
    by_name = {subject.name: subject for subject in subjects}
    for crowd in crowds(timed, inventory, now):
        more = f" and {crowd.more_hosts} more" if crowd.more_hosts else ""
        where = f"on {crowd.host}{more}" if crowd.host else "on hosts with the same selectors"
        names = ", ".join(crowd.tasks[:_NAMED]) + (f" and {len(crowd.tasks) - _NAMED} more" if len(crowd.tasks) > _NAMED else "")
        message = f"{len(crowd.tasks)} tasks start in one minute {where}, as at {_moment(crowd.minute // 1_000):%Y-%m-%dT%H:%MZ}: {names}"
        yield by_name[crowd.tasks[0]].warn(CROWDED_MINUTE, message, "spread them with `jitter` or `H`", "schedule")
