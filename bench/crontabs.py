"""`torchsync import crontab` on the 500 crontabs of 50 hosts, with the comparison of 1,000 instants of each task, as a whole process.

The floor is `torchsync validate` on what the import has written: whoever has task files from anywhere has to read as much as that.
"""

from __future__ import annotations

import atexit
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.harness import Bench

HOSTS = 50
CRONTABS_EACH = 10
LINES_EACH = 6
PROGRAMS = "backup report cleanup sync rotate ping mail index export load check prune dump fetch push".split()  # noqa: SIM905  # reads better
WHEN = ("* * * * *", "*/5 * * * *", "{1} {0} * * *", "{1} {0} 1 * *", "@daily", "@yearly", "0 0 29 2 *", "{1} {0} * * 1-5", "@reboot")
ZONES = ("Europe/Berlin", "America/New_York", "UTC")


def rounds() -> Bench:
    folder = Path(tempfile.mkdtemp(prefix="crontabs-", dir="/var/tmp"))
    atexit.register(shutil.rmtree, folder)
    _write(folder / "machines")
    first = _import(folder / "machines", folder / "first")

    def whole() -> int:
        return _import(folder / "machines", Path(tempfile.mkdtemp(dir=folder)))

    def validated() -> int:
        words = [sys.executable, "-m", "torchsync", "validate", str(folder / "first"), "--json", "--no-cache"]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        return 1

    return Bench(
        name="crontabs",
        operation=f"{HOSTS * CRONTABS_EACH} crontabs of {HOSTS} hosts, {HOSTS * CRONTABS_EACH * LINES_EACH:,} jobs",
        floor_is="the task files that come of it, validated",
        floor=validated,
        sides={"import": whole},
        count=5 * first,
    )


def _import(machines: Path, target: Path) -> int:
    words = [sys.executable, "-m", "torchsync", "import", "crontab", str(machines), "--into", str(target), "--report", os.devnull]
    subprocess.run([*words, "--after", "2026-11-26T12:00:00Z"], check=True)
    return 1


def _write(machines: Path) -> None:
    chance = random.Random(7)
    for host in range(HOSTS):
        root = machines / f"host-{host:02}"
        spool = root / "var/spool/cron/crontabs"
        spool.mkdir(parents=True)
        (root / "etc").mkdir()
        (root / "etc/timezone").write_text(f"{chance.choice(ZONES)}\n")
        for user in range(CRONTABS_EACH):
            (spool / f"user{user}").write_text("".join(_lines(chance)))


def _lines(chance: random.Random) -> list[str]:
    lines = ["MAILTO=ops@example.org\n", "PATH=/usr/local/bin:/usr/bin:/bin\n"]
    for _ in range(LINES_EACH):
        when = chance.choice(WHEN).format(chance.randrange(24), chance.randrange(60))
        lines += ["# what it is for\n", f"{when} /opt/app/bin/{chance.choice(PROGRAMS)}.sh --shard {chance.randrange(5)} > /dev/null\n"]
    return lines
