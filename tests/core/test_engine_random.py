"""Random histories: whatever is swapped, slept through and killed, every instant that counts is decided exactly once."""

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import NOON, SECOND, daemon, facts, task
from tests.core.world import World
from torchsync.core.model import CronTiming, Fingerprint, Millis, Task
from torchsync.core.spread import Spread

NAMES = ("a", "b", "c")


@st.composite
def definitions(draw: st.DrawFn) -> Task | None:
    """A version of a task, or None for its absence."""
    kind = draw(st.sampled_from(["absent", "cron", "cron", "cron", "disabled", "daemon"]))
    version = draw(st.integers(0, 2))
    name = draw(st.sampled_from(NAMES))
    if kind == "absent":
        return None
    if kind == "daemon":
        return daemon(name, fingerprint=Fingerprint(f"{kind}{version}"))
    seconds = draw(st.sampled_from([1, 7, 30]))
    deadline = Millis(draw(st.sampled_from([2_000, 20_000])))
    jitter = Millis(draw(st.sampled_from([0, 0, 900, seconds * SECOND - 1])))
    timing = CronTiming(schedule=f"@every {seconds}s", starting_deadline=deadline, jitter=jitter)
    fingerprint = Fingerprint(f"{kind}{version}{seconds}{deadline}{jitter}")
    return task(name, timing=timing, enabled=kind == "cron", max_running=draw(st.integers(0, 2)), fingerprint=fingerprint)


forward = st.one_of(
    st.tuples(st.just("pass"), st.integers(1, 40_000)),
    st.tuples(st.just("sleep"), st.integers(1, 90_000)),
    st.tuples(st.just("crash"), st.just(0)),
    st.tuples(st.just("swap"), st.lists(definitions(), max_size=4)),
)
actions = st.one_of(forward, st.tuples(st.just("back"), st.integers(1, 20_000)))


def play(world: World, history: list[tuple[str, object]], counting: "Counting") -> None:
    for action, value in history:
        match action, value:
            case "pass", int(length):
                world.pass_time(length)
            case "sleep", int(length):
                world.sleep(length)
            case "crash", _:
                world.crash()
            case "back", int(length):
                world.now -= length
            case "swap", list(tasks):
                chosen = {one.name: one for one in tasks if one is not None}
                counting.swap(chosen, world.now)
                world.swap(*chosen.values())
        counting.reached(world.now)
    world.turn()


class Counting:
    """Which instants count, worked out from the story alone."""

    def __init__(self) -> None:
        self._since: dict[str, tuple[int, Task]] = {}
        self._farthest = int(NOON)
        self.expected: dict[str, set[int]] = {name: set() for name in NAMES}

    def reached(self, now: int) -> None:
        self._farthest = max(self._farthest, now)
        for name, (since, one) in self._since.items():
            self.expected[name] |= set(_instants(one, since, now))

    def swap(self, tasks: dict[str, Task], now: int) -> None:
        self.reached(now)
        for name in list(self._since):
            old, new = self._since[name][1], tasks.get(name)
            if new is None or not _is_same_schedule(old, new):
                del self._since[name]
        for name, one in tasks.items():
            if not one.is_daemon and one.enabled:
                self._since[name] = (self._since.get(name, (now, one))[0], one)


def _is_same_schedule(old: Task, new: Task) -> bool:
    return not new.is_daemon and new.enabled and old.timing.schedule == new.timing.schedule and old.timing.jitter == new.timing.jitter


def _seconds(one: Task) -> int:
    assert isinstance(one.timing, CronTiming)
    return int(one.timing.schedule.removeprefix("@every ").removesuffix("s")) * SECOND


def _delay(one: Task) -> int:
    assert isinstance(one.timing, CronTiming)
    return Spread(facts().name, one.name).pick("jitter", one.timing.jitter) if one.timing.jitter else 0


def _instants(one: Task, since: int, until: int) -> range:
    """Those later than `since` that are due."""
    step = _seconds(one)
    return range((since // step + 1) * step, until - _delay(one) + 1, step)


def covered(world: World, name: str) -> Counter[int]:
    """How often each instant is covered, with the spans of the ledger taken apart."""
    found: Counter[int] = Counter(at for at, how in world.book.covered.get(name, {}).items() if how == "run")
    for span in world.book.spans:
        if span.task == name:
            steps = {(span.last - span.first) // (span.count - 1)} if span.count > 1 else {1}
            found.update(range(span.first, span.last + 1, steps.pop()))
    return found


@settings(max_examples=150, deadline=None)
@given(st.lists(actions, min_size=1, max_size=12), st.integers(0, 40_000))
def test_every_instant_that_counts_is_decided_exactly_once(history: list[tuple[str, object]], length: int) -> None:
    world = World(lambda run: (None if run.task.is_daemon else length, length % 3))
    counting = Counting()
    has_gone_back = any(action == "back" for action, _ in history)
    play(world, history, counting)
    for name in NAMES:
        found = covered(world, name)
        assert max(found.values(), default=1) == 1
        if not has_gone_back:
            assert set(found) == counting.expected[name]


@settings(max_examples=80, deadline=None)
@given(st.lists(actions, min_size=1, max_size=12))
def test_no_run_is_ever_signalled_but_by_its_own_rules(history: list[tuple[str, object]]) -> None:
    world = World(lambda run: (None if run.task.is_daemon else 15_000, 0))
    play(world, history, Counting())
    for process in world.processes.values():
        if not process.run.task.is_daemon:
            assert process.killed_by == []


@settings(max_examples=80, deadline=None)
@given(st.lists(actions, min_size=1, max_size=12))
def test_never_do_more_copies_live_than_the_task_allows(history: list[tuple[str, object]]) -> None:
    world = World(lambda _: (None, 0))
    play(world, history, Counting())
    for name in NAMES:
        alive = world.alive(name)
        daemons = [process.run.copy for process in alive if process.run.task.is_daemon]
        assert len(daemons) == len(set(daemons)) <= 1


@settings(max_examples=60, deadline=None)
@given(st.lists(forward, min_size=1, max_size=10))
def test_a_crash_after_every_action_changes_nothing_that_was_decided(history: list[tuple[str, object]]) -> None:
    with_crashes = [step for action in history for step in (action, ("crash", 0))]
    calm, shaken = World(), World()
    play(calm, history, Counting())
    play(shaken, with_crashes, Counting())
    for name in NAMES:
        assert set(covered(calm, name)) == set(covered(shaken, name))


def test_the_story_teller_itself_knows_a_missing_instant() -> None:
    world, counting = World(), Counting()
    one = replace(task("a", timing=CronTiming(schedule="@every 7s")))
    play(world, [("swap", [one]), ("pass", 30_000)], counting)
    del world.book.covered["a"][min(world.book.covered["a"])]
    assert set(covered(world, "a")) != counting.expected["a"]
