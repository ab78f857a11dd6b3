"""What core/localtime.py and core/schedule.py take for granted of time zones, held against every zone of the tzdata package."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from tests.core.cron_oracle import utc
from tests.core.tzdata_changes import DAY, NAMES, Change, all_changes, changes_of, distinct_zones, footer_of, zone_of_package
from tests.depth import LONG
from torchsync.core import localtime
from torchsync.core.localtime import stretches

SOME_ZONES = distinct_zones() if LONG > 1 else distinct_zones()[::12]
ODD_ZONES = (
    "Africa/Monrovia",
    "Antarctica/Vostok",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Kwajalein",
    "Asia/Gaza",
    "America/Noronha",
)


def test_the_package_has_what_the_tests_are_about() -> None:
    """Half-hour and two-hour changes, odd ones, whole days, and an offset that is no multiple of a minute."""
    shifts = {change.after - change.before for change in all_changes()}
    assert {-1_800, 1_800, -7_200, 7_200, 900, 2_670, 25_200, -25_200, DAY} <= shifts
    assert len(all_changes()) > 4_000
    assert any(change.before % 60 for change in all_changes())
    assert {
        change.zone
        for name in ("Pacific/Apia", "Pacific/Fakaofo", "Pacific/Kwajalein")
        for change in changes_of(name)
        if skips_a_day(change)
    }


def skips_a_day(change: Change) -> bool:
    return change.after - change.before == DAY


def test_no_zone_changes_its_offset_twice_within_six_days() -> None:
    """So no change hides between two probes three days apart."""
    apart = min(later.moment - earlier.moment for name in NAMES for earlier, later in pairwise(changes_of(name)))
    assert 6 * DAY < apart < 7 * DAY, f"{apart / DAY} days: the docstring of core/localtime.py says six"
    assert apart > localtime._SPACING


def test_no_rule_for_the_future_has_changes_that_lie_close_to_each_other() -> None:
    """The rules name the two changes of a year, as `M3.5.0,M10.5.0/3`: month, week, day, and at most a week of hours."""
    for name in NAMES:
        months = [int(month) for month in re.findall(r",M(\d+)\.", footer_of(name))]
        assert len(months) in {0, 2}, footer_of(name)
        assert not months or 3 <= abs(months[0] - months[1]) <= 9, footer_of(name)


def test_a_clock_that_was_put_back_shows_new_times_within_a_day() -> None:
    """So the highest wall time shown before a moment was shown in the last 24 hours: a look back of a day finds it."""
    longest = 0
    for name in NAMES:
        highest = -(1 << 62)
        for change in changes_of(name):
            highest = max(highest, change.moment + change.before)
            longest = max(longest, highest - (change.moment + change.after))
    assert longest == 7 * 3_600, "the largest step back is that of Vostok in 1994"


@pytest.mark.parametrize("name", sorted({*SOME_ZONES, *ODD_ZONES}))
def test_the_stretches_change_where_the_file_of_the_zone_says(name: str) -> None:
    start, end = 0, max(utc("2040-01-01"), changes_of(name)[-1].moment + 1 if changes_of(name) else 0)
    expected = [(change.moment, change.before, change.after) for change in changes_of(name) if start < change.moment < end]
    found = list(stretches(zone_of_package(name), start, end))
    changed = [(later.start, earlier.offset, later.offset) for earlier, later in pairwise(found) if earlier.offset != later.offset]
    assert changed == expected
