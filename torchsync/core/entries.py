"""What the engine has written down, as values: the operations of one ledger transaction and the rows that come back. Pure.

Exactly one `fire` entry covers each (task, instant): it ran (`Admit`), it was skipped or missed (`Skip`), or it waits to run (`Enqueue`). What waits
gives its instant up (`Dequeue`) in the transaction in which it runs or is skipped after all. A second entry for an instant that has one is an
error of the caller, and the ledger refuses the whole transaction.

An entry that an open jump of the clock caused carries its id, else 0. An entry that is annulled stays in the history and covers nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torchsync.core.chronicle import ChronicleOp
from torchsync.core.clockwatch import ClockState
from torchsync.core.holds import HoldChange
from torchsync.core.model import Attempt, Instant, Millis, Outcome, Run, RunId, SkipReason, StopCause, TaskName, Trigger, Wait
from torchsync.core.notice import Notice, NoticeId
from torchsync.core.taskrecord import TaskRecord
from torchsync.core.usage import UNKNOWN, Usage


@dataclass(frozen=True, slots=True)
class Admit:
    """The run exists in state admitted, with its definition; its instant, if it has one, is covered."""

    run: Run
    jump: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """The instants of a task from `first` to `last`, `count` of them in a row, did not run.

    When `extends` is true the entry of the task before `first` grows to `last`, if it has the same reason and jump; `count` is what is added.
    """

    task: TaskName
    reason: SkipReason
    first: Instant
    last: Instant
    count: int
    decided_at: Instant
    extends: bool = False
    jump: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedFire:
    """A fire that waits to run until there is room; it does not age any more. `trigger` is that of the run it will be: MISFIRE makes up for a missed
    instant. It waits since `since`.
    """

    task: TaskName
    instant: Instant
    due: Instant
    trigger: Trigger
    since: Instant
    jump: int = 0

    @property
    def is_made_up(self) -> bool:
        return self.trigger is Trigger.MISFIRE


@dataclass(frozen=True, slots=True)
class Enqueue:
    """The fire waits, and its instant is covered."""

    fire: QueuedFire


@dataclass(frozen=True, slots=True)
class Dequeue:
    """The fire of this instant does not wait any more, and its instant is free for the entry that follows."""

    task: TaskName
    instant: Instant


@dataclass(frozen=True, slots=True)
class Intend:
    """torchsync is about to end the run for this cause; written before the first signal."""

    run: RunId
    cause: StopCause


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """The run is over. `exit_status` is None where there is none to know."""

    run: RunId
    outcome: Outcome
    finished_at: Instant
    started_at: Instant | None = None
    exit_status: int | None = None
    usage: Usage = UNKNOWN
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitAttempt:
    """No attempt of the run is under way: `over` is, or, when that is None, the one that was admitted is known never to have begun. The next one
    waits.
    """

    run: RunId
    wait: Wait
    over: Attempt | None = None


@dataclass(frozen=True, slots=True)
class BeginAttempt:
    """The attempt that waited is admitted, in this boot."""

    run: RunId
    boot_id: str


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The run is known never to have started: its row and the entry of its instant go, so that the fire can be decided again."""

    run: RunId


@dataclass(frozen=True, slots=True)
class PutRecord:
    """The record of a task is this one from now on."""

    record: TaskRecord


@dataclass(frozen=True, slots=True)
class DropRecord:
    """The record of a task that has been gone for long is removed; its entries and runs stay."""

    task: TaskName


@dataclass(frozen=True, slots=True, kw_only=True)
class Annul:
    """The clock has returned from the jump to `now`: its entries of the task that reach past `now` are annulled, and so are all that were missed or
    wait to make up for it. What is left of them belongs to the jump `heir`, unless that is 0.
    """

    task: TaskName
    jump: int
    now: Instant
    heir: int = 0


@dataclass(frozen=True, slots=True)
class Settle:
    """The entries of the task that a jump caused belong to the jump `heir`; with 0 they are entries like any other."""

    task: TaskName
    jump: int
    heir: int = 0


@dataclass(frozen=True, slots=True)
class Rewind:
    """The mark of the task is this one, also when it was later. A record alone never takes it back."""

    task: TaskName
    mark: Instant


@dataclass(frozen=True, slots=True)
class TurnBack:
    """Nothing that was done or decided lies later than `now`: what would is told `by` earlier, but neither later than `now` nor before `since`, when
    the clock went wrong.
    """

    now: Instant
    by: Millis
    since: Instant = Instant(0)


@dataclass(frozen=True, slots=True)
class PutClock:
    """What is known of the clock from now on."""

    state: ClockState


ClockOp = Annul | Settle | Rewind | TurnBack | PutClock
"""What jumps of the clock lead to."""


@dataclass(frozen=True, slots=True)
class PutHold:
    """That happened to a hold of operators. One whose number the ledger has already is there, and nothing is done."""

    change: HoldChange


@dataclass(frozen=True, slots=True)
class PutNotice:
    """The notice is to be sent."""

    notice: Notice


@dataclass(frozen=True, slots=True)
class DropNotice:
    """The notice is not to be sent any more: it was, or it never will be."""

    notice: NoticeId


@dataclass(frozen=True, slots=True)
class PutLate:
    """The task is known to be late, since that instant, and those who wanted to know of it are being told."""

    task: TaskName
    since: Instant


@dataclass(frozen=True, slots=True)
class DropLate:
    """The task is not late any more."""

    task: TaskName


NoticeOp = PutNotice | DropNotice | PutLate | DropLate
"""What is told to others."""

AttemptOp = AwaitAttempt | BeginAttempt

RunOp = Intend | AttemptOp | Finish | Withdraw
"""What happens to a run that is open."""

QueueOp = Enqueue | Dequeue

LedgerOp = Admit | Skip | QueueOp | RunOp | PutRecord | DropRecord | PutHold | ClockOp | NoticeOp | ChronicleOp


@dataclass(frozen=True, slots=True)
class Tagged:
    """An entry that carries the id of a jump and is not annulled. `reason` is None for a run."""

    task: TaskName
    first: Instant
    last: Instant
    jump: int
    reason: SkipReason | None = None
    run: RunId | None = None


def earlier_of(run: Run, told: Instant, turn: TurnBack) -> Instant:
    """A time of the run as it is told after the turn, not before its instant. So a run was admitted before its instant only if that was annulled."""
    if told <= turn.now:
        return told
    covered = run.instant if run.instant is not None and run.instant <= turn.now else 0
    return Instant(max(covered, earlier(told, turn)))


def covers_its_instant(run: Run) -> bool:
    """Whether the entry of the run's instant is not annulled. `@startup` may lie later than what is done at it."""
    return run.instant is not None and (run.trigger is Trigger.STARTUP or run.instant <= run.admitted_at)


def is_annulled(fire: QueuedFire, annul: Annul) -> bool:
    """Whether it goes when a jump is taken back."""
    return (fire.task, fire.jump) == (annul.task, annul.jump) and (fire.instant > annul.now or fire.is_made_up)


def earlier(instant: Instant, turn: TurnBack) -> Instant:
    """The instant as it is told after the turn."""
    return instant if instant <= turn.now else Instant(max(turn.since, min(instant - turn.by, turn.now)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The operations of one turn of the loop. `number` becomes the turn of the ledger with them; each is above all that were before."""

    number: int
    operations: tuple[LedgerOp, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRow:
    """One line of the history: a run, a span of instants that did not run, or what happened to a hold.

    For a hold, `hold` says it, `task` is empty unless it is about one, and there is no instant.
    For a run `first` and `last` are its instant (None when it has none) and `count` is 1; for a skip `run` is None and `reason` says why. For a fire
    that waits `queued` tells what will start it.
    `annulled`: a jump of the clock caused it, and it covers nothing any more.
    """

    task: TaskName
    first: Instant | None
    last: Instant | None
    count: int
    decided_at: Instant
    run: Run | None = None
    reason: SkipReason | None = None
    annulled: bool = False
    hold: HoldChange | None = None
    queued: Trigger | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryQuery:
    """Which part of the history: what was decided from `since` until `until`, newest first, at most `limit` rows. An empty `task` means every task.
    `failed`: only runs that did; `runs`: only runs. `skip` rows at the beginning are left out: those decided at `until` that are known already.
    """

    task: str = ""
    failed: bool = False
    runs: bool = False
    since: Instant = Instant(0)
    until: Instant = Instant((1 << 63) - 1)
    skip: int = 0
    limit: int = 50


def following(query: HistoryQuery, rows: Sequence[HistoryRow]) -> HistoryQuery | None:
    """The question for what comes after these rows, which are the answer to `query`; None when they are all there is."""
    if len(rows) < query.limit:
        return None
    until = rows[-1].decided_at
    known = sum(row.decided_at == until for row in rows)
    return replace(query, until=until, skip=known + query.skip if until == query.until else known)
