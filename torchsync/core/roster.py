"""The runs that are not over: each taken through the table of `core/lifecycle.py`, with its timeout and its grace. Pure.

Timers are kept on the monotonic clock, so that a step of the wall clock ends nothing early and nothing late.
"""

from __future__ import annotations

from dataclasses import replace
from heapq import heappop, heappush

from torchsync.core import lifecycle
from torchsync.core.effects import Outbox, Release, Signal, Start, ToldEnd, ToldStart, ToldStop
from torchsync.core.entries import Admit, Finish, Intend, TurnBack, Withdraw
from torchsync.core.ledgerview import turned_back
from torchsync.core.lifecycle import Act
from torchsync.core.model import CronTiming, Ending, Exited, Instant, Millis, NotBegun, Run, RunId, RunState, StopCause, TaskName, Vanished

_TIMEOUT, _GRACE = 0, 1
_KILL_AGAIN = Millis(1_000)
"""A process may have been forked while KILL went round."""

NEVER_BEGAN = NotBegun(why="the agent ended before it could start the run")


class Roster:
    """Every open run by id. What is decided goes to the outbox."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._runs: dict[RunId, Run] = {}
        self._by_task: dict[TaskName, dict[RunId, None]] = {}
        self._held: dict[RunId, Ending] = {}
        self._taken_up: set[RunId] = set()
        self._timers: list[tuple[Millis, RunId, int]] = []

    @property
    def runs(self) -> dict[RunId, Run]:
        """The open runs as of now; a copy."""
        return dict(self._runs)

    def get(self, run: RunId) -> Run | None:
        return self._runs.get(run)

    def of(self, task: TaskName) -> tuple[Run, ...]:
        """The open runs of a task, oldest admission first."""
        return tuple(self._runs[run] for run in self._by_task.get(task, ()))

    def count(self, task: TaskName) -> int:
        return len(self._by_task.get(task, ()))

    def next_timer(self) -> Millis | None:
        """When, on the monotonic clock, a timer may run out next."""
        while self._timers and self._timers[0][1] not in self._runs:
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

    def take_up(self, run: Run) -> Run:
        """A run of an earlier agent process is watched again, from the state its row tells."""
        run = replace(run, state=RunState.STOPPING if run.stop_cause else RunState.ADMITTED)
        self._add(run)
        self._taken_up.add(run.id)
        return run

    def started(self, run_id: RunId, started_at: Instant, now: Instant, mono: Millis) -> Run | None:
        """The run's start is known, and its timeout counts from it. None when no such run is open."""
        if run_id not in self._runs:
            return None
        self._runs[run_id] = replace(self._runs[run_id], started_at=started_at)
        self._see(run_id, lifecycle.Signal.STARTED, now, mono)
        run = self._runs[run_id]
        timing = run.task.timing
        if isinstance(timing, CronTiming) and timing.timeout and run.state is RunState.RUNNING:
            heappush(self._timers, (Millis(mono + timing.timeout - (now - started_at)), run_id, _TIMEOUT))
        return run

    def ended(self, run_id: RunId, ending: Ending, now: Instant, mono: Millis, *, leftovers: bool) -> Run | None:
        """The finished run, or None when it is not over yet or not open."""
        signal = lifecycle.Signal.ENDED_LEAVING if leftovers else lifecycle.Signal.ENDED
        return self._see(run_id, signal, now, mono, ending) if run_id in self._runs else None

    def never_started(self, run_id: RunId, now: Instant, mono: Millis) -> Run | None:
        """The run is over before it began: finished when it was to be stopped anyway, else withdrawn (then it has no outcome)."""
        return self._see(run_id, lifecycle.Signal.NEVER_STARTED, now, mono, NEVER_BEGAN) if run_id in self._runs else None

    def stop(self, run_id: RunId, cause: StopCause, now: Instant, mono: Millis) -> None:
        """The run is being ended for this cause, unless it is being ended already."""
        run = self._runs[run_id]
        if run.stop_cause is None:
            self._runs[run_id] = replace(run, stop_cause=cause)
            self._outbox.write(Intend(run_id, cause))
            self._outbox.do(ToldStop(run, cause))
        self._see(run_id, lifecycle.Signal.STOP, now, mono)

    def expire(self, now: Instant, mono: Millis) -> list[Run]:
        """Every timer that has run out has had its effect; the runs that are over by it."""
        over: list[Run] = []
        while (at := self.next_timer()) is not None and at <= mono:
            _, run_id, kind = heappop(self._timers)
            if kind == _TIMEOUT:
                self.stop(run_id, StopCause.TIMEOUT, now, mono)
            elif run := self._see(run_id, lifecycle.Signal.GRACE_OVER, now, mono):
                over.append(run)
        return over

    def _add(self, run: Run) -> None:
        self._runs[run.id] = run
        self._by_task.setdefault(run.task.name, {})[run.id] = None

    def _see(self, run_id: RunId, signal: lifecycle.Signal, now: Instant, mono: Millis, ending: Ending | None = None) -> Run | None:
        run = self._runs[run_id]
        move = lifecycle.move(run.state, signal)
        self._runs[run_id] = replace(run, state=move.to)
        over: Run | None = None
        for act in move.acts:
            over = self._act(act, run_id, now, mono, ending) or over
        return over

    def _act(self, act: Act, run_id: RunId, now: Instant, mono: Millis, ending: Ending | None) -> Run | None:
        run = self._runs[run_id]
        match act:
            case Act.NOTE_START if run_id in self._taken_up:
                pass  # It began long ago, and that was told then.
            case Act.NOTE_START:
                self._outbox.do(ToldStart(run))
            case Act.SEND_STOP:
                self._outbox.do(Signal(run_id, run.task.stop_signal))
                heappush(self._timers, (Millis(mono + run.task.stop_grace), run_id, _GRACE))
            case Act.SEND_KILL:
                self._outbox.do(Signal(run_id, "KILL"))
                if run_id in self._held:
                    return self._finish(run, self._held[run_id], now, leftovers=True)
                heappush(self._timers, (Millis(mono + _KILL_AGAIN), run_id, _GRACE))
            case Act.HOLD_ENDING if ending is not None:
                self._held[run_id] = ending
            case Act.FINISH if ending is not None:
                return self._finish(run, ending, now, leftovers=False)
            case Act.WITHDRAW:
                self._outbox.write(Withdraw(run_id))
                return self._remove(run)
            case _:
                raise ValueError(f"{act.value} of run {run_id} without an ending")
        return None

    def _finish(self, run: Run, ending: Ending, now: Instant, *, leftovers: bool) -> Run:
        over = _over(run, ending, now, leftovers=leftovers)
        self._outbox.write(
            Finish(
                run=over.id,
                outcome=lifecycle.outcome_of(run, ending),
                finished_at=over.finished_at or now,
                started_at=over.started_at,
                exit_status=over.exit_status,
                detail=over.detail,
            )
        )
        self._outbox.do(Release(over.id), ToldEnd(over))
        return self._remove(over)

    def _remove(self, run: Run) -> Run:
        del self._runs[run.id]
        self._held.pop(run.id, None)
        self._taken_up.discard(run.id)
        siblings = self._by_task[run.task.name]
        del siblings[run.id]
        if not siblings:
            del self._by_task[run.task.name]
        return run


def _over(run: Run, ending: Ending, now: Instant, *, leftovers: bool) -> Run:
    detail = lifecycle.detail_of(run, ending, leftovers=leftovers)
    outcome = lifecycle.outcome_of(run, ending)
    match ending:
        case Exited(status=status, started_at=started, duration=duration):
            ended = min(Instant(started + duration), now)  # The clock may have been ahead when the start was seen.
            started = Instant(ended - duration)
            return replace(
                run, state=RunState.FINISHED, outcome=outcome, started_at=started, finished_at=ended, exit_status=status, detail=detail
            )
        case NotBegun():
            return replace(run, state=RunState.FINISHED, outcome=outcome, started_at=None, finished_at=now, detail=detail)
        case Vanished(started_at=started):
            return replace(
                run, state=RunState.FINISHED, outcome=outcome, started_at=started or run.started_at, finished_at=now, detail=detail
            )
