"""Runs that are tried again in the agent as a whole: files that cannot be written, trees, and what the log says."""

from tests.agent.desk import Desk
from tests.builders import HOUR, MINUTE, SECOND, task
from torchsync.core.control import StopRuns
from torchsync.core.logevents import LogEvent
from torchsync.core.model import CronTiming, Millis, Outcome, Retry, RunState, Task
from torchsync.ports import RepositoryTouched, StartOrder


def hourly(**changes) -> Task:
    return task("job", timing=CronTiming(schedule="@hourly", retry=Retry(attempts=3, delay=Millis(20 * SECOND), backoff=1)), **changes)


def failing(order: StartOrder) -> tuple[Millis, int]:
    return Millis(2 * SECOND), 1


def waiting(desk: Desk) -> None:
    """The first attempt of a run has failed."""
    desk.git.push(hourly())
    desk.pass_time(HOUR + 3 * SECOND)
    (run,) = desk.snapshot.runs.values()
    assert run.state is RunState.WAITING


def test_attempts_of_the_time_without_a_disk_are_neither_lost_nor_doubled_by_agents_that_are_killed() -> None:
    desk = Desk(failing)
    waiting(desk)
    desk.ledger.is_unwritable = desk.store.is_unwritable = True
    for _ in range(4):
        desk.pass_time(13 * SECOND)
        desk.crash()
    assert desk.runs("job")[0].attempt == 2, "the ledger has had nothing new"
    desk.ledger.is_unwritable = desk.store.is_unwritable = False
    desk.pass_time(2 * MINUTE)
    (run,) = desk.runs("job")
    assert (run.outcome, run.attempt, [one.number for one in run.earlier]) == (Outcome.FAILED, 3, [1, 2])
    assert [process.run.attempt for process in desk.machine.processes.values()] == [1, 2, 3]
    assert desk.events(LogEvent.INTERNAL_ERROR) == []


def test_an_attempt_is_not_forgotten_for_one_that_began_while_nothing_could_be_written_at_all() -> None:
    """What waits to be forgotten until its end is on a disk is the attempt that is over, and not the one under way."""
    desk = Desk(lambda order: (Millis(2 * SECOND), 1) if order.run.attempt == 1 else None)
    desk.git.push(hourly())
    desk.pass_time(HOUR + SECOND)
    desk.ledger.is_unwritable = desk.spool.is_unwritable = True
    desk.pass_time(30 * SECOND)
    desk.ledger.is_unwritable = desk.spool.is_unwritable = False
    desk.pass_time(5 * SECOND)
    (run,) = desk.snapshot.runs.values()
    desk.executor.finish(run.attempt_id, 0)
    desk.pass_time(SECOND)
    assert (desk.outcomes("job"), desk.runs("job")[0].attempt) == ([Outcome.SUCCEEDED], 2)


def test_the_tree_of_a_run_that_waits_stays() -> None:
    desk = Desk(failing)
    waiting(desk)
    (run,) = desk.snapshot.runs.values()
    desk.git.push(hourly(env={"NEW": "1"}, fingerprint="f" * 64))
    desk.wakeups.post(RepositoryTouched())
    desk.pass_time(5 * SECOND)
    assert desk.snapshot.generation.tree != run.tree
    assert run.tree in desk.git.trees
    desk.pass_time(20 * SECOND)
    assert [order.tree for order in desk.executor.orders] == [f"/state/worktrees/{run.tree}"] * 2


def test_a_run_that_waits_can_be_stopped_by_its_task() -> None:
    desk = Desk(failing)
    waiting(desk)
    answer = desk.ask(StopRuns(target="job", actor="alice"))
    assert len(answer.document["runs"]) == 1
    desk.pass_time(MINUTE)
    assert desk.outcomes("job") == [Outcome.STOPPED]
    assert len(desk.executor.orders) == 1


def test_the_log_tells_every_attempt() -> None:
    desk = Desk(failing)
    waiting(desk)
    desk.pass_time(2 * MINUTE)
    assert desk.events(LogEvent.RUN_STARTED) == [
        "job began for its instant 2026-11-23T13:00:00Z",
        "job began, attempt 2 of 3, for its instant 2026-11-23T13:00:00Z",
        "job began, attempt 3 of 3, for its instant 2026-11-23T13:00:00Z",
    ]
    assert desk.events(LogEvent.RUN_RETRIED) == [
        f"attempt {number} of 3 of job failed with exit status 1 after 2s; the next comes in 20s" for number in (1, 2)
    ]
    (run,) = desk.runs("job")
    assert desk.events(LogEvent.RUN_FAILED) == [
        f"job failed with exit status 1 after 2s; the last of 3 attempts; `torchsync logs {run.id}` shows what it wrote"
    ]


def test_what_each_attempt_wrote_is_passed_on_once() -> None:
    desk = Desk(failing)
    waiting(desk)
    desk.pass_time(2 * MINUTE)
    assert [(ended.over.number, ended.is_failure) for ended in desk.passed_on] == [(1, True), (2, True), (3, True)]
