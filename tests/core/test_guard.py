from __future__ import annotations

import pytest

from torchsync.core.guard import judge_removal
from torchsync.core.model import Guards


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [
        pytest.param(10, 5, False, id="half of them"),
        pytest.param(10, 4, True, id="more than half"),
        pytest.param(11, 6, False, id="less than half of an odd number"),
        pytest.param(11, 5, True, id="more than half of an odd number"),
        pytest.param(10, 0, True, id="all of them"),
        pytest.param(9, 0, False, id="all of a few"),
        pytest.param(0, 0, False, id="a first generation without tasks"),
        pytest.param(10, 500, False, id="more than before"),
    ],
)
def test_a_host_may_lose_half_of_its_tasks_and_not_all(before: int, after: int, refused: bool) -> None:
    assert (judge_removal(Guards(), before, after) is not None) is refused


@pytest.mark.parametrize(("percent", "least"), [(0, 100), (1, 99), (30, 70), (99, 1), (100, 1)])
def test_the_share_is_the_repositorys(percent: int, least: int) -> None:
    guards = Guards(max_removed_percent=percent)
    assert judge_removal(guards, 100, least) is None
    assert judge_removal(guards, 100, least - 1) is not None


def test_what_counts_as_few_is_the_repositorys() -> None:
    assert judge_removal(Guards(min_tasks=3), 3, 1) is not None
    assert judge_removal(Guards(min_tasks=4), 3, 0) is None


def test_the_refusal_says_how_many_and_what_to_do() -> None:
    problem = judge_removal(Guards(), 20, 3)
    assert problem is not None
    assert problem.code == "TS208"
    assert problem.message == "this host would keep 3 of 20 tasks, and may lose 50 % of them at most"
    assert "`Torchsync-Allow-Removal: yes`" in problem.hint
    assert "sync --allow-removal" in problem.hint
    none = judge_removal(Guards(max_removed_percent=100), 20, 0)
    assert none is not None
    assert "none of 20 tasks" in none.message
