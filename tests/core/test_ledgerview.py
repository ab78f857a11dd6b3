"""The view of what is not in the ledger yet is what the ledger tells once it is."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.adapters.contract_ledger import admitted, finish, minute, notice, skip, waiting
from tests.builders import generation, record, run_id, task
from tests.fakes_state import MemoryLedger
from torchsync.core.chronicle import whole
from torchsync.core.clockwatch import ClockState
from torchsync.core.entries import (
    Admit,
    Annul,
    Batch,
    Dequeue,
    DropLate,
    DropNotice,
    DropRecord,
    Enqueue,
    Intend,
    LedgerOp,
    PutClock,
    PutLate,
    PutNotice,
    PutRecord,
    Rewind,
    Settle,
    TurnBack,
    Withdraw,
)
from torchsync.core.ledgerview import LedgerView, after, view_of
from torchsync.core.model import Millis, Run, StopCause, TaskName, Trigger
from torchsync.core.notice import NoticeId
from torchsync.core.notify import Ping

KINDS: list[Callable[[Run, int], LedgerOp]] = [
    lambda one, _: Admit(one),
    lambda one, _: Intend(one.id, StopCause.OPERATOR),
    lambda one, _: finish(one),
    lambda one, _: Withdraw(one.id),
    lambda one, _: DropRecord(one.task.name),
    lambda one, mark: skip(mark + 10, of=one.task, extends=True),
    lambda one, mark: PutRecord(record(one.task.name, decided_through=minute(mark), restarts=mark)),
    lambda one, mark: Admit(one, mark % 3),
    lambda one, mark: replace(skip(mark, of=one.task), jump=mark % 3),
    lambda one, mark: Annul(task=one.task.name, jump=1 + mark % 2, now=minute(mark // 2), heir=mark % 2),
    lambda one, mark: Settle(one.task.name, 1 + mark % 2, mark % 3),
    lambda one, mark: Rewind(one.task.name, minute(mark)),
    lambda one, mark: TurnBack(minute(mark), Millis(mark * 30_000), minute(mark // 2)),
    lambda one, mark: whole(generation(one.task, number=mark, applied_at=minute(mark))),
    lambda one, mark: PutNotice(notice(str(mark), Ping(secret=one.task.name))),
    lambda one, mark: DropNotice(NoticeId(str(mark))),
    lambda one, mark: PutLate(one.task.name, minute(mark)),
    lambda one, _: DropLate(one.task.name),
    lambda one, mark: Enqueue(waiting(mark, one.task, jump=mark % 3, trigger=(Trigger.SCHEDULE, Trigger.MISFIRE)[mark % 2])),
    lambda one, mark: Dequeue(one.task.name, minute(mark)),
    lambda one, mark: PutClock(ClockState(boot_id=one.id, last_jump=mark)),
]
runs = st.integers(0, 5).map(lambda place: admitted(place, task(f"task-{place}")))
operations = st.builds(lambda kind, one, mark: kind(one, mark), st.sampled_from(KINDS), runs, st.integers(0, 9))


@settings(max_examples=200, deadline=None)
@given(st.lists(operations, max_size=12), st.lists(st.lists(operations, min_size=1, max_size=4), max_size=12))
def test_the_view_after_batches_is_what_the_ledger_tells_after_them(before: list[LedgerOp], batches: list[list[LedgerOp]]) -> None:
    ledger = MemoryLedger()
    for operation in before:
        try:
            ledger.commit([operation])
        except ValueError:
            continue
    view = view_of(ledger)
    for some in batches:
        try:
            ledger.commit(some)
        except ValueError:
            continue
        view = after(view, Batch(number=1, operations=tuple(some)))
        assert view == view_of(ledger)
    assert list(view.runs) == list(ledger.open_runs())


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param(Admit(admitted(1)), id="admitted twice"),
        pytest.param(finish(admitted(2)), id="the end of an unknown run"),
        pytest.param(Intend(run_id(9), StopCause.TIMEOUT), id="an unknown run"),
        pytest.param(Withdraw(run_id(9)), id="an unknown run withdrawn"),
        pytest.param(Dequeue(TaskName("backup"), minute(1)), id="a fire that does not wait"),
    ],
)
def test_a_batch_that_contradicts_is_refused_and_changes_nothing(operation: LedgerOp) -> None:
    view = LedgerView({admitted(1).id: admitted(1)}, {TaskName("backup"): record("backup")})
    with pytest.raises(ValueError, match=r"there already|unknown or over|waits"):
        after(view, Batch(number=1, operations=(PutRecord(record("other")), operation)))
    assert view == LedgerView({admitted(1).id: admitted(1)}, {TaskName("backup"): record("backup")})
