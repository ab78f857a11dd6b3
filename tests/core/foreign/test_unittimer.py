from __future__ import annotations

from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from torchsync.core.foreign.unitfile import Unit, read_unit
from torchsync.core.foreign.unittimer import TimerPart, TimerReading, read_timer
from torchsync.core.jsontext import Json
from torchsync.core.values import Instant


def timer(lines: str) -> TimerReading:
    return read_timer(Unit(name="a.timer", path="a.timer", settings=read_unit("a.timer", f"[Timer]\n{lines}".encode())[0]))


def told(part: TimerPart) -> list[str]:
    return [f"{remark.kind.value}: {remark.message}" for remark in part.remarks]


@pytest.mark.parametrize(
    ("lines", "fields"),
    [
        ("OnCalendar=daily", [{"schedule": "0 0 * * *"}]),
        ("OnCalendar=daily\nPersistent=true", [{"schedule": "0 0 * * *", "misfire": "latest"}]),
        ("OnCalendar=hourly\nRandomizedDelaySec=10min\nFixedRandomDelay=yes", [{"schedule": "0 * * * *", "jitter": "10m"}]),
        ("OnCalendar=Mon 1:00\nOnCalendar=Tue 1:00", [{"schedule": "0 1 * * 1,2"}]),
        ("OnCalendar=1:00\nOnCalendar=2:30", [{"schedule": "0 1 * * *"}, {"schedule": "30 2 * * *"}]),
        ("OnCalendar=1:00\nOnCalendar=\nOnCalendar=2:30", [{"schedule": "30 2 * * *"}]),
        ("OnBootSec=5min\nOnCalendar=\nOnCalendar=2:30", [{"schedule": "30 2 * * *"}]),
        ("OnCalendar=2027-01-02 03:04", [{"schedule": "@at 2027-01-02T03:04:00"}]),
        ("OnBootSec=0", [{"schedule": "@startup"}]),
    ],
)
def test_times_with_an_equal_need_no_remark(lines: str, fields: list[dict[str, Json]]) -> None:
    reading = timer(lines)
    assert [part.fields for part in reading.parts] == fields
    assert [told(part) for part in reading.parts] == [[]] * len(fields)
    assert reading.problems == ()


@pytest.mark.parametrize(
    ("lines", "fields", "remarks"),
    [
        (
            "OnBootSec=5min",
            {"schedule": "@startup"},
            ["changed: `OnBootSec=5min` waits before it starts; a task with `@startup` starts once"],
        ),
        (
            "OnBootSec=5min\nOnUnitActiveSec=15min",
            {"schedule": "@every 15m"},
            ["changed: `OnUnitActiveSec=15min` counts from the last start of the service", "changed: `OnBootSec=5min` is not kept"],
        ),
        (
            "OnUnitInactiveSec=90.5s",
            {"schedule": "@every 1m30s"},
            ["changed: `OnUnitInactiveSec=90.5s` counts from the last end of the service", "changed: the timer says nothing that starts"],
        ),
        (
            "OnBootSec=0\nOnStartupSec=1h\nOnActiveSec=2h",
            {"schedule": "@startup"},
            ["lost: `OnStartupSec=1h`, `OnActiveSec=2h` would start it again; the task starts once a boot"],
        ),
        (
            "OnCalendar=daily\n[Unit]\nConditionACPower=true\nAssertPathExists=/x\nAssertPathExists=/y",
            {"schedule": "0 0 * * *"},
            ["lost: ConditionACPower=, AssertPathExists= of a.timer: the timer is there only where that holds, the task everywhere"],
        ),
        (
            "OnCalendar=hourly\nRandomizedDelaySec=5",
            {"schedule": "0 * * * *", "jitter": "5s"},
            ["changed: `RandomizedDelaySec=5` is drawn anew"],
        ),
        (
            "OnCalendar=hourly\nRandomizedDelaySec=2h\nFixedRandomDelay=1",
            {"schedule": "0 * * * *", "jitter": "59m59s"},
            ["changed: `RandomizedDelaySec=2h` is not shorter than the gap of the schedule"],
        ),
        (
            "OnCalendar=daily\nAccuracySec=1s",
            {"schedule": "0 0 * * *"},
            ["changed: `AccuracySec=1s` lets systemd start it that much later"],
        ),
        ("OnCalendar=daily\nWakeSystem=yes", {"schedule": "0 0 * * *"}, ["lost: WakeSystem=: torchsync does not wake a host that sleeps"]),
        ("OnCalendar=*:*:0/0.5", {"schedule": "* * * * * *"}, ["changed: `OnCalendar=*:*:0/0.5` has fractions of seconds"]),
    ],
)
def test_what_is_a_little_different_is_said(lines: str, fields: dict[str, Json], remarks: list[str]) -> None:
    (part,) = timer(lines).parts
    assert part.fields == fields
    assert all(one.startswith(start) for one, start in zip(told(part), remarks, strict=True)), told(part)


@pytest.mark.parametrize(
    ("lines", "problems"),
    [
        ("Unit=b.service", ["a.timer: TS171 the timer says no time (it needs such as OnCalendar=)"]),
        ("OnCalendar=often", ["a.timer:2: TS170 `OnCalendar=often`: `often` is not a day of the week"]),
        (
            "OnCalendar=Fri *-*-13\nOnCalendar=*:99",
            ["a.timer:3: TS170 `OnCalendar=*:99`: minute: `99`", "a.timer:2: TS171 `Fri *-*-13` wants"],
        ),
        ("OnUnitActiveSec=100ms", ["a.timer:2: TS171 `OnUnitActiveSec=100ms`: a schedule repeats after 1 s to 366 days"]),
        ("OnBootSec=later", ["a.timer:2: TS171 `OnBootSec=later`: `later` is not a time span"]),
    ],
)
def test_what_cannot_be_translated_is_told_with_its_line(lines: str, problems: list[str]) -> None:
    reading = timer(lines)
    assert reading.parts == ()
    assert all(str(one).startswith(start) for one, start in zip(reading.problems, problems, strict=True)), reading.problems


def test_one_bad_line_does_not_cost_the_good_ones() -> None:
    reading = timer("OnCalendar=often\nOnCalendar=daily")
    assert [part.fields["schedule"] for part in reading.parts] == ["0 0 * * *"]
    assert len(reading.problems) == 1


def test_a_part_knows_its_line_its_zone_and_its_moments() -> None:
    (part,) = timer("OnCalendar=12:00 Asia/Tokyo\nOnCalendar=13:00 Asia/Tokyo").parts
    assert (part.line.line, part.zone, part.fields["schedule"]) == (2, "Asia/Tokyo", "0 12,13 * * *")
    assert part.clock is not None
    assert list(islice(part.clock.instants(ZoneInfo("UTC"), Instant(0)), 2)) == [3 * 3_600_000, 4 * 3_600_000]
    (counting,) = timer("OnBootSec=1").parts
    assert counting.clock is None
    assert counting.uncompared == "the timer counts from the boot, not by the clock"


def test_a_timer_that_counts_from_the_last_start_needs_a_first_one() -> None:
    for first in ("OnBootSec=1", "OnCalendar=daily"):
        remarks = [one for part in timer(f"OnUnitActiveSec=1h\n{first}").parts for one in told(part)]
        assert not any("for a first time" in one for one in remarks)


def test_each_part_stands_at_the_first_of_its_lines() -> None:
    reading = timer("OnCalendar=1:00\nOnCalendar=2:30\nOnCalendar=3:00\nOnCalendar=4:30")
    assert [(part.fields["schedule"], part.line.line) for part in reading.parts] == [("0 1,3 * * *", 2), ("30 2,4 * * *", 3)]


def test_a_schedule_of_each_second_has_no_room_for_jitter() -> None:
    assert "jitter" not in timer("OnCalendar=*:*:*\nRandomizedDelaySec=5").parts[0].fields
    assert timer("OnCalendar=*:*:0/2\nRandomizedDelaySec=5").parts[0].fields["jitter"] == "1s"
