"""Performs what the engine decided: first it is written down (`recorder.py`), then done.

When the state cannot be written (disk full, read-only) fires still start; until all that happened is in the ledger, `is_degraded` is true.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torchsync.agent.recorder import Recorder
from torchsync.agent.runlog import RunLog
from torchsync.core.effects import Adopt, Effect, Release, Signal, Start, Turn
from torchsync.core.entries import LedgerOp
from torchsync.core.model import AttemptId, Instant, NotBegun, Run
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
        runlog: RunLog,
        announce: Callable[[Turn], Sequence[LedgerOp]] = lambda _: (),
    ) -> None:
        self._recorder = recorder
        self._executor = executor
        self._order = order
        self._post = post
        self._announce = announce
        self._runlog = runlog
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
                self._runlog.tell(effect)

    def _start(self, run: Run) -> None:
        match self._order(run):
            case NotBegun() as refusal:
                self._post(RunEnded(run.attempt_id, refusal))
            case StartOrder() as order:
                self._executor.start(order)
