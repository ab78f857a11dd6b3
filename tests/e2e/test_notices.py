"""Notices of a real agent: to servers that are away, over kills of the agent, as commands, and without a trace of what is secret."""

from __future__ import annotations

import os
import pwd
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.host import EVERY_SECOND, Document, Host, cron, is_alive, never, wait_for
from tests.e2e.test_secrets import search_everywhere, watching
from tests.receiver import HookServer
from torchsync.adapters.child import session_members

ME = pwd.getpwuid(os.geteuid()).pw_name
TOKEN = "canary-hook-51f0"


@pytest.fixture
def server() -> Iterator[HookServer]:
    with closing(HookServer()) as server:
        yield server


def allow(host: Host, server: HookServer, way: str = "switch") -> None:
    """Notices may go to the server; its address is in the secret `slack`."""
    secret = host.folder / "slack"
    secret.write_text(f"{server.url(way)}/{TOKEN}\n")
    secret.chmod(0o600)
    policy: Document = {"default_user": "root", "allow_root": True} if os.geteuid() == 0 else {}
    policy |= {"secrets": {"slack": {"file": str(secret), "users": [ME], "notify": True}}, "notify_hosts": [server.origin]}
    host.configure(policy=policy)


def events(server: HookServer, since: int = 0) -> list[object]:
    return [post.json["event"] for post in server.posts[since:]]


def test_failures_reach_a_server_that_was_away_once_each_whoever_was_killed(host: Host, server: HookServer) -> None:
    allow(host, server)
    server.is_down = True
    job = never("test -e good", working_dir=str(host.folder), notify=[{"webhook": {"url_secret": "slack"}}])
    host.tasks(job=job)
    host.start()
    wait_for("the task", lambda: host.revision() is not None)
    assert host.agent is not None
    for _ in range(3):
        host.torchsync("run", "job", "--wait")
    wait_for("an attempt", lambda: len(server.posts) > 0)
    host.agent.send_signal(signal.SIGSTOP)  # So that nobody joins those who send for it.
    senders = host.children()
    host.kill()
    wait_for("those who send for it to end", lambda: not any(is_alive(pid) for pid in senders))
    server.catch_up()
    server.is_down = False
    tried = len(server.posts)
    host.start()
    wait_for("three notices", lambda: len(server.posts) >= tried + 3)
    (host.folder / "good").touch()
    host.torchsync("run", "job", "--wait")
    wait_for("the recovery", lambda: events(server, tried)[-1] == "recovery")
    assert events(server, tried) == ["failure", "failure", "failure", "recovery"]
    runs = host.runs("job")
    assert [post.json["run"] for post in server.posts[tried:]] == [run["id"] for run in runs]
    assert [post.json["failures"] for post in server.posts[tried:]] == [1, 2, 3, 3]
    wait_for("the agent to know that it was heard", lambda: [event["event"] for event in host.events()].count("notice_sent") == 4)
    host.kill()
    host.start()
    host.torchsync("run", "job", "--wait")
    assert len(server.posts) == tried + 4


def test_a_command_is_told_and_runs_in_the_tree(host: Host) -> None:
    out = host.folder / "mail"
    notify = [{"on": ["failure"], "exec": ["./mail.sh", str(out)]}]
    script = '#!/bin/sh\necho "$TORCHSYNC_EVENT $TORCHSYNC_TASK $TORCHSYNC_EXIT_STATUS $(id -un) $LEVEL" >>"$1"\n'
    host.commit({"mail.sh": script})
    host.tasks(job=never("exit 3", notify=notify, env={"LEVEL": "9"}))
    host.start()
    wait_for("the task", lambda: host.revision() is not None)
    host.torchsync("run", "job", "--wait")
    wait_for("the mail", lambda: out.exists() and out.read_text().endswith("\n"))
    assert out.read_text() == f"failure job 3 {ME} 9\n"


def test_a_command_ends_with_its_agent_and_the_next_agent_runs_it_again(host: Host) -> None:
    pids = host.folder / "pids"
    script = f"echo $$ >>{pids}; [ $(wc -l <{pids}) -gt 1 ] || {{ sleep 300 & wait; }}"
    host.tasks(job=never("exit 3", notify=[{"on": ["failure"], "exec": ["/bin/sh", "-c", script]}]))
    host.start()
    wait_for("the task", lambda: host.revision() is not None)
    host.torchsync("run", "job", "--wait")
    wait_for("the command", lambda: pids.exists() and bool(pids.read_text()))
    (first,) = pids.read_text().split()
    assert session_members(int(first)) != []
    host.kill()
    wait_for("the command to end", lambda: session_members(int(first)) == [])
    host.start()
    wait_for("the command again", lambda: len(pids.read_text().split()) == 2)
    wait_for("the end of it", lambda: any(event["event"] == "notice_sent" for event in host.events()))
    host.kill()
    host.start()
    wait_for("a sync", lambda: host.status()["sync"]["last"] is not None)
    assert len(pids.read_text().split()) == 2


def test_a_server_that_is_silent_delays_no_run(host: Host, server: HookServer) -> None:
    """It is waited for ten seconds; a run that waited with it would miss its deadline. Of two that come late together both may run."""
    allow(host, server, "silent")
    notify = [{"on": ["success"], "webhook": {"url_secret": "slack"}}]
    host.tasks(job=cron("true", EVERY_SECOND, notify=notify, starting_deadline="8s", max_running=0))
    host.start()
    wait_for("six runs", lambda: len(host.outcomes("job")) >= 6)
    assert set(host.outcomes("job")) == {"succeeded"}
    assert [entry["reason"] for entry in host.entries("job") if entry["reason"]] == []
    wait_for("the server to be asked", lambda: server.connections >= 1)


def test_an_address_that_is_not_granted_is_refused_by_this_host(host: Host) -> None:
    host.tasks(job=never("true", notify=[{"webhook": {"url": "https://169.254.169.254/latest"}}]))
    host.start()
    wait_for("the refusal", lambda: any(event["event"] == "commit_problem" for event in host.events()))
    assert host.revision() is None
    (told,) = [event for event in host.events() if event["event"] == "commit_problem"]
    assert "https://169.254.169.254 is not among policy.notify_hosts of this host" in str(told)


def test_the_address_of_a_receiver_is_seen_nowhere(host: Host, server: HookServer, tmp_path: Path) -> None:
    allow(host, server)
    host.tasks(job=never("exit 1", notify=[{"webhook": {"url_secret": "slack"}}, {"ping": {"url_secret": "slack"}}]))
    secret = host.folder / "slack"
    with watching(TOKEN) as watch:
        host.start()
        wait_for("the task", lambda: host.revision() is not None)
        host.torchsync("run", "job", "--wait")
        wait_for("three posts", lambda: len(server.posts) == 3)
        server.is_down = True
        host.torchsync("run", "job", "--wait")
        wait_for("a failed attempt", lambda: any(event["event"] == "notice_delayed" for event in host.events()))
        assert all(TOKEN in post.target for post in server.posts)
        assert "python" in "".join(watch.seen)
        secret.unlink()
        search_everywhere(watch, host)
        assert watch.found == set()
