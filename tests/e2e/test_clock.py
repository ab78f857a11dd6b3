"""A whole agent under a clock that misbehaves. Its wall clock is that of the machine plus what a file says; everything else is real."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.e2e.host import Document, Host, cron, environment, moment, wait_for

HOUR = 3600

# Reads the seconds by which the clock is ahead whenever it is asked for the time.
SHIFTED = """
import runpy, sys, time
ahead, true_time = sys.argv.pop(1), time.time_ns
def shifted():
    with open(ahead) as file:
        return true_time() + int(float(file.read() or 0) * 1_000_000_000)
time.time_ns = shifted
runpy.run_module("torchsync", run_name="__main__", alter_sys=True)
"""


class ShiftedHost:
    """A host whose agents are started with a clock that `step` moves."""

    def __init__(self, host: Host, script: str = SHIFTED) -> None:
        self.host = host
        self.script = script
        self.ahead = host.folder / "ahead"
        self.step(0)

    def step(self, ahead: int) -> None:
        fresh = self.ahead.with_suffix(".new")
        fresh.write_text(str(ahead))
        fresh.rename(self.ahead)

    def start(self) -> None:
        with self.host.log.open("ab") as log:
            words = [sys.executable, "-c", self.script, str(self.ahead), "agent", "--config", str(self.host.config)]
            self.host.agent = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment(), cwd="/")
        wait_for("the agent to answer", self.host.is_up)

    def saw(self, event: str) -> bool:
        return any(line["event"] == event for line in self.host.events())

    def standing(self, task: str) -> list[Document]:
        """What covers an instant, oldest first."""
        entries = [entry for entry in self.host.entries(task) if entry["first"] and not entry["annulled"]]
        return sorted(entries, key=lambda entry: entry["first"])


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_jump_of_the_clock_and_its_return_lose_nothing_and_double_nothing(host: Host, is_killed: bool) -> None:
    shifted = ShiftedHost(host)
    shifted.start()
    host.tasks(beat=cron("true", max_running=0, starting_deadline="3s"))
    wait_for("a few runs", lambda: len(host.outcomes("beat")) >= 3)
    shifted.step(2 * HOUR)
    wait_for("the jump to be noticed", lambda: shifted.saw("clock_jumped"))
    jumped = time.time()
    wait_for("runs in the jump", lambda: max(moment(run["instant"]) for run in host.runs("beat")) > jumped + 2 * HOUR + 1)
    if is_killed:
        host.kill()
    shifted.step(0)
    if is_killed:
        shifted.start()
    wait_for("the return to be noticed", lambda: shifted.saw("clock_returned"))
    seen = time.time()
    # The return is told before what the jump caused is annulled, at the end of the turn.
    wait_for("runs after it", lambda: seen + 2 < moment(shifted.standing("beat")[-1]["last"]) <= time.time())
    entries = shifted.standing("beat")
    instants = [moment(entry["first"]) + number for entry in entries for number in range(entry["count"])]
    assert instants == [instants[0] + number for number in range(len(instants))], "each second once"
    started = Counter(entry["run"]["instant"] for entry in entries if entry["run"])
    assert set(started.values()) == {1}
    wait_for("the end of a run in the jump", lambda: has_run_in_a_jump(host))
    assert max(moment(run["started_at"]) for run in host.runs("beat") if run["started_at"]) <= time.time()


def has_run_in_a_jump(host: Host) -> bool:
    annulled = [entry for entry in host.entries("beat") if entry["annulled"]]
    return any(entry["run"] and entry["run"]["outcome"] == "succeeded" for entry in annulled)


def test_an_agent_in_1970_waits_and_goes_on_when_the_clock_is_right(host: Host, tmp_path: Path) -> None:
    shifted = ShiftedHost(host)
    shifted.step(-int(time.time()) + HOUR)
    shifted.start()
    revision = host.tasks(beat=cron("true"))
    host.wait_for_revision(revision)
    if not shifted.saw("clock_impossible"):
        pytest.skip("only where the kernel does not say that its clock is synchronised")
    time.sleep(2)
    assert host.entries("beat") == []
    assert [notice["code"] for notice in host.status()["notices"]] == ["TS336"]
    shifted.step(0)
    wait_for("fires to go on", lambda: len(host.outcomes("beat")) >= 2)
    wait_for("that to be said", lambda: shifted.saw("clock_believed"))
    assert sum(entry["count"] for entry in host.entries("beat")) < 3_600, "nothing of the years between"


def test_an_agent_that_was_stopped_for_a_while_has_seen_no_step_and_tells_what_it_missed(host: Host) -> None:
    agent = host.start()
    host.tasks(beat=cron("true", starting_deadline="1s"))
    wait_for("a run", lambda: len(host.outcomes("beat")) >= 1)
    agent.send_signal(signal.SIGSTOP)
    time.sleep(5)
    agent.send_signal(signal.SIGCONT)
    wait_for("what was missed", lambda: any(entry["reason"] == "missed" for entry in host.entries("beat")))
    wait_for("fires to go on", lambda: host.entries("beat")[0]["run"] is not None)
    entries = sorted((entry for entry in host.entries("beat") if entry["first"]), key=lambda entry: entry["first"])
    covered = [moment(entry["first"]) + number for entry in entries for number in range(entry["count"])]
    assert covered == [covered[0] + number for number in range(len(covered))]
    assert not any(event["event"] == "clock_stepped" for event in host.events())
