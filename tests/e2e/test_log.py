"""The log of a whole agent and those who read it."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys

from tests.e2e.host import Host, cron, environment, wait_for

_F_SETPIPE_SZ = 1031
NAMES = [f"beat-{number}" for number in range(6)]


def ends(host: Host) -> dict[str, int]:
    return {name: host.outcomes(name).count("succeeded") for name in NAMES}


def test_a_reader_of_the_log_that_stands_still_delays_no_fire_and_gets_every_line_later(host: Host) -> None:
    """A pipe that is full after the first few fires."""
    read_end, write_end = os.pipe()
    fcntl.fcntl(write_end, _F_SETPIPE_SZ, 4096)
    host.tasks(**{name: cron("true") for name in NAMES})
    words = [sys.executable, "-m", "torchsync", "agent", "--config", str(host.config)]
    host.agent = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=write_end, stderr=write_end, env=environment(), cwd="/")
    os.close(write_end)
    wait_for("the agent to answer", host.is_up)
    wait_for("three fires of each task", lambda: min(ends(host).values(), default=0) >= 3)
    ended = {run["id"] for name in NAMES for run in host.runs(name) if run["outcome"]}
    told: set[str] = set()
    with os.fdopen(read_end) as reader:
        while not ended <= told:
            line = json.loads(reader.readline())
            if line["event"] == "run_ended":
                told.add(line["run"])
        host.agent.terminate()
        reader.read()
    assert host.agent.wait(60) == 0
