"""What the status page says, and what it must not."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from tests.builders import HOUR, NOON, REVISION, SECOND, busy_snapshot, many_tasks, record, snapshot, sync_status, task, task_status
from torchsync.core.api import status_document
from torchsync.core.holds import EVERY_TASK, HOST, SYNCS, Hold, Holds, Pin, held_task, pinned, placed
from torchsync.core.instants import rfc3339
from torchsync.core.model import Instant, Outcome, ProgramCommand, Severity, TaskName
from torchsync.core.snapshot import SyncStatus
from torchsync.core.syncdoc import SyncOutcome, SyncResult
from torchsync.errors import Problem
from torchsync.pages.status import render_status
from torchsync.pages.statuswords import Clock, length, sync_words

BAD = Problem(code="TS111", message="'/etc/secret' is no length of time", path="tasks/private.yaml", task="nightly-backup", hint="write 5s")

HOLD = Hold(actor="mallory (1001)", since=NOON)

BY_SEVERITY = (("a", Severity.WARNING), ("b", Severity.INFO), ("c", Severity.CRITICAL))


def shown(text: str) -> str:
    """What somebody reads: the text without markup, styles and script."""
    body = re.sub(r"<(style|script)[^>]*>.*?</\1>", "", text, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


def told(outcome: SyncOutcome, *problems: Problem, **changes: int) -> str:
    last = SyncResult(
        outcome=outcome, sentence="tasks/private.yaml: secret", started_at=NOON, finished_at=NOON, revision=REVISION, problems=problems
    )
    one = snapshot(sync=sync_status(last=replace(last, **changes)))
    return sync_words(json.loads(json.dumps(status_document(one, full=False)["sync"])))


def test_it_says_nothing_of_commands_environments_paths_users_and_actors() -> None:
    """What is private has a mark in it."""
    busy = busy_snapshot()
    private = task(
        "nightly-backup",
        command=ProgramCommand(("/usr/bin/PRIVATE", "--PRIVATE")),
        env={"PRIVATE": "PRIVATE"},
        env_file="/PRIVATE",
        user="PRIVATE",
        working_dir="PRIVATE",
        hosts=("PRIVATE-*",),
    )
    runs = {run_id: replace(run, actor="PRIVATE", user="PRIVATE", detail="PRIVATE", task=private) for run_id, run in busy.runs.items()}
    problem = replace(BAD, message="PRIVATE", path="PRIVATE", hint="PRIVATE")
    last = busy.sync.last
    assert last
    sync = replace(
        busy.sync,
        last=replace(last, sentence="PRIVATE", problems=(problem,)),
        problems=(problem,),
        refusals=tuple(replace(refusal, problems=(problem,)) for refusal in busy.sync.refusals),
    )
    statuses = {**busy.tasks, private.name: replace(busy.tasks[private.name], task=private)}
    marked = replace(busy, tasks=statuses, runs=runs, sync=sync, notices=(problem,))
    text = render_status(marked, NOON)
    assert "PRIVATE" not in text
    assert "mallory" not in text  # who holds something
    assert "leaks" not in text  # and why


def test_it_says_which_revision_is_in_force_by_whom_and_how_old_it_is() -> None:
    text = shown(render_status(busy_snapshot(), Instant(NOON + HOUR)))
    assert f"Revision {REVISION[:12]} by Ada Example , committed 3 h ago" in text
    assert "In force for 60 min , generation 12" in text


def test_of_a_commit_with_many_problems_it_says_that_there_are_more() -> None:
    busy = busy_snapshot()
    many = replace(busy.sync, refusals=tuple(replace(refusal, more=995) for refusal in busy.sync.refusals))
    assert ", and 995 more" in shown(render_status(replace(busy, sync=many), NOON))
    assert "more" not in shown(render_status(busy, NOON)).partition("Commits not taken")[2].partition("Runs in flight")[0]


def synced(**changes: Any) -> SyncStatus:
    """The remote was reached just now."""
    return sync_status(**({"verdict_since_start": True, "last_verdict": NOON, "last_success": NOON} | changes))


def test_a_host_without_troubles_is_said_to_be_well() -> None:
    text = render_status(snapshot(task_status(), sync=synced()), NOON)
    assert "<title>db-1: all is well</title>" in text
    assert "All is well" in shown(text)


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"sync": synced(consecutive_failures=1)}, "The last sync failed"),
        ({"sync": synced(consecutive_failures=3)}, "The last 3 syncs failed"),
        ({"sync": synced(consecutive_failures=3, rejected="a" * 40)}, "The newest commit was not taken"),
        ({"state_degraded": True, "config_reload_ok": False}, "The state cannot be written, the configuration could not be reloaded"),
        ({"last_tick": Instant(NOON - HOUR)}, "The scheduler last turned 1h00m ago"),
        ({"sync": sync_status(consecutive_failures=3)}, "No sync has reached the remote since the agent started"),
        ({"sync": synced(last_verdict=Instant(NOON - HOUR))}, "The last sync that reached the remote ended 1h00m ago; 10m00s are allowed"),
    ],
)
def test_what_calls_for_somebody_stands_at_the_top(changes: dict[str, Any], verdict: str) -> None:
    text = render_status(snapshot(task_status(), **({"sync": synced()} | changes)), NOON)
    assert f'troubled" id="verdict">{verdict}</p>' in text


DRAINED = placed(placed(Holds(), HOST, HOLD), held_task("web-proxy"), HOLD)


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"holds": busy_snapshot().holds}, "Rolled back, 1 task is paused"),
        ({"holds": DRAINED, "notices": (BAD,)}, "Drained, 1 task is paused, 1 notice"),
        ({"holds": placed(placed(Holds(), EVERY_TASK, HOLD), SYNCS, HOLD)}, "Every task is paused, syncs are paused"),
        ({"holds": pinned(Holds(), Pin(revision=REVISION, hold=HOLD))}, "Pinned"),
        ({"notices": (BAD, BAD)}, "2 notices"),
    ],
)
def test_nothing_is_said_to_be_well_that_is_held_back_or_has_a_notice(changes: dict[str, Any], verdict: str) -> None:
    text = render_status(snapshot(task_status(), sync=synced(), **changes), NOON)
    assert f'held" id="verdict">{verdict}</p>' in text
    assert "all is well" not in text.lower()


def test_a_trouble_comes_before_what_is_held_back() -> None:
    text = render_status(snapshot(task_status(), sync=synced(), holds=DRAINED, state_degraded=True), NOON)
    assert "<title>db-1: the state cannot be written</title>" in text


def test_an_agent_that_has_not_synced_has_a_page_too() -> None:
    text = shown(render_status(snapshot(), NOON))
    assert "No generation is in force yet" in text
    assert "There was no sync yet" in text
    assert "Tasks 0" in text
    assert "There are none yet." in text
    assert "No generation is in force yet, the last 3 syncs failed" in render_status(
        snapshot(sync=sync_status(consecutive_failures=3)), NOON
    )


def test_what_is_held_is_told_with_how_long_and_until_when() -> None:
    holds = pinned(placed(DRAINED, EVERY_TASK, replace(HOLD, until=Instant(NOON + 2 * HOUR))), Pin(revision=REVISION, hold=HOLD))
    text = shown(render_status(snapshot(task_status(), holds=holds), Instant(NOON + HOUR)))
    for sentence in (
        "Every task has been paused for 60 min; ends in 60 min.",
        "The host has been drained for 60 min: nothing new starts.",
        "The task web-proxy has been paused for 60 min.",
        f"Pinned at {REVISION[:12]} for 60 min.",
    ):
        assert sentence in text


def test_there_is_a_sentence_for_every_outcome_of_a_sync() -> None:
    assert all(told(outcome, BAD) for outcome in SyncOutcome)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (told(SyncOutcome.APPLIED, added=3, removed=1), "Took 1234567890ab: 3 added, 0 changed, 1 removed"),
        (told(SyncOutcome.UNCHANGED), "Nothing new: the remote has 1234567890ab"),
        (told(SyncOutcome.REJECTED, BAD, BAD), "Rejected 1234567890ab, for every host: TS111 wrong value (2 times)"),
        (told(SyncOutcome.REFUSED, BAD), "Refused 1234567890ab, on this host: TS111 wrong value"),
        (told(SyncOutcome.UNAVAILABLE, replace(BAD, code="TS203")), "Did not reach the remote: TS203 host key not known"),
        (told(SyncOutcome.PAUSED), "Syncs are paused by an operator"),
        (told(SyncOutcome.FAILED, replace(BAD, code="TS901")), "Failed: TS901 internal error"),
    ],
)
def test_the_last_sync_is_one_sentence_with_codes_and_no_messages(said: str, sentence: str) -> None:
    assert said == sentence


def test_a_task_tells_how_its_newest_runs_ended() -> None:
    kept = record(last_run=NOON, recent=(Outcome.SUCCEEDED, Outcome.SUCCEEDED, Outcome.LOST), consecutive_failures=1)
    text = render_status(snapshot(replace(task_status(), record=kept)), Instant(NOON + 5 * SECOND))
    assert "newest runs: 2 succeeded, 1 lost" in text
    assert "5 s ago lost, took 0 s" in shown(text)


def test_a_task_whose_first_run_is_not_over_has_not_never_run() -> None:
    assert "the first is under way" in shown(render_status(snapshot(task_status(running=("019ab0cbb400-00000001",))), NOON))
    assert "the first is under way" not in shown(render_status(snapshot(task_status()), NOON))


@pytest.mark.parametrize(
    ("failing", "last"), [(2, "task-00001"), (40, "task-00039"), (41, "and 1 more task"), (1100, "and 1,060 more tasks")]
)
def test_tasks_in_trouble_are_linked_to_and_many_of_them_do_not_hide_the_rest_of_the_page(failing: int, last: str) -> None:
    busy = many_tasks(failing)
    bad = {name: replace(one, record=replace(one.record, consecutive_failures=1)) for name, one in busy.tasks.items()}
    attention = shown(render_status(replace(busy, tasks=bad), NOON).partition('id="attention"')[2].partition("</section>")[0])
    assert attention.endswith(last)


def test_of_tasks_in_trouble_critical_ones_come_first() -> None:
    failed = [task_status(task(name, severity=severity), record=record(name, consecutive_failures=1)) for name, severity in BY_SEVERITY]
    text = render_status(snapshot(*failed, task_status(task("well"))), NOON)
    assert re.findall('<li id="see-([a-z]+)"', text) == ["c", "a", "b"]


def test_a_runbook_is_a_link_only_when_a_browser_may_follow_it() -> None:
    for runbook, is_link in (("https://wiki.example.org/x", True), ("javascript:alert(1)", False), ("see the wiki", False), ("", False)):
        text = render_status(snapshot(task_status(task(runbook=runbook))), NOON)
        assert ('rel="noreferrer">runbook</a>' in text) is is_link


def test_a_page_that_keeps_still_does_not_load_itself_again() -> None:
    assert 'http-equiv="refresh"' in render_status(snapshot(), NOON)
    assert 'http-equiv="refresh"' not in render_status(snapshot(), NOON, is_still=True)


def test_tasks_are_listed_by_name_whatever_their_order() -> None:
    statuses = [task_status(task(name)) for name in ("b", "c", "a")]
    assert re.findall(r'<tr id="task-(\w+)"', render_status(snapshot(*statuses), NOON)) == [TaskName(name) for name in "abc"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (0.25, "250 ms"), (1, "1 s"), (119, "119 s"), (120, "2 min"), (7_199, "120 min"), (7_200, "2 h"), (172_800, "2 days")],
)
def test_lengths_are_told_in_the_largest_unit_of_which_there_are_two(seconds: float, text: str) -> None:
    assert length(seconds) == text


def test_moments_are_told_from_now() -> None:
    clock = Clock(NOON)
    assert clock.ago(rfc3339(Instant(NOON - HOUR))) == "60 min ago"
    assert clock.ago(rfc3339(Instant(NOON + HOUR))) == "0 s ago"  # a clock that was set
    assert clock.ago(None) == "never"
    assert clock.ahead(rfc3339(Instant(NOON + HOUR))) == "in 60 min"
    assert clock.ahead(rfc3339(Instant(NOON - HOUR))) == "now"
