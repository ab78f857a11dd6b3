"""When each task is due next, and what has come due. Pure.

Theory of operation. Every task with instants has exactly one entry in a heap: its next undecided instant, keyed by due. Taking what is due
pops entries, and each pop puts the task's following instant back. So a task is looked at only when it is due, the cost of a tick is
proportional to what is due, and due always means `due <= now`, never "does now match": a loop that was away sees every instant it missed.

An instant is due later by the delay that `jitter` gives the task on this host. The delay is the same for every instant of the task, so the order of
a task's instants is that of their dues.

An instant counts from a mark on: the later of the task's baseline (the swap that added or rescheduled it) and the newest instant already
decided. A swap touches only the tasks it names; everybody else keeps his entry. Entries of dropped tasks stay in the heap until they
surface and are recognised by their ticket.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush

from torchsync.core.cron import Schedule, ScheduleRefusal, StartupSchedule, instants, parse_schedule, zone_named
from torchsync.core.model import CronTiming, Generation, HostFacts, Instant, Millis, Task, TaskName
from torchsync.core.spread import Spread


@dataclass(frozen=True, slots=True)
class Fire:
    """An instant that came due."""

    task: TaskName
    instant: Instant
    due: Instant


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When a task fires on a host: at the instants of the schedule in the zone, each later by `delay`."""

    schedule: Schedule
    zone: str
    delay: Millis

    def following(self, after: Instant) -> Iterator[Instant]:
        """The instants later than `after`."""
        return instants(self.schedule, zone_named(self.zone), after)


@dataclass(slots=True)
class _Entry:
    ticket: int
    instant: Instant
    delay: Millis
    following: Iterator[Instant]

    @property
    def due(self) -> Instant:
        return Instant(self.instant + self.delay)


class Timetable:
    """The next instant of every task that has one."""

    def __init__(self) -> None:
        self._heap: list[tuple[Instant, int, TaskName]] = []
        self._entries: dict[TaskName, _Entry] = {}
        self._tickets = 0

    def put(self, name: TaskName, timing: CronTiming, facts: HostFacts, after: Instant) -> None:
        """The task's next instant is the first of its schedule that is later than `after`; an earlier entry of the task is gone."""
        rhythm = rhythm_of(name, timing, facts)
        self._tickets += 1
        self._arm(name, self._tickets, rhythm.delay, rhythm.following(after))

    def put_once(self, name: TaskName, timing: CronTiming, facts: HostFacts, instant: Instant, due: Instant) -> None:
        """The task has this one instant, due then or later by its own delay; an earlier entry of the task is gone."""
        delay = Millis(due - instant + rhythm_of(name, timing, facts).delay)
        self._tickets += 1
        self._arm(name, self._tickets, delay, iter((instant,)))

    def drop(self, name: TaskName) -> None:
        """The task has no instants any more."""
        self._entries.pop(name, None)

    def next_of(self, name: TaskName) -> Instant | None:
        """When the task is due next; None when it is not."""
        entry = self._entries.get(name)
        return entry.due if entry else None

    def next_due(self) -> Instant | None:
        """When anything is due next."""
        while self._heap and not self._is_current(self._heap[0]):
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self, now: Instant, most: int) -> list[Fire]:
        """At most `most` fires with `due <= now`, the earliest first; each task's next instant has moved on."""
        fires: list[Fire] = []
        while len(fires) < most:
            due = self.next_due()
            if due is None or due > now:
                break
            due, ticket, name = heappop(self._heap)
            entry = self._entries[name]
            fires.append(Fire(name, entry.instant, due))
            self._arm(name, ticket, entry.delay, entry.following)
        return fires

    def _is_current(self, item: tuple[Instant, int, TaskName]) -> bool:
        entry = self._entries.get(item[2])
        return entry is not None and entry.ticket == item[1]

    def _arm(self, name: TaskName, ticket: int, delay: Millis, following: Iterator[Instant]) -> None:
        instant = next(following, None)
        if instant is None:
            self.drop(name)
            return
        entry = _Entry(ticket, instant, delay, following)
        self._entries[name] = entry
        heappush(self._heap, (entry.due, ticket, name))


def rhythm_of(name: TaskName, timing: CronTiming, facts: HostFacts) -> Rhythm:
    """When the task fires on the host. Raises ValueError when the schedule is none: another version may have known it."""
    return Rhythm(_schedule(timing, Spread(facts.name, name)), zone_of(timing, facts), delay_of(name, timing, facts))


def delay_of(name: TaskName, timing: CronTiming, facts: HostFacts) -> Millis:
    """How much later than its instants the task is due on the host: the place that `jitter` stands for there."""
    return Millis(Spread(facts.name, name).pick("jitter", timing.jitter) if timing.jitter else 0)


def is_moved(task: Task, before: HostFacts, after: HostFacts) -> bool:
    """Whether the task fires at other instants because the facts of the host changed."""
    timing = task.timing
    return isinstance(timing, CronTiming) and rhythm_of(task.name, timing, before) != rhythm_of(task.name, timing, after)


def by_task(fires: Iterable[Fire]) -> dict[TaskName, list[Fire]]:
    """The fires of each task, in the order they have."""
    groups: dict[TaskName, list[Fire]] = {}
    for fire in fires:
        groups.setdefault(fire.task, []).append(fire)
    return groups


def check_timing(task: Task) -> None:
    """Nothing happens when the task can be put into a timetable. Raises ValueError: another version may have known its schedule."""
    if isinstance(task.timing, CronTiming):
        _schedule(task.timing, None)


def zone_of(timing: CronTiming, facts: HostFacts) -> str:
    """The IANA name of the zone that the schedule is told in."""
    return facts.zone if timing.zone == "local" else timing.zone


def zones_of(generation: Generation) -> set[str]:
    """The zones whose data the schedules depend on."""
    return {zone_of(task.timing, generation.facts) for task in generation.tasks.values() if isinstance(task.timing, CronTiming)}


def is_startup(timing: CronTiming) -> bool:
    """The task has one instant a boot, which no calendar knows."""
    return isinstance(parse_schedule(timing.schedule), StartupSchedule)


def _schedule(timing: CronTiming, spread: Spread | None) -> Schedule:
    match parse_schedule(timing.schedule, spread):
        case ScheduleRefusal(message=why):
            raise ValueError(f"the schedule {timing.schedule!r} is not known to this version: {why}")
        case schedule:
            return schedule
