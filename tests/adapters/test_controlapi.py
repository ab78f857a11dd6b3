import contextlib
import grp
import json
import os
import shutil
import subprocess
import sys
import threading

import pytest

from tests.builders import NOON, busy_snapshot, finished_run, run_id
from tests.cli.agents import witness
from torchsync.adapters.controlapi import Admission, ControlSurface
from torchsync.adapters.http import bind_unix, close_all, serve
from torchsync.cli.client import ControlClient
from torchsync.core import control
from torchsync.core.control import (
    Ask,
    DrainHost,
    LiftHold,
    PauseTasks,
    PinRevision,
    Reload,
    ReloadProgress,
    Rollback,
    RunTask,
    StopRuns,
    SyncNow,
    SyncProgress,
)
from torchsync.core.entries import HistoryQuery, HistoryRow
from torchsync.core.holds import EVERY_TASK, HOST, REF, SYNCS, held_task
from torchsync.core.model import Instant
from torchsync.core.web import Peer, Request, of_text
from torchsync.core.why import Present, explain
from torchsync.errors import NotFound, StateUnwritable, TorchsyncError, Unavailable

ROOT = Peer(uid=0, user="root", groups=frozenset({0}))
OLD_RUN = finished_run(id=run_id(9))


class Agent:
    """Stands for the loop: answers what is asked, and remembers it."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []
        self.queries = []
        self.denied = []

    def post(self, ask: Ask):
        self.asked.append(ask.request)
        if self.answers:
            threading.Timer(0.01, ask.reply.put, [self.answers.pop(0)]).start()

    def history(self, query):
        self.queries.append(query)
        return [HistoryRow(task="nightly-backup", first=NOON, last=NOON, count=1, decided_at=NOON, run=OLD_RUN)]

    def output(self, wanted, attempt):
        kept = {0: (b"one\n", b"two\n"), 2: (b"two\n",)}.get(attempt)
        return (piece for piece in kept) if kept and wanted == OLD_RUN.id else None

    def why(self, task, at):
        return "nothing is known" if task == "unknown" else explain(witness, task, at, NOON, Present())

    def surface(self, **changes):
        defaults = {
            "read": busy_snapshot,
            "post": self.post,
            "history": self.history,
            "why": self.why,
            "find_run": lambda wanted: OLD_RUN if wanted == OLD_RUN.id else None,
            "output": self.output,
            "tail": lambda run, attempt, place: (b"x" * attempt, place + attempt) if run == OLD_RUN.id else None,
            "probes": lambda request: of_text("probe"),
            "admission": Admission(agent_uid=os.getuid(), group=None),
            "on_denied": lambda peer, path: self.denied.append((peer.actor, path)),
        }
        return ControlSurface(**(defaults | changes))

    def ask(self, path, method="GET", body=b"", peer=ROOT, **query):
        answer = self.surface()(Request(method=method, path=path, query=query, body=lambda: body, peer=peer))
        return answer.status, json.loads(answer.body)


@contextlib.contextmanager
def served(tmp_path, agent, mode=0o600, **changes):
    path = tmp_path / "control.sock"
    running = serve(bind_unix(path, mode=mode), agent.surface(**changes), print)
    try:
        yield path
    finally:
        close_all([running], patience=60)  # nobody answers any more


@pytest.mark.parametrize(
    ("path", "body", "wish"),
    [
        pytest.param("/api/v1/run", {"task": "nightly-backup"}, RunTask(task="nightly-backup", actor="root (0)"), id="run"),
        pytest.param("/api/v1/stop", {"target": "nightly-backup"}, StopRuns(target="nightly-backup", actor="root (0)"), id="stop"),
        pytest.param("/api/v1/sync", {}, SyncNow(actor="root (0)"), id="sync"),
        pytest.param("/api/v1/sync", {"allow_removal": "yes"}, SyncNow(actor="root (0)", allow_removal=True), id="sync that may remove"),
        pytest.param("/api/v1/reload", None, Reload(actor="root (0)"), id="reload"),
    ],
)
def test_a_verb_reaches_the_loop_with_its_actor_and_the_answer_comes_back(path, body, wish):
    agent = Agent(control.ticket_given(7))
    assert agent.ask(path, "POST", b"" if body is None else json.dumps(body).encode()) == (202, {"ticket": 7})
    assert agent.asked == [wish]


@pytest.mark.parametrize(
    ("path", "body", "wish"),
    [
        pytest.param("/api/v1/pause", {"scope": "sync"}, PauseTasks(what=(SYNCS,), actor="root (0)"), id="pause syncs"),
        pytest.param(
            "/api/v1/pause",
            {"scope": "task", "tasks": "a b a", "reason": "why", "until": "2h"},
            PauseTasks(what=(held_task("a"), held_task("b")), actor="root (0)", reason="why", until="2h"),
            id="pause tasks",
        ),
        pytest.param("/api/v1/resume", {"scope": "drain"}, LiftHold(what=(HOST,), actor="root (0)"), id="resume"),
        pytest.param("/api/v1/resume", {"scope": "all"}, LiftHold(what=(EVERY_TASK,), actor="root (0)"), id="resume all"),
        pytest.param("/api/v1/drain", {}, DrainHost(actor="root (0)"), id="drain"),
        pytest.param("/api/v1/drain", {"stop": "yes", "until": "1h"}, DrainHost(actor="root (0)", until="1h", stops_runs=True), id="stop"),
        pytest.param("/api/v1/pin", {"revision": "ABCDEF1"}, PinRevision(revision="abcdef1", actor="root (0)"), id="pin"),
        pytest.param("/api/v1/unpin", None, LiftHold(what=(REF,), actor="root (0)"), id="unpin"),
        pytest.param("/api/v1/rollback", {"reason": "bad"}, Rollback(actor="root (0)", reason="bad"), id="rollback"),
    ],
)
def test_what_is_to_be_held_reaches_the_loop_with_its_actor(path, body, wish):
    agent = Agent(control.held(["it is so"], 3))
    assert agent.ask(path, "POST", b"" if body is None else json.dumps(body).encode()) == (200, {"sentences": ["it is so"], "ticket": 3})
    assert agent.asked == [wish]


@pytest.mark.parametrize(("path", "wish"), [("/api/v1/syncs/7", SyncProgress(ticket=7)), ("/api/v1/reloads/8", ReloadProgress(ticket=8))])
def test_a_ticket_is_asked_for_in_the_loop(path, wish):
    agent = Agent(control.pending(wish.ticket))
    assert agent.ask(path) == (200, {"ticket": wish.ticket, "done": False})
    assert agent.asked == [wish]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/run", b""),
        ("/api/v1/run", b"{"),
        ("/api/v1/run", b"[]"),
        ("/api/v1/run", b'{"task": 1}'),
        ("/api/v1/run", b'{"task": "a", "actor": "root"}'),
        ("/api/v1/run", b"\xff\xfe"),
        ("/api/v1/run", b"[" * 60_000),
        ("/api/v1/stop", b'{"task": "a"}'),
        ("/api/v1/sync", b'{"force": "yes"}'),
        ("/api/v1/sync", b'{"allow_removal": "no"}'),
        ("/api/v1/pause", b""),
        ("/api/v1/pause", b'{"scope": "drain"}'),
        ("/api/v1/pause", b'{"scope": "task", "tasks": " "}'),
        ("/api/v1/pause", b'{"scope": "all", "tasks": "a"}'),
        ("/api/v1/pause", b'{"scope": "all", "actor": "root"}'),
        ("/api/v1/resume", b'{"scope": "all", "reason": "why"}'),
        ("/api/v1/drain", b'{"stop": "no"}'),
        ("/api/v1/unpin", b'{"revision": "a"}'),
        ("/api/v1/rollback", b'{"revision": "a"}'),
    ],
)
def test_what_is_not_understood_never_reaches_the_loop(path, body):
    agent = Agent()
    status, document = agent.ask(path, "POST", body)
    assert (status, document["error"]["code"], agent.asked) == (400, "TS356", [])


def test_reading_and_verbs_have_their_own_methods():
    agent = Agent()
    surface = agent.surface()
    assert surface(Request(method="GET", path="/api/v1/run", peer=ROOT)).headers == (("Allow", "POST"),)
    assert surface(Request(method="POST", path="/api/v1/status", peer=ROOT)).headers == (("Allow", "GET, HEAD"),)
    assert agent.asked == []


def test_the_full_form_is_shown():
    status, document = Agent().ask("/api/v1/tasks")
    assert status == 200
    assert document["tasks"][0]["command"] == {"shell": "/bin/sh", "text": "./scripts/backup.sh --all"}
    assert Agent().ask("/api/v1/status")[1]["facts"]["addresses"] == ["10.2.0.7"]
    assert len(Agent().ask("/api/v1/runs")[1]["runs"]) == 2


def test_a_run_is_found_in_flight_or_in_the_ledger():
    assert Agent().ask(f"/api/v1/runs/{run_id(1)}")[1]["state"] == "running"
    assert Agent().ask(f"/api/v1/runs/{OLD_RUN.id}")[1]["outcome"] == "succeeded"
    status, document = Agent().ask(f"/api/v1/runs/{run_id(77)}")
    assert (status, document["error"]["code"]) == (404, "TS352")


@pytest.mark.parametrize(
    "path", ["/", "/api/v1/runs/..", "/api/v1/runs/../../etc/passwd/output", "/api/v1/syncs/x", "/api/v1/syncs/1" + "0" * 30]
)
def test_there_is_nothing_else(path):
    assert Agent().ask(path)[0] == 404


def test_a_stretch_of_an_output_says_where_the_next_one_begins():
    def asked(run, **query):
        return Agent().surface()(Request(method="GET", path=f"/api/v1/runs/{run}/tail", query=query, peer=ROOT))

    answer = asked(OLD_RUN.id, attempt="2", **{"from": "7"})
    assert (answer.status, answer.body, answer.headers) == (200, b"xx", (("Torchsync-Next", "9"),))
    assert asked(OLD_RUN.id).headers == (("Torchsync-Next", "1"),)
    assert asked(OLD_RUN.id, attempt="x").status == 400
    assert asked(run_id(99)).status == 404


def test_why_is_asked_for_a_task_and_maybe_a_moment():
    status, document = Agent().ask("/api/v1/why", task="nightly-backup", at="2026-11-23T02:30:00Z")
    assert (status, document["task"], document["at"]) == (200, "nightly-backup", "2026-11-23T02:30:00.000Z")
    assert Agent().ask("/api/v1/why", task="nightly-backup")[0] == 200
    assert Agent().ask("/api/v1/why", task="unknown") == (404, {"error": {"code": "TS352", "message": "nothing is known"}})


@pytest.mark.parametrize(
    "query", [{}, {"at": "2026-11-23T02:30:00Z"}, {"task": "a", "at": "2026-11-23T02:30:00"}, {"task": "a", "when": "x"}]
)
def test_why_of_something_else_is_told_so(query):
    assert Agent().ask("/api/v1/why", **query)[0] == 400


def test_history_is_asked_for_as_the_query_says():
    agent = Agent()
    assert agent.ask("/api/v1/history", task="a", failed="true", since="2026-11-23T12:00:00Z", limit="7")[0] == 200
    assert agent.ask("/api/v1/history", runs="true", until="2026-11-23T12:00:00Z", skip="3", limit="99999999")[0] == 200
    assert agent.queries == [
        HistoryQuery(task="a", failed=True, since=Instant(NOON), limit=7),
        HistoryQuery(runs=True, until=Instant(NOON), skip=3, limit=10_000),
    ]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"limit": "many"}, "limit is to be a number; found 'many'"),
        ({"skip": "x"}, "skip is to be a number; found 'x'"),
        ({"failed": "yes"}, "failed is to be true or false; found 'yes'"),
        ({"runs": ""}, "runs is to be true or false; found ''"),
        ({"since": "yesterday"}, "'yesterday' is no date and time; write it as 2026-11-23T20:00:00Z"),
        ({"until": "now"}, "'now' is no date and time"),
        ({"tsk": "a"}, "unknown parameter 'tsk'; known are task, failed"),
    ],
)
def test_a_history_query_that_makes_no_sense_is_told_so(query, told):
    status, document = Agent().ask("/api/v1/history", **query)
    assert status == 400
    assert document["error"]["message"].startswith(told)


def test_trouble_with_the_ledger_is_told_with_its_code():
    def broken(_):
        raise StateUnwritable("TS333", "the disk is on fire")

    answer = Agent().surface(history=broken)(Request(method="GET", path="/api/v1/history", peer=ROOT))
    assert (answer.status, json.loads(answer.body)["error"]) == (503, {"code": "TS333", "message": "the disk is on fire"})


@pytest.mark.parametrize(
    ("peer", "admitted"),
    [
        pytest.param(ROOT, True, id="root"),
        pytest.param(Peer(uid=990, user="torchsync", groups=frozenset({990})), True, id="the agent's user"),
        pytest.param(Peer(uid=1000, user="alice", groups=frozenset({1000, 70})), True, id="member"),
        pytest.param(Peer(uid=1001, user="mallory", groups=frozenset({1001})), False, id="stranger"),
    ],
)
def test_who_may_use_the_socket(peer, admitted):
    assert Admission(agent_uid=990, group=70).admits(peer) is admitted


def test_without_the_group_on_the_host_nobody_is_a_member():
    assert not Admission(agent_uid=990, group=None).admits(Peer(uid=1000, user="alice", groups=frozenset({1000})))


def test_a_stranger_learns_nothing_and_is_told_of():
    agent = Agent()
    mallory = Peer(uid=1001, user="mallory", groups=frozenset())
    for path in ("/api/v1/status", "/metrics", "/nothing"):
        assert agent.surface(admission=Admission(agent_uid=0, group=None))(Request(method="GET", path=path, peer=mallory)).status == 403
    assert agent.denied[0] == ("mallory (1001)", "/api/v1/status")
    assert agent.surface()(Request(method="GET", path="/api/v1/status")).status == 403


# Over a real socket, with the real client.


def test_the_client_gets_documents_and_streams(tmp_path):
    agent = Agent(control.run_started(run_id(3)))
    with served(tmp_path, agent) as path:
        client = ControlClient(path)
        assert client.get("/api/v1/status")["host"] == "db-1"
        assert client.post("/api/v1/run", {"task": "a"}) == {"run": run_id(3)}
        assert b"".join(client.stream(f"/api/v1/runs/{OLD_RUN.id}/output")) == b"one\ntwo\n"
        assert b"".join(client.stream(f"/api/v1/runs/{OLD_RUN.id}/output?attempt=2")) == b"two\n"
        with pytest.raises(NotFound):
            list(client.stream(f"/api/v1/runs/{OLD_RUN.id}/output?attempt=3"))
        assert client.get("/api/v1/history", {"task": "a b&c"})["entries"]
    assert agent.queries == [HistoryQuery(task="a b&c")]
    assert agent.asked[0].actor.endswith(f"({os.getuid()})")


def test_the_client_tells_errors_apart(tmp_path):
    agent = Agent(control.not_found("this host has no task 'x'"), control.conflict("it runs already"))
    with served(tmp_path, agent) as path:
        client = ControlClient(path)
        with pytest.raises(NotFound, match="no task 'x'") as found:
            client.post("/api/v1/run", {"task": "x"})
        assert found.value.code == "TS352"
        with pytest.raises(TorchsyncError, match="runs already") as found:
            client.post("/api/v1/run", {"task": "x"})
        assert found.value.code == "TS355"
    with pytest.raises(Unavailable, match="no agent answers") as found:
        client.get("/api/v1/status")
    assert found.value.code == "TS350"


def as_nobody(path, *groups):
    program = "import sys; from torchsync.cli.client import ControlClient; from pathlib import Path\n"
    program += "try: ControlClient(Path(sys.argv[1])).get('/api/v1/status'); print('admitted')\n"
    program += "except Exception as error: print(type(error).__name__, error.code)\n"
    switch = ["setpriv", "--reuid=65534", "--regid=65534", f"--groups={','.join(groups)}" if groups else "--clear-groups", "--"]
    environment = {"PYTHONPATH": ":".join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([*switch, sys.executable, "-c", program, str(path)], capture_output=True, text=True, env=environment, check=False)
    return (done.stdout + done.stderr).strip()


@pytest.fixture
def open_folder(tmp_path_factory):
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root and setpriv to act as another user")
    folder = tmp_path_factory.mktemp("control")
    for parent in (folder, *folder.parents):
        if parent.owner() == "root" and not parent.stat().st_mode & 0o001:
            parent.chmod(0o755)
    probe = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--", sys.executable, "-c", "import torchsync"],
        cwd=folder,
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        check=False,
    )
    if probe.returncode:
        pytest.skip("another user cannot run this interpreter here")
    return folder


def test_another_user_is_kept_out_by_the_mode_of_the_socket(open_folder):
    with served(open_folder, Agent(), mode=0o660) as path:
        assert as_nobody(path) == "Refused TS351"


def test_another_user_is_kept_out_by_his_credentials_where_the_mode_does_not(open_folder):
    agent = Agent()
    with served(open_folder, agent, mode=0o666) as path:
        assert as_nobody(path) == "Refused TS351"
    assert agent.denied == [("nobody (65534)", "/api/v1/status")]


def test_a_member_of_the_group_is_admitted_by_his_supplementary_groups(open_folder):
    group = grp.getgrall()[-1].gr_gid
    with served(open_folder, Agent(), mode=0o666, admission=Admission(agent_uid=0, group=group)) as path:
        assert as_nobody(path) == "Refused TS351"
        assert as_nobody(path, str(group)) == "admitted"
        assert as_nobody(path, *(str(number) for number in range(30_000, 30_300)), str(group)) == "Refused TS351"
