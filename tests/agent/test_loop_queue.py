"""Fires that wait in the agent as a whole: files that cannot be written, pools that a reload changes, and what the log says."""

from tests.agent.desk import Desk, document
from tests.builders import MINUTE, SECOND, task
from torchsync.core.logevents import LogEvent
from torchsync.core.model import CronTiming, Millis, Outcome, Overlap, Task
from torchsync.core.snapshot import PoolStatus, WaitsFor
from torchsync.ports import ConfigRead, ConfigTouched, StartOrder


def minutely(name: str = "job", **changes) -> Task:
    return task(name, timing=CronTiming(schedule="* * * * *", overlap=Overlap.QUEUE), **changes)


def long_runs(order: StartOrder) -> tuple[Millis, int]:
    return Millis(90 * SECOND), 0


def test_what_began_to_wait_without_a_disk_is_neither_lost_nor_doubled_by_agents_that_are_killed() -> None:
    desk = Desk(long_runs)
    desk.git.push(minutely())
    desk.pass_time(MINUTE + SECOND)
    desk.ledger.is_unwritable = desk.store.is_unwritable = True
    for _ in range(6):
        desk.pass_time(25 * SECOND)
        desk.crash()
    assert desk.ledger.queue() == [], "the ledger has had nothing new"
    desk.ledger.is_unwritable = desk.store.is_unwritable = False
    desk.pass_time(5 * MINUTE)
    instants = [process.run.instant for process in desk.machine.processes.values()]
    assert len(instants) == len(set(instants)) >= 4
    assert {run.outcome for run in desk.runs("job")} <= {Outcome.SUCCEEDED, None}
    assert desk.events(LogEvent.INTERNAL_ERROR) == []


def test_the_log_says_when_a_fire_begins_to_wait() -> None:
    desk = Desk(long_runs)
    desk.git.push(minutely())
    desk.pass_time(2 * MINUTE + SECOND)
    assert desk.events(LogEvent.FIRE_QUEUED) == ["1 instant of job waits for a run to end or for room in its pool"]


def test_a_pool_is_as_large_as_agent_yaml_says_from_the_reload_on_and_refused_when_nobody_gives_it_a_size() -> None:
    desk = Desk(lambda order: None)
    pooled = [minutely(name, pool="db") for name in ("a", "b", "c")]
    desk.git.push(*pooled)
    desk.pass_time(MINUTE)
    assert desk.snapshot.generation is None
    assert [problem.code for problem in desk.snapshot.sync.problems] == ["TS312"] * 3
    desk.git.push(*pooled, pools={"db": 1})
    desk.pass_time(2 * MINUTE + 30 * SECOND)
    assert desk.snapshot.pools == {"db": PoolStatus(places=1, runs=1)}
    assert [desk.snapshot.tasks[one.name].waits_for for one in pooled] == [WaitsFor.COPY, WaitsFor.POOL, WaitsFor.POOL]
    desk.shelf.next = ConfigRead({**document(), "pools": {"db": 3}})
    desk.loop.turn([ConfigTouched()])
    desk.pass_time(SECOND)
    assert desk.snapshot.pools == {"db": PoolStatus(places=3, runs=3)}
    desk.crash()
    desk.pass_time(SECOND)
    assert desk.snapshot.pools == {"db": PoolStatus(places=1, runs=3)}, "the size is kept with the tasks, but for that of agent.yaml"
