import argparse
import subprocess
import sys
from dataclasses import replace

import pytest

from tests.builders import NOON, busy_snapshot, finished_run, run_id
from tests.cli.agents import agent
from torchsync.cli import control
from torchsync.cli.client import ControlClient, Place, add_place_arguments, place_of
from torchsync.core.control import (
    Reload,
    ReloadProgress,
    RunTask,
    StopRuns,
    SyncNow,
    SyncProgress,
    conflict,
    not_found,
    pending,
    reload_done,
    run_started,
    runs_stopping,
    sync_done,
    ticket_given,
)
from torchsync.core.model import Instant, Outcome
from torchsync.core.syncdoc import SyncOutcome, SyncResult
from torchsync.errors import ConfigInvalid, NotFound, Problem, TorchsyncError, Unavailable

PROBLEM = Problem(code="TS111", path="tasks/a.yaml", line=3, column=5, message="'soon' is not a length of time")


def never(_):
    raise AssertionError("waited")


def test_run_names_the_run_that_was_admitted(tmp_path, capsys):
    with agent(tmp_path, lambda request: run_started(run_id(7))) as path:
        assert control.run_task(ControlClient(path), "nightly-backup", wait=False, sleep=never) == 0
    assert capsys.readouterr().out == f"{run_id(7)}\n"


@pytest.mark.parametrize(("outcome", "status"), [(Outcome.SUCCEEDED, 0), (Outcome.FAILED, 11), (Outcome.STOPPED, 11), (Outcome.LOST, 11)])
def test_run_wait_exits_as_the_run_did(tmp_path, capsys, outcome, status):
    busy = busy_snapshot()
    running = next(iter(busy.runs.values()))
    seen = []

    def read():
        seen.append(1)
        return busy if len(seen) < 3 else replace(busy, runs={})

    over = finished_run(id=running.id, outcome=outcome, detail="as it\nwas")
    with agent(tmp_path, lambda request: run_started(running.id), read=read, find_run=lambda wanted: over) as path:
        assert control.run_task(ControlClient(path), "nightly-backup", wait=True, sleep=lambda _: None) == status
    assert len(seen) == 3
    assert f"nightly-backup {outcome.value} with exit status" in capsys.readouterr().out


def test_run_wait_of_a_run_that_never_began_fails(tmp_path, capsys):
    with agent(tmp_path, lambda request: run_started(run_id(77))) as path:
        assert control.run_task(ControlClient(path), "nightly-backup", wait=True, sleep=never) == 11
    assert "withdrawn" in capsys.readouterr().err


def test_a_wait_that_is_interrupted_leaves_the_run_and_says_so(tmp_path, capsys):
    def interrupted(_):
        raise KeyboardInterrupt

    busy = busy_snapshot()
    running = next(iter(busy.runs))
    with agent(tmp_path, lambda request: run_started(running), read=lambda: busy) as path, pytest.raises(KeyboardInterrupt):
        control.run_task(ControlClient(path), "nightly-backup", wait=True, sleep=interrupted)
    said = capsys.readouterr().err
    assert f"run {running} goes on" in said
    assert f"torchsync stop {running}" in said


def test_a_command_that_is_interrupted_before_the_agent_answers_says_where_to_look(tmp_path, capsys):
    class Interrupted(ControlClient):
        def post(self, path, fields=None):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        control.run_task(Interrupted(tmp_path / "socket"), "nightly-backup", wait=True, sleep=never)
    assert "`torchsync history nightly-backup` says whether a run began" in capsys.readouterr().err


def test_run_follow_shows_what_the_run_writes_and_nothing_else_on_stdout(tmp_path, capsysbinary):
    over = finished_run(id=run_id(9), outcome=Outcome.FAILED)
    content = b"what it wrote \xff"

    def tail(wanted, attempt, place):
        return content[place:], len(content)

    with agent(tmp_path, lambda request: run_started(over.id), find_run=lambda _: over, tail=tail) as path:
        assert control.run_task(ControlClient(path), "a", wait=False, follow=Place(path), sleep=never) == 11
    out, err = capsysbinary.readouterr()
    assert out == content
    assert err.decode() == f"{over.id}\nnightly-backup failed with exit status 1\n"


def test_run_follow_of_a_run_that_never_began_says_why(tmp_path, capsys):
    over = finished_run(id=run_id(9), outcome=Outcome.START_FAILED, exit_status=None, detail="no user x")
    with agent(tmp_path, lambda request: run_started(over.id), find_run=lambda _: over) as path:
        assert control.run_task(ControlClient(path), "a", wait=False, follow=Place(path), sleep=never) == 11
    assert "start_failed: no user x" in capsys.readouterr().err


def test_run_wait_survives_a_restart_of_the_agent(tmp_path, capsys):
    over = finished_run(id=run_id(9))
    with agent(tmp_path, lambda request: run_started(over.id)) as path:
        client = ControlClient(path)
        client.post("/api/v1/run", {"task": "a"})
    back = []

    def restart(_):
        if not back:
            back.append(agent(tmp_path, find_run=lambda wanted: over))
            back[0].__enter__()

    try:
        assert control._await_run(client, over.id, restart) == 0
    finally:
        back[0].__exit__(None, None, None)


def test_an_agent_that_stays_away_ends_the_wait(tmp_path):
    pauses = []
    with pytest.raises(Unavailable):
        control._await_run(ControlClient(tmp_path / "nobody.sock"), run_id(1), pauses.append)
    assert len(pauses) == control._PATIENCE
    assert max(pauses) == 1.0


def test_what_cannot_be_run_is_told(tmp_path):
    with agent(tmp_path, lambda request: not_found("this host has no task 'x'")) as path, pytest.raises(NotFound):
        control.run_task(ControlClient(path), "x", wait=False)
    with agent(tmp_path, lambda request: conflict("it runs")) as path, pytest.raises(TorchsyncError, match="it runs"):
        control.run_task(ControlClient(path), "x", wait=False)


def test_stop_names_the_runs_that_are_ended(tmp_path, capsys):
    asked = []

    def answer(request):
        asked.append(request)
        return runs_stopping([run_id(1), run_id(2)])

    with agent(tmp_path, answer) as path:
        assert control.stop_runs(ControlClient(path), "web-proxy") == 0
    assert isinstance(asked[0], StopRuns)
    assert asked[0].target == "web-proxy"
    assert capsys.readouterr().out.splitlines() == [run_id(1), run_id(2)]


def test_stop_says_that_there_is_nothing_to_end(tmp_path, capsys):
    with agent(tmp_path, lambda _: runs_stopping([])) as path:
        assert control.stop_runs(ControlClient(path), "web-proxy") == 0
    assert capsys.readouterr() == ("", "no run of web-proxy is under way\n")


def result(outcome, *problems):
    return SyncResult(outcome=outcome, sentence="told whole", started_at=NOON, finished_at=Instant(NOON + 5), problems=problems)


SYNC_STATUS = {"applied": 0, "unchanged": 0, "rejected": 65, "refused": 77, "unavailable": 69, "paused": 0, "failed": 1}


@pytest.mark.parametrize("outcome", list(SyncOutcome))
def test_sync_wait_exits_as_an_agent_that_syncs_once(tmp_path, capsys, outcome):
    polls = []

    def answer(request):
        match request:
            case SyncNow():
                return ticket_given(4)
            case SyncProgress(ticket=4):
                polls.append(1)
                return pending(4) if len(polls) < 3 else sync_done(4, result(outcome, PROBLEM))

    with agent(tmp_path, answer) as path:
        assert control.sync_now(ControlClient(path), wait=True, sleep=lambda _: None) == SYNC_STATUS[outcome.value]
    said = capsys.readouterr()
    assert said.out == f"{outcome.value}: told whole\n"
    assert said.err == "tasks/a.yaml:3:5: TS111 'soon' is not a length of time\n"


@pytest.mark.parametrize(("problems", "status", "word"), [((), 0, "reloaded"), ((PROBLEM,), 78, "refused")])
def test_reload_wait_exits_78_when_the_configuration_is_refused(tmp_path, capsys, problems, status, word):
    def answer(request):
        match request:
            case Reload():
                return ticket_given(1)
            case ReloadProgress(ticket=1):
                return reload_done(1, problems)

    with agent(tmp_path, answer) as path:
        assert control.reload_config(ControlClient(path), wait=True, sleep=never) == status
    assert capsys.readouterr().out == f"{word}\n"


def test_it_is_said_when_the_sync_has_to_wait_for_the_remote(tmp_path, capsys):
    with agent(tmp_path, lambda request: ticket_given(1, 72_000)) as path:
        control.sync_now(ControlClient(path), wait=False, sleep=never)
    assert capsys.readouterr().err == "the remote said that it is asked too much: the sync starts in 1m12s\n"


def test_without_wait_nothing_is_waited_for(tmp_path):
    with agent(tmp_path, lambda request: ticket_given(1)) as path:
        assert control.sync_now(ControlClient(path), wait=False, sleep=never) == 0
        assert control.reload_config(ControlClient(path), wait=False, sleep=never) == 0


@pytest.mark.parametrize(
    ("add", "execute", "words", "request_kind"),
    [
        (control.add_run_arguments, control.execute_run, ["a"], RunTask),
        (control.add_stop_arguments, control.execute_stop, ["a"], StopRuns),
        (control.add_sync_arguments, control.execute_sync, [], SyncNow),
        (control.add_reload_arguments, control.execute_reload, [], Reload),
    ],
)
def test_every_command_reaches_the_agent_from_its_arguments(tmp_path, add, execute, words, request_kind):
    asked = []

    def answer(request):
        asked.append(request)
        return {RunTask: run_started(run_id(1)), StopRuns: runs_stopping([])}.get(type(request), ticket_given(1))

    parser = argparse.ArgumentParser()
    add(parser)
    with agent(tmp_path, answer) as path:
        assert execute(parser.parse_args([*words, "--socket", str(path)])) == 0
    assert type(asked[0]) is request_kind


def test_the_socket_is_the_one_named_else_the_configured_one(tmp_path, monkeypatch):
    parser = argparse.ArgumentParser()
    add_place_arguments(parser)
    config = tmp_path / "agent.yaml"
    config.write_text(f"version: 1\nrepository: {{url: 'file:///srv/x'}}\npaths: {{state: {tmp_path}/s, run: {tmp_path}/r}}\n")
    configured = Place(tmp_path / "r" / "control.sock", tmp_path / "s")
    assert place_of(parser.parse_args(["--config", str(config)])) == configured
    assert place_of(parser.parse_args(["--config", str(config), "--socket", "/x"])) == Place(type(tmp_path)("/x"))
    monkeypatch.setenv("TORCHSYNC_CONFIG", str(config))
    assert place_of(parser.parse_args([])) == configured
    monkeypatch.setenv("TORCHSYNC_CONFIG", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigInvalid):
        place_of(parser.parse_args([]))


def test_the_client_commands_load_nothing_heavy():
    program = "import sys, torchsync.cli.control, torchsync.cli.inspect; print(' '.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"git", "yaml", "jsonschema", "prometheus_client", "cheroot", "croniter", "sqlite3", "watchfiles", "ssl"}
    assert heavy & set(loaded) <= {"ssl"}


def test_only_absence_in_a_row_counts():
    class Flickering:
        """Away for a long time, back for one answer, and so on."""

        def __init__(self):
            self.calls = 0

        def get(self, _):
            self.calls += 1
            if self.calls % control._PATIENCE:
                raise Unavailable("TS350", "away")
            return {"call": self.calls}

    answers = control.polled(Flickering(), "/", lambda _: None)
    assert [next(answers)["call"] for _ in range(3)] == [60, 120, 180]
