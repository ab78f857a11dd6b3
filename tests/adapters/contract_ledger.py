"""What every `ports.Ledger` does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.builders import MINUTE, NOON, TREE, daemon, generation, record, run, run_id, task
from torchsync.core.chronicle import PutStart, in_force, successor, whole
from torchsync.core.clockwatch import ClockState, Jump
from torchsync.core.entries import (
    Admit,
    Annul,
    AwaitAttempt,
    Batch,
    BeginAttempt,
    Dequeue,
    DropLate,
    DropNotice,
    DropRecord,
    Enqueue,
    Finish,
    HistoryQuery,
    Intend,
    PutClock,
    PutHold,
    PutLate,
    PutNotice,
    PutRecord,
    QueuedFire,
    Rewind,
    Settle,
    Skip,
    Tagged,
    TurnBack,
    Withdraw,
    covers_its_instant,
    following,
)
from torchsync.core.holds import Held, HoldAct, HoldChange, HoldScope, held_task
from torchsync.core.model import Attempt, Instant, Millis, Outcome, Run, RunState, SkipReason, StopCause, TaskName, Trigger, Wait
from torchsync.core.notice import Notice, NoticeId, Place
from torchsync.core.notify import NoticeCommand, NoticeEvent, Notify, Ping, Receiver, Webhook
from torchsync.core.taskrecord import Before, Pause
from torchsync.core.usage import Usage
from torchsync.ports import Ledger

BACKUP, REPORT = task("backup"), task("report")


def minute(number: int) -> Instant:
    return Instant(NOON + number * MINUTE)


def admitted(number: int, of=BACKUP, **changes) -> Run:
    fresh = {"id": run_id(number, minute(number)), "admitted_at": minute(number), "instant": minute(number), "due": minute(number)}
    return run(of, **(fresh | {"state": RunState.ADMITTED, "started_at": None} | changes))


def skip(first: int, last: int | None = None, *, of=BACKUP, reason=SkipReason.MISSED, count: int = 1, extends: bool = False) -> Skip:
    last = first if last is None else last
    return Skip(task=of.name, reason=reason, first=minute(first), last=minute(last), count=count, decided_at=minute(last), extends=extends)


def notice(name: str, to: Receiver, place: Place | None = None) -> Notice:
    told = {"event": NoticeEvent.FAILURE, "task": BACKUP.name, "made_at": minute(1), "host": "db-1", "user": "deploy", "exit_status": 3}
    return Notice(**told, id=NoticeId(name), to=to, outcome=Outcome.FAILED, detail='"quoted"', place=place)


def finish(one: Run, outcome: Outcome = Outcome.SUCCEEDED, **changes) -> Finish:
    return Finish(**({"run": one.id, "outcome": outcome, "finished_at": Instant(one.admitted_at + 5), "exit_status": 0} | changes))


def an_admitted_run_comes_back_as_it_was(ledger: Ledger) -> None:
    full = task(
        "full",
        labels={"a": "b"},
        env={"PGUSER": "dump ünïcode"},
        hosts=("db-*", "!db-2"),
        success_exit_codes=(0, 3),
        description="all\nthere is",
        user="deploy",
    )
    first = admitted(1, full, actor="alice", attempt=2)
    second = admitted(2, daemon(), trigger=Trigger.DAEMON, instant=None, due=None, copy=3)
    ledger.commit([Admit(second), Admit(first)])
    assert ledger.run(first.id) == first
    assert list(ledger.open_runs()) == [first, second]
    assert ledger.run(run_id(99)) is None


def a_task_that_moved_to_another_file_keeps_both_its_definitions(ledger: Ledger) -> None:
    moved = replace(BACKUP, source=replace(BACKUP.source, path="tasks/other.yaml"))
    ledger.commit([Admit(admitted(1)), Admit(admitted(2, moved))])
    assert [one.task for one in ledger.open_runs()] == [BACKUP, moved]


def a_run_goes_its_way(ledger: Ledger) -> None:
    one = admitted(1)
    ledger.commit([Admit(one)])
    ledger.commit([Intend(one.id, StopCause.TIMEOUT)])
    stopping = replace(one, state=RunState.STOPPING, stop_cause=StopCause.TIMEOUT)
    assert list(ledger.open_runs()) == [stopping]
    over = finish(
        one, Outcome.TIMED_OUT, started_at=Instant(NOON + 7), exit_status=143, usage=Usage(cpu=1500, memory=1 << 30), detail="after 2 h"
    )
    ledger.commit([over])
    assert ledger.open_runs() == []
    assert ledger.run(one.id) == replace(
        stopping,
        state=RunState.FINISHED,
        outcome=Outcome.TIMED_OUT,
        started_at=over.started_at,
        finished_at=over.finished_at,
        exit_status=143,
        usage=Usage(cpu=1500, memory=1 << 30),
        detail="after 2 h",
    )


FAILED = Attempt(number=1, outcome=Outcome.FAILED, started_at=minute(1), finished_at=minute(2), exit_status=7, detail="it said so")
WAIT = Wait(until=minute(3), mono=Millis(77), boot_id="boot")


def a_run_waits_for_its_next_attempt_and_begins_it(ledger: Ledger) -> None:
    one = admitted(1)
    ledger.commit([Admit(one), Intend(one.id, StopCause.TIMEOUT)])
    ledger.commit([AwaitAttempt(run=one.id, wait=WAIT, over=FAILED)])
    waiting = replace(one, state=RunState.WAITING, attempt=2, wait=WAIT, earlier=(FAILED,))
    assert list(ledger.open_runs()) == [waiting]
    assert ledger.run(one.id) == waiting
    ledger.commit([BeginAttempt(one.id, "another-boot")])
    assert list(ledger.open_runs()) == [replace(waiting, state=RunState.ADMITTED, wait=None, boot_id="another-boot")]


def an_attempt_that_never_began_is_started_again_under_another_id(ledger: Ledger) -> None:
    one = admitted(1)
    ledger.commit([Admit(one), AwaitAttempt(run=one.id, wait=WAIT, over=FAILED), BeginAttempt(one.id, "b")])
    ledger.commit([AwaitAttempt(run=one.id, wait=WAIT)])
    (waiting,) = ledger.open_runs()
    assert (waiting.attempt, waiting.again, waiting.attempt_id, waiting.wait) == (2, 1, f"{one.id}.2.1", WAIT)
    second = replace(FAILED, number=2, started_at=None, exit_status=None, outcome=Outcome.START_FAILED)
    ledger.commit([BeginAttempt(one.id, "b"), AwaitAttempt(run=one.id, wait=WAIT, over=second)])
    (waiting,) = ledger.open_runs()
    assert (waiting.attempt_id, waiting.earlier) == (f"{one.id}.3", (FAILED, second))


def a_run_that_waits_can_be_over_and_keeps_its_attempts(ledger: Ledger) -> None:
    one = admitted(1)
    ledger.commit([Admit(one), AwaitAttempt(run=one.id, wait=WAIT, over=FAILED)])
    ledger.commit([Intend(one.id, StopCause.OPERATOR), finish(one, Outcome.STOPPED, exit_status=None)])
    assert ledger.open_runs() == []
    (row,) = ledger.history(HistoryQuery())
    assert row.run is not None
    assert (row.run.outcome, row.run.wait, row.run.earlier) == (Outcome.STOPPED, None, (FAILED,))


def attempts_of_a_run_that_is_not_at_that_point_are_refused(ledger: Ledger) -> None:
    one, over = admitted(1), admitted(2)
    ledger.commit([Admit(one), Admit(over), finish(over)])
    for operation in (
        BeginAttempt(one.id, "b"),
        BeginAttempt(over.id, "b"),
        AwaitAttempt(run=over.id, wait=WAIT, over=FAILED),
        AwaitAttempt(run=run_id(99), wait=WAIT),
    ):
        with pytest.raises(ValueError, match="unknown"):
            ledger.commit([operation])


def attempts_are_told_earlier_when_the_clock_turns_back_and_go_with_their_run(ledger: Ledger) -> None:
    one = admitted(1)
    ledger.commit([Admit(one), AwaitAttempt(run=one.id, wait=WAIT, over=FAILED)])
    ledger.commit([TurnBack(now=minute(1), by=Millis(MINUTE))])
    (found,) = ledger.open_runs()
    assert found.earlier == (replace(FAILED, finished_at=minute(1)),)
    ledger.commit([finish(one)])
    assert ledger.prune(minute(10)) == 1
    ledger.commit([Admit(one), AwaitAttempt(run=one.id, wait=WAIT, over=FAILED)])


def the_end_of_a_run_may_tell_its_start(ledger: Ledger) -> None:
    one = admitted(1)
    ledger.commit([Admit(one), finish(one, started_at=Instant(NOON + 3))])
    found = ledger.run(one.id)
    assert found is not None
    assert found.started_at == NOON + 3


def an_instant_is_covered_once(ledger: Ledger) -> None:
    ledger.commit([Admit(admitted(1)), skip(5, 9, count=5), Admit(admitted(5, REPORT))])
    before = ledger.history(HistoryQuery())
    for double in (
        Admit(admitted(1, id=run_id(77))),
        skip(1),
        skip(0, 2, count=3),
        skip(5),
        skip(7),
        skip(9, 12, count=4),
        skip(3, 20, count=2),
        Admit(admitted(9, id=run_id(77))),
    ):
        with pytest.raises(ValueError, match="covered"):
            ledger.commit([Admit(admitted(30)), skip(40), double, PutRecord(record("backup"))])
    assert ledger.history(HistoryQuery()) == before
    assert ledger.records() == {}
    ledger.commit([skip(2, 4, count=3), skip(10), skip(5, of=task("other"))])


def runs_without_an_instant_cover_nothing(ledger: Ledger) -> None:
    ledger.commit([Admit(admitted(number, instant=None, due=None, trigger=Trigger.MANUAL)) for number in (1, 2)])
    assert len(ledger.open_runs()) == 2


def a_run_is_admitted_once(ledger: Ledger) -> None:
    ledger.commit([Admit(admitted(1))])
    with pytest.raises(ValueError):
        ledger.commit([Admit(admitted(2, id=admitted(1).id))])


def a_withdrawn_run_leaves_its_instant_free(ledger: Ledger) -> None:
    one = admitted(1)
    ledger.commit([Admit(one)])
    ledger.commit([Withdraw(one.id), skip(1)])
    assert ledger.run(one.id) is None
    assert [row.reason for row in ledger.history(HistoryQuery())] == [SkipReason.MISSED]


def what_happens_to_a_run_that_is_not_open_is_refused(ledger: Ledger) -> None:
    one = admitted(1)
    ledger.commit([Admit(one), finish(one)])
    for closed in (one.id, run_id(99)):
        for operation in (finish(replace(one, id=closed)), Intend(closed, StopCause.OPERATOR), Withdraw(closed)):
            with pytest.raises(ValueError, match="unknown or over"):
                ledger.commit([skip(50), operation])
    assert len(ledger.history(HistoryQuery())) == 1


def instants_missed_in_a_row_share_one_entry(ledger: Ledger) -> None:
    ledger.commit([skip(1, 3, count=3)])
    ledger.commit([skip(4, 9, count=6, extends=True), skip(10, extends=True)])
    (row,) = ledger.history(HistoryQuery())
    assert (row.first, row.last, row.count, row.decided_at, row.run) == (minute(1), minute(10), 10, minute(10), None)
    with pytest.raises(ValueError):
        ledger.commit([Admit(admitted(6))])


def a_span_that_cannot_grow_gets_an_entry_of_its_own(ledger: Ledger) -> None:
    ledger.commit([skip(5), Admit(admitted(7))])
    ledger.commit([skip(8, extends=True), skip(9, reason=SkipReason.OVERLAP, extends=True), skip(2, extends=True)])
    ledger.commit([skip(1, of=REPORT, extends=True)])
    rows = ledger.history(HistoryQuery(task="backup"))
    assert sorted((row.first, row.count) for row in rows) == [(minute(number), 1) for number in (2, 5, 7, 8, 9)]


def a_span_does_not_grow_backwards(ledger: Ledger) -> None:
    ledger.commit([skip(5), skip(2, extends=True), skip(6, extends=True)])
    rows = ledger.history(HistoryQuery())
    assert sorted((row.first, row.last) for row in rows) == [(minute(2), minute(2)), (minute(5), minute(6))]


def a_batch_is_whole_or_absent(ledger: Ledger) -> None:
    with pytest.raises(ValueError):
        ledger.commit([Admit(admitted(1)), PutRecord(record("backup")), Withdraw(run_id(99))])
    assert ledger.open_runs() == []
    assert ledger.records() == {}
    ledger.commit([Admit(admitted(1))])
    ledger.commit([])


def a_record_comes_back_as_it_was(ledger: Ledger) -> None:
    full = record(
        "backup",
        decided_through=minute(9),
        last_run=minute(8),
        last_success=minute(7),
        last_duration=123,
        last_exit_status=3,
        last_usage=Usage(cpu=7),
        recent=(Outcome.FAILED, Outcome.SUCCEEDED),
        consecutive_failures=2,
        restarts=4,
        retries=6,
        pauses=(Pause(copy=2, quick_ends=3, wait=WAIT),),
        runs={Outcome.FAILED: 2, Outcome.SUCCEEDED: 10**12},
        skipped={SkipReason.MISSED: 5},
        before=(Before(1, minute(3)), Before(2, minute(5))),
    )
    ledger.commit([PutRecord(full), PutRecord(record("report"))])
    assert ledger.records() == {"backup": full, "report": record("report")}
    ledger.commit([DropRecord(TaskName("backup")), DropRecord(TaskName("never-there"))])
    assert ledger.records() == {"report": record("report")}


def the_mark_of_a_task_never_goes_back(ledger: Ledger) -> None:
    ledger.commit([PutRecord(record("backup", decided_through=minute(9), restarts=1))])
    ledger.commit([PutRecord(record("backup", decided_through=minute(3), restarts=2)), skip(1), Admit(admitted(2))])
    assert ledger.records()["backup"] == record("backup", decided_through=minute(9), restarts=2)


def the_history_is_told_newest_first(ledger: Ledger) -> None:
    good, bad, other = admitted(1), admitted(4), admitted(3, REPORT)
    ledger.commit([Admit(good), skip(2), Admit(other), Admit(bad), finish(good), finish(bad, Outcome.FAILED, exit_status=1)])

    def told(**query) -> list[tuple[str, int]]:
        return [(row.task, (row.first - NOON) // MINUTE) for row in ledger.history(HistoryQuery(**query))]

    assert told() == [("backup", 4), ("report", 3), ("backup", 2), ("backup", 1)]
    assert told(limit=2) == [("backup", 4), ("report", 3)]
    assert told(task="report") == [("report", 3)]
    assert told(task="backup", since=minute(2)) == [("backup", 4), ("backup", 2)]
    assert told(failed=True) == [("backup", 4)]
    assert told(task="rep") == []
    assert ledger.history(HistoryQuery(limit=1))[0].run == ledger.run(bad.id)


def what_was_decided_last_comes_first_whatever_its_instant(ledger: Ledger) -> None:
    by_hand = admitted(8, instant=None, due=None, trigger=Trigger.MANUAL)
    late = admitted(9, instant=minute(1), due=minute(1))
    ledger.commit([Admit(late), Admit(by_hand), Admit(admitted(7, REPORT, instant=minute(7)))])
    assert [row.run.id for row in ledger.history(HistoryQuery()) if row.run] == [late.id, by_hand.id, admitted(7).id]


def a_batch_is_done_once_however_often_it_is_given(ledger: Ledger) -> None:
    ledger.commit([Admit(admitted(1))])
    assert ledger.turn() == 1
    batches = [Batch(number=2, operations=(skip(2),)), Batch(number=5, operations=(skip(3, extends=True), Admit(admitted(5))))]
    ledger.fold(batches)
    assert ledger.turn() == 5
    before = ledger.history(HistoryQuery())
    ledger.fold(batches)
    ledger.fold([])
    assert ledger.history(HistoryQuery()) == before
    ledger.fold([*batches, Batch(number=6, operations=(finish(admitted(5)),))])
    assert [one.id for one in ledger.open_runs()] == [admitted(1).id]
    ledger.commit([finish(admitted(1))])
    assert ledger.turn() == 7


def batches_that_contradict_the_ledger_are_refused_whole(ledger: Ledger) -> None:
    ledger.commit([skip(1)])
    with pytest.raises(ValueError):
        ledger.fold([Batch(number=2, operations=(skip(2),)), Batch(number=3, operations=(skip(1),))])
    assert ledger.turn() == 1
    assert len(ledger.history(HistoryQuery())) == 1


def what_is_old_and_over_is_pruned_and_the_records_stay(ledger: Ledger) -> None:
    ledger.commit([Admit(admitted(1)), Admit(admitted(2)), finish(admitted(1)), skip(5), PutRecord(record())])
    far = Instant(NOON + 10**9)
    while ledger.prune(far):
        pass
    assert [row.run.id for row in ledger.history(HistoryQuery()) if row.run] == [admitted(2).id]
    assert len(ledger.history(HistoryQuery())) == 1
    assert ledger.records() == {record().task: record()}
    assert [one.id for one in ledger.open_runs()] == [admitted(2).id]


# Jumps of the clock.


def annul(jump: int, now: int, *, of=BACKUP, **changes) -> Annul:
    return Annul(task=of.name, jump=jump, now=minute(now), **changes)


def tagged(ledger: Ledger) -> list[tuple[str, int, int, int]]:
    return sorted((entry.task, (entry.first - NOON) // MINUTE, (entry.last - NOON) // MINUTE, entry.jump) for entry in ledger.tagged())


def what_is_known_of_the_clock_comes_back_as_it_was(ledger: Ledger) -> None:
    assert ledger.clock() is None
    jump = Jump(id=3, since=NOON, opened=Millis(7), below=Millis(-5))
    for state in (ClockState(), ClockState(boot_id="b", ahead=Millis(9), jumps=(jump,), last_jump=3, started_in="b", startup=NOON)):
        ledger.commit([PutClock(state)])
        assert ledger.clock() == state


def entries_carry_the_jump_that_caused_them(ledger: Ledger) -> None:
    ledger.commit([Admit(admitted(1)), Admit(admitted(2), 4), replace(skip(3, 5, count=3), jump=4), skip(9)])
    assert sorted(ledger.tagged(), key=lambda entry: entry.first) == [
        Tagged(BACKUP.name, minute(2), minute(2), 4, None, admitted(2).id),
        Tagged(BACKUP.name, minute(3), minute(5), 4, SkipReason.MISSED),
    ]


def a_span_grows_within_its_jump_alone(ledger: Ledger) -> None:
    ledger.commit([skip(1), replace(skip(2, extends=True), jump=1), replace(skip(3, extends=True), jump=1)])
    ledger.commit([replace(skip(4, extends=True), jump=2), skip(5, extends=True), skip(6, extends=True)])
    rows = ledger.history(HistoryQuery())
    assert sorted((row.first, row.last, row.count) for row in rows) == [
        (minute(first), minute(last), last - first + 1) for first, last in ((1, 1), (2, 3), (4, 4), (5, 6))
    ]


def what_is_annulled_stays_in_the_history_and_covers_nothing(ledger: Ledger) -> None:
    past, future, before = admitted(4), admitted(20), admitted(19)
    ledger.commit([Admit(before), replace(skip(1, 3, count=3), jump=1), Admit(past, 1), Admit(future, 1)])
    ledger.commit([annul(1, now=5)])
    told = {row.first: row.annulled for row in ledger.history(HistoryQuery())}
    assert told == {minute(1): True, minute(4): False, minute(19): False, minute(20): True}
    assert tagged(ledger) == [("backup", 4, 4, 1)]
    ledger.commit([skip(1), skip(2, 3, count=2), Admit(admitted(20, id=run_id(78)))])
    for double in (skip(4), skip(19), skip(20)):
        with pytest.raises(ValueError, match="covered"):
            ledger.commit([double])
    ledger.commit([finish(future)])
    found = ledger.run(future.id)
    assert found is not None
    assert found.outcome is Outcome.SUCCEEDED


def other_reasons_than_missed_are_annulled_when_they_reach_into_the_future(ledger: Ledger) -> None:
    spans = [replace(skip(first, first + 1, count=2, reason=SkipReason.OVERLAP), jump=1) for first in (1, 4, 7)]
    ledger.commit([*spans, replace(skip(9, 10, count=2), jump=1)])
    ledger.commit([annul(1, now=4)])
    assert tagged(ledger) == [("backup", 1, 2, 1)]
    ledger.commit([replace(skip(11), jump=1), replace(skip(20), jump=2), replace(skip(11, of=REPORT), jump=1)])
    ledger.commit([annul(1, now=12), annul(1, now=12)])
    assert tagged(ledger) == [("backup", 1, 2, 1), ("backup", 20, 20, 2), ("report", 11, 11, 1)]


def what_outlasts_a_jump_belongs_to_the_one_around_it(ledger: Ledger) -> None:
    ledger.commit([Admit(admitted(1), 1), Admit(admitted(2), 2), Admit(admitted(9), 2)])
    ledger.commit([annul(2, now=3, heir=1)])
    assert tagged(ledger) == [("backup", 1, 1, 1), ("backup", 2, 2, 1)]
    ledger.commit([annul(1, now=0)])
    assert tagged(ledger) == []


def what_is_settled_is_like_any_other_entry(ledger: Ledger) -> None:
    ledger.commit([Admit(admitted(1), 1), replace(skip(2), jump=1), Admit(admitted(3), 2), replace(skip(4, of=REPORT), jump=1), skip(8)])
    ledger.commit([Settle(BACKUP.name, 1, 7)])
    assert tagged(ledger) == [("backup", 1, 1, 7), ("backup", 2, 2, 7), ("backup", 3, 3, 2), ("report", 4, 4, 1)]
    ledger.commit([Settle(BACKUP.name, 7), Settle(BACKUP.name, 0, 9)])
    assert tagged(ledger) == [("backup", 3, 3, 2), ("report", 4, 4, 1)]
    with pytest.raises(ValueError, match="covered"):
        ledger.commit([skip(1)])


def a_withdrawn_run_of_a_jump_is_gone_annulled_or_not(ledger: Ledger) -> None:
    ledger.commit([Admit(admitted(1), 1), Admit(admitted(2), 1), annul(1, now=1)])
    ledger.commit([Withdraw(admitted(1).id), Withdraw(admitted(2).id)])
    assert tagged(ledger) == []
    assert ledger.history(HistoryQuery()) == []
    ledger.commit([skip(1), skip(2)])


def a_mark_goes_back_when_it_is_rewound(ledger: Ledger) -> None:
    ledger.commit([PutRecord(record("backup", decided_through=minute(9)))])
    ledger.commit([Rewind(BACKUP.name, minute(2)), PutRecord(record("backup", decided_through=minute(4))), Rewind(REPORT.name, minute(1))])
    assert ledger.records() == {BACKUP.name: record("backup", decided_through=minute(4))}


def nothing_lies_later_than_a_clock_that_turned_back(ledger: Ledger) -> None:
    early, late = admitted(1), admitted(60, started_at=minute(61))
    ledger.commit([Admit(early), Admit(late, 1), replace(skip(50), jump=1), finish(early, started_at=minute(1), finished_at=minute(70))])
    ledger.commit([annul(1, now=15), TurnBack(minute(15), Millis(50 * MINUTE))])
    first, second = ledger.run(early.id), ledger.run(late.id)
    assert first is not None
    assert second is not None
    assert (first.admitted_at, first.started_at, first.finished_at) == (minute(1), minute(1), minute(15))
    assert (second.admitted_at, second.started_at, second.instant) == (minute(10), minute(11), minute(60))
    assert [row.decided_at for row in ledger.history(HistoryQuery())] == [minute(10), minute(1), minute(0)]
    ledger.commit([TurnBack(minute(9), Millis(50 * MINUTE), minute(8))])
    third = ledger.run(late.id)
    assert third is not None
    assert (third.admitted_at, third.started_at) == (minute(8), minute(8))


def a_run_that_keeps_its_entry_is_not_told_to_be_before_its_instant(ledger: Ledger) -> None:
    kept, annulled = admitted(12, admitted_at=minute(40), started_at=minute(41)), admitted(60)
    ledger.commit([Admit(kept, 1), Admit(annulled, 1)])
    ledger.commit([annul(1, now=15), TurnBack(minute(15), Millis(30 * MINUTE))])
    first, second = ledger.run(kept.id), ledger.run(annulled.id)
    assert first is not None
    assert second is not None
    assert (first.admitted_at, first.started_at, covers_its_instant(first)) == (minute(12), minute(12), True)
    assert (second.admitted_at, covers_its_instant(second)) == (minute(15), False)


def what_was_annulled_is_pruned_like_the_rest(ledger: Ledger) -> None:
    ledger.commit([Admit(admitted(5), 1), replace(skip(6), jump=1), annul(1, now=1), finish(admitted(5))])
    while ledger.prune(minute(99)):
        pass
    assert ledger.history(HistoryQuery()) == []


# Fires that wait.


def waiting(number: int, of=BACKUP, **changes) -> QueuedFire:
    fresh = {"task": of.name, "instant": minute(number), "due": Instant(minute(number) + 7), "since": minute(number + 1)}
    return QueuedFire(**(fresh | {"trigger": Trigger.SCHEDULE} | changes))


def a_fire_that_waits_comes_back_as_it_was(ledger: Ledger) -> None:
    fires = [waiting(2), waiting(1, trigger=Trigger.MISFIRE, jump=3), waiting(9, REPORT, trigger=Trigger.STARTUP)]
    ledger.commit([Enqueue(fire) for fire in fires])
    assert sorted(ledger.queue(), key=lambda fire: fire.instant) == [fires[1], fires[0], fires[2]]
    assert ledger.tagged() == []
    ledger.commit([Dequeue(BACKUP.name, minute(2))])
    assert {fire.instant for fire in ledger.queue()} == {minute(1), minute(9)}


def a_fire_that_waits_covers_its_instant_until_it_runs_or_is_skipped(ledger: Ledger) -> None:
    ledger.commit([Enqueue(waiting(1)), Enqueue(waiting(2)), skip(3)])
    for double in (Admit(admitted(1)), skip(1, 2, count=2), Enqueue(waiting(2)), Enqueue(waiting(3))):
        with pytest.raises(ValueError, match="covered"):
            ledger.commit([double])
    ledger.commit([Dequeue(BACKUP.name, minute(1)), Admit(admitted(1)), Dequeue(BACKUP.name, minute(2)), skip(2)])
    assert ledger.queue() == []
    assert len(ledger.history(HistoryQuery())) == 3
    for covered in (skip(1), skip(2)):
        with pytest.raises(ValueError, match="covered"):
            ledger.commit([covered])


def what_does_not_wait_cannot_be_taken_out(ledger: Ledger) -> None:
    ledger.commit([Enqueue(waiting(1)), Admit(admitted(2)), skip(3)])
    for number, of in ((2, BACKUP), (3, BACKUP), (4, BACKUP), (1, REPORT)):
        with pytest.raises(ValueError, match="waits"):
            ledger.commit([Dequeue(of.name, minute(number))])
    assert len(ledger.queue()) == 1


def a_span_grows_up_to_what_waits_and_not_over_it(ledger: Ledger) -> None:
    ledger.commit([skip(1, 3, count=3), Enqueue(waiting(4)), Enqueue(waiting(5)), Enqueue(waiting(6))])
    ledger.commit([Dequeue(BACKUP.name, minute(4)), skip(4, extends=True)])
    assert sorted((row.first, row.last) for row in ledger.history(HistoryQuery()) if not row.queued) == [(minute(1), minute(4))]
    ledger.commit([Dequeue(BACKUP.name, minute(6)), skip(6, extends=True)])
    told = sorted((row.first, row.last) for row in ledger.history(HistoryQuery()) if not row.queued)
    assert told == [(minute(1), minute(4)), (minute(6), minute(6))]


def what_waits_is_in_the_history_and_never_pruned(ledger: Ledger) -> None:
    ledger.commit([Enqueue(waiting(1)), Enqueue(waiting(2, trigger=Trigger.MISFIRE)), skip(3)])
    told = [(row.first, row.count, row.queued, row.reason, row.run) for row in ledger.history(HistoryQuery()) if row.queued]
    assert told == [(minute(2), 1, Trigger.MISFIRE, None, None), (minute(1), 1, Trigger.SCHEDULE, None, None)]
    assert ledger.history(HistoryQuery(failed=True)) == []
    while ledger.prune(minute(99)):
        pass
    assert len(ledger.queue()) == len(ledger.history(HistoryQuery())) == 2


def what_waits_is_taken_back_with_the_jump_that_caused_it(ledger: Ledger) -> None:
    made_up = {"trigger": Trigger.MISFIRE}
    fires = [waiting(1, jump=2), waiting(2, jump=2, **made_up), waiting(9, jump=2), waiting(3, jump=1, **made_up), waiting(4, **made_up)]
    ledger.commit([*(Enqueue(fire) for fire in fires), Enqueue(waiting(2, REPORT, jump=2, **made_up))])
    ledger.commit([annul(2, now=5, heir=1)])
    left = {(fire.task, fire.instant): fire.jump for fire in ledger.queue()}
    assert left == {("backup", minute(1)): 1, ("backup", minute(3)): 1, ("backup", minute(4)): 0, ("report", minute(2)): 2}
    assert {row.first: row.queued for row in ledger.history(HistoryQuery()) if row.annulled} == {
        minute(2): Trigger.MISFIRE,
        minute(9): Trigger.SCHEDULE,
    }
    ledger.commit([Settle(BACKUP.name, 1), TurnBack(minute(3), Millis(50 * MINUTE)), Enqueue(waiting(9))])
    assert {fire.jump for fire in ledger.queue() if fire.task == "backup"} == {0}
    assert max(fire.since for fire in ledger.queue() if fire.instant != minute(9)) == minute(3)
    while ledger.prune(minute(99)):
        pass
    assert not [row for row in ledger.history(HistoryQuery()) if row.annulled]


def what_happened_to_holds_is_in_the_history_each_once(ledger: Ledger) -> None:
    pause = HoldChange(
        number=NOON + 5, at=minute(1), act=HoldAct.PLACED, what=held_task("backup"), actor="alice", reason="a 'b'\n", until=minute(9)
    )
    pin = HoldChange(number=NOON + 6, at=minute(1), act=HoldAct.LIFTED, what=Held(HoldScope.ROLLBACK), revision="a" * 40)
    ledger.commit([PutHold(pause), skip(1)])
    ledger.commit([PutHold(pause), PutHold(pin), PutHold(replace(pause, actor="another of that number"))])
    assert list(ledger.holds()) == [pause, pin]
    assert [row.hold for row in ledger.history(HistoryQuery()) if row.hold] == [pin, pause]
    assert [(row.task, row.first, row.decided_at) for row in ledger.history(HistoryQuery()) if row.hold] == [
        ("", None, minute(1)),
        ("backup", None, minute(1)),
    ]
    assert [row.hold for row in ledger.history(HistoryQuery(task="backup"))] == [None, pause]
    assert ledger.history(HistoryQuery(failed=True)) == []
    assert ledger.history(HistoryQuery(since=minute(2))) == []
    assert ledger.prune(minute(2)) > 0
    assert [row.hold for row in ledger.history(HistoryQuery())] == [pause]


def what_is_held_still_is_not_pruned_and_what_is_not_never_comes_back(ledger: Ledger) -> None:
    acts = [
        (1, 1, HoldAct.PLACED, Held(HoldScope.ROLLBACK)),
        (2, 2, HoldAct.PLACED, Held(HoldScope.PIN)),
        (3, 3, HoldAct.LIFTED, Held(HoldScope.PIN)),
        (4, 1, HoldAct.PLACED, held_task("held")),
        (5, 2, HoldAct.PLACED, held_task("held")),
        (6, 9, HoldAct.PLACED, held_task("over")),
        (7, 2, HoldAct.EXPIRED, held_task("over")),
    ]
    ledger.commit([PutHold(HoldChange(number=number, at=minute(at), act=act, what=what)) for number, at, act, what in acts])
    for before, kept in ((2, [2, 3, 5, 6, 7]), (3, [3, 5, 6, 7]), (4, [5, 6, 7]), (10, [5]), (99, [5])):
        while ledger.prune(minute(before)):
            pass
        assert [change.number for change in ledger.holds()] == kept


def the_history_is_cut_by_kind_and_time_and_read_page_by_page(ledger: Ledger) -> None:
    at_once = [admitted(number, admitted_at=minute(30)) for number in range(3, 9)]
    pause = HoldChange(number=1, at=minute(30), act=HoldAct.PLACED, what=held_task("backup"))
    ledger.commit([Admit(admitted(1)), *map(Admit, at_once), PutHold(pause), skip(40), skip(50, of=REPORT)])
    every = ledger.history(HistoryQuery())
    assert len(every) == 10
    assert [row.run is not None for row in ledger.history(HistoryQuery(runs=True))] == [True] * 7
    assert ledger.history(HistoryQuery(until=minute(30), since=minute(30))) == every[2:9]
    for size in (1, 2, 3, 4, 10):
        query, pages = HistoryQuery(limit=size), []
        while query:
            page = ledger.history(query)
            pages += page
            query = following(query, page)
        assert pages == every, size


def the_newest_generation_is_remembered(ledger: Ledger) -> None:
    assert ledger.in_force() is None
    one, two = generation(BACKUP, number=4), generation(BACKUP, REPORT, number=5, applied_at=minute(5))
    ledger.commit([whole(one), PutStart(at=NOON, boot_id="b", last_sign=NOON)])
    assert ledger.in_force() == in_force(one)
    ledger.commit([successor(two, ["report"], [])])
    assert ledger.in_force() == in_force(two)
    ledger.commit([TurnBack(minute(2), Millis(3 * MINUTE))])
    assert ledger.in_force() == replace(in_force(two), applied_at=minute(2))


def what_is_to_be_told_is_kept_in_order_until_it_is_dropped(ledger: Ledger) -> None:
    full = task("backup", env={"PGUSER": "dump ünïcode"}, notify=(Notify(to=NoticeCommand(("mail", "a b")), repeat=False),))
    told = [
        notice("z", Webhook(url="https://x/")),
        notice("a", Ping(secret="hc")),
        notice("m", NoticeCommand(("mail",)), Place(full, TREE)),
    ]
    ledger.commit([PutNotice(told[0]), PutNotice(told[1])])
    ledger.commit([PutNotice(told[2]), PutNotice(replace(told[0], host="another"))])
    assert list(ledger.notices_waiting()) == told
    ledger.commit([DropNotice(told[1].id), DropNotice(NoticeId("unknown"))])
    assert list(ledger.notices_waiting()) == [told[0], told[2]]


def a_task_is_known_to_be_late_until_it_is_not(ledger: Ledger) -> None:
    ledger.commit([PutLate(BACKUP.name, minute(1)), PutLate(REPORT.name, minute(2)), PutLate(BACKUP.name, minute(3))])
    assert ledger.late() == {"backup": minute(3), "report": minute(2)}
    ledger.commit([DropLate(BACKUP.name), DropLate(TaskName("unknown"))])
    assert ledger.late() == {"report": minute(2)}


CONTRACT = (
    what_is_to_be_told_is_kept_in_order_until_it_is_dropped,
    a_task_is_known_to_be_late_until_it_is_not,
    the_history_is_cut_by_kind_and_time_and_read_page_by_page,
    the_newest_generation_is_remembered,
    a_fire_that_waits_comes_back_as_it_was,
    a_fire_that_waits_covers_its_instant_until_it_runs_or_is_skipped,
    what_does_not_wait_cannot_be_taken_out,
    a_span_grows_up_to_what_waits_and_not_over_it,
    what_waits_is_in_the_history_and_never_pruned,
    what_waits_is_taken_back_with_the_jump_that_caused_it,
    what_happened_to_holds_is_in_the_history_each_once,
    what_is_held_still_is_not_pruned_and_what_is_not_never_comes_back,
    what_is_known_of_the_clock_comes_back_as_it_was,
    entries_carry_the_jump_that_caused_them,
    a_span_grows_within_its_jump_alone,
    what_is_annulled_stays_in_the_history_and_covers_nothing,
    other_reasons_than_missed_are_annulled_when_they_reach_into_the_future,
    what_outlasts_a_jump_belongs_to_the_one_around_it,
    what_is_settled_is_like_any_other_entry,
    a_withdrawn_run_of_a_jump_is_gone_annulled_or_not,
    a_mark_goes_back_when_it_is_rewound,
    nothing_lies_later_than_a_clock_that_turned_back,
    a_run_that_keeps_its_entry_is_not_told_to_be_before_its_instant,
    a_run_that_keeps_its_entry_is_not_told_to_be_before_its_instant,
    what_was_annulled_is_pruned_like_the_rest,
    what_is_old_and_over_is_pruned_and_the_records_stay,
    an_admitted_run_comes_back_as_it_was,
    a_task_that_moved_to_another_file_keeps_both_its_definitions,
    a_run_goes_its_way,
    a_run_waits_for_its_next_attempt_and_begins_it,
    an_attempt_that_never_began_is_started_again_under_another_id,
    a_run_that_waits_can_be_over_and_keeps_its_attempts,
    attempts_of_a_run_that_is_not_at_that_point_are_refused,
    attempts_are_told_earlier_when_the_clock_turns_back_and_go_with_their_run,
    the_end_of_a_run_may_tell_its_start,
    an_instant_is_covered_once,
    runs_without_an_instant_cover_nothing,
    a_run_is_admitted_once,
    a_withdrawn_run_leaves_its_instant_free,
    what_happens_to_a_run_that_is_not_open_is_refused,
    instants_missed_in_a_row_share_one_entry,
    a_span_that_cannot_grow_gets_an_entry_of_its_own,
    a_span_does_not_grow_backwards,
    a_batch_is_whole_or_absent,
    a_record_comes_back_as_it_was,
    the_mark_of_a_task_never_goes_back,
    the_history_is_told_newest_first,
    what_was_decided_last_comes_first_whatever_its_instant,
    a_batch_is_done_once_however_often_it_is_given,
    batches_that_contradict_the_ledger_are_refused_whole,
)
