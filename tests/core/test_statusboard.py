"""What the engine shows of its tasks."""

from __future__ import annotations

from dataclasses import replace

from tests.builders import HOUR, MINUTE, task
from tests.core.world import World
from torchsync.core.holds import Hold, held_task, lifted, placed
from torchsync.core.lateness import late_since
from torchsync.core.model import Instant

SWAPPED = 250


def test_a_task_that_never_succeeds_is_late_and_one_success_ends_that() -> None:
    statuses = iter([1, 1, 1, 1, 0, 0])
    world = World(lambda _: (100, next(statuses, 0)))
    world.swap(task("hourly", schedule="0 * * * *"))
    assert late_since(world.status("hourly"), Instant(world.now)) is None
    start = world.now
    world.pass_time(4 * HOUR)
    assert late_since(world.status("hourly"), Instant(world.now)) == start + 3 * HOUR
    world.pass_time(HOUR + MINUTE)
    assert late_since(world.status("hourly"), Instant(world.now)) is None
    assert world.status("hourly").record.consecutive_failures == 0


def test_a_task_is_not_late_because_operators_held_it_back() -> None:
    world = World()
    world.swap(task("hourly", schedule="0 * * * *"))
    world.hold(lambda holds: placed(holds, held_task("hourly"), Hold(actor="alice", since=Instant(world.now))))
    world.pass_time(9 * HOUR)
    assert late_since(world.status("hourly"), Instant(world.now)) is None
    world.hold(lambda holds: lifted(holds, held_task("hourly"), actor="alice", now=Instant(world.now)))
    world.turn()
    assert late_since(world.status("hourly"), Instant(world.now)) is None


def test_a_large_swap_finds_its_limits_over_several_turns_at_once() -> None:
    world = World()
    world.swap(*(task(f"t{number:03}", schedule="0 3 * * *") for number in range(SWAPPED)))
    assert sum(status.max_age is None for status in world.engine.statuses.values()) > 0
    assert world.engine.next_wake(Instant(world.now), world.mono) == 0
    world.turn()
    assert {status.max_age for status in world.engine.statuses.values()} == {49 * HOUR}
    assert world.engine.next_wake(Instant(world.now), world.mono) > MINUTE


def test_a_removed_task_is_not_shown_and_comes_back_with_its_limit() -> None:
    world = World()
    world.swap(task("hourly", schedule="0 * * * *"), task("other"))
    world.swap(task("other"))
    assert "hourly" not in world.engine.statuses
    world.swap(replace(task("hourly", schedule="0 * * * *"), enabled=False), task("other"))
    assert world.status("hourly").max_age == 0
