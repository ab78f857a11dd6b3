import argparse
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

import torchsync
from tests.builders import HOUR, MINUTE, NOON, SECOND, busy_snapshot, daemon, record, run, run_id, snapshot, task, task_status
from tests.cli.agents import NEW, OLD, agent
from torchsync.adapters.ledger import SqliteLedger
from torchsync.adapters.schemas import read_schema
from torchsync.cli import inspect, logs
from torchsync.cli.client import ControlClient, Place
from torchsync.cli.main import main
from torchsync.core.api import status_document, tasks_document
from torchsync.core.entries import Admit, Annul, AwaitAttempt, BeginAttempt, Finish, PutHold
from torchsync.core.holds import SYNCS, HoldAct, HoldChange
from torchsync.core.model import Attempt, Instant, Millis, Outcome, Wait
from torchsync.core.web import of_text
from torchsync.errors import NotFound, Unavailable, UsageError


def lines_of(one, coloured=False):
    return inspect.status_lines(status_document(one, full=True), tasks_document(one, full=True)["tasks"], coloured=coloured)


def arguments(add, *words):
    parser = argparse.ArgumentParser()
    add(parser)
    return parser.parse_args(words)


def test_the_status_says_what_is_in_force_what_is_wrong_and_how_each_task_fares(golden):
    golden("status.txt", "\n".join(lines_of(busy_snapshot())) + "\n")


def test_an_agent_that_has_nothing_yet_says_so():
    text = "\n".join(lines_of(snapshot()))
    assert "none in force yet" in text
    assert "sync    none yet" in text
    assert "TASK" not in text


def test_a_commit_in_force_that_would_not_be_accepted_any_more_is_called_that():
    one = busy_snapshot()
    assert one.generation is not None
    turned_down = replace(one, sync=replace(one.sync, rejected=one.generation.revision))
    (line,) = [line for line in lines_of(turned_down) if line.startswith("newest")]
    assert line == f"newest  {one.generation.revision[:12]} is in force, and would not be accepted any more:"


def test_failures_are_coloured_on_a_terminal_only():
    assert any("\x1b[31m" in line for line in lines_of(busy_snapshot(), coloured=True))
    assert not any("\x1b" in line for line in lines_of(busy_snapshot()))


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        pytest.param({}, "  -  ", id="never"),
        pytest.param({"last_run": NOON, "last_success": Instant(NOON + SECOND)}, "  ok  ", id="succeeded"),
        pytest.param({"last_run": NOON, "last_exit_status": 3, "consecutive_failures": 2}, "2 failed in a row, status 3", id="failed"),
        pytest.param({"last_run": NOON, "last_exit_status": 143}, "stopped, status 143", id="stopped, and never anything else"),
        pytest.param(
            {"last_run": NOON, "last_success": Instant(NOON - HOUR), "last_exit_status": 143}, "stopped, status 143", id="stopped later"
        ),
    ],
)
def test_the_last_result_is_told_truly(changes, shown):
    assert shown in lines_of(snapshot(task_status(task("a"), record=record("a", **changes))))[-1]


@pytest.mark.parametrize(
    ("failures", "shown"), [(0, "late since 2026-11-23 10:00:00Z  "), (2, "late since 2026-11-23 10:00:00Z, 2 failed in a row")]
)
def test_a_late_task_is_called_that(failures, shown):
    kept = record("a", last_success=Instant(NOON - 3 * HOUR), consecutive_failures=failures)
    assert shown in lines_of(snapshot(task_status(task("a"), record=kept, max_age=Millis(HOUR))))[-1]


def test_a_hostile_text_does_not_reach_the_terminal():
    one = snapshot(task_status(task("a", schedule="@at \x1b[2J")), task_status(daemon("b")))
    assert "\x1b" not in "\n".join(lines_of(one))


def test_status_prints_the_document_of_the_api(tmp_path, capsys):
    with agent(tmp_path) as path:
        assert inspect.execute_status(arguments(inspect.add_status_arguments, "--json", "--socket", str(path))) == 0
    document = json.loads(capsys.readouterr().out)
    schema = json.loads((Path(torchsync.__file__).parent / "schemas" / "status.schema.json").read_text())
    Draft202012Validator(schema).validate(document)
    assert [one["name"] for one in document["task_list"]] == ["nightly-backup", "old-report", "web-proxy"]


def test_status_is_text_without_json(tmp_path, capsys):
    with agent(tmp_path) as path:
        assert inspect.run_status(ControlClient(path), as_json=False) == 0
    assert capsys.readouterr().out.startswith("torchsync 0.1.0 on db-1")


def test_a_scheduler_that_does_not_turn_is_said_before_all_else(tmp_path, capsys):
    with agent(tmp_path, probes=lambda _: of_text("the scheduler last turned 2h00m ago", 503)) as path:
        assert inspect.run_status(ControlClient(path), as_json=False) == 0
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first == "notice  the scheduler last turned 2h00m ago: nothing starts, and all of this is as it was then"
    assert second.startswith("torchsync 0.1.0 on db-1")


def test_history_is_a_table(tmp_path, capsys):
    with agent(tmp_path) as path:
        assert inspect.execute_history(arguments(inspect.add_history_arguments, "--socket", str(path), "--since", "2d")) == 0
    head, failed, skipped, succeeded = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["INSTANT", "TASK", "RESULT"]
    assert "failed" in failed
    assert NEW.id in failed
    assert "skipped (missed)" in skipped
    assert "4 instants up to 2026-11-23 11:59:54Z" in skipped
    assert "1m29s" in succeeded


@pytest.mark.parametrize(
    ("text", "instant"),
    [("2m", "2026-11-23T11:58:00.000Z"), ("2026-11-23T12:00:00+01:00", "2026-11-23T11:00:00.000Z")],
)
def test_since_is_a_length_of_time_or_a_time(text, instant):
    assert inspect.moment_text("since", text, NOON) == instant


@pytest.mark.parametrize("text", ["yesterday", "2026-11-23T12:00:00", "5"])
def test_since_is_nothing_else(text):
    with pytest.raises(UsageError, match="neither a length of time"):
        inspect.moment_text("since", text, NOON)


@pytest.mark.parametrize("target", [NEW.task.name, NEW.id])
def test_logs_prints_the_output_of_the_newest_run_byte_for_byte(tmp_path, target):
    to = io.BytesIO()
    with agent(tmp_path) as path:
        assert logs.run_logs(Place(path), target, to) == 0
    assert to.getvalue() == b"of the newest \xff\n"


def test_logs_are_a_document_that_its_schema_describes(tmp_path, capsys):
    with agent(tmp_path) as path:
        assert main(["logs", NEW.task.name, "--socket", str(path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    Draft202012Validator(read_schema("logs")).validate(document)
    assert document["run"]["id"] == NEW.id
    assert document["output"] == [{"attempt": 1, "text": "of the newest \ufffd\n", "is_utf8": False}]


def test_logs_are_followed_or_a_document_but_not_both(tmp_path, capsys):
    assert main(["logs", "any", "--socket", str(tmp_path / "nobody.sock"), "--json", "-f"]) == 2
    assert "leave out one of --follow and --json" in capsys.readouterr().err


def test_logs_of_something_unknown_are_not_found(tmp_path):
    with agent(tmp_path) as path:
        with pytest.raises(NotFound):
            logs.logs_document(Place(path), OLD.id)
        with pytest.raises(NotFound):
            logs.run_logs(Place(path), "no-such-task", io.BytesIO())
        with pytest.raises(NotFound):
            logs.run_logs(Place(path), OLD.id, io.BytesIO())


@pytest.fixture
def state(tmp_path):
    """A state directory that an agent has left."""
    ledger = SqliteLedger(tmp_path / "ledger.sqlite", tmp_path)
    ledger.commit([Admit(run(id=OLD.id)), Admit(run(id=NEW.id, instant=NOON + MINUTE, due=NOON + MINUTE))])
    ledger.close()
    (tmp_path / "runs" / NEW.id).mkdir(parents=True)
    (tmp_path / "runs" / NEW.id / "output").write_bytes(b"kept\n")
    return tmp_path


def test_without_an_agent_history_and_logs_read_the_state_directory(state, capsys):
    place = Place(state / "nobody.sock", state)
    assert inspect.run_history(place, {"limit": "50", "task": "nightly-backup"}, as_json=True) == 0
    assert [entry["run"]["id"] for entry in json.loads(capsys.readouterr().out)["entries"]] == [NEW.id, OLD.id]
    to = io.BytesIO()
    assert logs.run_logs(place, "nightly-backup", to) == 0
    assert to.getvalue() == b"kept\n"
    with pytest.raises(NotFound):
        logs.run_logs(place, OLD.id, to)


def test_a_history_without_entries_says_so(state, capsys):
    place = Place(state / "nobody.sock", state)
    assert inspect.run_history(place, {"limit": "50", "task": "mistyped"}, as_json=False) == 0
    assert capsys.readouterr() == ("", "nothing that fits is recorded\n")
    assert inspect.run_history(place, {"limit": "50", "task": "mistyped"}, as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["entries"] == []


def test_a_run_that_is_tried_again_tells_its_attempts(state, capsys):
    wait = Wait(until=Instant(NOON + 90 * SECOND), mono=Millis(5), boot_id="boot")
    first = Attempt(number=1, outcome=Outcome.FAILED, finished_at=Instant(NOON + MINUTE), started_at=NOON, exit_status=7)
    ledger = SqliteLedger(state / "ledger.sqlite", state)
    ledger.commit([AwaitAttempt(run=NEW.id, wait=wait, over=first), AwaitAttempt(run=OLD.id, wait=wait, over=first)])
    ledger.commit([BeginAttempt(OLD.id, "boot"), Finish(run=OLD.id, outcome=Outcome.SUCCEEDED, finished_at=Instant(NOON + 2 * MINUTE))])
    ledger.close()
    (state / "runs" / f"{NEW.id}.2").mkdir()
    (state / "runs" / f"{NEW.id}.2" / "output").write_bytes(b"again\n")
    place = Place(state / "nobody.sock", state)
    assert inspect.run_history(place, {"limit": "50"}, as_json=False) == 0
    _, newest, older = capsys.readouterr().out.splitlines()
    assert "waiting" in newest
    assert "attempt 2 of 1 at 2026-11-23 12:01:30Z" in newest
    assert older.endswith("attempt 2 of 1")
    for attempt, expected in ((0, b"... attempt 1 ...\nkept\n... attempt 2 ...\nagain\n"), (2, b"again\n")):
        to = io.BytesIO()
        assert logs.run_logs(place, NEW.id, to, attempt) == 0
        assert to.getvalue() == expected
    document = logs.logs_document(place, NEW.id)
    Draft202012Validator(read_schema("logs")).validate(document)
    assert document["run"]["state"] == "waiting"
    assert [(one["attempt"], one["text"]) for one in document["output"]] == [(1, "kept\n"), (2, "again\n")]
    (state / "runs" / NEW.id / "output").unlink()
    assert [one["text"] for one in logs.logs_document(place, NEW.id)["output"]] == [None, "again\n"]


def test_the_status_says_when_a_run_is_tried_again():
    one = task_status(task("a"), running=(NEW.id,), next_attempt=Instant(NOON + MINUTE))
    assert lines_of(snapshot(one))[-1].endswith("1 retry 2026-11-23 12:01:00Z")


def test_without_an_agent_and_a_known_state_directory_nothing_answers(tmp_path):
    with pytest.raises(Unavailable):
        inspect.run_history(Place(tmp_path / "nobody.sock"), {"limit": "50"}, as_json=False)
    with pytest.raises(Unavailable):
        logs.run_logs(Place(tmp_path / "nobody.sock"), NEW.id, io.BytesIO())


def test_the_history_says_what_operators_held(state, capsys):
    ledger = SqliteLedger(state / "ledger.sqlite", state)
    change = HoldChange(number=1, at=NOON + HOUR, act=HoldAct.PLACED, what=SYNCS, actor="alice (1000)", reason="a \x1b[2J freeze")
    ledger.commit([PutHold(change), PutHold(replace(change, number=2, act=HoldAct.EXPIRED, actor="", reason=""))])
    ledger.close()
    assert inspect.run_history(Place(state / "nobody.sock", state), {"limit": "2"}, as_json=False) == 0
    lines = [line.split("  ") for line in capsys.readouterr().out.splitlines()[1:]]
    assert [[cell.strip() for cell in line if cell.strip() not in ("", "-")] for line in lines] == [
        ["2026-11-23 13:00:00Z", "hold expired", "the pause of syncs expired"],
        ["2026-11-23 13:00:00Z", "hold placed", "the pause of syncs was placed by alice (1000): a ?[2J freeze"],
    ]


def test_the_history_says_what_is_annulled(state, capsys):
    ledger = SqliteLedger(state / "ledger.sqlite", state)
    ahead, task_name = run(id=run_id(9, NOON + HOUR), instant=NOON + HOUR, due=NOON + HOUR), task().name
    ledger.commit([Admit(ahead, 1), Annul(task=task_name, jump=1, now=NOON + MINUTE)])
    ledger.close()
    place = Place(state / "nobody.sock", state)
    assert inspect.run_history(place, {"limit": "50"}, as_json=False) == 0
    said = ["annulled: the clock was ahead" in line for line in capsys.readouterr().out.splitlines()[1:]]
    assert said.count(True) == 1
    assert inspect.run_history(place, {"limit": "50"}, as_json=True) == 0
    document = json.loads(capsys.readouterr().out)
    schema = json.loads((Path(torchsync.__file__).parent / "schemas" / "history.schema.json").read_text())
    Draft202012Validator(schema).validate(document)
    assert sorted(entry["annulled"] for entry in document["entries"]) == [False, False, True]
