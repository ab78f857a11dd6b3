"""The page is made by one thread, at most once a second, whoever asks."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.builders import NOON, snapshot
from torchsync.adapters.statuspage import FRESH, StatusPages
from torchsync.core.model import Instant
from torchsync.core.snapshot import Snapshot


class Maker:
    """Counts what it makes, and remembers the threads it was called in."""

    def __init__(self) -> None:
        self.loaded = self.made = 0
        self.threads: set[int] = set()

    def load(self) -> Maker:
        self.loaded += 1
        return self

    def __call__(self, one: Snapshot, now: Instant, is_still: bool) -> str:
        self.made += 1
        self.threads.add(threading.get_ident())
        if one.version == "broken":
            raise ValueError("no page")
        return f"{self.made} {is_still}"


@pytest.fixture
def maker() -> Maker:
    return Maker()


def test_nothing_is_loaded_before_somebody_asks_and_then_once(maker: Maker) -> None:
    pages = StatusPages(maker.load)
    assert maker.loaded == 0
    assert [pages(snapshot(), Instant(NOON + second * 1000), False) for second in range(3)] == ["1 False", "2 False", "3 False"]
    assert maker.loaded == 1


def test_an_agent_that_nobody_visits_has_no_template_engine() -> None:
    script = "import sys, torchsync.cli.agent, torchsync.cli.surfaces; print(*sorted({'jinja2', 'markupsafe'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == []


def test_who_asks_within_a_second_gets_the_same_page(maker: Maker) -> None:
    pages = StatusPages(maker.load)
    asked = [0, FRESH - 1, FRESH, FRESH + 1, 0]  # at last the clock was set back
    assert [pages(snapshot(), Instant(NOON + later), False) for later in asked] == ["1 False", "1 False", "2 False", "2 False", "3 False"]


def test_a_page_that_keeps_still_is_another_one(maker: Maker) -> None:
    pages = StatusPages(maker.load)
    assert [pages(snapshot(), NOON, is_still) for is_still in (False, True)] == ["1 False", "2 True"]
    assert [pages(snapshot(), NOON, is_still) for is_still in (False, True)] == ["1 False", "2 True"], (
        "who asks for both in turn gets no more"
    )


def test_many_at_once_cost_one_page_and_one_thread(maker: Maker) -> None:
    pages = StatusPages(maker.load)
    with ThreadPoolExecutor(8) as askers:
        assert {*askers.map(lambda later: pages(snapshot(), Instant(NOON + later), False), range(40))} == {"1 False"}
    assert len(maker.threads) == 1
    assert threading.get_ident() not in maker.threads


def test_a_page_that_cannot_be_made_does_not_keep_the_next_from_being_made(maker: Maker) -> None:
    pages = StatusPages(maker.load)
    with pytest.raises(ValueError, match="no page"):
        pages(snapshot(version="broken"), NOON, False)
    assert pages(snapshot(), NOON, False) == "2 False"
