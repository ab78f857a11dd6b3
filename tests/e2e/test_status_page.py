"""The status page of a real agent: what is in force and by whom, what was refused, and how tasks fared, also before a kill -9."""

from __future__ import annotations

import json

from tests.e2e.host import Host, cron, git, wait_for


def test_the_page_tells_of_the_commit_of_refusals_and_of_runs_from_before_a_kill(host: Host) -> None:
    good = host.tasks(beat=cron("echo PRIVATE; exit 3", description="What it is for", env={"TOKEN": "PRIVATE"}))
    author = git("log", "-1", "--format=%an", cwd=host.clone)
    host.start()
    host.wait_for_revision(good)
    bad = host.commit({"tasks/bad.yaml": "version: 1\ntasks: {x: {schedule: PRIVATE, command: PRIVATE}}\n"})
    wait_for("two failures", lambda: len(recent(host)) >= 2)
    wait_for("the verdict", lambda: host.status()["sync"]["rejected"] == bad)
    before, refusals = len(recent(host)), host.status()["sync"]["refusals"]
    host.kill()
    host.start()
    assert host.status()["sync"]["rejected"] == bad
    assert host.status()["sync"]["refusals"] == refusals
    assert len(recent(host)) >= before
    status, page = host.get("/")
    assert status == 200
    for told in (good[:12], f"by <bdi>{author}</bdi>", bad[:12], "TS120 schedule not understood", "What it is for"):
        assert told in page
    assert "PRIVATE" not in page


def recent(host: Host) -> list[str]:
    found: list[str] = json.loads(host.get("/api/v1/tasks")[1])["tasks"][0]["recent"]
    return found
