"""How far the history goes back, and what pruning never changes."""

from __future__ import annotations

from tests.agent.desk import Desk, document
from tests.builders import HOUR, MINUTE, SECOND, task
from torchsync.core.entries import HistoryQuery
from torchsync.core.model import Millis, Outcome, Trigger
from torchsync.ports import ConfigRead, ConfigTouched

DAY = 24 * HOUR


def decided(desk: Desk) -> list[int]:
    return sorted(row.decided_at for row in desk.ledger.history(HistoryQuery(limit=1_000)))


def running_for_days(days: int) -> Desk:
    desk = Desk()
    desk.git.push(task("beat", schedule="0 */6 * * *"))
    desk.pass_time(10 * SECOND)
    live(desk, days)
    return desk


def live(desk: Desk, days: int) -> None:
    """The machine sleeps between the instants, which are six hours apart."""
    for _ in range(4 * days):
        desk.sleep(6 * HOUR - 5 * SECOND)
        desk.pass_time(5 * SECOND)


def test_the_history_goes_back_as_far_as_the_configuration_says_from_its_reload_on() -> None:
    desk = running_for_days(12)
    now = desk.clock.now()
    assert now - decided(desk)[0] > 11 * DAY
    desk.shelf.next = ConfigRead(document(retention={"ledger_days": 3, "runs_days": 3, "total_output": 1 << 30}))
    desk.wakeups.post(ConfigTouched())
    desk.pass_time(11 * MINUTE)
    assert 2 * DAY < now - decided(desk)[0] <= 3 * DAY


def test_what_a_task_has_come_to_is_not_changed_by_pruning() -> None:
    desk = running_for_days(12)
    before = desk.snapshot.tasks["beat"].record
    desk.shelf.next = ConfigRead(document(retention={"ledger_days": 1, "runs_days": 1, "total_output": 1 << 30}))
    desk.wakeups.post(ConfigTouched())
    desk.pass_time(11 * MINUTE)
    assert len(decided(desk)) <= 5
    after = desk.snapshot.tasks["beat"].record
    assert (after.runs, after.last_success, after.decided_through, after.first_seen) == (
        before.runs,
        before.last_success,
        before.decided_through,
        before.first_seen,
    )
    assert sum(after.runs.values()) > 40
    desk.crash()
    assert desk.snapshot.tasks["beat"].record.runs == before.runs


def test_a_run_in_flight_is_never_pruned() -> None:
    desk = Desk(lambda order: (Millis(10**12 if order.run.task.name == "long" else 100), 0))
    desk.git.push(task("long", schedule="0 13 23 11 *"), task("beat", schedule="0 */6 * * *"))
    desk.pass_time(HOUR + 5 * SECOND)
    desk.sleep(5 * HOUR)
    desk.shelf.next = ConfigRead(document(retention={"ledger_days": 1, "runs_days": 1, "total_output": 1 << 30}))
    desk.wakeups.post(ConfigTouched())
    live(desk, 4)
    (row,) = desk.ledger.history(HistoryQuery(task="long"))
    assert row.run is not None
    assert (row.run.outcome, row.run.trigger) == (None, Trigger.SCHEDULE)
    assert desk.outcomes("beat")[-1] is Outcome.SUCCEEDED
