import pytest

from tests.builders import NOON, task
from torchsync.core.admission import Room, Way, decide
from torchsync.core.model import CronTiming, Instant, Millis, Misfire, Overlap, SkipReason

TIMING = CronTiming(schedule="@hourly", starting_deadline=Millis(60_000))
START, QUEUE, REPLACE, MAKE_UP = Way.START, Way.QUEUE, Way.REPLACE, Way.MAKE_UP


@pytest.mark.parametrize(
    ("late", "running", "limit", "expected"),
    [
        pytest.param(0, 0, 1, START, id="free and in time"),
        pytest.param(60_000, 0, 1, START, id="the last moment still counts"),
        pytest.param(60_001, 0, 1, SkipReason.MISSED, id="a moment too late"),
        pytest.param(0, 1, 1, SkipReason.OVERLAP, id="full"),
        pytest.param(0, 1, 2, START, id="one of two"),
        pytest.param(0, 500, 0, START, id="no limit"),
        pytest.param(60_001, 1, 1, SkipReason.MISSED, id="missed is asked before overlap"),
    ],
)
def test_a_fire_is_admitted_or_skipped_for_the_first_reason_that_holds(
    late: int, running: int, limit: int, expected: Way | SkipReason
) -> None:
    one = task(timing=TIMING, max_running=limit)
    assert decide(one, TIMING, NOON, Room(running=running), Instant(NOON + late)) is expected


SKIP, OVERLAP, POOL = Overlap.SKIP, SkipReason.OVERLAP, SkipReason.POOL


@pytest.mark.parametrize(
    ("overlap", "room", "expected"),
    [
        pytest.param(Overlap.QUEUE, Room(running=1), QUEUE, id="a task that queues waits for its copies"),
        pytest.param(Overlap.QUEUE, Room(is_pool_full=True), QUEUE, id="and for its pool"),
        pytest.param(Overlap.QUEUE, Room(is_awaited=True), QUEUE, id="behind what waits already"),
        pytest.param(Overlap.QUEUE, Room(), START, id="but not without a reason"),
        pytest.param(Overlap.REPLACE, Room(running=1), REPLACE, id="a task that replaces stops a copy"),
        pytest.param(Overlap.REPLACE, Room(is_pool_full=True), POOL, id="but no run of others in its pool"),
        pytest.param(SKIP, Room(is_pool_full=True), POOL, id="a full pool is a reason of its own"),
        pytest.param(SKIP, Room(running=1, is_pool_full=True), OVERLAP, id="overlap is asked before the pool"),
        pytest.param(SKIP, Room(is_awaited=True), START, id="what is to be made up stops no fire that is in time"),
    ],
)
def test_what_is_full_is_answered_as_the_task_wants_it(overlap: Overlap, room: Room, expected: Way | SkipReason) -> None:
    timing = CronTiming(schedule="@hourly", overlap=overlap)
    assert decide(task(timing=timing), timing, NOON, room, NOON) is expected


@pytest.mark.parametrize("misfire", [Misfire.LATEST, Misfire.ALL])
def test_what_was_missed_is_made_up_where_the_task_wants_it_unless_it_was_paused(misfire: Misfire) -> None:
    timing = CronTiming(schedule="@hourly", misfire=misfire)
    late, full = Instant(NOON + 60_001), Room(running=1, is_pool_full=True)
    assert decide(task(timing=timing), timing, NOON, full, late) is MAKE_UP
    assert decide(task(timing=timing), timing, NOON, full, late, is_paused=True) is SkipReason.PAUSED
