"""What a change or a removal does to running copies, and how daemons are scaled, stopped and started again."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import HOUR, MINUTE, NOON, SECOND, daemon, task
from tests.core.world import Killed, World
from torchsync.core.holds import EVERY_TASK, HOST, Hold, held_task, lifted, placed
from torchsync.core.model import (
    Conduct,
    CronTiming,
    DaemonTiming,
    Fingerprint,
    Instant,
    Millis,
    Outcome,
    RunState,
    StopCause,
    Task,
    TaskName,
)

FINISH, STOP = Conduct.FINISH, Conduct.STOP
LOOP = DaemonTiming(delay=Millis(SECOND), backoff=2, max_delay=Millis(16 * SECOND), reset_after=Millis(MINUTE))


def other(one: Task, mark: str = "f", **changes) -> Task:
    return replace(one, fingerprint=Fingerprint(mark * 64), **changes)


def scaled(copies: int, **changes) -> Task:
    return daemon("a", max_running=copies, fingerprint=Fingerprint(f"{copies:064x}"), copy_print="d" * 64, **changes)


def cron(**changes) -> Task:
    return task("a", timing=CronTiming(schedule="@hourly"), **changes)


def lasting(*tasks: Task, status: int = 0) -> World:
    """Whatever runs does so until it is stopped."""
    world = World(lambda _: (None, status))
    world.swap(*tasks)
    return world


def ids(world: World) -> list[str]:
    return [process.run.id for process in world.alive("a")]


def stop(world: World, target: str = "a") -> None:
    world.engine.stop(target, Instant(world.now), Millis(world.mono))
    world.turn()


# Changes and removals.


@pytest.mark.parametrize("conduct", [None, FINISH, STOP])
@pytest.mark.parametrize("way", ["changed", "removed", "disabled"])
@pytest.mark.parametrize("kind", [cron, lambda **changes: daemon("a", **changes)], ids=["cron", "daemon"])
def test_a_running_copy_fares_by_its_own_rule(kind, way: str, conduct: Conduct | None) -> None:
    one = kind(**{"on_change" if way == "changed" else "on_remove": conduct})
    world = lasting(one)
    world.pass_time(HOUR)
    (copy,) = world.alive("a")
    world.swap(*{"changed": [other(one)], "removed": [], "disabled": [other(one, enabled=False)]}[way])
    world.pass_time(MINUTE)
    is_ended = (conduct or (STOP if one.is_daemon else FINISH)) is STOP
    assert copy.killed_by == (["TERM"] if is_ended else [])
    cause = {"changed": StopCause.CHANGED, "removed": StopCause.REMOVED, "disabled": StopCause.CHANGED}[way]
    assert world.book.runs[copy.run.id].stop_cause is (cause if is_ended else None)


def test_it_is_the_rule_that_the_copy_was_started_with_that_counts() -> None:
    one = cron(on_change=FINISH)
    world = lasting(one)
    world.pass_time(HOUR)
    for mark in "ef":
        world.swap(other(one, mark, on_change=STOP))
    world.turn()
    assert len(world.alive("a")) == 1


def test_a_daemon_that_finishes_keeps_its_commit_and_starts_anew_with_the_new_definition() -> None:
    one = daemon("a", on_change=FINISH)
    world = World(lambda run: (2 * MINUTE if run.task == one else None, 0))
    world.swap(one)
    world.pass_time(MINUTE)
    new = other(one, env={"NEW": "1"})
    world.swap(new)
    world.pass_time(59 * SECOND)
    assert [process.run.task for process in world.alive("a")] == [one]
    world.pass_time(3 * SECOND)
    assert [process.run.task for process in world.alive("a")] == [new]
    assert world.book.outcomes("a") == [Outcome.SUCCEEDED]


def test_a_copy_that_ignores_the_signal_is_killed_and_the_new_one_waits_for_it() -> None:
    world = lasting(daemon("a"))
    world.turn()
    (copy,) = world.alive("a")
    copy.obeys = ("KILL",)
    world.swap(other(daemon("a")))
    world.pass_time(9 * SECOND)
    assert len(world.alive("a")) == 1
    world.pass_time(2 * SECOND)
    assert copy.killed_by == ["TERM", "KILL"]
    assert [process.run.task.fingerprint for process in world.alive("a")] == ["f" * 64]


@pytest.mark.parametrize("point", ["before the transaction", "after the transaction"])
@pytest.mark.parametrize("way", ["changed", "removed", "disabled"])
@pytest.mark.parametrize("one", [cron(on_change=STOP, on_remove=STOP), daemon("a")], ids=["cron", "daemon"])
def test_what_a_swap_was_to_stop_is_stopped_after_a_crash_in_between(one: Task, way: str, point: str) -> None:
    world = lasting(one)
    world.pass_time(HOUR)
    (copy,) = world.alive("a")
    world.dies_at = point
    with pytest.raises(Killed):
        world.swap(*{"changed": [other(one)], "removed": [], "disabled": [other(one, enabled=False)]}[way])
    world.crash()
    world.pass_time(MINUTE)
    assert copy.killed_by == ["TERM"]
    assert len(world.alive("a")) == (one.is_daemon and way == "changed")


# Scaling.


def test_copies_that_stay_are_not_touched_when_a_daemon_is_scaled_up_and_down() -> None:
    world = lasting(scaled(2))
    world.turn()
    first = ids(world)
    world.swap(scaled(4))
    world.pass_time(MINUTE)
    assert ids(world)[:2] == first
    assert sorted(process.run.copy for process in world.alive("a")) == [1, 2, 3, 4]
    world.swap(scaled(1))
    world.pass_time(MINUTE)
    assert ids(world) == first[:1]


def test_a_scaled_daemon_is_not_stopped_after_a_crash_though_its_copies_are_of_the_definition_before() -> None:
    world = lasting(scaled(2))
    world.turn()
    world.swap(scaled(3))
    before = ids(world)
    world.crash()
    world.pass_time(MINUTE)
    assert ids(world) == before


def test_a_daemon_of_which_something_else_changed_too_is_started_anew() -> None:
    world = lasting(scaled(2))
    world.turn()
    before = ids(world)
    world.swap(replace(scaled(3), copy_print="e" * 64))
    world.pass_time(MINUTE)
    assert not set(ids(world)) & set(before)
    assert len(ids(world)) == 3


def test_a_copy_that_rests_goes_on_to_rest_when_its_daemon_is_scaled() -> None:
    world = World(lambda run: (100 if run.copy == 1 else None, 1))
    loop = replace(LOOP, delay=Millis(10 * SECOND))
    world.swap(scaled(1, timing=loop))
    world.pass_time(SECOND)
    world.swap(scaled(2, timing=loop))
    world.pass_time(5 * SECOND)
    assert [process.run.copy for process in world.processes.values()] == [1, 2]
    world.pass_time(5 * SECOND)
    assert [process.run.copy for process in world.processes.values()] == [1, 2, 1]


# Restarts.


def starts(world: World) -> list[int]:
    return [process.started_at for process in world.processes.values()]


def test_a_crash_of_the_agent_changes_nothing_about_when_a_daemon_in_a_loop_of_crashes_starts_again() -> None:
    def story(*, is_shaken: bool) -> list[int]:
        world = World(lambda _: (100, 1))
        world.swap(daemon("a", timing=LOOP))
        for _ in range(40):
            world.pass_time(2_500)
            if is_shaken:
                world.crash()
        return starts(world)

    assert story(is_shaken=True) == story(is_shaken=False)
    assert len(story(is_shaken=True)) < 12


def test_a_reboot_is_a_new_start() -> None:
    world = World(lambda _: (100, 1))
    world.swap(daemon("a", timing=LOOP))
    world.pass_time(30 * SECOND)
    world.reboot(world.now + MINUTE)
    world.pass_time(1_500)
    assert starts(world)[-2:] == [10_000, 10_000 + 1_100]


def test_a_daemon_that_an_operator_stopped_starts_again_after_its_first_delay() -> None:
    world = lasting(daemon("a", timing=LOOP))
    for _ in range(4):
        world.pass_time(5 * SECOND)
        stop(world)
        assert world.alive("a") == []
        world.pass_time(SECOND)
        assert len(world.alive("a")) == 1
    assert set(world.book.outcomes("a")) == {Outcome.STOPPED}
    assert world.book.records[TaskName("a")].restarts == 4


def test_a_pause_keeps_a_stopped_daemon_down() -> None:
    world = lasting(daemon("a"))
    world.turn()
    world.hold(lambda holds: placed(holds, held_task("a"), Hold(actor="alice", since=NOON)))
    assert len(world.alive("a")) == 1
    stop(world)
    world.pass_time(HOUR)
    assert world.alive("a") == []
    world.hold(lambda holds: lifted(holds, held_task("a"), actor="alice", now=Instant(world.now)))
    assert len(world.alive("a")) == 1


def test_the_delay_is_the_first_again_once_a_copy_has_lived_long_enough() -> None:
    lengths = iter([100, 100, 100, 2 * MINUTE, 100])
    world = World(lambda _: (next(lengths, None), 1))
    world.swap(daemon("a", timing=LOOP))
    world.pass_time(5 * MINUTE)
    ends = [process.ended_at for process in world.processes.values()]
    assert [at - end for at, end in zip(starts(world)[1:], ends, strict=False) if end] == [SECOND, 2 * SECOND, 4 * SECOND, SECOND, SECOND]


def test_a_daemon_that_comes_back_while_its_copy_is_being_ended_starts_as_a_new_one() -> None:
    world = World(lambda _: (None, 0))
    world.swap(daemon("a"))
    world.pass_time(SECOND)
    (copy,) = world.alive("a")
    copy.obeys = ("KILL",)
    world.swap()
    world.pass_time(SECOND)
    world.swap(daemon("a"))
    assert world.alive("a") == [copy]
    world.pass_time(9 * SECOND)
    assert len(world.alive("a")) == 1
    assert world.alive("a") != [copy]
    assert world.status("a").record.restarts == 0


def test_a_task_that_is_gone_has_no_pauses_any_more() -> None:
    world = World(lambda _: (100, 1))
    world.swap(daemon("a", timing=LOOP))
    world.pass_time(10 * SECOND)
    assert world.book.records[TaskName("a")].pauses
    world.swap()
    assert world.book.records[TaskName("a")].pauses == ()


# Whatever happens.


versions = st.builds(
    lambda copies, mark, change, remove, enabled: daemon(
        "a",
        max_running=copies,
        on_change=change,
        on_remove=remove,
        enabled=enabled,
        timing=LOOP,
        fingerprint=Fingerprint(f"{abs(hash((copies, mark, change, remove, enabled))):064x}"),
        copy_print=f"{abs(hash((mark, change, remove, enabled))):064x}",
    ),
    st.integers(1, 3),
    st.integers(0, 1),
    st.sampled_from([None, *Conduct]),
    st.sampled_from([None, *Conduct]),
    st.sampled_from([True, True, True, False]),
)
events = st.one_of(
    st.tuples(st.just("swap"), st.one_of(versions, st.none())),
    st.tuples(st.just("pass"), st.integers(1, 40_000)),
    st.tuples(st.just("crash"), st.sampled_from(["before the transaction", "after the transaction", "before a start", "after a start"])),
    st.tuples(st.just("stop"), st.none()),
    st.tuples(st.just("drain"), st.booleans()),
    st.tuples(st.just("pause"), st.booleans()),
)


def play(world: World, action: str, value: object) -> None:
    match action, value:
        case "swap", one:
            world.swap(*([one] if isinstance(one, Task) else []))
        case "pass", int(length):
            world.pass_time(length)
        case "crash", str(point):
            world.dies_at = point
        case "stop", _:
            stop(world)
        case "drain" | "pause", bool(is_placed):
            what = HOST if action == "drain" else EVERY_TASK
            if is_placed:
                world.hold(lambda holds: placed(holds, what, Hold(actor="alice", since=Instant(world.now))))
            elif world.holds.get(what):
                world.hold(lambda holds: lifted(holds, what, actor="alice", now=Instant(world.now)))


@settings(max_examples=200, deadline=None)
@given(st.lists(events, min_size=1, max_size=12), st.sampled_from([None, 300, 20_000]))
def test_no_number_lives_twice_and_in_the_end_those_live_that_are_to(history: list, length: int | None) -> None:
    world = World(lambda _: (length, 1))
    last: Task | None = None
    for action, value in history:
        last = value if action == "swap" else last
        try:
            play(world, action, value)
        except Killed:
            world.crash()
        copies = [process.run.copy for process in world.alive("a")]
        assert len(copies) == len(set(copies))
    world.dies_at = ""
    for what in (HOST, EVERY_TASK):
        if world.holds.get(what):
            world.hold(lambda holds, what=what: lifted(holds, what, actor="alice", now=Instant(world.now)))
    world.pass_time(MINUTE)
    wanted = set(range(1, last.max_running + 1)) if last and last.enabled else set()
    there = {run.copy for run in world.engine.runs.values()}
    resting = {pause.copy for pause in world.book.records[TaskName("a")].pauses} if last else set()
    assert wanted <= there | resting
    for run in world.engine.runs.values():
        is_patient = (run.task.when_changed if last and last.enabled else run.task.when_removed) is FINISH
        is_wanted = last is not None and run.copy in wanted and run.task.copy_print == last.copy_print
        assert is_patient or is_wanted or run.state in (RunState.STOPPING, RunState.KILLING)
