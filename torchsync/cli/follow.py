"""Follows what a run writes, as `tail -f` does, until the run is over.

Each round asks first how the run stands and then for what it has written since the last one, so that nothing of the end is left out. The agent may be
away for a while, or altogether: then the state directory is read, where that is known and allowed. A stretch is shown once it is there as a whole, so
a round that fails begins again at the same place, and nothing is shown twice.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from torchsync.cli.client import ControlClient, Place
from torchsync.core.model import RunId
from torchsync.errors import NotFound, Unavailable

Sleep = Callable[[float], None]

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0
_PATIENCE = 60
"""How many times in a row, about a second apart, the agent may be away while nobody else can tell."""


@dataclass(frozen=True, slots=True)
class _Standing:
    attempt: int
    is_over: bool


def follow_run(place: Place, run_id: str, to: IO[bytes], sleep: Sleep = time.sleep) -> None:
    """The run is over, and everything that is kept of what it wrote is on `to`. Raises NotFound for a run that nobody knows, or whose output is gone,
    and Unavailable when nobody can tell any more.
    """
    attempt, start, pause, away, has_output = 1, 0, _FIRST_PAUSE, 0, False
    while True:
        try:
            standing = _standing(place, run_id)
            found = _stretch(place, run_id, attempt, start)
            away = 0
        except Unavailable:
            away += 1
            if away > _PATIENCE:
                raise
            sleep(pause := min(_LONGEST_PAUSE, pause * 1.5))
            continue
        content, start = found or (b"", start)
        has_output = has_output or found is not None
        if content:
            to.write(content)
            to.flush()
            pause = _FIRST_PAUSE
        elif standing.attempt > attempt:
            attempt, start = attempt + 1, 0
            to.write(f"... attempt {attempt} ...\n".encode())
        elif standing.is_over:
            break
        else:
            sleep(pause := min(_LONGEST_PAUSE, pause * 1.5))
    if not has_output:
        raise NotFound("TS352", f"no output of a run {run_id} is kept here")


def _standing(place: Place, run_id: str) -> _Standing:
    try:
        run = ControlClient(place.socket).get(f"/api/v1/runs/{run_id}")
        return _Standing(int(run["attempt"]), run["state"] == "finished")
    except Unavailable:
        if place.state is None:
            raise
        return _standing_in_state(place.state, run_id)


def _standing_in_state(state: Path, run_id: str) -> _Standing:
    """Without an agent the ledger does not learn that the run ends, but its directory does. What is to be tried again is not over."""
    from torchsync.adapters.ledger import open_readonly
    from torchsync.adapters.rundir import RunFiles

    with (
        tempfile.TemporaryDirectory(prefix="torchsync-") as scratch,
        contextlib.closing(open_readonly(state / "ledger.sqlite", Path(scratch))) as ledger,
    ):
        run = ledger.run(RunId(run_id))
    if run is None:
        raise NotFound("TS352", f"there is no run {run_id}")
    exit_line = RunFiles(state / "runs" / run.attempt_id).exit()
    is_last = exit_line is not None and (run.attempt >= run.attempts or exit_line.status in run.task.success_exit_codes)
    return _Standing(run.attempt, run.outcome is not None or (run.wait is None and is_last))


def _stretch(place: Place, run_id: str, attempt: int, start: int) -> tuple[bytes, int] | None:
    """What follows, and where that ends; None while there is no such output."""
    try:
        return ControlClient(place.socket).tail(f"/api/v1/runs/{run_id}/tail", {"attempt": str(attempt), "from": str(start)})
    except NotFound:
        return None
    except Unavailable:
        if place.state is None:
            raise
    from torchsync.adapters.outputfile import output_stretch

    try:
        return output_stretch(place.state / "runs", RunId(run_id), attempt, start)
    except PermissionError as error:
        raise Unavailable("TS350", f"no agent answers, and {place.state} is not for this user; use sudo") from error
