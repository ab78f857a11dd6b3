"""Random histories of a clock that steps, jumps and returns, of agents that are killed at every point, and of hosts that go down."""

from collections import Counter
from contextlib import suppress
from dataclasses import replace

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.builders import HOUR, MINUTE, NOON, SECOND, facts, task
from tests.core.world import Killed, World
from tests.depth import LONG
from tests.fakes_state import MemoryLedger
from torchsync.core.clockwatch import STEP
from torchsync.core.ledgerview import view_of
from torchsync.core.model import CronTiming, Instant, Millis, Misfire, Overlap, Task, TaskName
from torchsync.core.spread import Spread

PERIODS = {"a": 60 * SECOND, "b": 7 * MINUTE, "c": 45 * MINUTE}
JITTERS = {"a": Millis(0), "b": Millis(5 * MINUTE), "c": Millis(44 * MINUTE)}
DELAYS = {name: Spread(facts().name, name).pick("jitter", max(1, jitter)) for name, jitter in JITTERS.items()}
POINTS = ("before the generation is durable", "after the generation is durable", "before the transaction", "after the transaction")


def beat(name: str, deadline: int, misfire: Misfire = Misfire.SKIP, overlap: Overlap = Overlap.SKIP) -> Task:
    timing = CronTiming(
        schedule=f"@every {PERIODS[name] // SECOND}s",
        starting_deadline=Millis(deadline),
        jitter=JITTERS[name],
        misfire=misfire,
        misfire_limit=5,
        queue_limit=3,
        overlap=overlap,
    )
    return task(name, timing=timing, max_running=int(overlap is not Overlap.SKIP))


calm = st.one_of(
    st.tuples(st.just("pass"), st.integers(1, 40 * MINUTE)),
    st.tuples(st.just("sleep"), st.integers(1, 90 * MINUTE)),
    st.tuples(st.just("crash"), st.just(0)),
    st.tuples(st.just("kill"), st.sampled_from(POINTS)),
    st.tuples(st.just("add"), st.sampled_from(("b", "c"))),
)
jumps = st.one_of(
    calm,
    st.tuples(st.just("jump"), st.integers(16 * MINUTE, 5 * HOUR)),
    st.tuples(st.just("return"), st.integers(1, 3)),
    st.tuples(st.just("reboot"), st.integers(1, HOUR)),
)
anything = st.one_of(jumps, st.tuples(st.just("step"), st.integers(-3 * HOUR, 14 * MINUTE)))


class Story:
    """Plays a history, and knows what time it really is. `ahead` holds the jumps that have not returned."""

    def __init__(self, deadline: int, misfire: Misfire = Misfire.SKIP, overlap: Overlap = Overlap.SKIP) -> None:
        self.world = World(lambda _: (100 if overlap is Overlap.SKIP else 4 * MINUTE, 0))
        self.misfire, self.overlap = misfire, overlap
        self.world.book.ledger = MemoryLedger()
        self.deadline = deadline
        self.ahead: list[int] = []
        self.since: dict[str, int] = {}
        self.really = int(NOON)
        self.has_been_ahead = False
        self.add("a")

    def play(self, history: list[tuple[str, object]]) -> None:
        for action, value in history:
            before = self.world.mono
            try:
                self.act(action, value)
            except Killed:
                self.world.crash()
            if action != "reboot":
                self.really += self.world.mono - before
        while self.ahead:
            self.act("return", 1)
        self.world.dies_at = ""
        self.settle()

    def settle(self) -> None:
        """Whatever is left to be decided is."""
        for _ in range(3):
            self.world.turn()

    def act(self, action: str, value: object) -> None:
        world = self.world
        match action, value:
            case "pass", int(length):
                world.pass_time(length)
            case "sleep", int(length):
                world.sleep(length)
            case "crash", _:
                world.crash()
            case "kill", str(point):
                world.dies_at = point
            case "add", str(name):
                self.add(name)
            case "jump", int(size):
                self.ahead.append(size)
                self.has_been_ahead = True
                world.step(size)
                self.look()
            case "return", int(many) if self.ahead:
                step = sum(self.ahead[-many:])
                del self.ahead[-many:]
                world.step(-step)
                self.look()
            case "step", int(size) if abs(size) >= STEP:
                world.step(size)
                self.look()
            case "reboot", int(length):
                world.dies_at = ""
                self.really += length
                world.reboot(self.really + sum(self.ahead))

    def look(self) -> None:
        """The agent is killed before it sees what the clock did, or while it does something about it; else it turns."""
        with suppress(Killed):
            self.world.turn()
            return
        self.world.crash()

    def add(self, name: str) -> None:
        if name in self.since:
            return
        self.since[name] = self.really
        try:
            self.world.swap(*(beat(one, self.deadline, self.misfire, self.overlap) for one in self.since))
        except Killed:
            self.world.crash()
            if TaskName(name) not in self.world.engine.statuses:
                del self.since[name]

    def covered(self, name: str) -> Counter[int]:
        found: Counter[int] = Counter()
        for row in self.world.book.rows:
            if row.task == name:
                found.update(range(row.first, row.last + 1, PERIODS[name]))
        return found


deadlines = st.sampled_from([30 * SECOND, 10 * MINUTE, 2 * HOUR])


def check_starts(story: Story) -> None:
    book = story.world.book
    assert book.ledger is not None
    assert view_of(book.ledger) == book.view
    assert story.world.waiting() == {replace(fire, since=Instant(0)) for fire in book.view.queue.values()}
    annulled = {row.run for row in book.annulled}
    standing = Counter(
        (process.run.task.name, process.run.instant) for run, process in story.world.processes.items() if run not in annulled
    )
    assert max(standing.values(), default=1) == 1
    for name in story.since:
        assert max(story.covered(name).values(), default=1) == 1


@settings(max_examples=200, deadline=None)
@given(st.lists(anything, min_size=1, max_size=12), deadlines)
def test_no_instant_has_two_entries_or_two_starts_but_what_is_annulled(history: list[tuple[str, object]], deadline: int) -> None:
    story = Story(deadline)
    story.play(history)
    check_starts(story)


@settings(max_examples=80 * LONG, deadline=None)
@given(
    st.lists(st.one_of(jumps), min_size=1, max_size=12).filter(lambda history: "reboot" not in dict(history)),
    deadlines,
    st.sampled_from(Misfire),
    st.sampled_from(Overlap),
)
@example([("jump", 16 * MINUTE), ("add", "b"), *[("jump", 16 * MINUTE)] * 3, ("return", 3)], 30 * SECOND, Misfire.SKIP, Overlap.SKIP)
def test_once_every_jump_has_returned_every_real_instant_is_accounted_for(
    history: list[tuple[str, object]], deadline: int, misfire: Misfire, overlap: Overlap
) -> None:
    story = Story(deadline, misfire, overlap)
    story.play(history)
    world = story.world
    assert world.now == story.really
    assert world.saved is not None
    check_starts(story)
    for name, really in story.since.items():
        since = world.saved.baselines[TaskName(name)]
        assert NOON <= since <= world.now
        assert since == really or story.has_been_ahead, "told by another clock than the real one"
        period = PERIODS[name]
        first, covered = (since // period + 1) * period, set(story.covered(name))
        assert covered >= set(range(first, world.now - DELAYS[name] + 1, period)), "an instant that is due has no entry"
        assert covered <= set(range(first, world.now + 1, period)), "an instant that did not come yet has one"
        record = world.book.records[TaskName(name)]
        assert max(record.decided_through, record.last_run, record.last_success, record.first_seen, record.last_seen) <= world.now
    assert world.book.view.clock.jumps == ()
    world.pass_time(2 * HOUR)  # until every task has decided an instant of its own
    assert world.book.view.tagged == {}


@settings(max_examples=100, deadline=None)
@given(st.lists(jumps, min_size=1, max_size=10))
def test_there_is_no_burst_whatever_the_clock_does(history: list[tuple[str, object]]) -> None:
    deadline = 30 * SECOND
    story = Story(deadline)
    turns = 0
    story.play(history)
    for turn in story.world.turns:
        started = Counter(operation.run.task.name for operation in turn.operations if type(operation).__name__ == "Admit")
        assert max(started.values(), default=0) <= 1 + deadline // PERIODS["a"]
        turns += 1
    assert turns


@settings(max_examples=60, deadline=None)
@given(st.lists(jumps, min_size=1, max_size=10), deadlines)
def test_an_agent_started_anew_knows_what_the_old_one_knew(history: list[tuple[str, object]], deadline: int) -> None:
    story = Story(deadline)
    story.play(history)
    world = story.world
    before = {name: (status.record, status.next_due) for name, status in world.engine.statuses.items()}
    earliest = world.engine.earliest(Instant(world.now), Millis(world.mono))
    world.crash()
    assert {name: (status.record, status.next_due) for name, status in world.engine.statuses.items()} == before
    assert world.engine.earliest(Instant(world.now), Millis(world.mono)) == earliest
