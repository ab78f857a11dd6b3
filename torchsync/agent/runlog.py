"""What is logged of fires and runs: each decision and each run in one sentence that says what happened, why, and what comes next."""

from __future__ import annotations

from collections.abc import Mapping

from torchsync.core.attempts import attempt_of
from torchsync.core.effects import Effect, ToldAdoption, ToldEnd, ToldQueue, ToldRetry, ToldSkip, ToldStart, ToldStop
from torchsync.core.instants import brief_duration, rfc3339_short
from torchsync.core.logevents import Log, LogEvent
from torchsync.core.model import Attempt, CronTiming, Instant, Millis, Outcome, Run, SkipReason, StopCause, Trigger
from torchsync.core.runoutput import EndedAttempt, PassOn, nowhere

_SKIPPED: Mapping[SkipReason, str] = {
    SkipReason.OVERLAP: "as many runs of it as `max_running` allows were under way, and `overlap` lets none wait",
    SkipReason.MISSED: "decided later than `starting_deadline` allows",
    SkipReason.PAUSED: "operators hold the task back, and what is paused is not made up for",
    SkipReason.POOL: "its pool was full, and `overlap` lets none wait",
    SkipReason.LEASE: "another host ran it",
    SkipReason.REMOVED: "the task was removed, disabled or made a daemon before it was decided",
}


_WORTH_TELLING = 1_000
"""Milliseconds: a shorter lag is for the metrics."""

_ENDED: Mapping[Outcome, str] = {
    Outcome.SUCCEEDED: "succeeded",
    Outcome.FAILED: "failed",
    Outcome.TIMED_OUT: "timed out",
    Outcome.STOPPED: "was stopped",
    Outcome.REPLACED: "was replaced",
    Outcome.START_FAILED: "could not be started",
    Outcome.LOST: "is over, and nobody knows how",
}


class RunLog:
    """Tells what the engine decided, effect by effect. `pass_on` is told of each attempt that had begun and is over."""

    def __init__(self, log: Log, pass_on: PassOn = nowhere) -> None:
        self._log = log
        self._pass_on = pass_on

    def tell(self, effect: Effect) -> None:
        """The effect has its line, when it is one that is told."""
        match effect:
            case ToldStart(run=run):
                self._say(LogEvent.RUN_STARTED, run, _began(run), copy=run.copy or None, instant=_at(run.instant))
            case ToldRetry(run=run, over=over):
                self._tell_retry(run, over)
            case ToldStop(run=run, cause=cause):
                self._say(
                    LogEvent.RUN_STOPPING, run, f"{run.task.name} is being ended {_cause(run, cause)}; {_means(run)}", reason=cause.value
                )
            case ToldAdoption(run=run):
                since = f", under way since {rfc3339_short(run.started_at)}," if run.started_at is not None else ""
                self._say(LogEvent.RUN_ADOPTED, run, f"{run.task.name}{since} was taken up from an earlier agent process")
            case ToldSkip(task=task, reason=reason, count=count):
                sentence = f"{_instants(count)} of {task} {'was' if count == 1 else 'were'} skipped ({reason.value}): {_SKIPPED[reason]}"
                self._log(LogEvent.FIRE_SKIPPED, sentence, task=task, reason=reason.value, count=count)
            case ToldQueue(task=task, trigger=trigger, count=count):
                which = "missed " if trigger is Trigger.MISFIRE else ""
                sentence = (
                    f"{_instants(count, which)} of {task} {'waits' if count == 1 else 'wait'} for a run to end or for room in its pool"
                )
                self._log(LogEvent.FIRE_QUEUED, sentence, task=task, trigger=trigger.value, count=count)
            case ToldEnd(run=run) if run.outcome is not None:
                self._tell_last(run, attempt_of(run, run.outcome))

    def _say(self, event: LogEvent, run: Run, sentence: str, **fields: object) -> None:
        told = {"task": run.task.name, "run": run.id, "revision": run.revision, "trigger": run.trigger.value, "attempt": run.attempt}
        self._log(event, sentence, **told, **fields)

    def _tell_retry(self, run: Run, over: Attempt) -> None:
        delay = brief_duration(Millis(run.wait.until - over.finished_at)) if run.wait else "no time"
        sentence = f"attempt {over.number} of {run.attempts} of {run.task.name} {_how(over)}; the next comes in {delay}"
        self._tell_end(LogEvent.RUN_RETRIED, sentence, EndedAttempt(run, over))

    def _tell_last(self, run: Run, over: Attempt) -> None:
        ended, sentence = EndedAttempt(run, over), f"{run.task.name} {_how(over)}"
        if not ended.is_failure:
            self._tell_end(LogEvent.RUN_ENDED, sentence, ended)
            return
        again = f"; the last of {run.attempts} attempts" if run.attempts > 1 and over.number == run.attempts else ""
        output = f"; `torchsync logs {run.id}` shows what it wrote" if ended.has_begun else ""
        self._tell_end(LogEvent.RUN_FAILED, f"{sentence}{again}{output}", ended)

    def _tell_end(self, event: LogEvent, sentence: str, ended: EndedAttempt) -> None:
        over = ended.over
        length = 0 if over.started_at is None else over.finished_at - over.started_at
        self._log(event, sentence, **ended.fields, duration_ms=length)
        if ended.has_begun:
            self._pass_on(ended)


def _began(run: Run) -> str:
    number = f", attempt {run.attempt} of {run.attempts}," if run.attempt > 1 else ""
    return f"{run.task.name} began{number} {_why(run)}"


def _why(run: Run) -> str:
    lag = 0 if run.started_at is None or run.due is None or run.attempt > 1 else run.started_at - run.due
    late = f", {brief_duration(Millis(lag))} after it was due" if lag >= _WORTH_TELLING else ""
    match run.trigger:
        case Trigger.SCHEDULE:
            return f"for its instant {_at(run.instant)}{late}"
        case Trigger.MISFIRE:
            return f"to make up for its missed instant {_at(run.instant)}"
        case Trigger.STARTUP:
            return "since the host was started"
        case Trigger.MANUAL:
            return f"as {run.actor or 'an operator'} asked"
        case Trigger.DAEMON:
            return f"as copy {run.copy}, which is to be kept running"


def _cause(run: Run, cause: StopCause) -> str:
    match cause:
        case StopCause.TIMEOUT:
            limit = f" of {brief_duration(run.task.timing.timeout)}" if isinstance(run.task.timing, CronTiming) else ""
            return f"at its timeout{limit}"
        case StopCause.REPLACED:
            return "to make room for the next one (`overlap: replace`)"
        case StopCause.OPERATOR:
            return "as an operator asked"
        case StopCause.CHANGED:
            return "since the task has changed"
        case StopCause.REMOVED:
            return "since the task is not here any more"


def _means(run: Run) -> str:
    return f"it gets {run.task.stop_signal}, and KILL if it has not ended after {brief_duration(run.task.stop_grace)}"


def _how(over: Attempt) -> str:
    took = "" if over.started_at is None else f" after {brief_duration(Millis(over.finished_at - over.started_at))}"
    status = "" if over.exit_status is None or over.outcome is Outcome.SUCCEEDED else f" with exit status {over.exit_status}"
    return f"{_ENDED[over.outcome]}{status}{took}{f': {over.detail}' if over.detail else ''}"


def _instants(count: int, which: str = "") -> str:
    return f"{count} {which}instant{'' if count == 1 else 's'}"


def _at(instant: Instant | None) -> str | None:
    return None if instant is None else rfc3339_short(instant)
