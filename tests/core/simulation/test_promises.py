"""Whatever is committed, killed, lost, set, filled and ordered: the promises hold after each step."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.builders import HOUR, MINUTE, NOON, SECOND, facts
from tests.core.simulation.chance import SHORT, Edit, draw_edit
from tests.core.simulation.host import Host
from tests.core.simulation.months import MARCH
from tests.core.simulation.promises import Witness
from torchsync.core.clockwatch import STEP
from torchsync.core.holds import EVERY_TASK, HOST, Held, Hold, held_task, lifted, placed
from torchsync.core.model import Instant

T = TypeVar("T")
NAMES = ("a", "b", "c", "d")


class Drawing:
    """Chance by hypothesis."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def pick(self, options: Sequence[T]) -> T:
        return self._draw(st.sampled_from(options))

    def number(self, low: int, high: int) -> int:
        return self._draw(st.integers(low, high))


@st.composite
def edits(draw: st.DrawFn) -> Edit:
    return draw_edit(Drawing(draw), NAMES, SHORT)


def lengths(most: int) -> st.SearchStrategy[int]:
    """Of time, short or long."""
    return st.one_of(*(st.integers(1, min(most, scale)) for scale in (5 * SECOND, 5 * MINUTE, 5 * HOUR, most)))


names = st.sampled_from(NAMES)
held = st.one_of(st.just(EVERY_TASK), st.just(HOST), names.map(held_task))


class Story(RuleBasedStateMachine):
    """One host, and everything that can happen to it."""

    @initialize(start=st.sampled_from((int(NOON), MARCH + 27 * 24 * HOUR)), edit=edits())
    def begin(self, start: int, edit: Edit) -> None:
        self.host = Host(start)
        self.witness = Witness(self.host)
        self.jumps: list[int] = []
        self.commit(edit)

    def look(self) -> None:
        self.witness.look()

    @rule(length=lengths(12 * HOUR))
    def time_goes_by(self, length: int) -> None:
        self.host.pass_time(length)
        self.look()

    @rule(length=lengths(3 * 24 * HOUR))
    def the_machine_is_suspended(self, length: int) -> None:
        self.host.sleep(length)
        self.host.pass_time(1)
        self.look()

    @rule(edit=edits())
    def commit(self, edit: Edit) -> None:
        for drawn in filter(None, edit.values()):
            self.host.behaviours[drawn.task.fingerprint] = drawn.behaviours
        self.host.commit({name: drawn.task if drawn else None for name, drawn in edit.items()})
        self.look()

    @rule(zone=st.sampled_from(("UTC", "Europe/Berlin", "America/New_York")), name=st.sampled_from(("db-1", "db-2")))
    def the_host_becomes_another(self, zone: str, name: str) -> None:
        self.host.commit({}, facts(zone=zone, name=name))
        self.look()

    # Operators.

    @rule(name=names)
    def run(self, name: str) -> None:
        self.host.run_task(name)
        self.look()

    @rule(name=names)
    def stop(self, name: str) -> None:
        self.host.stop(name)
        self.look()

    @rule(what=held, lasting=st.one_of(st.none(), lengths(2 * HOUR)), stops_runs=st.booleans())
    def hold(self, what: Held, lasting: int | None, stops_runs: bool) -> None:
        since = Instant(self.host.now)
        until = None if lasting is None else Instant(since + lasting)
        self.host.hold(
            lambda holds: placed(holds, what, Hold(actor="alice", since=since, until=until, stops_runs=stops_runs and what == HOST))
        )
        self.look()

    @rule(what=held)
    def resume(self, what: Held) -> None:
        self.host.hold(lambda holds: lifted(holds, what, actor="bob", now=Instant(self.host.now)))
        self.look()

    # What goes wrong.

    @rule(point=st.integers(0, 12))
    def the_agent_is_killed_at_a_point_to_come(self, point: int) -> None:
        self.host.dies_in = point

    @rule(down=st.one_of(st.just(0), lengths(2 * HOUR)))
    def the_agent_is_killed(self, down: int) -> None:
        self.host.kill(down)
        self.look()

    @rule(down=lengths(5 * HOUR), keeps=st.booleans())
    def the_power_fails(self, down: int, keeps: bool) -> None:
        self.host.reboot(down, keeps=keeps)
        self.look()

    @rule(which=st.integers(0, 20))
    def somebody_else_kills_a_run(self, which: int) -> None:
        alive = list(self.host.processes.alive.values())
        if alive:
            self.host.kill_run(alive[which % len(alive)])
        self.look()

    @rule()
    def the_disk_fills(self) -> None:
        self.host.fill_disk()

    @precondition(lambda self: self.host.disk.is_unwritable)
    @rule()
    def there_is_room_again(self) -> None:
        self.host.free_disk()
        self.look()

    def teardown(self) -> None:
        if hasattr(self, "host"):
            self.host.free_disk()
            self.host.pass_time(2 * MINUTE)
            self.look()


class StoryOfTheClock(Story):
    """As before, and the wall clock is not to be trusted."""

    @rule(by=st.integers(-3 * HOUR, 14 * MINUTE).filter(lambda by: abs(by) >= STEP))
    def the_clock_is_set(self, by: int) -> None:
        self.host.step(by)
        self.look()

    @rule(by=st.integers(16 * MINUTE, 40 * HOUR))
    def the_clock_jumps(self, by: int) -> None:
        self.jumps.append(by)
        self.host.step(by)
        self.look()

    @precondition(lambda self: self.jumps)
    @rule(many=st.integers(1, 3))
    def the_clock_returns(self, many: int) -> None:
        by = sum(self.jumps[-many:])
        del self.jumps[-many:]
        self.host.step(-by)
        self.look()

    @rule(by=st.integers(-3 * HOUR, 30 * HOUR), is_synchronised=st.booleans())
    def the_power_fails_and_the_clock_is_wrong_afterwards(self, by: int, is_synchronised: bool) -> None:
        self.jumps.clear()
        self.host.is_synchronised = is_synchronised
        self.host.reboot(MINUTE, keeps=True, now=self.host.now + by)
        self.look()


def play(story: type[Story], examples: int, *, is_random: bool = False) -> None:
    """The stories that hypothesis finds in so many tries: always the same ones, or others each time."""
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    chosen = settings(
        max_examples=examples, stateful_step_count=25, deadline=None, suppress_health_check=checks, derandomize=not is_random, database=None
    )
    run_state_machine_as_test(story, settings=chosen)


def test_the_promises_hold_whatever_happens() -> None:
    play(Story, 60)


def test_the_promises_hold_whatever_the_clock_shows() -> None:
    play(StoryOfTheClock, 60)


if __name__ == "__main__":  # `python -m tests.core.simulation.test_promises 5000`: other stories each time
    for kind in (Story, StoryOfTheClock):
        play(kind, int(sys.argv[1]), is_random=True)
