"""`torchsync fleet` for 500 task files and 1,000 hosts, as a whole process: in each of its formats, and warm, when it remembers its verdicts.

The floor is what anybody has to do who wants to know what the files say: parse each of them, with libyaml.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from bench.harness import Bench

TASKS, HOSTS, LISTS = 500, 1_000, 200
ROLES = ("web", "db", "mail", "cache", "queue", "store", "build", "log")
TASK = """\
version: 1
tasks:
  task-{0}:
    description: One of many tasks of a usual size
    owner: team-{1}
    schedule: "{2} {3} * * *"
    timezone: Europe/Berlin
    command: backup --database {0}
    hosts: {4}
"""
_PARSE = """\
import pathlib, sys, yaml
for path in pathlib.Path(sys.argv[1]).rglob('*.yaml'): yaml.load(path.read_bytes(), yaml.CSafeLoader)
"""


def rounds() -> Bench:
    folder = Path(tempfile.mkdtemp(prefix="fleet-", dir="/var/tmp"))
    atexit.register(shutil.rmtree, folder)
    _write(folder / "repository")

    environment = os.environ | {"XDG_CACHE_HOME": str(folder / "cache")}

    def run(form: str) -> int:
        words = [sys.executable, "-m", "torchsync", "fleet", str(folder / "repository"), "--format", form]
        subprocess.run(words, env=environment, check=True, stdout=subprocess.DEVNULL)
        return 1

    def parse() -> int:
        subprocess.run([sys.executable, "-c", _PARSE, str(folder)], check=True)
        return 1

    if "warm" in sys.argv:  # what is remembered is made before the time is taken
        run("table")
    return Bench(
        name="fleet",
        operation=f"{TASKS} task files and {HOSTS:,} hosts",
        floor_is="each file parsed with libyaml, by a Python of its own",
        floor=parse,
        sides={**{form: partial(run, form) for form in ("table", "json", "markdown")}, "warm": partial(run, "table")},
        count=5,
    )


def selectors(number: int) -> tuple[str, ...]:
    """The list of selectors with that number: by name, by label, by address, by group, and all but one."""
    role, host = ROLES[number % 8], f"{ROLES[number % 8]}-{number:03d}"
    kinds = (
        (f"{role}-{number % 10}*",),
        (f"role={role}&site=s{number % 5}", "!stage=test", f"!{host}"),
        (f"10.{number % 8}.{number % 4}.0/24", f"2001:db8:{number % 8:x}::/48"),
        (f"@site-{number % 5}", host),
        (f"!{host}",),
    )
    return kinds[number % 5]


def hosts() -> str:
    """hosts.yaml."""
    lines = ["groups:", *(f'  site-{number}: ["site=s{number}", "!stage=test"]' for number in range(5)), "hosts:"]
    for number in range(HOSTS):
        kind, stage = number % 8, "test" if number % 20 == 0 else "live"
        addresses = f"10.{kind}.{number // 250}.{number % 250 + 1}, '2001:db8:{kind:x}::{number:x}'"
        labels = f"role: {ROLES[kind]}, site: s{number % 5}, stage: {stage}"
        lines.append(f"  {ROLES[kind]}-{number // 8:03d}: {{addresses: [{addresses}], labels: {{{labels}}}, timezone: Europe/Berlin}}")
    return "\n".join(lines) + "\n"


def _write(root: Path) -> None:
    for number in range(TASKS):
        team = root / "tasks" / f"team-{number % 12}"
        team.mkdir(parents=True, exist_ok=True)
        chosen = ", ".join(f'"{selector}"' for selector in selectors(number % LISTS))
        (team / f"task-{number}.yaml").write_text(TASK.format(number, number % 12, number % 60, number % 24, f"[{chosen}]"))
    (root / "hosts.yaml").write_text(hosts())
