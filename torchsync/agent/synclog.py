"""What is logged of the syncs: one line each, and what is wrong with a commit."""

from __future__ import annotations

from torchsync.core.logevents import Log, LogEvent
from torchsync.core.syncdoc import SyncOutcome, SyncResult

_PROBLEMS_LOGGED = 50

_SYNC_EVENTS = {
    SyncOutcome.APPLIED: LogEvent.SYNC_APPLIED,
    SyncOutcome.UNCHANGED: LogEvent.SYNC_UNCHANGED,
    SyncOutcome.REJECTED: LogEvent.SYNC_REJECTED,
    SyncOutcome.REFUSED: LogEvent.SYNC_REFUSED,
    SyncOutcome.UNAVAILABLE: LogEvent.SYNC_UNAVAILABLE,
    SyncOutcome.PAUSED: LogEvent.SYNC_PAUSED,
    SyncOutcome.FAILED: LogEvent.SYNC_FAILED,
}


class SyncLog:
    """A pause is told once, not with every sync that comes to nothing for it."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._said_pause = ""

    def tell(self, result: SyncResult) -> None:
        """The result has its line."""
        is_paused = result.outcome is SyncOutcome.PAUSED
        if not is_paused or result.sentence != self._said_pause:
            self._log(_SYNC_EVENTS[result.outcome], result.sentence, revision=result.revision)
        self._said_pause = result.sentence if is_paused else ""

    def tell_problems(self, result: SyncResult, *, is_news: bool) -> None:
        """Each problem has its line. A verdict that is given again needs no second telling."""
        if is_news and result.outcome in (SyncOutcome.REJECTED, SyncOutcome.REFUSED):
            for problem in result.problems[:_PROBLEMS_LOGGED]:
                self._log(LogEvent.COMMIT_PROBLEM, str(problem), revision=result.revision, code=problem.code)
