"""Hints are held against the instants themselves: what a message says is looked up there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.schedule_table import ACCEPTED, REFUSED
from tests.core.schedule_texts import DAYS, bounded, near
from torchsync.core.cron import ScheduleRefusal, Spread, fields_of, instants, parse_schedule, zone_named
from torchsync.core.model import Instant
from torchsync.core.schedulehints import HintKind, ScheduleHint, schedule_hints

MONTHS = "January February March April May June July August September October November December".split()
SPREADS = [Spread(f"host-{number}", "task") for number in range(8)]
START = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "kind", "column", "words"),
    [
        ("*/7 * * * *", HintKind.UNEVEN_STEP, 1, "`*/7` fires at minute 56 and then 4 minutes later at 0, since 60 is no multiple of 7"),
        ("5/7 * * * *", HintKind.UNEVEN_STEP, 1, "fires at minute 54 and then 11 minutes later at 5"),
        ("H/7 * * * *", HintKind.UNEVEN_STEP, 1, "`H/7` leaves 4 or 11 minutes, by host,"),
        ("*/7 8-17 * * *", HintKind.UNEVEN_STEP, 1, "4 minutes later"),
        ("*/40 * * * * *", HintKind.UNEVEN_STEP, 1, "second 40 and then 20 seconds later"),
        ("0 */5 * * *", HintKind.UNEVEN_STEP, 3, "hour 20 and then 4 hours later at 0"),
        ("0 0 */2 * *", HintKind.UNEVEN_STEP, 5, "after January 31 it fires 1 day later, on day 1"),
        ("0 0 */4 4,5 *", HintKind.UNEVEN_STEP, 5, "after April 29 it fires 2 days later, on day 1"),
        ("0 0 H/7 * *", HintKind.UNEVEN_STEP, 5, "over the end of January the gap is not 7 days"),
        ("0 0 1 */5 *", HintKind.UNEVEN_STEP, 7, "month 11 and then 2 months later at 1"),
        ("0 0 * * */2", HintKind.UNEVEN_STEP, 9, "day 6 and then 1 day later at 0"),
        ("0 0 31 * *", HintKind.SHORT_MONTHS, 5, "never comes in February, April, June, September and November"),
        ("0 0 30,31 * *", HintKind.SHORT_MONTHS, 5, "never comes in February: nothing fires then"),
        ("0 0 29 2,3 *", HintKind.SHORT_MONTHS, 5, "February outside of leap years"),
        ("0 0 13 * 5", HintKind.EITHER_DAY, 5, "`13` and day of week `5` need not both match"),
        ("0 0 1-31 * 5", HintKind.EITHER_DAY, 5, "need not both match"),
        ("0 0 H * H", HintKind.EITHER_DAY, 5, "`H` and day of week `H`"),
    ],
)
def test_what_may_surprise_is_said_with_its_place(text: str, kind: HintKind, column: int, words: str) -> None:
    (hint,) = schedule_hints(text)
    assert (hint.kind, hint.column) == (kind, column)
    assert words in hint.message
    assert hint.hint


def test_several_hints_come_in_the_order_of_the_text() -> None:
    assert [hint.column for hint in schedule_hints("*/7 * 31 * *")] == [1, 7]


@pytest.mark.parametrize(
    "text",
    [
        "*/15 * * * *",
        "*/1 * * * *",
        "*/7 3 * * *",
        "*/7 3,5 * * *",
        "30/7 * * * *",
        "0-30/7 * * * *",
        "*/7 H * * *",
        "H/15 * * * *",
        "0 */5 1 * *",
        "0 */5 H * *",
        "0 0 */7 2,3 *",
        "0 0 */2 */2 *",
        "0 0 * * 1-5",
        "0 0 28 * *",
        "0 0 31 1,3 *",
        "0 0 31 * 5#3",
        "0 0 L * *",
        "0 0 15,31 * *",
        "0 0 */2 * 5",
        "0 0 1-31 * 0-6",
        "0 0 * * 5#3",
        "@daily",
        "@every 7m",
        "@at 2026-12-01T03:00",
        "@startup",
        "61 * * * *",
    ],
)
def test_a_regular_schedule_gets_no_hint(text: str) -> None:
    assert schedule_hints(text) == ()


def test_a_refused_schedule_gets_no_hint() -> None:
    assert all(schedule_hints(text) == () for text, *_ in REFUSED)


@pytest.mark.parametrize("text", [text for text, _ in ACCEPTED if fields_of(text)])
def test_every_hint_to_the_table_is_true(text: str) -> None:
    hold_hints_against_instants(text)


SECONDS = st.sampled_from(["0", "0,30"])
STEPPED = st.sampled_from("* 0 */2 */5 */7 */11 1/3 5/6 H H/3 H/7 H/11 H(1-9)/2 0,3 7-9".split())


@given(fields=st.tuples(STEPPED, STEPPED), days=st.one_of(st.tuples(STEPPED, STEPPED, STEPPED).map(" ".join), DAYS), second=SECONDS)
@bounded(60)
def test_every_hint_is_true(fields: tuple[str, str], days: str, second: str) -> None:
    hold_hints_against_instants(f"{second} {' '.join(fields)} {days}")


@given(
    day=near(1, 31, "31", "29", "30,31", "*/2"), month=near(1, 12, "2", "4", "H", "2,3"), weekday=st.sampled_from(["*", "*/2", "5", "H"])
)
@bounded(60)
def test_every_hint_to_days_is_true(day: str, month: str, weekday: str) -> None:
    hold_hints_against_instants(f"0 0 {day} {month} {weekday}")


def hold_hints_against_instants(text: str) -> None:
    hints = schedule_hints(text)
    for spread in SPREADS if "H" in text else [None]:
        for hint in hints:
            match hint.kind:
                case HintKind.UNEVEN_STEP:
                    check_step(hint, text, spread)
                case HintKind.SHORT_MONTHS:
                    check_months(hint, text, spread)
                case HintKind.EITHER_DAY:
                    check_days(text, spread)


def fires(text: str, spread: Spread | None, years: int = 4) -> Iterator[datetime]:
    found = parse_schedule(text, spread)
    if isinstance(found, ScheduleRefusal):
        assert found.code == "TS121"
        return
    end = START + timedelta(days=1461 * years / 4)
    for instant in instants(found, zone_named("UTC"), Instant(int(START.timestamp()) * 1_000 - 1)):
        moment = datetime.fromtimestamp(instant / 1_000, UTC)
        if moment >= end:
            return
        yield moment


def days_only(text: str) -> str:
    return f"0 0 {' '.join(text.split()[-3:])}"


def test_the_gap_said_is_looked_for_in_units_of_the_field() -> None:
    (hint,) = schedule_hints("0,30 */7 * * * *")
    check_step(hint, "0,30 */7 * * * *", None)
    wrong = ScheduleHint(kind=hint.kind, message=hint.message.replace("4 minutes", "5 minutes"), hint="", column=1)
    with pytest.raises(AssertionError):
        check_step(wrong, "0,30 */7 * * * *", None)


UNITS = {"second": timedelta(seconds=1), "minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}


def check_step(hint: ScheduleHint, text: str, spread: Spread | None) -> None:
    """Somewhere two neighbours lie apart as the message says; the first minutes, hours or days that show all values are enough."""
    if plain := re.search(r"fires at (\w+) (\d+) and then (\d+) \w+ later at (\d+),", hint.message):
        unit, last, gap, first = plain[1], int(plain[2]), int(plain[3]), int(plain[4])
        assert any(
            value(a, unit, hint) == last and value(b, unit, hint) == first and apart(a, b, unit) == gap
            for a, b in near_pairs(text, spread, unit)
        )
    elif hashed := re.search(r"leaves (\d+) or (\d+) (\w+?)s?, by host", hint.message):
        low, high, unit = int(hashed[1]), int(hashed[2]), hashed[3]
        gaps = {apart(a, b, unit) for a, b in near_pairs(text, spread, unit)}
        assert gaps & {low, high}
    elif day := re.search(r"after (\w+) (\d+) it fires (\d+) days? later, on day (\d+)", hint.message):
        pairs = near_pairs(text, spread, "day")
        wanted = (MONTHS.index(day[1]) + 1, int(day[2]), int(day[4]), int(day[3]))
        assert wanted in {(a.month, a.day, b.day, (b - a).days) for a, b in pairs}
    else:
        over = re.search(r"over the end of (\w+) the gap is not (\d+) day", hint.message)
        assert over
        month = MONTHS.index(over[1]) + 1
        gaps = {(b - a).days for a, b in near_pairs(text, spread, "day") if a.month == month and b.month != month}
        assert gaps
        assert int(over[2]) not in gaps


def value(moment: datetime, unit: str, hint: ScheduleHint) -> int:
    if hint.message.startswith("day of week"):
        return moment.isoweekday() % 7
    return int(getattr(moment, unit))


def apart(a: datetime, b: datetime, unit: str) -> int:
    return (b.year - a.year) * 12 + b.month - a.month if unit == "month" else int((b - a) / UNITS[unit])


def near_pairs(text: str, spread: Spread | None, unit: str) -> Iterator[tuple[datetime, datetime]]:
    """Neighbours among the moments, each cut to the unit and taken once."""
    kept = {"second": 6, "minute": 5, "hour": 4, "day": 3, "month": 3}[unit]
    text = " ".join(["0"] * (6 - kept) + text.split()[-kept:])
    moments = fires(text, spread, {"second": 1, "hour": 13}.get(unit, 4))
    return pairwise(dict.fromkeys(at.replace(day=1) if unit == "month" else at for at in moments))


def check_months(hint: ScheduleHint, text: str, spread: Spread | None) -> None:
    found = re.search(r"never comes in (.*): nothing fires then", hint.message)
    assert found
    fired = {(at.month, at.year % 4 == 0) for at in fires(days_only(text), spread)}
    for name in re.split(r", | and ", found[1]):
        month = MONTHS.index(name.split()[0]) + 1
        assert (month, False) not in fired
        assert "outside of leap years" in name or (month, True) not in fired


def check_days(text: str, spread: Spread | None) -> None:
    """It fires on more days than those on which both match, which is what a `*` before one of them asks for."""
    *_, day, month, weekday = text.split()
    months = {at.month for at in fires(f"0 0 1 {month} *", spread)}
    dates, days = ({at for at in fires(f"0 0 {either}", spread, 8) if at.month in months} for either in (f"{day} * *", f"* * {weekday}"))
    assert set(fires(days_only(text), spread, 8)) == dates | days
    assert dates | days > dates & days
