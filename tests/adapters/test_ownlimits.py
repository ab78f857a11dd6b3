"""What a process can give to those that it starts, asked by processes of which it is known."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ASK = "from torchsync.adapters.ownlimits import least_nice, most_files; print(most_files(), least_nice())"
POWERLESS = ["setpriv", "--bounding-set=-sys_nice,-sys_resource"] if os.geteuid() == 0 else []


def asked(*around: str) -> tuple[int, int]:
    """The answers of a process that was started through these words."""
    done = subprocess.run([*around, sys.executable, "-c", ASK], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    files, nice = done.stdout.split()
    return int(files), int(nice)


def test_without_the_capabilities_it_is_what_the_process_has_itself() -> None:
    assert asked("prlimit", "--nofile=64:128", *POWERLESS) == (128, os.getpriority(os.PRIO_PROCESS, 0))
    assert asked("nice", "-n", "3", *POWERLESS)[1] == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 3)


def test_a_limit_on_nice_values_that_is_raised_counts() -> None:
    if subprocess.run(["prlimit", "--nice=25:25", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("only as root, and with the capability to raise limits")
    assert asked("prlimit", "--nice=25:25", *POWERLESS)[1] == -5
    assert asked("prlimit", "--nice=unlimited:unlimited", *POWERLESS)[1] == -20


@pytest.mark.skipif(os.geteuid() != 0, reason="only as root: has the capabilities")
def test_with_the_capability_every_nice_value_can_be_given() -> None:
    assert asked()[1] == -20


def test_it_can_be_given_indeed() -> None:
    """The answer is that of the kernel."""
    files, nice = asked("prlimit", "--nofile=64:128", *POWERLESS)
    within = ["prlimit", "--nofile=64:128", *POWERLESS, "sh", "-c"]
    given = f"ulimit -n {files} && renice -n {nice} -p $$"
    assert subprocess.run([*within, given], capture_output=True, check=False).returncode == 0
    assert subprocess.run([*within, f"ulimit -n {files + 1}"], capture_output=True, check=False).returncode != 0
    if nice > -20:
        assert subprocess.run([*within, f"renice -n {nice - 1} -p $$"], capture_output=True, check=False).returncode != 0
