from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import HOUR, NOON, finished_run, generation, record, run, run_id, task, task_status
from torchsync.core.effects import ToldEnd, ToldStart
from torchsync.core.entries import DropLate, NoticeOp, PutLate, PutNotice
from torchsync.core.herald import Herald
from torchsync.core.model import Instant, Millis, Outcome, TaskName
from torchsync.core.notice import Notice
from torchsync.core.notify import NoticeCommand, NoticeEvent, Notify, Ping, Webhook
from torchsync.core.policy import HostPolicy
from torchsync.core.records import FAILURES

HOOK = Webhook(secret="slack")
POLICY = HostPolicy(agent_user="root", is_root=True, default_user="runner")
ALL = (NoticeEvent.FAILURE, NoticeEvent.SUCCESS, NoticeEvent.RECOVERY, NoticeEvent.LATE)
BACKUP = TaskName("backup")


def told(operations) -> list[Notice]:
    return [operation.notice for operation in operations if isinstance(operation, PutNotice)]


def events(operations) -> list[str]:
    return [notice.event.value for notice in told(operations)]


def herald(failures: int = 0, late: Instant | None = None) -> Herald:
    made = Herald("db-1")
    made.restore({BACKUP: record("backup", consecutive_failures=failures)}, {BACKUP: late} if late else {})
    return made


def end(outcome: Outcome, *entries: Notify, number: int = 1) -> ToldEnd:
    return ToldEnd(finished_run(task("backup", notify=entries), outcome, id=run_id(number)))


@pytest.mark.parametrize(
    ("outcome", "failures", "expected"),
    [
        *(pytest.param(outcome, 0, ["failure"], id=outcome.value) for outcome in sorted(FAILURES, key=lambda outcome: outcome.value)),
        pytest.param(Outcome.FAILED, 3, ["failure"], id="another failure"),
        pytest.param(Outcome.SUCCEEDED, 0, ["success"], id="a success"),
        pytest.param(Outcome.SUCCEEDED, 3, ["recovery", "success"], id="a success after failures"),
        pytest.param(Outcome.STOPPED, 3, [], id="stopped on purpose"),
        pytest.param(Outcome.REPLACED, 0, [], id="replaced on purpose"),
    ],
)
def test_an_outcome_is_told_by_what_was_before_it(outcome: Outcome, failures: int, expected: list[str]) -> None:
    assert events(herald(failures).see([end(outcome, Notify(to=HOOK, on=ALL))])) == expected


def test_only_what_was_asked_for_is_told() -> None:
    assert events(herald(1).see([end(Outcome.SUCCEEDED, Notify(to=HOOK, on=(NoticeEvent.FAILURE,)))])) == []
    assert events(herald(1).see([end(Outcome.SUCCEEDED, Notify(to=HOOK))])) == ["recovery"]
    assert herald().see([end(Outcome.FAILED), ToldStart(run())]) == ()


def test_failures_in_a_row_can_be_told_once() -> None:
    once = herald()
    entry = Notify(to=HOOK, repeat=False)
    outcomes = [Outcome.FAILED, Outcome.FAILED, Outcome.STOPPED, Outcome.LOST, Outcome.SUCCEEDED, Outcome.FAILED]
    seen = [events(once.see([end(outcome, entry, number=number)])) for number, outcome in enumerate(outcomes)]
    assert seen == [["failure"], [], [], [], ["recovery"], ["failure"]]


def test_a_ping_is_told_of_every_start_and_every_end_and_of_nothing_else() -> None:
    entry = Notify(to=Ping(secret="hc"), on=())
    one = herald(1)
    job = task("backup", notify=(entry, Notify(to=HOOK, on=ALL)))
    assert events(one.see([ToldStart(run(job)), ToldStart(run(job, attempt=2))])) == ["start"]
    assert events(one.see([end(Outcome.SUCCEEDED, entry), end(Outcome.FAILED, entry), end(Outcome.STOPPED, entry)])) == [
        "success",
        "failure",
    ]


def test_a_notice_says_what_it_is_about_and_nothing_that_may_be_secret() -> None:
    entry, env = Notify(to=HOOK, on=ALL), {"PASSWORD": "hunter2"}
    job = task("backup", notify=(entry,), env=env, owner="team-db", runbook="https://wiki/x")
    (notice,) = told(herald(2).see([ToldEnd(finished_run(job, Outcome.FAILED, detail="x" * 9999))]))
    assert (notice.task, notice.owner, notice.host, notice.user, notice.failures) == ("backup", "team-db", "db-1", "torchsync-run", 3)
    assert (notice.outcome, notice.exit_status, notice.run) == (Outcome.FAILED, 1, run_id())
    assert len(notice.detail) == 500
    assert notice.place is None
    assert "hunter2" not in repr(notice)


def test_what_a_notice_quotes_stays_on_one_line() -> None:
    ended = finished_run(task("backup", notify=(Notify(to=HOOK),)), Outcome.START_FAILED, detail="no such program: x\nBcc: all\r\x1b[31m")
    assert [notice.detail for notice in told(herald().see([ToldEnd(ended)]))] == ["no such program: x Bcc: all  [31m"]


def test_a_command_knows_where_it_is_to_be_run() -> None:
    (notice,) = told(herald().see([end(Outcome.FAILED, Notify(to=NoticeCommand(("mail",))))]))
    assert notice.place is not None
    assert (notice.place.task.name, notice.place.tree, notice.place.folder) == ("backup", run().tree, run_id())


def test_a_command_finds_the_output_of_the_last_attempt() -> None:
    of = task("backup", notify=(Notify(to=NoticeCommand(("mail",))),))
    over = finished_run(of, Outcome.FAILED, attempt=3, again=1)
    (notice,) = told(herald().see([ToldEnd(over)]))
    assert notice.place is not None
    assert notice.place.folder == f"{over.id}.3.1"


def test_two_receivers_get_notices_with_ids_of_their_own() -> None:
    one = told(herald().see([end(Outcome.FAILED, Notify(to=HOOK), Notify(to=HOOK)), end(Outcome.FAILED, Notify(to=HOOK), number=2)]))
    assert len({notice.id for notice in one}) == 3
    again = told(herald().see([end(Outcome.FAILED, Notify(to=HOOK), Notify(to=HOOK))]))
    assert [notice.id for notice in again] == [notice.id for notice in one[:2]]


# Lateness.

HOURLY = task("backup", schedule="@hourly", notify=(Notify(to=HOOK),))


def look(one: Herald, at: int, success: int = NOON, **changes) -> tuple[NoticeOp, ...]:
    limit = {"max_age": Millis(3 * HOUR)}
    status = task_status(HOURLY, record=record("backup", last_success=Instant(success)), **(limit | changes))
    return one.look({BACKUP: status}, generation(HOURLY), POLICY, Instant(at))


def test_a_task_is_late_once() -> None:
    one = herald()
    assert look(one, NOON + HOUR) == ()
    operations = look(one, NOON + 4 * HOUR)
    assert [type(operation) for operation in operations] == [PutLate, PutNotice]
    (notice,) = told(operations)
    assert (notice.event, notice.since, notice.user, notice.run) == (NoticeEvent.LATE, NOON + 3 * HOUR, "runner", "")
    assert look(one, NOON + 5 * HOUR) == ()


def test_the_first_success_of_a_late_task_is_a_recovery() -> None:
    one = herald()
    look(one, NOON + 4 * HOUR)
    operations = one.see([ToldEnd(finished_run(HOURLY, Outcome.SUCCEEDED))])
    assert operations[0] == DropLate(BACKUP)
    assert events(operations) == ["recovery"]
    assert events(one.see([ToldEnd(finished_run(HOURLY, Outcome.SUCCEEDED))])) == []
    assert events(look(one, NOON + 40 * HOUR, success=NOON + 5 * HOUR)) == ["late"]


def test_a_failure_leaves_a_task_late() -> None:
    one = herald()
    look(one, NOON + 4 * HOUR)
    assert events(one.see([ToldEnd(finished_run(HOURLY, Outcome.FAILED))])) == ["failure"]
    assert look(one, NOON + 5 * HOUR) == ()


def test_a_task_that_is_paused_or_gone_is_late_no_more_and_nobody_is_told() -> None:
    one = herald()
    look(one, NOON + 4 * HOUR)
    assert look(one, NOON + 5 * HOUR, paused=True) == (DropLate(BACKUP),)
    assert events(look(one, NOON + 5 * HOUR)) == ["late"]
    assert one.look({}, generation(), POLICY, Instant(NOON + 6 * HOUR)) == (DropLate(BACKUP),)


def test_an_agent_that_starts_knows_who_was_told_already() -> None:
    assert look(herald(late=Instant(NOON + 3 * HOUR)), NOON + 4 * HOUR) == ()
    assert events(herald(late=NOON).see([ToldEnd(finished_run(HOURLY, Outcome.SUCCEEDED))])) == ["recovery"]


def test_a_late_task_stays_late_while_its_limit_is_not_found_again_after_a_start() -> None:
    one = herald(late=Instant(NOON + 3 * HOUR))
    assert look(one, NOON + 4 * HOUR, max_age=None) == ()
    assert look(one, NOON + 4 * HOUR) == ()
    assert look(one, NOON + 4 * HOUR, max_age=Millis(0)) == (DropLate(BACKUP),)


def test_a_task_that_nobody_wants_to_know_late_is_not_looked_at() -> None:
    quiet = task("backup", schedule="@hourly", notify=(Notify(to=HOOK, on=(NoticeEvent.FAILURE,)), Notify(to=Ping(secret="x"), on=())))
    status = task_status(quiet, record=record("backup", last_success=NOON))
    assert herald().look({BACKUP: status}, generation(quiet), POLICY, Instant(NOON + 100 * HOUR)) == ()


@given(st.lists(st.tuples(st.sampled_from(list(Outcome)), st.booleans()), max_size=40))
def test_every_failure_is_told_once_and_every_recovery_once_whenever_the_agent_is_restarted(steps: list[tuple[Outcome, bool]]) -> None:
    entries = (Notify(to=HOOK, on=ALL), Notify(to=Webhook(secret="other"), on=ALL, repeat=False))
    one, failures, seen = herald(), 0, []
    expected: list[tuple[str, str]] = []
    for number, (outcome, restarts) in enumerate(steps):
        if restarts:
            one = herald(failures)
        if outcome in FAILURES:
            expected += [("slack", "failure"), *([("other", "failure")] if not failures else [])]
            failures += 1
        elif outcome is Outcome.SUCCEEDED:
            expected += [(name, event) for name in ("slack", "other") for event in (["recovery"] if failures else []) + ["success"]]
            failures = 0
        notices = told(one.see([end(outcome, *entries, number=number)]))
        seen += [(notice.to.secret, notice.event.value) for notice in notices if isinstance(notice.to, Webhook)]
    assert seen == expected


def test_a_herald_that_is_silent_finds_nothing_to_tell() -> None:
    made = Herald("db-1", is_silent=True)
    one = task("backup", notify=(Notify(to=HOOK, on=ALL), Notify(to=Ping(url="https://hc-ping.com/x"))))
    assert made.see([ToldStart(run(one)), ToldEnd(finished_run(one, Outcome.FAILED))]) == ()
    late = task_status(one, max_age=Millis(1), record=record("backup", last_success=Instant(NOON - HOUR)))
    assert made.look({BACKUP: late}, generation(one), POLICY, NOON) == ()
