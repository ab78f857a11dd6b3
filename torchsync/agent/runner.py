"""Performs what the engine decided: first it is written down (`recorder.py`), then done.

When the state cannot be written (disk full, read-only) fires still start; until all that happened is in the ledger, `is_degraded` is true.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torchsync.agent.recorder import Recorder
from torchsync.core.effects import (
    Adopt,
    Effect,
    Release,
    Signal,
    Start,
    ToldAdoption,
    ToldEnd,
    ToldQueue,
    ToldRetry,
    ToldSkip,
    ToldStart,
    ToldStop,
    Turn,
)
from torchsync.core.entries import LedgerOp
from torchsync.core.instants import brief_duration
from torchsync.core.logevents import Log, LogEvent
from torchsync.core.model import Attempt, AttemptId, Instant, Millis, NotBegun, Outcome, Run
from torchsync.core.records import FAILURES
from torchsync.ports import Executor, RunEnded, StartOrder


class Runner:
    """The hands of the loop. `order` gives what a run is started with, or why it is not; `post` takes the event of the latter. `announce`
    gives what is to be written down with a turn so that others are told of it.
    """

    def __init__(
        self,
        *,
        recorder: Recorder,
        executor: Executor,
        order: Callable[[Run], StartOrder | NotBegun],
        post: Callable[[object], None],
        log: Log,
        announce: Callable[[Turn], Sequence[LedgerOp]] = lambda _: (),
    ) -> None:
        self._recorder = recorder
        self._executor = executor
        self._order = order
        self._post = post
        self._announce = announce
        self._log = log
        self._unforgotten: list[AttemptId] = []

    @property
    def is_degraded(self) -> bool:
        """Something that happened is not in the ledger yet."""
        return self._recorder.is_degraded

    def perform(self, turn: Turn) -> None:
        """The operations are durable, if that can be had at all; then every effect has been carried out, in order."""
        self._recorder.write((*turn.operations, *self._announce(turn)))
        for effect in turn.effects:
            self._do(effect)

    def retry(self) -> None:
        """What could not be written before is written now, if it can be, and what waited for that is done."""
        self._recorder.retry()
        if not self._recorder.is_volatile:
            for attempt in self._unforgotten:
                self._executor.forget(attempt)
            self._unforgotten.clear()

    def prune(self, before: Instant) -> bool:
        """Some of what was decided before the instant is gone from the ledger; whether there may be more."""
        return self._recorder.prune(before)

    def bound_outputs(self, runs: Sequence[Run]) -> None:
        """No run in flight keeps more output than its task allows."""
        for run in runs:
            self._executor.bound_output(run.attempt_id, run.task.output_max)

    def _forget(self, attempt: AttemptId) -> None:
        """Not before its end is written down: what the executor keeps of the run may be all that tells of it."""
        if self._recorder.is_volatile:
            self._unforgotten.append(attempt)
        else:
            self._executor.forget(attempt)

    def _do(self, effect: Effect) -> None:
        match effect:
            case Start(run=run):
                self._start(run)
            case Signal(attempt=attempt, name=name):
                self._executor.signal(attempt, name)
            case Release(attempt=attempt):
                self._forget(attempt)
            case Adopt(runs=runs):
                self._executor.adopt(runs)
            case _:
                self._tell(effect)

    def _start(self, run: Run) -> None:
        match self._order(run):
            case NotBegun() as refusal:
                self._post(RunEnded(run.attempt_id, refusal))
            case StartOrder() as order:
                self._executor.start(order)

    def _tell(self, effect: Effect) -> None:
        match effect:
            case ToldStart(run=run):
                self._tell_start(run)
            case ToldRetry(run=run, over=over):
                self._tell_retry(run, over)
            case ToldStop(run=run, cause=cause):
                self._log(LogEvent.RUN_STOPPING, f"{run.task.name} is being ended: {cause.value}", task=run.task.name, run=run.id)
            case ToldAdoption(run=run):
                self._log(
                    LogEvent.RUN_ADOPTED, f"{run.task.name} was taken up from an earlier agent process", task=run.task.name, run=run.id
                )
            case ToldSkip(task=task, reason=reason, count=count):
                self._log(LogEvent.FIRE_SKIPPED, f"{count} instant(s) of {task} skipped: {reason.value}", task=task, reason=reason.value)
            case ToldQueue(task=task, trigger=trigger, count=count):
                self._log(LogEvent.FIRE_QUEUED, f"{count} instant(s) of {task} wait for room", task=task, trigger=trigger.value)
            case ToldEnd(run=run) if run.outcome is not None:
                self._tell_end(run, run.outcome)

    def _tell_start(self, run: Run) -> None:
        number = f", attempt {run.attempt} of {run.attempts}" if run.attempt > 1 else ""
        fields = {"task": run.task.name, "run": run.id, "trigger": run.trigger.value, "attempt": run.attempt}
        self._log(LogEvent.RUN_STARTED, f"{run.task.name} began{number}", **fields)

    def _tell_retry(self, run: Run, over: Attempt) -> None:
        delay = brief_duration(Millis(run.wait.until - over.finished_at)) if run.wait else "no time"
        status = "" if over.exit_status is None else f" with exit status {over.exit_status}"
        detail = f": {over.detail}" if over.detail else ""
        self._log(
            LogEvent.RUN_RETRIED,
            f"attempt {over.number} of {run.attempts} of {run.task.name} {over.outcome.value}{status}{detail}; the next comes in {delay}",
            task=run.task.name,
            run=run.id,
            attempt=over.number,
            outcome=over.outcome.value,
            exit_status=over.exit_status,
        )

    def _tell_end(self, run: Run, outcome: Outcome) -> None:
        status = "" if run.exit_status is None else f" with exit status {run.exit_status}"
        detail = f": {run.detail}" if run.detail else ""
        self._log(
            LogEvent.RUN_FAILED if outcome in FAILURES else LogEvent.RUN_ENDED,
            f"{run.task.name} {outcome.value}{status}{detail}",
            task=run.task.name,
            run=run.id,
            outcome=outcome.value,
            exit_status=run.exit_status,
            duration_ms=(run.finished_at or 0) - (run.started_at or run.finished_at or 0),
        )
