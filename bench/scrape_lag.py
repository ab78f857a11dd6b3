"""Prints how late runs start while the metrics of their agent are scraped in a loop, against the same agent left alone.

A few tasks are due every second, the rest stands for a large host. The scraper is another process: it asks for OpenMetrics, packed, and asks again as
soon as it has its answer.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

DUE = 5
_ACCEPT = "application/openmetrics-text;version=1.0.0,*/*;q=0.1"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.scrape_lag", description=__doc__)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--per-task", default="full")
    parser.add_argument("--scrapers", type=int, default=1)
    chosen = parser.parse_args()
    with _agent(chosen.tasks, chosen.per_task) as agent:
        print(f"{chosen.tasks} tasks, {DUE} of them due each second, per_task: {chosen.per_task}")
        print(_told("left alone", agent.lags(chosen.seconds)))
        with agent.scraped(chosen.scrapers) as counts:
            print(_told(f"scraped in {chosen.scrapers} loop(s)", agent.lags(chosen.seconds)))
        scrapes = sum(count.stat().st_size for count in counts)
        print(f"scrapes in that time: {scrapes}; the first took {agent.first_scrape:.0f} ms; {agent.rss_mib():.0f} MiB resident")
    return 0


def _told(what: str, lags: list[float]) -> str:
    at = {share: lags[min(len(lags) - 1, int(len(lags) * share))] for share in (0.5, 0.99)}
    return f"{what:22} {len(lags):5} runs: p50 {at[0.5]:5.0f} ms, p99 {at[0.99]:5.0f} ms, longest {lags[-1]:5.0f} ms"


class _Agent:
    def __init__(self, folder: Path, port: int, process: subprocess.Popen[bytes]) -> None:
        self.first_scrape = 0.0
        self._folder = folder
        self._url = f"http://127.0.0.1:{port}/metrics"
        self._process = process

    def lags(self, seconds: int) -> list[float]:
        """Milliseconds from due to start of the runs of the next so many seconds, shortest first."""
        since = time.time() + 2
        time.sleep(seconds + 4)
        words = ["history", "--json", "--limit", str(DUE * (seconds + 30)), "--socket", str(self._folder / "run/control.sock")]
        found: dict[str, Any] = json.loads(subprocess.check_output([sys.executable, "-m", "torchsync", *words]))
        runs = [entry["run"] for entry in found["entries"] if entry["run"] and entry["run"]["started_at"]]
        pairs = [(_moment(run["due"]), _moment(run["started_at"])) for run in runs]
        return sorted((start - due) * 1000 for due, start in pairs if since <= due < since + seconds)

    @contextmanager
    def scraped(self, scrapers: int) -> Iterator[list[Path]]:
        begun = time.perf_counter()
        subprocess.run(["curl", "-fsS", "--compressed", "-o", "/dev/null", "-H", f"Accept: {_ACCEPT}", self._url], check=True)
        self.first_scrape = (time.perf_counter() - begun) * 1000
        counts = [self._folder / f"count-{number}" for number in range(scrapers)]
        one = f"curl -fsS -H 'Accept-Encoding: gzip' -o /dev/null -H 'Accept: {_ACCEPT}' {self._url}"
        loops = [subprocess.Popen(["sh", "-c", f"while {one}; do printf x; done"], stdout=count.open("wb")) for count in counts]
        yield counts
        for loop in loops:
            loop.terminate()
            loop.wait()

    def rss_mib(self) -> float:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@contextmanager
def _agent(tasks: int, per_task: str) -> Iterator[_Agent]:
    """An agent with that many tasks in force."""
    folder = Path(tempfile.mkdtemp(prefix="lag-", dir="/tmp"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    _make_remote(folder, tasks)
    config = folder / "agent.yaml"
    config.write_text(json.dumps(_config(folder, port, per_task)))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "torchsync", "agent", "--config", str(config)], stderr=log, stdout=log)
    try:
        _wait_for(folder / "state" / "generation.json")
        time.sleep(5)
        yield _Agent(folder, port, process)
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder)


def _make_remote(folder: Path, tasks: int) -> None:
    work = folder / "work"
    (work / "tasks").mkdir(parents=True)
    for start in range(0, tasks, 50):
        part = {
            f"task-{number}": {
                "schedule": "* * * * * *" if number < DUE else f"{number % 60} {number % 24} 29 2 *",
                "command": ["/bin/true"],
            }
            for number in range(start, min(tasks, start + 50))
        }
        (work / "tasks" / f"part-{start}.json").write_text(json.dumps({"version": 1, "tasks": part}))
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.org"]
    for words in (["init", "-q", "-b", "main"], ["add", "."], [*identity, "commit", "-q", "-m", "tasks"]):
        subprocess.run(["git", *words], cwd=work, check=True)


def _config(folder: Path, port: int, per_task: str) -> dict[str, object]:
    policy = {"default_user": "root", "allow_root": True} if os.geteuid() == 0 else {}
    return {
        "version": 1,
        "repository": {"url": f"file://{folder}/work", "ref": "main"},
        "paths": {"state": str(folder / "state"), "run": str(folder / "run")},
        "http": {"listen": f"127.0.0.1:{port}"},
        "executor": "process",
        "policy": {**policy, "max_tasks": 20_000},
        **({"metrics": {"per_task": per_task}} if per_task != "full" else {}),
    }


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        if time.monotonic() > deadline:
            raise SystemExit(f"{path} did not appear")
        time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
