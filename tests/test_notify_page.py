"""docs/how-to/notify.md: its task files, sent for real to a chat, a service of pings and a mail program."""

from __future__ import annotations

import os
import pwd
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.adapters.test_courier import PATIENT, Office
from tests.builders import TREE, finished_run, run_id
from tests.receiver import HookServer
from tests.test_how_to import blocks
from torchsync.adapters.schemas import read_schema
from torchsync.agent.config import config_from_document
from torchsync.core.configfile import Account, ConfigFileReader
from torchsync.core.herald import of_end, of_start
from torchsync.core.model import Outcome, Task
from torchsync.core.notice import Notice
from torchsync.core.noticeaddress import allows, parse_address
from torchsync.core.notify import NoticeCommand, NoticeEvent, Ping, Webhook
from torchsync.core.policy import grants_address, refused_address
from torchsync.core.postbox import Fate
from torchsync.core.taskfile import TaskFileReader

PAGE = Path(__file__).parent.parent / "docs/how-to/notify.md"
ME = pwd.getpwuid(os.geteuid()).pw_name


def backups() -> list[Task]:
    """The task of each task file on the page."""
    texts = [text for text in blocks(PAGE.name, "yaml") if "tasks:" in text and "repository:" not in text]
    read = [TaskFileReader(read_schema("task")).read("tasks/a.yaml", text.encode()) for text in texts]
    assert all(problems == () for _, problems in read)
    return [draft.task for drafts, _ in read for draft in drafts]


def policies():
    texts = [text for text in blocks(PAGE.name, "yaml") if "repository:" in text]
    for text in texts:
        document, problems = ConfigFileReader(read_schema("agent")).read("a", text.encode(), Account(user="root", is_root=True))
        assert problems == ()
        assert document is not None
        yield config_from_document(document).host_policy


def notices(task: Task) -> list[Notice]:
    run = finished_run(task, Outcome.FAILED, exit_status=3, user=ME, id=run_id(7))
    return [*of_start(run, "db-1"), *of_end(run, "db-1", failures=0, was_late=False)]


def test_the_hosts_of_the_page_grant_what_the_tasks_of_the_page_name() -> None:
    chat, ping, _ = backups()
    by_secret, by_server = policies()
    assert grants_address(by_secret, "slack-ops", "deploy")
    assert refused_address(chat.notify[0].to, "torchsync-run", by_secret) == ""
    assert refused_address(ping.notify[0].to, "torchsync-run", by_server) == ""
    addresses = [parse_address(text) for text in ("https://x.example.org/", "https://alerts.example.org:8443/", "http://127.0.0.1:9000/")]
    assert all(allows(by_server.notify_hosts, address) for address in addresses if not isinstance(address, str))


def test_the_chat_gets_its_text(tmp_path: Path) -> None:
    chat, _, _ = backups()
    (notice,) = notices(chat)
    assert isinstance(notice.to, Webhook)
    with closing(HookServer()) as server:
        (tmp_path / "slack").write_text(server.url())
        (result,) = Office(tmp_path, PATIENT).send(notice, secret_file=str(tmp_path / "slack"), hosts=(server.origin,))
        assert result.fate is Fate.SENT
        assert "nightly-backup on db-1 failed with exit status 3" in str(server.posts[0].json["text"])


def test_the_service_gets_its_pings(tmp_path: Path) -> None:
    _, ping, _ = backups()
    told = notices(ping)
    assert [(type(notice.to), notice.event) for notice in told] == [(Ping, NoticeEvent.START), (Ping, NoticeEvent.FAILURE)]
    with closing(HookServer()) as server:
        Office(tmp_path, PATIENT).send(*told, url=server.url(), hosts=(server.origin,))
        assert [post.target.split("?")[0] for post in server.posts] == ["/ok/start", "/ok/3"]


@pytest.mark.parametrize("written", ["a line\nthe last line\n", ""])
def test_the_mail_has_the_subject_and_the_end_of_the_output(tmp_path: Path, written: str) -> None:
    _, _, mail = backups()
    sendmail = tmp_path / "bin" / "sendmail"
    sendmail.parent.mkdir()
    sendmail.write_text(f'#!/bin/sh\n[ "$1" = -t ] && cat >{tmp_path}/sent\n')
    sendmail.chmod(0o755)
    (tmp_path / TREE).mkdir()
    output = tmp_path / "runs" / run_id(7) / "output"
    output.parent.mkdir(parents=True)
    output.write_text(written)
    (notice,) = notices(replace(mail, env={"PATH": f"{sendmail.parent}:/usr/bin:/bin"}))
    assert isinstance(notice.to, NoticeCommand)
    (result,) = Office(tmp_path, PATIENT).send(notice)
    assert (result.fate, result.why) == (Fate.SENT, "")
    text = (tmp_path / "sent").read_text()
    assert text.startswith("To: ops@example.org\nSubject: nightly-backup on db-1 failed with exit status 3\n\n" + written)
    assert text.endswith(f"torchsync logs {run_id(7)}\n")
