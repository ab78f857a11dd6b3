from __future__ import annotations

import threading
import time

import pytest

from tests.adapters.contract_wakeups import CONTRACT
from torchsync.adapters.wakeups import SelectorWakeups


@pytest.mark.parametrize("contract", CONTRACT, ids=lambda contract: contract.__name__)
def test_the_inbox_keeps_the_contract(contract) -> None:
    contract(SelectorWakeups())


def test_a_post_from_another_thread_ends_a_wait() -> None:
    wakeups = SelectorWakeups()
    timer = threading.Timer(0.05, wakeups.post, ["from afar"])
    began = time.monotonic()
    timer.start()
    assert list(wakeups.wait(60_000)) == ["from afar"]
    assert time.monotonic() - began < 30
    timer.join()


def test_no_post_of_many_threads_is_lost() -> None:
    wakeups = SelectorWakeups()
    threads = [threading.Thread(target=lambda n=n: [wakeups.post((n, i)) for i in range(500)]) for n in range(4)]
    for thread in threads:
        thread.start()
    seen, deadline = [], time.monotonic() + 60
    while len(seen) < 2000 and time.monotonic() < deadline:
        seen += wakeups.wait(1000)
    for thread in threads:
        thread.join()
    assert len(seen) == 2000
    for n in range(4):
        assert [i for thread, i in seen if thread == n] == list(range(500))


def test_many_posts_cost_one_round_of_waiting() -> None:
    wakeups = SelectorWakeups()
    for number in range(1000):
        wakeups.post(number)
    assert len(wakeups.wait(None)) == 1000
    began = time.monotonic()
    assert list(wakeups.wait(50)) == []
    assert time.monotonic() - began >= 0.05, "the bell of the posts is silent again"
