"""What becomes of an attempt once it is started: an executor whose processes live by a plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from torchsync.core.model import AttemptId, Ending, Exited, Instant, Millis, NotBegun, Run, Vanished
from torchsync.ports import RunEnded, RunNeverStarted, RunStarted

NUMBERS = {"TERM": 15, "KILL": 9, "INT": 2, "HUP": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What a command does. Lengths are in milliseconds."""

    length: int | None = 100
    """None: it goes on until it is ended."""
    status: int = 0
    claims_after: int = 0
    """How long its shim takes to begin."""
    is_stubborn: bool = False
    """No signal but KILL ends it."""
    leaves: int = 0
    """How long processes that it started outlive it."""
    is_impossible: bool = False
    """It is known not to begin."""
    loses_shim: bool = False
    """Somebody kills the shim at once."""


@dataclass(slots=True, eq=False)
class Process:
    run: Run
    behaviour: Behaviour
    asked_at: int
    boot: str
    claimed_at: int | None = None
    ended_at: int | None = None
    status: int = 0
    gone_at: int | None = None
    never: bool = False
    """It did not begin and never will."""
    is_on_disk: bool = True
    """Its exit line outlived the power."""
    signals: list[tuple[int, str]] = field(default_factory=list)

    @property
    def has_begun(self) -> bool:
        return self.claimed_at is not None

    @property
    def lives(self) -> bool:
        return not self.never and self.gone_at is None


class Processes:
    """Fits `ports.Executor`, as far as the engine's effects go. `post` gets what the executor of the agent that lives just now sees."""

    def __init__(self, clock: Callable[[], tuple[int, int]], post: Callable[[object], None], behave: Callable[[Run], Behaviour]) -> None:
        self.all: dict[AttemptId, Process] = {}
        self.alive: dict[AttemptId, Process] = {}
        self.claims: list[Process] = []
        """Those that began since somebody looked."""
        self.boot = ""
        self._clock = clock
        self._post = post
        self._behave = behave
        self._watched: set[AttemptId] = set()
        self._plans: list[tuple[int, int, AttemptId, str]] = []
        self._order = 0

    # What the agent asks for.

    def start(self, run: Run) -> None:
        _, mono = self._clock()
        process = self.all[run.attempt_id] = self.alive[run.attempt_id] = Process(run, self._behave(run), mono, self.boot)
        self._watched.add(run.attempt_id)
        if process.behaviour.is_impossible:
            self._rule_out(process)
            self._post(RunEnded(run.attempt_id, NotBegun(why="no such program")))
        else:
            self._plan(mono + process.behaviour.claims_after, process, "claim")
            self.advance()

    def signal(self, attempt: AttemptId, name: str) -> None:
        process = self.all.get(attempt)
        if process is None or not process.lives or not process.has_begun:
            return
        _, mono = self._clock()
        process.signals.append((mono, name))
        if name == "KILL" or not process.behaviour.is_stubborn:
            self._end(process, mono, 128 + NUMBERS[name])
            self._vanish(process, mono)

    def adopt(self, runs: Sequence[Run]) -> None:
        for run in runs:
            self._watched.add(run.attempt_id)
            process = self.all.get(run.attempt_id)
            if process is None or not process.has_begun:
                self._never(run, process)
            elif process.ended_at is None and process.gone_at is None:
                self._tell_start(process)
            else:
                self._tell_end(process)

    def forget(self, attempt: AttemptId) -> None:
        self._watched.discard(attempt)

    # What happens by itself.

    def let_go(self) -> None:
        """The agent is gone, and nobody sees anything."""
        self._watched.clear()

    def kill_from_outside(self, attempt: AttemptId) -> None:
        process, (_, mono) = self.all[attempt], self._clock()
        if process.lives and process.has_begun:
            self._end(process, mono, 137)
            self._vanish(process, mono)

    def power_off(self, boot: str, *, keeps: bool) -> None:
        """Everything ends; what had ended before is known afterwards, or not."""
        for process in list(self.alive.values()):
            process.ended_at = process.ended_at or process.asked_at
            process.gone_at = process.ended_at
            process.is_on_disk = False
        for process in () if keeps else self.all.values():
            process.is_on_disk = False
        self._plans.clear()
        self._watched.clear()
        self.alive.clear()
        self.boot = boot

    def next_event(self) -> int | None:
        """When, on the monotonic clock, something happens next."""
        while self._plans and not self._is_live(self._plans[0]):
            heappop(self._plans)
        return self._plans[0][0] if self._plans else None

    def advance(self) -> None:
        """Everything that has happened until now has been posted."""
        _, mono = self._clock()
        while (at := self.next_event()) is not None and at <= mono:
            _, _, attempt, what = heappop(self._plans)
            process = self.all[attempt]
            match what:
                case "claim":
                    self._claim(process, at)
                case "end":
                    self._end(process, at, process.behaviour.status)
                    if process.behaviour.leaves:
                        self._plan(at + process.behaviour.leaves, process, "vanish")
                    else:
                        self._vanish(process, at)
                case _:
                    self._vanish(process, at)

    def _claim(self, process: Process, at: int) -> None:
        process.claimed_at = at
        self.claims.append(process)
        self._tell_start(process)
        if process.behaviour.length is not None:
            self._plan(at + process.behaviour.length, process, "end")

    def _end(self, process: Process, at: int, status: int) -> None:
        if process.ended_at is None:
            process.ended_at, process.status = at, status
            if process.behaviour.leaves and not process.behaviour.loses_shim:
                self._tell_end(process)

    def _vanish(self, process: Process, at: int) -> None:
        if process.gone_at is None:
            process.gone_at = at
            del self.alive[process.run.attempt_id]
            self._tell_end(process)

    def _never(self, run: Run, process: Process | None) -> None:
        if process is not None and process.behaviour.is_impossible:
            self._post(RunEnded(run.attempt_id, NotBegun(why="no such program")))
            return
        if process is not None:
            self._rule_out(process)
        if run.boot_id != self.boot:
            self._post(RunEnded(run.attempt_id, Vanished(why="the host restarted")))
        else:
            self._post(RunNeverStarted(run.attempt_id))

    def _rule_out(self, process: Process) -> None:
        process.never = True
        self.alive.pop(process.run.attempt_id, None)

    def _tell_start(self, process: Process) -> None:
        if process.run.attempt_id in self._watched and process.claimed_at is not None:
            self._post(RunStarted(process.run.attempt_id, self._wall(process.claimed_at)))

    def _tell_end(self, process: Process) -> None:
        if process.run.attempt_id in self._watched:
            self._post(RunEnded(process.run.attempt_id, self._ending(process), leftovers=process.gone_at is None))

    def _ending(self, process: Process) -> Ending:
        if process.behaviour.is_impossible:
            return NotBegun(why="no such program")
        if process.behaviour.loses_shim or not process.is_on_disk or not process.has_begun:
            return Vanished(why="nobody knows")
        assert process.ended_at is not None
        assert process.claimed_at is not None
        duration = Millis(process.ended_at - process.claimed_at)
        if process.boot != self.boot:
            return Exited(status=process.status, started_at=process.run.admitted_at, duration=duration)
        return Exited(status=process.status, started_at=self._wall(process.claimed_at), duration=duration)

    def _wall(self, mono: int) -> Instant:
        now, here = self._clock()
        return Instant(now - here + mono)

    def _plan(self, at: int, process: Process, what: str) -> None:
        self._order += 1
        heappush(self._plans, (at, self._order, process.run.attempt_id, what))

    def _is_live(self, plan: tuple[int, int, AttemptId, str]) -> bool:
        process = self.all[plan[2]]
        return process.lives and not (plan[3] == "end" and process.ended_at is not None)
