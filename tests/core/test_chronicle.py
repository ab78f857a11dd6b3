"""What the engine tells the ledger of generations."""

from __future__ import annotations

from dataclasses import replace

from tests.builders import generation, task
from tests.core.world import World
from torchsync.core.chronicle import PutGeneration, successor, whole
from torchsync.core.entries import Batch
from torchsync.core.model import Fingerprint, Instant
from torchsync.core.taskdoc import batch_document, batch_from_document

A, B, C = task("a"), task("b"), task("c")
OTHER = replace(A, owner="new", fingerprint=Fingerprint("f" * 64))


def told(world: World) -> list[PutGeneration]:
    return [operation for turn in world.turns for operation in turn.operations if isinstance(operation, PutGeneration)]


def names(one: PutGeneration) -> list[str]:
    return [entering.task.name for entering in one.tasks]


def test_a_swap_tells_what_it_changes_and_nothing_else() -> None:
    world = World()
    world.swap(A, B)
    world.swap(A, B)
    world.pass_time(1_000)
    world.swap(OTHER, C)
    first, same, last = told(world)
    assert (names(first), first.gone, first.generation.number) == (["a", "b"], (), 1)
    assert (names(same), same.gone, same.generation.number) == ([], (), 2)
    assert (names(last), last.gone, last.generation.number) == (["a", "c"], ("b",), 3)
    assert {entering.baseline for entering in last.tasks if entering.task == C} == {Instant(world.now)}


def test_an_agent_that_finds_the_ledger_behind_tells_it_everything() -> None:
    world = World()
    world.swap(A, B)
    world.book.view = replace(world.book.view, in_force=None)
    world.crash()
    assert [one.is_whole for one in told(world)] == [False, True]
    assert names(told(world)[-1]) == ["a", "b"]


def test_an_agent_that_finds_the_ledger_as_it_left_it_tells_nothing() -> None:
    world = World()
    world.swap(A, B)
    world.crash()
    assert [one.is_whole for one in told(world)] == [False]


def test_what_is_spooled_comes_back_as_it_was() -> None:
    one = generation(A, B)
    batch = Batch(number=3, operations=(whole(one), successor(one, ["a"], [B.name])))
    assert batch_from_document(batch_document(batch)) == batch


def test_a_task_that_counts_anew_when_the_clock_comes_right_is_told_with_its_baseline() -> None:
    world = World()
    world.is_synchronised = False
    world.now = 1_000_000
    world.swap(A)
    world.pass_time(5_000)
    world.is_synchronised = True
    world.step(1_795_435_200_000)
    world.turn()
    first, second = told(world)
    assert first.tasks[0].baseline == 1_000_000
    assert (names(second), second.is_whole) == (["a"], False)
    assert second.tasks[0].baseline == world.saved.baselines["a"] > 1_795_000_000_000
