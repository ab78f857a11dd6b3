"""Stand-ins for the ports, held to the same contract tests as the real ones (tests/adapters/contract_*.py).

Time is the test's: `FakeClock.advance` moves it, and `FakeWakeups.wait` moves it instead of waiting.
"""

from __future__ import annotations

import select
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count

from tests.builders import NOON
from torchsync.core.model import AttemptId, Ending, Exited, Instant, Millis, NotBegun, Run, Vanished
from torchsync.ports import Clock, RunEnded, RunNeverStarted, RunStarted, StartOrder, Wakeups


class FakeClock:
    """A clock that stands until it is moved. `step` moves the wall clock alone, as an administrator does."""

    def __init__(self, now: Instant = NOON) -> None:
        self._now = now
        self.synchronised = True
        self._monotonic = Millis(1_000_000)
        self._timers: list[tuple[Millis, int, Callable[[], None]]] = []
        self._order = count()

    def now(self) -> Instant:
        return self._now

    def monotonic(self) -> Millis:
        return self._monotonic

    def moment(self) -> tuple[Instant, Millis]:
        return self._now, self._monotonic

    def is_synchronised(self) -> bool:
        return self.synchronised

    def after(self, delay: Millis, call: Callable[[], None]) -> None:
        """`call` is called when time has moved on by `delay`."""
        heappush(self._timers, (Millis(self._monotonic + delay), next(self._order), call))

    def next_timer(self) -> Millis | None:
        """How long until something is called."""
        return Millis(max(0, self._timers[0][0] - self._monotonic)) if self._timers else None

    def advance(self, by: int) -> None:
        """Time has moved on, and everything that was to be called meanwhile has been, each at its time."""
        until = Millis(self._monotonic + by)
        while self._timers and self._timers[0][0] <= until:
            at, _, call = heappop(self._timers)
            self._move(max(0, at - self._monotonic))
            call()
        self._move(until - self._monotonic)

    def step(self, by: int) -> None:
        self._now = Instant(self._now + by)

    def _move(self, by: int) -> None:
        self._now = Instant(self._now + by)
        self._monotonic = Millis(self._monotonic + by)


class FakeWakeups:
    """An inbox that never sleeps: when there is nothing to return, the clock moves on to what comes next, or by the timeout."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._events: deque[object] = deque()
        self._watched: dict[int, Callable[[], None]] = {}

    def post(self, event: object) -> None:
        self._events.append(event)

    def wait(self, timeout: Millis | None) -> Sequence[object]:
        self._serve()
        deadline = None if timeout is None else self._clock.monotonic() + timeout
        while not self._events and deadline != self._clock.monotonic():
            left = [] if deadline is None else [deadline - self._clock.monotonic()]
            timer = self._clock.next_timer()
            steps = left if timer is None else [*left, timer]
            assert steps, "waits for ever: nothing is posted and nothing is to come"
            self._clock.advance(min(steps))
            self._serve()
        return [self._events.popleft() for _ in range(len(self._events))]

    def watch(self, descriptor: int, on_ready: Callable[[], None]) -> None:
        self._watched[descriptor] = on_ready

    def unwatch(self, descriptor: int) -> None:
        del self._watched[descriptor]

    def _serve(self) -> None:
        poll = select.poll()
        for descriptor in self._watched:
            poll.register(descriptor, select.POLLIN)
        for descriptor, _ in poll.poll(0):
            if descriptor in self._watched:
                self._watched[descriptor]()


@dataclass(slots=True, kw_only=True)
class FakeProcess:
    """What a machine knows about a run: it is under way until it has an ending."""

    run: Run
    started_at: Instant
    ending: Ending | None = None
    leftovers: bool = False
    signals: list[str] = field(default_factory=list)


class FakeMachine:
    """What outlives the agent: processes and what they left. `users` are those it has, `boot_id` changes with `reboot`."""

    def __init__(self, users: Sequence[str] = ("root", "torchsync-run"), boot_id: str = "5f0d8c1e-0000-4000-8000-000000000001") -> None:
        self.users = set(users)
        self.boot_id = boot_id
        self.processes: dict[AttemptId, FakeProcess] = {}
        self.executors: list[FakeExecutor] = []

    def reboot(self, boot_id: str) -> None:
        self.boot_id = boot_id
        for process in self.processes.values():
            process.ending = process.ending or Vanished(
                why="the machine was restarted while the run went on", started_at=process.started_at
            )


Behaviour = Callable[[StartOrder], tuple[Millis, int] | None]
"""How long a run takes and its exit status; None when the test ends it."""


class FakeExecutor:
    """Runs that do as the test says: after what `behaviour` answers, else with `finish`. TERM and KILL end a run unless it is in `stubborn`.

    Another one on the same `machine` is the executor of a later agent process; `abandon` is the end of this one.
    """

    def __init__(
        self, wakeups: Wakeups, clock: FakeClock, machine: FakeMachine | None = None, behaviour: Behaviour = lambda order: None
    ) -> None:
        self._wakeups = wakeups
        self._clock: Clock = clock
        self._after = clock.after
        self._behaviour = behaviour
        self._watched: set[AttemptId] = set()
        self._is_gone = False
        self.machine = machine or FakeMachine()
        self.machine.executors.append(self)
        self.stubborn: set[AttemptId] = set()
        self.orders: list[StartOrder] = []
        self.bounded: list[tuple[AttemptId, int]] = []

    def start(self, order: StartOrder) -> None:
        run = order.run
        self.orders.append(order)
        if run.user not in self.machine.users:
            self._wakeups.post(RunEnded(run.attempt_id, NotBegun(why=f"this host has no user {run.user!r}")))
            return
        self.machine.processes[run.attempt_id] = FakeProcess(run=run, started_at=self._clock.now())
        self._watched.add(run.attempt_id)
        self._wakeups.post(RunStarted(run.attempt_id, self._clock.now()))
        if answer := self._behaviour(order):
            delay, status = answer
            self._after(delay, lambda: self.finish(run.attempt_id, status))

    def adopt(self, runs: Sequence[Run]) -> None:
        for run in runs:
            process = self.machine.processes.get(run.attempt_id)
            self._watched.add(run.attempt_id)
            if process is None and run.boot_id == self.machine.boot_id:
                self._wakeups.post(RunNeverStarted(run.attempt_id))
            elif process is None:
                self._wakeups.post(RunEnded(run.attempt_id, Vanished(why="the machine was restarted before the run was known to be over")))
            elif process.ending is not None:
                self._wakeups.post(RunEnded(run.attempt_id, process.ending, process.leftovers))
            else:
                self._wakeups.post(RunStarted(run.attempt_id, process.started_at))

    def signal(self, attempt: AttemptId, name: str) -> None:
        process = self.machine.processes.get(attempt)
        if attempt not in self._watched or process is None:
            return
        process.signals.append(name)
        process.leftovers = process.leftovers and name != "KILL"
        if process.ending is None and (name == "KILL" or (name == "TERM" and attempt not in self.stubborn)):
            self.finish(attempt, 137 if name == "KILL" else 143)

    def bound_output(self, attempt: AttemptId, limit: int) -> None:
        self.bounded.append((attempt, limit))

    def forget(self, attempt: AttemptId) -> None:
        self._watched.discard(attempt)

    # What a test does to runs.

    def finish(self, run: AttemptId, status: int = 0, *, leftovers: bool = False) -> None:
        """The run's command exits, if it has not."""
        process = self.machine.processes[run]
        if process.ending is None:
            duration = Millis(max(0, self._clock.now() - process.started_at))
            self.end(run, Exited(status=status, started_at=process.started_at, duration=duration), leftovers=leftovers)

    def end(self, run: AttemptId, ending: Ending, *, leftovers: bool = False) -> None:
        """The run ends like this; told, unless nobody watches any more."""
        process = self.machine.processes[run]
        process.ending, process.leftovers = ending, leftovers
        for executor in self.machine.executors:
            if run in executor._watched and not executor._is_gone:
                executor._wakeups.post(RunEnded(run, ending, leftovers))

    def abandon(self) -> None:
        """The agent process is gone: runs go on, and nobody is told."""
        self._is_gone = True
