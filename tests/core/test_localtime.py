from __future__ import annotations

import struct
from io import BytesIO
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest

from tests.core.cron_oracle import Oracle, utc
from torchsync.codes import CODES
from torchsync.core.cron import CronSchedule, EverySchedule, instants, parse_schedule
from torchsync.core.localtime import Stretch, check_zone, stretches, zone_named
from torchsync.core.model import Instant

DAY = 86_400


def crafted_zone(first_offset: int, *changes: tuple[int, int]) -> ZoneInfo:
    """A zone with an offset from the start and others from the given seconds of UTC on, in the format of tzfile(5), version 1."""
    offsets = [first_offset, *(offset for _, offset in changes)]
    # the first transition, long ago, is there to give the offset before the others
    moments = [-(2**31), *(moment for moment, _ in changes)]
    header = b"TZif" + bytes(16) + struct.pack(">6l", 0, 0, 0, len(moments), len(offsets), 4)
    body = struct.pack(f">{len(moments)}l", *moments) + bytes(range(len(offsets)))
    body += b"".join(struct.pack(">lbb", offset, 0, 0) for offset in offsets) + b"ABC\0"
    return ZoneInfo.from_file(BytesIO(header + body), key="Crafted")


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5"])
def test_a_zone_of_the_package_is_known(name: str) -> None:
    assert check_zone(name) is None
    assert zone_named(name).key == name


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("europe/berlin", "`Europe/Berlin`"),
        ("Europe/Berlim", "`Europe/Berlin`"),
        ("utc", "`UTC`"),
        ("local", "`UTC`"),
        ("", "`UTC`"),
        ("../../etc/passwd", "`UTC`"),
        ("/etc/localtime", "`UTC`"),
        ("+02:00", "`UTC`"),
    ],
)
def test_another_zone_is_refused_with_the_nearest_name(name: str, suggestion: str) -> None:
    problem = check_zone(name)
    assert problem is not None
    assert problem.code == "TS122"
    assert problem.code in CODES
    assert f"`{name}`" in problem.message
    assert suggestion in problem.hint


def test_a_zone_nobody_has_is_an_error_of_the_caller() -> None:
    with pytest.raises(ZoneInfoNotFoundError):
        zone_named("Europe/Nowhere")


def test_the_stretches_of_berlin_change_where_the_law_says() -> None:
    found = stretches(zone_named("Europe/Berlin"), utc("2021-01-01"), utc("2022-01-01"))
    changes = [(later.start, later.offset) for earlier, later in pairwise(found) if earlier.offset != later.offset]
    assert changes == [(utc("2021-03-28T01:00"), 7_200), (utc("2021-10-31T01:00"), 3_600)]


def test_a_stretch_is_cut_to_what_was_asked_for() -> None:
    start = utc("2021-06-01")
    assert list(stretches(zone_named("Europe/Berlin"), start, start + 1)) == [Stretch(start, start + 1, 7_200)]


@pytest.mark.parametrize("change", [0, 1, -1, 128 * 3 * DAY, 128 * 3 * DAY - 1, 128 * 3 * DAY + 1, 3 * DAY])
def test_stretches_join_without_a_hole_wherever_the_change_falls(change: int) -> None:
    zone = crafted_zone(3_600, (change, 7_200))
    found = list(stretches(zone, -10 * DAY, 500 * DAY))
    assert (found[0].start, found[-1].end) == (-10 * DAY, 500 * DAY)
    assert all(earlier.end == later.start for earlier, later in pairwise(found))
    assert all(stretch.start < stretch.end for stretch in found)
    assert [(stretch.start >= change, stretch.offset == 7_200) for stretch in found].count((True, True)) >= 1
    assert all((stretch.offset == 7_200) == (stretch.start >= change) for stretch in found)


@pytest.mark.parametrize("text", ["30 * * * *", "30 1-3 * * *", "10,50 2 * * *", "*/15 2 * * *", "0 0-4 * * *"])
@pytest.mark.parametrize("second_shift", [10_800, 7_200 + 1_800, 1_800])
def test_two_changes_within_an_hour_are_one_rule_applied_twice(text: str, second_shift: int) -> None:
    """Put back by an hour at 01:00 UTC, then moved again after 20 minutes."""
    start = utc("2021-06-01")
    zone = crafted_zone(7_200, (start + 3_600, 3_600), (start + 4_800, second_shift))
    schedule = parse_schedule(text)
    assert isinstance(schedule, CronSchedule | EverySchedule)
    found = []
    for instant in instants(schedule, zone, Instant((start - DAY) * 1_000)):
        if instant >= (start + DAY) * 1_000:
            break
        found.append(instant // 1_000)
    assert found == Oracle.of(text).fires(zone, start - DAY + 60, start + DAY, 60)
