"""From a fault to whoever is paged for it: two agents, Prometheus, Alertmanager and a receiver, with the rules and routes that `grafana/` ships."""

from __future__ import annotations

import shutil
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.host import Document, Host, cron, wait_for
from tests.e2e.threadstop import stopped_thread
from tests.monitoring import PROGRAMS, Monitoring

SPEED = 30
"""A minute is two seconds: twice as long as the longest wait of an agent's loop."""

MISSING = [program for program in PROGRAMS if shutil.which(program) is None]

needs_servers = pytest.mark.skipif(bool(MISSING), reason=f"{' and '.join(MISSING)} is not installed")


@pytest.fixture
def other(host: Host) -> Iterator[Host]:
    """A second host that follows the repository of the first."""
    folder = host.folder / "other"
    folder.mkdir()
    one = Host(folder)
    yield one
    one.close()


@needs_servers
def test_each_fault_pages_its_people_once_and_is_over_once(host: Host, other: Host, tmp_path: Path) -> None:
    both = (host, other)
    fails, hangs = host.folder / "fails", host.folder / "hangs"
    host.tasks(**tasks(fails, hangs))
    for name, one in zip(("h1", "h2"), both, strict=True):
        one.configure(repository={"url": f"file://{host.remote}", "interval": "10s"}, host={"name": name})
        one.start(until_up=False)
    with Monitoring(tmp_path, [address(one) for one in both], speed=SPEED) as monitoring:
        heard = Heard(monitoring)
        wait_for("a success of each task", lambda: len(monitoring.query("torchsync_task_last_success_timestamp_seconds > 0")) == 4)

        fails.touch()
        hangs.touch()
        host.commit({"tasks/broken.yaml": "tasks: ["})
        for one in both:
            one.wait_for_metric("torchsync_commit_rejected", 1)
        with stopped_thread(loop_of(other), others_go_on=lambda: answers(other)):
            heard.wait("TorchsyncTaskFailing", "firing")
            fails.unlink()
            heard.wait("TorchsyncSchedulerStalled", "firing")
        heard.wait("TorchsyncTaskLate", "firing")
        hangs.unlink()
        heard.wait("TorchsyncFleetCommitRejected", "firing")

        frozen, dead = both
        # It is away for longer than its task may take to succeed, and is to be heard of for that no more when it is back.
        assert frozen.torchsync("pause", "hanging").returncode == 0
        send(signal.SIGSTOP, frozen)
        wait_for("the frozen agent to be missed", lambda: len(monitoring.query("up == 0")) == 1)
        dead.kill()
        host.commit({"tasks/broken.yaml": None})
        heard.wait("TorchsyncAgentDown", "firing")
        heard.wait("TorchsyncTaskLate", "resolved")  # which its people hear although the host is away
        send(signal.SIGCONT, frozen)
        dead.start(until_up=False)
        for alert in ("TaskFailing", "SchedulerStalled", "FleetCommitRejected", "AgentDown"):
            heard.wait(f"Torchsync{alert}", "resolved")
        wait_for("every alert to be over", lambda: monitoring.alerts() == [])

    h1, h2 = (address(one) for one in both)
    assert heard.everything() == {
        ("team-db/pager", "TorchsyncTaskFailing"): once((h1, "failing")),
        ("team-db/chat", "TorchsyncTaskLate"): once((h1, "hanging")),
        ("operations/pager", "TorchsyncSchedulerStalled"): once((h2, "")),
        ("operations/chat", "TorchsyncFleetCommitRejected"): once(("", "")),
        ("operations/pager", "TorchsyncAgentDown"): once((h1, ""), (h2, "")),
    }


def tasks(fails: Path, hangs: Path) -> dict[str, Document]:
    """One that fails while there is a file, one that hangs while there is another, and one for every host."""
    of_databases = {"hosts": ["h1"], "owner": "team-db"}
    return {
        "beat": cron("true"),
        "failing": cron(f"test ! -e {fails}", alert={"severity": "critical"}, **of_databases),
        "hanging": cron(f"while test -e {hangs}; do sleep 0.2; done", alert={"severity": "warning", "max_age": "16s"}, **of_databases),
    }


Told = dict[tuple[str, str], list[str]]
"""What one channel was told of one alert: by instance and task, that it is firing or resolved, each time that is news."""


def once(*about: tuple[str, str]) -> Told:
    """Of each that it fires, and that it is over. Whether one message says so of two hosts is a matter of when Alertmanager looks."""
    return {one: ["firing", "resolved"] for one in about}


class Heard:
    """Who was told what."""

    def __init__(self, monitoring: Monitoring) -> None:
        self._monitoring = monitoring

    def wait(self, alert: str, status: str) -> None:
        wait_for(f"{alert} to be {status}", lambda: any((one.alert, one.status) == (alert, status) for one in self._monitoring.notices()))

    def everything(self) -> dict[tuple[str, str], Told]:
        """A message in which nothing is news is told as `again` of all that it is about."""
        told: dict[tuple[str, str], Told] = {}
        for notice in self._monitoring.notices():
            before = told.setdefault((notice.channel, notice.alert), {})
            news = {one: status for one, status in notice.about.items() if before.get(one, [""])[-1] != status}
            for one, status in (news or dict.fromkeys(notice.about, "again")).items():
                before.setdefault(one, []).append(status)
        return told


def address(host: Host) -> str:
    return f"127.0.0.1:{host.port}"


def loop_of(host: Host) -> int:
    """The thread that turns the loop: an agent's first."""
    assert host.agent is not None
    return host.agent.pid


def send(number: signal.Signals, host: Host) -> None:
    assert host.agent is not None
    host.agent.send_signal(number)


def answers(host: Host) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address(host)}/metrics", timeout=1) as answer:
            return answer.status == 200
    except OSError:
        return False
