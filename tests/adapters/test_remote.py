"""The agent's side of the remote, against real git, a real server and a real sync process; and the contract, which the fake keeps too."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.adapters.contract_gitsource import *  # noqa: F403 the contract
from tests.adapters.contract_gitsource import World, eventually, request, resolved, synced
from tests.builders import task
from tests.fakes_git import FakeGitSource
from tests.gitrepo import GOOD, Repo, one_task
from tests.gitserver import GitServer, make_certificate, tarpit
from torchsync.adapters.child import session_members
from torchsync.adapters.clock import SystemClock
from torchsync.adapters.remote import RemoteGit
from torchsync.adapters.wakeups import SelectorWakeups
from torchsync.core.inventory import HostEntry, Inventory
from torchsync.core.model import Millis, Revision
from torchsync.core.syncdoc import RecoveryAction, RemoteSpec, Verdict
from torchsync.errors import Problem
from torchsync.ports import Resolved, ResolveFailed, SyncAnswered

CANARY = "ghp-canary-8f3b1c"


class FakeWorld:
    def __init__(self, tmp_path: Path) -> None:
        self.posted: list[object] = []
        self.source = FakeGitSource(self.posted.append)
        self.remote = RemoteSpec(url="https://git.example.org/tasks.git", ref="main")
        self.state = tmp_path

    def push(self, *names: str, hosts: str = "", site: str = "", is_valid: bool = True, follows: bool = True) -> Revision:
        problems = () if is_valid else (Problem(code="TS111", message="wrong"),)
        tasks = [task(name, hosts=(hosts,) if hosts else ()) for name in names]
        inventory = Inventory(hosts={"db-1": HostEntry(labels={"site": site})}, groups={site: (f"site={site}",)}) if site else Inventory()
        return self.source.push(*tasks, problems=problems, parent=None if follows else "", inventory=inventory)

    def break_remote(self) -> None:
        self.source.is_reachable = False

    def hold(self) -> None:
        self.source.is_held = True

    def next_event(self) -> object:
        return self.posted.pop(0)

    def events(self, seconds: float) -> Sequence[object]:
        return self.posted

    def has_tree(self, tree: str) -> bool:
        return tree in self.source.trees


class RealWorld:
    def __init__(self, tmp_path: Path) -> None:
        self.repo = Repo(tmp_path / "tasks")
        self.state = tmp_path / "state"
        self.state.mkdir()
        self.wakeups = SelectorWakeups()
        self.source = RemoteGit(self.state, self.wakeups, SystemClock())
        self.remote = RemoteSpec(url=self.repo.url, ref="main")

    def push(self, *names: str, hosts: str = "", site: str = "", is_valid: bool = True, follows: bool = True) -> Revision:
        if not follows:
            self.repo.git("checkout", "--quiet", "--orphan", "other")
            self.repo.git("branch", "--quiet", "-D", "main")
            self.repo.git("branch", "--quiet", "-m", "main")
        fields = {"hosts": f'["{hosts}"]'} if hosts else {}
        files = {f"tasks/{name}.yaml": one_task(name, **fields) for name in names}
        if site:
            files["hosts.yaml"] = f"hosts: {{db-1: {{labels: {{site: {site}}}}}}}\ngroups: {{{site}: [site={site}]}}\n"
        return Revision(self.repo.commit(files if is_valid else files | {"tasks/bad.yaml": "version: 1\ntasks: 7\n"}))

    def break_remote(self) -> None:
        self.repo.folder.rename(self.repo.folder.with_name("gone"))

    def hold(self) -> None:
        """Starting takes longer than the next line of the test."""

    def next_event(self) -> object:
        (event,) = self.wakeups.wait(Millis(60_000))
        return event

    def expire(self) -> None:
        """The time of the child under way is over; `test_child.py` shows that it comes by itself."""
        self.source._child._expire()

    def events(self, seconds: float) -> Sequence[object]:
        return self.wakeups.wait(Millis(int(seconds * 1000)))

    def has_tree(self, tree: str) -> bool:
        return (self.state / "worktrees" / tree).is_dir()


@pytest.fixture(params=["fake", "real"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    made = FakeWorld(tmp_path) if request.param == "fake" else RealWorld(tmp_path)
    yield made
    made.source.cancel()


@pytest.fixture
def real(tmp_path: Path) -> Iterator[RealWorld]:
    made = RealWorld(tmp_path)
    yield made
    made.source.cancel()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[Path, Path]]:
    return make_certificate(tmp_path_factory.mktemp("tls") / "ca")


@pytest.fixture
def server(real: RealWorld, certificate: tuple[Path, tuple[Path, Path]], tmp_path: Path) -> Iterator[GitServer]:
    """An https server for the repository of `real`, which is configured for it."""
    ca, pair = certificate
    server = GitServer(tmp_path, token=CANARY, tls=pair)
    token_file = tmp_path / "token"
    token_file.write_text(f"{CANARY}\n")
    real.remote = replace(real.remote, url=server.url("tasks"), ca_file=str(ca), token_file=str(token_file))
    yield server
    server.close()


# What resolve says.


def test_a_branch_comes_before_a_tag_of_the_same_name(real: RealWorld) -> None:
    tagged = real.push("one")
    real.repo.git("tag", "v1")
    real.repo.git("branch", "v1")
    real.push("two")
    event = resolved(real, ref="v1")
    assert event == Resolved(tagged, "refs/heads/v1", event.seconds)


def test_a_path_of_this_machine_is_a_remote(real: RealWorld) -> None:
    revision = real.push("one")
    real.remote = replace(real.remote, url=str(real.repo.folder))
    assert isinstance(resolved(real), Resolved)
    assert synced(real, revision).verdict is Verdict.ACCEPTED


def test_an_annotated_tag_resolves_to_its_commit(real: RealWorld) -> None:
    tagged = real.push("one")
    real.repo.git("tag", "-a", "-m", "release", "v1")
    real.push("two")
    event = resolved(real, ref="v1")
    assert event == Resolved(tagged, "refs/tags/v1", event.seconds)
    answer = synced(real, tagged)
    assert answer.verdict is Verdict.ACCEPTED


def test_a_full_ref_is_taken_as_it_is(real: RealWorld) -> None:
    revision = real.push("one")
    real.repo.git("update-ref", "refs/changes/7/head", revision)
    event = resolved(real, ref="refs/changes/7/head")
    assert event == Resolved(revision, "refs/changes/7/head", event.seconds)


def test_an_empty_repository_has_no_head(real: RealWorld) -> None:
    event = resolved(real, ref="")
    assert isinstance(event, ResolveFailed)
    assert event.problem.code == "TS205"


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"url": "https://bot:hunter2@git.example.org/t.git"}, id="password in the url"),
        pytest.param({"url": "http://git.example.org/t.git"}, id="not encrypted"),
        pytest.param({"url": "ext::sh -c id"}, id="ext"),
        pytest.param({"url": "--upload-pack=id"}, id="option"),
        pytest.param({"ref": "--upload-pack=id"}, id="option as ref"),
        pytest.param({"ref": "a..b"}, id="range as ref"),
        pytest.param({"path": "../other"}, id="path out of the repository"),
    ],
)
def test_settings_that_cannot_work_start_no_process(real: RealWorld, changes: dict[str, str]) -> None:
    event = resolved(real, **changes)
    assert isinstance(event, ResolveFailed)
    assert event.problem.code == "TS303"
    assert "hunter2" not in str(event.problem)


@pytest.mark.parametrize("others", [(), ("timeout",)], ids=["nothing is there", "only git is not there"])
def test_a_git_that_is_not_installed_is_said(
    real: RealWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others: tuple[str, ...]
) -> None:
    for name in others:
        (tmp_path / name).symlink_to(shutil.which(name) or "")
    monkeypatch.setenv("PATH", str(tmp_path))
    real.source = RemoteGit(real.state, real.wakeups, SystemClock())
    event = resolved(real)
    assert isinstance(event, ResolveFailed)
    assert event.problem.code == "TS320"


# Deadlines.


def test_a_remote_that_never_answers_costs_the_timeout_and_leaves_no_process(real: RealWorld) -> None:
    with tarpit() as port:
        real.source.resolve(replace(real.remote, url=f"https://127.0.0.1:{port}/tasks.git"))
        session = real.source._child.pid
        assert eventually(lambda: any(b"git-remote-https" in command for command in commands_of(session)))
        real.expire()
        event = real.next_event()
        assert isinstance(event, ResolveFailed)
        assert (event.problem.code, event.timed_out) == ("TS204", True)
        assert eventually(lambda: session_members(session) == [])


def test_a_cancelled_resolve_leaves_no_process(real: RealWorld) -> None:
    with tarpit() as port:
        real.source.resolve(replace(real.remote, url=f"https://127.0.0.1:{port}/tasks.git"))
        session = real.source._child.pid
        assert eventually(lambda: any(b"git-remote-https" in command for command in commands_of(session)))
        real.source.cancel()
        assert eventually(lambda: session_members(session) == [])


def test_a_fetch_that_never_ends_costs_the_timeout_and_leaves_no_process(real: RealWorld) -> None:
    revision = real.push("one")
    with tarpit() as port:
        real.remote = replace(real.remote, url=f"https://127.0.0.1:{port}/tasks.git", clone_timeout_ms=4_000)
        real.source.sync(request(real, revision))
        session = real.source._child.pid
        event = real.next_event()
        assert isinstance(event, SyncAnswered)
        assert (event.answer.verdict, event.answer.problems[0].code) == (Verdict.UNAVAILABLE, "TS204")
        assert event.answer.git_timeouts == 1
        assert eventually(lambda: session_members(session) == [])


def test_a_sync_process_that_takes_too_long_is_ended_with_its_git(real: RealWorld, tmp_path: Path) -> None:
    stuck = tmp_path / "python"
    stuck.write_text("#!/bin/sh\nsleep 600 & sleep 600\n")
    stuck.chmod(0o755)
    real.source = RemoteGit(real.state, real.wakeups, SystemClock(), python=str(stuck))
    real.remote = replace(real.remote, timeout_ms=200, clone_timeout_ms=200)
    real.source.sync(request(real, real.push("one")))
    session = real.source._child.pid
    event = real.next_event()
    assert isinstance(event, SyncAnswered)
    assert (event.answer.verdict, event.answer.problems[0].code) == (Verdict.UNAVAILABLE, "TS204")
    assert eventually(lambda: session_members(session) == [])


# A sync process that dies or lies.


@pytest.mark.parametrize(
    ("script", "says"),
    [
        pytest.param("exit 3", "status 3", id="dies"),
        pytest.param("kill -9 $$", "status -9", id="is killed"),
        pytest.param("echo MemoryError >&2; exit 1", "MemoryError", id="says why"),
        pytest.param("echo hello", "cannot be", id="is no json"),
        pytest.param("echo '{}'", "lacks", id="is empty"),
        pytest.param('echo \'{"verdict": "accepted", "revision": "@REVISION@", "surprise": 1}\'', "nobody asked for", id="unknown field"),
        pytest.param("cat @OTHER@", "is about", id="other revision"),
        pytest.param("cat @NO_TREE@", "is not there", id="tree that is not there"),
        pytest.param("cat @NO_REASON@", "0 problems", id="rejected for nothing"),
        pytest.param("cat @KEPT@", "not in force", id="keeps what nobody knows"),
    ],
)
def test_a_sync_process_that_dies_or_lies_fails_the_sync(real: RealWorld, tmp_path: Path, script: str, says: str) -> None:
    from torchsync.core.jsontext import canonical
    from torchsync.core.model import TaskName, TreeId
    from torchsync.core.syncdoc import SyncAnswer
    from torchsync.core.taskdoc import answer_document

    revision = real.push("one")
    good = SyncAnswer(verdict=Verdict.ACCEPTED, revision=revision, tree=TreeId("a" * 40))
    answers = {
        "OTHER": replace(good, revision=Revision("b" * 40)),
        "NO_TREE": good,
        "NO_REASON": replace(good, verdict=Verdict.REJECTED),
        "KEPT": replace(good, kept=(TaskName("ghost"),)),
    }
    for name, answer in answers.items():
        (tmp_path / name).write_text(canonical(answer_document(answer)))
        script = script.replace(f"@{name}@", str(tmp_path / name))
    liar = tmp_path / "python"
    liar.write_text(f"#!/bin/sh\n{script.replace('@REVISION@', revision)}\n")
    liar.chmod(0o755)
    real.source = RemoteGit(real.state, real.wakeups, SystemClock(), python=str(liar))
    answer = synced(real, revision)
    assert (answer.verdict, [problem.code for problem in answer.problems]) == (Verdict.FAILED, ["TS220"])
    assert says in answer.problems[0].message


def test_a_sync_process_that_accepts_the_tip_in_place_of_the_pin_is_not_believed(real: RealWorld, tmp_path: Path) -> None:
    from torchsync.core.jsontext import canonical
    from torchsync.core.taskdoc import answer_document

    first, tip = real.push("one"), real.push("two")
    (tmp_path / "answer").write_text(canonical(answer_document(synced(real, tip))))
    liar = tmp_path / "python"
    liar.write_text(f"#!/bin/sh\ncat {tmp_path}/answer\n")
    liar.chmod(0o755)
    real.source = RemoteGit(real.state, real.wakeups, SystemClock(), python=str(liar))
    assert synced(real, tip).verdict is Verdict.ACCEPTED
    real.source.sync(replace(request(real, tip), pin=first))
    event = real.next_event()
    assert isinstance(event, SyncAnswered)
    assert event.answer.verdict is Verdict.FAILED
    assert f"is about {tip[:12]}" in event.answer.problems[0].message


def test_after_kills_at_random_moments_the_next_sync_works(real: RealWorld) -> None:
    draw = random.Random(20261123)
    for number in range(8):
        revision = real.push(f"task-{number}")
        real.source.sync(request(real, revision))
        session = real.source._child.pid
        time.sleep(draw.uniform(0.2, 0.9))
        os.kill(session, signal.SIGKILL)
        event = real.next_event()
        assert isinstance(event, SyncAnswered)
        assert event.answer.verdict in (Verdict.FAILED, Verdict.ACCEPTED)
        assert eventually(lambda session=session: session_members(session) == [])
    answer = synced(real, revision)
    assert answer.verdict is Verdict.ACCEPTED
    assert len(answer.tasks) == 8
    assert not list(real.state.glob(".repo*")) + list((real.state / "worktrees").glob(".new-*"))


# https, credentials.


def test_a_private_repository_is_read_over_tls_with_a_token(real: RealWorld, server: GitServer) -> None:
    revision = real.push("one")
    event = resolved(real)
    assert isinstance(event, Resolved), event
    answer = synced(real, revision)
    assert answer.verdict is Verdict.ACCEPTED, answer.problems
    assert server.users == {"git"}


def test_the_token_is_read_again_at_each_sync(real: RealWorld, server: GitServer) -> None:
    real.push("one")
    assert isinstance(resolved(real), Resolved)
    server.token = "rotated"
    Path(real.remote.token_file).write_text("rotated")
    assert isinstance(resolved(real), Resolved)


def test_a_wrong_token_is_said_and_not_shown(real: RealWorld, server: GitServer) -> None:
    revision = real.push("one")
    server.token = "another"
    event = resolved(real)
    assert isinstance(event, ResolveFailed)
    assert event.problem.code == "TS202"
    answer = synced(real, revision)
    assert (answer.verdict, answer.problems[0].code) == (Verdict.UNAVAILABLE, "TS202")
    assert CANARY not in repr((event, answer))


def test_a_token_file_that_is_not_there_is_said(real: RealWorld, server: GitServer) -> None:
    Path(real.remote.token_file).unlink()
    event = resolved(real)
    assert isinstance(event, ResolveFailed)
    assert event.problem.code == "TS202"
    assert server.seen == []


def test_a_certificate_of_an_unknown_ca_is_refused(real: RealWorld, server: GitServer) -> None:
    real.push("one")
    event = resolved(real, ca_file="")
    assert isinstance(event, ResolveFailed)
    assert event.problem.code == "TS210"


def test_a_certificate_for_another_host_is_refused(real: RealWorld, tmp_path: Path) -> None:
    ca, pair = make_certificate(tmp_path / "other", host="git.example.org")
    server = GitServer(tmp_path, tls=pair)
    event = resolved(real, url=server.url("tasks"), ca_file=str(ca))
    server.close()
    assert isinstance(event, ResolveFailed)
    assert event.problem.code == "TS210"


def test_a_redirect_to_another_server_never_gets_the_token(
    real: RealWorld, server: GitServer, certificate: tuple[Path, tuple[Path, Path]]
) -> None:
    real.push("one")
    thief = GitServer(real.repo.folder.parent, token="x", tls=certificate[1])
    server.redirect = thief.origin
    event = resolved(real)
    thief.close()
    assert isinstance(event, ResolveFailed)
    assert thief.seen
    assert set(thief.seen) == {""}


def test_a_redirect_to_plain_http_is_not_followed(real: RealWorld, server: GitServer, tmp_path: Path) -> None:
    real.push("one")
    plain = GitServer(tmp_path)
    server.token, server.redirect = "", plain.origin
    event = resolved(real)
    plain.close()
    assert isinstance(event, ResolveFailed)
    assert plain.seen == []


def test_the_token_is_in_no_command_line_environment_file_or_message(real: RealWorld, server: GitServer) -> None:
    revision = real.push("one")
    server.gate.clear()
    real.source.sync(request(real, revision))
    assert eventually(lambda: any(seen for seen in server.seen))  # git has sent the token and waits for the answer
    session = real.source._child.pid
    members = session_members(session)
    assert len(members) >= 3
    for pid in members:
        for name in ("cmdline", "environ"):
            assert CANARY.encode() not in Path(f"/proc/{pid}/{name}").read_bytes()
    server.gate.set()
    event = real.next_event()
    assert isinstance(event, SyncAnswered)
    assert event.answer.verdict is Verdict.ACCEPTED
    assert CANARY not in repr(event)
    for path in real.state.rglob("*"):
        assert not path.is_file() or CANARY.encode() not in path.read_bytes()


def test_nothing_of_the_surroundings_reaches_git(
    real: RealWorld, server: GitServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".netrc").write_text("machine 127.0.0.1 login a password b\n")
    (home / ".gitconfig").write_text('[url "https://thief.example/"]\n\tinsteadOf = https://\n')
    for name, value in {
        "HOME": str(home),
        "GIT_DIR": "/nonexistent",
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        "GIT_SSL_CAINFO": "/nonexistent",
        "GIT_SSL_NO_VERIFY": "1",
        "SSL_CERT_FILE": "/nonexistent",
        "https_proxy": "http://127.0.0.1:9",
        "GIT_TRACE": str(tmp_path / "trace"),
    }.items():
        monkeypatch.setenv(name, value)
    revision = real.push("one")
    assert isinstance(resolved(real), Resolved)
    assert synced(real, revision).verdict is Verdict.ACCEPTED
    assert not (tmp_path / "trace").exists()


# Repairs, as the agent sees them.


def test_a_damaged_pack_is_found_by_reading_and_the_mirror_rebuilt(real: RealWorld) -> None:
    revision = real.push("one", "two")
    assert synced(real, revision).verdict is Verdict.ACCEPTED
    (pack,) = (real.state / "repo.git" / "objects" / "pack").glob("*.pack")
    content = bytearray(pack.read_bytes())
    for place in range(12, len(content) - 20):
        content[place] ^= 0xFF
    pack.chmod(0o600)
    pack.write_bytes(content)
    answer = synced(real, revision)
    assert answer.verdict is Verdict.ACCEPTED, answer.problems
    assert answer.recoveries == {RecoveryAction.MIRROR: 1}
    assert not list(real.state.glob(".repo*"))


def test_a_tree_that_was_edited_is_written_anew(real: RealWorld) -> None:
    revision = Revision(real.repo.commit(GOOD))
    tree = synced(real, revision).tree
    script = real.state / "worktrees" / tree / "scripts" / "backup.sh"
    script.write_text("#!/bin/sh\nrm -rf /\n")
    answer = synced(real, revision)
    assert answer.recoveries == {RecoveryAction.TREE: 1}
    assert script.read_text() == GOOD["scripts/backup.sh"]


def commands_of(session: int) -> list[bytes]:
    found = []
    for pid in session_members(session):
        try:
            found.append(Path(f"/proc/{pid}/cmdline").read_bytes())
        except OSError:
            continue
    return found
