"""Random histories of tasks that queue, replace, make up for what they missed and share pools: nothing is lost, nothing starts twice."""

from collections import Counter
from contextlib import suppress
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import HOUR, MINUTE, SECOND, task
from tests.core.world import POLICY, Killed, World
from tests.depth import LONG
from tests.fakes_state import MemoryLedger
from torchsync.core.holds import EVERY_TASK, Hold, lifted, placed
from torchsync.core.ledgerview import view_of
from torchsync.core.model import CronTiming, Fingerprint, Instant, Millis, Misfire, Overlap, SkipReason, Task

PERIODS = {"a": 60 * SECOND, "b": 7 * MINUTE, "c": 45 * SECOND}
POINTS = ("before the generation is durable", "after the generation is durable", "before the transaction", "after the transaction")


@st.composite
def beats(draw: st.DrawFn, name: str) -> Task:
    timing = CronTiming(
        schedule=f"@every {PERIODS[name] // SECOND}s",
        starting_deadline=Millis(draw(st.sampled_from([SECOND, 30 * SECOND, 10 * MINUTE]))),
        overlap=draw(st.sampled_from(Overlap)),
        queue_limit=draw(st.integers(1, 3)),
        misfire=draw(st.sampled_from(Misfire)),
        misfire_limit=draw(st.integers(1, 5)),
    )
    one = task(name, timing=timing, max_running=draw(st.integers(0, 2)), pool=draw(st.sampled_from(["", "db"])))
    return replace(one, fingerprint=Fingerprint(str(one)))


calm = st.one_of(
    st.tuples(st.just("pass"), st.integers(1, 20 * MINUTE)),
    st.tuples(st.just("sleep"), st.integers(1, 40 * MINUTE)),
    st.tuples(st.just("crash"), st.just(0)),
    st.tuples(st.just("kill"), st.sampled_from(POINTS)),
    st.tuples(st.just("change"), st.one_of(*(beats(name) for name in PERIODS))),
    st.tuples(st.just("pool"), st.integers(1, 3)),
    st.tuples(st.just("pause"), st.just(0)),
    st.tuples(st.just("resume"), st.just(0)),
)
jumps = st.one_of(calm, st.tuples(st.just("jump"), st.integers(16 * MINUTE, 2 * HOUR)), st.tuples(st.just("return"), st.just(1)))


class Story:
    """Plays a history with runs of this length."""

    def __init__(self, tasks: list[Task], length: int) -> None:
        self.world = World(lambda _: (length, 0))
        self.world.book.ledger = MemoryLedger()
        self.tasks = {one.name: one for one in tasks}
        self.places = 2
        self.ahead: list[int] = []
        self.act("pool", 2)
        self.world.swap(*self.tasks.values())
        self.since = self.world.now

    def play(self, history: list[tuple[str, object]]) -> None:
        for action, value in history:
            try:
                self.act(action, value)
            except Killed:
                self.restart()
        while self.ahead:
            self.act("return", 1)
        self.world.dies_at = ""
        self.restart()

    def restart(self) -> None:
        with suppress(Killed):
            self.world.crash()
            self.act("pool", self.places)
            return
        self.world.dies_at = ""
        self.restart()

    def act(self, action: str, value: object) -> None:
        world = self.world
        match action, value:
            case "pass", int(length):
                world.pass_time(length)
            case "sleep", int(length):
                world.sleep(length)
            case "crash", _:
                self.restart()
            case "kill", str(point):
                world.dies_at = point
            case "change", Task() as one:
                self.tasks[one.name] = one
                world.swap(*self.tasks.values())
            case "pool", int(places):
                self.places = places
                world.engine.policy = replace(POLICY, pools={"db": places})
            case "pause" | "resume", _:
                self.hold(is_paused=action == "pause")
            case "jump", int(size):
                self.ahead.append(size)
                self.step(size)
            case "return", _ if self.ahead:
                self.step(-self.ahead.pop())

    def hold(self, *, is_paused: bool) -> None:
        world = self.world
        if is_paused:
            world.hold(lambda holds: placed(holds, EVERY_TASK, Hold(actor="alice", since=Instant(world.now))))
        elif world.holds.all:
            world.hold(lambda holds: lifted(holds, EVERY_TASK, actor="bob", now=Instant(world.now)))

    def step(self, by: int) -> None:
        self.world.step(by)
        with suppress(Killed):
            self.world.turn()
            return
        self.restart()

    def covered(self, name: str) -> Counter[int]:
        found: Counter[int] = Counter()
        for row in self.world.book.rows:
            if row.task == name:
                found.update(range(row.first, row.last + 1, PERIODS[name]))
        return found


tasks = st.tuples(*(beats(name) for name in PERIODS)).map(list)
lengths = st.sampled_from([100, 50 * SECOND, 9 * MINUTE])


def check(story: Story) -> None:
    book = story.world.book
    ledger = book.ledger
    assert ledger is not None
    assert view_of(ledger) == book.view
    assert story.world.waiting() == {replace(fire, since=Instant(0)) for fire in book.view.queue.values()}
    annulled = {row.run for row in book.annulled}
    starts = Counter((one.run.task.name, one.run.instant) for run, one in story.world.processes.items() if run not in annulled)
    assert max(starts.values(), default=1) == 1, "an instant was started twice"
    for name in PERIODS:
        assert max(story.covered(name).values(), default=1) == 1


@settings(max_examples=120, deadline=None)
@given(tasks, st.lists(calm, min_size=1, max_size=10), lengths)
def test_every_instant_has_exactly_one_entry_whatever_waits_when_the_agent_is_killed(
    chosen: list[Task], history: list[tuple[str, object]], length: int
) -> None:
    story = Story(chosen, length)
    story.play(history)
    check(story)
    world = story.world
    for name, period in PERIODS.items():
        since = max(story.since, world.saved.baselines[name])  # type: ignore[union-attr]
        expected = set(range((since // period + 1) * period, world.now + 1, period))
        assert {at for at in story.covered(name) if at > since} == expected
        record = world.book.records[name]
        counted = Counter(row.how for row in world.book.rows if row.task == name for _ in range(row.first, row.last + 1, period))
        assert {reason.value: count for reason, count in record.skipped.items()} == {
            how: count for how, count in counted.items() if how in {reason.value for reason in SkipReason}
        }


@settings(max_examples=80, deadline=None)
@given(tasks, st.lists(jumps, min_size=1, max_size=10), lengths)
def test_no_instant_has_two_entries_or_two_starts_but_what_a_jump_of_the_clock_caused(
    chosen: list[Task], history: list[tuple[str, object]], length: int
) -> None:
    story = Story(chosen, length)
    story.play(history)
    check(story)


@settings(max_examples=10 * LONG, deadline=None)
@given(tasks, st.lists(jumps, min_size=1, max_size=8), lengths)
def test_nothing_waits_for_ever(chosen: list[Task], history: list[tuple[str, object]], length: int) -> None:
    """But for what is to be made up by a task that replaces, and whose runs never end by themselves before the next fire."""
    story = Story(chosen, length)
    story.play(history)
    world = story.world
    if world.holds.all:
        story.act("resume", 0)
    tasks_in_force = world.saved.tasks.items()  # type: ignore[union-attr]
    replacing = {name for name, one in tasks_in_force if one.timing.overlap is Overlap.REPLACE and length >= PERIODS[name]}  # type: ignore[union-attr]
    fires = [fire for fire in world.book.view.queue.values() if not (fire.is_made_up and fire.task in replacing)]
    waiting = {(fire.task, fire.instant) for fire in fires}
    world.pass_time(20 * length + 4 * HOUR)
    assert not waiting & set(world.book.view.queue)
    assert all(len(world.engine._queue.of(name)) <= 3 + 5 for name in PERIODS)


@settings(max_examples=60, deadline=None)
@given(tasks, st.lists(calm.filter(lambda step: step[0] not in ("change", "pool")), min_size=1, max_size=8), lengths)
def test_neither_a_task_nor_a_pool_has_more_runs_than_it_may(chosen: list[Task], history: list[tuple[str, object]], length: int) -> None:
    story = Story(chosen, length)
    most: Counter[str] = Counter()

    def behaviour(run) -> tuple[int | None, int]:
        alive = [one.run.task for one in story.world.processes.values() if one.ended_at is None] + [run.task]
        for one in chosen:
            count = sum(task.name == one.name for task in alive)
            assert one.max_running == 0 or count <= one.max_running
        most["db"] = max(most["db"], sum(task.pool == "db" for task in alive))
        return length, 0

    story.world.behaviour = behaviour
    story.play(history)
    assert most["db"] <= 2


@settings(max_examples=100, deadline=None)
@given(tasks, st.lists(calm, min_size=1, max_size=8), lengths)
def test_only_what_replaces_stops_a_run(chosen: list[Task], history: list[tuple[str, object]], length: int) -> None:
    chosen = [replace(one, timing=replace(one.timing, overlap=Overlap.QUEUE)) for one in chosen]  # type: ignore[arg-type]
    history = [step for step in history if step[0] != "change"]
    story = Story(chosen, length)
    story.play(history)
    assert all(process.killed_by == [] for process in story.world.processes.values())
