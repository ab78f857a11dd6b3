"""`torchsync plan --all-hosts` on 2,000 task files and 1,000 hosts, of which a change touches 40 files, as a whole process: warm, when it
remembers its verdicts, and cold.

The floor is what anybody has to do who wants to know what differs: git tells every file of the base, and each file of the folder is read and
hashed.
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
from bench.validate import write_repository

FILES = 2_000
HOSTS = 1_000
_AUTHOR = ("-c", "user.name=bench", "-c", "user.email=bench@example.org")
_CHANGES = 10


def rounds() -> Bench:
    folder = Path(tempfile.mkdtemp(prefix="plan-", dir="/var/tmp"))
    atexit.register(shutil.rmtree, folder)
    root = folder / "repository"
    write_repository(root, FILES, HOSTS)
    for words in (("init", "--quiet"), ("add", "--all"), (*_AUTHOR, "commit", "--quiet", "-m", "base")):
        subprocess.run(["git", *words], cwd=root, check=True)
    for file in (root / "tasks/team-1").iterdir():
        file.write_text(file.read_text().replace("timeout: 2h", "timeout: 3h"))
    environment = os.environ | {"XDG_CACHE_HOME": str(folder / "cache")}

    def run(*more: str) -> int:
        words = [sys.executable, "-m", "torchsync", "plan", str(root), "--all-hosts", *more]
        done = subprocess.run(words, env=environment, check=False, stdout=subprocess.DEVNULL)
        if done.returncode != _CHANGES:
            raise SystemExit(f"plan ended with {done.returncode}")
        return 1

    def cold() -> int:
        return run("--no-cache")

    def read() -> int:
        subprocess.run("git ls-tree -r HEAD --format='%(objectname)' | git cat-file --batch > /dev/null", shell=True, cwd=root, check=True)
        script = "import hashlib, pathlib, sys\nfor path in pathlib.Path(sys.argv[1]).rglob('*.yaml'): hashlib.sha1(path.read_bytes())"
        subprocess.run([sys.executable, "-c", script, str(root)], check=True)
        return 1

    if "warm" in sys.argv:  # what is remembered is made before the time is taken
        run()
    return Bench(
        name="plan_fleet",
        operation=f"{FILES:,} task files, {HOSTS:,} hosts and a change of 40 files",
        floor_is="git tells every file of the base, and each file of the folder is read and hashed, by a Python of its own",
        floor=read,
        sides={"warm": run, "cold": cold},
        count=5,
    )
