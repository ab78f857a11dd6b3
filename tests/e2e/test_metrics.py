"""The metrics of a running agent: what they outlive, and what Prometheus and node_exporter make of them."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.host import PATIENCE, Host, cron, free_port, never, wait_for

RUNS = 'torchsync_task_runs_total{task="job",result="succeeded"}'
LAST = 'torchsync_task_last_success_timestamp_seconds{task="job"}'


def test_counters_and_the_last_success_outlive_a_kill_of_the_agent_and_an_absence_of_the_task(host: Host) -> None:
    host.tasks(job=cron("true"), other=never("true"))
    host.start()
    wait_for("two runs", lambda: RUNS in host.get("/metrics")[1] and host.metric(RUNS) >= 2)
    runs, last = host.metric(RUNS), host.metric(LAST)
    host.tasks(job=never("true"), other=never("true"))
    wait_for("no more runs", lambda: host.metric('torchsync_task_changes_total{action="changed"}') == 1)
    wait_for(
        "the end of the last one", lambda: all(run["outcome"] for run in host.runs("job"))
    )  # Else the next agent counts it, some time.
    host.kill()
    host.start(until_up=False)
    first = first_scrape(host)
    assert RUNS in first, "an agent does not answer before it knows what it is asked"
    assert "torchsync_sync_last_success_timestamp_seconds 0" not in first
    assert host.metric(RUNS) >= runs
    assert host.metric(LAST) >= last > 0
    kept = host.metric(RUNS), host.metric(LAST)

    host.wait_for_revision(host.tasks(other=never("true")))
    assert 'task="job"' not in host.get("/metrics")[1], "gone with the swap"
    host.wait_for_revision(host.tasks(job=never("true"), other=never("true")))
    assert (host.metric(RUNS), host.metric(LAST)) == kept


def first_scrape(host: Host) -> str:
    """What the agent answers as soon as it listens."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{host.port}/metrics", timeout=30) as answer:
            text: str = answer.read().decode()
            return text
    raise AssertionError("the agent does not answer")


def test_prometheus_takes_openmetrics_of_the_agent_and_node_exporter_its_file(host: Host) -> None:
    for program in ("prometheus", "prometheus-node-exporter"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    folder = host.folder / "textfiles"
    folder.mkdir()
    host.configure(metrics={"textfile": str(folder / "torchsync.prom")})
    revision = host.tasks(job=never("true"))
    node = free_port()
    with exporter(folder, node), prometheus(host.folder, {"agent": host.port, "node": node}) as ask:
        host.start()
        host.wait_for_revision(revision)
        wait_for("both jobs", lambda: jobs(ask, 'torchsync_task_running{task="job"} == 0') == {"agent", "node"})
        wait_for("the agent's own", lambda: jobs(ask, "torchsync_runs_lost_total == 0") == {"agent", "node"})
        wait_for("a file without mistakes", lambda: jobs(ask, "node_textfile_scrape_error == 0") == {"node"})
        # A family of counters has no `_total` in OpenMetrics alone.
        wait_for("a family of counters", lambda: "torchsync_sync" in counters(ask))

        host.configure(metrics={"per_task": "off", "textfile": str(folder / "torchsync.prom")})
        without_tasks = "torchsync_runs_lost_total unless on (job) torchsync_task_running"
        wait_for("no metrics of tasks, and the agent's own", lambda: jobs(ask, without_tasks) == {"agent", "node"})
        assert host.terminate() == 0
        assert (folder / "torchsync.prom").exists(), "an agent that is gone leaves it"


def test_a_textfile_without_a_folder_is_said_degrades_nothing_and_heals(host: Host) -> None:
    folder = host.folder / "later"
    host.configure(metrics={"textfile": str(folder / "torchsync.prom")})
    host.tasks(job=cron("true"))
    host.start()
    wait_for("it to be said", lambda: "TS390" in [notice["code"] for notice in host.status()["notices"]])
    wait_for("a run", lambda: RUNS in host.get("/metrics")[1] and host.metric(RUNS) >= 1)
    assert host.metric("torchsync_state_degraded") == 0
    folder.mkdir()
    host.tasks(job=cron("true"), other=never("true"))
    wait_for("the file", (folder / "torchsync.prom").exists)
    host.configure(metrics={})
    wait_for("the file to go with the setting", lambda: not (folder / "torchsync.prom").exists())
    said = [event["event"] for event in host.events() if event["event"].startswith("textfile")]
    assert said == ["textfile_unwritable", "textfile_writable"]


@contextmanager
def exporter(folder: Path, port: int) -> Iterator[None]:
    """A node_exporter that reads the folder and nothing else."""
    words = ["--collector.disable-defaults", "--collector.textfile", f"--collector.textfile.directory={folder}"]
    with (folder.parent / "exporter.log").open("wb") as log:
        process = subprocess.Popen(["prometheus-node-exporter", *words, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    try:
        yield
    finally:
        process.kill()
        process.wait()


class Ask:
    def __init__(self, port: int) -> None:
        self._base = f"http://127.0.0.1:{port}/api/v1"

    def __call__(self, what: str, **parameters: str) -> Any:
        with urllib.request.urlopen(f"{self._base}/{what}?{urllib.parse.urlencode(parameters)}", timeout=30) as answer:
            return json.load(answer)["data"]


def counters(ask: Ask) -> set[str]:
    """Of the newest scrape of the agent."""
    return {one["metric"] for one in ask("targets/metadata", match_target='{job="agent"}') if one["type"] == "counter"}


def jobs(ask: Ask, query: str) -> set[str]:
    try:
        return {one["metric"]["job"] for one in ask("query", query=query)["result"]}
    except OSError:  # it is not up yet
        return set()


@contextmanager
def prometheus(folder: Path, ports: dict[str, int]) -> Iterator[Ask]:
    """A Prometheus that scrapes these jobs."""
    static = [{"job_name": name, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]} for name, port in ports.items()]
    config = folder / "prometheus.yml"
    config.write_text(json.dumps({"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": static}))
    port = free_port()
    words = [f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}", f"--web.listen-address=127.0.0.1:{port}"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(["prometheus", *words], stdout=log, stderr=log)
    try:
        yield Ask(port)
    finally:
        process.kill()
        process.wait()
