"""A disk that fills up under a working agent, an agent that is killed meanwhile, and what is known once there is room again."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from tests.adapters.disks import fill, small_disk
from tests.e2e.host import Host, cron, wait_for

MARK = 'echo "$TORCHSYNC_SCHEDULED_AT" >>{}'


@pytest.fixture
def host() -> Iterator[Host]:
    """Its state is on a disk of its own."""
    folder = Path(tempfile.mkdtemp(prefix="tse-", dir="/tmp"))
    folder.chmod(0o755)
    with small_disk(folder / "state", "size=16m"), closing(Host(folder)) as one:
        yield one
    shutil.rmtree(folder, ignore_errors=True)


def started(host: Host) -> list[int]:
    """The instants whose command began, in seconds, as often as it did."""
    return [int(datetime.fromisoformat(line).timestamp()) for line in (host.folder / "marks").read_text().split()]


def covered(host: Host) -> list[int]:
    """The instants of the history, in seconds, as often as they are in it. None of them is a run of several seconds."""
    found: list[int] = []
    for entry in host.entries("beat"):
        first, last = (int(datetime.fromisoformat(entry[end]).timestamp()) for end in ("first", "last"))
        assert last - first + 1 == entry["count"]
        found += range(first, last + 1)
    return sorted(found)


def is_degraded(host: Host) -> bool:
    return host.metric("torchsync_state_degraded") == 1


def test_every_instant_is_accounted_for_once_though_the_disk_is_full_and_the_agent_is_killed(host: Host) -> None:
    host.tasks(beat=cron(MARK.format(host.folder / "marks"), max_running=0))
    host.start()
    wait_for("the first runs", lambda: len(host.outcomes("beat")) >= 2)
    assert not is_degraded(host)
    ballast = fill(host.state)
    wait_for("the agent to notice", lambda: is_degraded(host))
    for _ in range(2):
        before = len(started(host))
        wait_for("runs without a disk", lambda: len(started(host)) >= before + 3)  # noqa: B023 called at once
        wait_for("the agent to know of it", lambda: is_degraded(host))  # One that has just begun learns of it by what it writes.
        host.kill()
        host.start()
        wait_for("the surface", lambda: host.get("/healthz")[0] == 200)
    wait_for("the agent to notice again", lambda: is_degraded(host))
    ballast.unlink()
    wait_for("the state to be written", lambda: not is_degraded(host))
    before = len(started(host))
    wait_for("runs as ever", lambda: len(started(host)) >= before + 2)
    wait_for("the spool to go", lambda: not (host.run_folder / "spool.jsonl").exists())
    instants = covered(host)
    assert instants == list(range(instants[0], instants[-1] + 1))
    ran = [one for one in started(host) if one <= instants[-1]]
    assert len(ran) == len(set(ran))
    assert set(ran) <= set(instants)
    over = [run for run in host.runs("beat") if run["outcome"]]
    assert {run["outcome"] for run in over} == {"succeeded"}
    assert {int(datetime.fromisoformat(run["instant"]).timestamp()) for run in over} <= set(started(host))
    events = [event["event"] for event in host.events()]
    assert "internal_error" not in events
    assert sum("discarded" in str(event) for event in host.events()) <= 3
    wait_for("the directories that stood in for the disk to go", lambda: list((host.run_folder / "runs").iterdir()) == [])
