"""The loop and its clock: what is said, what is made durable, and zone data that changes."""

from __future__ import annotations

import re
import struct
import zoneinfo
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from tests.agent.desk import Desk
from tests.builders import HOUR, MINUTE, NOON, SECOND, daemon, task
from torchsync.agent.timewatch import ZONES_EVERY
from torchsync.core.clockwatch import HELD_FOR
from torchsync.core.entries import HistoryQuery
from torchsync.core.localtime import forget_zones
from torchsync.core.logevents import LogEvent
from torchsync.core.model import CronTiming, Fingerprint, Instant, Millis, Outcome, SkipReason, Task, TaskName
from torchsync.core.snapshot import ClockDirection

DAY = 24 * HOUR


def every(seconds: int, name: str = "beat", **changes) -> Task:
    timing = CronTiming(schedule=f"@every {seconds}s", starting_deadline=Millis(20_000))
    return task(name, **({"timing": timing} | changes))


def desk_in_1970() -> Desk:
    desk = Desk()
    desk.clock.step(60 * SECOND - desk.clock.now())
    desk.clock.synchronised = False
    return desk


# Jumps.


def test_a_jump_is_said_and_so_is_its_return_and_the_history_shows_what_is_annulled() -> None:
    desk = Desk()
    desk.git.push(every(60))
    desk.pass_time(5 * MINUTE + SECOND)
    desk.clock.step(2 * HOUR)
    desk.pass_time(5 * MINUTE)
    desk.clock.step(-2 * HOUR)
    desk.pass_time(5 * MINUTE)
    assert desk.events(LogEvent.CLOCK_JUMPED) == [
        "the wall clock may be 2h00m ahead; what it causes is annulled if it returns within two days"
    ]
    assert desk.events(LogEvent.CLOCK_RETURNED) == [
        "the wall clock has returned from jump 1 to 2026-11-23T12:10:02.000Z; what that caused is annulled"
    ]
    rows = desk.ledger.history(HistoryQuery(task="beat", limit=1000))
    annulled = [row for row in rows if row.annulled]
    assert sorted(row.count for row in annulled) == [1, 1, 1, 1, 1, 1, 119]
    assert max(row.decided_at for row in rows) <= desk.clock.now()
    standing = [row.first for row in rows if row.run and not row.annulled]
    assert sorted(standing) == [NOON + minute * MINUTE for minute in (1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15)]
    assert desk.snapshot.clock_jumps == {ClockDirection.FORWARD: 1, ClockDirection.BACKWARD: 1}


def test_a_clock_that_is_left_behind_what_is_decided_is_said_until_it_is_not_any_more() -> None:
    desk = Desk()
    desk.git.push(every(60), every(60, "other"), daemon())
    desk.pass_time(5 * MINUTE + SECOND)
    assert desk.snapshot.notices == ()
    desk.clock.step(-2 * HOUR)
    desk.pass_time(2 * SECOND)
    sentence = "the wall clock is behind what is decided: 2 task(s) do not fire before it shows 2026-11-23T12:05:00.000Z"
    assert [(notice.code, notice.message) for notice in desk.snapshot.notices] == [("TS321", sentence)]
    desk.pass_time(2 * MINUTE)
    assert desk.events(LogEvent.CLOCK_BEHIND) == [sentence]
    desk.crash()
    desk.pass_time(2 * SECOND)
    assert [notice.code for notice in desk.snapshot.notices] == ["TS321"]
    desk.clock.step(2 * HOUR)
    desk.pass_time(2 * SECOND)
    assert desk.snapshot.notices == ()


def test_a_clock_that_cannot_be_right_is_not_said_to_be_behind_as_long_as_fires_are_held_for_it() -> None:
    desk = Desk()
    desk.git.push(every(60))
    desk.pass_time(5 * MINUTE + SECOND)
    desk.clock.synchronised = False
    desk.clock.step(-2 * HOUR)
    desk.pass_time(2 * SECOND)
    assert [notice.code for notice in desk.snapshot.notices] == ["TS336"]
    desk.pass_time(HELD_FOR)
    assert [notice.code for notice in desk.snapshot.notices] == ["TS321"]


def test_a_jump_outlives_the_agent_and_the_spool() -> None:
    desk = Desk()
    desk.git.push(every(60))
    desk.pass_time(5 * MINUTE + SECOND)
    desk.ledger.is_unwritable = True
    desk.clock.step(2 * HOUR)
    desk.pass_time(5 * MINUTE)
    desk.crash()
    desk.pass_time(MINUTE)
    desk.clock.step(-2 * HOUR)
    desk.crash()
    desk.pass_time(MINUTE)
    desk.ledger.is_unwritable = False
    desk.pass_time(2 * MINUTE)
    assert desk.events(LogEvent.INTERNAL_ERROR) == []
    rows = desk.ledger.history(HistoryQuery(task="beat", limit=1000))
    standing = [row.first for row in rows if row.run and not row.annulled]
    assert sorted(standing)[-3:] == [NOON + minute * MINUTE for minute in (12, 13, 14)]
    assert len(standing) == len(set(standing))


def test_history_is_not_pruned_by_a_clock_that_may_be_ahead() -> None:
    desk = Desk()
    desk.git.push(every(3600))
    desk.pass_time(HOUR + MINUTE)
    desk.clock.step(200 * DAY)
    desk.pass_time(30 * MINUTE)
    assert desk.outcomes("beat") == [Outcome.SUCCEEDED]
    assert desk.snapshot.not_before < NOON + 2 * HOUR


def test_a_baseline_from_a_jump_is_durable_in_real_time_as_soon_as_the_disk_allows() -> None:
    desk = Desk()
    desk.git.push(every(60))
    desk.pass_time(MINUTE + SECOND)
    desk.clock.step(30 * DAY)
    desk.git.push(every(60), every(60, "new"))
    desk.pass_time(MINUTE)
    desk.store.is_unwritable = True
    desk.clock.step(-30 * DAY)
    desk.pass_time(MINUTE)
    assert desk.events(LogEvent.STATE_DEGRADED) != []
    desk.store.is_unwritable = False
    desk.pass_time(2 * SECOND)
    stored = desk.loop_saved.load_generation()
    assert stored is not None
    assert NOON < stored.baselines[TaskName("new")] < NOON + 2 * MINUTE
    desk.crash()
    desk.pass_time(2 * MINUTE)
    assert desk.outcomes("new")[-2:] == [Outcome.SUCCEEDED] * 2


# Times that cannot be.


def test_in_1970_fires_wait_and_that_is_said_everywhere() -> None:
    desk = desk_in_1970()
    desk.git.push(every(60), daemon())
    desk.pass_time(5 * MINUTE)
    assert desk.runs("beat") == []
    assert len(desk.runs("web-proxy")) > 0
    assert desk.snapshot.generation is not None, "syncs go on"
    assert [notice.code for notice in desk.snapshot.notices] == ["TS336"]
    assert len(desk.events(LogEvent.CLOCK_IMPOSSIBLE)) == 1


def test_when_the_clock_comes_right_fires_go_on_at_once_without_the_years_in_between() -> None:
    desk = desk_in_1970()
    desk.git.push(every(60))
    desk.pass_time(5 * MINUTE)
    desk.clock.step(NOON - desk.clock.now())
    desk.clock.synchronised = True
    desk.pass_time(2 * MINUTE + SECOND)
    assert desk.outcomes("beat") == [Outcome.SUCCEEDED] * 2
    assert desk.skips("beat") == []
    assert desk.snapshot.notices == ()
    (said,) = desk.events(LogEvent.CLOCK_BELIEVED)
    assert re.sub(r"0[01]\.[0-9]{3}Z", "...", said) == "the wall clock shows 2026-11-23T12:00:... and can be believed; fires go on"
    stored = desk.loop_saved.load_generation()
    assert stored is not None
    assert NOON <= stored.baselines[TaskName("beat")] <= NOON + SECOND
    desk.crash()
    desk.pass_time(2 * MINUTE)
    assert desk.outcomes("beat") == [Outcome.SUCCEEDED] * 4
    assert desk.skips("beat") == []


def test_after_ten_minutes_fires_go_on_all_the_same_and_that_is_said() -> None:
    desk = desk_in_1970()
    desk.git.push(every(60))
    desk.pass_time(HELD_FOR + 2 * MINUTE)
    assert desk.outcomes("beat")[0] is Outcome.SUCCEEDED
    (said,) = desk.events(LogEvent.CLOCK_BELIEVED)
    assert re.sub(r"00:1[01]:[0-9.]{6}Z", "...", said) == (
        "the wall clock still shows 1970-01-01T..., which cannot be; what is not decided yet fires by it all the same"
    )
    assert desk.snapshot.notices == ()


def test_a_host_that_slept_has_made_no_step_and_missed_what_it_missed() -> None:
    desk = Desk()
    desk.git.push(every(60))
    desk.pass_time(MINUTE + SECOND)
    desk.sleep(8 * HOUR)
    desk.pass_time(MINUTE)
    assert desk.snapshot.clock_jumps == {}
    assert desk.skips("beat") == [(SkipReason.MISSED, 479)]


def test_an_agent_that_stands_still_after_each_look_at_the_wall_clock_has_seen_no_step() -> None:
    """Each time longer: what is always the same looks like no step."""
    desk = Desk()
    right, stops = desk.clock.now, count(5 * SECOND, 5 * SECOND)

    def now_and_a_stop() -> Instant:
        found = right()
        desk.clock.advance(next(stops))
        return found

    desk.clock.now = now_and_a_stop  # type: ignore[method-assign]
    desk.loop.begin()
    desk.loop.turn([])
    desk.loop.turn([])
    assert desk.snapshot.clock_jumps == {}


# Zone data.


def zone_file(offset: int) -> bytes:
    """A TZif file (RFC 8536), version 2, of a zone that is `offset` seconds east of UTC for ever."""
    header = b"TZif2" + bytes(15) + struct.pack(">6l", 0, 0, 0, 0, 1, 4)
    body = struct.pack(">lBB", offset, 0, 0) + b"TST\0"
    sign = "-" if offset >= 0 else ""
    return header + body + header + body + f"\nTST{sign}{abs(offset) // 3600}\n".encode()


@pytest.fixture
def zones(tmp_path: Path) -> Iterator[Path]:
    """A database of zones in which the test may write."""
    (tmp_path / "Europe").mkdir()
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath((str(tmp_path),))
    forget_zones()
    yield tmp_path
    zoneinfo.reset_tzpath(before)
    forget_zones()


def put_zone(folder: Path, content: bytes) -> None:
    """As a package manager does: a new file takes the place of the old one."""
    fresh = folder / "Europe" / "Berlin.new"
    fresh.write_bytes(content)
    fresh.rename(folder / "Europe" / "Berlin")


def daily(name: str = "daily") -> Task:
    return task(name, timing=CronTiming(schedule="0 16 * * *", zone="Europe/Berlin", starting_deadline=Millis(20_000)))


def hours_after_noon(desk: Desk, name: str = "daily") -> float:
    due = desk.snapshot.tasks[TaskName(name)].next_due
    assert due is not None
    return (due - NOON) / HOUR


def test_instants_move_when_the_zone_data_of_the_host_changes(zones: Path) -> None:
    put_zone(zones, zone_file(3600))
    desk = Desk()
    desk.git.push(daily(), every(60))
    desk.pass_time(MINUTE + SECOND)
    assert hours_after_noon(desk) == 3
    put_zone(zones, zone_file(2 * 3600))
    desk.pass_time(ZONES_EVERY + SECOND)
    assert hours_after_noon(desk) == 2
    assert desk.events(LogEvent.ZONES_CHANGED) == ["the data of Europe/Berlin changed; the next instants were found again"]
    desk.pass_time(3 * HOUR)
    assert desk.outcomes("daily") == [Outcome.SUCCEEDED]
    instants = [run.instant for run in desk.runs("beat")]
    assert instants == [NOON + minute * MINUTE for minute in range(1, len(instants) + 1)], "what does not depend on it goes on"
    assert len(instants) >= 182


def test_zone_data_that_changes_right_after_a_swap_is_noticed(zones: Path) -> None:
    put_zone(zones, zone_file(4 * 3600))
    desk = Desk()
    desk.git.push(daily())
    desk.pass_time(3 * SECOND)
    assert hours_after_noon(desk) == 24
    put_zone(zones, zone_file(3600))
    desk.pass_time(ZONES_EVERY + SECOND)
    assert hours_after_noon(desk) == 3


def test_an_instant_that_was_decided_stays_decided_under_other_zone_data(zones: Path) -> None:
    put_zone(zones, zone_file(3 * 3600))
    desk = Desk()
    desk.git.push(daily())
    desk.pass_time(HOUR + SECOND)
    assert desk.outcomes("daily") == [Outcome.SUCCEEDED]
    put_zone(zones, zone_file(5 * 3600))
    desk.pass_time(ZONES_EVERY + SECOND)
    assert hours_after_noon(desk) == 23
    put_zone(zones, zone_file(3 * 3600))
    desk.pass_time(2 * HOUR)
    assert hours_after_noon(desk) == 25
    assert desk.outcomes("daily") == [Outcome.SUCCEEDED]
    assert desk.skips("daily") == []


@pytest.mark.parametrize("content", [b"", b"TZ", zone_file(2 * 3600)[:50], zone_file(2 * 3600)[:-20]])
def test_a_file_that_is_half_written_changes_nothing_until_it_is_whole(zones: Path, content: bytes) -> None:
    put_zone(zones, zone_file(3600))
    desk = Desk()
    desk.git.push(daily())
    desk.pass_time(MINUTE + SECOND)
    put_zone(zones, content)
    desk.pass_time(2 * ZONES_EVERY + SECOND)
    assert hours_after_noon(desk) == 3
    changed = replace(daily(), fingerprint=Fingerprint("1" * 64), owner="somebody")
    desk.git.push(changed, daily("another"))
    desk.pass_time(2 * MINUTE)
    assert desk.events(LogEvent.INTERNAL_ERROR) == []
    assert hours_after_noon(desk) == 3
    put_zone(zones, zone_file(2 * 3600))
    desk.pass_time(ZONES_EVERY + SECOND)
    assert (hours_after_noon(desk), hours_after_noon(desk, "another")) == (2, 2)


def test_an_agent_that_starts_while_a_file_is_half_written_uses_that_of_the_package(zones: Path) -> None:
    put_zone(zones, zone_file(2 * 3600)[:50])
    desk = Desk()
    desk.git.push(daily())
    desk.pass_time(MINUTE + SECOND)
    assert desk.events(LogEvent.INTERNAL_ERROR) == []
    assert hours_after_noon(desk) == 3
    put_zone(zones, zone_file(2 * 3600))
    desk.pass_time(ZONES_EVERY + SECOND)
    assert hours_after_noon(desk) == 2


def test_a_zone_that_is_gone_from_the_host_is_that_of_the_package(zones: Path) -> None:
    put_zone(zones, zone_file(2 * 3600))
    desk = Desk()
    desk.git.push(daily())
    desk.pass_time(MINUTE + SECOND)
    (zones / "Europe" / "Berlin").unlink()
    desk.pass_time(ZONES_EVERY + SECOND)
    assert hours_after_noon(desk) == 3


# What is judged by its age


def test_no_sync_is_said_to_have_succeeded_later_than_it_is_now() -> None:
    desk = Desk()
    desk.git.push(task("a"))
    desk.pass_time(MINUTE)
    desk.clock.step(24 * HOUR)
    desk.pass_time(2 * MINUTE)
    assert desk.snapshot.sync.last_success > NOON + 24 * HOUR
    desk.git.is_reachable = False
    desk.clock.step(-24 * HOUR)
    desk.pass_time(SECOND)
    status = desk.snapshot.sync
    assert max(status.last_attempt, status.last_success, status.last_verdict, status.last_apply) <= desk.snapshot.taken_at
    assert status.last_apply == NOON, "what happened before the jump stays as it was"
