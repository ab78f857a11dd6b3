"""A next instant by kind of schedule, in Europe/Berlin: ours, croniter's and cronsim's, against looking it up in a list that knows them all.

A side is named for the kind of schedule and whose it is; ours has no second name. `anew` asks each time by the text alone, as after a start or a
swap, the others walk on from the instant before, as the timetable does. croniter is asked as its users ask it, with a start that knows its zone;
it fires some schedules twice in autumn, so the instants are not always the same.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import cache
from itertools import islice, repeat
from typing import Any

from croniter import croniter
from cronsim import CronSim

from bench.harness import Bench, Work
from torchsync.core.cron import Schedule, ScheduleRefusal, Spread, instants, next_instant, parse_schedule, zone_named
from torchsync.core.model import Instant

ZONE = "Europe/Berlin"
AFTER = Instant(1_790_000_000_000)
MANY, FEW = 2_000, 150

# name: ours, croniter's and cronsim's spelling, and how many instants are asked for
KINDS = {
    "daily": ("30 2 * * *", "30 2 * * *", "30 2 * * *", MANY),
    "second": ("* * * * * *", "* * * * * *", "* * * * * *", MANY),
    "5 minutes": ("*/5 * * * *", "*/5 * * * *", "*/5 * * * *", MANY),
    "hourly": ("7 * * * *", "7 * * * *", "7 * * * *", MANY),
    "weekly": ("30 2 * * 1", "30 2 * * 1", "30 2 * * 1", MANY),
    "L": ("0 3 L * *", "0 3 l * *", "0 3 L * *", MANY),
    "5#3": ("0 3 * * 5#3", "0 3 * * 5#3", "0 3 * * 5#3", MANY),
    "13th or Fri": ("0 3 13 * 5", "0 3 13 * 5", "0 3 13 * 5", MANY),
    "29 Feb": ("0 3 29 2 *", "0 3 29 2 *", "0 3 29 2 *", 40),
    "H": ("H H * * *", "H H * * *", "", MANY),
    "@every": ("@every 90s", "", "", MANY),
}
ANEW = ("daily", "weekly", "5#3", "H")
AT = "@at 2030-12-01T03:00"


def rounds() -> Bench:
    return Bench(
        name="next_instant",
        operation="one next instant",
        floor_is="bisection in a list of all instants",
        floor=listed,
        sides=dict(_sides()),
        count=5,
    )


def _sides() -> Iterator[tuple[str, Work]]:
    for name, (text, theirs, cronsims, number) in KINDS.items():
        yield name, walked(ours_stream, text, number)
        if theirs:
            yield f"{name} croniter", walked(croniter_stream, theirs, number)
        if cronsims:
            yield f"{name} cronsim", walked(cronsim_stream, cronsims, number)
    yield "@at", at_anew
    for name in ANEW:
        text, theirs, cronsims, _ = KINDS[name]
        yield f"{name} anew", anew(ours_anew, text)
        yield f"{name} anew croniter", anew(croniter_anew, theirs)
        if cronsims:
            yield f"{name} anew cronsim", anew(cronsim_anew, cronsims)


def ours_stream(text: str) -> Iterator[object]:
    return instants(schedule(text), zone_named(ZONE), AFTER)


def ours_anew(text: str, after: Instant) -> object:
    return next_instant(unkept(text), zone_named(ZONE), after)


def croniter_stream(text: str, after: Instant = AFTER) -> Iterator[object]:
    named: Mapping[str, Any] = {"hash_id": "db-1:nightly"} if "H" in text else {}
    found = croniter(text, start(after), second_at_beginning=True, **named)
    return (found.get_next(float) for _ in repeat(None))


def croniter_anew(text: str, after: Instant) -> object:
    return next(croniter_stream(text, after))


def cronsim_stream(text: str, after: Instant = AFTER) -> Iterator[object]:
    return CronSim(text, start(after))


def cronsim_anew(text: str, after: Instant) -> object:
    return next(cronsim_stream(text, after))


def start(after: Instant = AFTER) -> datetime:
    return datetime.fromtimestamp(after / 1_000, zone_named(ZONE))


def schedule(text: str) -> Schedule:
    return _accepted(parse_schedule(text, Spread("db-1", "nightly")))


def unkept(text: str) -> Schedule:
    """Read once more, although `parse_schedule` keeps what it has read."""
    return _accepted(parse_schedule.__wrapped__(text, Spread("db-1", "nightly")))


def _accepted(found: Schedule | ScheduleRefusal) -> Schedule:
    if isinstance(found, ScheduleRefusal):
        raise SystemExit(found.message)
    return found


def walked(stream: Callable[[str], Iterator[object]], text: str, number: int) -> Work:
    """The first `number` instants of a stream."""
    return lambda: sum(1 for _ in islice(stream(text), number))


def anew(ask: Callable[[str, Instant], object], text: str) -> Work:
    """Asked at other moments, an hour apart, from nothing but the text."""

    def work() -> int:
        for number in range(FEW):
            ask(text, Instant(AFTER + number * 3_600_000))
        return FEW

    return work


def at_anew() -> int:
    found, zone = schedule(AT), zone_named(ZONE)
    for number in range(MANY):
        next_instant(found, zone, Instant(AFTER + number * 3_600_000))
    return MANY


@cache
def known() -> list[Instant]:
    return [Instant(AFTER + number * 86_400_000) for number in range(MANY + 1)]


def listed() -> int:
    for instant in known()[:MANY]:
        known()[bisect_right(known(), instant)]
    return MANY
