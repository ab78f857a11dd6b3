"""The only ways out of the engine: protocols, and the events their adapters post.

Adapters fit these by shape, none inherits. Each has a fake in `tests/fakes.py`, and one body of contract tests runs on the fake and on the
real one. Adapters decide nothing: they do as told and post what they see as events to the inbox.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from torchsync.core.chronicle import RememberedGeneration
from torchsync.core.clockwatch import ClockState
from torchsync.core.entries import Batch, HistoryQuery, HistoryRow, LedgerOp, QueuedFire, Tagged
from torchsync.core.errand import Mail
from torchsync.core.holds import HoldChange
from torchsync.core.model import AttemptId, Ending, Instant, Millis, Run, RunId, TaskName
from torchsync.core.notice import Notice
from torchsync.core.postbox import Parcel, Result
from torchsync.core.syncdoc import RemoteSpec, SyncAnswer, SyncRequest
from torchsync.core.taskrecord import TaskRecord
from torchsync.errors import Problem


class Clock(Protocol):
    def now(self) -> Instant:
        """The wall clock."""
        ...

    def monotonic(self) -> Millis:
        """A clock that never steps and goes on while the machine sleeps (CLOCK_BOOTTIME)."""
        ...

    def moment(self) -> tuple[Instant, Millis]:
        """Both at one moment. Read one after the other they may be seconds apart, while the process stands still in between."""
        ...

    def is_synchronised(self) -> bool:
        """The wall clock is known to agree with a time source. False says nothing: it may be right all the same."""
        ...


class ZoneFiles(Protocol):
    def stamps(self, zones: Sequence[str]) -> Mapping[str, str]:
        """For each of the zones a text that is another one when the file that has its data was replaced or changed; empty when there is no file."""
        ...


class Wakeups(Protocol):
    """The inbox of the loop and the one place where it waits."""

    def post(self, event: object) -> None:
        """`event` is returned by the next `wait`. May be called from any thread and never blocks."""
        ...

    def wait(self, timeout: Millis | None) -> Sequence[object]:
        """The events posted since the last call, oldest first; waits for one for at most `timeout`, for ever when None."""
        ...

    def watch(self, descriptor: int, on_ready: Callable[[], None]) -> None:
        """From now on `wait` calls `on_ready` in the loop's thread whenever `descriptor` can be read; what that posts is returned at once."""
        ...

    def unwatch(self, descriptor: int) -> None:
        """`on_ready` is not called any more. The descriptor stays open."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOrder:
    """Everything an executor needs to start a run.

    `tree` is the absolute path of the run's tree. `environment` is complete but for what the executor itself adds: `env_file` and
    CREDENTIALS_DIRECTORY. `credentials` are the files of the secrets that the host grants to the run, by name.
    """

    run: Run
    tree: str
    environment: Mapping[str, str]
    credentials: Mapping[str, str] = field(default_factory=dict)


# What an executor posts.


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The claim of the attempt is known: it started at this instant."""

    attempt: AttemptId
    started_at: Instant


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The command of the attempt is over. With `leftovers` processes that it started still live; posted again without, once they are gone, unless
    the attempt was forgotten.
    """

    attempt: AttemptId
    ending: Ending
    leftovers: bool = False


@dataclass(frozen=True, slots=True)
class RunNeverStarted:
    """After a restart: the attempt was admitted, but it is certain that it never began and never will."""

    attempt: AttemptId


class Executor(Protocol):
    """Knows attempts by `Run.attempt_id`; each has files of its own. `TORCHSYNC_RUN_ID` is the same in all attempts of a run."""

    def start(self, order: StartOrder) -> None:
        """Starts the attempt, once and for all, and posts `RunStarted` and later `RunEnded`, or only `RunEnded` with `NotBegun`. Does not wait for
        either.
        """
        ...

    def adopt(self, runs: Sequence[Run]) -> None:
        """Takes up the runs, maybe none, that an earlier agent process admitted and that are not known to be over: for each posts `RunStarted` if
        it began, `RunEnded` once it is over, or `RunNeverStarted`.
        """
        ...

    def signal(self, attempt: AttemptId, name: str) -> None:
        """Sends the signal (`TERM`, `KILL`, ...) to every process the run started and that still lives. An attempt that is over: nothing."""
        ...

    def bound_output(self, attempt: AttemptId, limit: int) -> None:
        """Frees the middle of the attempt's output when it takes more than `limit` bytes on disk; the first 1 MiB (at most half of `limit`)
        and the newest part stay.
        """
        ...

    def forget(self, attempt: AttemptId) -> None:
        """The attempt is over and recorded: descriptors are closed, nothing is watched. Its files stay, where they are on a disk."""
        ...


class Ledger(Protocol):
    def commit(self, operations: Sequence[LedgerOp]) -> None:
        """All of them are durable, as the batch behind `turn`, in one transaction; or none is, and StateUnwritable is raised."""
        ...

    def fold(self, batches: Sequence[Batch]) -> None:
        """Every batch is durable, in order and one transaction, those up to `turn` left out since they are there; or StateUnwritable is
        raised, and the same batches may be given again whatever became of them.
        """
        ...

    def turn(self) -> int:
        """The number of the newest batch that the ledger holds; 0 for none."""
        ...

    def open_runs(self) -> Sequence[Run]:
        """The runs without an outcome, oldest admission first."""
        ...

    def records(self) -> Mapping[TaskName, TaskRecord]:
        """The record of every task known."""
        ...

    def clock(self) -> ClockState | None:
        """What is known of the clock; None when nothing is."""
        ...

    def holds(self) -> Sequence[HoldChange]:
        """What happened to what operators hold, oldest first."""
        ...

    def notices_waiting(self) -> Sequence[Notice]:
        """The notices that are to be sent, in the order in which they were decided."""
        ...

    def late(self) -> Mapping[TaskName, Instant]:
        """Since when the tasks are late that are known to be."""
        ...

    def tagged(self) -> Sequence[Tagged]:
        """The entries that carry the id of a jump of the clock and are not annulled, in any order."""
        ...

    def in_force(self) -> RememberedGeneration | None:
        """The newest generation that is remembered; None when none is."""
        ...

    def queue(self) -> Sequence[QueuedFire]:
        """The fires that wait for room, in any order."""
        ...

    def history(self, query: HistoryQuery) -> Sequence[HistoryRow]: ...

    def run(self, run: RunId) -> Run | None: ...

    def prune(self, before: Instant) -> int:
        """Some of the entries and finished runs decided before the instant are gone; how many, and 0 once none is left. The records stay. Raises
        StateUnwritable.
        """
        ...

    def close(self) -> None: ...


class Spool(Protocol):
    """Batches that the ledger could not take yet, where they outlive the agent process. `notices` tells what `read` could not read."""

    @property
    def notices(self) -> Sequence[Problem]: ...

    def append(self, batches: Sequence[Batch]) -> None:
        """All of them are kept, behind those that are there; or none is, and StateUnwritable is raised."""
        ...

    def read(self) -> Sequence[Batch]:
        """Everything that was kept, oldest first. What is damaged is set aside."""
        ...

    def clear(self) -> None:
        """Nothing is kept any more; else StateUnwritable."""
        ...


# What the git source posts.


@dataclass(frozen=True, slots=True)
class Resolved:
    """The remote's ref points to this revision. `ref_name` is the full ref, empty for a commit id."""

    revision: str
    ref_name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class ResolveFailed:
    """The remote did not say where its ref points; `timed_out` when our own deadline ended the wait, `overloaded` when the remote answered that it
    is asked too much.
    """

    problem: Problem
    seconds: float
    timed_out: bool = False
    overloaded: bool = False


@dataclass(frozen=True, slots=True)
class SyncAnswered:
    """The sync process answered, or died (then the verdict is FAILED)."""

    answer: SyncAnswer


class GitSource(Protocol):
    def resolve(self, remote: RemoteSpec) -> None:
        """Asks the remote where its ref points; posts `Resolved` or `ResolveFailed`."""
        ...

    def sync(self, request: SyncRequest) -> None:
        """Starts the sync process; posts `SyncAnswered`."""
        ...

    def cancel(self) -> None:
        """Ends what is under way, with all of its processes; nothing is posted for it any more."""
        ...

    def drop_trees(self, keep: Sequence[str]) -> None:
        """Every tree under `worktrees/` but these may go."""
        ...


@dataclass(frozen=True, slots=True)
class ParcelAnswered:
    """The attempt to send a parcel is over. A notice without a result was not sent, as far as is known."""

    parcel: Parcel
    results: tuple[Result, ...]


class Courier(Protocol):
    """Carries parcels in processes of their own. Several may be under way."""

    def send(self, parcel: Parcel, mail: Mail | None) -> None:
        """Sends the mail, or without one runs the commands of the parcel, one after the other; posts `ParcelAnswered` once."""
        ...

    def cancel(self) -> None:
        """Ends what is under way, with all of its processes; nothing is posted for it any more."""
        ...


class Store(Protocol):
    """JSON state that is replaced whole (generation.json, sync.json)."""

    def write(self, name: str, document: bytes) -> None:
        """`name` holds `document`, durably and atomically; else StateUnwritable, and the old content stands."""
        ...

    def read(self, name: str) -> bytes | None:
        """The content, or None when there is no such file."""
        ...

    def set_aside(self, name: str) -> Path:
        """The damaged file is renamed so that it is kept but not read again; the new path."""
        ...


@dataclass(frozen=True, slots=True)
class ConfigRead:
    """agent.yaml was read: its document with defaults applied, or what is wrong with it."""

    document: Mapping[str, object] | None
    problems: tuple[Problem, ...] = ()


class ConfigSource(Protocol):
    def read(self) -> None:
        """Starts the reading of agent.yaml; posts `ConfigRead`."""
        ...


# What the watchers and the operating system post.


@dataclass(frozen=True, slots=True)
class RepositoryTouched:
    """Something changed in the local repository that is the remote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HookReceived:
    """A forge says, and has proved, that the ref we follow was pushed to. Its commit before and after; empty when it does not tell."""

    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class ConfigTouched:
    """Something changed about agent.yaml."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """SIGHUP: read the config again, then sync."""


@dataclass(frozen=True, slots=True)
class StopAgent:
    """SIGTERM or SIGINT: the agent ends, runs go on."""
