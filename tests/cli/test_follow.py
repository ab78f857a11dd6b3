from __future__ import annotations

import io
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.builders import busy_snapshot, finished_run, run, run_id
from tests.cli.agents import agent
from torchsync.adapters.ledger import SqliteLedger
from torchsync.adapters.outputfile import output_stretch
from torchsync.cli.client import Place
from torchsync.cli.follow import follow_run
from torchsync.cli.logs import newest_run
from torchsync.core.entries import Admit
from torchsync.core.model import RunState
from torchsync.errors import NotFound, Unavailable

RUNNING = run(id=run_id(7))


class Story:
    """A run that goes on by one step whenever its follower waits."""

    def __init__(self, folder: Path, *steps: bytes, attempts: int = 1) -> None:
        self.runs, self.steps = folder / "runs", list(steps)
        self.output = self.runs / RUNNING.id / "output"
        self.run = RUNNING
        self.attempts = attempts
        self.waits = 0

    def sleep(self, _: float) -> None:
        self.waits += 1
        assert self.waits < 100
        if self.steps:
            self.write(self.steps.pop(0))
        else:
            self.run = replace(finished_run(id=RUNNING.id), attempt=self.attempts)

    def write(self, content: bytes) -> None:
        self.output.parent.mkdir(parents=True, exist_ok=True)
        with self.output.open("ab") as file:
            file.write(content)

    def agent(self, folder: Path, **changes: object):
        tail = {"tail": lambda wanted, attempt, place: output_stretch(self.runs, wanted, attempt, place)}
        shown = {"read": lambda: replace(busy_snapshot(), runs={}), "find_run": lambda wanted: self.run if wanted == RUNNING.id else None}
        return agent(folder, **(tail | shown | changes))


def test_everything_that_a_run_writes_is_shown_until_it_is_over(tmp_path):
    story, to = Story(tmp_path, b"one\n", b"", b"t\xffo\n", b"three"), io.BytesIO()
    with story.agent(tmp_path) as path:
        follow_run(Place(path), RUNNING.id, to, story.sleep)
    assert to.getvalue() == b"one\nt\xffo\nthree"


def test_what_a_run_wrote_last_is_shown_though_it_is_over_by_then(tmp_path):
    story, to = Story(tmp_path), io.BytesIO()
    story.write(b"a" * 3_000_000)
    story.run = finished_run(id=RUNNING.id)
    with story.agent(tmp_path) as path:
        follow_run(Place(path), RUNNING.id, to, story.sleep)
    assert (len(to.getvalue()), story.waits) == (3_000_000, 0)


def test_a_run_that_is_over_before_it_wrote_anything_has_an_empty_output(tmp_path):
    story, to = Story(tmp_path, b""), io.BytesIO()
    with story.agent(tmp_path) as path:
        follow_run(Place(path), RUNNING.id, to, story.sleep)
    assert to.getvalue() == b""


def test_a_run_without_an_output_is_not_found(tmp_path):
    story = Story(tmp_path)
    with story.agent(tmp_path) as path:
        with pytest.raises(NotFound, match="no output"):
            follow_run(Place(path), RUNNING.id, io.BytesIO(), story.sleep)
        with pytest.raises(NotFound, match="there is no run"):
            follow_run(Place(path), run_id(99), io.BytesIO(), story.sleep)


def test_the_next_attempt_is_followed_when_one_is_over(tmp_path):
    outputs = {1: b"first\n", 2: b"second\n"}
    over = replace(finished_run(id=RUNNING.id), attempt=2)
    to = io.BytesIO()
    tail = lambda wanted, attempt, place: (outputs[attempt][place:], len(outputs[attempt]))  # noqa: E731
    with agent(tmp_path, find_run=lambda _: over, tail=tail) as path:
        follow_run(Place(path), RUNNING.id, to, lambda _: None)
    assert to.getvalue() == b"first\n... attempt 2 ...\nsecond\n"


def test_an_agent_that_is_away_for_a_while_is_waited_for_and_nothing_is_shown_twice(tmp_path):
    story, to = Story(tmp_path, b"one\n", b"two\n"), io.BytesIO()
    served = story.agent(tmp_path)
    path = served.__enter__()
    rounds = []

    def sleep(seconds: float) -> None:
        nonlocal served
        rounds.append(seconds)
        if len(rounds) == 2:
            served.__exit__(None, None, None)
        elif len(rounds) == 6:
            served = story.agent(tmp_path)
            served.__enter__()
        else:
            story.sleep(seconds)

    try:
        follow_run(Place(path), RUNNING.id, to, sleep)
    finally:
        served.__exit__(None, None, None)
    assert to.getvalue() == b"one\ntwo\n"
    assert len(rounds) >= 6


def test_an_agent_that_stays_away_is_not_waited_for_forever(tmp_path):
    waits: list[float] = []
    with pytest.raises(Unavailable):
        follow_run(Place(tmp_path / "nobody.sock"), RUNNING.id, io.BytesIO(), waits.append)
    assert 50 < len(waits) < 100


def test_without_an_agent_a_run_is_followed_until_its_directory_says_that_it_is_over(tmp_path):
    story, to = Story(tmp_path, b"one\n", b"two\n"), io.BytesIO()
    with closing(SqliteLedger(tmp_path / "ledger.sqlite", tmp_path)) as ledger:
        ledger.commit([Admit(replace(RUNNING, state=RunState.ADMITTED, started_at=None))])

    def sleep(seconds: float) -> None:
        if not story.steps:
            (story.output.parent / "exit").write_text("3 123.45\n")
        story.sleep(seconds)

    follow_run(Place(tmp_path / "nobody.sock", tmp_path), RUNNING.id, to, sleep)
    assert to.getvalue() == b"one\ntwo\n"


def test_of_a_task_the_run_under_way_is_followed_before_the_newest(tmp_path):
    busy = busy_snapshot()
    running = next(run.id for run in busy.runs.values() if run.task.name == "nightly-backup")
    with agent(tmp_path, read=lambda: busy) as path:
        assert newest_run(Place(path), "nightly-backup", in_flight=True) == running
    with agent(tmp_path, read=lambda: replace(busy, runs={})) as path:
        assert newest_run(Place(path), "nightly-backup", in_flight=True) == run_id(5)
