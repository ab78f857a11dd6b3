"""A small fleet that really runs, for the preview of the dashboards and for their tests: one repository, two agents, and a Prometheus."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.host import Document, Host, cron, never, wait_for
from tests.haste import RULES, hastened, shipped
from tests.ports import free_port

PROMETHEUS = shutil.which("prometheus")
FIRST, SECOND = "db-1", "web-1"
PATIENCE = 90.0
SPEED = 30
"""How much faster than in a real fleet alerts fire, and what graphs read is recorded."""
NOBODY = "127.0.0.1:1"
"""Where nothing answers: no agent, and so no concern of the dashboards."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One series: its labels, and its numbers at moments in seconds since the epoch."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, kw_only=True)
class Prometheus:
    """The API of a Prometheus (its manual, "HTTP API")."""

    url: str

    def is_ready(self) -> bool:
        with suppress(OSError), urllib.request.urlopen(f"{self.url}/-/ready", timeout=5) as answer:
            return bool(answer.status == 200)
        return False

    def at(self, expr: str, moment: float | None = None) -> list[Answer]:
        found = self._ask("query", query=expr, **({} if moment is None else {"time": f"{moment:.3f}"}))
        return [Answer(labels=one["metric"], points=(_point(one["value"]),)) for one in found]

    def over(self, expr: str, begin: float, end: float, step: float) -> list[Answer]:
        found = self._ask("query_range", query=expr, start=f"{begin:.3f}", end=f"{end:.3f}", step=f"{step:.3f}")
        return [Answer(labels=one["metric"], points=tuple(_point(point) for point in one["values"])) for one in found]

    def _ask(self, what: str, **how: str) -> list[dict[str, Any]]:
        body = urllib.parse.urlencode(how).encode()
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{what}", data=body, timeout=30) as answer:
                found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        except urllib.error.HTTPError as refused:
            raise ValueError(f"{how['query']}: {json.load(refused)['error']}") from None
        return found


def _point(point: tuple[float, str]) -> tuple[float, float]:
    return float(point[0]), float(point[1])


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """`first` has the clone in which commits are made."""

    first: Host
    second: Host
    prometheus: Prometheus

    def sees(self, condition: str) -> None:
        """Prometheus has scraped what makes the condition true."""
        wait_for(condition, lambda: bool(self.prometheus.at(condition)), PATIENCE)


@contextmanager
def started(folder: Path, scrape: str = "1s") -> Iterator[Fleet]:
    """The fleet, with the tasks of `TASKS` in force; nothing of it is left afterwards. The path of `folder` should be short."""
    first, second = _host(folder / FIRST), _host(folder / SECOND)
    second.configure(host={"name": SECOND, "labels": {"role": "web"}}, repository={"url": f"file://{first.remote}"})
    first.configure(host={"name": FIRST, "labels": {"role": "db"}})
    first.tasks("the tasks of a small company", **TASKS)
    server = _Server(folder / "prometheus", {FIRST: first.port, SECOND: second.port}, scrape)
    try:
        for host in (first, second):
            host.start(until_up=False)
        for host in (first, second):
            wait_for("the agents to answer", host.is_up)
        wait_for("Prometheus to be ready", server.prometheus.is_ready, PATIENCE)
        yield Fleet(first=first, second=second, prometheus=server.prometheus)
    finally:
        first.close()
        second.close()
        server.close()


def _host(folder: Path) -> Host:
    folder.mkdir(mode=0o755)
    return Host(folder)


class _Server:
    """Prometheus with a configuration of its own, on loopback."""

    def __init__(self, folder: Path, ports: Mapping[str, int], scrape: str) -> None:
        if PROMETHEUS is None:
            raise FileNotFoundError("no prometheus here (Debian: prometheus)")
        folder.mkdir()
        listen = f"127.0.0.1:{free_port()}"
        targets = [{"targets": [f"127.0.0.1:{port}"], "labels": {"instance": name}} for name, port in ports.items()]
        others = [{"targets": [listen, NOBODY]}]
        jobs = [{"job_name": "torchsync", "static_configs": targets}, {"job_name": "others", "static_configs": others}]
        (folder / "rules.yml").write_text(json.dumps(hastened(shipped(RULES), SPEED)))
        often = {"scrape_interval": scrape, "evaluation_interval": scrape}
        (folder / "prometheus.yml").write_text(json.dumps({"global": often, "rule_files": ["rules.yml"], "scrape_configs": jobs}))
        self.prometheus = Prometheus(url=f"http://{listen}")
        words = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data", f"--web.listen-address={listen}"]
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen([PROMETHEUS, *words], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


# What the fleet runs: something of every outcome that a dashboard tells apart.

TASKS: dict[str, Document] = {
    "backup": cron("sleep 0.$(( $(date +%s) % 7 ))", owner="team-db", hosts=["role=db"], alert={"severity": "critical"}),
    "heartbeat": cron("true", "*/2 * * * * *", owner="team-ops", timeout="20s"),
    "mail_queue": cron("exit 3", "*/2 * * * * *", owner="team-web", alert={"max_age": "3s"}, retry={"attempts": 2, "delay": "100ms"}),
    "report": cron("sleep 2.5", owner="team-web", alert={"max_duration": "5s"}),
    "slow_query": cron("sleep 30", "*/3 * * * * *", owner="team-db", hosts=["role=db"], timeout="1s"),
    "listener": {"type": "daemon", "command": "sleep 2", "owner": "team-web", "restart": {"delay": "200ms", "backoff": 1}},
    "yearly_close": never("true", owner="team-finance"),
    "old_import": cron("true", enabled=False, owner="team-db"),
}
NEW_TASK = {"cache_warmer": cron("sleep 0.2", "*/2 * * * * *", owner="team-web", hosts=["role=web"])}
BROKEN = {"tasks/late.yaml": "version: 1\ntasks:\n  tea:\n    shedule: '@daily'\n    command: tea\n"}
MENDED = {"tasks/late.yaml": None}

BOTH_REJECT = "sum(min_over_time(torchsync_commit_rejected[1100ms])) == 2"
"""For two scrapes of half a second, so that a graph with a point for each scrape shows it."""


def play(fleet: Fleet, pause: Callable[[], object] = lambda: None) -> None:
    """A morning of the fleet: commits that are taken, one that is rejected, operators who hold things back, and at its end a rejected commit that
    stands. Each step waits until Prometheus has seen the one before; `pause` is called in between, to give each its time."""
    fleet.sees('count(torchsync_commit_info{state="running"}) == 2')
    fleet.sees("min(torchsync_scheduler_lag_seconds_count) > 2")
    pause()
    fleet.first.commit(BROKEN, "a mistake")
    fleet.sees(BOTH_REJECT)
    pause()
    fleet.first.commit(MENDED, "mended")
    fleet.sees("sum(torchsync_commit_rejected) == 0")
    _order(fleet.second, "pin", fleet.first.status()["generation"]["revision"], "--reason", "looked at")
    _order(fleet.second, "pause", "heartbeat", "--reason", "looked at")
    pause()
    fleet.first.tasks("warm the cache", **TASKS, **NEW_TASK)
    fleet.sees('count(count by (commit) (torchsync_commit_info{state="running"})) == 2')
    pause()
    _order(fleet.second, "unpin")
    _order(fleet.second, "resume", "heartbeat")
    fleet.sees('count(count by (commit) (torchsync_commit_info{state="running"})) == 1')
    pause()
    fleet.first.commit(BROKEN, "the same mistake")
    fleet.sees(BOTH_REJECT)
    fleet.sees("max(torchsync_task_runs_total{result='timed_out'}) > 1 and max(torchsync_task_restarts_total) > 1")
    pause()


def _order(host: Host, *words: str) -> None:
    done = host.torchsync(*words)
    if done.returncode:
        raise RuntimeError(f"torchsync {' '.join(words)}: {done.stderr}")
