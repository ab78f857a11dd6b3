"""What Prometheus answered about a fleet, put together host by host, and held against what the repository says. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from torchsync.core.fleet import Fleet
from torchsync.core.fleetfilter import Chosen
from torchsync.core.fleetlive import HostState, LiveFleet, LiveHost, LiveTask
from torchsync.core.hostmatch import HostMatch
from torchsync.core.inventory import Inventory
from torchsync.core.metrictable import COMMIT_DIGITS, PREFIX
from torchsync.core.model import Instant, TaskName
from torchsync.core.prometheus import Sample

_STALLED = 360
"""Seconds since the last turn: as many as make an agent dead (`TICK_FRESH`), and as many as a sample of Prometheus may be old."""
_MOST_NAMED = 3
_COUNTED = ("active", "disabled", "paused")
_VALUE_LABELS = {"commit_info": "state", "tasks": "state", "paused": "scope"}
"""The label that tells the series of a metric apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveAnswers:
    """The samples by what was asked; `tasks` by the metric, without the prefix."""

    at: Instant
    label: str = "instance"
    agents: Sequence[Sample] = ()
    last_seen: Sequence[Sample] = ()
    up: Sequence[Sample] = ()
    exported: Sequence[Sample] = ()
    tasks: Mapping[str, Sequence[Sample]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the repository says, the part of it that is asked for, and the commit that is to be in force: empty where there is none."""

    whole: Fleet
    inventory: Inventory
    asked: Chosen
    head: str = ""


def live_fleet(prometheus: str, answers: LiveAnswers, expected: Expected) -> LiveFleet:
    """The hosts that are asked for, and unless some are named, also those that the inventory does not know."""
    heard = _Heard(HostMatch(expected.inventory), answers.label)
    heard.listen(answers)
    names = sorted({*expected.whole.hosts, *heard.hosts})
    hosts = (_live_host(name, heard.hosts.get(name, _Host()), answers.at, expected) for name in names)
    return LiveFleet(
        prometheus=prometheus,
        asked_at=answers.at,
        host_label=answers.label,
        head=expected.head[:COMMIT_DIGITS],
        hosts=tuple(host for host in hosts if _is_asked_for(host, expected)),
        warnings=(*answers.warnings, *heard.warnings()),
    )


# What was heard of each host


@dataclass(slots=True)
class _Host:
    """The numbers of one host, by metric and the value of the label that tells its series apart, and of each task by metric."""

    targets: set[str] = field(default_factory=set)
    """Those that Prometheus has now, or if there is none those that it had."""
    up: float | None = None
    is_heard: bool = False
    """Its agent is: something else may answer at an address as well."""
    last_seen: float = 0.0
    last_tick: float = 0.0
    exported: float = 0.0
    version: str = ""
    commits: dict[str, str] = field(default_factory=dict)
    numbers: dict[tuple[str, str], float] = field(default_factory=dict)
    tasks: dict[TaskName, dict[str, float]] = field(default_factory=dict)

    def number(self, metric: str, value: str = "") -> float:
        return self.numbers.get((metric, value), 0.0)

    @property
    def exports_tasks(self) -> bool:
        """Whether the tasks that it has are known: `metrics.per_task: off` hides them."""
        return self.exported > 0 or not any(self.number("tasks", state) for state in _COUNTED)


_Target = tuple[str, str]
"""The label that tells the host, and the address that is scraped."""


class _Heard:
    """Everything that was heard, by host."""

    def __init__(self, match: HostMatch, label: str) -> None:
        self.hosts: dict[str, _Host] = {}
        self._match = match
        self._label = label
        self._known: dict[_Target, _Host | None] = {}
        self._unplaced: set[str] = set()

    def listen(self, answers: LiveAnswers) -> None:
        agents = {self._target(sample) for sample in (*answers.agents, *answers.last_seen)}
        for host, sample in self._placed(self._of_agents(answers.up, agents)):
            host.targets.add(self._words(sample))
            host.up = max(sample.value, host.up or 0.0)
        for host, sample in self._placed(answers.last_seen):
            host.last_seen = max(sample.value, host.last_seen)
            if host.up is None:
                host.targets.add(self._words(sample))
        for host, sample in self._placed(answers.exported):
            host.exported = max(sample.value, host.exported)
        for host, sample in self._placed(answers.agents):
            _note(host, sample)
        for metric, samples in answers.tasks.items():
            for host, sample in self._placed(samples):
                host.tasks.setdefault(TaskName(sample.labels.get("task", "")), {})[metric] = sample.value

    def warnings(self) -> Iterator[str]:
        if self._unplaced:
            some = ", ".join(sorted(self._unplaced)[:_MOST_NAMED])
            yield f"targets without a label {self._label}, whose host is not known: {len(self._unplaced)}, such as {some}"
        if mute := sorted(name for name, host in self.hosts.items() if host.is_heard and not host.exports_tasks):
            yield f"hosts that tell nothing of their tasks (metrics.per_task: off): {len(mute)}, such as {', '.join(mute[:_MOST_NAMED])}"
        if self.hosts and not any(map(self._match.is_known, self.hosts)):
            some = ", ".join(sorted(self.hosts)[:_MOST_NAMED])
            yield f"no target is a host of hosts.yaml: {some}; --host-label names another label that tells the host"
        mixed = {name: ", ".join(sorted(host.targets)) for name, host in sorted(self.hosts.items()) if len(host.targets) > 1}
        for name, targets in list(mixed.items())[:_MOST_NAMED]:
            yield f"{name} is more than one target, and what they say is mixed: {targets}"
        if len(mixed) > _MOST_NAMED:
            yield f"so are {len(mixed) - _MOST_NAMED} more hosts"

    def _placed(self, samples: Iterable[Sample]) -> Iterator[tuple[_Host, Sample]]:
        """The samples whose host is known, with it."""
        for sample in samples:
            target = self._target(sample)
            if target not in self._known:
                self._known[target] = self._new(*target)
            if host := self._known[target]:
                yield host, sample

    def _target(self, sample: Sample) -> _Target:
        return sample.labels.get(self._label, ""), sample.labels.get("instance", "")

    def _words(self, sample: Sample) -> str:
        name, instance = self._target(sample)
        return instance or name

    def _new(self, name: str, instance: str) -> _Host | None:
        """The host of a target that was not met before."""
        if not name:
            self._unplaced.add(instance)
            return None
        return self.hosts.setdefault(self._match.host_of(name), _Host())

    def _of_agents(self, up: Iterable[Sample], agents: Collection[_Target]) -> list[Sample]:
        """Without what else the same job scrapes on the host of an agent, such as a node_exporter."""
        placed = [(self._match.host_of(sample.labels.get(self._label, "")), self._target(sample) in agents, sample) for sample in up]
        with_agent = {host for host, is_agent, _ in placed if is_agent}
        return [sample for host, is_agent, sample in placed if is_agent or host not in with_agent]


def _note(host: _Host, sample: Sample) -> None:
    metric = sample.name.removeprefix(PREFIX)
    value = sample.labels.get(_VALUE_LABELS.get(metric, ""), "")
    host.numbers[metric, value] = sample.value
    if metric == "build_info":
        host.version = sample.labels.get("version", "")
        host.is_heard = True
    if metric == "commit_info":
        host.commits[value] = sample.labels.get("commit", "")
    if metric == "scheduler_last_tick_timestamp_seconds":
        host.last_tick = max(sample.value, host.last_tick)
        host.last_seen = max(sample.value, host.last_seen)


# What is told of it


def _live_host(name: str, host: _Host, now: Instant, expected: Expected) -> LiveHost:
    is_known, running = name in expected.whole.hosts, host.commits.get("running", "")
    missing, extra = _differing(name, host, expected) if is_known and running and host.exports_tasks else ((), ())
    return LiveHost(
        name=name,
        is_known=is_known,
        state=_state(host),
        target=", ".join(sorted(host.targets)),
        last_seen=_instant(host.last_seen),
        version=host.version,
        running=running,
        running_since=_instant(host.number("sync_last_apply_timestamp_seconds")),
        fetched=host.commits.get("fetched", ""),
        rejected=host.commits.get("rejected", ""),
        last_sync=_instant(host.number("sync_last_success_timestamp_seconds")),
        sync_failures=int(host.number("sync_consecutive_failures")),
        paused=tuple(scope for (metric, scope), value in host.numbers.items() if metric == "paused" and value),
        is_pinned=bool(host.number("pinned")),
        is_degraded=bool(host.number("state_degraded")),
        has_other_facts=bool(host.number("host_facts_mismatch")),
        is_stalled=_state(host) is HostState.UP and 0 < host.last_tick < now / 1000 - _STALLED,
        drifts=bool(running and expected.head) and running != expected.head[:COMMIT_DIGITS],
        missing=missing,
        extra=extra,
        tasks=tuple(_live_task(task, host.tasks[task], now) for task in sorted(host.tasks) if _wants(task, expected)),
    )


def _state(host: _Host) -> HostState:
    if host.up is None:
        return HostState.ABSENT
    return HostState.UP if host.up and host.is_heard else HostState.DOWN


def _differing(name: str, host: _Host, expected: Expected) -> tuple[tuple[TaskName, ...], tuple[TaskName, ...]]:
    """The tasks that are missing on the host, and those that it has besides."""
    due = [task for task in expected.whole.tasks_of[name] if _wants(task, expected)]
    had = sorted(task for task in host.tasks if _wants(task, expected))
    return tuple(task for task in due if task not in host.tasks), tuple(task for task in had if task not in due)


def _live_task(name: TaskName, numbers: Mapping[str, float], now: Instant) -> LiveTask:
    first, success = numbers.get("task_first_seen_timestamp_seconds", 0.0), numbers.get("task_last_success_timestamp_seconds", 0.0)
    told_from, most = success or first, numbers.get("task_max_success_age_seconds", 0.0)
    is_paused = bool(numbers.get("task_paused", 0.0))
    return LiveTask(
        name=name,
        since=_instant(first),
        next_run=_instant(numbers.get("task_next_run_timestamp_seconds", 0.0)),
        last_run=_instant(numbers.get("task_last_run_timestamp_seconds", 0.0)),
        last_success=_instant(success),
        failures=int(numbers.get("task_consecutive_failures", 0.0)),
        running=int(numbers.get("task_running", 0.0)),
        is_paused=is_paused,
        is_late=bool(told_from) and not is_paused and 0 < most < now / 1000 - told_from,
    )


def _wants(task: TaskName, expected: Expected) -> bool:
    return not expected.asked.by_task or task in expected.asked.tasks


def _is_asked_for(host: LiveHost, expected: Expected) -> bool:
    asked = expected.asked
    if asked.by_host and host.name not in asked.hosts:
        return False
    return not asked.by_task or bool(host.tasks) or any(task in asked.tasks for task in expected.whole.tasks_of.get(host.name, ()))


def _instant(seconds: float) -> Instant | None:
    """A moment before 1970 or after 9999 is none."""
    return Instant(round(seconds * 1000)) if 0 < seconds < 253_402_300_800 else None
