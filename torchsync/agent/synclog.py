"""What is logged of the syncs: one line each that says what it came to and what that means, and what is wrong with a commit.

A sync that comes to the same as the one before, such as one of many while a remote is away, is told in full once an hour only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torchsync.core.instants import brief_duration
from torchsync.core.logevents import Log, LogEvent
from torchsync.core.model import Instant, Millis
from torchsync.core.syncdoc import SyncOutcome, SyncResult

_PROBLEMS_LOGGED = 50
TOLD_AGAIN_EVERY = Millis(60 * 60 * 1000)

_EVENTS: Mapping[SyncOutcome, LogEvent] = {
    SyncOutcome.APPLIED: LogEvent.SYNC_APPLIED,
    SyncOutcome.UNCHANGED: LogEvent.SYNC_UNCHANGED,
    SyncOutcome.REJECTED: LogEvent.SYNC_REJECTED,
    SyncOutcome.REFUSED: LogEvent.SYNC_REFUSED,
    SyncOutcome.UNAVAILABLE: LogEvent.SYNC_UNAVAILABLE,
    SyncOutcome.PAUSED: LogEvent.SYNC_PAUSED,
    SyncOutcome.FAILED: LogEvent.SYNC_FAILED,
}
_MEANINGS: Mapping[SyncOutcome, str] = {
    SyncOutcome.APPLIED: "{}; it is in force now",
    SyncOutcome.UNCHANGED: "{}",
    SyncOutcome.REJECTED: "{}; every host rejects it, and what is in force stays until there is another commit",
    SyncOutcome.REFUSED: "{}; this host refuses it, and what is in force stays until there is another commit",
    SyncOutcome.UNAVAILABLE: "{}; it is tried again, and what is in force goes on",
    SyncOutcome.PAUSED: "{}",
    SyncOutcome.FAILED: "{}; it is tried again, and what is in force goes on",
}
_WELL = (SyncOutcome.APPLIED, SyncOutcome.UNCHANGED)


@dataclass(slots=True)
class _Trouble:
    """Syncs in a row that all came to this."""

    first: SyncResult
    told_at: Instant
    count: int = 1

    @property
    def since(self) -> Instant:
        return self.first.finished_at

    def is_again(self, result: SyncResult) -> bool:
        return _gist(result) == _gist(self.first)


class SyncLog:
    """Remembers what the last sync came to, when that was no good."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._trouble: _Trouble | None = None

    def tell(self, result: SyncResult) -> None:
        """The result has its line."""
        before, self._trouble = self._trouble, None
        if result.outcome in _WELL:
            self._tell_well(result, before)
        elif before and before.is_again(result):
            self._trouble = before
            self._tell_again(result, before)
        else:
            self._trouble = _Trouble(result, result.finished_at)
            self._tell(result)

    def tell_problems(self, result: SyncResult, *, is_news: bool) -> None:
        """Each problem has its line. A verdict that is given again needs no second telling."""
        if not is_news or result.outcome not in (SyncOutcome.REJECTED, SyncOutcome.REFUSED):
            return
        for problem in result.problems[:_PROBLEMS_LOGGED]:
            self._log(
                LogEvent.COMMIT_PROBLEM,
                str(problem),
                revision=result.revision or None,
                code=problem.code,
                path=problem.path or None,
                line=problem.line or None,
                task=problem.task or None,
            )

    def _tell_well(self, result: SyncResult, before: _Trouble | None) -> None:
        if before and result.outcome is SyncOutcome.UNCHANGED:
            lasted = brief_duration(Millis(result.finished_at - before.since))
            sentence = f"syncs succeed again after {lasted} ({before.count} {before.first.outcome.value}): {result.sentence}"
            self._log(LogEvent.SYNC_RECOVERED, sentence, revision=result.revision or None, count=before.count)
        elif result.outcome is SyncOutcome.APPLIED:
            self._tell(result, added=result.added, changed=result.changed, removed=result.removed)
        else:
            self._tell(result)

    def _tell_again(self, result: SyncResult, before: _Trouble) -> None:
        before.count += 1
        if result.outcome is SyncOutcome.PAUSED or result.finished_at - before.told_at < TOLD_AGAIN_EVERY:
            self._log(LogEvent.SYNC_REPEATED, f"as before: {result.sentence}", revision=result.revision or None, count=before.count)
            return
        before.told_at = result.finished_at
        self._tell(result, f", for {brief_duration(Millis(result.finished_at - before.since))} now ({before.count} syncs)")

    def _tell(self, result: SyncResult, tail: str = "", **counts: int) -> None:
        event = _EVENTS[result.outcome]
        fields: dict[str, object] = {"revision": result.revision or None, "duration_ms": result.finished_at - result.started_at, **counts}
        if result.problems:
            fields["code"] = result.problems[0].code
        if event is LogEvent.SYNC_PAUSED:
            fields = {}
        self._log(event, _MEANINGS[result.outcome].replace("{}", result.sentence) + tail, **fields)


def _gist(result: SyncResult) -> tuple[object, ...]:
    """What makes it news; a verdict that is given again says so in its sentence."""
    return result.outcome, result.revision, result.problems or result.sentence
