from __future__ import annotations

from datetime import UTC, datetime
from heapq import merge
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from torchsync.core.cron import Schedule, instants, parse_schedule
from torchsync.core.foreign.oncalendar import elapses, parse_calendar
from torchsync.core.foreign.oncalendarcron import field_text, schedules_of, unite
from torchsync.core.foreign.refusal import NoEqual
from torchsync.core.values import Instant

UTC_ZONE = ZoneInfo("UTC")
AFTER = Instant(int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * 1_000)


@pytest.mark.parametrize(
    ("text", "schedules"),
    [
        ("daily", ["0 0 * * *"]),
        ("weekly", ["0 0 * * 1"]),
        ("quarterly", ["0 0 1 */3 *"]),
        ("minutely", ["* * * * *"]),
        ("*:0/30", ["0,30 * * * *"]),
        ("*:0/15", ["*/15 * * * *"]),
        ("*:*:0/10", ["*/10 * * * * *"]),
        ("Mon..Fri 08..18:00/15", ["*/15 8-18 * * 1-5"]),
        ("8..20/4:00", ["0 8-20/4 * * *"]),
        ("Sat,Sun 7:00", ["0 7 * * 0,6"]),
        ("Mon *-*-1..7 3:00", ["0 3 * * 1#1"]),
        ("Mon,Tue *-*-8..21", ["0 0 * * 1#2,2#2,1#3,2#3"]),
        ("Sun *-*-29..31", ["0 0 * * 0#5"]),
        ("Fri *-*~07/1 04:00", ["0 4 * * L5"]),
        ("Mon *-04~07/1", ["0 0 * 4 L1"]),
        ("Mon *-*-1/2", ["0 0 */2 * 1"]),
        ("*-*~01", ["0 0 L * *"]),
        ("*-04,06~03", ["0 0 28 4,6 *"]),
        ("2027-03-14 02:30", ["@at 2027-03-14T02:30:00"]),
        ("2026..2027-02,07-01", [f"@at {date}-01T00:00:00" for date in ("2026-02", "2026-07", "2027-02", "2027-07")]),
    ],
)
def test_a_schedule_has_the_moments_of_the_event(text: str, schedules: list[str]) -> None:
    event = parse_calendar(text)
    assert list(schedules_of(event)) == schedules
    parsed = [parse_schedule(schedule) for schedule in schedules]
    ours = merge(*(instants(one, UTC_ZONE, AFTER) for one in parsed if isinstance(one, Schedule)))
    assert list(islice(ours, 200)) == list(islice(elapses(event, UTC_ZONE, AFTER), 200)) != []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Fri *-*-13", "wants a day of the month and a day of the week at once"),
        ("Mon *-*~01", "wants a day of the month and a day of the week at once"),
        ("*-*~03", "counts days back from the end of the month"),
        ("*-02~02", "counts days back from the end of the month"),
        ("2026..2060-*-*", "names years"),
        ("*-02-30", "never elapses"),
    ],
)
def test_what_no_schedule_says_is_refused_with_what_to_do(text: str, message: str) -> None:
    with pytest.raises(NoEqual, match=message) as refused:
        schedules_of(parse_calendar(text))
    assert refused.value.hint


@pytest.mark.parametrize(
    ("texts", "united"),
    [
        (["Mon 02:30", "Tue 02:30"], ["30 2 * * 1,2"]),
        (["Mon..Fri 02:30", "Sat,Sun 02:30"], ["30 2 * * *"]),
        (["02:30", "14:30"], ["30 2,14 * * *"]),
        (["02:30", "02:45", "14:30", "14:45"], ["30,45 2,14 * * *"]),
        (["02:30", "02:30"], ["30 2 * * *"]),
        (["*-*-1 03:00", "*-*-15 03:00"], ["0 3 1,15 * *"]),
        (["*-*-1 03:00", "03:00"], ["0 3 * * *"]),
        (["02:30", "14:45"], ["30 2 * * *", "45 14 * * *"]),
        (["02:30", "02:30 UTC"], ["30 2 * * *", "30 2 * * *"]),
    ],
)
def test_events_that_differ_in_one_set_are_one_schedule(texts: list[str], united: list[str]) -> None:
    events = unite(parse_calendar(text) for text in texts)
    assert [schedule for event in events for schedule in schedules_of(event)] == united


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (range(60), "*"),
        (range(0, 60, 20), "0,20,40"),
        (range(0, 60, 15), "*/15"),
        (range(5, 60, 15), "5-50/15"),
        ([1, 2, 3, 9], "1-3,9"),
        ([4], "4"),
    ],
)
def test_a_set_of_values_is_written_short(values: range | list[int], text: str) -> None:
    assert field_text(list(values), 0, 59) == text


def test_the_hint_for_a_weekday_and_a_date_names_the_days_as_date_does() -> None:
    with pytest.raises(NoEqual) as refused:
        schedules_of(parse_calendar("Mon,Sun *-*-13"))
    assert (
        refused.value.hint
        == "schedule the days of the month, and let the command begin with `case $(date +%u) in 1|7) ;; *) exit 0 ;; esac`"
    )
