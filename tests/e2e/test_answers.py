"""The answers of a real agent: why, logs -f, run --follow and what is kept, with the agent killed in between."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import BinaryIO

import pytest

from tests.e2e.host import Document, Host, cron, environment, never, wait_for


def why(host: Host, task: str, at: str = "") -> Document:
    """By the configuration, so that the state directory answers when no agent does."""
    out, err = client(host, "why", task, "--json", *(["--at", at] if at else [])).communicate(timeout=120)
    assert out, err.decode()
    answer: Document = json.loads(out)
    return answer


def client(host: Host, *words: str, out: BinaryIO | int = subprocess.PIPE) -> subprocess.Popen[bytes]:
    """A command that goes on while the test does, and prints to `out`."""
    arguments = [sys.executable, "-m", "torchsync", *words, "--config", str(host.config)]
    return subprocess.Popen(arguments, env=environment(), stdout=out, stderr=subprocess.PIPE, cwd=host.folder)


def newest_entry(host: Host, task: str, is_it: Callable[[Document], bool]) -> Document:
    """The newest line of the history that is such a one."""
    wait_for("such a line", lambda: any(map(is_it, host.entries(task))))
    return next(filter(is_it, host.entries(task)))


def test_every_instant_is_explained_by_what_was_in_force_then(host: Host) -> None:
    host.start()
    first = host.tasks(beat=cron("true"), held=cron("true"))
    host.wait_for_revision(first)
    ran = newest_entry(host, "beat", lambda entry: entry["run"] and entry["run"]["outcome"])["first"]
    assert host.torchsync("pause", "held", "--reason", "an experiment").returncode == 0
    # Not just any skip: a fire that came late may have found the one before it still running.
    paused = newest_entry(host, "held", lambda entry: entry["reason"] == "paused")["last"]
    second = host.tasks(beat=cron("true", "0 0 1 1 *"))
    host.wait_for_revision(second)
    found = why(host, "beat", ran)
    assert (found["finding"], found["generation"]["revision"], found["schedule"]["schedule"]) == ("ran", first, "* * * * * *")
    assert found["definition"]["until"] is not None
    found = why(host, "held", paused)
    assert found["finding"] == "skipped"
    assert "an experiment" in found["sentence"]
    wait_for("a second without the task", lambda: why(host, "held", _now())["finding"] == "not_here")
    assert why(host, "beat")["finding"] in ("to_come", "before_baseline")


def test_what_was_missed_says_that_no_agent_ran_and_the_state_directory_says_so_too(host: Host) -> None:
    host.start()
    host.wait_for_revision(host.tasks(beat=cron("true", starting_deadline="1s")))
    wait_for("a run", lambda: bool(host.outcomes("beat")))
    host.kill()
    time.sleep(1.1)
    at = _now()
    time.sleep(3)
    assert why(host, "beat", at)["finding"] == "undecided"
    host.start()
    wait_for("the decision", lambda: why(host, "beat", at)["finding"] == "missed")
    found = why(host, "beat", at)
    assert "no agent decided it" in found["sentence"]
    assert found["agent_start"]["last_sign"] <= at


@pytest.mark.parametrize("words", [["logs", "-f"], ["run", "--follow"]])
def test_an_output_is_followed_over_a_kill_of_the_agent_and_nothing_is_lost_or_doubled(host: Host, words: list[str]) -> None:
    host.start()
    go, out = host.folder / "go", host.folder / "out"
    count = "for i in {}; do echo line $i; sleep 0.3; done"
    host.wait_for_revision(
        host.tasks(long=never(f"{count.format('1 2 3')}; until [ -e {go} ]; do sleep 0.1; done; {count.format('4 5 6')}; exit 3"))
    )
    if words[0] == "logs":
        assert host.torchsync("run", "long").returncode == 0
    with out.open("wb") as file:
        following = client(host, *words, "long", out=file)
    wait_for("it to follow", lambda: bool(out.read_bytes()))
    host.kill()
    time.sleep(1)
    go.touch()
    host.start()
    _, err = following.communicate(timeout=60)
    assert out.read_bytes() == b"".join(b"line %d\n" % number for number in range(1, 7)), err
    assert following.returncode == (0 if words[0] == "logs" else 11)
    wait_for("the record", lambda: host.outcomes("long") == ["failed"])  # Without an agent the end is followed by the files of the run.


def test_each_attempt_of_a_run_is_followed_and_the_end_of_one_is_not_that_of_the_run(host: Host) -> None:
    host.start()
    retry = {"attempts": 2, "delay": "1s"}
    host.wait_for_revision(host.tasks(again=never("echo try $TORCHSYNC_ATTEMPT; sleep 1; exit 1", retry=retry)))
    following = client(host, "run", "--follow", "again")
    out, err = following.communicate(timeout=60)
    assert out == b"try 1\n... attempt 2 ...\ntry 2\n", err
    assert following.returncode == 11


def test_a_wait_that_is_interrupted_leaves_the_run(host: Host) -> None:
    host.start()
    go = host.folder / "go"
    host.wait_for_revision(host.tasks(long=never(f"until [ -e {go} ]; do sleep 0.1; done")))
    waiting = client(host, "run", "long", "--wait")
    assert waiting.stdout is not None
    assert waiting.stdout.readline(), "the id of the run, once the agent has answered"
    waiting.send_signal(signal.SIGINT)
    _, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 130
    assert b"goes on" in err
    go.touch()
    wait_for("its end", lambda: host.outcomes("long") == ["succeeded"])


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
