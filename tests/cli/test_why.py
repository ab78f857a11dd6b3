from __future__ import annotations

import json
from argparse import ArgumentParser
from contextlib import closing
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

import torchsync
from tests.builders import HOUR, NOON, finished_run, generation, record, run, task
from tests.cli.agents import agent
from torchsync.adapters.ledger import SqliteLedger
from torchsync.cli import why
from torchsync.cli.client import Place
from torchsync.core.chronicle import PutStart, whole
from torchsync.core.entries import Admit, Finish, PutRecord, Skip
from torchsync.core.instants import parse_rfc3339
from torchsync.core.model import Instant, Outcome, RunState, SkipReason, TaskName
from torchsync.errors import NotFound, Unavailable, UsageError

SCHEMA = json.loads((Path(torchsync.__file__).parent / "schemas" / "why.schema.json").read_text())
TASK = task("backup")
RAN, MISSED = parse_rfc3339("2026-11-21T02:30:00Z"), parse_rfc3339("2026-11-22T02:30:00Z")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory that an agent has left: one run, then one that was missed, since no agent ran."""
    begun = Instant(RAN - HOUR)
    one = run(TASK, instant=RAN, due=RAN, admitted_at=RAN, state=RunState.ADMITTED, started_at=None)
    with closing(SqliteLedger(tmp_path / "ledger.sqlite", tmp_path)) as ledger:
        ledger.commit(
            [PutStart(at=begun, boot_id="a", last_sign=Instant(0)), whole(generation(TASK, applied_at=begun, baselines={TASK.name: begun}))]
        )
        ledger.commit([Admit(one)])
        over = Finish(
            run=one.id, outcome=Outcome.FAILED, started_at=RAN, finished_at=Instant(RAN + 90_000), exit_status=3, detail="\x1b[2J"
        )
        ledger.commit([over, PutStart(at=Instant(MISSED + HOUR), boot_id="a", last_sign=Instant(RAN + 90_000))])
        skip = Skip(task=TASK.name, reason=SkipReason.MISSED, first=MISSED, last=MISSED, count=1, decided_at=Instant(MISSED + HOUR))
        ledger.commit([skip, PutRecord(record("backup", decided_through=MISSED))])
    return tmp_path


def asked(state: Path, at: str = "", name: str = "backup") -> int:
    return why.run_why(Place(state / "nobody.sock", state), name, at, as_json=True)


def test_the_agent_answers(tmp_path, capsys):
    with agent(tmp_path) as path:
        parser = ArgumentParser()
        why.add_arguments(parser)
        assert why.execute(parser.parse_args(["nightly-backup", "--at", "2026-11-23T12:00:00Z", "--socket", str(path)])) == 0
    head, said, *_ = capsys.readouterr().out.splitlines()
    assert head.startswith("nightly-backup at 2026-11-23 12:00:00Z (Monday 2026-11-23 12:00:00 +00:00 UTC)")
    assert "it ran: run" in said


@pytest.mark.parametrize("at", ["2026-11-23T12:00:00Z", "2026-11-23T11:30:00Z", "2026-11-20T11:30:00Z", "2026-11-24T02:30:00Z", ""])
def test_what_it_answers_keeps_to_the_schema(tmp_path, capsys, at):
    with agent(tmp_path) as path:
        assert why.run_why(Place(path), "nightly-backup", at, as_json=True) == 0
    Draft202012Validator(SCHEMA).validate(json.loads(capsys.readouterr().out))


@pytest.mark.parametrize(
    ("at", "finding"),
    [
        ("2026-11-21T02:30:00Z", "ran"),
        ("2026-11-22T02:30:00Z", "missed"),
        ("2026-11-22T03:30:00+01:00", "missed"),
        ("2026-11-22T02:31:00Z", "not_an_instant"),
        ("2026-11-20T02:30:00Z", "unknown"),
        ("2199-11-22T02:30:00Z", "to_come"),
    ],
)
def test_without_an_agent_the_state_directory_answers(state, capsys, at, finding):
    assert asked(state, at) == 0
    document = json.loads(capsys.readouterr().out)
    Draft202012Validator(SCHEMA).validate(document)
    assert document["finding"] == finding


def test_the_answer_for_people_says_all_of_it(state, capsys):
    assert why.run_why(Place(state / "nobody.sock", state), "backup", "2026-11-22T02:31:00Z", as_json=False) == 0
    text = capsys.readouterr().out
    for said in (
        "backup at 2026-11-22 02:31:00Z (Sunday 2026-11-22 02:31:00 +00:00 UTC)",
        "is no instant of `30 2 * * *`: minute is 31, not 30",
        "before    2026-11-22 02:30:00Z: skipped (missed)",
        "after     2026-11-23 02:30:00Z",
        "commit    1234567890ab, generation 1, in force since 2026-11-21 01:30:00Z",
        "task      tasks/db.yaml:3, as it was since 2026-11-21 01:30:00Z",
        "baseline  2026-11-21 01:30:00Z: later instants count",
        "minute        30    30        31      no",
        "hour          2     2         2       yes",
    ):
        assert said in text


def test_a_missed_instant_says_that_no_agent_ran(state, capsys):
    assert why.run_why(Place(state / "nobody.sock", state), "backup", "2026-11-22T02:30:00Z", as_json=False) == 0
    text = capsys.readouterr().out
    assert "the next one began 1h00m after it was due" in text
    assert "agent     started 2026-11-22 03:30:00Z; the one before lived at 2026-11-21 02:31:30Z" in text


def test_a_hostile_text_does_not_reach_the_terminal(state, capsys):
    assert why.run_why(Place(state / "nobody.sock", state), "backup", "2026-11-21T02:30:00Z", as_json=False) == 0
    text = capsys.readouterr().out
    assert "exit status 3" in text
    assert "\x1b" not in text
    assert "output    torchsync logs" in text


def test_a_task_of_which_nothing_is_known_is_not_found_and_another_is_named(state):
    with pytest.raises(NotFound, match="did you mean 'backup'") as caught:
        asked(state, name="bakcup")
    assert caught.value.exit_status == 66


@pytest.mark.parametrize("at", ["yesterday", "2026-11-22T02:30:00", "02:30"])
def test_a_moment_needs_a_zone(state, at):
    with pytest.raises(UsageError, match="is no time with zone"):
        asked(state, at)


def test_without_an_agent_and_a_known_state_directory_nothing_answers(tmp_path):
    with pytest.raises(Unavailable):
        why.run_why(Place(tmp_path / "nobody.sock"), "backup", "", as_json=False)


def test_a_task_that_only_ran_is_known(tmp_path, capsys):
    one = finished_run(TASK, admitted_at=NOON)
    with closing(SqliteLedger(tmp_path / "ledger.sqlite", tmp_path)) as ledger:
        ledger.commit([Admit(run(TASK, id=one.id))])
    assert asked(tmp_path) == 0
    assert json.loads(capsys.readouterr().out)["task"] == TaskName("backup")
