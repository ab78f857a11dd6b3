"""What becomes of fires that come too late, find their task running, or find their pool full."""

from dataclasses import replace

import pytest

from tests.builders import HOUR, MINUTE, NOON, SECOND, daemon, task
from tests.core.world import POLICY, Killed, World
from tests.fakes_state import MemoryLedger
from torchsync.core.entries import HistoryQuery, Skip
from torchsync.core.holds import HOST, Hold, held_task, lifted, placed
from torchsync.core.model import (
    CronTiming,
    Fingerprint,
    Instant,
    Millis,
    Misfire,
    Outcome,
    Overlap,
    Retry,
    Run,
    SkipReason,
    StopCause,
    Task,
    TaskName,
    Trigger,
)
from torchsync.core.snapshot import PoolStatus, WaitsFor

LATEST, ALL = Misfire.LATEST, Misfire.ALL


def every(seconds: int, name: str = "a", *, max_running: int = 1, pool: str = "", **timing) -> Task:
    cron = CronTiming(schedule=f"@every {seconds}s", **timing)
    print_of = Fingerprint(f"{name}{max_running}{pool}{cron}")
    return task(name, timing=cron, max_running=max_running, pool=pool, fingerprint=print_of)


def at(minutes: float) -> Instant:
    return Instant(NOON + int(minutes * MINUTE))


def started(world: World, name: str = "a") -> list[tuple[str, float]]:
    """Trigger and instant, in minutes after noon, of everything that was started, in order."""
    runs = [process.run for process in world.processes.values() if process.run.task.name == name]
    return [(run.trigger.value, (run.instant - NOON) / MINUTE) for run in runs if run.instant is not None]


def a_world(length: int | None, *tasks: Task, **sizes: int) -> World:
    world = World(lambda _: (length, 0))
    world.book.ledger = MemoryLedger()
    world.engine.policy = replace(POLICY, pools=sizes)
    world.swap(*tasks)
    return world


def pause(world: World) -> None:
    world.hold(lambda holds: placed(holds, held_task("a"), Hold(actor="alice", since=Instant(world.now))))


def resume(world: World) -> None:
    world.hold(lambda holds: lifted(holds, held_task("a"), actor="bob", now=Instant(world.now)))


def entries(world: World) -> list[tuple[str, float, float, int]]:
    """What the ledger tells, oldest first."""
    assert world.book.ledger is not None
    rows = world.book.ledger.history(HistoryQuery(limit=1_000_000))
    told = [
        (
            row.run.trigger.value if row.run else row.reason.value if row.reason else "queued",
            ((row.first or 0) - NOON) / MINUTE,
            ((row.last or 0) - NOON) / MINUTE,
            row.count,
        )
        for row in rows
        if not row.annulled and not row.hold
    ]
    return sorted(told, key=lambda row: row[1])


# Missed fires.


def test_the_newest_missed_fire_is_made_up_and_the_others_are_recorded_in_one_entry() -> None:
    world = a_world(100, every(60, misfire=LATEST))
    world.sleep(10 * MINUTE + 90 * SECOND)
    world.pass_time(SECOND)
    assert entries(world) == [("missed", 1, 9, 9), ("misfire", 10, 10, 1), ("schedule", 11, 11, 1)]


def test_the_fire_that_is_in_time_goes_before_what_is_made_up() -> None:
    world = a_world(20 * SECOND, every(60, misfire=LATEST))
    world.sleep(10 * MINUTE + 30 * SECOND)
    world.pass_time(20 * SECOND - 1)
    assert started(world) == [("schedule", 10)]
    world.pass_time(1)
    assert started(world) == [("schedule", 10), ("misfire", 9)]


def test_what_is_made_up_does_not_starve_where_fires_come_without_a_pause() -> None:
    world = a_world(60 * SECOND, every(60, misfire=LATEST))
    world.sleep(10 * MINUTE)
    world.pass_time(MINUTE + 1)
    assert started(world) == [("schedule", 9), ("misfire", 8)]


def test_all_that_was_missed_is_made_up_oldest_first_one_after_the_other() -> None:
    world = a_world(5 * SECOND, every(3600, misfire=ALL, misfire_limit=3))
    world.sleep(6 * HOUR + 30 * MINUTE)
    world.pass_time(MINUTE)
    assert started(world) == [("misfire", 4 * 60), ("misfire", 5 * 60), ("misfire", 6 * 60)]
    assert max(len(turn.operations) for turn in world.turns)
    assert entries(world)[0] == ("missed", 60, 180, 3)
    assert world.status("a").record.skipped == {SkipReason.MISSED: 3}


def test_without_a_limit_of_copies_all_that_was_missed_is_made_up_at_once() -> None:
    world = a_world(5 * SECOND, every(3600, misfire=ALL, max_running=0))
    world.sleep(6 * HOUR + 30 * MINUTE)
    world.turn()
    assert len(world.alive("a")) == 6


@pytest.mark.parametrize("kills", [0, 1, 3])
def test_the_latest_is_the_newest_of_the_whole_backlog_and_not_of_each_turn(kills: int) -> None:
    world = a_world(100, every(1, misfire=LATEST, starting_deadline=Millis(500)))
    world.sleep(12_000 * SECOND + 700)
    for point in ["after the transaction", "before the transaction", "after the transaction"][:kills]:
        world.dies_at = point
        with pytest.raises(Killed):
            world.turn()
        world.dies_at = ""
        world.engine = world._new_engine()
        world.pending.clear()
        world.engine.restore(world.saved, world.book.view, Instant(world.now), Millis(world.mono))
        world._perform(world.engine.flush())
    while not world.engine.is_settled(Instant(world.now)):
        world.turn()
    assert started(world) == [("misfire", 200)]
    assert sum(count for how, _, _, count in entries(world) if how == "missed") == 11_999
    assert len(entries(world)) <= 2 + kills, "only what is decided after a kill begins an entry"


def test_what_waited_when_the_agent_was_killed_shares_an_entry_when_it_is_missed_after_all() -> None:
    world = a_world(None, every(1, misfire=ALL, misfire_limit=50, starting_deadline=Millis(500), max_running=0, pool="db"), db=1)
    world.sleep(100 * SECOND + 700)
    world.pass_time(0)
    world.crash()
    world.engine.policy = replace(POLICY, pools={"db": 1})
    world.sleep(100 * SECOND)
    world.pass_time(0)
    assert [(how, count) for how, _, _, count in entries(world) if how != "queued"] == [("missed", 50), ("misfire", 1), ("missed", 99)]


def test_an_entry_grows_with_its_neighbours_and_in_a_jump_only_when_it_would_go_with_it_in_any_case() -> None:
    def growing(world: World) -> list[tuple[SkipReason, bool]]:
        spans = [operation for turn in world.turns for operation in turn.operations if isinstance(operation, Skip)]
        return [(span.reason, span.extends) for span in spans]

    world = a_world(None, every(60))
    world.pass_time(4 * MINUTE)
    assert growing(world) == [(SkipReason.OVERLAP, False), (SkipReason.OVERLAP, True), (SkipReason.OVERLAP, True)]
    world.turns.clear()
    world.step(HOUR)
    world.pass_time(2 * MINUTE)
    missed = [(reason, grows) for reason, grows in growing(world) if reason is SkipReason.MISSED]
    overlap = [grows for reason, grows in growing(world) if reason is SkipReason.OVERLAP]
    assert (missed, overlap) == ([(SkipReason.MISSED, False)], [False] * 3)


def test_what_a_jump_made_to_be_made_up_is_decided_anew_when_the_clock_returns() -> None:
    world = a_world(None, every(600, misfire=ALL, starting_deadline=Millis(10 * MINUTE)))
    assert isinstance(world.engine.run_task(TaskName("a"), "op", Instant(world.now)), Run)
    world.step(2 * HOUR)
    world.pass_time(15 * MINUTE)
    assert [fire.trigger for fire in world.book.view.queue.values()] == [Trigger.MISFIRE] * 10
    world.step(-2 * HOUR)
    world.turn()
    assert world.book.view.queue == {}
    assert [entry for entry in entries(world) if entry[1] > 0] == [("overlap", 10, 10, 1)], "it was not too late for it"


def test_missed_fires_share_an_entry_over_turns_while_some_are_made_up() -> None:
    world = a_world(None, every(1, misfire=ALL, misfire_limit=7, starting_deadline=Millis(500)))
    world.sleep(12_000 * SECOND + 700)
    world.pass_time(0)
    assert [(how, count) for how, _, _, count in entries(world) if how != "queued"] == [("missed", 11_993), ("misfire", 1)]
    world.sleep(3 * SECOND)
    world.pass_time(0)
    assert [(how, count) for how, _, _, count in entries(world) if how != "queued"] == [("missed", 11_993), ("misfire", 1), ("missed", 2)]


def test_what_is_made_up_runs_the_definition_in_force_when_it_starts() -> None:
    world = a_world(MINUTE, every(3600, misfire=ALL))
    world.sleep(3 * HOUR + 30 * MINUTE)
    world.turn()
    new = replace(every(3600, misfire=ALL), env={"A": "1"}, fingerprint=Fingerprint("new"))
    world.swap(new)
    world.pass_time(10 * MINUTE)
    assert [process.run.task.env for process in world.processes.values()] == [{}, {"A": "1"}, {"A": "1"}]


def test_a_task_that_makes_up_for_less_from_now_on_drops_what_waits() -> None:
    world = a_world(MINUTE, every(3600, misfire=ALL))
    world.sleep(5 * HOUR + 30 * MINUTE)
    world.turn()
    world.swap(every(3600))
    assert world.book.view.queue == {}
    assert world.status("a").record.skipped == {SkipReason.MISSED: 4}


@pytest.mark.parametrize("crash", [False, True])
def test_nothing_that_waits_to_be_made_up_is_lost_or_started_twice_when_the_agent_is_killed(crash: bool) -> None:
    world = a_world(20 * SECOND, every(3600, misfire=ALL))
    world.sleep(5 * HOUR + 30 * MINUTE)
    world.turn()
    for _ in range(15):
        if crash:
            world.crash()
        world.pass_time(10 * SECOND)
    assert started(world) == [("misfire", hours * 60) for hours in range(1, 6)]
    assert world.book.outcomes("a") == [Outcome.SUCCEEDED] * 5


def test_paused_instants_are_never_made_up() -> None:
    world = a_world(100, every(3600, misfire=ALL))
    pause(world)
    world.sleep(3 * HOUR + 30 * MINUTE)
    world.turn()
    resume(world)
    world.pass_time(MINUTE)
    assert started(world) == []
    assert world.status("a").record.skipped == {SkipReason.PAUSED: 3}


def test_a_missed_startup_and_a_missed_single_instant_are_made_up() -> None:
    world = World()
    world.swap()
    once = replace(every(60, "once"), timing=CronTiming(schedule="@at 2026-11-23T14:00", misfire=LATEST))
    start = replace(every(60, "start"), timing=CronTiming(schedule="@startup", misfire=LATEST, jitter=Millis(10 * MINUTE)))
    world.swap(once, start)
    world.reboot(world.now + HOUR)
    world.sleep(5 * HOUR)
    world.pass_time(0)
    assert [trigger for trigger, _ in started(world, "start")] == ["misfire"]


# Overlap.


def test_a_queued_fire_starts_when_the_run_before_it_ends_however_long_that_takes() -> None:
    world = a_world(3 * HOUR, every(3600, overlap=Overlap.QUEUE))
    world.pass_time(2 * HOUR - 1)
    assert started(world) == [("schedule", 60)]
    world.pass_time(HOUR)
    assert [fire.instant for fire in world.book.view.queue.values()] == [at(120)]
    world.pass_time(HOUR + MINUTE)
    assert started(world) == [("schedule", 60), ("schedule", 180)]
    assert world.status("a").record.skipped == {SkipReason.OVERLAP: 1}


def test_more_than_one_waits_where_the_task_says_so() -> None:
    world = a_world(10 * MINUTE, every(60, overlap=Overlap.QUEUE, queue_limit=3))
    world.pass_time(11 * MINUTE - 1)
    assert started(world) == [("schedule", 1)]
    assert [fire.instant for fire in world.book.view.queue.values()] == [at(8), at(9), at(10)]
    assert entries(world) == [("schedule", 1, 1, 1), ("overlap", 2, 7, 6), *[("queued", n, n, 1) for n in (8, 9, 10)]]


def test_the_newest_fire_replaces_what_runs() -> None:
    world = a_world(None, every(60, overlap=Overlap.REPLACE))
    world.pass_time(3 * MINUTE + SECOND)
    assert started(world) == [("schedule", 1), ("schedule", 2), ("schedule", 3)]
    assert world.book.outcomes("a") == [Outcome.REPLACED] * 2
    assert len(world.alive("a")) == 1


def test_a_fire_that_replaces_has_its_place_before_what_is_to_be_made_up() -> None:
    world = a_world(None, every(3600, overlap=Overlap.REPLACE, misfire=ALL))
    world.sleep(3 * HOUR + 30 * MINUTE)
    world.turn()
    assert started(world) == [("misfire", 60)]
    world.pass_time(31 * MINUTE)
    assert started(world) == [("misfire", 60), ("schedule", 240)]
    assert world.book.outcomes("a") == [Outcome.REPLACED]
    assert {fire.instant for fire in world.book.view.queue.values()} == {at(120), at(180)}


def test_a_run_that_does_not_heed_its_stop_is_killed_and_only_then_replaced_by_the_newest_fire() -> None:
    world = a_world(None, replace(every(1, overlap=Overlap.REPLACE), stop_grace=Millis(5_500)))
    world.pass_time(SECOND)
    (process,) = world.alive("a")
    process.obeys = ("KILL",)
    world.pass_time(6 * SECOND)
    assert process.killed_by == ["TERM"]
    assert world.book.runs[process.run.id].stop_cause is StopCause.REPLACED
    world.pass_time(SECOND - 1)
    assert process.killed_by == ["TERM", "KILL"]
    assert started(world)[:2] == [("schedule", 1 / 60), ("schedule", 7 / 60)]
    assert world.status("a").record.skipped == {SkipReason.OVERLAP: 5}


def test_a_run_that_is_being_stopped_anyway_is_waited_for() -> None:
    world = a_world(None, replace(every(60, overlap=Overlap.REPLACE), stop_grace=Millis(5 * MINUTE)))
    world.pass_time(MINUTE)
    (process,) = world.alive("a")
    process.obeys = ("KILL",)
    world.engine.stop("a", Instant(world.now), Millis(world.mono))
    world.pass_time(6 * MINUTE)
    assert world.book.runs[process.run.id].outcome is Outcome.STOPPED
    assert started(world)[1] == ("schedule", 6)


def test_of_several_copies_the_oldest_are_replaced() -> None:
    world = a_world(None, replace(every(60, overlap=Overlap.REPLACE, max_running=2), stop_grace=Millis(3 * MINUTE)))
    world.pass_time(2 * MINUTE)
    for process in world.alive("a"):
        process.obeys = ("KILL",)
    for _ in range(3):
        world.pass_time(20 * SECOND)
    world.pass_time(SECOND)
    world.crash()
    assert [run.instant for run in world.book.runs.values() if run.stop_cause] == [at(1)]
    world.pass_time(59 * SECOND)
    stopped = [run for run in world.book.runs.values() if run.stop_cause]
    assert [run.instant for run in stopped] == [at(1), at(2)]
    assert {fire.instant for fire in world.book.view.queue.values()} == {at(3), at(4)}
    world.pass_time(MINUTE)
    assert {fire.instant for fire in world.book.view.queue.values()} == {at(4), at(5)}


def test_a_run_that_waits_for_its_next_attempt_is_replaced_at_once() -> None:
    retry = Retry(attempts=5, delay=Millis(HOUR), backoff=1.0, max_delay=Millis(HOUR))
    world = a_world(100, every(60, overlap=Overlap.REPLACE, retry=retry))
    world.behaviour = lambda _: (100, 1)
    world.pass_time(2 * MINUTE)
    assert [trigger for trigger, _ in started(world)] == ["schedule"] * 2
    assert world.book.outcomes("a") == [Outcome.REPLACED]
    assert world.status("a").record.runs == {Outcome.REPLACED: 1}


def test_a_run_that_is_tried_again_after_its_timeout_is_replaced_then() -> None:
    retry = Retry(attempts=5, delay=Millis(HOUR), backoff=1.0, max_delay=Millis(HOUR))
    world = a_world(
        None, replace(every(60, overlap=Overlap.REPLACE, retry=retry, timeout=Millis(59 * SECOND)), stop_grace=Millis(3 * SECOND))
    )
    world.pass_time(MINUTE)
    (process,) = world.alive("a")
    process.obeys = ("KILL",)
    world.pass_time(MINUTE + SECOND)
    assert len(world.book.view.queue) == 1
    world.pass_time(2 * SECOND)
    assert started(world) == [("schedule", 1), ("schedule", 2)]
    assert world.book.outcomes("a") == [Outcome.REPLACED]


def test_a_run_that_began_when_its_task_did_not_replace_is_waited_for() -> None:
    world = a_world(None, every(60))
    world.pass_time(MINUTE)
    world.swap(every(60, overlap=Overlap.REPLACE))
    world.pass_time(2 * MINUTE)
    (process,) = world.alive("a")
    assert process.killed_by == []
    assert {fire.instant for fire in world.book.view.queue.values()} == {at(3)}
    process.length = world.mono - process.started_at + SECOND
    world.pass_time(MINUTE)
    assert started(world) == [("schedule", 1), ("schedule", 3), ("schedule", 4)]


@pytest.mark.parametrize("overlap", [Overlap.QUEUE, Overlap.REPLACE])
def test_what_waits_survives_a_kill_of_the_agent(overlap: Overlap) -> None:
    world = a_world(None, replace(every(60, overlap=overlap), stop_grace=Millis(HOUR)))
    world.pass_time(MINUTE)
    (process,) = world.alive("a")
    process.obeys = ()
    world.pass_time(MINUTE)
    world.crash()
    world.sleep(10 * SECOND)
    process.length = world.mono - process.started_at
    world.pass_time(20 * SECOND)
    assert started(world) == [("schedule", 1), ("schedule", 2)]
    assert entries(world) == [("schedule", 1, 1, 1), ("schedule", 2, 2, 1)]


def test_a_fire_that_waited_for_long_and_whose_run_never_began_waits_again() -> None:
    world = a_world(65 * MINUTE, every(3600, overlap=Overlap.QUEUE))
    world.pass_time(2 * HOUR)
    world.sleep(5 * MINUTE)
    world.dies_at = "after the transaction"
    with pytest.raises(Killed):
        world.turn()
    assert len(world.book.open) == 1
    world.crash()
    world.pass_time(SECOND)
    assert started(world) == [("schedule", 60), ("schedule", 120)]
    assert world.status("a").record.skipped == {}


def test_what_waits_of_a_task_that_goes_is_skipped_as_removed() -> None:
    for change in (
        (),
        (replace(every(60, overlap=Overlap.QUEUE), enabled=False, fingerprint=Fingerprint("off")),),
        (every(90, overlap=Overlap.QUEUE),),
    ):
        world = a_world(None, every(60, overlap=Overlap.QUEUE))
        world.pass_time(2 * MINUTE)
        world.swap(*change)
        assert world.book.view.queue == {}
        assert entries(world) == [("schedule", 1, 1, 1), ("removed", 2, 2, 1)]


def test_what_waits_of_a_task_that_is_paused_is_skipped_as_paused() -> None:
    world = a_world(None, every(60, overlap=Overlap.QUEUE))
    world.pass_time(2 * MINUTE)
    pause(world)
    assert world.book.view.queue == {}
    assert entries(world) == [("schedule", 1, 1, 1), ("paused", 2, 2, 1)]


def test_a_drain_of_the_host_skips_what_waits_as_paused_and_a_daemon_of_that_name_as_removed() -> None:
    world = a_world(None, every(60, overlap=Overlap.QUEUE))
    world.pass_time(2 * MINUTE)
    world.hold(lambda holds: placed(holds, HOST, Hold(actor="alice", since=Instant(world.now))))
    assert entries(world) == [("schedule", 1, 1, 1), ("paused", 2, 2, 1)]
    world = a_world(None, every(60, overlap=Overlap.QUEUE))
    world.pass_time(2 * MINUTE)
    world.swap(daemon("a"))
    assert [entry for entry in entries(world) if entry[1] > 0] == [("schedule", 1, 1, 1), ("removed", 2, 2, 1)]


def test_what_a_swap_or_a_pause_does_to_what_waits_is_done_by_the_next_agent_if_this_one_is_killed() -> None:
    world = a_world(None, every(60, overlap=Overlap.QUEUE))
    world.pass_time(2 * MINUTE)
    world.dies_at = "before the transaction"
    with pytest.raises(Killed):
        world.swap(every(90, overlap=Overlap.QUEUE))
    world.crash()
    assert entries(world) == [("schedule", 1, 1, 1), ("removed", 2, 2, 1)]
    world = a_world(None, every(60, overlap=Overlap.QUEUE))
    world.pass_time(2 * MINUTE)
    world.dies_at = "after the holds are durable"
    with pytest.raises(Killed):
        pause(world)
    world.crash()
    assert entries(world) == [("schedule", 1, 1, 1), ("paused", 2, 2, 1)]


# Pools.


def test_no_more_runs_of_a_pool_go_at_once_than_it_has_places() -> None:
    tasks = [every(60, name, pool="db") for name in ("a", "b", "c")]
    world = a_world(30 * SECOND, *tasks, db=2)
    world.pass_time(MINUTE)
    assert len(world.processes) == 2
    assert world.status("c").record.skipped == {SkipReason.POOL: 1}


def test_those_that_queue_for_a_pool_start_in_the_order_they_were_due() -> None:
    seconds = {"z": 0, "c": 10, "a": 20, "b": 30}
    timings = {name: CronTiming(schedule=f"{second} 1 * * * *", overlap=Overlap.QUEUE) for name, second in seconds.items()}
    world = a_world(2 * MINUTE, *(task(name, timing=timing, pool="db") for name, timing in timings.items()), db=1)
    world.pass_time(20 * MINUTE)
    assert [process.run.task.name for process in world.processes.values()] == ["z", "c", "a", "b"]
    assert entries(world)[-1][0] == "schedule"


def test_a_pool_that_grows_lets_in_who_waits_and_one_that_shrinks_stops_nobody() -> None:
    tasks = [every(3600, name, pool="db", overlap=Overlap.QUEUE) for name in ("a", "b", "c")]
    world = a_world(None, *tasks, db=1)
    world.pass_time(HOUR)
    assert len(world.processes) == 1
    world.engine.policy = replace(POLICY, pools={"db": 3})
    world.turn()
    assert len(world.processes) == 3
    world.engine.policy = replace(POLICY, pools={"db": 1})
    world.pass_time(HOUR)
    assert len(world.processes) == 3
    assert all(process.killed_by == [] for process in world.processes.values())


def test_the_size_that_the_host_gives_wins_over_that_of_the_repository() -> None:
    world = a_world(None, *[every(60, name, pool="db") for name in ("a", "b", "c")])
    assert world.saved is not None
    assert world.engine._force.places_in("db") == 1
    world.engine._force.generation = replace(world.saved, pools={"db": 2})
    assert world.engine._force.places_in("db") == 2
    world.engine.policy = replace(POLICY, pools={"db": 3})
    assert world.engine._force.places_in("db") == 3


def test_a_daemon_takes_a_place_and_waits_for_one() -> None:
    world = a_world(90 * SECOND, every(60, pool="db"), replace(daemon("d"), pool="db"), db=1)
    (process,) = world.alive("d")
    world.pass_time(MINUTE)
    assert world.status("a").record.skipped == {SkipReason.POOL: 1}
    process.length = 61 * SECOND
    world.pass_time(70 * SECOND)
    assert len(world.alive("a")) == 0
    world.engine.policy = replace(POLICY, pools={"db": 2})
    world.pass_time(MINUTE)
    assert len(world.alive("a")) == 1


def test_a_daemon_starts_once_its_pool_has_a_place() -> None:
    world = a_world(None, every(60, pool="db"), db=1)
    world.pass_time(MINUTE)
    world.swap(every(60, pool="db"), replace(daemon("d"), pool="db"))
    assert world.alive("d") == []
    world.engine.stop("a", Instant(world.now), Millis(world.mono))
    world.pass_time(SECOND)
    assert len(world.alive("d")) == 1


# Runs by hand.


def test_a_run_by_hand_needs_room_and_is_told_what_it_lacks() -> None:
    world = a_world(None, every(60, pool="db", overlap=Overlap.QUEUE), every(3600, "b", pool="db", overlap=Overlap.REPLACE), db=1)
    world.pass_time(MINUTE)
    answer = world.engine.run_task(TaskName("a"), "op", Instant(world.now))
    assert answer == "1 of 1 copies of 'a' are running already"
    answer = world.engine.run_task(TaskName("b"), "op", Instant(world.now))
    assert answer == "the pool 'db' of 'b' is full: 1 run(s) have its 1 place(s)"
    world.engine.stop("a", Instant(world.now), Millis(world.mono))
    world.pass_time(SECOND)
    answer = world.engine.run_task(TaskName("b"), "op", Instant(world.now))
    assert isinstance(answer, Run)
    assert answer.trigger is Trigger.MANUAL


def test_a_run_by_hand_does_not_overtake_what_waits() -> None:
    world = a_world(None, every(60, overlap=Overlap.QUEUE))
    world.pass_time(2 * MINUTE)
    (process,) = world.alive("a")
    world._signal(process.run.id, "TERM")
    for event in world.pending:
        event()
    world.pending.clear()
    answer = world.engine.run_task(TaskName("a"), "op", Instant(world.now))
    assert answer == "1 of 1 copies of 'a' are running already"
    world.turn()
    assert started(world) == [("schedule", 1), ("schedule", 2)]


# What is shown.


def test_a_task_says_how_many_fires_wait_and_what_for() -> None:
    tasks = [
        every(60, pool="db", overlap=Overlap.QUEUE),
        every(3600, "b", pool="db", overlap=Overlap.QUEUE),
        replace(daemon("d"), pool="db"),
    ]
    world = a_world(None, *tasks[:2], db=1)
    assert (world.status("a").queued, world.status("a").waits_for) == (0, None)
    world.pass_time(2 * MINUTE)
    assert (world.status("a").queued, world.status("a").waits_for) == (1, WaitsFor.COPY)
    world.swap(*tasks)
    assert world.status("d").waits_for is WaitsFor.POOL
    world.pass_time(HOUR)
    assert (world.status("b").queued, world.status("b").waits_for) == (1, WaitsFor.POOL)
    assert world.engine.pools == {"db": PoolStatus(places=1, runs=1)}
    world.engine.policy = replace(POLICY, pools={"db": 3})
    world.turn()
    assert (world.status("b").queued, world.status("b").waits_for) == (0, None)
    assert world.status("d").waits_for is None
    assert world.engine.pools == {"db": PoolStatus(places=3, runs=3)}
