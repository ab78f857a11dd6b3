from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchsync.core.factswatch import STABLE_FOR, FactsWatch
from torchsync.core.model import HostFacts, Millis

HOME = HostFacts(name="db-1", addresses=("10.2.0.7",), labels={"role": "db"}, zone="UTC")
MOVED = replace(HOME, addresses=("10.3.0.9",))
GONE = replace(HOME, addresses=())


def at(minutes: float) -> Millis:
    return Millis(1_000_000 + int(minutes * 60_000))


def test_another_address_counts_after_five_stable_minutes() -> None:
    watch = FactsWatch(HOME)
    assert watch.observe(MOVED, at(0)) == HOME
    assert not watch.is_settled
    assert watch.observe(MOVED, Millis(at(5) - 1)) == HOME
    assert watch.observe(MOVED, at(5)) == MOVED
    assert watch.is_settled


def test_an_address_that_comes_back_in_time_was_never_gone() -> None:
    watch = FactsWatch(HOME)
    watch.observe(MOVED, at(0))
    assert watch.observe(HOME, at(4)) == HOME
    assert watch.is_settled
    watch.observe(MOVED, at(5))
    assert watch.observe(MOVED, at(9)) == HOME, "the five minutes begin anew"
    assert watch.observe(MOVED, at(10)) == MOVED


def test_having_no_address_never_counts() -> None:
    watch = FactsWatch(HOME)
    assert all(watch.observe(GONE, at(minute)) == HOME for minute in (0, 5, 60, 6_000))
    assert not watch.is_settled


def test_a_host_that_never_had_one_takes_its_first_address_like_any_other() -> None:
    watch = FactsWatch(GONE)
    assert watch.facts == GONE
    assert watch.observe(HOME, at(0)) == GONE
    assert watch.observe(HOME, at(5)) == HOME


def test_the_addresses_from_before_a_restart_count_until_others_are_stable() -> None:
    watch = FactsWatch(GONE, before=HOME)
    assert watch.facts == HOME
    assert not watch.is_settled
    assert watch.observe(HOME, at(0)) == HOME
    assert watch.is_settled


@pytest.mark.parametrize("change", [{"labels": {"role": "web"}}, {"zone": "Europe/Berlin"}])
def test_labels_and_zone_count_at_once_and_leave_the_addresses_as_they_are(change: dict[str, object]) -> None:
    watch = FactsWatch(HOME)
    assert watch.observe(replace(MOVED, **change), at(0)) == replace(HOME, **change)


def test_configured_addresses_count_at_once_also_when_there_are_none() -> None:
    watch = FactsWatch(HOME)
    assert watch.observe(MOVED, at(0), at_once=True) == MOVED
    assert watch.observe(GONE, at(0), at_once=True) == GONE


@given(st.lists(st.tuples(st.sampled_from([HOME, MOVED, GONE]), st.integers(1, 400_000)), max_size=40))
def test_a_change_counts_only_after_it_was_seen_for_five_minutes_on_end(seen: list[tuple[HostFacts, int]]) -> None:
    watch, mono, since, last = FactsWatch(HOME), 0, 0, HOME
    for facts, later in seen:
        mono += later
        if facts != last:
            last, since = facts, mono
        before = watch.facts
        after = watch.observe(facts, Millis(mono))
        if after != before:
            assert after == facts != GONE
            assert mono - since >= STABLE_FOR
        elif facts not in (before, GONE):
            assert mono - since < STABLE_FOR
