"""What operators hold, in the engine: no instant that is due under a pause becomes a run, and none is lost for it either."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import HOUR, MINUTE, NOON, SECOND, daemon, task
from tests.core.test_engine_random import covered
from tests.core.world import Killed, World
from torchsync.core.holds import EVERY_TASK, HOST, Held, Hold, HoldAct, Holds, held_task, lifted, placed
from torchsync.core.model import CronTiming, Fingerprint, Instant, Millis, Outcome, Retry, SkipReason, StopCause, TaskName, Trigger

EACH_SECOND = CronTiming(schedule="@every 1s")
BEAT = held_task("beat")


def beat(**changes: object):
    return task("beat", timing=EACH_SECOND, **changes)


def pause(world: World, what: Held, *, lasting: int | None = None, **changes: bool) -> None:
    until = None if lasting is None else Instant(world.now + lasting)
    world.hold(lambda holds: placed(holds, what, Hold(actor="alice", since=Instant(world.now), until=until, **changes)))


def resume(world: World, what: Held) -> None:
    world.hold(lambda holds: lifted(holds, what, actor="bob", now=Instant(world.now)))


def running(*tasks) -> World:
    world = World(lambda run: (None if run.task.is_daemon else 100, 0))
    world.swap(*tasks)
    return world


@pytest.mark.parametrize("what", [BEAT, EVERY_TASK, HOST])
def test_what_is_due_under_a_pause_is_skipped_and_never_made_up(what: Held) -> None:
    world = running(beat())
    world.pass_time(2_500)
    pause(world, what)
    world.pass_time(3_000)
    resume(world, what)
    world.pass_time(2_000)
    assert sorted(world.book.covered["beat"].values()) == ["paused"] * 3 + ["run"] * 4
    assert world.status("beat").record.skipped == {SkipReason.PAUSED: 3}


def test_a_pause_is_asked_about_before_the_deadline_and_the_copies_that_run() -> None:
    world = World(lambda _: (None, 0))
    world.swap(beat())
    world.pass_time(1_500)
    pause(world, BEAT)
    world.sleep(5 * MINUTE)
    world.turn()
    assert {reason for reason, _ in world.book.skips("beat")} == {SkipReason.PAUSED}


def test_what_was_due_when_the_pause_was_placed_is_decided_as_if_there_were_none() -> None:
    world = running(beat())
    world.sleep(1_000)
    pause(world, BEAT)
    assert world.book.covered["beat"] == {NOON + SECOND: "run"}


def test_what_was_due_when_the_pause_was_lifted_is_not_made_up() -> None:
    world = running(beat())
    pause(world, BEAT)
    world.sleep(3_000)
    resume(world, BEAT)
    assert world.book.skips("beat") == [(SkipReason.PAUSED, 3)]


def test_a_pause_that_ended_while_no_agent_lived_covers_what_was_due_before_its_end() -> None:
    world = running(beat())
    pause(world, BEAT, lasting=2_500)
    world.sleep(90_000)
    world.crash()
    skips = [(SkipReason.PAUSED, 2), (SkipReason.MISSED, 27), (SkipReason.OVERLAP, 60)]
    assert world.book.skips("beat") == skips
    assert world.holds.tasks == {}


def test_a_jump_of_the_clock_and_its_return_start_nothing_that_is_paused() -> None:
    world = running(beat())
    pause(world, BEAT)
    world.pass_time(2_500)
    world.step(24 * HOUR)
    world.pass_time(3_000)
    world.step(-24 * HOUR)
    world.pass_time(3_000)
    resume(world, BEAT)
    world.pass_time(1_000)
    assert {how for at, how in world.book.covered["beat"].items() if at <= NOON + 8_500} == {"paused"}
    assert len(world.book.runs) == 1
    assert set(covered(world, "beat")) == set(range(NOON + SECOND, world.now + 1, SECOND))


def test_a_task_at_startup_is_not_made_up_after_a_pause() -> None:
    world = World()
    pause(world, EVERY_TASK)
    world.swap(task("boot", timing=CronTiming(schedule="@startup")))
    world.pass_time(1_000)
    resume(world, EVERY_TASK)
    world.pass_time(1_000)
    assert world.book.skips("boot") == [(SkipReason.PAUSED, 1)]
    assert world.book.runs == {}


def test_a_paused_task_that_comes_back_is_still_paused() -> None:
    world = running(beat())
    pause(world, BEAT)
    world.swap()
    world.pass_time(1_000)
    world.swap(beat())
    world.pass_time(2_000)
    assert world.book.runs == {}
    assert world.status("beat").paused


def test_a_run_by_hand_is_the_operators_own_wish_and_a_drained_host_refuses_it() -> None:
    world = running(task("report"))
    pause(world, EVERY_TASK)
    pause(world, held_task("report"))
    run = world.engine.run_task(TaskName("report"), "alice", Instant(world.now))
    assert not isinstance(run, str)
    assert run.trigger is Trigger.MANUAL
    world.pass_time(1_000)
    pause(world, HOST)
    refused = world.engine.run_task(run.task.name, "alice", Instant(world.now))
    assert isinstance(refused, str)
    assert "this host is drained by alice" in refused


def test_a_fire_whose_run_never_began_is_not_decided_anew_under_a_pause() -> None:
    world = running(beat())
    world.sleep(1_500)
    world.dies_at = "after the transaction"
    with pytest.raises(Killed):
        world.turn()
    assert world.book.covered["beat"] == {NOON + SECOND: "run"}
    world.holds = placed(world.holds, BEAT, Hold(actor="alice", since=Instant(world.now)))
    world.crash()
    world.turn()
    assert world.book.runs == {}
    assert world.book.covered["beat"] == {NOON + SECOND: "paused"}


# Daemons.


@pytest.mark.parametrize("what", [held_task("proxy"), EVERY_TASK])
def test_the_copies_of_a_paused_daemon_live_on_and_no_new_one_is_started(what: Held) -> None:
    world = running(daemon("proxy"))
    (process,) = world.alive("proxy")
    pause(world, what)
    world.pass_time(MINUTE)
    assert world.alive("proxy") == [process]
    world.engine.stop("proxy", Instant(world.now), Millis(world.mono))
    world.pass_time(MINUTE)
    assert world.alive("proxy") == []
    resume(world, what)
    world.pass_time(MINUTE)
    assert len(world.alive("proxy")) == 1


def test_a_daemon_that_changes_under_a_pause_is_stopped_and_starts_anew_after_it() -> None:
    world = running(daemon("proxy"))
    pause(world, EVERY_TASK)
    world.swap(daemon("proxy", fingerprint=Fingerprint("f" * 64)))
    world.pass_time(MINUTE)
    assert world.alive("proxy") == []
    resume(world, EVERY_TASK)
    world.pass_time(MINUTE)
    assert [process.run.task.fingerprint for process in world.alive("proxy")] == ["f" * 64]


def test_a_paused_daemon_is_not_started_by_a_commit_or_a_restart() -> None:
    world = World(lambda _: (None, 0))
    pause(world, EVERY_TASK)
    world.swap(daemon("proxy"))
    world.crash()
    world.pass_time(MINUTE)
    assert world.processes == {}


def test_a_drain_ends_the_daemons_and_lets_the_others_finish() -> None:
    world = World(lambda run: (None if run.task.is_daemon else 20_000, 0))
    world.swap(daemon("proxy"), beat())
    world.pass_time(1_500)
    pause(world, HOST)
    world.pass_time(MINUTE)
    assert world.book.outcomes("proxy") == [Outcome.STOPPED]
    assert world.book.outcomes("beat") == [Outcome.SUCCEEDED]
    assert world.engine.runs == {}
    resume(world, HOST)
    world.pass_time(5_000)
    assert len(world.alive("proxy")) == 1


def test_a_drain_may_end_every_run_and_a_second_one_may_say_so() -> None:
    world = World(lambda run: (None, 0))
    world.swap(beat())
    world.pass_time(1_500)
    pause(world, HOST)
    world.pass_time(MINUTE)
    assert len(world.alive("beat")) == 1
    pause(world, HOST, stops_runs=True)
    world.pass_time(MINUTE)
    assert world.alive("beat") == []
    assert [run.stop_cause for run in world.book.runs.values()] == [StopCause.OPERATOR]


@pytest.mark.parametrize("stops_runs", [False, True])
def test_a_drain_ends_what_waits_for_its_next_attempt_only_when_every_run_is_to_end(stops_runs: bool) -> None:
    world = World(lambda run: (100, 1))
    retry = Retry(attempts=2, delay=Millis(10_000))
    world.swap(task("beat", timing=CronTiming(schedule="0 0 1 1 *", retry=retry)))
    world.engine.run_task(TaskName("beat"), "alice", Instant(world.now))
    world.pass_time(1_000)
    pause(world, HOST, stops_runs=stops_runs)
    world.pass_time(MINUTE)
    assert world.book.outcomes("beat") == ([Outcome.STOPPED] if stops_runs else [])
    resume(world, HOST)
    world.pass_time(MINUTE)
    assert world.book.outcomes("beat") == [Outcome.STOPPED if stops_runs else Outcome.FAILED]


def test_a_drain_that_was_durable_before_a_crash_is_carried_out_after_it() -> None:
    world = running(daemon("proxy"))
    world.dies_at = "after the holds are durable"
    with pytest.raises(Killed):
        pause(world, HOST)
    assert len(world.alive("proxy")) == 1
    world.crash()
    world.pass_time(MINUTE)
    assert world.book.outcomes("proxy") == [Outcome.STOPPED]
    assert [change.what for change in world.book.changes.values()] == [HOST]


# Whatever happens.

pauses = st.tuples(
    st.just("pause"), st.sampled_from([held_task("a"), held_task("b"), EVERY_TASK, HOST]), st.none() | st.integers(1, 60_000)
)
resumes = st.tuples(st.just("resume"), st.sampled_from([held_task("a"), held_task("b"), EVERY_TASK, HOST]), st.none())
times = st.tuples(st.sampled_from(["pass", "sleep"]), st.none(), st.integers(1, 60_000))
crashes = st.tuples(st.sampled_from(["crash", "before the transaction", "after the holds are durable"]), st.none(), st.none())


class Paused:
    """When each task was paused, worked out from the story alone: from when on, and before when."""

    def __init__(self) -> None:
        self.spans: dict[Held, list[tuple[int, float]]] = {}

    def place(self, what: Held, now: int, lasting: int | None) -> None:
        self.lift(what, now)
        self.spans.setdefault(what, []).append((now, float("inf") if lasting is None else now + lasting))

    def lift(self, what: Held, now: int) -> None:
        if spans := self.spans.get(what):
            spans[-1] = (spans[-1][0], min(spans[-1][1], now + 1))  # What is due by now is decided before.

    def covers(self, name: str, due: int) -> bool:
        held = [span for what in (held_task(name), EVERY_TASK, HOST) for span in self.spans.get(what, [])]
        return any(since < due < end for since, end in held)


Step = tuple[str, Held | None, int | None]


def play(world: World, paused: Paused, step: Step) -> None:
    match step:
        case "pause", Held() as what, lasting:
            paused.place(what, world.now, lasting)
            pause(world, what, lasting=lasting)
        case "resume", Held() as what, _ if world.holds.get(what) is not None:
            paused.lift(what, world.now)
            resume(world, what)
        case "pass", _, int(length):
            world.pass_time(length)
        case "sleep", _, int(length):
            world.sleep(length)
        case "crash", _, _:
            world.crash()
        case str(point), _, _:
            world.dies_at = point
            with contextlib.suppress(Killed):
                world.turn()
            world.dies_at = ""
            world.crash()


def has_one_entry_each(world: World, paused: Paused, name: str, step: int) -> None:
    """Every instant, and its entry goes with what was paused then."""
    found = covered(world, name)
    assert set(found) == set(range((NOON // step + 1) * step, world.now + 1, step))
    assert max(found.values(), default=1) == 1
    assert [run.due for run in world.book.runs.values() if run.task.name == name and paused.covers(name, run.due)] == []
    for span in world.book.spans:
        if span.task == name:
            is_paused = {paused.covers(name, due) for due in range(span.first, span.last + 1, step)}
            assert is_paused == {span.reason is SkipReason.PAUSED}


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(pauses, pauses, resumes, times, times, crashes), min_size=1, max_size=14))
def test_no_paused_task_ever_starts_and_every_instant_has_one_entry(story: list[Step]) -> None:
    world, paused = running(task("a", timing=EACH_SECOND), task("b", timing=CronTiming(schedule="@every 7s"), max_running=0)), Paused()
    for step in story:
        play(world, paused, step)
    world.turn()
    has_one_entry_each(world, paused, "a", SECOND)
    has_one_entry_each(world, paused, "b", 7 * SECOND)
    assert [change.number for change in world.holds.changes] == sorted(world.book.changes)[-len(world.holds.changes) :]


def test_a_hold_that_is_told_twice_is_one_change() -> None:
    world = running(beat())
    pause(world, BEAT)
    world.crash()
    world.crash()
    assert [change.act for change in world.book.changes.values()] == [HoldAct.PLACED]
    assert replace(world.holds, changes=()) == replace(placed(Holds(), BEAT, world.holds.tasks[beat().name]), changes=())
