"""Operators at work on a real agent that is killed under them: pauses, drains, pins and rollbacks."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.adapters.disks import fill, small_disk
from tests.e2e.host import Document, Host, cron, environment, git, moment, never, wait_for

MARK = 'echo "$TORCHSYNC_SCHEDULED_AT" >>{}'
DAEMON: Document = {"type": "daemon", "command": "exec sleep 600"}


def said(host: Host, *words: str) -> str:
    done = host.torchsync(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(host: Host, *words: str) -> tuple[int, str]:
    done = host.torchsync(*words)
    return done.returncode, done.stderr


def killed(host: Host) -> None:
    """The agent is killed without a warning, and another one started."""
    host.kill()
    host.start()


def marks(host: Host) -> list[float]:
    """The instants whose command began."""
    file = host.folder / "marks"
    return [moment(line) for line in file.read_text().split()] if file.exists() else []


def held(host: Host) -> list[str]:
    return [hold["sentence"] for hold in host.status()["holds"]]


def covered(host: Host, task: str) -> list[int]:
    """The instants of the history, in seconds, as often as they are in it."""
    found: list[int] = []
    for entry in host.entries(task):
        if entry["first"]:
            found += range(int(moment(entry["first"])), int(moment(entry["last"])) + 1)
    return sorted(found)


def test_no_task_starts_under_a_pause_whatever_is_killed_between_the_verbs(host: Host) -> None:
    host.tasks(beat=cron(MARK.format(host.folder / "marks"), max_running=0))
    host.start()
    wait_for("the first runs", lambda: len(marks(host)) >= 2)
    spans = []
    for words in (("beat",), ("--all",), ("beat", "--until", "1h")):
        said(host, "pause", *words, "--reason", "the disk is full")
        since = time.time()
        killed(host)
        time.sleep(2.2)
        until = time.time()
        said(host, "resume", words[0])
        spans.append((since, until))
        killed(host)
        before = len(marks(host))
        wait_for("runs after the pause", lambda: len(marks(host)) > before)  # noqa: B023 called at once
    started = marks(host)
    assert [at for at in started for since, until in spans if since < at < until] == []
    assert len(started) == len(set(started))
    instants = covered(host, "beat")
    assert instants == list(range(instants[0], instants[-1] + 1))
    acts = [entry["hold"]["act"] for entry in host.entries() if entry["hold"]]
    assert acts == ["lifted", "placed"] * 3
    skips = [entry for entry in host.entries("beat") if entry["reason"] == "paused"]
    assert sum(entry["count"] for entry in skips) >= 6


def test_a_pause_ends_by_itself_and_says_who_placed_it_to_operators_only(host: Host) -> None:
    host.tasks(beat=cron("true"))
    host.start()
    wait_for("a run", lambda: host.outcomes("beat") != [])
    said(host, "pause", "beat", "--reason", "a private matter", "--until", "1h")
    host.wait_for_metric('torchsync_paused{scope="task"}', 1)
    host.wait_for_metric('torchsync_task_paused{task="beat"}', 1)
    (sentence,) = held(host)
    assert sentence.startswith("the task beat is paused by ")
    assert sentence.endswith(": a private matter")
    public = host.get("/api/v1/status")[1]
    assert '"scope": "task"' in public
    assert "private" not in public
    assert "actor" not in public
    said(host, "pause", "beat", "--until", "2s")
    before = len(host.outcomes("beat"))
    wait_for("runs after the end", lambda: len(host.outcomes("beat")) > before + 1)
    wait_for("the pause to be gone", lambda: held(host) == [])
    assert "the pause of beat expired" in said(host, "history")
    told = [event["sentence"] for event in host.events() if event["event"] == "hold_expired"]
    assert told == ["the pause of beat expired"], "told before it is shown"


def test_a_drained_host_becomes_empty_also_when_the_agent_is_killed_on_the_way(host: Host) -> None:
    end, begun = host.folder / "end", ("proxy", "long", "stubborn")
    host.tasks(proxy=DAEMON, long=never(f"until [ -e {end} ]; do sleep 0.1; done"), stubborn=never("exec sleep 600"), report=never("true"))
    host.start()
    wait_for("the daemon", lambda: host.runs("proxy") != [])
    for task in ("long", "stubborn"):
        said(host, "run", task)
    # What an agent has not begun when it is killed, the next one would have to begin: it does not, under a drain.
    wait_for("all of them to have begun", lambda: {run["state"] for task in begun for run in host.runs(task)} == {"running"})
    assert "the drain was placed" in said(host, "drain", "--reason", "new kernel")
    killed(host)
    end.touch()
    wait_for("the daemon and the run to end", lambda: host.outcomes("proxy") == ["stopped"] and host.outcomes("long") == ["succeeded"])
    wait_for("one run to be left", lambda: host.status()["runs_in_progress"] == 1)
    status, error = refused(host, "run", "report")
    assert status == 1
    assert "this host is drained by" in error
    assert said(host, "drain", "--stop", "--wait").splitlines()[-1] == "nothing runs any more"
    wait_for("the record of the stop", lambda: host.outcomes("stubborn") == ["stopped"])
    killed(host)
    wait_for("the drain to be in force again", lambda: host.status()["tasks"]["paused"] == 4)
    assert said(host, "resume", "--drain").startswith("the drain was lifted by")
    wait_for("the daemon to come back", lambda: len(host.runs("proxy")) == 2)


def test_paused_syncs_stay_where_they_are_over_a_restart_and_in_a_single_sync(host: Host) -> None:
    first = host.tasks(a=never("true"))
    host.start()
    host.wait_for_revision(first)
    said(host, "pause", "--sync", "--reason", "freeze")
    second = host.tasks(b=never("true"))
    assert "paused: syncs are paused by" in said(host, "sync", "--wait")
    assert "freeze" in said(host, "sync")
    killed(host)
    wait_for("a paused sync", lambda: host.metric('torchsync_sync_total{result="paused"}') >= 1)
    assert host.revision() == first
    assert host.get("/readyz")[0] == 200
    assert host.terminate() == 0
    words = [sys.executable, "-m", "torchsync", "agent", "--once", "--config", str(host.config)]
    done = subprocess.run(words, capture_output=True, text=True, env=environment(), check=False, timeout=120)
    assert (done.returncode, done.stdout.startswith("paused: syncs are paused by")) == (0, True)
    host.start()
    assert host.revision() == first
    said(host, "resume", "--sync")
    host.wait_for_revision(second)


def test_a_rollback_outlives_the_agent_and_ends_with_the_first_good_commit(host: Host) -> None:
    revisions = [host.tasks(a=never(f"echo {number}")) for number in range(2)]
    host.start()
    host.wait_for_revision(revisions[-1])
    for number in (2, 3):
        revisions.append(host.tasks(a=never(f"echo {number}")))
        host.wait_for_revision(revisions[-1])
    _, first, second, third = revisions
    assert f"applied: {second[:12]}" in said(host, "rollback", "--wait", "--reason", "it deletes too much")
    host.wait_for_metric("torchsync_pinned", 1)
    killed(host)
    assert host.revision() == second
    assert f"applied: {first[:12]}" in said(host, "rollback", "--wait")
    bad = host.commit({"tasks/bad.yaml": "tasks: 7\n"})
    wait_for("the rejection", lambda: host.status()["sync"]["rejected"] == bad)
    assert host.revision() == first
    good = host.commit({"tasks/bad.yaml": None})
    host.wait_for_revision(good)
    wait_for("the rollback to end", lambda: held(host) == [])
    assert "is newer and in force" in said(host, "history")
    assert third in git("log", "--format=%H", cwd=host.clone)


def test_a_rollback_works_without_the_remote_and_while_the_agent_is_killed(host: Host) -> None:
    first = host.tasks(a=never("echo 1"))
    host.start()
    host.wait_for_revision(first)
    second = host.tasks(a=never("echo 2"))
    host.wait_for_revision(second)
    host.remote.rename(host.folder / "away")
    said(host, "rollback")
    host.kill()
    host.start()
    host.wait_for_revision(first)
    (host.folder / "away").rename(host.remote)
    assert f"unchanged: {first[:12]} is in force already; it is pinned" in said(host, "sync", "--wait")
    assert f"applied: {second[:12]}" in said(host, "unpin", "--wait")


def test_a_pin_is_followed_by_its_first_digits_and_by_no_other_branch(host: Host) -> None:
    first = host.tasks(a=never("echo 1"))
    host.tasks(a=never("echo 2"))
    third = host.tasks(a=never("echo 3"))
    git("checkout", "-q", "-b", "evil", cwd=host.clone)
    git("commit", "-q", "--allow-empty", "-m", "evil", cwd=host.clone)
    git("push", "-q", "origin", "evil", cwd=host.clone)
    evil = git("rev-parse", "HEAD", cwd=host.clone)
    git("checkout", "-q", "main", cwd=host.clone)
    host.start()
    host.wait_for_revision(third)
    assert f"applied: {first[:12]}" in said(host, "pin", first[:8], "--wait", "--reason", "to compare")
    killed(host)
    assert [hold["revision"] for hold in host.status()["holds"]] == [first]
    status, error = refused(host, "pin", evil, "--wait")
    assert status == 77
    assert "TS219" in error
    assert host.revision() == first
    assert f"applied: {third[:12]}" in said(host, "unpin", "--wait")


@pytest.fixture
def small_host() -> Iterator[Host]:
    """Its state is on a disk of its own."""
    folder = Path(tempfile.mkdtemp(prefix="tse-", dir="/tmp"))
    folder.chmod(0o755)
    with small_disk(folder / "state", "size=16m"), closing(Host(folder)) as one:
        yield one
    shutil.rmtree(folder, ignore_errors=True)


def test_on_a_full_disk_a_hold_is_refused_and_nothing_is_half_done(small_host: Host) -> None:
    host = small_host
    host.tasks(beat=cron("true"))
    host.start()
    wait_for("a run", lambda: host.outcomes("beat") != [])
    said(host, "pause", "beat", "--until", "30s")  # Longer than what follows takes.
    ballast = fill(host.state)
    status, error = refused(host, "pause", "--all")
    assert status == 1
    assert "TS333" in error
    assert "nothing was changed" in error
    status, error = refused(host, "resume", "beat")
    assert (status, "nothing was changed" in error) == (1, True)
    wait_for("the pause to end by itself", lambda: held(host) == [], 120)
    killed(host)
    wait_for("it to end again", lambda: held(host) == [])
    ballast.unlink()
    wait_for("the state to be written", lambda: host.metric("torchsync_state_degraded") == 0)
    said(host, "pause", "--all")
    killed(host)
    assert len(held(host)) == 1
