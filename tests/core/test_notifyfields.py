"""The field `notify` of a task file, from text to values and to what is wrong with it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.core.test_taskfile import PATH, cron, daemon, problems_of, tasks_of
from torchsync.adapters.schemas import read_schema
from torchsync.core.definition import defined_task, definition
from torchsync.core.diff import diff
from torchsync.core.model import Fingerprint, TaskName
from torchsync.core.notify import NoticeCommand, NoticeEvent, Notify, Ping, Webhook, WebhookFormat, written
from torchsync.core.repositoryfile import RepositoryFileReader

EVERY_KIND = """
version: 1
tasks:
  t:
    schedule: "@hourly"
    command: "true"
    notify:
      - {on: [failure, success], repeat: false, webhook: {url_secret: slack-ops, format: slack}}
      - {webhook: {url: "https://alerts.example.org/hook"}}
      - {ping: {url: "https://hc-ping.com/5f0d8c1e"}}
      - {on: [late], exec: [./mail.sh, "a b", ""]}
"""


def entries(text: str) -> tuple[Notify, ...]:
    return tasks_of(text)["t"].notify


def test_every_kind_of_receiver_can_be_named() -> None:
    assert entries(EVERY_KIND) == (
        Notify(to=Webhook(secret="slack-ops", format=WebhookFormat.SLACK), on=(NoticeEvent.FAILURE, NoticeEvent.SUCCESS), repeat=False),
        Notify(to=Webhook(url="https://alerts.example.org/hook"), on=(NoticeEvent.FAILURE, NoticeEvent.RECOVERY, NoticeEvent.LATE)),
        Notify(to=Ping(url="https://hc-ping.com/5f0d8c1e"), on=()),
        Notify(to=NoticeCommand(("./mail.sh", "a b", "")), on=(NoticeEvent.LATE,)),
    )


def test_a_task_without_it_tells_nobody() -> None:
    assert entries(cron("")) == entries(cron("notify: []")) == entries(cron("notify: null")) == ()


def test_a_list_of_a_task_replaces_that_of_its_defaults() -> None:
    defaults = "{notify: [{exec: [mail]}]}"
    assert entries(cron("", defaults)) == (Notify(to=NoticeCommand(("mail",))),)
    assert entries(cron("notify: [{ping: {url_secret: hc}}]", defaults)) == (Notify(to=Ping(secret="hc"), on=()),)
    assert entries(cron("notify: null", defaults)) == ()


def test_a_definition_holds_it_and_gives_it_back() -> None:
    task = tasks_of(EVERY_KIND)["t"]
    assert defined_task(definition(task), task.source, Fingerprint("f" * 64)).notify == task.notify


def test_whom_it_tells_is_a_part_of_a_task() -> None:
    old, new = tasks_of(cron(""))["t"], tasks_of(cron("notify: [{exec: [mail]}]"))["t"]
    marked = [{TaskName("t"): one} for one in (old, new)]
    (change,) = diff(marked[0], {TaskName("t"): replace(new, fingerprint=Fingerprint("other"))}).changed
    assert change.fields == ("notify",)


def test_it_is_written_as_a_task_file_has_it() -> None:
    assert [written(entry) for entry in entries(EVERY_KIND)] == [
        {"on": ["failure", "success"], "repeat": False, "webhook": {"url_secret": "slack-ops", "format": "slack"}},
        {"on": ["failure", "recovery", "late"], "webhook": {"url": "https://alerts.example.org/hook"}},
        {"ping": {"url": "https://hc-ping.com/5f0d8c1e"}},
        {"on": ["late"], "exec": ["./mail.sh", "a b", ""]},
    ]


@pytest.mark.parametrize(
    ("field", "code", "found"),
    [
        pytest.param("notify: [{}]", "TS111", "found none of them", id="nobody"),
        pytest.param("notify: [{exec: [x], ping: {url_secret: y}}]", "TS111", "found `ping` and `exec`", id="two at once"),
        pytest.param("notify: [{webhook: {}}]", "TS111", "either `url` or `url_secret`, found neither", id="no address"),
        pytest.param("notify: [{ping: {url: 'https://x', url_secret: y}}]", "TS111", "found both", id="two addresses"),
        pytest.param("notify: [{webhook: {url: 'https://user:pw@x/'}}]", "TS111", "must not hold a user name", id="a password"),
        pytest.param("notify: [{webhook: {url: 'https:///x'}}]", "TS111", "must start with `https://` and a host", id="no host"),
        pytest.param("notify: [{webhook: {url: 'ftp://x'}}]", "TS111", "an address that starts with `https://`", id="another scheme"),
        pytest.param("notify: [{webhook: {url_secret: ../x}}]", "TS111", "the name of a secret", id="a path"),
        pytest.param(
            "notify: [{ping: {url_secret: x}, on: [failure]}]", "TS114", "`on` means nothing for a `ping`", id="a choice for a ping"
        ),
        pytest.param("notify: [{exec: [x], on: []}]", "TS111", "a list of `failure`", id="nothing"),
        pytest.param("notify: [{exec: [x], on: [failed]}]", "TS111", "failure", id="another event"),
        pytest.param("notify: [{exec: [x], on: [late, late]}]", "TS111", "late", id="an event twice"),
        pytest.param("notify: [{exec: ''}]", "TS111", "a list of a program", id="a command as text"),
        pytest.param("notify: [{exec: ['']}]", "TS111", "the program in `exec` is an empty text", id="an empty program"),
        pytest.param("notify: [{exec: []}]", "TS111", "a list of a program", id="no program"),
        pytest.param("notify: {exec: [x]}", "TS111", "a list of mappings", id="no list"),
        pytest.param("notify: [{mail: x}]", "TS110", "mail", id="something else"),
    ],
)
def test_what_makes_no_sense_is_told(field: str, code: str, found: str) -> None:
    problems = problems_of(cron(field))
    assert any(found in problem.message for problem in problems), [str(problem) for problem in problems]
    assert {problem.line for problem in problems} == {4}
    assert [problem.code for problem in problems] == [code]


def test_a_mistake_is_told_once_and_at_its_place() -> None:
    (problem,) = problems_of("version: 1\ntasks:\n  t:\n    schedule: '@hourly'\n    command: x\n    notify:\n      - ping: {}\n")
    assert (problem.path, problem.line, problem.column, problem.task) == (PATH, 7, 15, "t")


def test_a_daemon_is_never_late() -> None:
    (problem,) = problems_of(daemon("notify: [{exec: [x], on: [failure, late]}]"))
    assert problem.message == "a daemon is never `late`"
    assert tasks_of(daemon("", "{notify: [{exec: [x], on: [failure, late]}]}"))
    assert tasks_of(daemon("notify: [{exec: [x]}]"))


def test_mistakes_in_the_defaults_of_the_repository_are_told_there() -> None:
    reader = RepositoryFileReader(read_schema("torchsync"), "1.0")
    read = reader.read(b"version: 1\ndefaults:\n  notify: [{webhook: {}}]\n")
    assert isinstance(read, tuple)
    assert [(problem.code, problem.line) for problem in read[1]] == [("TS111", 3)]
