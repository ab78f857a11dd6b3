"""The model of calendar events against the real thing: `systemd-analyze calendar`."""

from __future__ import annotations

import shutil
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from torchsync.adapters.systemdanalyze import PROGRAM, ToldClock, second_opinion, told_instants
from torchsync.core.foreign.job import ForeignJob, Origin, Reading, RemarkKind
from torchsync.core.foreign.oncalendar import elapses, parse_calendar
from torchsync.core.foreign.unittimer import CalendarClock
from torchsync.core.values import Instant

pytestmark = pytest.mark.skipif(shutil.which(PROGRAM) is None, reason="systemd-analyze is not installed")

BEFORE_AUTUMN = Instant(1_792_000_000_000)
"""2026-10-14, so that clocks go back soon, and forward within the instants that are asked for."""
ZONES = ("UTC", "America/New_York", "Europe/Berlin", "America/Santiago", "Australia/Lord_Howe")
EVENTS = (
    """
daily|weekly|monthly|quarterly|semiannually|yearly|minutely|DAILY|hourly
*-*-* 02:30:00|*-*-* 01:30|*:0/30|*:0/15|*:*:0/20|*-*-* *:59:58..59|02:00/15|*-*-* 0/2:15|0..5:*|20..23/5:00
Mon..Fri 08..18:00/15|Sat,Sun 10..18/3:07:30|Mon-Fri 3:00|tue,|Sunday 5:3|Wed..Sat,Tue 12-10-15 1:2:3|Mon, 02:30|Mon *-1/3-* 00:00
*-*-1..7/2 3:15|*-*-31 02:00|12-24|*-*-05..10/3|*-*-01..05,28..31 23:59:59|Mon *-*-1..7 3:00
*-*~01|*~1|*-*~01..03|*-*~07/2|*-*~02,5|*-*~28|*-*~27..28|Mon..Fri *-*~07/1|Mon *-05~07/1|*-02~1 00:00|*-*~07/6
2027-*-* 12:00|2026..2028/2-02-29|2027-03-14 02:30|@1793000000|99-1-1|*-02-30
daily Europe/London|*-*-* 02:30 UTC
""".replace("\n", "|")
    .strip("|")
    .split("|")
)
REFUSED = (
    """
*:*/15|Fri..Mon|*-*~03..01|*:10..5|2026|*:*:60|weekly,daily|0/2|*,5:00|5|Mon Tue 2:30|*-*-*T02:30|*-*~29|*-*~2/2|*-*~1/1|23/5:00|*:59/61|5/0:00
*:*:0/90|*:*:30/30|*-*-30/5|1969-*-*|2200-*-*|9 9|1:2:3:4|daily Mars/X|Montag 3:00|1-2-3-4
""".replace("\n", "|")
    .strip("|")
    .split("|")
)


@pytest.mark.parametrize("number", range(len(EVENTS)))
def test_the_model_elapses_when_systemd_does(number: int) -> None:
    """Each event in one of the zones, in turn."""
    text, zone = EVENTS[number], ZONES[number % len(ZONES)]
    theirs = told_instants(text, zone, BEFORE_AUTUMN, 200)
    assert theirs is not None
    assert tuple(islice(elapses(parse_calendar(text), ZoneInfo(zone), BEFORE_AUTUMN), 200)) == theirs


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("text", ["*-*-* 02:30:00", "*:0/30", "*-*-* 00:00:00", "*-*-* 01:45"])
def test_the_model_is_right_about_the_nights_in_which_clocks_change(text: str, zone: str) -> None:
    theirs = told_instants(text, zone, BEFORE_AUTUMN, 400)
    assert tuple(islice(elapses(parse_calendar(text), ZoneInfo(zone), BEFORE_AUTUMN), 400)) == theirs


@pytest.mark.parametrize("text", REFUSED)
def test_the_model_refuses_what_systemd_refuses(text: str) -> None:
    assert told_instants(text, "UTC", BEFORE_AUTUMN, 1) is None
    with pytest.raises(ValueError, match=r"\w"):
        parse_calendar(text)


def job(text: str, *, zone: str = "") -> ForeignJob:
    clock = CalendarClock((parse_calendar(text),))
    return ForeignJob(origin=Origin(host="web-1", path="a.timer", line=2), name="a", fields={}, zone=zone, clock=clock)


def test_jobs_keep_the_model_where_systemd_says_the_same() -> None:
    reading = second_opinion(Reading(jobs=(job("*-*-* 02:30"),)), {"web-1": "Europe/Berlin"}, BEFORE_AUTUMN)
    assert reading.jobs == (job("*-*-* 02:30"),)
    assert [(remark.kind, remark.message) for _, remark in reading.remarks] == [
        (RemarkKind.KEPT, "systemd-analyze told of 1 of 1 calendar events: 1 are as modelled")
    ]


def test_what_systemd_says_wins_where_the_model_says_otherwise() -> None:
    """systemd 252 leaves out the first moment of a day when a step of minutes does not divide the hour; one without the fault agrees again."""
    told = told_instants("*:0/7", "UTC", BEFORE_AUTUMN)
    assert told is not None
    reading = second_opinion(Reading(jobs=(job("*:0/7"),)), {"web-1": "UTC"}, BEFORE_AUTUMN)
    clock = reading.jobs[0].clock
    assert clock is not None
    assert tuple(islice(clock.instants(ZoneInfo("UTC"), BEFORE_AUTUMN), 1_000)) == told
    assert isinstance(clock, ToldClock) == (reading.remarks[0][1].kind is RemarkKind.CHANGED)


def test_events_with_fractions_of_seconds_are_left_to_the_model() -> None:
    reading = second_opinion(Reading(jobs=(job("*:*:0/0.5"),)), {}, BEFORE_AUTUMN)
    assert reading.jobs == (job("*:*:0/0.5"),)
    assert "told of 0 of 1 calendar events: 0 are as modelled" in reading.remarks[0][1].message


def test_a_reading_without_calendar_events_asks_nothing() -> None:
    reading = Reading(jobs=(ForeignJob(origin=Origin(path="a"), name="a", fields={"schedule": "@startup"}),))
    assert second_opinion(reading, {}, BEFORE_AUTUMN) is reading
