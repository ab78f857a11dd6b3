"""What every `ports.Wakeups` does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from torchsync.core.model import Millis
from torchsync.ports import Wakeups


@contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    try:
        yield ends
    finally:
        for end in ends:
            os.close(end)


def events_come_oldest_first_and_once(wakeups: Wakeups) -> None:
    for event in ("a", "b", "c"):
        wakeups.post(event)
    assert list(wakeups.wait(Millis(0))) == ["a", "b", "c"]
    assert list(wakeups.wait(Millis(0))) == []


def a_wait_without_events_ends_with_its_timeout(wakeups: Wakeups) -> None:
    assert list(wakeups.wait(Millis(20))) == []


def what_was_posted_before_the_wait_ends_it_at_once(wakeups: Wakeups) -> None:
    wakeups.post("early")
    assert list(wakeups.wait(None)) == ["early"]


def what_a_callback_posts_is_returned_by_the_same_wait(wakeups: Wakeups) -> None:
    with pipe() as (reading, writing):
        wakeups.watch(reading, lambda: wakeups.post(os.read(reading, 10)))
        os.write(writing, b"x")
        assert list(wakeups.wait(Millis(30_000))) == [b"x"]


def a_descriptor_that_stays_ready_is_served_again(wakeups: Wakeups) -> None:
    with pipe() as (reading, writing):
        wakeups.watch(reading, lambda: wakeups.post(os.read(reading, 1)))
        os.write(writing, b"xy")
        assert [*wakeups.wait(Millis(30_000)), *wakeups.wait(Millis(30_000))] == [b"x", b"y"]


def a_closed_pipe_is_ready(wakeups: Wakeups) -> None:
    with pipe() as (reading, _):
        other_reading, other_writing = os.pipe()
        os.close(other_writing)
        os.dup2(other_reading, reading)
        os.close(other_reading)

        def gone() -> None:
            wakeups.unwatch(reading)
            wakeups.post("gone")

        wakeups.watch(reading, gone)
        assert list(wakeups.wait(Millis(30_000))) == ["gone"]


def what_is_not_watched_any_more_is_not_served(wakeups: Wakeups) -> None:
    with pipe() as (reading, writing):
        wakeups.watch(reading, lambda: wakeups.post("served"))
        wakeups.unwatch(reading)
        os.write(writing, b"x")
        assert list(wakeups.wait(Millis(20))) == []
        assert os.read(reading, 1) == b"x", "the descriptor stays open"


def a_callback_may_unwatch_another_that_is_ready_too(wakeups: Wakeups) -> None:
    with pipe() as (reading, writing):
        other = os.dup(reading)

        def serve(mine: int, its: int) -> None:
            wakeups.unwatch(mine)
            wakeups.unwatch(its)
            wakeups.post("served")

        wakeups.watch(reading, lambda: serve(reading, other))
        wakeups.watch(other, lambda: serve(other, reading))
        os.write(writing, b"x")
        assert list(wakeups.wait(Millis(30_000))) == ["served"]
        assert list(wakeups.wait(Millis(20))) == []
        os.close(other)


def a_callback_that_posts_nothing_does_not_end_the_wait(wakeups: Wakeups) -> None:
    with pipe() as (reading, writing):
        served = []
        wakeups.watch(reading, lambda: served.append(os.read(reading, 1)))
        os.write(writing, b"x")
        assert list(wakeups.wait(Millis(50))) == []
        assert served == [b"x"]


CONTRACT = (
    events_come_oldest_first_and_once,
    a_wait_without_events_ends_with_its_timeout,
    what_was_posted_before_the_wait_ends_it_at_once,
    what_a_callback_posts_is_returned_by_the_same_wait,
    a_descriptor_that_stays_ready_is_served_again,
    a_closed_pipe_is_ready,
    what_is_not_watched_any_more_is_not_served,
    a_callback_may_unwatch_another_that_is_ready_too,
    a_callback_that_posts_nothing_does_not_end_the_wait,
)
