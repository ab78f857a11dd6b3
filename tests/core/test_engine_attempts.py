"""Runs that are tried again: when, how often, what ends them, and what a crash, a reboot or a step of the clock does to them."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import HOUR, MINUTE, NOON, SECOND, task
from tests.core.world import Killed, World
from torchsync.core.effects import Start
from torchsync.core.entries import AwaitAttempt, BeginAttempt
from torchsync.core.holds import EVERY_TASK, HOST, Held, Hold, lifted, placed
from torchsync.core.model import Conduct, CronTiming, Fingerprint, Instant, Millis, Outcome, Retry, Run, RunState, StopCause, Task, TaskName

THRICE = Retry(attempts=3, delay=Millis(10 * SECOND), backoff=2, max_delay=Millis(15 * SECOND))
POINTS = ("before the transaction", "after the transaction", "before a start", "after a start")


def hourly(name: str = "a", retry: Retry | None = THRICE, **changes) -> Task:
    timeout = Millis(changes.pop("timeout", 0))
    return task(name, timing=CronTiming(schedule="@hourly", retry=retry, timeout=timeout), **changes)


def failing(statuses: dict[int, int], length: int = 1_000):
    """Attempts exit with these statuses, and with 0 where none is named."""
    return lambda run: (length, statuses.get(run.attempt, 0))


def begun(world: World, statuses: dict[int, int], of: Task | None = None, length: int = 1_000) -> Run:
    """A run of a task that fires once in an hour; its first attempt is over if it takes no longer than a second, and else has begun."""
    world.behaviour = failing(statuses, length)
    world.swap(of or hourly())
    world.pass_time(HOUR + (length if length <= 1_000 else 0))
    return only(world)


def only(world: World) -> Run:
    (run,) = world.book.runs.values()
    return run


def starts(world: World) -> list[tuple[int, int]]:
    """Number and monotonic time of every attempt."""
    return [(one.run.attempt, one.started_at) for one in world.processes.values()]


def test_a_run_that_fails_is_tried_again_after_a_delay_that_grows_up_to_its_limit() -> None:
    world = World()
    begun(world, {1: 1, 2: 2, 3: 3})
    world.pass_time(10 * MINUTE)
    (_, first), (_, second), (_, third) = starts(world)
    assert [second - first, third - second] == [11 * SECOND, 16 * SECOND]
    run = only(world)
    assert (run.outcome, run.exit_status, run.attempt) == (Outcome.FAILED, 3, 3)
    assert [(one.number, one.outcome, one.exit_status) for one in run.earlier] == [(1, Outcome.FAILED, 1), (2, Outcome.FAILED, 2)]


def test_the_last_attempt_decides_and_a_run_counts_once() -> None:
    world = World()
    begun(world, {1: 1, 2: 1})
    world.pass_time(10 * MINUTE)
    record = world.book.records[TaskName("a")]
    assert (only(world).outcome, dict(record.runs), record.consecutive_failures) == (Outcome.SUCCEEDED, {Outcome.SUCCEEDED: 1}, 0)
    assert record.retries == 2


def test_success_is_not_tried_again_and_nothing_is_without_retry() -> None:
    for of, status in ((hourly(), 0), (hourly(retry=None), 1), (hourly(retry=Retry(attempts=1)), 1)):
        world = World()
        begun(world, {1: status}, of)
        world.pass_time(10 * MINUTE)
        assert len(starts(world)) == 1
        assert only(world).outcome is not None


def test_an_attempt_has_the_definition_the_commit_and_the_instant_of_its_run() -> None:
    world = World()
    first = begun(world, {1: 1})
    world.swap(hourly(fingerprint=Fingerprint("f" * 64), env={"NEW": "1"}))
    world.pass_time(MINUTE)
    second = list(world.processes.values())[1].run
    assert (second.id, second.task, second.revision, second.instant) == (first.id, first.task, first.revision, first.instant)
    assert (second.attempt_id, second.attempt) == (f"{first.id}.2", 2)


def test_the_timeout_is_per_attempt_and_what_timed_out_is_tried_again() -> None:
    world = World()
    begun(world, {}, hourly(timeout=30 * SECOND), length=10 * MINUTE)
    world.pass_time(10 * MINUTE)
    assert [process.killed_by for process in world.processes.values()] == [["TERM"]] * 3
    assert [process.ended_at - process.started_at for process in world.processes.values()] == [30 * SECOND] * 3
    assert [one.outcome for one in only(world).earlier] == [Outcome.TIMED_OUT] * 2
    assert only(world).outcome is Outcome.TIMED_OUT


def test_a_timer_of_an_attempt_does_nothing_to_the_next() -> None:
    """The first attempt fails long before its timeout, and the second is still there when that would have run out."""
    world = World(lambda run: (1_000 if run.attempt == 1 else 29 * SECOND, 1 if run.attempt == 1 else 0))
    world.swap(hourly(timeout=30 * SECOND))
    world.pass_time(HOUR + 5 * MINUTE)
    assert [process.killed_by for process in world.processes.values()] == [[], []]
    assert only(world).outcome is Outcome.SUCCEEDED


def test_a_run_that_waits_is_a_copy_of_its_task_and_tells_when_it_goes_on() -> None:
    world = World(failing({1: 1}))
    world.swap(task("a", timing=CronTiming(schedule="@every 5s", retry=replace(THRICE, delay=Millis(12_000)))))
    world.pass_time(7 * SECOND)
    (run,) = world.engine.runs.values()
    assert run.state is RunState.WAITING
    assert world.status("a").next_attempt == world.now + 11 * SECOND
    world.pass_time(6 * SECOND)
    assert len(starts(world)) == 1
    assert [reason.value for reason, _ in world.book.skips("a")] == ["overlap"]


def test_a_stop_ends_a_run_that_waits_on_the_spot() -> None:
    world = World()
    run = begun(world, {1: 1})
    assert world.engine.stop(run.id, Instant(world.now), Millis(world.mono)) == [run.id]
    world.pass_time(10 * MINUTE)
    assert (only(world).outcome, only(world).stop_cause, only(world).wait) == (Outcome.STOPPED, StopCause.OPERATOR, None)
    assert only(world).detail == "stopped by an operator, before attempt 2"
    assert len(starts(world)) == 1
    assert world.book.records[TaskName("a")].consecutive_failures == 0


def test_a_stopped_attempt_is_not_tried_again() -> None:
    world = World()
    run = begun(world, {1: 1}, length=10 * MINUTE)
    world.engine.stop(run.id, Instant(world.now), Millis(world.mono))
    world.pass_time(10 * MINUTE)
    assert (only(world).outcome, len(starts(world))) == (Outcome.STOPPED, 1)


@pytest.mark.parametrize("what", [EVERY_TASK, HOST], ids=["pause", "drain"])
def test_a_pending_attempt_waits_for_the_end_of_a_pause_or_a_drain_and_then_comes_at_once(what: Held) -> None:
    world = World()
    begun(world, {1: 1})
    world.hold(lambda holds: placed(holds, what, Hold(actor="alice", since=Instant(NOON))))
    world.pass_time(5 * MINUTE)
    assert len(starts(world)) == 1
    assert only(world).outcome is None
    world.hold(lambda holds: lifted(holds, what, actor="alice", now=Instant(world.now)))
    world.pass_time(2_000)
    assert only(world).outcome is Outcome.SUCCEEDED


def test_a_removed_or_changed_task_goes_on_with_its_attempts_unless_it_says_otherwise() -> None:
    for is_removed in (True, False):
        for conduct, outcome in ((None, Outcome.SUCCEEDED), (Conduct.STOP, Outcome.STOPPED)):
            world = World()
            begun(world, {1: 1}, hourly(on_change=conduct, on_remove=conduct))
            world.swap(*([] if is_removed else [hourly(fingerprint=Fingerprint("f" * 64))]))
            world.pass_time(MINUTE)
            assert only(world).outcome is outcome


def test_a_wait_goes_on_over_a_crash_on_the_monotonic_clock() -> None:
    world = World()
    begun(world, {1: 1})
    world.pass_time(4 * SECOND)
    world.step(-HOUR)
    world.crash()
    world.pass_time(5_999)
    assert len(starts(world)) == 1
    world.pass_time(2)
    assert len(starts(world)) == 2


def test_a_step_of_the_wall_clock_moves_what_is_told_of_a_wait_and_not_the_wait() -> None:
    world = World()
    begun(world, {1: 1})
    for by in (-HOUR, 10 * MINUTE):
        world.step(by)
        world.turn()
        assert world.status("a").next_attempt == world.now + 10 * SECOND
    world.pass_time(10 * SECOND - 1)
    assert len(starts(world)) == 1
    world.pass_time(2)
    assert len(starts(world)) == 2


def test_a_wait_that_was_over_while_no_agent_lived_ends_at_once() -> None:
    world = World()
    begun(world, {1: 1})
    world.sleep(HOUR)
    world.crash()
    assert len(starts(world)) == 2


@pytest.mark.parametrize(("by", "waited"), [(4 * SECOND, 5 * SECOND), (-HOUR, 9 * SECOND), (HOUR, 0)])
def test_a_wait_goes_on_over_a_reboot_and_is_never_longer_than_the_delay(by: int, waited: int) -> None:
    world = World()
    run = begun(world, {1: 1})
    world.pass_time(SECOND)
    world.reboot(world.now + by)
    began = world.mono
    world.pass_time(MINUTE)
    at = [at for number, at in starts(world) if number == 2]
    assert at == [began + min(waited + (SECOND if by < 0 else 0), 10 * SECOND)]
    assert only(world).id == run.id


def test_an_attempt_under_way_at_a_reboot_is_lost_and_the_run_with_it() -> None:
    world = World()
    begun(world, {1: 1}, length=30 * SECOND)
    world.reboot(world.now + MINUTE)
    world.pass_time(10 * MINUTE)
    assert (only(world).outcome, len(starts(world))) == (Outcome.LOST, 1)


def test_an_attempt_that_never_began_is_started_again_and_is_not_counted() -> None:
    world = World()
    run = begun(world, {1: 1, 2: 1, 3: 1})
    world.dies_at = "before a start"
    with pytest.raises(Killed):
        world.pass_time(MINUTE)
    world.crash()
    world.pass_time(10 * MINUTE)
    assert [one.run.attempt_id for one in world.processes.values()] == [run.id, f"{run.id}.2.1", f"{run.id}.3"]
    assert (only(world).outcome, only(world).attempt) == (Outcome.FAILED, 3)


def over(world: World, attempt: int, *, leftovers: bool) -> None:
    """The command of the attempt is over, maybe with processes that live on."""
    (process,) = (process for process in world.processes.values() if process.run.attempt == attempt)
    process.ended_at, process.status = world.mono, 1
    now, mono = Instant(world.now), Millis(world.mono)
    world.engine.saw_end(process.run.attempt_id, world._ending(process), now, mono, leftovers=leftovers)
    world.turn()


def test_what_a_failed_attempt_leaves_behind_does_not_hold_up_the_next() -> None:
    world = World()
    begun(world, {}, length=10 * MINUTE)
    over(world, 1, leftovers=True)
    assert only(world).earlier[0].detail == "processes it started live on"
    world.pass_time(11 * SECOND)
    assert len(world.alive("a")) == 1
    over(world, 1, leftovers=False)
    assert only(world).outcome is None


def test_what_an_attempt_that_timed_out_leaves_behind_is_killed_before_the_next() -> None:
    world = World()
    begun(world, {}, hourly(timeout=30 * SECOND), length=10 * MINUTE)
    next(iter(world.processes.values())).obeys = ()
    world.pass_time(31 * SECOND)
    over(world, 1, leftovers=True)
    world.pass_time(5 * SECOND)
    assert (only(world).earlier, len(starts(world))) == ((), 1)
    world.pass_time(5 * SECOND)
    (first,) = only(world).earlier
    assert (first.outcome, first.exit_status) == (Outcome.TIMED_OUT, 1)
    world.pass_time(10 * SECOND)
    assert len(world.alive("a")) == 1


def test_what_is_told_of_an_attempt_that_is_over_is_passed_over() -> None:
    world = World(lambda run: (1_000 if run.attempt == 1 else 10 * MINUTE, 1))
    world.swap(hourly())
    world.pass_time(HOUR + MINUTE)
    first = next(iter(world.processes.values()))
    world._report(first)
    world.turn()
    assert (only(world).outcome, len(world.alive("a"))) == (None, 1)


def test_an_attempt_is_durable_before_it_is_started() -> None:
    world = World()
    begun(world, {1: 1, 2: 1})
    world.pass_time(MINUTE)
    for turn in world.turns:
        for start in (effect for effect in turn.effects if isinstance(effect, Start) and effect.run.attempt > 1):
            assert BeginAttempt(start.run.id, world.boot) in turn.operations
    assert sum(isinstance(one, AwaitAttempt) for turn in world.turns for one in turn.operations) == 2


events = st.one_of(
    st.tuples(st.just("pass"), st.integers(1, 25_000)),
    st.tuples(st.just("sleep"), st.integers(1, 60_000)),
    st.tuples(st.just("crash"), st.sampled_from(POINTS)),
    st.tuples(st.just("reboot"), st.integers(-30_000, 60_000)),
    st.tuples(st.just("step"), st.integers(-120_000, 120_000)),
    st.tuples(st.just("stop"), st.just(0)),
    st.tuples(st.just("hold"), st.sampled_from([EVERY_TASK, HOST])),
    st.tuples(st.just("lift"), st.sampled_from([EVERY_TASK, HOST])),
    st.tuples(st.just("swap"), st.sampled_from([None, Conduct.STOP, Conduct.FINISH])),
)


def shaken(world: World, history: list[tuple[str, object]]) -> None:
    """Plays the history; wherever the agent dies, another one takes over."""
    for number, (action, value) in enumerate(history):
        try:
            _play(world, action, value, number)
        except Killed:
            world.crash()
    world.dies_at = ""
    for what in (EVERY_TASK, HOST):
        if world.holds.get(what):
            world.hold(lambda holds, what=what: lifted(holds, what, actor="alice", now=Instant(world.now)))


def _play(world: World, action: str, value: object, number: int) -> None:
    match action, value:
        case "pass", int(length):
            world.pass_time(length)
        case "sleep", int(length):
            world.sleep(length)
        case "crash", str(point):
            world.dies_at = point
            world.pass_time(11_000)
        case "reboot", int(by):
            world.dies_at = ""
            world.reboot(world.now + by)
        case "step", int(by):
            world.step(by)
        case "stop", _:
            world.engine.stop("a", Instant(world.now), Millis(world.mono))
            world.turn()
        case "hold", what:
            world.hold(lambda holds: placed(holds, what, Hold(actor="alice", since=Instant(world.now))))
        case "lift", what if world.holds.get(what):
            world.hold(lambda holds: lifted(holds, what, actor="alice", now=Instant(world.now)))
        case "swap", conduct:
            world.swap(every_twenty(on_change=conduct, fingerprint=Fingerprint(f"{number:064x}")))


def every_twenty(**changes) -> Task:
    retry = Retry(attempts=3, delay=Millis(5_000), backoff=2, max_delay=Millis(8_000))
    return task("a", timing=CronTiming(schedule="@every 20s", retry=retry, timeout=Millis(4_000)), max_running=2, **changes)


@settings(max_examples=300, deadline=None)
@given(st.lists(events, min_size=1, max_size=14), st.sampled_from([500, 3_000, 6_000]), st.integers(0, 1))
def test_never_two_attempts_at_once_nor_one_too_many_whatever_is_killed_when(history: list, length: int, status: int) -> None:
    """The world itself refuses a second start of one attempt, and an attempt beside another of its run."""
    world = World(lambda run: (length, status if run.attempt < 3 else 0))
    world.swap(every_twenty())
    shaken(world, history)
    world.pass_time(2 * MINUTE)
    started = Counter((process.run.id, process.run.attempt) for process in world.processes.values())
    assert set(started.values()) <= {1}
    for run in world.book.runs.values():
        numbers = sorted(number for run_id, number in started if run_id == run.id)
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) <= 3
        assert [one.number for one in run.earlier] == list(range(1, len(run.earlier) + 1))
        assert all(one.outcome in (Outcome.FAILED, Outcome.TIMED_OUT) for one in run.earlier)
    counted = sum(world.book.records[TaskName("a")].runs.values())
    assert counted == sum(run.outcome is not None for run in world.book.runs.values())


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.just("crash"), st.sampled_from(POINTS)), min_size=1, max_size=8))
def test_a_failing_run_has_all_its_attempts_however_often_the_agent_is_killed(history: list) -> None:
    world = World(lambda _: (1_000, 1))
    world.swap(hourly())
    world.pass_time(HOUR)
    shaken(world, history)
    world.pass_time(5 * MINUTE)
    run = only(world)
    assert (run.outcome, run.attempt, len(run.earlier)) == (Outcome.FAILED, 3, 2)
    assert [process.run.attempt for process in world.processes.values()] == [1, 2, 3]
