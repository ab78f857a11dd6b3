"""A task as frozen values: what to run, on which hosts, when, and what becomes of its runs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from torchsync.core.notify import Notify
from torchsync.core.values import Conduct, Fingerprint, Millis, Position, Retry, Severity, TaskName, usual_conduct


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertLimits:
    """What alerts hold a task to; `severity` stands beside them.

    `max_age`: how old the last success may be; None is by the schedule (`core/lateness.py`), 0 no limit. `max_duration`: how long a run may take,
    0 for no limit. `failures`: how many runs in a row have to fail, 0 for no alert.
    """

    max_age: Millis | None = None
    max_duration: Millis = Millis(0)
    failures: int = 1


@dataclass(frozen=True, slots=True)
class ShellCommand:
    """A text for `SHELL -c`; the shell expands it."""

    text: str
    shell: str = "/bin/sh"


@dataclass(frozen=True, slots=True)
class ProgramCommand:
    """A program and its arguments, passed on as they are."""

    argv: tuple[str, ...]


Command = ShellCommand | ProgramCommand


class Overlap(Enum):
    """What becomes of a fire while `max_running` copies run."""

    SKIP = "skip"
    QUEUE = "queue"
    REPLACE = "replace"
    """The oldest copy is stopped, then the fire starts."""


class Misfire(Enum):
    """What becomes of missed fires."""

    SKIP = "skip"
    LATEST = "latest"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class CronTiming:
    """A task that runs at the instants of a schedule.

    `zone` is an IANA name, or `local` for the host's own. A fire is due after its instant by a delay below `jitter`, which is fixed for the task
    and the host. A fire not decided within `starting_deadline` of due is missed. `timeout` 0 is none, and counts for each attempt.
    """

    schedule: str
    zone: str = "UTC"
    jitter: Millis = Millis(0)
    starting_deadline: Millis = Millis(60_000)
    timeout: Millis = Millis(0)
    retry: Retry | None = None
    overlap: Overlap = Overlap.SKIP
    queue_limit: int = 1
    """Fires that may wait for others of the task to end."""
    misfire: Misfire = Misfire.SKIP
    misfire_limit: int = 100
    """Missed fires that may wait to be made up, with `Misfire.ALL`."""

    @property
    def most_made_up(self) -> int:
        """How many missed fires may wait to be made up."""
        return {Misfire.SKIP: 0, Misfire.LATEST: 1, Misfire.ALL: self.misfire_limit}[self.misfire]


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonTiming:
    """A task that is kept running: a copy that ended starts again after a delay that grows by `backoff` up to `max_delay`,
    and is `delay` again once a copy has lived for `reset_after`.
    """

    delay: Millis = Millis(1_000)
    backoff: float = 2.0
    max_delay: Millis = Millis(60_000)
    reset_after: Millis = Millis(60_000)


Timing = CronTiming | DaemonTiming


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one run may use; a field that holds its default leaves it to the host.

    `files` open files of a process, `nice` as in nice(1), `io` a class of ionice(1) with its level (`idle`, `best-effort:7`). Of a run as a whole:
    `memory` in bytes, `cpu` in percent of one processor, `pids` processes and threads.
    """

    files: int = 0
    nice: int | None = None
    io: str = ""
    memory: int = 0
    cpu: int = 0
    pids: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What to run, on which hosts, when. Two tasks are the same task unchanged when their fingerprints are equal."""

    name: TaskName
    timing: Timing
    command: Command
    fingerprint: Fingerprint
    source: Position
    copy_print: str = ""
    """Of a daemon, as its fingerprint, but whatever the number of its copies; empty for a cron task, or when an older version made the task."""
    description: str = ""
    owner: str = ""
    runbook: str = ""
    severity: Severity = Severity.WARNING
    alert: AlertLimits = AlertLimits()
    labels: Mapping[str, str] = field(default_factory=dict)
    enabled: bool = True
    hosts: tuple[str, ...] = ()
    """Selectors; none means every host."""
    inputs: tuple[str, ...] = ()
    """Patterns over the paths of the tree; none means the program that the command names first."""
    max_running: int = 1
    """Copies of a cron task at once, 0 for no limit; copies of a daemon to keep alive."""
    pool: str = ""
    """Its runs share the places of this pool of the host with those of other tasks; empty for none."""
    user: str = ""
    """Empty: the host's default user."""
    group: str = ""
    """The primary group; empty: that of the user."""
    umask: str = "022"
    """Three octal digits."""
    working_dir: str = ""
    """Absolute, starting with `~`, or relative to the tree of the commit; empty is that tree."""
    env: Mapping[str, str] = field(default_factory=dict)
    env_file: str = ""
    """A file of the host with more variables, absolute or starting with `~/`; it is read as the user of the run, at each start."""
    credentials: tuple[str, ...] = ()
    """Names of secrets that the host hands to the run as files."""
    limits: Limits = Limits()
    success_exit_codes: tuple[int, ...] = (0,)
    stop_signal: str = "TERM"
    stop_grace: Millis = Millis(10_000)
    on_change: Conduct | None = None
    """What running copies do when the fingerprint changes; None is the way of its kind: a cron task finishes, a daemon stops."""
    on_remove: Conduct | None = None
    """The same for when the task goes, or is disabled."""
    output_max: int = 10 * 1024 * 1024
    """Bytes kept of the output of one run."""
    notify: tuple[Notify, ...] = ()
    """Who is told about its runs."""

    @property
    def is_daemon(self) -> bool:
        return isinstance(self.timing, DaemonTiming)

    @property
    def when_changed(self) -> Conduct:
        return self.on_change or usual_conduct(is_daemon=self.is_daemon)

    @property
    def when_removed(self) -> Conduct:
        return self.on_remove or usual_conduct(is_daemon=self.is_daemon)
