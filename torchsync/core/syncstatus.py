"""What one sync after another comes to: counts, times, and what is wrong with the newest commit. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from torchsync.codetable.row import Reason
from torchsync.core.model import Instant
from torchsync.core.snapshot import Refusal, SyncStatus
from torchsync.core.syncdoc import SyncOutcome, SyncResult
from torchsync.core.syncmemory import SyncMemory
from torchsync.errors import Problem

MOST_REFUSALS = 10
"""Refusals that are remembered one by one."""

MOST_TOLD = 5
"""Problems that are remembered of each: they are written down with every sync."""


def sentence_of(revision: str, problems: Sequence[Problem]) -> str:
    """What is wrong with the revision: the first problem, and how many more there are."""
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{revision[:12]}: {problems[0]}{more}"


def after(status: SyncStatus, result: SyncResult) -> SyncStatus:
    """The status with one more result in it. A sync that was paused is no attempt: it reached nobody, and nothing failed."""
    is_verdict = result.outcome not in (SyncOutcome.UNAVAILABLE, SyncOutcome.FAILED, SyncOutcome.PAUSED)
    failures = status.consecutive_failures if result.outcome is SyncOutcome.PAUSED else status.consecutive_failures + 1
    succeeded = result.outcome in (SyncOutcome.APPLIED, SyncOutcome.UNCHANGED)
    turned_down = result.outcome in (SyncOutcome.REJECTED, SyncOutcome.REFUSED)
    is_new_rejection = turned_down and (status.rejected != result.revision or status.problems != result.problems)
    durations = dict(status.durations)
    for phase, seconds in result.durations.items():
        durations[phase] = durations[phase].observe(seconds)
    rejections = dict(status.rejections)
    for reason in _reasons(result.problems) if is_new_rejection else ():
        rejections[reason] = rejections.get(reason, 0) + 1
    return replace(
        status,
        last=result,
        last_success=result.finished_at if succeeded else status.last_success,
        last_verdict=result.finished_at if is_verdict else status.last_verdict,
        last_apply=result.finished_at if result.outcome is SyncOutcome.APPLIED else status.last_apply,
        consecutive_failures=0 if succeeded else failures,
        verdict_since_start=status.verdict_since_start or is_verdict,
        rejected=result.revision if turned_down else "" if succeeded else status.rejected,
        problems=result.problems if turned_down else () if succeeded else status.problems,
        refusals=_with_refusal(status.refusals, result) if is_new_rejection else status.refusals,
        results={**status.results, result.outcome: status.results.get(result.outcome, 0) + 1},
        rejections=rejections,
        durations=durations,
    )


def _reasons(problems: Iterable[Problem]) -> set[Reason]:
    return {problem.reason for problem in problems if problem.reason}


def _with_refusal(before: tuple[Refusal, ...], result: SyncResult) -> tuple[Refusal, ...]:
    told, left_out = result.problems[:MOST_TOLD], result.problems[MOST_TOLD:]
    refusal = Refusal(revision=result.revision, outcome=result.outcome, at=result.finished_at, problems=told, more=len(left_out))
    return (*before, refusal)[-MOST_REFUSALS:]


def remembered(status: SyncStatus, memory: SyncMemory) -> SyncStatus:
    """The status with what an earlier agent process knew. A revision that it turned down is turned down until another verdict is given, and counted
    once here too: that process may have ended before anybody asked it.
    """
    judged = memory.judged
    problems = judged.problems if judged else ()
    return replace(
        status,
        last_success=memory.last_success,
        last_apply=memory.last_apply,
        rejected=judged.revision if judged else "",
        problems=problems,
        refusals=memory.refusals,
        rejections=dict.fromkeys(_reasons(problems), 1),
    )


def bounded(status: SyncStatus, now: Instant) -> SyncStatus:
    """The status without anything that happened later than `now`; the very same when it tells of no such thing."""
    if max(status.last_attempt, status.last_success, status.last_verdict, status.last_apply, *(one.at for one in status.refusals)) <= now:
        return status
    return replace(
        status,
        last_attempt=min(status.last_attempt, now),
        last_success=min(status.last_success, now),
        last_verdict=min(status.last_verdict, now),
        last_apply=min(status.last_apply, now),
        refusals=tuple(replace(one, at=min(one.at, now)) for one in status.refusals),
    )
