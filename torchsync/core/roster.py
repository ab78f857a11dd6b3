"""The runs that are not over: each taken through the table of `core/lifecycle.py`, with its timeout, its grace and its retries. Pure.

Timers are kept on the monotonic clock, so that a step of the wall clock ends nothing early and nothing late. Each belongs to one attempt, and what
an executor tells of an attempt that is not under way any more is passed over.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from heapq import heappop, heappush

from torchsync.core import attempts, lifecycle
from torchsync.core.effects import Outbox, Release, Signal, Start, ToldEnd, ToldRetry, ToldStart, ToldStop
from torchsync.core.entries import Admit, AwaitAttempt, BeginAttempt, Finish, Intend, TurnBack, Withdraw
from torchsync.core.ledgerview import turned_back
from torchsync.core.lifecycle import Act
from torchsync.core.model import (
    Attempt,
    AttemptId,
    CronTiming,
    Ending,
    Exited,
    Instant,
    Millis,
    NotBegun,
    Run,
    RunId,
    RunState,
    StopCause,
    TaskName,
    Vanished,
    run_of,
)

_TIMEOUT, _GRACE, _RETRY = 0, 1, 2
_KILL_AGAIN = Millis(1_000)
"""A process may have been forked while KILL went round."""

NEVER_BEGAN = NotBegun(why="the agent ended before it could start the run")


@dataclass(frozen=True, slots=True)
class _Moment:
    """When something happens to a run, and how its command ended if that is what happens."""

    now: Instant
    mono: Millis
    ending: Ending | None = None
    leftovers: bool = False


class Roster:
    """Every open run by id. What is decided goes to the outbox."""

    def __init__(self, outbox: Outbox, boot_id: str) -> None:
        self._outbox = outbox
        self._boot_id = boot_id
        self._runs: dict[RunId, Run] = {}
        self._by_task: dict[TaskName, dict[RunId, None]] = {}
        self._in_pools: Counter[str] = Counter()
        self._held: dict[RunId, Ending] = {}
        self._taken_up: set[RunId] = set()
        self._timers: list[tuple[Millis, AttemptId, int]] = []
        self._ready: dict[AttemptId, None] = {}
        self._graces: dict[RunId, Millis] = {}
        """When the grace of the newest signal is over: an earlier one may have found nobody."""

    @property
    def runs(self) -> dict[RunId, Run]:
        """The open runs as of now; a copy."""
        return dict(self._runs)

    @property
    def ready(self) -> tuple[Run, ...]:
        """The runs whose wait for the next attempt is over, the longest first."""
        self._ready = {attempt: None for attempt in self._ready if self.current(attempt)}
        return tuple(self._runs[run_of(attempt)] for attempt in self._ready)

    def get(self, run: RunId) -> Run | None:
        return self._runs.get(run)

    def current(self, attempt: AttemptId) -> Run | None:
        """The run whose newest attempt this is; None when there is no such open run."""
        run = self._runs.get(run_of(attempt))
        return run if run and run.attempt_id == attempt else None

    def of(self, task: TaskName) -> tuple[Run, ...]:
        """The open runs of a task, oldest admission first."""
        return tuple(self._runs[run] for run in self._by_task.get(task, ()))

    def count(self, task: TaskName) -> int:
        """How many copies of the task there are; a run that waits for its next attempt is one."""
        return len(self._by_task.get(task, ()))

    def count_in_pool(self, pool: str) -> int:
        """Runs that hold a place in the pool."""
        return self._in_pools[pool]

    def next_timer(self) -> Millis | None:
        """When, on the monotonic clock, a timer may run out next."""
        while self._timers and not self.current(self._timers[0][1]):
            heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def admit(self, run: Run, jump: int = 0) -> None:
        """The run is recorded, as caused by that jump of the clock if there is one, then started."""
        self._add(run)
        self._outbox.write(Admit(run, jump))
        self._outbox.do(Start(run))

    def turn_back(self, turn: TurnBack) -> None:
        """No open run began later than the clock has turned back to."""
        self._runs.update({run.id: turned_back(run, turn) for run in self._runs.values()})

    def take_up(self, run: Run, now: Instant, mono: Millis) -> Run:
        """A run of an earlier agent process is watched again, from the state its row tells; one that waits goes on to wait."""
        if run.wait is not None:
            rest = attempts.left(run.wait, attempts.longest_wait(run), self._boot_id, now, mono)
            run = replace(run, state=RunState.WAITING, wait=attempts.wait_for(rest, self._boot_id, now, mono))
            heappush(self._timers, (Millis(mono + rest), run.attempt_id, _RETRY))
        else:
            run = replace(run, state=RunState.STOPPING if run.stop_cause else RunState.ADMITTED)
            self._taken_up.add(run.id)
        self._add(run)
        return run

    def tell_waits(self, now: Instant, mono: Millis) -> list[TaskName]:
        """The wall clock has stepped: what it will show at the end of each wait is told anew; the tasks of the runs that wait."""
        waiting = {run.id: (run, run.wait) for run in self._runs.values() if run.wait is not None}
        for run_id, (run, wait) in waiting.items():
            self._runs[run_id] = replace(run, wait=replace(wait, until=Instant(now + wait.mono - mono)))
        return [run.task.name for run, _ in waiting.values()]

    def started(self, attempt: AttemptId, started_at: Instant, now: Instant, mono: Millis) -> Run | None:
        """The attempt's start is known, and its timeout counts from it. None when it is not under way."""
        run = self.current(attempt)
        if run is None:
            return None
        self._runs[run.id] = replace(run, started_at=started_at)
        self._see(run.id, lifecycle.Signal.STARTED, _Moment(now, mono))
        run = self._runs[run.id]
        timing = run.task.timing
        if isinstance(timing, CronTiming) and timing.timeout and run.state is RunState.RUNNING:
            heappush(self._timers, (Millis(mono + timing.timeout - (now - started_at)), attempt, _TIMEOUT))
        return run

    def ended(self, attempt: AttemptId, ending: Ending, now: Instant, mono: Millis, *, leftovers: bool) -> Run | None:
        """The finished run; None when it is not over yet, or the attempt not under way."""
        run = self.current(attempt)
        if run is None:
            return None
        is_to_go = leftovers and run.state in (RunState.STOPPING, RunState.KILLING)
        signal = lifecycle.Signal.ENDED_LEAVING if is_to_go else self._signal_of(run, ending, leftovers=leftovers)
        return self._see(run.id, signal, _Moment(now, mono, ending, leftovers))

    def never_started(self, attempt: AttemptId, now: Instant, mono: Millis) -> Run | None:
        """The attempt is over before it began: the run is finished when it was to be stopped anyway; else a first attempt is withdrawn, and the run
        has no outcome then, and a later one is started again, and the answer is None.
        """
        run = self.current(attempt)
        if run is None:
            return None
        if run.attempt > 1 and run.stop_cause is None:
            return self._see(run.id, lifecycle.Signal.TRIES_AGAIN, _Moment(now, mono))
        return self._see(run.id, lifecycle.Signal.NEVER_STARTED, _Moment(now, mono, NEVER_BEGAN))

    def stop(self, run_id: RunId, cause: StopCause, now: Instant, mono: Millis) -> Run | None:
        """The run is being ended for this cause, unless it is being ended already. The finished run, if it is over by that."""
        run = self._runs[run_id]
        if run.stop_cause is None:
            self._runs[run_id] = replace(run, stop_cause=cause)
            self._outbox.write(Intend(run_id, cause))
            self._outbox.do(ToldStop(run, cause))
        return self._see(run_id, lifecycle.Signal.STOP, _Moment(now, mono))

    def begin(self, run: Run, now: Instant, mono: Millis) -> None:
        """The next attempt of a run that is ready is recorded, then started."""
        self._see(run.id, lifecycle.Signal.RETRY_DUE, _Moment(now, mono))

    def expire(self, now: Instant, mono: Millis) -> list[Run]:
        """Every timer that has run out has had its effect; the runs that are over by it."""
        over: list[Run] = []
        while (at := self.next_timer()) is not None and at <= mono:
            _, attempt, kind = heappop(self._timers)
            run_id = run_of(attempt)
            if kind == _TIMEOUT:
                self.stop(run_id, StopCause.TIMEOUT, now, mono)
            elif kind == _RETRY:
                self._ready[attempt] = None
            elif at == self._graces[run_id] and (run := self._see(run_id, lifecycle.Signal.GRACE_OVER, _Moment(now, mono))):
                over.append(run)
        return over

    def _add(self, run: Run) -> None:
        self._runs[run.id] = run
        self._by_task.setdefault(run.task.name, {})[run.id] = None
        self._in_pools[run.task.pool] += 1

    def _signal_of(self, run: Run, ending: Ending, *, leftovers: bool) -> lifecycle.Signal:
        if attempts.is_retried(run, lifecycle.outcome_of(run, ending)):
            return lifecycle.Signal.TRIES_AGAIN
        return lifecycle.Signal.ENDED_LEAVING if leftovers else lifecycle.Signal.ENDED

    def _see(self, run_id: RunId, signal: lifecycle.Signal, moment: _Moment) -> Run | None:
        run = self._runs[run_id]
        move = lifecycle.move(run.state, signal)
        self._runs[run_id] = replace(run, state=move.to)
        over: Run | None = None
        for act in move.acts:
            over = self._act(act, self._runs[run_id], moment) or over
        held = self._held.get(run_id) if Act.SEND_KILL in move.acts else None
        if held is None:
            return over
        return self._see(run_id, self._signal_of(self._runs[run_id], held, leftovers=False), replace(moment, ending=held, leftovers=True))

    def _act(self, act: Act, run: Run, moment: _Moment) -> Run | None:
        match act:
            case Act.NOTE_START if run.id in self._taken_up:
                pass  # It began long ago, and that was told then.
            case Act.NOTE_START:
                self._outbox.do(ToldStart(run))
            case Act.SEND_STOP:
                self._outbox.do(Signal(run.attempt_id, run.task.stop_signal))
                self._give_time(run, moment.mono + run.task.stop_grace)
            case Act.SEND_KILL:
                self._outbox.do(Signal(run.attempt_id, "KILL"))
                self._give_time(run, moment.mono + _KILL_AGAIN)
            case Act.HOLD_ENDING if moment.ending is not None:
                self._held[run.id] = moment.ending
            case Act.AWAIT:
                self._await(run, moment)
            case Act.BEGIN:
                self._begin(run)
            case Act.FINISH | Act.CANCEL | Act.WITHDRAW:
                return self._close(act, run, moment)
            case _:
                raise ValueError(f"{act.value} of run {run.id} without an ending")
        return None

    def _give_time(self, run: Run, until: int) -> None:
        self._graces[run.id] = Millis(until)
        self._set_timer(until, run, _GRACE)

    def _close(self, act: Act, run: Run, moment: _Moment) -> Run:
        match act:
            case Act.WITHDRAW:
                self._outbox.write(Withdraw(run.id))
                return self._remove(run)
            case Act.CANCEL if run.stop_cause is not None:
                return self._finish(_cancelled(run, run.stop_cause, moment.now))
            case Act.FINISH if moment.ending is not None:
                over = _over(run, moment.ending, moment.now, leftovers=moment.leftovers)
                self._outbox.do(Release(over.attempt_id))
                return self._finish(over)
            case _:
                raise ValueError(f"{act.value} of run {run.id} without an ending")

    def _finish(self, over: Run) -> Run:
        if over.outcome is None or over.finished_at is None:
            raise ValueError(f"run {over.id} is not over")
        self._outbox.write(
            Finish(
                run=over.id,
                outcome=over.outcome,
                finished_at=over.finished_at,
                started_at=over.started_at,
                exit_status=over.exit_status,
                usage=over.usage,
                detail=over.detail,
            )
        )
        self._outbox.do(ToldEnd(over))
        return self._remove(over)

    def _await(self, run: Run, moment: _Moment) -> None:
        """The next attempt comes at once when the one that was admitted never began."""
        if moment.ending is None:
            self._postpone(run, Millis(0), None, moment)
            return
        done = _over(run, moment.ending, moment.now, leftovers=moment.leftovers)
        over = attempts.attempt_of(done, lifecycle.outcome_of(run, moment.ending))
        waiting = replace(run, attempt=run.attempt + 1)
        self._postpone(run, attempts.longest_wait(waiting), over, moment)
        self._outbox.do(ToldRetry(self._runs[run.id], over))

    def _postpone(self, run: Run, delay: Millis, over: Attempt | None, moment: _Moment) -> None:
        wait = attempts.wait_for(delay, self._boot_id, moment.now, moment.mono)
        operation = AwaitAttempt(run=run.id, wait=wait, over=over)
        self._outbox.write(operation)
        self._outbox.do(Release(run.attempt_id))
        self._held.pop(run.id, None)
        self._taken_up.discard(run.id)
        self._runs[run.id] = attempts.changed(run, operation)
        self._set_timer(wait.mono, self._runs[run.id], _RETRY)

    def _begin(self, run: Run) -> None:
        operation = BeginAttempt(run.id, self._boot_id)
        self._ready.pop(run.attempt_id, None)
        self._outbox.write(operation)
        self._runs[run.id] = attempts.changed(run, operation)
        self._outbox.do(Start(self._runs[run.id]))

    def _set_timer(self, at: int, run: Run, kind: int) -> None:
        heappush(self._timers, (Millis(at), run.attempt_id, kind))

    def _remove(self, run: Run) -> Run:
        del self._runs[run.id]
        self._held.pop(run.id, None)
        self._graces.pop(run.id, None)
        self._taken_up.discard(run.id)
        self._in_pools[run.task.pool] -= 1
        siblings = self._by_task[run.task.name]
        del siblings[run.id]
        if not siblings:
            del self._by_task[run.task.name]
        return run


def _cancelled(run: Run, cause: StopCause, now: Instant) -> Run:
    return replace(
        run,
        state=RunState.FINISHED,
        outcome=lifecycle.outcome_of_stop(cause),
        wait=None,
        started_at=run.earlier[-1].started_at if run.earlier else None,
        finished_at=now,
        detail=lifecycle.detail_of_cancelled(run, cause),
    )


def _over(run: Run, ending: Ending, now: Instant, *, leftovers: bool) -> Run:
    detail = lifecycle.detail_of(run, ending, leftovers=leftovers)
    outcome = lifecycle.outcome_of(run, ending)
    match ending:
        case Exited(status=status, started_at=started, duration=duration, usage=usage):
            ended = min(Instant(started + duration), now)  # The clock may have been ahead when the start was seen.
            started = Instant(ended - duration)
            over = replace(run, state=RunState.FINISHED, outcome=outcome, started_at=started, finished_at=ended)
            return replace(over, exit_status=status, usage=usage, detail=detail)
        case NotBegun():
            return replace(run, state=RunState.FINISHED, outcome=outcome, started_at=None, finished_at=now, detail=detail)
        case Vanished(started_at=started):
            return replace(
                run, state=RunState.FINISHED, outcome=outcome, started_at=started or run.started_at, finished_at=now, detail=detail
            )
