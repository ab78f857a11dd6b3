"""The sync process under attack, and taken over: the agent loses a sync, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.corpus.cases import Tree
from tests.corpus.hostile import HOSTILE
from tests.e2e.host import Host, cron, environment, moment, wait_for
from tests.liar import LIES, MISDEEDS, liar, tell

START = """
import sys
from torchsync.adapters.remote import RemoteGit
from torchsync.cli.main import main
RemoteGit.__init__.__defaults__ = (sys.argv[1],)
sys.exit(main(sys.argv[2:]))
"""
PATIENT = {"close and stay", "ignore the end", "complain for ever"}
"""What ends with the deadline only; tests/adapters/test_remote_lies.py has them."""


class Victim:
    def __init__(self, host: Host) -> None:
        self.host = host
        self.client = host.client

    def count(self, outcome: str) -> int:
        return int(self.host.metric(f'torchsync_sync_total{{result="{outcome}"}}'))

    def in_force(self) -> str:
        return str(self.client.get("/api/v1/status")["generation"]["revision"])

    def saved(self) -> bytes:
        return (self.host.state / "generation.json").read_bytes()

    def memory_kib(self) -> int:
        assert self.host.agent is not None
        status = Path(f"/proc/{self.host.agent.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))

    def assert_no_gap(self, since: float) -> None:
        """Every second since then is in the history, and ran."""
        entries = [
            entry
            for entry in self.client.get("/api/v1/history", {"task": "beat", "limit": "10000"})["entries"]
            if moment(entry["first"]) >= since
        ]
        assert all(entry["reason"] is None for entry in entries)
        instants = sorted(round(moment(entry["first"])) + step for entry in entries for step in range(entry["count"]))
        assert instants == list(range(instants[0], instants[-1] + 1))
        assert instants[-1] >= time.time() - 60


@pytest.fixture
def victim(host: Host) -> Iterator[Victim]:
    """An agent whose sync process is in the hands of `tests.liar`."""
    program = liar(host.folder)
    host.tasks(beat=cron("true", max_running=0))
    with host.log.open("ab") as log:
        words = [sys.executable, "-c", START, str(program), "agent", "--config", str(host.config)]
        host.agent = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment(), cwd="/")
    wait_for("the agent to answer", host.is_up)
    one = Victim(host)
    wait_for("the first tasks", lambda: one.client.get("/api/v1/status")["generation"] is not None)
    yield one
    assert "internal_error" not in [event["event"] for event in host.events()]


def test_no_lie_of_the_sync_process_stops_the_schedule_or_is_stored(victim: Victim) -> None:
    since, in_force, saved, memory = time.time(), victim.in_force(), victim.saved(), victim.memory_kib()
    tell(victim.host.folder, "nothing")  # Before there is something to sync: the agent asks by itself, too.
    truth = victim.host.tasks(beat=cron("true", max_running=0), more=cron("true"))
    for lie in [*LIES, "die"]:
        tell(victim.host.folder, lie)
        failed = victim.count("failed")
        victim.client.post("/api/v1/sync")
        wait_for(f"the sync with {lie!r} to fail", lambda: victim.count("failed") > failed)  # noqa: B023 called at once
        assert victim.in_force() == in_force
        assert victim.saved() == saved
    victim.assert_no_gap(since)
    assert victim.memory_kib() < memory + 96 * 1024  # what was read and thrown away, up to 128 MiB at a time, is not all given back at once
    tell(victim.host.folder, "leave a child")
    victim.client.post("/api/v1/sync")
    wait_for("the truth", lambda: victim.in_force() == truth)
    assert set(MISDEEDS) - PATIENT == {"die", "leave a child"}


def hostile_files() -> dict[str, bytes]:
    """All of the corpus that fits into one commit, each under a name of its own."""
    files: dict[str, bytes] = {}
    for name, make in HOSTILE.items():
        tree: Tree = make()
        path = tree.entries[0].path
        if len(tree.entries) == 1 and path.startswith("tasks/"):
            files[f"tasks/{name}{Path(path).suffix}"] = tree.contents[path]
    return files


def test_a_commit_full_of_hostile_files_costs_the_agent_nothing(host: Host) -> None:
    host.tasks(beat=cron("true", max_running=0))
    host.start()
    victim = Victim(host)
    wait_for("the first tasks", lambda: victim.client.get("/api/v1/status")["generation"] is not None)
    since, in_force, memory = time.time(), victim.in_force(), victim.memory_kib()
    files = hostile_files()
    assert len(files) > 40
    for name, content in files.items():
        (host.clone / name).write_bytes(content)
    hostile = host.commit({})
    wait_for("the rejection", lambda: victim.client.get("/api/v1/status")["sync"]["rejected"] == hostile, 240)
    assert victim.in_force() == in_force
    assert victim.memory_kib() < memory + 16 * 1024
    victim.assert_no_gap(since)
    assert "internal_error" not in [event["event"] for event in host.events()]
