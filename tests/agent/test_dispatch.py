"""Notices of a whole agent, over restarts and crashes, with receivers that do as the test says."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.agent.desk import Desk, document
from tests.agent.test_loop import changed, every
from tests.builders import HOUR, MINUTE, NOON, SECOND, task
from tests.fakes import Behaviour
from torchsync.agent.config import config_from_document
from torchsync.core.logevents import LogEvent
from torchsync.core.model import CronTiming, Millis, Outcome
from torchsync.core.notice import Notice
from torchsync.core.notify import NoticeCommand, NoticeEvent, Notify, Ping, Webhook
from torchsync.core.postbox import Fate
from torchsync.core.records import FAILURES
from torchsync.ports import ConfigRead, ConfigTouched

HOOK = Webhook(secret="slack")
ALL = (NoticeEvent.FAILURE, NoticeEvent.SUCCESS, NoticeEvent.RECOVERY)
SECRETS = {name: {"file": f"/{name}", "users": ["torchsync-run"], "notify": True} for name in ("slack", "other")}


def statuses(*codes: int):
    """Runs that exit with these, one after the other, and then with the last one."""
    left = list(codes)
    return lambda order: (Millis(100), left.pop(0) if len(left) > 1 else left[0])


def host(behaviour: Behaviour = lambda order: (Millis(100), 1)) -> Desk:
    desk = Desk(behaviour)
    desk.config = config_from_document(document(policy={"secrets": SECRETS}))
    desk.start()
    return desk


def told(desk: Desk) -> list[str]:
    return desk.receivers.events()


def test_failure_and_recovery_are_told() -> None:
    desk = host(statuses(1, 1, 0, 0, 1))
    desk.git.push(every(10, notify=(Notify(to=HOOK),)))
    desk.pass_time(58 * SECOND)
    assert told(desk) == ["failure", "failure", "recovery", "failure"]
    assert [notice.failures for notice in desk.receivers.told] == [1, 2, 2, 1]
    assert desk.ledger.notices_waiting() == []


def test_a_notice_is_in_the_transaction_that_ends_its_run() -> None:
    desk = host()
    desk.git.push(every(10, notify=(Notify(to=HOOK),)))
    desk.pass_time(15 * SECOND)
    (commit,) = [commit for commit in desk.ledger.commits if any(type(one).__name__ == "PutNotice" for one in commit)]
    assert {"Finish", "PutRecord", "PutNotice"} <= {type(operation).__name__ for operation in commit}


def test_a_ping_follows_every_run() -> None:
    desk = host(statuses(0, 3))
    desk.git.push(every(10, notify=(Notify(to=Ping(secret="slack"), on=()),)))
    desk.pass_time(28 * SECOND)
    assert told(desk) == ["start", "success", "start", "failure"]


def test_a_receiver_that_is_away_gets_everything_when_it_is_back_after_a_restart_too() -> None:
    desk = host()
    desk.receivers.answer = lambda notice: Fate.LATER
    desk.git.push(every(10, notify=(Notify(to=HOOK),)))
    desk.pass_time(35 * SECOND)
    assert told(desk) == []
    assert len(desk.ledger.notices_waiting()) == 3
    desk.receivers.answer = lambda notice: Fate.SENT
    desk.crash()
    desk.pass_time(SECOND)
    runs = [run.id for run in desk.runs("beat")]
    assert [notice.run for notice in desk.receivers.told] == runs[:3]
    desk.crash()
    desk.pass_time(SECOND)
    assert len(desk.receivers.told) == 3
    assert desk.ledger.notices_waiting() == []


def test_what_was_sent_and_not_written_down_is_sent_again_with_the_same_id() -> None:
    desk = host()
    desk.receivers.loses_answers = True
    desk.git.push(every(10, notify=(Notify(to=HOOK),)))
    desk.pass_time(15 * SECOND)
    desk.receivers.loses_answers = False
    desk.crash()
    desk.pass_time(SECOND)
    assert [notice.id for notice in desk.receivers.told] == [desk.receivers.told[0].id] * 2


def test_a_receiver_that_never_answers_delays_no_run_and_no_other_receiver() -> None:
    desk = host(statuses(0))
    desk.receivers.silent = {"webhook slack"}
    notify = (Notify(to=HOOK, on=ALL), Notify(to=Webhook(secret="other"), on=ALL))
    desk.git.push(every(10, notify=notify))
    desk.pass_time(58 * SECOND)
    turns = desk.snapshots
    quiet = Desk(statuses(0))
    quiet.git.push(every(10))
    quiet.pass_time(58 * SECOND)
    assert desk.outcomes("beat") == quiet.outcomes("beat") == [Outcome.SUCCEEDED] * 5
    assert [run.started_at for run in desk.runs("beat")] == [run.started_at for run in quiet.runs("beat")]
    assert len(desk.courier.under_way) == 1
    assert told(desk) == ["success"] * 5
    assert turns - quiet.snapshots <= 5


def test_what_the_host_does_not_grant_is_refused_whole() -> None:
    desk = host()
    desk.git.push(every(10))
    desk.pass_time(SECOND)
    refused = (Notify(to=Webhook(secret="nobody")), Notify(to=Ping(url="https://hc-ping.com/x"), on=()))
    desk.git.push(changed(every(10), notify=refused))
    desk.pass_time(MINUTE)
    assert [(problem.code, problem.message) for problem in desk.snapshot.sync.problems] == [
        ("TS318", "the secret 'nobody' is not granted to user 'torchsync-run' for notices by policy.secrets of this host"),
        ("TS318", "https://hc-ping.com is not among policy.notify_hosts of this host"),
    ]
    assert desk.snapshot.tasks["beat"].task.notify == ()


def test_a_grant_that_is_taken_away_counts_at_once() -> None:
    desk = host()
    desk.git.push(every(10, notify=(Notify(to=HOOK),)))
    desk.pass_time(15 * SECOND)
    assert told(desk) == ["failure"]
    desk.shelf.next = ConfigRead(document())
    desk.loop.turn([ConfigTouched()])
    desk.pass_time(25 * SECOND)
    assert told(desk) == ["failure"]
    lost = desk.events(LogEvent.NOTICES_LOST)
    assert lost[0].startswith("webhook slack will not be told of failure of beat: the secret 'slack' is not granted")
    assert desk.ledger.notices_waiting() == []


def test_a_receiver_in_trouble_is_seen_in_the_status_until_it_answers() -> None:
    desk = host()
    desk.receivers.answer = lambda notice: Fate.LATER
    desk.git.push(every(60, notify=(Notify(to=HOOK),)))
    desk.pass_time(5 * MINUTE)
    assert desk.snapshot.notices == ()
    desk.pass_time(10 * MINUTE)
    (notice,) = desk.snapshot.notices
    assert notice.code == "TS345"
    assert "webhook slack has not answered for" in notice.message
    assert "it says later" in notice.message
    desk.receivers.answer = lambda notice: Fate.SENT
    desk.pass_time(20 * MINUTE)
    assert desk.snapshot.notices == ()
    assert len(desk.receivers.told) >= 30


def test_what_is_refused_is_said_and_not_tried_again() -> None:
    desk = host()
    desk.receivers.answer = lambda notice: Fate.REFUSED
    desk.git.push(every(10, notify=(Notify(to=HOOK),)))
    desk.pass_time(15 * SECOND)
    assert desk.events(LogEvent.NOTICES_LOST) == ["webhook slack will not be told of failure of beat: it says refused"]
    assert len(desk.receivers.attempts) == 1
    assert desk.ledger.notices_waiting() == []


def test_notices_are_sent_while_the_state_cannot_be_written() -> None:
    desk = host()
    desk.git.push(every(10, notify=(Notify(to=HOOK),)))
    desk.pass_time(SECOND)
    desk.ledger.is_unwritable = True
    desk.pass_time(24 * SECOND)
    assert told(desk) == ["failure", "failure"]
    desk.crash()
    desk.ledger.is_unwritable = False
    desk.pass_time(2 * SECOND)
    assert told(desk) == ["failure", "failure"]
    assert desk.ledger.notices_waiting() == []


def test_a_command_keeps_the_tree_of_its_commit() -> None:
    desk = host()
    desk.receivers.silent = {"exec mail"}
    desk.git.push(every(10, notify=(Notify(to=NoticeCommand(("mail",))),)))
    desk.pass_time(15 * SECOND)
    tree = desk.runs("beat")[0].tree
    desk.git.push(every(10, "other"))
    desk.pass_time(MINUTE)
    assert tree in desk.git.trees
    assert desk.courier.loads == [None]


def test_a_task_that_does_not_succeed_in_time_is_late_once_over_restarts() -> None:
    desk = host(lambda order: (Millis(100), 1) if order.run.admitted_at < NOON + 9 * HOUR else (Millis(100), 0))
    notify = (Notify(to=HOOK, on=(NoticeEvent.LATE, NoticeEvent.RECOVERY)),)
    desk.git.push(task("hourly", timing=CronTiming(schedule="@hourly"), notify=notify))
    for _ in range(8):
        desk.pass_time(HOUR)
        desk.crash()
    assert told(desk) == ["late"]
    desk.pass_time(3 * HOUR)
    assert told(desk) == ["late", "recovery"]


OUTCOMES = st.lists(st.sampled_from([0, 0, 1]), min_size=1, max_size=12)
CRASHES = st.lists(
    st.tuples(st.integers(1, 9_000), st.sampled_from(["crash", "away", "back", "deaf", "hearing", "full", "room"])), max_size=10
)


@settings(max_examples=25, deadline=None)
@given(OUTCOMES, CRASHES)
def test_every_failure_and_every_recovery_reaches_its_receiver_whatever_happens_to_the_agent(
    codes: list[int], steps: list[tuple[int, str]]
) -> None:
    desk = host(lambda order: (Millis(3_000), codes[int(order.run.admitted_at // 10_000) % len(codes)]))
    desk.git.push(every(10, notify=(Notify(to=HOOK, on=ALL),)))
    away = False
    desk.receivers.answer = lambda notice: Fate.LATER if away else Fate.SENT
    for length, what in steps:
        desk.pass_time(length)
        match what:
            case "crash":
                desk.crash()
            case "away" | "back":
                away = what == "away"
            case "deaf" | "hearing":
                desk.receivers.loses_answers = what == "deaf"
            case _:
                desk.ledger.is_unwritable = what == "full"
    away = desk.receivers.loses_answers = desk.ledger.is_unwritable = False
    desk.crash()
    desk.pass_time(2 * SECOND)
    desk.loop.turn(desk.wakeups.wait(Millis(0)))  # the answer to what was sent in the last moment
    ids = [notice.id for notice in desk.receivers.told]
    once = [notice for place, notice in enumerate(desk.receivers.told) if notice.id not in ids[:place]]
    assert [(notice.run, notice.event) for notice in sorted(once, key=order)] == expected(desk)
    assert desk.ledger.notices_waiting() == []


def order(notice: Notice) -> tuple[str, int]:
    return notice.run, ALL.index(notice.event) if notice.event is not NoticeEvent.RECOVERY else 0


def expected(desk: Desk) -> list[tuple[str, NoticeEvent]]:
    events: list[tuple[str, NoticeEvent]] = []
    failures = 0
    for run in desk.runs("beat"):
        if run.outcome in FAILURES:
            failures += 1
            events.append((run.id, NoticeEvent.FAILURE))
        elif run.outcome is Outcome.SUCCEEDED:
            events += [(run.id, NoticeEvent.RECOVERY)] if failures else []
            events.append((run.id, NoticeEvent.SUCCESS))
            failures = 0
    return events
