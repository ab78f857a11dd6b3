from __future__ import annotations

import json
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.builders import MINUTE, NOON, REVISION, run_id
from torchsync.adapters.schemas import read_schema
from torchsync.core.model import Instant, Outcome, Severity, TaskName
from torchsync.core.notice import Notice, document, environment, label, notice_id, run_uuid, sentence, webhook_body
from torchsync.core.notify import NoticeCommand, NoticeEvent, Ping, Webhook, WebhookFormat
from torchsync.core.taskdoc import notice_document, notice_from_document

TEXTS = st.text(max_size=20)
TIMES = st.none() | st.integers(0, 1 << 41).map(Instant)
NOTICES = st.builds(
    Notice,
    id=st.builds(notice_id, TEXTS),
    event=st.sampled_from([event for event in NoticeEvent if event is not NoticeEvent.START]),
    to=st.sampled_from([Webhook(secret="slack"), Ping(url="https://x"), NoticeCommand(("mail",))]),
    task=st.just(TaskName("nightly")),
    made_at=st.integers(0, 1 << 41).map(Instant),
    host=TEXTS,
    user=TEXTS,
    owner=TEXTS,
    severity=st.sampled_from(Severity),
    runbook=TEXTS,
    revision=st.sampled_from([None, REVISION]),
    run=st.sampled_from(["", run_id()]),
    outcome=st.none() | st.sampled_from(Outcome),
    exit_status=st.none() | st.integers(0, 255),
    scheduled_at=TIMES,
    started_at=TIMES,
    finished_at=TIMES,
    failures=st.integers(0, 1000),
    since=TIMES,
    detail=TEXTS,
)


def notice(event: NoticeEvent = NoticeEvent.FAILURE, **changes) -> Notice:
    values = {"id": notice_id("x"), "event": event, "to": Webhook(secret="slack"), "task": TaskName("nightly"), "made_at": NOON}
    return Notice(**(values | {"host": "db-1", "user": "deploy", "run": run_id()} | changes))


@given(NOTICES)
def test_what_is_posted_is_what_the_schema_says(one: Notice) -> None:
    Draft202012Validator(read_schema("notice")).validate(json.loads(webhook_body(one, WebhookFormat.JSON)))
    assert list(json.loads(webhook_body(one, WebhookFormat.SLACK))) == ["text"]


@given(NOTICES)
def test_a_notice_is_stored_and_comes_back(one: Notice) -> None:
    assert notice_from_document(json.loads(json.dumps(notice_document(one)))) == one


@given(NOTICES)
def test_everything_is_told_on_one_line_of_the_environment_each_or_is_empty(one: Notice) -> None:
    told = environment(one)
    assert all(name.startswith("TORCHSYNC_") for name in told)
    assert told["TORCHSYNC_EXIT_STATUS"] == ("" if one.exit_status is None else str(one.exit_status))
    assert "\0" not in "".join(told.values()) or "\0" in f"{one.host}{one.owner}{one.runbook}{one.detail}"


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (notice(outcome=Outcome.FAILED, exit_status=3, failures=1), "nightly on db-1 failed with exit status 3"),
        (notice(outcome=Outcome.FAILED, exit_status=3, failures=4), "nightly on db-1 failed with exit status 3 (4 in a row)"),
        (notice(outcome=Outcome.TIMED_OUT, exit_status=143, detail="x"), "nightly on db-1 timed out with exit status 143: x"),
        (notice(outcome=Outcome.START_FAILED, detail="no such program: x"), "nightly on db-1 start failed: no such program: x"),
        (notice(NoticeEvent.SUCCESS, outcome=Outcome.SUCCEEDED, exit_status=0), "nightly on db-1 succeeded with exit status 0"),
        (notice(NoticeEvent.RECOVERY, failures=1), "nightly on db-1 succeeded again after 1 failed run"),
        (notice(NoticeEvent.RECOVERY, failures=2), "nightly on db-1 succeeded again after 2 failed runs"),
        (notice(NoticeEvent.RECOVERY), "nightly on db-1 succeeded again"),
        (notice(NoticeEvent.LATE, since=Instant(NOON - 90 * MINUTE)), "nightly on db-1 is late: no success in time, 1h30m overdue"),
    ],
)
def test_a_notice_says_in_one_line_what_happened(one: Notice, expected: str) -> None:
    assert sentence(one) == expected


def test_slack_is_told_who_and_where_and_what_to_do() -> None:
    one = notice(outcome=Outcome.FAILED, exit_status=1, owner="team-db", runbook="https://wiki/x", revision=REVISION)
    assert json.loads(webhook_body(one, WebhookFormat.SLACK)) == {
        "text": f"🔴 nightly on db-1 failed with exit status 1\nowner team-db · run `{run_id()}` · commit `1234567890ab` · <https://wiki/x|runbook>"
    }


def test_ids_are_uuids_that_stay_what_they_are() -> None:
    assert notice_id("a", "b") == "49899504-7cfb-8d6d-a8e2-623a53b9f244"
    assert UUID(notice_id("a", "b")).version is not None
    assert notice_id("a", "b") != notice_id("ab")
    assert run_uuid("x") != run_uuid("y")


def test_a_receiver_is_named_without_what_may_be_secret_in_its_address() -> None:
    assert label(Webhook(url="https://hooks.slack.com/services/T0K3N")) == "webhook https://hooks.slack.com"
    assert label(Ping(secret="hc")) == "ping hc"
    assert label(NoticeCommand(("mail", "T0K3N"))) == "exec mail"


def test_a_document_has_null_for_what_is_not_known() -> None:
    told = document(notice(NoticeEvent.LATE, run=""))
    assert (told["run"], told["outcome"], told["exit_status"], told["started"], told["commit"]) == (None,) * 5
