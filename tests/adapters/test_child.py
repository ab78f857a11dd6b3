"""Children of the loop, as real processes."""

from __future__ import annotations

import gc
import os
import sys
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from torchsync.adapters.child import Child, ChildEnd, ChildOrder, session_members
from torchsync.adapters.clock import SystemClock
from torchsync.adapters.syscalls import Timer
from torchsync.adapters.wakeups import SelectorWakeups
from torchsync.core.model import Millis

GROUP_OF_ITS_OWN = f"{sys.executable} -c 'import os, time; os.setpgid(0, 0); time.sleep(300)'"


class Nursery:
    def __init__(self) -> None:
        self.wakeups = SelectorWakeups()
        self.timer = Timer(self.wakeups, SystemClock())

    def start(self, script: str, *, patience: int = 60_000, most_output: int = 1 << 20, stdin: bytes | None = None) -> Child:
        order = ChildOrder(
            argv=("sh", "-c", script),
            environment={"PATH": os.environ["PATH"]},
            patience=Millis(patience),
            most_output=most_output,
            stdin=stdin,
        )
        return Child(order, self.wakeups, self.timer, self.wakeups.post)

    def end(self) -> ChildEnd:
        (event,) = self.wakeups.wait(Millis(60_000))
        assert isinstance(event, ChildEnd)
        return event


@pytest.fixture
def nursery() -> Nursery:
    return Nursery()


def eventually(holds: Callable[[], bool], seconds: float = 60.0) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def descriptors() -> int:
    gc.collect()  # what earlier tests left is closed when it is collected: not while we count
    return len(list(Path("/proc/self/fd").iterdir()))


def test_output_words_and_status_are_told(nursery: Nursery) -> None:
    nursery.start("echo out; echo err >&2; exit 3")
    assert nursery.end() == ChildEnd(status=3, stdout=b"out\n", stderr="err\n")


def test_nothing_stays_open(nursery: Nursery) -> None:
    nursery.start("true")
    nursery.end()
    gc.collect()
    before = descriptors()
    for stdin in (None, b"x", b"x" * 1_000_000):
        nursery.start("true", stdin=stdin)
        nursery.end()
        nursery.start("sleep 60", stdin=stdin).cancel()
    assert eventually(lambda: descriptors() <= before)


def test_standard_input_stays_open_until_the_end(nursery: Nursery) -> None:
    started = time.monotonic()
    nursery.start("head -c 5; exec 3<&0; (read line <&3; echo closed) & sleep 0.5", stdin=b"hello")
    assert nursery.end().stdout == b"hello"
    assert time.monotonic() - started > 0.4


def test_more_input_and_output_than_a_pipe_holds(nursery: Nursery) -> None:
    nursery.start("head -c 3000000", stdin=b"x" * 3_000_000, most_output=3_000_000)
    assert len(nursery.end().stdout) == 3_000_000


def test_a_child_that_writes_too_much_is_ended(nursery: Nursery) -> None:
    child = nursery.start("yes", most_output=1_000_000)
    end = nursery.end()
    assert (end.wrote_too_much, end.status) == (True, -9)
    assert eventually(lambda: session_members(child.pid) == [])


def test_a_child_that_takes_too_long_is_ended_with_everything_it_started(nursery: Nursery) -> None:
    child = nursery.start(f"{GROUP_OF_ITS_OWN} & sleep 300 & sleep 300", patience=1000)
    end = nursery.end()
    assert (end.timed_out, end.status) == (True, -9)
    assert eventually(lambda: session_members(child.pid) == [])


def test_what_outlives_a_child_that_died_is_ended(nursery: Nursery) -> None:
    child = nursery.start(f"{GROUP_OF_ITS_OWN} & sleep 1; kill -9 $$")
    assert nursery.end().status == -9
    assert eventually(lambda: session_members(child.pid) == [])


def test_a_survivor_with_our_pipes_does_not_hold_up_the_end(nursery: Nursery) -> None:
    started = time.monotonic()
    nursery.start("sleep 300 & echo done")
    assert nursery.end().stdout == b"done\n"
    assert time.monotonic() - started < 60


def test_a_survivor_with_our_pipes_is_ended_though_all_was_well(nursery: Nursery) -> None:
    child = nursery.start(f"{GROUP_OF_ITS_OWN} & sleep 0.5; echo done")
    assert nursery.end().status == 0
    assert eventually(lambda: session_members(child.pid) == [])


def test_a_survivor_that_writes_as_fast_as_we_read_does_not_hold_us_up(nursery: Nursery) -> None:
    child = nursery.start("yes >&2 & yes >&2 & sleep 0.5")
    assert nursery.end().status == 0
    assert eventually(lambda: session_members(child.pid) == [])


def test_a_cancelled_child_is_not_told(nursery: Nursery) -> None:
    child = nursery.start("sleep 0.2; echo late")
    child.cancel()
    child.cancel()
    assert list(nursery.wakeups.wait(Millis(400))) == []
    assert eventually(lambda: session_members(child.pid) == [])


def test_a_deadline_after_the_end_means_nothing(nursery: Nursery) -> None:
    child = nursery.start("true")
    assert not nursery.end().timed_out
    assert nursery.timer._calls == {}
    child._expire()
    assert list(nursery.wakeups.wait(Millis(0))) == []


def test_a_child_that_is_over_is_let_go_of_long_before_its_deadline(nursery: Nursery) -> None:
    """What it was given to read can be megabytes, and deadlines are many minutes away."""
    children = [weakref.ref(nursery.start("head -c 1000 >/dev/null", patience=3_600_000, stdin=b"x" * 1_000)) for _ in range(3)]
    ends = 0
    while ends < 3:
        ends += len(nursery.wakeups.wait(Millis(60_000)))
    nursery.start("true", patience=3_600_000).cancel()

    def are_gone() -> bool:
        gc.collect()
        return [child() for child in children] == [None] * 3

    assert eventually(are_gone)


def test_a_program_that_is_not_there_is_said(nursery: Nursery) -> None:
    order = ChildOrder(argv=("/nonexistent",), environment={}, patience=Millis(1000), most_output=1)
    gc.collect()
    before = descriptors()
    with pytest.raises(FileNotFoundError):
        Child(order, nursery.wakeups, nursery.timer, nursery.wakeups.post)
    assert descriptors() <= before
