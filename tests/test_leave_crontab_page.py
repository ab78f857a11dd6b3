"""docs/how-to/leave-crontab.md: what it tells people to type leads from crontabs to a repository that plans."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cli.test_imports import machines  # noqa: F401  # the copies of three machines
from tests.test_how_to import blocks, torchsync_on_path  # noqa: F401  # the program under its name

STATUS = {"torchsync import": 65, "torchsync validate": 0, "torchsync plan": 10}


@pytest.mark.usefixtures("machines")
def test_the_way_from_crontabs_to_a_plan(torchsync_on_path) -> None:  # noqa: F811  # it is the fixture
    lines = [line for block in blocks("leave-crontab.md", "sh") for line in block.splitlines()]
    assert len(lines) == 3
    for line in lines:
        done = subprocess.run(["sh", "-c", line], env=torchsync_on_path, capture_output=True, text=True, check=False)
        assert done.returncode == STATUS[" ".join(line.split()[:2])], done.stdout + done.stderr
    assert "started twice there, started once here" in Path("import.txt").read_text()
    assert "ship-logs" in done.stdout
    assert "dump" not in done.stdout
