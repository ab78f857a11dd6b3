"""Secrets, fed through every way on which a text from outside becomes a line of the log, are in no line of any format."""

from __future__ import annotations

import base64
import string
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.adapters.test_journaloutput import RUN, ended
from tests.builders import NOON
from tests.journald import Journald
from torchsync.adapters.gitproblem import git_problem, ref_problem, timeout_problem
from torchsync.adapters.hookapi import HookSettings, HookSurface
from torchsync.adapters.journal import Journal
from torchsync.adapters.journaloutput import content_of_output
from torchsync.adapters.journalsocket import JournalSocket
from torchsync.adapters.journaltext import LineForm
from torchsync.adapters.schemas import read_schema
from torchsync.agent.runlog import RunLog
from torchsync.agent.synclog import SyncLog
from torchsync.core.configfile import Account, ConfigFileReader
from torchsync.core.effects import ToldEnd
from torchsync.core.errand import of_answer, of_command
from torchsync.core.logevents import Level, Log, LogEvent
from torchsync.core.model import Millis, Outcome
from torchsync.core.notice import NoticeId
from torchsync.core.syncdoc import SyncOutcome, SyncResult
from torchsync.core.web import Request
from torchsync.errors import Problem

FORMS = (
    "https://bot:{}@git.example.org/tasks.git",
    "https://{}@git.example.org/tasks.git",
    "http://me:{}@proxy.example.org:3128",
    "> Authorization: Basic {}",
    "proxy-authorization: Bearer {}",
    "X-Gitlab-Token: {}",
    "https://git.example.org/tasks.git?private_token={}&x=1",
    "password={}",
    "password: {}",
    "glpat-{}",
)
CONFIG = """\
version: 1
repository: {{url: "https://bot:{0}@git.example.org/x.git", proxy: "http://me:{0}@proxy:1", username: 7}}
http: {{listen: "https://bot:{0}@h"}}
"""


def synced(log: Log, problem: Problem) -> None:
    result = SyncResult(
        outcome=SyncOutcome.REJECTED, sentence=f"1234: {problem}", started_at=NOON, finished_at=NOON, revision="1234", problems=(problem,)
    )
    synclog = SyncLog(log)
    synclog.tell(result)
    synclog.tell_problems(result, is_news=True)


def from_git(log: Log, secret: str, text: str) -> None:
    url = f"https://bot:{secret}@git.example.org/tasks.git"
    synced(log, git_problem(f"remote: {text}\nfatal: unable to access '{url}': The requested URL returned error: 403", url))
    synced(log, git_problem(f"* trace {text}\nfatal: {text}", url))
    synced(log, git_problem(f"torchsync: the command said {text}\nfatal: no", url))
    synced(log, timeout_problem(url, 60))
    synced(log, ref_problem(url, f"main-{text}"))


def from_agent_yaml(log: Log, secret: str, text: str) -> None:
    reader = ConfigFileReader(read_schema("agent"))
    _, problems = reader.read("agent.yaml", CONFIG.format(secret).encode(), Account(user="root", is_root=True))
    assert problems
    log(LogEvent.CONFIG_REFUSED, "; ".join(map(str, problems)))


def from_a_bug(log: Log, secret: str, text: str) -> None:
    try:
        int(text)
    except ValueError as error:
        log(LogEvent.INTERNAL_ERROR, f"ValueError: {error}", about="Resolved", traceback=traceback.format_exc())


def from_receivers(log: Log, secret: str, text: str) -> None:
    for result in (of_answer(NoticeId("n"), 302, text, NOON), of_command(NoticeId("n"), 1, text, text)):
        log(LogEvent.NOTICE_DELAYED, f"webhook slack cannot be told yet: {result.why}", task="backup")


def from_webhooks(log: Log, secret: str, text: str) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(f"{secret}-{secret}".encode())
        file.flush()
        surface = HookSurface(HookSettings(secret_file=file.name, ref="main"), post=lambda _: None, log=log, monotonic=lambda: Millis(0))
        for headers in (
            {"X-Gitlab-Token": secret, "X-Gitlab-Event": text},
            {"Authorization": text},
            {"X-Gitlab-Token": f"{secret}-{secret}"},
        ):
            body = f'{{"ref": "refs/heads/{text}", "secret": "{secret}"}}'.encode()
            surface(request(headers, body))
        surface.settings = HookSettings(secret_file=f"/nowhere?token={secret}", ref="main")
        surface.look()


def request(headers: dict[str, str], body: bytes) -> Request:
    lower = {name.lower(): value for name, value in headers.items()}
    return Request(method="POST", path="/hooks/push", headers=lower, length=len(body), pieces=lambda: iter([body]))


def from_runs(log: Log, secret: str, text: str) -> None:
    over = replace(RUN, outcome=Outcome.START_FAILED, finished_at=NOON, detail=f"the environment file holds {text}")
    RunLog(log).tell(ToldEnd(over))


def from_operators(log: Log, secret: str, text: str) -> None:
    log(LogEvent.CONTROL_DENIED, f"{text} may not use the control socket", actor=text, path=f"/api/v1/runs?token={secret}")
    log(LogEvent.HOLD_PLACED, f"the drain was placed: {text}", reason=text, scope="drain")
    log(LogEvent.HTTP_FAILED, f"ValueError: {text}")


WAYS: tuple[Callable[[Log, str, str], None], ...] = (
    from_git,
    from_agent_yaml,
    from_a_bug,
    from_receivers,
    from_webhooks,
    from_runs,
    from_operators,
)


@dataclass(slots=True)
class Sinks:
    """A log in each of the formats, and everything that they were given."""

    journald: Journald
    logs: list[Journal]
    folder: Path

    def __call__(self, event: LogEvent, message: str, /, **fields: object) -> None:
        for log in self.logs:
            log(event, message, **fields)

    def everything(self) -> str:
        lines = b"".join((self.folder / form.value).read_bytes() for form in LineForm)
        for form in LineForm:
            (self.folder / form.value).write_bytes(b"")
        return (lines + b"".join(self.journald.contents())).decode(errors="replace")


@pytest.fixture(scope="module")
def sinks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sinks]:
    folder = tmp_path_factory.mktemp("sinks")
    with closing(Journald(folder / "socket")) as journald:
        files = [(folder / form.value).open("ab") for form in LineForm]
        lines = [Journal(lambda: NOON, form, Level.DEBUG, file.fileno()) for form, file in zip(LineForm, files, strict=True)]
        native = Journal(lambda: NOON, LineForm.TEXT, Level.DEBUG, files[0].fileno(), socket=JournalSocket(journald.address))
        yield Sinks(journald, [*lines, native], folder)
        native.close()
        for file in files:
            file.close()


SECRETS = st.text(alphabet=string.ascii_letters + string.digits + "-_~", min_size=16, max_size=40).map(lambda drawn: f"canary{drawn}")


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(secret=SECRETS, form=st.sampled_from(FORMS))
def test_no_secret_is_in_any_line(sinks: Sinks, way: Callable[[Log, str, str], None], secret: str, form: str) -> None:
    encoded = base64.b64encode(f"bot:{secret}".encode()).decode()
    for hidden, text in ((secret, form.format(secret)), (encoded, f"> Authorization: Basic {encoded}")):
        way(sinks, secret, text)
        said = sinks.everything()
        assert said
        assert hidden not in said
        assert secret not in said


@settings(max_examples=30, deadline=None)
@given(secret=SECRETS, form=st.sampled_from(FORMS))
def test_no_secret_of_such_a_form_is_in_the_output_that_the_journal_gets(secret: str, form: str) -> None:
    output = f"begun\n{form.format(secret)}\nended\n".encode()
    assert secret.encode() not in content_of_output(ended(), output)
