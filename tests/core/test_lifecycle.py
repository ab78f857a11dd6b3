from itertools import product

import pytest

from tests.builders import NOON, run
from torchsync.core.lifecycle import IMPOSSIBLE, TABLE, Act, Signal, detail_of, move
from torchsync.core.model import Exited, Millis, RunState, StopCause


def test_every_pair_of_state_and_signal_is_either_in_the_table_or_impossible() -> None:
    every = set(product(RunState, Signal))
    assert TABLE.keys() | IMPOSSIBLE.keys() == every
    assert TABLE.keys() & IMPOSSIBLE.keys() == set()
    assert all(IMPOSSIBLE.values())


@pytest.mark.parametrize("pair", sorted(IMPOSSIBLE, key=str), ids=lambda pair: f"{pair[0].value}-{pair[1].value}")
def test_an_impossible_signal_is_an_error_of_the_caller(pair: tuple[RunState, Signal]) -> None:
    with pytest.raises(ValueError, match="cannot see"):
        move(*pair)


def test_a_run_is_over_exactly_when_its_end_is_written_or_it_is_withdrawn() -> None:
    closing = {Act.FINISH, Act.CANCEL, Act.WITHDRAW}
    for (state, _), found in TABLE.items():
        is_over = bool(closing & set(found.acts))
        assert is_over == (found.to is RunState.FINISHED and state is not RunState.FINISHED)


def test_nothing_is_signalled_unless_a_stop_was_asked_for() -> None:
    for (state, signal), found in TABLE.items():
        sends = {Act.SEND_STOP, Act.SEND_KILL} & set(found.acts)
        assert not sends or signal is Signal.STOP or state in (RunState.STOPPING, RunState.KILLING)


def test_nothing_is_started_but_from_a_wait_and_nothing_waits_without_a_timer() -> None:
    for (state, _), found in TABLE.items():
        assert (Act.BEGIN in found.acts) == (state is RunState.WAITING and found.to is RunState.ADMITTED)
        assert (Act.AWAIT in found.acts) == (found.to is RunState.WAITING)


def test_every_state_leads_to_an_end() -> None:
    reachable = {RunState.FINISHED}
    while True:
        more = {state for (state, _), found in TABLE.items() if found.to in reachable} - reachable
        if not more:
            break
        reachable |= more
    assert reachable == set(RunState)


def test_what_an_executor_notes_of_an_end_is_told_behind_why_it_was_ended() -> None:
    ending = Exited(status=126, started_at=NOON, duration=Millis(0), note="never was")
    assert detail_of(run(), ending, leftovers=False) == "never was"
    assert detail_of(run(stop_cause=StopCause.OPERATOR), ending, leftovers=False) == "stopped by an operator; never was"
