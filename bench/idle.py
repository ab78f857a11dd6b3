"""Prints what an agent with 1,000 tasks, none of them due, costs while nothing happens: memory of its process, and CPU over half a minute."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TASKS = 1_000
SECONDS = 30


def main() -> int:
    folder = Path(tempfile.mkdtemp(prefix="idle-", dir="/tmp"))
    agent = None
    try:
        _make_remote(folder)
        config = folder / "agent.yaml"
        config.write_text(json.dumps(_config(folder)))
        log = (folder / "log").open("wb")
        agent = subprocess.Popen([sys.executable, "-m", "torchsync", "agent", "--config", str(config)], stderr=log, stdout=log)
        _wait_for(folder / "state" / "generation.json")
        time.sleep(5)
        before = _cpu_seconds(agent.pid)
        time.sleep(SECONDS)
        used = _cpu_seconds(agent.pid) - before
        print(f"{TASKS} tasks, sync every 30 s: {_rss_mib(agent.pid):.1f} MiB resident, {100 * used / SECONDS:.2f} % of one CPU")
    finally:
        if agent is not None:
            agent.terminate()
            agent.wait(10)
        shutil.rmtree(folder)
    return 0


def _make_remote(folder: Path) -> None:
    tasks = {
        f"task-{number}": {"schedule": "0 0 29 2 *", "command": f"echo {number}", "description": "One of many", "owner": "team"}
        for number in range(TASKS)
    }
    work = folder / "work"
    (work / "tasks").mkdir(parents=True)
    for start in range(0, TASKS, 20):
        part = dict(list(tasks.items())[start : start + 20])
        (work / "tasks" / f"part-{start}.json").write_text(json.dumps({"version": 1, "tasks": part}))
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.org"]
    for words in (["init", "-q", "-b", "main"], ["add", "."], [*identity, "commit", "-q", "-m", "tasks"]):
        subprocess.run(["git", *words], cwd=work, check=True)


def _config(folder: Path) -> dict[str, object]:
    policy = {"default_user": "root", "allow_root": True} if os.geteuid() == 0 else {}
    return {
        "version": 1,
        "repository": {"url": f"file://{folder}/work", "ref": "main"},
        "host": {"name": "bench"},
        "paths": {"state": f"{folder}/state", "run": f"{folder}/run"},
        "http": {"listen": "127.0.0.1:0"},
        "policy": policy,
    }


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        if time.monotonic() > deadline:
            raise SystemExit(f"{path} did not come to be")
        time.sleep(0.1)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _rss_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("no VmRSS")


if __name__ == "__main__":
    sys.exit(main())
