"""What the hosts of a fleet really run, as Prometheus knows it, held against what the repository says. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from torchsync.core.model import Instant, TaskName


class HostState(Enum):
    """Whether Prometheus hears the agent of a host."""

    UP = "up"
    DOWN = "down"
    """It is scraped, and no agent answers."""
    ABSENT = "absent"
    """Prometheus has no target of that name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveTask:
    """A task that a host runs. `since`: when it came to the host; None for what never was. `is_late`: its last success is older than it may be."""

    name: TaskName
    since: Instant | None = None
    next_run: Instant | None = None
    last_run: Instant | None = None
    last_success: Instant | None = None
    failures: int = 0
    running: int = 0
    is_paused: bool = False
    is_late: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveHost:
    """A host as Prometheus knows it. Of a silent one nothing is known but when it was alive last.

    `is_known`: it is in the inventory. `target` is what Prometheus calls it. Commits are 12 digits long and empty where there is none.
    `missing` are tasks that the inventory gives it and it does not run, `extra` the other way round.
    """

    name: str
    is_known: bool = True
    state: HostState = HostState.ABSENT
    target: str = ""
    last_seen: Instant | None = None
    version: str = ""
    running: str = ""
    running_since: Instant | None = None
    fetched: str = ""
    rejected: str = ""
    last_sync: Instant | None = None
    sync_failures: int = 0
    paused: tuple[str, ...] = ()
    is_pinned: bool = False
    is_degraded: bool = False
    has_other_facts: bool = False
    is_stalled: bool = False
    """Its agent answers, and its scheduler does not turn; or its clock is behind."""
    drifts: bool = False
    """It runs another commit than the one shown."""
    missing: tuple[TaskName, ...] = ()
    extra: tuple[TaskName, ...] = ()
    tasks: tuple[LiveTask, ...] = ()

    @property
    def is_silent(self) -> bool:
        return self.state is not HostState.UP


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFleet:
    """The hosts by name, those of the inventory and others that Prometheus knows. `head` is the commit they are held against, 12 digits."""

    prometheus: str
    asked_at: Instant
    host_label: str = "instance"
    head: str = ""
    hosts: tuple[LiveHost, ...] = ()
    warnings: tuple[str, ...] = ()
