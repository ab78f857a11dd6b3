"""A shadow beside everything else: it notes what would run, starts nothing, and touches nothing of an agent."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.host import Document, Host, cron, entries_of, environment, moment, never, status_of, wait_for
from torchsync.cli.client import ControlClient
from torchsync.errors import Unavailable


class Shadowed:
    """A host with a shadow beside its agent, if there is one."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.process: subprocess.Popen[bytes] | None = None
        self.log = host.folder / "shadow.log"
        self.client = ControlClient(Path(f"{host.run_folder}-shadow") / "control.sock")

    def words(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "torchsync", *words, "--config", str(self.host.config)]

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.words("agent", "--shadow"), stdout=log, stderr=log, env=environment(), cwd="/")
        wait_for("the shadow to answer", self.is_up)

    def is_up(self) -> bool:
        try:
            self.status()
        except Unavailable:
            return False
        return True

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.words(*words), capture_output=True, text=True, env=environment(), check=False, timeout=60)

    def status(self) -> Document:
        return status_of(self.client)

    def entries(self, task: str) -> list[Document]:
        return entries_of(self.client, task)

    def runs(self, task: str) -> list[Document]:
        """Oldest first."""
        return [entry["run"] for entry in reversed(self.entries(task)) if entry["run"]]

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()


def host_user() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture
def shadowed(host: Host) -> Iterator[Shadowed]:
    one = Shadowed(host)
    yield one
    one.close()


def test_a_shadow_notes_every_fire_and_starts_nothing(shadowed: Shadowed) -> None:
    host = shadowed.host
    user = host_user()
    textfile = host.folder / "agents.prom"
    host.configure(
        policy={"secrets": {"token": {"file": str(host.folder / "not-there"), "users": [user]}}}, metrics={"textfile": str(textfile)}
    )
    mark = host.folder / "mark"
    told = [{"on": ["success", "failure", "late"], "exec": ["/bin/sh", "-c", f"echo told >> {mark}"]}]
    host.commit({"scripts/run.sh": f"#!/bin/sh\necho ran >> {mark}\n"})
    host.tasks(
        beat=cron(f"echo ran >> {mark}", notify=told),
        script=cron(["./scripts/run.sh"], credentials=["token"]),
        keep={"type": "daemon", "command": f"echo daemon >> {mark}; sleep 600", "max_running": 2},
        off=cron(f"echo off >> {mark}", enabled=False),
    )
    shadowed.start()
    wait_for("fires", lambda: all(len(shadowed.runs(task)) >= 2 and shadowed.runs(task)[0]["outcome"] for task in ("beat", "script")))
    wait_for("both copies of the daemon", lambda: len(shadowed.runs("keep")) == 2)
    assert not mark.exists()
    assert list((Path(f"{host.state}-shadow") / "runs").iterdir()) == []
    assert not host.state.exists()
    oldest = shadowed.runs("beat")[0]  # the newest may have been decided just now, and not be over yet
    assert (oldest["user"], oldest["command"]["text"], oldest["copy"]) == (user, f"echo ran >> {mark}", 0)
    assert moment(oldest["due"]) == moment(oldest["instant"])
    assert oldest["detail"].startswith("not started")
    assert {run["copy"] for run in shadowed.runs("keep")} == {1, 2}
    assert shadowed.runs("script")[0]["outcome"] == "succeeded", "no secret was read: there is none"
    assert shadowed.entries("off") == []
    status = shadowed.status()
    assert status["executor"] == "shadow"
    assert not textfile.exists(), "that file is the agent's"
    assert [notice["code"] for notice in status["notices"]] == ["TS372"]
    assert "shadow" in shadowed.run("status", "--shadow").stdout
    assert "not started" in shadowed.run("why", "beat", "--shadow", "--at", oldest["instant"]).stdout
    assert "TS350" in shadowed.run("status").stderr, "no agent answers: the shadow has a socket of its own"
    assert shadowed.run("reload", "--wait", "--shadow").returncode == 0
    log = shadowed.log.read_text()
    assert "config_reloaded" in log
    assert "config_needs_restart" not in log
    assert "http.listen" not in log
    assert shadowed.run("agent", "--shadow", "--once").returncode == 2


def test_a_shadow_that_is_killed_decides_no_instant_twice_and_forgets_none(shadowed: Shadowed) -> None:
    shadowed.host.tasks(beat=cron("false"), keep={"type": "daemon", "command": "sleep 600"})
    shadowed.start()
    wait_for("fires", lambda: bool(shadowed.runs("beat")))
    shadowed.kill()
    shadowed.start()
    before = len(shadowed.runs("beat"))
    wait_for("more fires", lambda: len(shadowed.runs("beat")) > before)
    assert [run["state"] for run in shadowed.runs("keep")] == ["running"], "a daemon is taken up, not started again"
    entries = [entry for entry in shadowed.entries("beat") if entry["first"]]
    covered = sorted(moment(entry["first"]) + number for entry in entries for number in range(entry["count"]))
    assert covered == [covered[0] + number for number in range(len(covered))]
    assert {entry["reason"] for entry in entries} <= {None, "overlap"}, "of those that come due at once one runs, as with an agent"


def test_an_agent_beside_it_goes_on_and_both_tell_of_a_rejected_commit(shadowed: Shadowed) -> None:
    host = shadowed.host
    mark = host.folder / "mark"
    revision = host.tasks(beat=cron(f"echo ran >> {mark}"), hand=never("true"))
    host.start()
    host.wait_for_revision(revision)
    shadowed.start()
    wait_for("both to have fired", lambda: bool(shadowed.runs("beat") and host.runs("beat")))
    rejected = host.tasks(beat=cron("true", "61 * * * *"))
    wait_for("the shadow to turn it down", lambda: shadowed.status()["sync"]["rejected"] == rejected)
    assert shadowed.status()["generation"]["revision"] == revision
    before = len(host.outcomes("beat"))
    shadowed.kill()
    wait_for("the agent to go on", lambda: len(host.outcomes("beat")) > before)
    assert host.get("/healthz")[0] == 200
    assert host.torchsync("pause", "--all").returncode == 0
    wait_for("the last run to leave its mark, and no shadow of one", lambda: len(mark.read_text().splitlines()) == len(host.runs("beat")))
    assert host.terminate() == 0
