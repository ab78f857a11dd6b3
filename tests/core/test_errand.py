from __future__ import annotations

import pytest

from tests.builders import NOON, TREE, run_id, task
from torchsync.core.errand import (
    Errand,
    Mail,
    command_environment,
    command_of,
    errand_from_text,
    errand_text,
    mail_of,
    of_answer,
    of_command,
    result_text,
    results_from_text,
)
from torchsync.core.instants import rfc3339
from torchsync.core.model import Millis, ProgramCommand, TaskName
from torchsync.core.notice import Notice, NoticeId, Place, notice_id
from torchsync.core.notify import NoticeCommand, NoticeEvent, Ping, Receiver, Webhook
from torchsync.core.policy import HostPolicy, Secret
from torchsync.core.postbox import Fate, Parcel, Result, line_of
from torchsync.core.startscript import Account

ID = NoticeId("n")
POLICY = HostPolicy(
    agent_user="root",
    is_root=True,
    secrets={
        "slack": Secret(file="/etc/slack", users=("deploy",), notify=True),
        "db": Secret(file="/etc/db", users=("deploy",)),
    },
    notify_hosts=("hc-ping.com",),
)


def notice(to: Receiver, user: str = "deploy") -> Notice:
    place = Place(task("nightly", env={"LEVEL": "9", "TORCHSYNC_X": "mine"}), TREE) if isinstance(to, NoticeCommand) else None
    return Notice(
        id=notice_id("x"),
        event=NoticeEvent.FAILURE,
        to=to,
        task=TaskName("nightly"),
        made_at=NOON,
        host="db-1",
        user=user,
        run=run_id(),
        place=place,
    )


def mail(to: Receiver, user: str = "deploy") -> Mail | str:
    one = notice(to, user)
    return mail_of(Parcel(line_of(one), (one,)), POLICY)


def test_the_host_decides_where_a_notice_may_go() -> None:
    granted = mail(Webhook(secret="slack"))
    assert isinstance(granted, Mail)
    assert (granted.url, granted.secret_file) == ("", "/etc/slack")
    pinged = mail(Ping(url="https://hc-ping.com/x"))
    assert isinstance(pinged, Mail)
    assert (pinged.url, pinged.secret_file, pinged.hosts) == ("https://hc-ping.com/x", "", ("hc-ping.com",))


@pytest.mark.parametrize(
    ("to", "user", "why"),
    [
        pytest.param(Webhook(secret="slack"), "www", "the secret 'slack' is not granted to user 'www'", id="another user"),
        pytest.param(Webhook(secret="db"), "deploy", "the secret 'db' is not granted", id="a credential"),
        pytest.param(Ping(secret="none"), "deploy", "the secret 'none' is not granted", id="no such secret"),
        pytest.param(
            Webhook(url="https://10.0.0.1/T0K3N"), "deploy", "https://10.0.0.1 is not among policy.notify_hosts", id="another server"
        ),
    ],
)
def test_what_the_host_does_not_grant_is_not_sent(to: Receiver, user: str, why: str) -> None:
    refused = mail(to, user)
    assert isinstance(refused, str)
    assert refused.startswith(why)
    assert "T0K3N" not in refused


def test_an_errand_travels_as_one_line() -> None:
    granted = mail(Webhook(secret="slack"))
    assert isinstance(granted, Mail)
    errand = Errand(version="1", patience=Millis(5), mail=granted)
    assert "\n" not in errand_text(errand)
    assert errand_from_text(errand_text(errand)) == errand


def test_results_that_are_none_count_as_missing() -> None:
    good = Result(notice=ID, fate=Fate.LATER, why="a\x1b[31m\n b" + "x" * 999, wait=Millis(3))
    text = f"{result_text(good)}\nrubbish\n{{}}\n{result_text(good)[:20]}".encode()
    (result,) = results_from_text(text)
    assert (result.notice, result.fate, result.wait) == (ID, Fate.LATER, 3)
    assert result.why.startswith("a [31m bxxx")
    assert len(result.why) <= 300


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_a_yes_is_a_yes(status: int) -> None:
    assert of_answer(ID, status, "", NOON) == Result(notice=ID, fate=Fate.SENT)


@pytest.mark.parametrize("status", [100, 301, 302, 307, 308, 400, 401, 403, 404, 410, 413])
def test_what_would_be_refused_again_is_given_up(status: int) -> None:
    assert of_answer(ID, status, "60", NOON).fate is Fate.REFUSED


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_what_may_go_better_later_is_tried_again(status: int) -> None:
    assert of_answer(ID, status, "", NOON) == Result(notice=ID, fate=Fate.LATER, why=f"the server answered {status}")


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("120", 120_000),
        ("0", 0),
        ("-5", 0),
        ("1.5", 0),
        ("soon", 0),
        ("9" * 5000, 999_999_999_000),
        ("٣", 0),
        ("Mon, 23 Nov 2026 12:05:00 GMT", 300_000),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0),
        ("Mon, 99 Nov 2026 11:00:00 GMT", 0),
    ],
)
def test_a_server_may_ask_for_a_wait(text: str, wait: int) -> None:
    assert rfc3339(NOON).startswith("2026-11-23T12:00:00")
    assert of_answer(ID, 429, text, NOON).wait == wait


def test_a_command_says_by_its_status_what_became_of_it() -> None:
    assert of_command(ID, 0, "begun\n", "noise") == Result(notice=ID, fate=Fate.SENT)
    assert of_command(ID, 75, "begun\n", "").fate is Fate.LATER
    assert of_command(ID, 1, "begun\n", "one\ntwo\n\n").why == "it ended with exit status 1: two"
    assert of_command(ID, 0, "no such program: x\n", "").why == "no such program: x"
    assert of_command(ID, 127, "begun\nno such program: x\n", "").fate is Fate.REFUSED
    assert of_command(ID, 5, "", "").why == "it could not be started"
    assert of_command(ID, None, "begun\n", "").why == "it took too long and was killed"


def test_a_command_is_run_as_its_task_is_with_what_happened_on_top() -> None:
    one = notice(NoticeCommand(("./mail.sh", "ops")))
    place = command_of(one)
    assert (place.task.command, place.task.name, place.tree) == (ProgramCommand(("./mail.sh", "ops")), "nightly", TREE)
    account = Account(name="deploy", uid=1000, gid=1000, home="/home/deploy", shell="/bin/bash")
    environment = command_environment(one, account)
    assert (environment["HOME"], environment["LEVEL"], environment["TORCHSYNC_EVENT"]) == ("/home/deploy", "9", "failure")
    with pytest.raises(ValueError, match="has no command"):
        command_of(notice(Webhook(secret="slack")))


def test_an_instant_that_is_not_known_is_empty() -> None:
    account = Account(name="a", uid=1, gid=1, home="/", shell="/bin/sh")
    environment = command_environment(notice(NoticeCommand(("x",))), account)
    assert (environment["TORCHSYNC_STARTED_AT"], environment["TORCHSYNC_LATE_SINCE"], environment["TORCHSYNC_EXIT_STATUS"]) == ("", "", "")
