"""The attempts of one run: when the next one comes, and what the run is between two of them. Pure.

A run waits for its next attempt on the monotonic clock, so that a step of the wall clock moves nothing. That clock means nothing after a reboot:
then the wall clock tells how much of the wait is left, which is never more than the whole of it.
"""

from __future__ import annotations

from dataclasses import replace

from torchsync.core.backoff import grown
from torchsync.core.entries import AttemptOp, AwaitAttempt, BeginAttempt
from torchsync.core.model import Attempt, CronTiming, Instant, Millis, Outcome, Retry, Run, RunState, StopCause, Wait

RETRIED = frozenset({Outcome.FAILED, Outcome.TIMED_OUT, Outcome.START_FAILED})
"""Not `lost`: nobody knows what such an attempt has done, or whether something of it lives."""


def is_retried(run: Run, outcome: Outcome) -> bool:
    """Another attempt follows the one that came to this. None does once somebody has wanted the run to end."""
    return outcome in RETRIED and run.stop_cause in (None, StopCause.TIMEOUT) and run.attempt < run.attempts


def retry_delay(retry: Retry, attempt: int) -> Millis:
    """How long the attempt with this number, from 2 on, comes after the end of the one before."""
    return Millis(int(grown(retry.delay, retry.backoff, attempt - 2, retry.max_delay)))


def wait_for(delay: Millis, boot_id: str, now: Instant, mono: Millis) -> Wait:
    """The wait that is over after `delay`."""
    return Wait(until=Instant(now + delay), mono=Millis(mono + delay), boot_id=boot_id)


def left(wait: Wait, most: Millis, boot_id: str, now: Instant, mono: Millis) -> Millis:
    """How much of a wait that was never longer than `most` is left in the boot `boot_id`; 0 when it is over."""
    rest = wait.mono - mono if wait.boot_id == boot_id else wait.until - now
    return Millis(max(0, min(rest, most)))


def longest_wait(run: Run) -> Millis:
    """What the run waits for its attempt at most."""
    timing = run.task.timing
    retry = timing.retry if isinstance(timing, CronTiming) else None
    return retry_delay(retry, run.attempt) if retry and run.attempt > 1 else Millis(0)


def changed(run: Run, operation: AttemptOp) -> Run:
    """The run after the operation."""
    match operation:
        case AwaitAttempt(wait=wait, over=over):
            waiting = replace(run, state=RunState.WAITING, stop_cause=None, started_at=None, wait=wait)
            if over is None:
                return replace(waiting, again=run.again + 1)
            return replace(waiting, attempt=over.number + 1, again=0, earlier=(*run.earlier, over))
        case BeginAttempt(boot_id=boot_id):
            return replace(run, state=RunState.ADMITTED, wait=None, boot_id=boot_id)


def attempt_of(over: Run, outcome: Outcome) -> Attempt:
    """What is kept of the newest attempt of the run, which is over."""
    return Attempt(
        number=over.attempt,
        outcome=outcome,
        finished_at=over.finished_at or over.admitted_at,
        started_at=over.started_at,
        exit_status=over.exit_status,
        detail=over.detail,
    )
