from __future__ import annotations

from dataclasses import replace

import pytest

from tests.builders import NOON, sync_status
from torchsync.codetable.row import Reason
from torchsync.core.model import Instant
from torchsync.core.syncdoc import SyncOutcome, SyncResult
from torchsync.core.syncstatus import MOST_REFUSALS, MOST_TOLD, after, bounded, sentence_of
from torchsync.errors import Problem

BAD = Problem(code="TS120", message="minute: 61 is out of range", path="tasks/a.yaml", line=3, column=5)


def result(outcome: SyncOutcome, *problems: Problem) -> SyncResult:
    return SyncResult(outcome=outcome, sentence="so", started_at=NOON, finished_at=Instant(NOON + 5), revision="a" * 40, problems=problems)


def test_a_paused_sync_is_counted_and_changes_nothing_else() -> None:
    before = after(sync_status(last_attempt=NOON, consecutive_failures=2), result(SyncOutcome.REJECTED, BAD))
    paused = after(before, result(SyncOutcome.PAUSED))
    assert paused.results == {SyncOutcome.REJECTED: 1, SyncOutcome.PAUSED: 1}
    assert (paused.consecutive_failures, paused.last_verdict, paused.rejected) == (3, before.last_verdict, before.rejected)
    assert not after(sync_status(), result(SyncOutcome.PAUSED)).verdict_since_start


@pytest.mark.parametrize("outcome", [SyncOutcome.APPLIED, SyncOutcome.UNCHANGED])
def test_a_success_ends_a_row_of_failures(outcome: SyncOutcome) -> None:
    failed = after(sync_status(), result(SyncOutcome.REJECTED, BAD))
    assert (failed.consecutive_failures, failed.rejected, failed.problems) == (1, "a" * 40, (BAD,))
    after_it = after(failed, result(outcome))
    assert (after_it.consecutive_failures, after_it.rejected, after_it.problems, after_it.last_success) == (0, "", (), NOON + 5)


def test_a_rejection_is_counted_once_however_often_it_is_given() -> None:
    status = sync_status()
    for _ in range(3):
        status = after(status, result(SyncOutcome.REJECTED, BAD))
    assert status.rejections == {Reason.SCHEDULE: 1}


def test_a_sentence_names_the_first_problem_and_how_many_more_there_are() -> None:
    assert sentence_of("a" * 40, [BAD]) == f"aaaaaaaaaaaa: {BAD}"
    assert sentence_of("abcdef1", [BAD, BAD, BAD]) == f"abcdef1: {BAD} (and 2 more)"


def test_each_refusal_is_remembered_once_with_the_moment_it_was_first_said_and_old_ones_give_way() -> None:
    status = sync_status()
    for number in range(MOST_REFUSALS + 2):
        told = replace(result(SyncOutcome.REFUSED, BAD), revision=f"{number:040x}", finished_at=Instant(NOON + number))
        for verdict in (told, replace(told, finished_at=Instant(NOON + 500)), result(SyncOutcome.UNAVAILABLE)):
            status = after(status, verdict)
    assert [refusal.at - NOON for refusal in status.refusals] == list(range(2, MOST_REFUSALS + 2))
    assert {(refusal.outcome, refusal.problems) for refusal in status.refusals} == {(SyncOutcome.REFUSED, (BAD,))}


def test_of_a_commit_with_very_many_problems_the_first_are_remembered_and_the_rest_counted() -> None:
    problems = [replace(BAD, line=number) for number in range(MOST_TOLD + 3)]
    status = after(sync_status(), result(SyncOutcome.REJECTED, *problems))
    (refusal,) = status.refusals
    assert (refusal.problems, refusal.more) == (tuple(problems[:MOST_TOLD]), 3)
    assert status.problems == tuple(problems)


def test_after_the_clock_was_set_back_nothing_is_told_to_have_happened_later() -> None:
    status = after(sync_status(last_attempt=NOON), result(SyncOutcome.REJECTED, BAD))
    assert bounded(status, Instant(NOON + 5)) is status
    earlier = bounded(status, Instant(NOON - 1))
    assert (earlier.last_attempt, earlier.last_verdict, earlier.refusals[0].at) == (NOON - 1, NOON - 1, NOON - 1)
