"""The tree in force, looked at now and then."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adapters.test_tree import OTHER, TREE, contents
from tests.fakes import FakeClock
from torchsync.adapters.tree import Trees
from torchsync.adapters.treewatch import TreeWatch
from torchsync.core.model import Millis


class SlowTrees(Trees):
    """Counts the looks, each of which takes `takes` by the clock, and waits for the gate."""

    def __init__(self, folder: Path, clock: FakeClock) -> None:
        super().__init__(folder)
        self.looks = 0
        self.takes = Millis(0)
        self.gate = threading.Event()
        self.gate.set()
        self._clock = clock

    def is_whole(self, tree: str) -> bool:
        self.looks += 1
        self.gate.wait(60)
        self._clock.advance(self.takes)
        return super().is_whole(tree)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def trees(tmp_path: Path, clock: FakeClock) -> SlowTrees:
    made = SlowTrees(tmp_path / "worktrees", clock)
    made.store(TREE, contents())
    made.looks = 0
    return made


@pytest.fixture
def watch(trees: SlowTrees, clock: FakeClock) -> Iterator[TreeWatch]:
    made = TreeWatch(trees, clock)
    yield made
    finish_look(made)


def finish_look(watch: TreeWatch) -> None:
    if watch._thread is not None:
        watch._thread.join()


def edit(trees: Trees) -> None:
    (trees.path(TREE) / "README").write_text("edited")


def test_a_tree_that_is_not_there_is_told_at_once(trees: SlowTrees, watch: TreeWatch) -> None:
    shutil.rmtree(trees.path(TREE))
    assert not watch.is_whole(TREE)
    assert not watch.is_whole(OTHER)


def test_an_edited_tree_is_told_until_it_is_repaired(trees: SlowTrees, watch: TreeWatch) -> None:
    assert watch.is_whole(TREE)
    finish_look(watch)
    edit(trees)
    assert watch.is_whole(TREE)
    finish_look(watch)
    assert [watch.is_whole(TREE) for _ in range(3)] == [False] * 3
    trees.store(TREE, contents())
    assert watch.is_whole(TREE)


def test_damage_of_one_tree_says_nothing_of_another(trees: SlowTrees, watch: TreeWatch) -> None:
    edit(trees)
    watch.is_whole(TREE)
    finish_look(watch)
    trees.store(OTHER, contents())
    assert watch.is_whole(OTHER)


def test_who_asks_does_not_wait_for_the_look(trees: SlowTrees, watch: TreeWatch) -> None:
    trees.gate.clear()
    assert [watch.is_whole(TREE) for _ in range(100)] == [True] * 100
    trees.gate.set()
    finish_look(watch)
    assert trees.looks == 1


def test_looks_take_a_hundredth_of_the_time(trees: SlowTrees, watch: TreeWatch, clock: FakeClock) -> None:
    trees.takes = Millis(50)
    seen = []
    for pause in (0, 4_999, 1, 4_999, 1):
        clock.advance(Millis(pause))
        watch.is_whole(TREE)
        finish_look(watch)
        seen.append(trees.looks)
    assert seen == [1, 1, 2, 2, 3]
