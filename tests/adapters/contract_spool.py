"""What every `ports.Spool` does."""

from __future__ import annotations

from tests.adapters.contract_ledger import admitted, finish, skip, waiting
from tests.builders import NOON, record
from torchsync.core.clockwatch import ClockState, Jump
from torchsync.core.entries import (
    Admit,
    Annul,
    Batch,
    Dequeue,
    DropRecord,
    Enqueue,
    Intend,
    LedgerOp,
    PutClock,
    PutHold,
    PutRecord,
    Rewind,
    Settle,
    TurnBack,
    Withdraw,
)
from torchsync.core.holds import HoldAct, HoldChange, held_task
from torchsync.core.model import Millis, Outcome, StopCause, TaskName, Trigger
from torchsync.ports import Spool


def batch(number: int, *operations: LedgerOp) -> Batch:
    return Batch(number=number, operations=operations or (Admit(admitted(number)),))


def nothing_is_kept_at_first(spool: Spool) -> None:
    assert list(spool.read()) == []
    spool.clear()


def batches_come_back_in_order_as_they_were(spool: Spool) -> None:
    one = admitted(1)
    everything = batch(
        8,
        Admit(one),
        skip(2, 9, count=8, extends=True),
        Intend(one.id, StopCause.OPERATOR),
        finish(one, Outcome.STOPPED, detail="a\nb ü"),
        Withdraw(one.id),
        PutRecord(record("backup", runs={Outcome.FAILED: 3})),
        DropRecord(TaskName("backup")),
        Admit(one, 3),
        Annul(task=TaskName("backup"), jump=3, now=NOON, heir=2),
        Settle(TaskName("backup"), 2),
        Rewind(TaskName("backup"), NOON),
        TurnBack(NOON, Millis(5)),
        PutHold(HoldChange(number=1, at=NOON, act=HoldAct.PLACED, what=held_task("a"), actor="alice", until=NOON)),
        Enqueue(waiting(3, trigger=Trigger.MISFIRE, jump=2)),
        Dequeue(TaskName("backup"), NOON),
        PutClock(ClockState(boot_id="b", jumps=(Jump(id=1, since=NOON, opened=Millis(2), below=Millis(-3)),))),
    )
    spool.append([batch(5), everything])
    spool.append([batch(9)])
    spool.append([])
    for _ in range(2):
        assert list(spool.read()) == [batch(5), everything, batch(9)]
    assert list(spool.notices) == []


def what_is_cleared_is_gone(spool: Spool) -> None:
    spool.append([batch(1), batch(2)])
    spool.clear()
    assert list(spool.read()) == []
    spool.append([batch(3)])
    assert list(spool.read()) == [batch(3)]


CONTRACT = (nothing_is_kept_at_first, batches_come_back_in_order_as_they_were, what_is_cleared_is_gone)
