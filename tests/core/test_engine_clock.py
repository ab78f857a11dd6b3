"""The engine under a clock that steps, jumps, returns, or shows 1970."""

from dataclasses import replace

import pytest

from tests.builders import HOUR, MINUTE, NOON, SECOND, daemon, task
from tests.core.world import Killed, World
from torchsync.core.clockwatch import HELD_FOR, JUMP, KEPT, Hold
from torchsync.core.model import CronTiming, Exited, Instant, Millis, Outcome, SkipReason, Task, TaskName, Trigger

DAY = 24 * HOUR
LONG = 40 * DAY


def every(seconds: int, name: str = "beat", **changes) -> Task:
    timeout = changes.pop("timeout", Millis(0))
    timing = CronTiming(schedule=f"@every {seconds}s", starting_deadline=Millis(30_000), timeout=timeout)
    return task(name, timing=timing, **changes)


def startup(name: str = "hello", **changes) -> Task:
    return task(name, timing=CronTiming(schedule="@startup"), **changes)


def ran(world: World, name: str = "beat") -> list[int]:
    """The instants that ran and stand, in minutes after noon."""
    return [(at - NOON) // MINUTE for at, how in sorted(world.book.covered.get(TaskName(name), {}).items()) if how == "run"]


def starts(world: World, name: str) -> int:
    return sum(process.run.task.name == name for process in world.processes.values())


# Steps.


@pytest.mark.parametrize("step", [-HOUR, -10 * MINUTE, 10 * MINUTE])
def test_after_a_step_nothing_fires_again_and_nothing_bursts(step: int) -> None:
    world = World()
    world.swap(every(60))
    world.pass_time(10 * MINUTE)
    world.step(step)
    before = starts(world, "beat")
    world.turn()
    assert starts(world, "beat") - before <= 1
    world.pass_time(MINUTE)
    assert starts(world, "beat") - before <= 2
    assert world.book.annulled == []


def test_a_loop_that_waits_for_a_clock_that_went_back_does_not_spin() -> None:
    world = World()
    world.swap(every(60))
    world.pass_time(10 * MINUTE)
    world.step(-HOUR)
    turns = len(world.turns)
    world.pass_time(30 * MINUTE)
    assert len(world.turns) - turns < 10


def test_a_machine_that_slept_has_made_no_step() -> None:
    world = World()
    world.swap(every(60))
    world.sleep(8 * HOUR)
    world.turn()
    assert world.sightings[-1].step == 0
    assert world.book.skips("beat") == [(SkipReason.MISSED, 479)]
    assert ran(world) == [480]


def test_a_timeout_is_not_cut_short_by_a_start_that_was_seen_before_the_clock_stepped() -> None:
    world = World(lambda _: (30 * MINUTE, 0))
    world.swap(every(3600, timeout=Millis(HOUR)))
    world.pass_time(HOUR - 1)
    world._move(1)
    world.turn()
    assert world.pending, "the start is seen, but not told yet"
    world.step(3 * HOUR)
    world.pass_time(31 * MINUTE)
    assert world.book.outcomes("beat")[0] is Outcome.SUCCEEDED


# Jumps.


def test_a_small_jump_is_taken_back_and_every_instant_runs_once_at_its_real_time() -> None:
    world = World()
    world.swap(every(60))
    world.pass_time(10 * MINUTE + SECOND)
    world.step(HOUR)
    world.pass_time(3 * MINUTE)
    assert ran(world) == [*range(1, 11), 70, 71, 72, 73]
    world.step(-HOUR)
    world.turn()
    assert ran(world) == [*range(1, 11), 13]
    assert {row.last > NOON + 13 * MINUTE for row in world.book.annulled if row.how == "run"} == {True}
    world.pass_time(62 * MINUTE)
    assert ran(world) == [*range(1, 11), *range(13, 76)]
    assert world.book.skips("beat") == [(SkipReason.MISSED, 2)]


def test_what_was_missed_by_a_jump_and_is_not_too_late_yet_runs_when_the_clock_returns() -> None:
    world = World()
    world.swap(task("daily", schedule="5 12 * * *"))
    world.pass_time(4 * MINUTE)
    world.step(3 * HOUR)
    world.pass_time(MINUTE + 30 * SECOND)
    assert world.book.skips("daily") == [(SkipReason.MISSED, 1)]
    world.step(-3 * HOUR)
    world.turn()
    assert ran(world, "daily") == [5]
    assert world.book.skips("daily") == []


def test_after_a_jump_of_many_days_the_host_is_not_silent_for_as_long() -> None:
    world = World()
    world.swap(every(60))
    world.pass_time(10 * MINUTE)
    world.step(LONG)
    world.pass_time(5 * MINUTE)
    world.step(-LONG)
    world.pass_time(5 * MINUTE)
    assert ran(world)[-5:] == [16, 17, 18, 19, 20]
    record = world.status("beat").record
    assert max(record.decided_through, record.last_run, record.last_success, record.last_seen) <= world.now


def test_a_jump_that_lasts_longer_than_it_is_wide_starts_nothing_twice() -> None:
    world = World()
    world.swap(every(60))
    world.pass_time(10 * MINUTE + SECOND)
    world.step(30 * MINUTE)
    world.pass_time(2 * HOUR)
    assert ran(world)[-1] == 160
    world.step(-30 * MINUTE)
    world.pass_time(3 * MINUTE)
    annulled = {row.run for row in world.book.annulled}
    standing = [process.run.instant for run, process in world.processes.items() if run not in annulled]
    assert len(standing) == len(set(standing))
    assert ran(world) == [*range(1, 11), *range(40, 134)]


def test_a_run_that_goes_on_when_the_clock_returns_is_recorded_in_real_time() -> None:
    world = World(lambda _: (10 * MINUTE, 0))
    world.swap(every(3600))
    world.step(HOUR)
    world.pass_time(MINUTE)
    world.step(-HOUR)
    world.pass_time(20 * MINUTE)
    (run,) = world.book.runs.values()
    assert run.outcome is Outcome.SUCCEEDED
    assert world.status("beat").record.last_run == NOON
    assert world.status("beat").record.last_success == NOON + 10 * MINUTE


def test_a_swap_in_a_jump_counts_from_its_real_time_once_the_clock_has_returned() -> None:
    world = World()
    world.swap(every(60))
    world.step(LONG)
    world.pass_time(5 * MINUTE)
    world.swap(every(60), every(60, "new"))
    world.pass_time(5 * MINUTE)
    world.step(-LONG)
    world.turn()
    assert world.saved is not None
    assert world.saved.baselines[TaskName("new")] == NOON + 5 * MINUTE
    assert world.saved.applied_at <= world.now
    world.pass_time(2 * MINUTE)
    assert sorted(world.book.covered[TaskName("new")]) == [NOON + minute * MINUTE for minute in (6, 9, 10, 11, 12)]


def test_jumps_within_each_other_return_each_for_itself() -> None:
    world = World()
    world.swap(every(60))
    world.pass_time(10 * MINUTE)
    world.step(HOUR)
    world.pass_time(5 * MINUTE)
    world.step(LONG)
    world.pass_time(5 * MINUTE)
    world.step(-LONG)
    world.pass_time(5 * MINUTE)
    assert ran(world)[-5:] == [81, 82, 83, 84, 85]
    assert len(world.book.view.clock.jumps) == 1
    world.step(-HOUR)
    world.pass_time(5 * MINUTE)
    assert ran(world)[-5:] == [26, 27, 28, 29, 30]
    assert world.book.view.clock.jumps == ()


def test_a_jump_that_nobody_takes_back_is_believed_after_two_days() -> None:
    world = World()
    world.swap(every(3600))
    world.step(HOUR)
    world.turn()
    world.pass_time(KEPT + 2 * HOUR)
    assert world.book.view.clock.jumps == ()
    assert world.book.view.tagged == {}
    world.step(-HOUR)
    world.turn()
    assert world.book.annulled == []


def test_a_correction_within_a_jump_is_no_return() -> None:
    world = World()
    world.swap(every(60))
    world.step(DAY)
    world.turn()
    world.step(-10 * MINUTE)
    world.turn()
    assert world.book.annulled == []
    assert len(world.book.view.clock.jumps) == 1


def test_spans_of_a_jump_do_not_extend_those_from_before_it() -> None:
    world = World(lambda _: (None, 0))
    world.swap(every(60, max_running=0))
    world.sleep(10 * MINUTE + 40 * SECOND)
    world.turn()
    world.step(HOUR)
    world.turn()
    before, within = world.book.spans
    assert (before.reason, within.reason) == (SkipReason.MISSED, SkipReason.MISSED)
    assert (before.jump, within.jump, within.extends) == (0, 1, False)


def test_in_a_jump_only_what_is_annulled_in_any_case_grows() -> None:
    world = World(lambda _: (None, 0))
    world.swap(every(60))
    world.step(HOUR)
    world.pass_time(5 * MINUTE)
    overlaps = [skip for skip in world.book.spans if skip.reason is SkipReason.OVERLAP]
    assert len(overlaps) == 5
    assert not any(skip.extends for skip in overlaps)


def test_a_run_whose_start_was_seen_in_a_jump_ends_in_the_time_that_it_is() -> None:
    world = World(lambda _: (None, 0))
    world.swap(every(60))
    world.step(HOUR)
    world.turn()
    world.turn()
    (run,) = world.book.runs.values()
    world.step(-HOUR)
    world.turn()
    ending = Exited(status=0, started_at=Instant(NOON + HOUR), duration=Millis(10 * SECOND))
    world.mono, world.now = world.mono + MINUTE, world.now + MINUTE
    world.engine.saw_end(run.id, ending, Instant(world.now), Millis(world.mono), leftovers=False)
    world.turn()
    assert world.status("beat").record.last_run == NOON + 50 * SECOND
    assert world.status("beat").record.last_success == NOON + MINUTE


@pytest.mark.parametrize(
    "point", ["before the generation is durable", "after the generation is durable", "before the transaction", "after the transaction"]
)
def test_an_agent_killed_while_it_takes_a_jump_back_comes_to_the_same_state(point: str) -> None:
    def story(point: str) -> World:
        world = World()
        world.swap(every(60))
        world.pass_time(10 * MINUTE)
        world.step(LONG)
        world.pass_time(5 * MINUTE)
        world.swap(every(60), every(60, "new"))
        world.pass_time(5 * MINUTE)
        world.step(-LONG)
        world.dies_at = point
        if point:
            with pytest.raises(Killed):
                world.turn()
            world.crash()
        world.pass_time(10 * MINUTE)
        return world

    calm, shaken = story(""), story(point)
    assert calm.saved == shaken.saved
    assert set(calm.book.covered[TaskName("new")]) == set(shaken.book.covered[TaskName("new")])
    assert set(calm.book.covered[TaskName("beat")]) == set(shaken.book.covered[TaskName("beat")])
    assert calm.book.view.clock == shaken.book.view.clock


def test_an_agent_that_was_down_while_the_clock_returned_takes_the_jump_back_when_it_starts() -> None:
    world = World()
    world.swap(every(60))
    world.pass_time(10 * MINUTE)
    world.step(LONG)
    world.pass_time(5 * MINUTE)
    world.sleep(MINUTE)
    world.step(-LONG)
    world.crash()
    world.pass_time(5 * MINUTE)
    assert ran(world)[-5:] == [17, 18, 19, 20, 21]


def test_an_agent_that_was_down_while_the_clock_jumped_opens_the_jump_when_it_starts() -> None:
    world = World()
    world.swap(every(60))
    world.pass_time(10 * MINUTE)
    world.step(LONG)
    world.crash()
    assert world.sightings[-1].opened is not None
    world.step(-LONG)
    world.pass_time(5 * MINUTE)
    assert ran(world)[-4:] == [12, 13, 14, 15]


@pytest.mark.parametrize("is_right_at_once", [True, False])
def test_a_jump_from_before_a_reboot_is_taken_back_when_the_clock_is_right_again(is_right_at_once: bool) -> None:
    world = World()
    world.is_synchronised = False
    world.swap(every(60))
    world.pass_time(10 * MINUTE)
    world.step(LONG)
    world.pass_time(5 * MINUTE)
    right = NOON + 20 * MINUTE
    world.reboot(right + (0 if is_right_at_once else LONG))
    world.pass_time(5 * MINUTE)
    if not is_right_at_once:
        world.step(-LONG)
    world.pass_time(5 * MINUTE)
    assert ran(world)[-4:] == [27, 28, 29, 30]


def test_a_host_that_comes_up_far_ahead_is_not_silent_until_then() -> None:
    world = World()
    world.swap(every(60))
    world.pass_time(10 * MINUTE)
    world.is_synchronised = False
    world.reboot(NOON + 3 * DAY + LONG)
    world.pass_time(5 * MINUTE)
    world.step(-LONG)
    world.is_synchronised = True
    world.pass_time(5 * MINUTE)
    begun = 3 * DAY // MINUTE
    assert ran(world)[-5:] == [begun + minute for minute in (6, 7, 8, 9, 10)]
    assert world.status("beat").record.skipped[SkipReason.MISSED] >= begun - 20


@pytest.mark.parametrize("ahead", [20 * MINUTE, 2 * HOUR, LONG])
def test_a_new_host_whose_clock_turns_out_to_be_ahead_is_not_silent_until_then(ahead: int) -> None:
    """Its first generation came before its clock was set."""
    world = World()
    world.is_synchronised = False
    world.step(ahead)
    world.swap(every(60), every(60, "other"))
    world.pass_time(5 * MINUTE)
    world.step(-ahead)
    world.is_synchronised = True
    world.pass_time(5 * MINUTE)
    assert ran(world) == [6, 7, 8, 9, 10]


def test_a_synchronised_host_that_was_off_for_days_has_not_jumped() -> None:
    world = World()
    world.swap(every(60))
    world.reboot(NOON + 3 * DAY)
    assert world.sightings[-1].opened is None


def test_a_run_that_never_began_in_a_jump_is_not_started_for_an_instant_that_is_still_to_come() -> None:
    world = World()
    world.swap(every(60))
    world.pass_time(10 * MINUTE)
    world.step(HOUR)
    world.dies_at = "after the transaction"
    with pytest.raises(Killed):
        world.pass_time(MINUTE)
    world.step(-HOUR)
    world.crash()
    world.pass_time(MINUTE)
    assert max(ran(world)) <= 11
    world.pass_time(2 * HOUR)
    assert set(ran(world)) >= set(range(12, 132))


def test_nothing_is_old_by_a_clock_that_may_be_ahead() -> None:
    world = World()
    world.swap(every(60))
    world.step(LONG)
    world.turn()
    world.pass_time(MINUTE)
    assert world.engine.earliest(Instant(world.now), Millis(world.mono)) == NOON + MINUTE


def test_the_record_of_a_removed_task_outlives_a_restart_in_a_jump() -> None:
    world = World()
    world.swap(every(60))
    world.pass_time(MINUTE)
    world.swap()
    world.step(LONG)
    world.turn()
    world.crash()
    assert TaskName("beat") in world.book.records


# Times that cannot be.


def young_world(now: int) -> World:
    world = World()
    world.now, world.is_synchronised = now, False
    return world


def test_in_1970_nothing_is_fired_but_daemons_run() -> None:
    world = young_world(60 * SECOND)
    world.swap(every(60), daemon())
    world.pass_time(HELD_FOR - MINUTE)
    assert starts(world, "beat") == 0
    assert starts(world, "web-proxy") > 0
    assert world.sightings[-1].hold is Hold.HELD


def test_a_loop_that_holds_fires_does_not_spin() -> None:
    world = young_world(60 * SECOND)
    world.swap(every(1))
    world.pass_time(9 * MINUTE)
    assert len(world.turns) < 10


def test_when_the_clock_comes_right_there_are_no_fifty_six_years_of_missed_instants() -> None:
    world = young_world(60 * SECOND)
    world.swap(every(60))
    world.pass_time(5 * MINUTE)
    world.step(NOON - world.now)
    world.turn()
    assert world.sightings[-1].hold is Hold.NONE
    assert world.saved is not None
    assert world.saved.baselines[TaskName("beat")] == NOON
    world.pass_time(3 * MINUTE)
    assert ran(world) == [1, 2, 3]
    assert world.book.skips("beat") == []
    assert world.status("beat").record.first_seen == NOON


def test_fires_go_on_after_ten_minutes_by_whatever_the_clock_shows_and_the_years_until_it_is_right_are_not_missed() -> None:
    world = young_world(60 * SECOND)
    world.swap(every(60))
    world.pass_time(HELD_FOR)
    world.pass_time(5 * MINUTE)
    assert world.sightings[-1].hold is Hold.GIVEN_UP
    assert starts(world, "beat") == 6
    world.step(NOON - world.now)
    world.pass_time(3 * MINUTE)
    assert ran(world)[-3:] == [1, 2, 3]
    assert sum(count for _, count in world.book.skips("beat")) < 20


def test_a_clock_that_is_known_to_be_synchronised_is_believed_whatever_it_shows() -> None:
    world = young_world(60 * SECOND)
    world.swap(every(60))
    world.pass_time(MINUTE)
    world.is_synchronised = True
    world.pass_time(2 * MINUTE)
    assert starts(world, "beat") == 3


def test_what_counted_before_is_not_moved_when_a_host_came_up_in_1970() -> None:
    world = World()
    world.swap(every(60))
    world.pass_time(10 * MINUTE)
    world.is_synchronised = False
    world.reboot(10_000)
    world.swap(every(60), every(60, "new"))
    world.pass_time(2 * MINUTE)
    assert starts(world, "new") == 0
    world.step(NOON + HOUR - world.now)
    world.pass_time(2 * MINUTE)
    assert world.saved is not None
    assert world.saved.baselines == {TaskName("beat"): NOON, TaskName("new"): NOON + HOUR}
    assert ran(world) == [*range(1, 11), 60, 61, 62]
    assert world.book.skips("beat") == [(SkipReason.MISSED, 49)]


def test_a_crash_between_the_clock_coming_right_and_what_follows_changes_nothing() -> None:
    world = young_world(60 * SECOND)
    world.swap(every(60))
    world.pass_time(5 * MINUTE)
    world.step(NOON - world.now)
    world.dies_at = "before the generation is durable"
    with pytest.raises(Killed):
        world.turn()
    world.crash()
    world.pass_time(3 * MINUTE)
    assert ran(world) == [1, 2, 3]
    assert world.book.skips("beat") == []


# @startup.


def test_a_startup_task_of_the_first_generation_ever_runs_once() -> None:
    world = World()
    world.swap(startup(), every(60))
    world.pass_time(5 * MINUTE)
    assert starts(world, "hello") == 1
    (run,) = (run for run in world.book.runs.values() if run.task.name == "hello")
    assert run.trigger is Trigger.STARTUP
    assert run.due == NOON
    world.crash()
    world.pass_time(MINUTE)
    assert starts(world, "hello") == 1


def test_a_startup_task_runs_again_in_the_next_boot_and_only_then() -> None:
    world = World()
    world.swap(startup())
    world.pass_time(MINUTE)
    world.reboot(NOON + HOUR)
    world.pass_time(MINUTE)
    assert starts(world, "hello") == 2


def test_a_startup_task_that_is_added_later_waits_for_the_next_boot() -> None:
    world = World()
    world.swap(every(60))
    world.pass_time(MINUTE)
    world.swap(every(60), startup())
    world.pass_time(MINUTE)
    world.crash()
    world.pass_time(MINUTE)
    assert starts(world, "hello") == 0
    assert world.status("hello").next_due is None
    world.reboot(NOON + HOUR)
    world.pass_time(MINUTE)
    assert starts(world, "hello") == 1


@pytest.mark.parametrize(("point", "expected"), [("before the transaction", 1), ("after the transaction", 1)])
def test_a_startup_task_runs_once_whatever_is_killed_when(point: str, expected: int) -> None:
    world = World()
    world.swap(startup())
    world.pass_time(MINUTE)
    world.boot += "+"
    world.mono = 5_000
    world.dies_at = point
    with pytest.raises(Killed):
        world.crash()
    world.crash()
    world.pass_time(MINUTE)
    world.crash()
    world.pass_time(MINUTE)
    assert starts(world, "hello") == 1 + expected


def test_a_disabled_startup_task_does_not_run() -> None:
    world = World()
    world.swap(startup(enabled=False))
    world.pass_time(MINUTE)
    assert starts(world, "hello") == 0


def test_a_startup_task_is_held_while_the_clock_cannot_be_right() -> None:
    world = young_world(60 * SECOND)
    world.swap(startup())
    world.pass_time(5 * MINUTE)
    assert starts(world, "hello") == 0
    world.step(NOON - world.now)
    world.pass_time(MINUTE)
    assert starts(world, "hello") == 1


def test_a_boot_with_a_clock_behind_the_last_one_has_its_startup_too() -> None:
    world = World()
    world.swap(startup())
    world.pass_time(MINUTE)
    world.reboot(NOON - 30 * MINUTE)
    world.pass_time(MINUTE)
    assert starts(world, "hello") == 2


def test_a_startup_in_a_jump_is_not_repeated_when_the_clock_returns() -> None:
    world = World()
    world.swap(every(60), startup())
    world.pass_time(MINUTE)
    world.is_synchronised = False
    world.reboot(NOON + LONG)
    world.pass_time(MINUTE)
    assert starts(world, "hello") == 2
    world.step(-LONG)
    world.pass_time(10 * MINUTE)
    world.crash()
    world.pass_time(MINUTE)
    assert starts(world, "hello") == 2
    assert world.book.records[TaskName("hello")].decided_through <= world.now
    world.reboot(NOON + DAY)
    world.pass_time(MINUTE)
    assert starts(world, "hello") == 3


def test_a_changed_startup_task_keeps_its_instant() -> None:
    world = World()
    world.swap(startup(), every(60))
    world.swap(replace(startup(), fingerprint=every(60, "other").fingerprint), every(60))
    world.pass_time(MINUTE)
    assert starts(world, "hello") == 1


def test_a_jump_is_more_than_a_quarter_of_an_hour() -> None:
    for step, is_jump in ((JUMP, False), (JUMP + 1, True)):
        world = World()
        world.swap(every(60))
        world.step(step)
        world.turn()
        assert (world.sightings[-1].opened is not None) is is_jump


def test_a_swap_in_an_outer_jump_is_not_told_from_before_it_when_two_jumps_return_at_once() -> None:
    world = World()
    world.swap(every(60))
    world.pass_time(10 * MINUTE)
    world.step(HOUR)
    world.pass_time(MINUTE)
    world.swap(every(60), every(60, "new"))
    world.step(LONG)
    world.pass_time(5 * MINUTE)
    world.step(-HOUR - LONG)
    world.turn()
    assert world.saved is not None
    assert NOON + 10 * MINUTE <= world.saved.baselines[TaskName("new")] <= NOON + 11 * MINUTE
    assert sum(count for _, count in world.book.skips("new")) < 10


def test_what_was_missed_in_a_jump_by_one_agent_after_another_is_taken_back_whole() -> None:
    world = World()
    world.step(16 * MINUTE)
    world.swap(every(60))
    world.step(16 * MINUTE)
    for _ in range(3):
        world.sleep(10 * MINUTE)
        world.crash()
    world.step(-32 * MINUTE)
    world.turn()
    world.crash()
    world.pass_time(2 * MINUTE)
    assert ran(world)[-2:] == [31, 32]
