"""What Debian's cron takes and refuses here was asked of `crontab FILE` of the package cron 3.0pl1-162, and what it then runs of the daemon."""

from __future__ import annotations

import pytest

from torchsync.core.cron import CronSchedule, fields_of, parse_schedule
from torchsync.core.foreign.crontabfield import KINDS, MACROS, CronField, Dialect, FieldFault, ignored_end, read_field

MINUTE, HOUR, DAY, MONTH, WEEKDAY = KINDS
DEBIAN, CRONIE = Dialect.DEBIAN, Dialect.CRONIE


def field(kind, text, dialect=DEBIAN) -> CronField:
    found = read_field(kind, text, dialect)
    assert isinstance(found, CronField), found
    return found


@pytest.mark.parametrize(
    ("kind", "text", "values"),
    [
        (MINUTE, "5", {5}),
        (MINUTE, "*/20", {0, 20, 40}),
        (MINUTE, "1-10/4", {1, 5, 9}),
        (MINUTE, "0,30", {0, 30}),
        (MINUTE, "5-5/2", {5}),
        (MINUTE, "*/90", {0}),
        (MINUTE, "0-59/100", {0}),
        (MINUTE, "22-2,5", {5}),
        (MONTH, "jan-mar", {1, 2, 3}),
        (MONTH, "Dec", {12}),
        (WEEKDAY, "mon,WED", {1, 3}),
        (WEEKDAY, "7", {0, 7}),
        (WEEKDAY, "5-7", {0, 5, 6, 7}),
        (WEEKDAY, "sun-tue", {0, 1, 2, 7}),
    ],
)
@pytest.mark.parametrize("dialect", list(Dialect))
def test_a_field_has_the_values_that_cron_gives_it(kind, text, values, dialect) -> None:
    assert field(kind, text, dialect).values == values


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (MINUTE, "5/10"),
        (MINUTE, "*/0"),
        (MINUTE, "1-10/0"),
        (MINUTE, "60"),
        (MINUTE, "-5"),
        (MINUTE, "5,,"),
        (MINUTE, "5,6x"),
        (MINUTE, "5-*"),
        (MINUTE, "~"),
        (MINUTE, ""),
        (DAY, "0"),
        (MONTH, "13"),
        (WEEKDAY, "8"),
        (WEEKDAY, "monday"),
        (MINUTE, "mon"),
    ],
)
def test_a_field_that_debian_refuses_says_why(kind, text) -> None:
    found = read_field(kind, text, DEBIAN)
    assert isinstance(found, FieldFault)
    assert found.message.startswith(kind.word)


@pytest.mark.parametrize(("kind", "text"), [(MINUTE, "22-2"), (HOUR, "22-2"), (WEEKDAY, "fri-mon"), (WEEKDAY, "fri-sun")])
def test_a_range_that_runs_backwards_never_comes_with_debian(kind, text) -> None:
    found = read_field(kind, text, DEBIAN)
    assert isinstance(found, FieldFault)
    assert "never" in found.message


def test_cronie_lets_a_range_end_at_sunday() -> None:
    assert field(WEEKDAY, "fri-sun", CRONIE).values == {0, 5, 6, 7}
    assert field(WEEKDAY, "fri-sun", CRONIE).text == "0,5,6"


@pytest.mark.parametrize(("text", "values", "end"), [("0~59", {0}, "~59"), ("*;5", set(range(60)), ";5"), ("5-6,7~9", {5, 6, 7}, "~9")])
def test_debian_passes_over_what_follows_a_value(text, values, end) -> None:
    assert field(MINUTE, text).values == values
    assert ignored_end(text, DEBIAN) == end
    assert ignored_end("0-30", DEBIAN) == ""


def test_cronie_draws_from_a_range_and_torchsync_takes_a_value_by_host_and_task() -> None:
    drawn = field(HOUR, "0~5", CRONIE)
    assert (drawn.drawn, drawn.text) == ((0, 5), "H(0-5)")
    assert field(MINUTE, "~", CRONIE).text == "H(0-59)"
    assert field(DAY, "20~", CRONIE).text == "H(20-28)"
    assert isinstance(read_field(HOUR, "5~2", CRONIE), FieldFault)


@pytest.mark.parametrize(
    ("line", "written"),
    [
        ("*/5 0 1,15 * *", "*/5 0 1,15 * *"),
        ("5-5 0 * JAN *", "5-5 0 * jan *"),
        ("*/90 0 * * *", "0 0 * * *"),
        ("0-59/100 2-4 * * sun", "0 2-4 * * sun"),
        ("0 22-2,5 * * *", "0 5 * * *"),
        ("0~59 0 * * 0-7", "0 0 * * 0-7"),
    ],
)
def test_a_schedule_is_written_as_it_stood_or_with_its_values_spelt_out(line, written) -> None:
    fields = [field(kind, text) for kind, text in zip(KINDS, line.split(), strict=True)]
    text = " ".join(one.text for one in fields)
    assert text == written
    assert isinstance(parse_schedule(text), CronSchedule)
    found = fields_of(text)
    assert found is not None
    assert [set(one.values) for one in found[1:]] == [
        one.values - ({7} if kind is WEEKDAY else set()) for kind, one in zip(KINDS, fields, strict=True)
    ]


def test_the_macros_of_cron_are_those_of_torchsync() -> None:
    for name, text in MACROS.items():
        assert parse_schedule(name) == parse_schedule(text)
