"""What a shadow would have started, held against what cron started. Pure.

Theory of operation. A start in the log belongs to the tasks of its user that run the same command (`core/foreign/crontext.py`); tasks that share
user and command are a *group*, since the log cannot tell them apart. Within a group each start is given to a fire of the same minute, and what
is left then to the last fire before it that can have been meant: cron may start a command a minute late, and torchsync adds the jitter of a
task. What is still left is a difference, and `core/foreign/comparedreason.py` says what may be behind it. Only the time that both have seen is
compared, minute by minute.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from torchsync.core.foreign.crontext import as_logged, folder_of, runs_folder
from torchsync.core.foreign.syslog import Start, SystemLog, anacron_job, by_command, span
from torchsync.core.model import Instant

_MINUTE = 60_000
_LONGEST_DELAY = 12 * 3600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowTask:
    """A task as the shadow knows it. `user` is empty when no run has told it yet. `forms` are what cron may call its command. Its instants count
    later than `since`. `has_instants` is false for what has none by rule: a daemon, `@startup`.
    """

    name: str
    user: str
    forms: frozenset[str]
    since: Instant
    schedule: str = ""
    zone: str = ""
    is_enabled: bool = True
    has_instants: bool = True


@dataclass(frozen=True, slots=True)
class ShadowFire:
    """The shadow would have started the task for this instant, at `due`."""

    task: str
    instant: Instant
    due: Instant


@dataclass(frozen=True, slots=True)
class ShadowSkip:
    """The shadow skipped the instants of the task from `first` to `last`."""

    task: str
    first: Instant
    last: Instant
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowRecord:
    """What the shadow knows up to `until`."""

    tasks: tuple[ShadowTask, ...]
    fires: tuple[ShadowFire, ...]
    skips: tuple[ShadowSkip, ...] = ()
    until: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """What came of a task: how many starts and fires belong together, and those that are left over."""

    task: ShadowTask
    matched: int = 0
    only_log: tuple[Start, ...] = ()
    only_shadow: tuple[ShadowFire, ...] = ()

    @property
    def agrees(self) -> bool:
        return not (self.only_log or self.only_shadow)


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncovered:
    """A command that cron starts and no task runs as this user."""

    user: str
    command: str
    starts: tuple[Start, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`since` and `until` bound the whole minutes that were compared: those in which a log begins and ends are not. `apart` are tasks whose starts
    cannot be compared, with how many there were.
    """

    since: Instant
    until: Instant
    pairings: tuple[Pairing, ...]
    uncovered: tuple[Uncovered, ...]
    apart: Mapping[str, int] = field(default_factory=dict)
    early: int = 0
    """Starts from before the shadow knew their task."""

    def without_uncovered(self) -> Comparison:
        """Of one task alone nothing can be said of the commands of others."""
        return replace(self, uncovered=())

    @property
    def agrees(self) -> bool:
        return not self.uncovered and all(pairing.agrees for pairing in self.pairings)


def compare(record: ShadowRecord, log: SystemLog, same: Mapping[str, str] | None = None) -> Comparison | str:
    """The comparison, or a sentence that says why there is nothing to compare. `same` names for tasks a command by which cron calls them as well."""
    times = span(log)
    if times is None:
        return "the log has no line of this host"
    if not record.tasks:
        return "the shadow knows no task yet"
    since = _next_minute(Instant(max(times[0], min(task.since for task in record.tasks))))
    until = minute_of(Instant(min(times[1], record.until) - _MINUTE))
    if since >= until:
        return "the log and the shadow have no time in common"
    return _Comparing(record, same or {}, since, until).of(log)


class _Comparing:
    def __init__(self, record: ShadowRecord, same: Mapping[str, str], since: Instant, until: Instant) -> None:
        self._since = since
        self._until = until
        self._tasks = [_with_name(task, same.get(task.name, "")) for task in record.tasks]
        self._fires: dict[str, list[ShadowFire]] = defaultdict(list)
        for fire in record.fires:
            self._fires[fire.task].append(fire)

    def of(self, log: SystemLog) -> Comparison:
        starts: dict[tuple[str, frozenset[str]], list[Start]] = defaultdict(list)
        uncovered: list[Uncovered] = []
        for (user, command), found in by_command(log.starts).items():
            seen = tuple(start for start in found if self._since <= start.minute < self._until)
            groups = {(task.user, task.forms) for task in self._tasks_of(user, command, is_cut=found[0].is_cut)}
            for group in groups:
                starts[group] += seen
            if seen and not groups:
                uncovered.append(Uncovered(user=user, command=as_logged(command), starts=seen))
        pairings: list[Pairing] = []
        apart: dict[str, int] = {}
        early = 0
        for group, tasks in self._groups().items():
            regular = [task for task in tasks if task.has_instants]
            mine = sorted(starts.get(group, ()), key=lambda start: start.at)
            if not regular:
                apart |= {task.name: len(mine) for task in tasks}
                continue
            known = [start for start in mine if any(start.minute > task.since for task in regular)]
            early += len(mine) - len(known)
            pairings += self._paired(regular, known)
        pairings.sort(key=lambda pairing: pairing.task.name)
        uncovered.sort(key=lambda one: (-len(one.starts), one.user, one.command))
        return Comparison(
            since=self._since, until=self._until, pairings=tuple(pairings), uncovered=tuple(uncovered), apart=apart, early=early
        )

    def _tasks_of(self, user: str, command: str, *, is_cut: bool) -> list[ShadowTask]:
        """The tasks that cron's command is; all scripts of a folder that it runs, when it runs one."""
        text = as_logged(command)
        mine = [task for task in self._tasks if task.user in ("", user)]
        if exact := [task for task in mine if text in task.forms]:
            return exact
        if is_cut:
            return [task for task in mine if any(form.startswith(text) for form in task.forms)]
        if named := [task for task in mine if text == anacron_job(task.name)]:
            return named
        folder = folder_of(text)
        return [task for task in mine if any(runs_folder(form, folder) for form in task.forms)] if folder else []

    def _groups(self) -> dict[tuple[str, frozenset[str]], list[ShadowTask]]:
        groups: dict[tuple[str, frozenset[str]], list[ShadowTask]] = defaultdict(list)
        for task in self._tasks:
            groups[task.user, task.forms].append(task)
        return groups

    def _paired(self, tasks: Sequence[ShadowTask], starts: Sequence[Start]) -> Iterator[Pairing]:
        fires = [fire for task in tasks for fire in self._fires[task.name] if self._is_compared(task, fire)]
        pairs, only_log = matched(starts, fires)
        left = set(fires) - {fire for _, fire in pairs}
        names = [fire.task for _, fire in pairs]
        owner = {start: _owner(start, tasks, self._fires) for start in only_log}
        for task in tasks:
            yield Pairing(
                task=task,
                matched=names.count(task.name),
                only_log=tuple(start for start in only_log if owner[start] == task.name),
                only_shadow=tuple(sorted((fire for fire in left if fire.task == task.name), key=lambda fire: fire.instant)),
            )

    def _is_compared(self, task: ShadowTask, fire: ShadowFire) -> bool:
        return max(self._since, _next_minute(task.since)) <= fire.instant < self._until


def _with_name(task: ShadowTask, command: str) -> ShadowTask:
    return replace(task, forms=task.forms | {as_logged(command)}) if command else task


def _owner(start: Start, tasks: Sequence[ShadowTask], fires: Mapping[str, Sequence[ShadowFire]]) -> str:
    """Of several tasks the one whose fires are next to it."""
    if len(tasks) == 1:
        return tasks[0].name
    return min(tasks, key=lambda task: min((abs(fire.instant - start.at) for fire in fires[task.name]), default=1 << 62)).name


def matched(starts: Iterable[Start], fires: Iterable[ShadowFire]) -> tuple[list[tuple[Start, ShadowFire]], list[Start]]:
    """Pairs of a start and the fire that it was for, each in one pair at most; and the starts without one."""
    free: dict[Instant, list[ShadowFire]] = defaultdict(list)
    for fire in sorted(fires, key=lambda fire: (fire.instant, fire.task), reverse=True):
        free[minute_of(fire.instant)].append(fire)
    pairs: list[tuple[Start, ShadowFire]] = []
    rest = list(starts)
    for read in (_minute, _other_minute):
        unpaired: list[Start] = []
        for start in rest:
            waiting = free.get(read(start))
            if waiting:
                pairs.append((start, waiting.pop()))
            else:
                unpaired.append(start)
        rest = unpaired
    return _paired_nearby(pairs, rest, [fire for waiting in free.values() for fire in waiting])


def minute_of(at: Instant) -> Instant:
    """The beginning of the minute."""
    return Instant(at - at % _MINUTE)


def _next_minute(at: Instant) -> Instant:
    return Instant(minute_of(at) + _MINUTE)


def _minute(start: Start) -> Instant:
    return start.minute


def _other_minute(start: Start) -> Instant:
    return minute_of(start.other) if start.other is not None else Instant(-1)


def _paired_nearby(
    pairs: list[tuple[Start, ShadowFire]], starts: Sequence[Start], left: Iterable[ShadowFire]
) -> tuple[list[tuple[Start, ShadowFire]], list[Start]]:
    """What is left, in order: a start is for the last fire before it, if it came no more than a minute after that was due. Where the task has a
    jitter cron may have another delay, so there any time does. anacron starts a job once in its period, at no set time: that is for the nearest.
    """
    waiting = sorted((fire.instant, fire.due, fire.task) for fire in left)
    unpaired: list[Start] = []
    for start in starts:
        place = bisect_right(waiting, start.at, key=lambda fire: fire[0]) - 1
        if start.job and place + 1 < len(waiting) and (place < 0 or waiting[place + 1][0] - start.at < start.at - waiting[place][0]):
            place += 1
        if place >= 0 and (start.minute <= waiting[place][1] + _MINUTE or _is_delayed(waiting[place], start)):
            instant, due, task = waiting.pop(place)
            pairs.append((start, ShadowFire(task, instant, due)))
        else:
            unpaired.append(start)
    return pairs, unpaired


def _is_delayed(fire: tuple[Instant, Instant, str], start: Start) -> bool:
    instant, due, _ = fire
    return (due > instant or bool(start.job)) and abs(start.at - instant) <= _LONGEST_DELAY
