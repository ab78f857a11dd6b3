import itertools
from dataclasses import replace

import pytest

from tests.builders import HOUR, MINUTE, NOON, SECOND, daemon, task
from tests.core.world import World
from torchsync.core.model import (
    CronTiming,
    DaemonTiming,
    Fingerprint,
    Instant,
    Millis,
    Outcome,
    SkipReason,
    StopCause,
    Task,
    TaskName,
    Trigger,
)


def every(seconds: int, name: str = "beat", **changes) -> Task:
    timing = {key: changes.pop(key) for key in ("starting_deadline", "timeout") if key in changes}
    return task(name, timing=CronTiming(schedule=f"@every {seconds}s", **timing), **changes)


def changed(of: Task, **changes) -> Task:
    return replace(of, fingerprint=Fingerprint(f"{int(of.fingerprint, 16) + 1:064x}"), **changes)


def instants_of(world: World, name: str) -> list[int]:
    return sorted(world.book.covered.get(TaskName(name), {}))


# Fires.


def test_a_task_fires_at_every_instant_after_the_swap_that_added_it() -> None:
    world = World()
    world.swap(every(10))
    world.pass_time(35 * SECOND)
    assert instants_of(world, "beat") == [NOON + 10_000, NOON + 20_000, NOON + 30_000]
    assert world.book.outcomes("beat") == [Outcome.SUCCEEDED] * 3


def test_a_disabled_task_is_shown_and_does_not_fire() -> None:
    world = World()
    world.swap(every(10, enabled=False))
    world.pass_time(MINUTE)
    assert instants_of(world, "beat") == []
    assert world.status("beat").next_due is None


def test_a_task_that_is_enabled_again_does_not_make_up_for_the_time_it_was_not() -> None:
    world = World()
    world.swap(every(10, enabled=False))
    world.pass_time(MINUTE)
    world.swap(changed(every(10)))
    world.pass_time(15 * SECOND)
    assert instants_of(world, "beat") == [NOON + MINUTE + 10_000]


def test_all_that_is_due_at_one_instant_is_one_transaction() -> None:
    world = World()
    world.swap(*(every(10, f"beat-{number}") for number in range(50)))
    before = world.book.transactions
    world.now += 10_000
    world.mono += 10_000
    world.turn()
    assert len(world.processes) == 50
    assert world.book.transactions == before + 1


def test_an_instant_is_decided_as_overlap_while_max_running_copies_run() -> None:
    world = World(lambda _: (25 * SECOND, 0))
    world.swap(every(10))
    world.pass_time(60 * SECOND)
    assert world.book.covered[TaskName("beat")] == {
        NOON + 10_000: "run",
        NOON + 20_000: "overlap",
        NOON + 30_000: "overlap",
        NOON + 40_000: "run",
        NOON + 50_000: "overlap",
        NOON + 60_000: "overlap",
    }


def test_skips_in_a_row_extend_one_entry() -> None:
    world = World(lambda _: (35 * SECOND, 0))
    world.swap(every(10))
    world.pass_time(45 * SECOND)
    assert [span.extends for span in world.book.spans] == [False, True, True]


@pytest.mark.parametrize(("limit", "expected"), [(2, 2), (0, 5)])
def test_max_running_bounds_the_copies_and_zero_does_not(limit: int, expected: int) -> None:
    world = World(lambda _: (None, 0))
    world.swap(every(10, max_running=limit))
    world.pass_time(50 * SECOND)
    assert len(world.alive("beat")) == expected


def test_instants_that_could_not_be_decided_in_time_are_missed_in_one_entry() -> None:
    world = World()
    world.swap(every(10, starting_deadline=Millis(15_000)))
    world.sleep(10 * MINUTE)
    world.pass_time(5 * SECOND)
    assert world.book.skips("beat") == [(SkipReason.MISSED, 58), (SkipReason.OVERLAP, 1)]
    spans = world.book.spans
    assert (spans[0].first, spans[0].last) == (NOON + 10_000, NOON + 580_000)
    assert world.status("beat").record.skipped == {SkipReason.MISSED: 58, SkipReason.OVERLAP: 1}
    assert world.status("beat").record.decided_through == NOON + 600_000


def test_missed_instants_are_written_down_in_portions_so_that_the_loop_turns() -> None:
    world = World()
    world.swap(every(1))
    world.sleep(3 * HOUR)
    world.turn()
    assert world.engine.next_wake(Instant(world.now), Millis(world.mono)) == 0
    world.pass_time(SECOND)
    total = sum(span.count for span in world.book.spans if span.reason is SkipReason.MISSED)
    # 60 s are within the deadline, and the deadline itself still counts.
    assert total == 3 * 3600 - 61


def test_the_clock_going_back_fires_nothing_twice() -> None:
    world = World()
    world.swap(every(10))
    world.pass_time(MINUTE)
    world.now -= 30 * SECOND
    world.pass_time(MINUTE)
    assert instants_of(world, "beat")[-1] == NOON + 90_000
    assert len(instants_of(world, "beat")) == 9


def test_the_start_delay_is_observed() -> None:
    world = World()
    world.swap(every(10))
    world.pass_time(30 * SECOND)
    assert sum(world.engine.lag.counts) == 3


# Ends.


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(0, Outcome.SUCCEEDED), (3, Outcome.SUCCEEDED), (1, Outcome.FAILED), (127, Outcome.FAILED), (137, Outcome.FAILED)],
)
def test_the_exit_status_decides_the_outcome(status: int, outcome: Outcome) -> None:
    world = World(lambda _: (100, status))
    world.swap(every(10, success_exit_codes=(0, 3)))
    world.pass_time(11 * SECOND)
    assert world.book.outcomes("beat") == [outcome]
    assert world.status("beat").record.last_exit_status == status


def test_a_run_over_its_timeout_is_stopped_and_the_intent_is_durable_before_the_signal() -> None:
    world = World(lambda _: (None, 0))
    world.swap(every(60, timeout=Millis(5_000)))
    world.pass_time(70 * SECOND)
    assert world.book.outcomes("beat") == [Outcome.TIMED_OUT]
    run = next(iter(world.book.runs.values()))
    assert run.stop_cause is StopCause.TIMEOUT
    assert (run.finished_at or 0) - (run.started_at or 0) == 5_000


def test_a_run_that_leaves_processes_behind_is_over_and_says_so() -> None:
    world = World(lambda _: (None, 0))
    world.swap(every(60))
    world.pass_time(MINUTE)
    (process,) = world.processes.values()
    process.ended_at = world.mono
    now, mono = Instant(world.now), Millis(world.mono)
    world.engine.saw_end(process.run.attempt_id, world._ending(process), now, mono, leftovers=True)
    world.turn()
    assert [(run.outcome, run.detail) for run in world.book.runs.values() if run.outcome] == [
        (Outcome.SUCCEEDED, "processes it started live on")
    ]


def test_a_run_that_ignores_the_stop_signal_is_killed_after_the_grace() -> None:
    world = World(lambda _: (None, 0))
    world.swap(every(60, timeout=Millis(5_000), stop_grace=Millis(3_000), stop_signal="INT"))
    world.pass_time(60 * SECOND)
    process = world.alive("beat")[0]
    process.obeys = ("KILL",)
    world.pass_time(10 * SECOND)
    assert process.killed_by == ["INT", "KILL"]
    assert process.ended_at == process.started_at + 8_000
    assert world.book.outcomes("beat") == [Outcome.TIMED_OUT]


def test_a_step_of_the_wall_clock_ends_no_run() -> None:
    world = World(lambda _: (None, 0))
    world.swap(every(60, timeout=Millis(30_000)))
    world.pass_time(61 * SECOND)
    world.now += 20_000
    world.pass_time(SECOND)
    assert len(world.alive("beat")) == 1


def test_consecutive_failures_count_up_and_a_success_resets_them() -> None:
    statuses = iter([1, 1, 0, 1])
    world = World(lambda _: (100, next(statuses)))
    world.swap(every(10))
    seen = []
    for _ in range(4):
        world.pass_time(10 * SECOND + 200)
        seen.append(world.status("beat").record.consecutive_failures)
    assert seen == [1, 2, 0, 1]


# Operators.


def test_a_manual_run_is_a_run_without_an_instant() -> None:
    world = World()
    world.swap(every(60))
    run = world.engine.run_task(TaskName("beat"), "alice", Instant(world.now))
    world.pass_time(SECOND)
    assert not isinstance(run, str)
    assert (run.trigger, run.instant, run.actor) == (Trigger.MANUAL, None, "alice")
    assert world.book.outcomes("beat") == [Outcome.SUCCEEDED]
    assert instants_of(world, "beat") == []


def test_a_manual_run_is_refused_with_a_sentence_when_it_cannot_be() -> None:
    world = World(lambda _: (None, 0))
    world.swap(every(60), daemon("proxy"))
    world.pass_time(61 * SECOND)
    for name, words in [("beat", "running already"), ("proxy", "daemon"), ("nobody", "no task")]:
        answer = world.engine.run_task(TaskName(name), "alice", Instant(world.now))
        assert isinstance(answer, str)
        assert words in answer


def test_stopping_a_task_stops_each_of_its_runs() -> None:
    world = World(lambda _: (None, 0))
    world.swap(every(10, max_running=3))
    world.pass_time(30 * SECOND)
    assert len(world.engine.stop("beat", Instant(world.now), Millis(world.mono))) == 3
    world.turn()
    world.pass_time(SECOND)
    assert world.book.outcomes("beat") == [Outcome.STOPPED] * 3
    assert world.status("beat").record.consecutive_failures == 0


# Swaps.


def test_a_swap_leaves_an_unchanged_task_its_next_instant_and_its_runs() -> None:
    world = World(lambda _: (None, 0))
    world.swap(every(10))
    world.pass_time(10 * SECOND)
    world.swap(every(10), every(30, "other"))
    world.pass_time(5 * SECOND)
    assert len(world.alive("beat")) == 1
    assert world.alive("beat")[0].killed_by == []
    assert world.status("beat").next_due == NOON + 20_000


def test_a_changed_or_removed_cron_task_finishes_what_it_started() -> None:
    world = World(lambda _: (20 * SECOND, 0))
    world.swap(every(10), every(10, "gone"))
    world.pass_time(10 * SECOND)
    world.swap(changed(every(10), description="new"))
    world.pass_time(25 * SECOND)
    assert [process.killed_by for process in world.processes.values()][:2] == [[], []]
    assert world.book.outcomes("gone") == [Outcome.SUCCEEDED]
    assert instants_of(world, "gone") == [NOON + 10_000]
    assert "gone" not in world.engine.statuses


def test_a_run_keeps_the_definition_it_started_with() -> None:
    world = World(lambda _: (None, 0))
    world.swap(every(60, timeout=Millis(30_000)))
    world.pass_time(60 * SECOND)
    world.swap(changed(every(60)))
    world.pass_time(31 * SECOND)
    assert world.book.outcomes("beat") == [Outcome.TIMED_OUT]


def test_a_new_schedule_counts_from_the_swap_and_an_unchanged_one_carries_over() -> None:
    world = World()
    world.swap(every(30), every(30, "same"))
    world.pass_time(25 * SECOND)
    moved = changed(every(30), timing=CronTiming(schedule="@every 20s"))
    world.swap(moved, changed(every(30, "same"), description="only words"))
    world.pass_time(20 * SECOND)
    assert instants_of(world, "beat") == [NOON + 40_000]
    assert instants_of(world, "same") == [NOON + 30_000]


def test_what_came_due_before_a_swap_is_decided_by_the_set_that_was_in_force() -> None:
    world = World()
    world.swap(every(10))
    world.sleep(12 * SECOND)
    world.swap()
    assert instants_of(world, "beat") == [NOON + 10_000]
    assert len(world.processes) == 1


def test_a_removed_task_is_not_fired_again_and_a_returning_one_starts_from_its_return() -> None:
    world = World()
    world.swap(every(10))
    world.pass_time(15 * SECOND)
    world.swap()
    world.pass_time(30 * SECOND)
    world.swap(every(10))
    world.pass_time(10 * SECOND)
    assert instants_of(world, "beat") == [NOON + 10_000, NOON + 50_000]


# Daemons.


def test_a_daemon_is_started_at_once_and_again_after_it_ended_later_and_later() -> None:
    world = World(lambda _: (100, 0))
    world.swap(daemon("proxy", timing=DaemonTiming(delay=Millis(1_000), backoff=2.0, max_delay=Millis(5_000))))
    world.pass_time(30 * SECOND)
    starts = [process.started_at - 1_000_000 for process in world.processes.values()]
    gaps = [after - before - 100 for before, after in itertools.pairwise(starts)]
    assert starts[0] == 0
    assert gaps[:5] == [1_000, 2_000, 4_000, 5_000, 5_000]
    assert world.status("proxy").record.restarts == len(world.processes) - 1


def test_a_daemon_that_lived_long_enough_restarts_after_the_first_delay() -> None:
    world = World(lambda _: (90 * SECOND, 1))
    world.swap(daemon("proxy", timing=DaemonTiming(delay=Millis(1_000), backoff=10.0, reset_after=Millis(60_000))))
    world.pass_time(200 * SECOND)
    starts = [process.started_at - 1_000_000 for process in world.processes.values()]
    assert starts == [0, 91_000, 182_000]


def test_as_many_copies_of_a_daemon_live_as_it_wants_each_with_its_number() -> None:
    world = World(lambda _: (None, 0))
    world.swap(daemon("proxy", max_running=3))
    world.pass_time(SECOND)
    assert sorted(process.run.copy for process in world.alive("proxy")) == [1, 2, 3]
    world.alive("proxy")[1].length = 0
    world.pass_time(2 * SECOND)
    assert sorted(process.run.copy for process in world.alive("proxy")) == [1, 2, 3]


def test_a_changed_daemon_is_stopped_then_started_anew_with_the_new_definition() -> None:
    world = World(lambda _: (None, 0))
    world.swap(daemon("proxy"))
    world.pass_time(SECOND)
    old = world.alive("proxy")[0]
    world.swap(changed(daemon("proxy"), description="new"))
    world.pass_time(SECOND)
    assert old.killed_by == ["TERM"]
    assert [process.run.task.description for process in world.alive("proxy")] == ["new"]
    assert world.book.outcomes("proxy") == [Outcome.STOPPED]


def test_a_changed_daemon_never_lives_twice() -> None:
    world = World(lambda _: (None, 0))
    world.swap(daemon("proxy"))
    world.pass_time(SECOND)
    world.alive("proxy")[0].obeys = ("KILL",)
    world.swap(changed(daemon("proxy")))
    world.pass_time(9 * SECOND)
    assert len(world.alive("proxy")) == 1
    world.pass_time(2 * SECOND)
    assert [process.run.task.fingerprint for process in world.alive("proxy")] == [changed(daemon("proxy")).fingerprint]


def test_a_removed_or_disabled_daemon_is_stopped_and_stays_stopped() -> None:
    world = World(lambda _: (None, 0))
    world.swap(daemon("gone"), daemon("off"))
    world.pass_time(SECOND)
    world.swap(changed(daemon("off"), enabled=False))
    world.pass_time(MINUTE)
    assert world.alive("gone") == world.alive("off") == []
    assert world.book.outcomes("gone") == world.book.outcomes("off") == [Outcome.STOPPED]


def test_an_unchanged_daemon_is_not_touched_by_a_swap() -> None:
    world = World(lambda _: (None, 0))
    world.swap(daemon("proxy"))
    world.pass_time(SECOND)
    world.swap(daemon("proxy"), every(10))
    world.pass_time(SECOND)
    assert [process.killed_by for process in world.alive("proxy")] == [[]]
    assert len(world.processes) == 1


# Crashes.


def test_a_run_in_flight_over_a_crash_is_adopted_and_its_true_end_recorded() -> None:
    world = World(lambda _: (20 * SECOND, 7))
    world.swap(every(60))
    world.pass_time(61 * SECOND)
    world.crash()
    world.pass_time(30 * SECOND)
    run = next(iter(world.book.runs.values()))
    assert (run.outcome, run.exit_status) == (Outcome.FAILED, 7)
    assert (run.finished_at or 0) - (run.started_at or 0) == 20_000
    assert world.engine.runs_adopted == 1


def test_a_run_that_ended_while_no_agent_lived_is_recorded_as_if_one_had() -> None:
    world = World(lambda _: (10 * SECOND, 0))
    world.swap(every(60))
    world.pass_time(61 * SECOND)
    world.sleep(30 * SECOND)
    for process in world.processes.values():
        process.ended_at = process.started_at + 10_000
    world.crash()
    world.pass_time(SECOND)
    run = next(iter(world.book.runs.values()))
    assert (run.finished_at or 0) - (run.started_at or 0) == 10_000
    assert run.outcome is Outcome.SUCCEEDED


def test_a_run_that_never_began_is_decided_again_while_its_deadline_holds() -> None:
    world = World(lambda _: (SECOND, 0))
    world.swap(every(60))
    world.pass_time(60 * SECOND)
    world.processes.clear()
    world.sleep(10 * SECOND)
    world.crash()
    world.pass_time(5 * SECOND)
    assert world.book.covered[TaskName("beat")] == {NOON + 60_000: "run"}
    assert world.book.outcomes("beat") == [Outcome.SUCCEEDED]
    assert len(world.book.runs) == 1


def test_a_run_that_never_began_is_missed_after_its_deadline() -> None:
    world = World(lambda _: (SECOND, 0))
    world.swap(every(300))
    world.pass_time(300 * SECOND)
    world.processes.clear()
    world.sleep(61 * SECOND)
    world.crash()
    world.pass_time(SECOND)
    assert world.book.covered[TaskName("beat")] == {NOON + 300_000: "missed"}


def test_a_timeout_goes_on_counting_over_a_crash() -> None:
    world = World(lambda _: (None, 0))
    world.swap(every(60, timeout=Millis(30_000)))
    world.pass_time(70 * SECOND)
    world.crash()
    world.pass_time(25 * SECOND)
    run = next(iter(world.book.runs.values()))
    assert run.outcome is Outcome.TIMED_OUT
    assert (run.finished_at or 0) - (run.started_at or 0) == 30_000


def test_a_stop_that_a_crash_interrupted_goes_on() -> None:
    world = World(lambda _: (None, 0))
    world.swap(every(60))
    world.pass_time(61 * SECOND)
    process = world.alive("beat")[0]
    process.obeys = ("KILL",)
    world.engine.stop("beat", Instant(world.now), Millis(world.mono))
    world.turn()
    world.crash()
    world.pass_time(11 * SECOND)
    assert process.killed_by == ["TERM", "TERM", "KILL"]
    assert world.book.outcomes("beat") == [Outcome.STOPPED]


def test_a_daemon_that_a_swap_was_to_stop_is_stopped_after_the_crash_in_between() -> None:
    world = World(lambda _: (None, 0))
    world.swap(daemon("proxy"), daemon("gone"))
    world.pass_time(SECOND)
    tasks = {TaskName("proxy"): changed(daemon("proxy"))}
    assert world.saved is not None
    world.saved = replace(world.saved, tasks=tasks)
    world.crash()
    world.pass_time(5 * SECOND)
    assert [process.run.task.fingerprint for process in world.alive("proxy")] == [tasks[TaskName("proxy")].fingerprint]
    assert world.alive("gone") == []


def test_instants_while_no_agent_lived_are_missed_and_none_is_forgotten_or_doubled() -> None:
    world = World()
    world.swap(every(10, starting_deadline=Millis(5_000)))
    world.pass_time(25 * SECOND)
    world.sleep(60 * SECOND)
    world.crash()
    world.pass_time(10 * SECOND)
    spans = [span for span in world.book.spans if span.reason is SkipReason.MISSED]
    assert [(span.first - NOON, span.last - NOON, span.count) for span in spans] == [(30_000, 70_000, 5)]
    runs = [instant - NOON for instant, how in world.book.covered[TaskName("beat")].items() if how == "run"]
    assert runs == [10_000, 20_000, 80_000, 90_000]


def test_counters_survive_a_crash() -> None:
    world = World()
    world.swap(every(10))
    world.pass_time(35 * SECOND)
    before = world.status("beat").record
    world.crash()
    assert world.status("beat").record == before
    assert before.runs == {Outcome.SUCCEEDED: 3}


def test_a_task_gone_for_more_than_thirty_days_is_forgotten_and_one_gone_for_less_is_not() -> None:
    world = World()
    world.swap(every(10))
    world.pass_time(15 * SECOND)
    world.swap()
    world.sleep(29 * 24 * HOUR)
    world.crash()
    assert TaskName("beat") in world.book.records
    world.sleep(2 * 24 * HOUR)
    world.crash()
    assert TaskName("beat") not in world.book.records


def test_a_task_in_force_is_never_forgotten_however_long_ago_it_was_added() -> None:
    world = World()
    world.swap(every(3600))
    world.pass_time(HOUR)
    world.sleep(40 * 24 * HOUR)
    world.turn()
    before = world.status("beat").record
    world.crash()
    assert world.status("beat").record == before
    assert before.decided_through == NOON + 40 * 24 * HOUR + HOUR
