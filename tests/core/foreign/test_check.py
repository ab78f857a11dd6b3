from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from zoneinfo import ZoneInfo

from torchsync.core.cron import instants, parse_schedule
from torchsync.core.foreign.check import Comparison, comparisons
from torchsync.core.foreign.job import ForeignJob, Origin, SourceClock
from torchsync.core.foreign.merge import merged
from torchsync.core.foreign.report import difference_text
from torchsync.core.instants import parse_rfc3339
from torchsync.core.model import Instant

AFTER = parse_rfc3339("2026-11-26T12:00:00Z")


@dataclass(frozen=True, slots=True)
class Same:
    """The source system and torchsync agree."""

    text: str

    def instants(self, zone: ZoneInfo, after: Instant) -> Iterator[Instant]:
        schedule = parse_schedule(self.text)
        return instants(schedule, zone, after)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Given:
    found: tuple[Instant, ...]

    def instants(self, zone: ZoneInfo, after: Instant) -> Iterator[Instant]:
        return iter(self.found)


@dataclass(frozen=True, slots=True)
class Hourly:
    """Every hour, without an end."""

    def instants(self, zone: ZoneInfo, after: Instant) -> Iterator[Instant]:
        return (Instant(after // 3_600_000 * 3_600_000 + number * 3_600_000) for number in count(1))


def compared(schedule: str, clock: SourceClock, *zones: str) -> tuple[Comparison, ...]:
    jobs = [
        ForeignJob(origin=Origin(host=f"h{number}", path="x"), name="x", fields={"schedule": schedule, "command": "x"}, clock=clock)
        for number in range(len(zones))
    ]
    (task,) = merged(jobs, {f"h{number}": zone for number, zone in enumerate(zones)})
    return comparisons(task, AFTER)


def test_a_thousand_instants_that_are_the_same_show_no_difference() -> None:
    (found,) = compared("0 3 * * *", Same("0 3 * * *"), "Europe/Berlin")
    assert (found.count, found.differences, found.zone, found.zone_is_known) == (1_000, (), "Europe/Berlin", True)
    assert found.until == parse_rfc3339("2029-08-22T01:00:00Z")


def test_each_zone_is_compared_once() -> None:
    found = compared("0 3 * * *", Same("0 3 * * *"), "Europe/Berlin", "UTC", "Europe/Berlin", "")
    assert [(one.zone, one.zone_is_known) for one in found] == [("Europe/Berlin", True), ("UTC", True), ("UTC", False)]


def test_what_only_one_side_has_is_a_difference() -> None:
    (found,) = compared("0 3 * * *", Same("0 3 * * 1-5"), "UTC")
    assert {(one.theirs, one.ours) for one in found.differences} == {(0, 1)}
    assert found.differences[0].instant == parse_rfc3339("2026-11-28T03:00:00Z")
    (found,) = compared("0 3 * * 1-5", Same("0 3 * * *"), "UTC")
    assert {(one.theirs, one.ours) for one in found.differences} == {(1, 0)}


def test_the_answer_that_is_full_first_ends_the_comparison() -> None:
    (found,) = compared("0 * * * *", Hourly(), "UTC")
    assert (found.count, found.differences) == (1_000, ())
    (found,) = compared("*/30 * * * *", Hourly(), "UTC")
    assert (found.count, len(found.differences)) == (500, 500)


def test_starts_without_an_end_on_our_side_only_are_all_different() -> None:
    (found,) = compared("0 0 29 2 *", Given(()), "UTC")
    assert (found.count, len(found.differences)) == (0, 42)


def test_nothing_on_either_side_is_no_difference() -> None:
    (found,) = compared("@at 2020-01-01T00:00", Given(()), "UTC")
    assert (found.count, found.until, found.differences) == (0, None, ())


def test_a_difference_on_the_night_of_a_clock_change_says_so() -> None:
    gap = parse_rfc3339("2027-03-28T01:00:00Z")
    same = list(islice(Same("30 2 * * *").instants(ZoneInfo("Europe/Berlin"), AFTER), 200))
    (found,) = compared("30 2 * * *", Given(tuple(sorted([*same, gap]))), "Europe/Berlin")
    first = found.differences[0]
    assert difference_text(first) == (
        "2027-03-28T01:00:00Z: started twice there, started once here (the night of 2027-03-28: clocks go forward from 02:00 to 03:00)"
    )


def test_what_has_no_clock_is_not_compared() -> None:
    job = ForeignJob(origin=Origin(path="x"), name="x", fields={"schedule": "@startup", "command": "x"}, uncompared="at each start")
    (task,) = merged([job], {})
    assert comparisons(task, AFTER) == ()
