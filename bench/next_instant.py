"""Prints the microseconds a next instant and a parse take, by kind of schedule: the best of several rounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice, takewhile
from time import perf_counter

from torchsync.core.cron import Schedule, ScheduleRefusal, instants, next_instant, parse_schedule, zone_named
from torchsync.core.model import Instant

KINDS = (
    ("every second", "* * * * * *", "UTC"),
    ("every second, zone with DST", "* * * * * *", "Europe/Berlin"),
    ("every 5 minutes", "*/5 * * * *", "UTC"),
    ("every 5 minutes, zone with DST", "*/5 * * * *", "Europe/Berlin"),
    ("daily", "30 2 * * *", "UTC"),
    ("daily, zone with DST", "30 2 * * *", "America/New_York"),
    ("weekdays", "30 2 * * 1-5", "Europe/Berlin"),
    ("13th or Friday", "0 0 13 * 5", "Europe/Berlin"),
    ("29 February", "0 0 29 2 *", "Europe/Berlin"),
    ("last day (L)", "0 0 L * *", "Europe/Berlin"),
    ("last weekday (LW)", "0 0 LW * *", "Europe/Berlin"),
    ("third Friday (5#3)", "0 0 * * 5#3", "Europe/Berlin"),
    ("@every 90s", "@every 90s", "Europe/Berlin"),
)
AFTER = Instant(1_790_000_000_000)
_STEPS = 2_000
_LAST = Instant(4_000_000_000_000)


def main() -> None:
    """The table is printed: cold is the first next instant of a process, warm one that was asked before, stream one step of the stream."""
    print(f"{'schedule':34} {'parse':>9} {'cold':>9} {'warm':>9} {'stream':>9}   microseconds")
    for name, text, zone_name in KINDS:
        schedule, zone = parsed(text), zone_named(zone_name)
        cold = timed(lambda schedule=schedule, zone=zone: next_instant(schedule, zone, AFTER), 1, 1)  # type: ignore[misc]
        warm = timed(lambda schedule=schedule, zone=zone: next_instant(schedule, zone, AFTER), 500, 5)  # type: ignore[misc]
        row = (timed(lambda text=text: parse_schedule.__wrapped__(text), 200, 5), cold, warm, stream(schedule, zone_name))  # type: ignore[misc]
        print(f"{name:34} " + " ".join(f"{value:9.2f}" for value in row))


def parsed(text: str) -> Schedule:
    schedule = parse_schedule(text)
    if isinstance(schedule, ScheduleRefusal):
        raise SystemExit(schedule.message)
    return schedule


def timed(work: Callable[[], object], number: int, rounds: int) -> float:
    return min(_once(work, number) for _ in range(rounds))


def _once(work: Callable[[], object], number: int) -> float:
    start = perf_counter()
    for _ in range(number):
        work()
    return (perf_counter() - start) / number * 1e6


def stream(schedule: Schedule, zone_name: str) -> float:
    """One step of a stream nobody has walked before, as after a long stop of the agent."""
    found: Iterator[Instant] = instants(schedule, zone_named(zone_name), AFTER)
    start = perf_counter()
    steps = sum(1 for _ in takewhile(lambda instant: instant < _LAST, islice(found, _STEPS)))
    return (perf_counter() - start) / max(steps, 1) * 1e6


if __name__ == "__main__":
    main()
