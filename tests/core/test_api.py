import json
from dataclasses import replace
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

import torchsync
from tests.builders import (
    HOUR,
    MINUTE,
    NOON,
    SECOND,
    busy_snapshot,
    finished_run,
    generation,
    run,
    run_id,
    snapshot,
    sync_status,
    task,
    task_status,
)
from torchsync.core.api import (
    history_document,
    run_document,
    runs_document,
    status_document,
    tasks_document,
    why_dead,
    why_not_ready,
)
from torchsync.core.entries import HistoryQuery, HistoryRow
from torchsync.core.holds import (
    EVERY_TASK,
    HOST,
    SYNCS,
    Held,
    Hold,
    HoldAct,
    HoldChange,
    Holds,
    HoldScope,
    Pin,
    held_task,
    pinned,
    placed,
)
from torchsync.core.model import Attempt, CronTiming, Instant, Millis, Outcome, ProgramCommand, Retry, RunState, SkipReason, Wait

SCHEMAS = Path(torchsync.__file__).parent / "schemas"

ROWS = (
    HistoryRow(task="nightly-backup", first=NOON, last=NOON, count=1, decided_at=NOON, run=finished_run(detail="left a process")),
    HistoryRow(task="nightly-backup", first=NOON, last=NOON, count=3, decided_at=NOON, reason=SkipReason.MISSED),
    *(
        HistoryRow(task=what.task, first=None, last=None, count=1, decided_at=NOON, hold=change)
        for what in (held_task("nightly-backup"), Held(HoldScope.ROLLBACK))
        for change in (HoldChange(number=1, at=NOON, act=HoldAct.PLACED, what=what, actor="alice", until=NOON, revision="a" * 40),)
    ),
)


def documents(one, full):
    yield "status", status_document(one, full=full)
    yield "tasks", tasks_document(one, full=full)
    yield "runs", runs_document(one.runs.values(), full=full)
    yield "history", history_document(ROWS, HistoryQuery(limit=len(ROWS)))
    yield "history", history_document(ROWS, HistoryQuery())


def check(name, document):
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    problems = list(Draft202012Validator(schema).iter_errors(json.loads(json.dumps(document))))
    assert not problems, problems


@pytest.mark.parametrize("full", [pytest.param(True, id="full"), pytest.param(False, id="public")])
@pytest.mark.parametrize(
    "one",
    [
        pytest.param(busy_snapshot(), id="busy"),
        pytest.param(snapshot(), id="fresh"),
        pytest.param(snapshot(task_status(task(command=ProgramCommand(("/bin/true", "-x"))))), id="argv"),
    ],
)
def test_every_document_is_valid_against_its_schema(one, full):
    for name, document in documents(one, full):
        check(name, document)


def test_the_full_status_of_a_busy_agent_is_the_golden_one(golden):
    golden("status.json", json.dumps(status_document(busy_snapshot(), full=True), indent=2) + "\n")


SECRETS = (
    "backup.sh",
    "./proxy",
    "PGPASSFILE",
    "/etc/pgpass",
    "tasks/db.yaml",
    "alice",
    "mallory",
    "the proxy leaks",
    "deletes too much",
    "is not a length of time",
    "is in use",
    "torchsync-run",
    "feedface",
    "10.2.0.7",
)


def test_the_public_form_shows_no_command_environment_path_actor_or_sentence():
    one = busy_snapshot()
    public = json.dumps([status_document(one, full=False), tasks_document(one, full=False), runs_document(one.runs.values(), full=False)])
    full = json.dumps([status_document(one, full=True), tasks_document(one, full=True), runs_document(one.runs.values(), full=True)])
    assert [secret for secret in SECRETS if secret in public] == []
    assert [secret for secret in SECRETS if secret not in full] == []


def test_a_run_by_hand_has_no_instant_and_names_its_actor():
    document = run_document(run(actor="alice (1000)", instant=None, due=None), full=True)
    assert (document["instant"], document["due"], document["actor"]) == (None, None, "alice (1000)")


def test_runs_come_oldest_first_and_tasks_by_name():
    one = busy_snapshot()
    assert [document["name"] for document in tasks_document(one, full=False)["tasks"]] == ["nightly-backup", "old-report", "web-proxy"]
    ids = [document["id"] for document in runs_document(reversed(one.runs.values()), full=False)["runs"]]
    assert ids == sorted(ids)


def test_a_loop_is_dead_when_it_has_not_turned_for_a_minute():
    one = snapshot(last_tick=NOON)
    assert why_dead(one, Instant(NOON + MINUTE)) == ""
    assert why_dead(one, Instant(NOON + MINUTE + 1)) == "the scheduler last turned 1m00s ago"
    assert why_dead(one, Instant(NOON - HOUR)) == ""


BY = Hold(actor="alice", since=NOON)
READY = snapshot(task_status(), sync=sync_status(verdict_since_start=True, last_verdict=NOON))


@pytest.mark.parametrize(
    ("one", "now", "reason"),
    [
        pytest.param(READY, NOON, "", id="ready"),
        pytest.param(replace(READY, generation=None), NOON, "no generation is in force yet", id="no generation"),
        pytest.param(
            replace(READY, sync=sync_status(last_verdict=NOON)),
            NOON,
            "no sync has reached the remote since the agent started",
            id="not since the start",
        ),
        pytest.param(READY, NOON + 10 * MINUTE, "", id="ten minutes are allowed"),
        pytest.param(
            READY, NOON + 10 * MINUTE + 1, "the last sync that reached the remote ended 10m00s ago; 10m00s are allowed", id="too old"
        ),
        pytest.param(
            replace(READY, sync=replace(READY.sync, interval=Millis(HOUR))), NOON + 10 * HOUR, "", id="ten intervals when those are longer"
        ),
        pytest.param(
            snapshot(generation=generation(), sync=sync_status(verdict_since_start=True, last_verdict=NOON)),
            NOON + SECOND,
            "",
            id="an empty generation is one",
        ),
        pytest.param(replace(READY, holds=placed(Holds(), SYNCS, BY), sync=sync_status()), NOON, "", id="syncs are paused"),
        pytest.param(replace(READY, holds=pinned(Holds(), Pin(revision="a", hold=BY))), NOON + HOUR, "", id="a revision is pinned"),
        pytest.param(
            replace(READY, holds=placed(placed(Holds(), HOST, BY), EVERY_TASK, BY), sync=sync_status()),
            NOON,
            "no sync has reached the remote since the agent started",
            id="paused tasks excuse no sync",
        ),
        pytest.param(
            replace(READY, holds=placed(Holds(), SYNCS, BY), generation=None),
            NOON,
            "no generation is in force yet",
            id="paused before the first generation",
        ),
    ],
)
def test_an_agent_is_ready_when_it_runs_what_the_remote_said_lately(one, now, reason):
    assert why_not_ready(replace(one, last_tick=Instant(now)), Instant(now)) == reason


def test_an_agent_whose_loop_stands_still_is_not_ready():
    one = replace(READY, last_tick=NOON)
    assert why_not_ready(one, Instant(NOON + 2 * MINUTE)) == "the scheduler last turned 2m00s ago"


def test_a_run_that_waits_tells_its_attempts_and_keeps_the_sentences_to_operators() -> None:
    first = Attempt(number=1, outcome=Outcome.FAILED, finished_at=Instant(NOON + 1), started_at=NOON, exit_status=7, detail="secret")
    retried = task(timing=CronTiming(schedule="@daily", retry=Retry(attempts=3)))
    wait = Wait(until=Instant(NOON + 5), mono=Millis(0), boot_id="b")
    one = run(retried, state=RunState.WAITING, attempt=2, earlier=(first,), wait=wait, started_at=None)
    document = run_document(one, full=False)
    assert (document["state"], document["attempt"], document["attempts"]) == ("waiting", 2, 3)
    assert document["next_attempt_at"] == "2026-11-23T12:00:00.005Z"
    told = {
        "number": 1,
        "outcome": "failed",
        "exit_status": 7,
        "started_at": "2026-11-23T12:00:00.000Z",
        "finished_at": "2026-11-23T12:00:00.001Z",
    }
    assert document["earlier_attempts"] == [told]
    assert run_document(one, full=True)["earlier_attempts"] == [told | {"detail": "secret"}]


def test_a_run_that_waits_is_not_in_progress() -> None:
    """A drained host is empty, although retries are pending."""
    waiting = run(id=run_id(2), state=RunState.WAITING, attempt=2, started_at=None)
    document = status_document(snapshot(runs={one.id: one for one in (run(), waiting)}), full=True)
    assert (document["runs_in_progress"], document["runs_waiting"]) == (1, 1)
