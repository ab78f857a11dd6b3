"""Rows of `top` from the documents of the API."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.builders import HOUR, NOON, SECOND, record, snapshot, task, task_status
from torchsync.cli.terminal import Tone
from torchsync.cli.topview import Order, TaskRow, chosen, countdown, marks_of, task_rows
from torchsync.core.api import tasks_document
from torchsync.core.model import Instant, Outcome


def row(name: str = "a", **changes: object) -> TaskRow:
    document = tasks_document(snapshot(task_status(task(name), next_due=NOON)), full=True)["tasks"]
    return replace(task_rows(document, {})[0], **changes)  # type: ignore[arg-type]


def entry(name: str, outcome: str | None) -> dict[str, object]:
    return {"task": name, "run": {"outcome": outcome}}


def test_marks_read_from_old_to_new_and_are_ten_at_most() -> None:
    newest_first = ["failed", "succeeded", None, "timed_out", "start_failed", "lost", "stopped", "replaced"]
    entries = [entry("a", outcome) for outcome in newest_first] + [{"task": "a", "run": None}]
    assert marks_of(entries) == {"a": "rs?!t.x"}
    assert marks_of([entry("b", outcome.value) for outcome in Outcome] * 3)["b"][-len(Outcome) :]
    assert len(marks_of([entry("b", "failed")] * 50)["b"]) == 10


def test_every_outcome_has_a_mark_of_its_own() -> None:
    marks = {marks_of([entry("a", outcome.value)])["a"] for outcome in Outcome}
    assert len(marks) == len(Outcome)


ROWS = [
    row("calm", next=Instant(NOON + 3 * SECOND)),
    row("bad", failures=2, next=Instant(NOON + HOUR)),
    row("late", is_late=True, next=None),
    row("soon", next=NOON),
    row("never", next=None, search="never team-db dump everything"),
]


@pytest.mark.parametrize(
    ("order", "names"),
    [
        (Order.FAILURES, ["late", "bad", "soon", "calm", "never"]),
        (Order.NEXT, ["soon", "calm", "bad", "late", "never"]),
        (Order.NAME, ["bad", "calm", "late", "never", "soon"]),
    ],
)
def test_tasks_come_in_the_order_that_is_wanted(order: Order, names: list[str]) -> None:
    assert [one.name for one in chosen(ROWS, order, "")] == names


def test_a_filter_looks_at_name_owner_and_description_in_any_case() -> None:
    assert [one.name for one in chosen(ROWS, Order.NAME, "TEAM-DB")] == ["never"]
    assert [one.name for one in chosen(ROWS, Order.NAME, "l")] == ["calm", "late"]
    assert chosen(ROWS, Order.NAME, "nowhere") == []


def test_a_countdown_ends_in_now() -> None:
    assert countdown(row(next=Instant(NOON + 90 * SECOND)), NOON) == "1m30s"
    assert countdown(row(next=NOON), NOON) == "now"
    assert countdown(row(next=None), NOON) == "-"
    assert countdown(row(state="paused"), NOON) == "paused"


@pytest.mark.parametrize(
    ("changes", "said", "tone"),
    [
        ({}, "-", Tone.FAINT),
        ({"last_run": NOON, "last_success": NOON}, "ok", Tone.GOOD),
        ({"last_run": NOON, "last_success": NOON - 1}, "stopped", Tone.PLAIN),
        ({"last_run": NOON, "consecutive_failures": 3, "last_exit_status": 7}, "failed 3x, 7", Tone.BAD),
    ],
)
def test_the_last_result_is_told_in_a_word(changes: dict[str, int], said: str, tone: Tone) -> None:
    status = replace(task_status(task("a")), record=record("a", **changes))
    (one,) = task_rows(tasks_document(snapshot(status), full=True)["tasks"], {})  # type: ignore[arg-type]
    assert (one.result, one.tone) == (said, tone)
