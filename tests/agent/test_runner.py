"""First it is written down, then it is done."""

from __future__ import annotations

from collections.abc import Sequence

from tests.adapters.contract_ledger import admitted, finish
from tests.builders import NOON
from tests.fakes import FakeClock, FakeExecutor, FakeWakeups
from tests.fakes_state import MemoryLedger, MemorySpool
from torchsync.agent.recorder import Recorder
from torchsync.agent.runlog import RunLog
from torchsync.agent.runner import Runner
from torchsync.core.effects import Release, Start, Turn
from torchsync.core.entries import Admit
from torchsync.core.model import NotBegun, Run, RunId
from torchsync.ports import RunEnded, StartOrder


class Witness(FakeExecutor):
    """Looks at what is written down when it is told to do something."""

    def __init__(self, ledger: MemoryLedger, spool: MemorySpool) -> None:
        clock = FakeClock(NOON)
        super().__init__(FakeWakeups(clock), clock)
        self.forgotten: list[RunId] = []
        self.known: list[RunId] = []
        self._ledger, self._spool = ledger, spool

    def start(self, order: StartOrder) -> None:
        spooled: Sequence[Run] = [one.run for batch in self._spool.batches for one in batch.operations if isinstance(one, Admit)]
        self.known += [run.id for run in (*self._ledger.open_runs(), *spooled)]

    def forget(self, run: RunId) -> None:
        self.forgotten.append(run)


class Bench:
    def __init__(self) -> None:
        self.ledger, self.spool = MemoryLedger(), MemorySpool()
        self.executor = Witness(self.ledger, self.spool)
        recorder = Recorder(self.ledger, self.spool, lambda *_, **__: None)
        self.refused = ""
        self.posted: list[object] = []
        self.runner = Runner(
            recorder=recorder,
            executor=self.executor,
            order=self.order,
            post=self.posted.append,
            runlog=RunLog(lambda *_, **__: None),
        )

    def order(self, run: Run) -> StartOrder | NotBegun:
        return NotBegun(why=self.refused) if self.refused else StartOrder(run=run, tree="/tree", environment={})


RUN = admitted(1)
BEGIN = Turn((Admit(RUN),), (Start(RUN),))
END = Turn((finish(RUN),), (Release(RUN.id),))


def test_a_run_is_written_down_before_it_starts_also_while_the_ledger_cannot_be() -> None:
    for is_unwritable in (False, True):
        bench = Bench()
        bench.ledger.is_unwritable = is_unwritable
        bench.runner.perform(BEGIN)
        assert bench.executor.known == [RUN.id]
        assert bench.runner.is_degraded == is_unwritable


def test_a_run_is_not_forgotten_before_its_end_is_written_down() -> None:
    bench = Bench()
    bench.ledger.is_unwritable = bench.spool.is_unwritable = True
    bench.runner.perform(BEGIN)
    bench.runner.perform(END)
    bench.runner.retry()
    assert bench.executor.forgotten == []
    bench.spool.is_unwritable = False
    bench.runner.retry()
    bench.runner.retry()
    assert bench.executor.forgotten == [RUN.id]
    assert bench.runner.is_degraded


def test_a_run_that_the_host_refuses_is_known_not_to_have_begun() -> None:
    bench = Bench()
    bench.refused = "user 'deploy' is not granted any more"
    bench.runner.perform(BEGIN)
    assert bench.executor.known == []
    assert bench.posted == [RunEnded(RUN.attempt_id, NotBegun(why=bench.refused))]
