"""One line a sync, in full when there is something new to say."""

from __future__ import annotations

from dataclasses import replace

from tests.builders import NOON
from torchsync.agent.synclog import TOLD_AGAIN_EVERY, SyncLog
from torchsync.core.logevents import LogEvent
from torchsync.core.model import Instant
from torchsync.core.syncdoc import SyncOutcome, SyncResult
from torchsync.errors import Problem

AWAY = SyncResult(
    outcome=SyncOutcome.UNAVAILABLE,
    sentence="TS201 it is away",
    started_at=NOON,
    finished_at=Instant(NOON + 40),
    revision="",
    problems=(Problem(code="TS201", message="it is away"),),
)
WELL = replace(AWAY, outcome=SyncOutcome.UNCHANGED, sentence="1234 is in force already", problems=(), revision="1234")


def told(*results: SyncResult) -> list[tuple[LogEvent, str]]:
    said: list[tuple[LogEvent, str]] = []
    log = SyncLog(lambda event, message, /, **_: said.append((event, message)))
    for result in results:
        log.tell(result)
    return said


def later(result: SyncResult, by: int) -> SyncResult:
    return replace(result, started_at=Instant(result.started_at + by), finished_at=Instant(result.finished_at + by))


def test_a_remote_that_stays_away_is_told_once_and_then_once_an_hour() -> None:
    results = [later(AWAY, minute * 60_000) for minute in range(121)]
    said = told(*results)
    assert [event for event, _ in said].count(LogEvent.SYNC_UNAVAILABLE) == 3
    assert [event for event, _ in said].count(LogEvent.SYNC_REPEATED) == 118
    assert said[60] == (
        LogEvent.SYNC_UNAVAILABLE,
        "TS201 it is away; it is tried again, and what is in force goes on, for 1h00m now (61 syncs)",
    )


def test_the_end_of_it_is_told_too() -> None:
    *_, last = told(AWAY, AWAY, later(WELL, 90_000))
    assert last == (LogEvent.SYNC_RECOVERED, "syncs succeed again after 1m30s (2 unavailable): 1234 is in force already")
    assert told(AWAY, replace(WELL, outcome=SyncOutcome.APPLIED))[-1][0] is LogEvent.SYNC_APPLIED


def test_another_trouble_is_news() -> None:
    other = replace(AWAY, sentence="TS202 it lets nobody in", problems=(Problem(code="TS202", message="it lets nobody in"),))
    assert [event for event, _ in told(AWAY, other, AWAY, WELL, WELL)] == [
        *[LogEvent.SYNC_UNAVAILABLE] * 3,
        LogEvent.SYNC_RECOVERED,
        LogEvent.SYNC_UNCHANGED,
    ]


def test_a_verdict_that_is_given_again_in_other_words_is_none() -> None:
    rejected = replace(AWAY, outcome=SyncOutcome.REJECTED, sentence="1234: minute 61", revision="1234")
    again = replace(rejected, sentence="1234 was rejected before")
    assert [event for event, _ in told(rejected, again)] == [LogEvent.SYNC_REJECTED, LogEvent.SYNC_REPEATED]
    assert told(rejected, replace(rejected, revision="5678"))[1][0] is LogEvent.SYNC_REJECTED


def test_a_pause_is_told_once_however_long_it_lasts() -> None:
    paused = replace(AWAY, outcome=SyncOutcome.PAUSED, sentence="syncs are paused by anna", problems=())
    said = told(paused, later(paused, TOLD_AGAIN_EVERY), later(paused, 2 * TOLD_AGAIN_EVERY))
    assert [event for event, _ in said] == [LogEvent.SYNC_PAUSED, LogEvent.SYNC_REPEATED, LogEvent.SYNC_REPEATED]
