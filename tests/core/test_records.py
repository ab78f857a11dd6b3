from dataclasses import replace

import pytest

from tests.builders import NOON, SECOND, finished_run, record
from torchsync.core import records
from torchsync.core.model import Instant, Outcome, SkipReason
from torchsync.core.taskrecord import Before
from torchsync.core.usage import UNKNOWN, Usage


def test_the_mark_of_decided_instants_never_goes_back() -> None:
    one = records.decided(record(), NOON)
    assert records.decided(one, Instant(NOON - SECOND)).decided_through == NOON


def test_a_skip_counts_its_instants_and_moves_the_mark() -> None:
    one = records.skipped(record(skipped={SkipReason.MISSED: 2}), SkipReason.MISSED, NOON, 3)
    assert one.skipped == {SkipReason.MISSED: 5}
    assert one.decided_through == NOON


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.TIMED_OUT, Outcome.START_FAILED, Outcome.LOST])
def test_a_failure_of_any_kind_counts_in_a_row(outcome: Outcome) -> None:
    assert records.finished(record(consecutive_failures=2), finished_run(outcome=outcome)).consecutive_failures == 3


@pytest.mark.parametrize("outcome", [Outcome.STOPPED, Outcome.REPLACED])
def test_an_end_on_purpose_is_neither_failure_nor_success(outcome: Outcome) -> None:
    before = record(consecutive_failures=2, last_success=Instant(5))
    after = records.finished(before, finished_run(outcome=outcome))
    assert (after.consecutive_failures, after.last_success) == (2, 5)
    assert after.runs == {outcome: 1}


def test_the_newest_run_says_what_it_used_or_that_nobody_knows() -> None:
    after = records.finished(record(), finished_run(usage=Usage(cpu=5)))
    assert after.last_usage == Usage(cpu=5)
    assert records.finished(after, finished_run()).last_usage == UNKNOWN


def test_a_success_says_when_and_how_long_and_ends_the_row_of_failures() -> None:
    after = records.finished(record(consecutive_failures=2), finished_run())
    assert after.consecutive_failures == 0
    assert after.last_success == NOON + 90 * SECOND
    assert after.last_run == NOON + 12
    assert after.last_duration == 90 * SECOND - 12


def test_a_run_that_is_not_over_changes_no_record() -> None:
    with pytest.raises(ValueError, match="not over"):
        records.finished(record(), finished_run(outcome=None))


def test_a_jump_that_is_over_leaves_the_earliest_mark_to_the_one_around_it() -> None:
    within = replace(record(), before=(Before(2, Instant(20)), Before(3, Instant(30))))
    assert records.leaving(records.leaving(within, 3, 1), 2, 1).before == (Before(1, Instant(20)),)
    assert records.leaving(within, 3, 0).before == (Before(2, Instant(20)),)
    assert records.leaving(within, 7, 1) == within


def test_the_outcomes_of_the_newest_runs_are_remembered_one_by_one() -> None:
    one = record()
    for outcome in [Outcome.LOST, Outcome.FAILED, *[Outcome.SUCCEEDED] * (records.MOST_RECENT - 2), Outcome.TIMED_OUT]:
        one = records.finished(one, finished_run(outcome=outcome))
    assert one.recent == (Outcome.FAILED, *[Outcome.SUCCEEDED] * (records.MOST_RECENT - 2), Outcome.TIMED_OUT)
