"""`torchsync validate` on 10,000 task files and an inventory of 200 hosts, as a whole process: cold, and warm, when it remembers its verdicts.

The floor is what anybody has to do who wants to know whether the files are still the same: read each of them and hash it.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.harness import Bench

FILES = 10_000
HOSTS = 200
TASK = """\
version: 1
tasks:
  task-{0}:
    description: Dump and ship database {0}
    schedule: "{1} {2} * * *"
    timezone: Europe/Berlin
    command: ./scripts/backup.sh --database {0}
    hosts: ["db-{3}-*", "!db-test-*", "role=db&site=eu"]
    timeout: 2h
    jitter: 10m
"""


def rounds() -> Bench:
    folder = Path(tempfile.mkdtemp(prefix="validate-", dir="/var/tmp"))
    atexit.register(shutil.rmtree, folder)
    root = folder / "repository"
    write_repository(root, FILES, HOSTS)
    words = [sys.executable, "-m", "torchsync", "validate", str(root), "--json"]
    environment = os.environ | {"XDG_CACHE_HOME": str(folder / "cache")}

    def run(*more: str) -> int:
        subprocess.run([*words, *more], env=environment, check=True, stdout=subprocess.DEVNULL)
        return 1

    def cold() -> int:
        return run("--no-cache")

    def read() -> int:
        script = "import hashlib, pathlib, sys\nfor path in pathlib.Path(sys.argv[1]).rglob('*.yaml'): hashlib.sha1(path.read_bytes())"
        subprocess.run([sys.executable, "-c", script, str(root)], check=True)
        return 1

    if "warm" in sys.argv:  # what is remembered is made before the time is taken
        subprocess.run(words, env=environment, check=True, stdout=subprocess.DEVNULL)
    return Bench(
        name="validate",
        operation=f"{FILES:,} task files and {HOSTS} hosts",
        floor_is="each file read and hashed, by a Python of its own",
        floor=read,
        sides={"warm": run, "cold": cold},
        count=5,
    )


def write_repository(root: Path, files: int, hosts: int) -> None:
    """A task repository in which each file holds a task, and the hosts are those of hosts.yaml."""
    (root / "scripts").mkdir(parents=True)
    (root / "scripts/backup.sh").write_text("#!/bin/sh\n")
    (root / "scripts/backup.sh").chmod(0o755)
    for number in range(files):
        team = root / "tasks" / f"team-{number % 50}"
        team.mkdir(parents=True, exist_ok=True)
        (team / f"task-{number}.yaml").write_text(TASK.format(number, number % 60, number % 24, number % 40))
    inventory = "".join(f"  db-{number % 40}-{number}: {{labels: {{role: db, site: eu}}}}\n" for number in range(hosts))
    (root / "hosts.yaml").write_text(f"hosts:\n{inventory}")
