"""Months of a host from a seed: commits, crashes, reboots, operators and a clock that is set, with every promise checked after each hour.

`python -m tests.core.simulation.months --seed N --days D` plays one story, and says how to play it again when a promise breaks.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.builders import HOUR, MINUTE, SECOND
from tests.core.simulation.annals import Broken
from tests.core.simulation.chance import LONG, Edit, Rates, Seeded, draw_edit, draw_task
from tests.core.simulation.host import Host
from tests.core.simulation.promises import Witness
from torchsync.core.holds import EVERY_TASK, HOST, Hold, held_task, lifted, placed
from torchsync.core.model import Instant

DAY = 24 * HOUR
MARCH = 1_803_859_200_000
"""2027-03-01T00:00:00Z, before clocks are set in spring."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How eventful a story is: each of these happens once in so many hours, on average."""

    commit: int = 24
    crash: int = 1
    crash_at_a_point: int = 3
    reboot: int = 300
    operator: int = 12
    full_disk: int = 200
    suspend: int = 100
    step: int = 0
    """Never: the clock is right."""


class Months:
    """A story that grows by the hour."""

    def __init__(self, seed: int, *, tasks: int = 30, plan: Plan | None = None, rates: Rates = LONG) -> None:
        self.chance = Seeded(seed)
        self.plan = plan or Plan()
        self.rates = rates
        self.host = Host(MARCH)
        self.witness = Witness(self.host)
        self.names = [f"task-{number:02d}" for number in range(tasks)]
        self._acts: list[tuple[int, Callable[[], None]]] = [
            (self.plan.commit, self.commit),
            (self.plan.crash, lambda: self.host.kill(self.chance.pick((0, 40, 1_000, 10 * MINUTE)))),
            (self.plan.crash_at_a_point, self.crash_soon),
            (self.plan.reboot, lambda: self.host.reboot(self.chance.number(20, 600) * SECOND, keeps=self.chance.pick((True, False)))),
            (self.plan.operator, self.operate),
            (self.plan.full_disk, self.host.fill_disk),
            (3, self.host.free_disk),
            (self.plan.suspend, lambda: self.host.sleep(self.chance.number(1, 48) * HOUR)),
            (self.plan.step, lambda: self.host.step(self.chance.number(-90, 90) * MINUTE)),
        ]
        for name in self.names:
            self._commit({name: draw_task(self.chance, name, rates)})

    def play(self, days: float) -> None:
        """So many days go by, and no promise breaks. Raises Broken."""
        end = self.host.now + int(days * DAY)
        while self.host.now < end:
            self.host.pass_time(self.chance.number(1, 2 * HOUR))
            for rate, act in self._acts:
                if rate and self.chance.number(1, rate) == 1:
                    act()
            self.witness.look()
        self.host.free_disk()
        self.host.pass_time(5 * SECOND)
        self.witness.look()

    def commit(self) -> None:
        self._commit(draw_edit(self.chance, self.names, self.rates))

    def _commit(self, edit: Edit) -> None:
        for drawn in filter(None, edit.values()):
            self.host.behaviours[drawn.task.fingerprint] = drawn.behaviours
        self.host.commit({name: drawn.task if drawn else None for name, drawn in edit.items()})
        self.witness.look()

    def crash_soon(self) -> None:
        self.host.dies_in = self.chance.number(0, 30)

    def operate(self) -> None:
        name, now = self.chance.pick(self.names), Instant(self.host.now)
        until = Instant(now + self.chance.number(1, 5 * HOUR))
        match self.chance.number(0, 6):
            case 0 | 1:
                self.host.run_task(name)
            case 2:
                self.host.stop(name)
            case 3:
                self.host.hold(lambda holds: placed(holds, held_task(name), Hold(actor="alice", since=now, until=until)))
            case 4:
                self.host.hold(lambda holds: placed(holds, EVERY_TASK, Hold(actor="alice", since=now, until=until)))
            case 5:
                self.host.hold(lambda holds: placed(holds, HOST, Hold(actor="alice", since=now, until=until, stops_runs=now % 2 == 0)))
            case _:
                self.host.hold(lambda holds: lifted(holds, held_task(name), actor="bob", now=now))


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.core.simulation.months")
    parser.add_argument("--seed", type=int, help="the first seed; another one each time when it is not given")
    parser.add_argument("--stories", type=int, default=1, help="how many, each with the next seed")
    parser.add_argument("--days", type=float, default=365)
    parser.add_argument("--tasks", type=int, default=30)
    parser.add_argument("--step", type=int, default=0, help="the clock is set once in so many hours")
    chosen = parser.parse_args(words)
    first = time.time_ns() % 1_000_000 if chosen.seed is None else chosen.seed
    for seed in range(first, first + chosen.stories):
        begun = time.monotonic()
        story = Months(seed, tasks=chosen.tasks, plan=Plan(step=chosen.step))
        try:
            story.play(chosen.days)
        except Exception as error:
            again = f'make simulate ARGS="--seed {seed} --days {chosen.days:g} --tasks {chosen.tasks} --step {chosen.step}"'
            print(f"seed {seed}: {type(error).__name__}: {error}\nplay it again: {again}", file=sys.stderr)
            if not isinstance(error, Broken):
                raise
            return 1
        host = story.host
        done = f"{host.turns} turns, {len(host.annals.runs)} runs, {len(host.commits)} commits, {host.crashes} crashes"
        print(f"seed {seed}: {chosen.days:g} days, {done}: every promise held; {time.monotonic() - begun:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
