"""The fakes keep the contracts that the real adapters keep."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.adapters import contract_clock, contract_executor, contract_wakeups
from tests.builders import run, run_id
from tests.fakes import FakeClock, FakeExecutor, FakeMachine, FakeWakeups
from torchsync.core.model import AttemptId, Exited, Instant, Millis, Run, RunState
from torchsync.ports import RunEnded, RunStarted, StartOrder


class FakeStage:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.machine = FakeMachine()
        self.count = 0
        self.restart()

    def restart(self) -> None:
        if self.count:
            self.executor.abandon()
        self.wakeups = FakeWakeups(self.clock)
        self.executor = FakeExecutor(self.wakeups, self.clock, self.machine)

    def admit(self, **changes) -> Run:
        self.count += 1
        fresh = {"id": run_id(self.count), "admitted_at": self.clock.now(), "state": RunState.ADMITTED, "started_at": None}
        return run(**(fresh | {"boot_id": self.machine.boot_id} | changes))

    def start(self, **changes) -> Run:
        started = self.admit(**changes)
        self.executor.start(StartOrder(run=started, tree="/tree", environment={}))
        return started

    def start_again(self, run: Run) -> None:
        self.executor.start(StartOrder(run=run, tree="/tree", environment={}))

    def finish(self, attempt: AttemptId, status: int) -> None:
        self.executor.finish(attempt, status)

    def events(self, count: int) -> Sequence[object]:
        events = list(self.wakeups.wait(Millis(1000)))
        assert len(events) == count
        return events

    def silence(self) -> Sequence[object]:
        return self.wakeups.wait(Millis(100))


@pytest.mark.parametrize("contract", contract_executor.CONTRACT, ids=lambda contract: contract.__name__)
def test_the_fake_executor_keeps_the_contract(contract) -> None:
    contract(FakeStage())


@pytest.mark.parametrize("contract", contract_wakeups.CONTRACT, ids=lambda contract: contract.__name__)
def test_the_fake_inbox_keeps_the_contract(contract) -> None:
    contract(FakeWakeups(FakeClock()))


@pytest.mark.parametrize("contract", contract_clock.CONTRACT, ids=lambda contract: contract.__name__)
def test_the_fake_clock_keeps_the_contract(contract) -> None:
    clock = FakeClock()
    contract(clock, clock.advance)


def test_a_wait_moves_the_clock_to_what_comes_next() -> None:
    clock = FakeClock()
    wakeups = FakeWakeups(clock)
    executor = FakeExecutor(wakeups, clock, behaviour=lambda order: (Millis(90_000), 3))
    one = run()
    executor.start(StartOrder(run=one, tree="/tree", environment={}))
    began = clock.now()
    assert list(wakeups.wait(None)) == [RunStarted(one.id, began)]
    assert list(wakeups.wait(Millis(1_000))) == []
    assert list(wakeups.wait(None)) == [RunEnded(one.id, Exited(status=3, started_at=began, duration=Millis(90_000)))]
    assert clock.now() == began + 90_000


def test_a_wait_for_nothing_fails_instead_of_hanging() -> None:
    with pytest.raises(AssertionError, match="for ever"):
        FakeWakeups(FakeClock()).wait(None)


def test_timers_are_called_at_their_time_and_in_order() -> None:
    clock, seen = FakeClock(Instant(0)), []
    for delay in (30, 10, 20):
        clock.after(Millis(delay), lambda: seen.append(clock.now()))
    clock.advance(25)
    assert (seen, clock.now(), clock.next_timer()) == ([10, 20], 25, 5)
    clock.step(-1_000)
    clock.advance(5)
    assert (seen[-1], clock.now()) == (-970, -970)
