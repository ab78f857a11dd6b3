"""Which files of a task are others, and in what; which pools get another size."""

from __future__ import annotations

import pytest

from tests.builders import task
from torchsync.core.inputchange import InputChange, InputEffect, Inputs, input_changes
from torchsync.core.poolchange import PoolChange, pool_changes

FILE = ("a", "100644", "1")


@pytest.mark.parametrize(
    ("old", "new", "effect"),
    [
        pytest.param((), (FILE,), InputEffect.ADDED, id="added"),
        pytest.param((FILE,), (), InputEffect.REMOVED, id="removed"),
        pytest.param((FILE,), (("a", "100644", "2"),), InputEffect.CONTENT, id="content"),
        pytest.param((FILE,), (("a", "100755", "1"),), InputEffect.MODE, id="mode"),
        pytest.param((FILE,), (("a", "100755", "2"),), InputEffect.BOTH, id="both"),
    ],
)
def test_what_happened_to_a_file_is_told(old: Inputs, new: Inputs, effect: InputEffect) -> None:
    assert input_changes(old, new) == (InputChange("a", effect, new[0][1] if new else ""),)


def test_files_are_told_by_path_and_those_that_are_the_same_are_not() -> None:
    others = (("c", "100644", "1"), ("b", "100644", "1"))
    assert [change.path for change in input_changes((FILE,), (*others, FILE))] == ["b", "c"]


def test_pools_are_those_of_the_tasks_and_what_the_host_says_itself_stays() -> None:
    tasks = [task("a", pool="disk"), task("b", pool="net"), task("c", pool="new"), task("d")]
    old, new = {"disk": 1, "net": 1, "unused": 1}, {"disk": 2, "net": 1, "unused": 2, "new": 3}
    assert pool_changes(old, new, tasks, {}) == (PoolChange("disk", 1, 2), PoolChange("new", None, 3))
    assert pool_changes(old, new, tasks, {"disk": 5}) == (PoolChange("new", None, 3),)
