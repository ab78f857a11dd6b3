"""What the engine wants done in the world, as values. Pure; performed in order by `agent/runner.py` after the turn's ledger operations."""

from __future__ import annotations

from dataclasses import dataclass, field

from torchsync.core.entries import LedgerOp
from torchsync.core.model import Attempt, AttemptId, Run, SkipReason, StopCause, TaskName, Trigger


@dataclass(frozen=True, slots=True)
class Start:
    """Start this attempt of the run; its row is durable."""

    run: Run


@dataclass(frozen=True, slots=True)
class Signal:
    """Send the signal to everything the run started; the intent is durable."""

    attempt: AttemptId
    name: str


@dataclass(frozen=True, slots=True)
class Release:
    """The attempt is over and recorded: nothing of it is watched any more."""

    attempt: AttemptId


@dataclass(frozen=True, slots=True)
class Adopt:
    """Find out what became of these runs of an earlier agent process, and watch those that live."""

    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class ToldStart:
    """A run began: for the log."""

    run: Run


@dataclass(frozen=True, slots=True)
class ToldRetry:
    """An attempt of the run, `over`, has failed, and the run waits for another: for the log."""

    run: Run
    over: Attempt


@dataclass(frozen=True, slots=True)
class ToldStop:
    """A run is being ended for this cause: for the log."""

    run: Run
    cause: StopCause


@dataclass(frozen=True, slots=True)
class ToldEnd:
    """A run is over: for the log."""

    run: Run


@dataclass(frozen=True, slots=True)
class ToldSkip:
    """`count` fires of the task were skipped: for the log."""

    task: TaskName
    reason: SkipReason
    count: int


@dataclass(frozen=True, slots=True)
class ToldQueue:
    """`count` fires of the task wait until there is room: for the log."""

    task: TaskName
    trigger: Trigger
    count: int


@dataclass(frozen=True, slots=True)
class ToldAdoption:
    """A run of an earlier agent process was taken up, living or over: for the log."""

    run: Run


Effect = Start | Signal | Release | Adopt | ToldStart | ToldRetry | ToldStop | ToldEnd | ToldSkip | ToldQueue | ToldAdoption


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn of the loop decided: first the operations, in one durable transaction, then the effects in order."""

    operations: tuple[LedgerOp, ...] = ()
    effects: tuple[Effect, ...] = ()


@dataclass(slots=True)
class Outbox:
    """Where the parts of the engine put what they decide until the turn is over."""

    operations: list[LedgerOp] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)

    def write(self, *operations: LedgerOp) -> None:
        self.operations.extend(operations)

    def do(self, *effects: Effect) -> None:
        self.effects.extend(effects)

    def flush(self) -> Turn:
        """What was put here since the last call; the outbox is empty again."""
        turn = Turn(tuple(self.operations), tuple(self.effects))
        self.operations, self.effects = [], []
        return turn
