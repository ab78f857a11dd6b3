"""What a story is made of, drawn from a seed or by hypothesis: the same words for both."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from random import Random
from typing import Any, Protocol, TypeVar

from tests.builders import HOUR, MINUTE, SECOND, daemon, task
from tests.core.simulation.processes import Behaviour
from torchsync.core.model import Conduct, CronTiming, DaemonTiming, Fingerprint, Millis, Misfire, Overlap, Retry, Task

T = TypeVar("T")


class Chance(Protocol):
    def pick(self, options: Sequence[T]) -> T: ...

    def number(self, low: int, high: int) -> int:
        """Both included."""
        ...


class Seeded:
    """Chance from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def pick(self, options: Sequence[T]) -> T:
        return options[int(self._random.random() * len(options))]

    def number(self, low: int, high: int) -> int:
        return low + int(self._random.random() * (high - low + 1))


@dataclass(frozen=True, slots=True)
class Rates:
    """How often the tasks of a story fire, and how long the runs live."""

    schedules: Sequence[str]
    lengths: Sequence[int]
    longest_pause: int
    """Before a daemon starts again."""


SHORT = Rates(
    ("@every 7s", "@every 60s", "@every 45s", "*/5 * * * *", "H * * * *", "30 2 * * *", "@startup"),
    (50, 3_000, 50_000, 20 * MINUTE),
    MINUTE,
)
LONG = Rates(
    ("H * * * *", "0 */2 * * *", "H 8-18 * * 1-5", "30 2 * * *", "H H * * *", "0 0 1 * *", "15 1-3 * * *", "@every 5400s", "@startup"),
    (200, 40_000, 10 * MINUTE, 3 * HOUR),
    6 * HOUR,
)
USUAL = task("usual")
ZONES = ("UTC", "UTC", "Europe/Berlin", "local")


@dataclass(frozen=True, slots=True, repr=False)
class Drawn:
    """A task, and what its runs do, one after the other."""

    task: Task
    behaviours: tuple[Behaviour, ...]

    def __repr__(self) -> str:
        """What is unusual about it: stories are read by people."""
        usual: Task | Behaviour
        words = [str(self.task.timing)]
        for one, usual in ((self.task, USUAL), *((behaviour, Behaviour()) for behaviour in self.behaviours)):
            told = {field.name: getattr(one, field.name) for field in fields(one) if getattr(one, field.name) != getattr(usual, field.name)}
            words.append(
                " ".join(f"{name}={value}" for name, value in told.items() if name not in ("fingerprint", "timing", "name", "command"))
            )
        return f"<{' | '.join(words)}>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """For hypothesis, which would print every field."""
        printer.text(repr(self))


def draw_task(chance: Chance, name: str, rates: Rates) -> Drawn:
    """A definition of the task. A new field of a task is drawn here."""
    made = _daemon(chance, name, rates) if chance.number(0, 4) == 0 else _cron_task(chance, name, rates)
    made = replace(made, stop_signal=chance.pick(("TERM", "TERM", "INT")), stop_grace=Millis(chance.pick((10_000, 500, 60_000))))
    made = replace(
        made,
        pool=chance.pick(("", "", "", "narrow", "wide")),
        on_change=chance.pick((None, None, Conduct.STOP, Conduct.FINISH)),
        on_remove=chance.pick((None, None, Conduct.STOP, Conduct.FINISH)),
    )
    behaviours = tuple(_behaviour(chance, made, rates) for _ in range(chance.number(1, 3)))
    text = repr(replace(made, fingerprint=Fingerprint(""))) + repr(behaviours)
    return Drawn(replace(made, fingerprint=Fingerprint(hashlib.sha256(text.encode()).hexdigest())), behaviours)


def _cron_task(chance: Chance, name: str, rates: Rates) -> Task:
    timing = CronTiming(
        schedule=chance.pick(rates.schedules),
        zone=chance.pick(ZONES),
        jitter=Millis(chance.pick((0, 0, 900, 6_999))),
        starting_deadline=Millis(chance.pick((60_000, 2_000, HOUR))),
        timeout=Millis(chance.pick((0, 0, 2_000, 5 * MINUTE))),
        retry=chance.pick((None, None, Retry(attempts=3, delay=Millis(1_000)), Retry(attempts=2, delay=Millis(5 * MINUTE)))),
        overlap=chance.pick((Overlap.SKIP, Overlap.SKIP, Overlap.QUEUE, Overlap.REPLACE)),
        queue_limit=chance.pick((1, 1, 3)),
        misfire=chance.pick((Misfire.SKIP, Misfire.SKIP, Misfire.LATEST, Misfire.ALL)),
        misfire_limit=chance.pick((100, 2)),
    )
    return task(name, timing=timing, enabled=chance.number(0, 7) > 0, max_running=chance.pick((1, 1, 2, 0)))


def _daemon(chance: Chance, name: str, rates: Rates) -> Task:
    timing = DaemonTiming(delay=Millis(chance.pick((1_000, 10, 20_000))), max_delay=Millis(rates.longest_pause))
    return daemon(name, timing=timing, enabled=chance.number(0, 7) > 0, max_running=chance.pick((1, 1, 3)))


def _behaviour(chance: Chance, of: Task, rates: Rates) -> Behaviour:
    forever = of.is_daemon and chance.number(0, 2) > 0
    return Behaviour(
        length=None if forever else chance.pick(rates.lengths) * (200 if of.is_daemon else 1),
        status=chance.pick((0, 0, 0, 1, 255)),
        claims_after=chance.pick((0, 0, 5, 2_000)),
        is_stubborn=chance.number(0, 3) == 0,
        leaves=chance.pick((0, 0, 0, 30_000)),
        is_impossible=chance.number(0, 9) == 0,
        loses_shim=chance.number(0, 9) == 0,
    )


Edit = Mapping[str, Drawn | None]


def draw_edit(chance: Chance, names: Sequence[str], rates: Rates, size: int = 3) -> Edit:
    """Tasks that are added or changed, or removed."""
    chosen = {chance.pick(names) for _ in range(chance.number(1, size))}
    return {name: None if chance.number(0, 4) == 0 else draw_task(chance, name, rates) for name in sorted(chosen)}


def lengths(chance: Chance, most: int) -> int:
    """A length of time, short or long."""
    scale: Callable[[], int] = lambda: chance.pick([one for one in (1, SECOND, MINUTE, HOUR, 24 * HOUR, 7 * 24 * HOUR) if one <= most])  # noqa: E731
    return min(most, scale() * chance.number(1, 60))
