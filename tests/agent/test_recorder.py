"""What happened is written down once, wherever there is room, and a killed agent forgets nothing that was."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.adapters.contract_ledger import admitted, finish, minute, skip
from tests.builders import record
from tests.fakes_state import MemoryLedger, MemorySpool
from torchsync.agent.recorder import FOLDED_AT_ONCE, Recorder
from torchsync.core.entries import Admit, Batch, HistoryQuery, LedgerOp, PutRecord
from torchsync.core.logevents import LogEvent


class Shelf:
    """A ledger and a spool, and one agent process after another that writes to them."""

    def __init__(self) -> None:
        self.ledger = MemoryLedger()
        self.spool = MemorySpool()
        self.logged: list[LogEvent] = []
        self.restart()

    def restart(self) -> None:
        self.recorder = Recorder(self.ledger, self.spool, self.log)
        self.view = self.recorder.take_over()

    def log(self, event: LogEvent, message: str, /, **fields: object) -> None:
        self.logged.append(event)

    def write(self, *operations: LedgerOp) -> None:
        self.recorder.write(operations)

    def instants(self) -> list[int]:
        """In minutes, each as often as it is covered."""
        rows = self.ledger.history(HistoryQuery(limit=100_000))
        return sorted((row.last - minute(0)) // 60_000 for row in rows if row.last is not None)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def test_what_the_ledger_takes_never_meets_the_spool(shelf) -> None:
    shelf.spool.is_unwritable = True
    shelf.write(skip(1))
    shelf.write()
    assert shelf.instants() == [1]
    assert not shelf.recorder.is_degraded
    assert shelf.logged == []


def test_what_the_ledger_does_not_take_is_in_the_spool_at_once(shelf) -> None:
    shelf.write(skip(1))
    shelf.ledger.is_unwritable = True
    shelf.write(skip(2))
    shelf.write(skip(3), skip(4))
    assert [batch.operations for batch in shelf.spool.batches] == [(skip(2),), (skip(3), skip(4))]
    assert shelf.recorder.is_degraded
    assert not shelf.recorder.is_volatile
    assert shelf.logged == [LogEvent.STATE_DEGRADED]


def test_everything_is_folded_in_later_in_one_transaction_and_the_spool_is_empty(shelf) -> None:
    shelf.ledger.is_unwritable = True
    shelf.write(Admit(admitted(1)))
    shelf.write(finish(admitted(1)))
    shelf.ledger.is_unwritable = False
    shelf.recorder.retry()
    assert shelf.ledger.commits == [(Admit(admitted(1)), finish(admitted(1)))]
    assert shelf.spool.batches == []
    assert not shelf.recorder.is_degraded
    shelf.write(skip(2))
    assert shelf.instants() == [1, 2]
    assert shelf.logged == [LogEvent.STATE_DEGRADED, LogEvent.STATE_RECOVERED]


def test_a_later_agent_knows_what_was_spooled_though_the_ledger_still_cannot_be_written(shelf) -> None:
    shelf.write(Admit(admitted(1)), Admit(admitted(2)), PutRecord(record("backup", decided_through=minute(2))))
    shelf.ledger.is_unwritable = True
    shelf.write(finish(admitted(1)), Admit(admitted(3)), PutRecord(record("backup", decided_through=minute(3))))
    for _ in range(3):
        shelf.restart()
        assert list(shelf.view.runs) == [admitted(2), admitted(3)]
        assert shelf.view.records["backup"].decided_through == minute(3)
        assert shelf.recorder.is_degraded
    shelf.write(finish(admitted(3)))
    shelf.ledger.is_unwritable = False
    shelf.restart()
    assert not shelf.recorder.is_degraded
    assert list(shelf.view.runs) == list(shelf.ledger.open_runs()) == [admitted(2)]
    assert shelf.spool.batches == []


def test_a_crash_between_the_commit_and_the_clearing_does_no_batch_twice(shelf) -> None:
    shelf.ledger.is_unwritable = True
    shelf.write(skip(1, 3, count=3))
    shelf.write(skip(4, extends=True))
    left = list(shelf.spool.batches)
    shelf.ledger.is_unwritable = False
    shelf.recorder.retry()
    shelf.spool.batches = left
    for _ in range(2):
        shelf.restart()
        assert shelf.spool.batches == []
        (row,) = shelf.ledger.history(HistoryQuery())
        assert row.count == 4
    assert not shelf.recorder.is_degraded


def test_a_commit_that_seemed_to_fail_is_not_done_twice_by_this_or_a_later_agent(shelf) -> None:
    shelf.ledger.loses_answers = True
    shelf.write(skip(1))
    shelf.write(skip(2, extends=True))
    assert len(shelf.spool.batches) == 2
    shelf.recorder.retry()
    shelf.restart()
    shelf.ledger.loses_answers = False
    shelf.write(skip(3, extends=True))
    shelf.recorder.retry()
    (row,) = shelf.ledger.history(HistoryQuery())
    assert row.count == 3
    assert not shelf.recorder.is_degraded


def test_a_spool_that_cannot_be_cleared_does_no_harm_ever(shelf) -> None:
    shelf.ledger.is_unwritable = True
    shelf.write(skip(1))
    shelf.ledger.is_unwritable, shelf.spool.is_unwritable = False, True
    shelf.recorder.retry()
    assert not shelf.recorder.is_degraded
    shelf.write(skip(2))
    shelf.spool.is_unwritable = False
    shelf.ledger.is_unwritable = True
    shelf.write(skip(3))
    assert [batch.number for batch in shelf.spool.batches] == [1, 3]
    shelf.ledger.is_unwritable = False
    shelf.restart()
    assert shelf.instants() == [1, 2, 3]


def test_without_room_in_the_spool_memory_holds_it_and_it_is_said_once_and_spooled_in_order_later(shelf) -> None:
    shelf.ledger.is_unwritable = shelf.spool.is_unwritable = True
    for number in (1, 2, 3):
        shelf.write(skip(number))
        shelf.recorder.retry()
    assert shelf.recorder.is_degraded
    assert shelf.recorder.is_volatile
    assert shelf.logged == [LogEvent.STATE_DEGRADED] * 2
    shelf.spool.is_unwritable = False
    shelf.recorder.retry()
    assert not shelf.recorder.is_volatile
    assert [batch.number for batch in shelf.spool.batches] == [1, 2, 3]
    shelf.ledger.is_unwritable = False
    shelf.recorder.retry()
    assert shelf.instants() == [1, 2, 3]


def test_memory_alone_is_folded_in_as_well(shelf) -> None:
    shelf.ledger.is_unwritable = shelf.spool.is_unwritable = True
    shelf.write(skip(1))
    shelf.write(skip(2))
    shelf.ledger.is_unwritable = False
    shelf.recorder.retry()
    assert shelf.instants() == [1, 2]
    assert not shelf.recorder.is_degraded
    assert not shelf.recorder.is_volatile


def test_a_long_time_without_the_ledger_is_folded_in_piece_by_piece(shelf) -> None:
    shelf.ledger.is_unwritable = True
    for number in range(FOLDED_AT_ONCE + 5):
        shelf.write(skip(number))
    shelf.ledger.is_unwritable = False
    shelf.recorder.retry()
    assert shelf.recorder.is_degraded
    shelf.write(skip(FOLDED_AT_ONCE + 5))
    shelf.restart()
    assert not shelf.recorder.is_degraded
    assert shelf.instants() == list(range(FOLDED_AT_ONCE + 6))


def test_a_batch_that_rests_on_a_lost_one_is_passed_over_and_said_and_the_rest_counts(shelf) -> None:
    shelf.spool.batches = [
        Batch(number=7, operations=(finish(admitted(1)), PutRecord(record("backup", restarts=1)))),
        Batch(number=8, operations=(Admit(admitted(2)),)),
    ]
    shelf.restart()
    assert list(shelf.view.runs) == list(shelf.ledger.open_runs()) == [admitted(2)]
    assert shelf.view.records == shelf.ledger.records() == {}
    assert LogEvent.STATE_SET_ASIDE in shelf.logged
    assert not shelf.recorder.is_degraded


def test_a_batch_that_the_ledger_refuses_holds_up_no_other(shelf) -> None:
    shelf.write(skip(1))
    shelf.spool.batches = [Batch(number=number, operations=(skip(place),)) for number, place in ((2, 2), (3, 1), (4, 4))]
    shelf.restart()
    assert shelf.instants() == [1, 2, 4]
    assert not shelf.recorder.is_degraded
    assert LogEvent.INTERNAL_ERROR in shelf.logged


def test_a_ledger_that_is_new_takes_what_was_spooled_for_another(shelf) -> None:
    for number in range(1, 4):
        shelf.write(skip(number))
    shelf.ledger.is_unwritable = True
    shelf.write(Admit(admitted(9)))
    shelf.ledger = MemoryLedger()
    shelf.restart()
    assert shelf.instants() == [9]
    shelf.write(finish(admitted(9)))
    assert shelf.ledger.turn() == 5


def kill_before_the_spool_is_cleared(shelf: Shelf) -> None:
    left = list(shelf.spool.batches)
    shelf.recorder.retry()
    shelf.spool.batches = left
    shelf.restart()


HAPPENINGS = {
    "the disk fills": lambda shelf: setattr(shelf.ledger, "is_unwritable", True),
    "there is room": lambda shelf: setattr(shelf.ledger, "is_unwritable", False),
    "commits lose their answer": lambda shelf: setattr(shelf.ledger, "loses_answers", True),
    "commits are answered": lambda shelf: setattr(shelf.ledger, "loses_answers", False),
    "the spool has no room": lambda shelf: setattr(shelf.spool, "is_unwritable", True),
    "the spool has room": lambda shelf: setattr(shelf.spool, "is_unwritable", False),
    "a second goes by": lambda shelf: shelf.recorder.retry(),
    "a kill": lambda shelf: shelf.restart(),
    "a kill before the spool is cleared": kill_before_the_spool_is_cleared,
}


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(["a turn", "a turn", "a turn", *HAPPENINGS]), max_size=40))
def test_whatever_fails_and_whoever_is_killed_every_turn_is_in_the_ledger_once(story: list[str]) -> None:
    shelf, turns = Shelf(), 0
    for happening in story:
        if happening == "a turn":
            shelf.write(skip(turns, extends=True))
            turns += 1
        elif "kill" not in happening or not shelf.recorder.is_volatile:
            HAPPENINGS[happening](shelf)
    shelf.ledger.is_unwritable = shelf.ledger.loses_answers = shelf.spool.is_unwritable = False
    shelf.recorder.retry()
    shelf.restart()
    assert sum(row.count for row in shelf.ledger.history(HistoryQuery())) == turns
    assert not shelf.recorder.is_degraded
    assert LogEvent.INTERNAL_ERROR not in shelf.logged


def test_a_number_is_never_used_again_also_after_a_batch_that_was_passed_over(shelf) -> None:
    shelf.write(skip(1))
    shelf.spool.batches = [Batch(number=2, operations=(finish(admitted(1)),))]
    shelf.restart()
    shelf.ledger.loses_answers = True
    shelf.write(skip(2, extends=True))
    shelf.ledger.loses_answers = False
    shelf.recorder.retry()
    (row,) = shelf.ledger.history(HistoryQuery())
    assert row.count == 2
