import os
from pathlib import Path

import pytest

from tests.builders import NOON, SECOND, run_id
from torchsync.adapters.retention import Bounds, prune_runs
from torchsync.core.model import Instant


def bounds(**changes: int) -> Bounds:
    return Bounds(**({"since": Instant(0), "until": Instant(NOON + 10**9), "most_runs": 1_000, "most_bytes": 1 << 40} | changes))


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """Ten runs a second apart, the oldest first, with 64 KiB of output each."""
    made = [tmp_path / run_id(7, NOON + number * SECOND) for number in range(10)]
    for folder in made:
        folder.mkdir()
        (folder / "output").write_bytes(os.urandom(64 * 1024))
        (folder / "exit").write_text("0 1.00\n")
    return made


def left(runs: list[Path]) -> list[int]:
    return [number for number, folder in enumerate(runs) if folder.exists()]


def test_within_the_bounds_nothing_goes(runs: list[Path]) -> None:
    assert prune_runs(runs[0].parent, bounds(), ()) == 0
    assert left(runs) == list(range(10))


def test_what_is_too_old_goes(runs: list[Path]) -> None:
    assert prune_runs(runs[0].parent, bounds(since=NOON + 3 * SECOND), ()) == 4
    assert left(runs) == list(range(4, 10))


def test_the_newest_stay_when_there_are_too_many(runs: list[Path]) -> None:
    prune_runs(runs[0].parent, bounds(most_runs=3), ())
    assert left(runs) == [7, 8, 9]


def test_the_newest_stay_when_they_are_too_large_together(runs: list[Path]) -> None:
    prune_runs(runs[0].parent, bounds(most_bytes=310 * 1024), ())
    assert left(runs) == [6, 7, 8, 9]


def test_a_hole_in_an_output_counts_for_nothing(runs: list[Path]) -> None:
    with (runs[9] / "output").open("r+b") as output:
        output.truncate(1 << 30)
    prune_runs(runs[0].parent, bounds(most_bytes=1 << 20), ())
    assert left(runs) == list(range(10))


def test_the_attempts_of_a_run_stay_or_go_together(runs: list[Path]) -> None:
    for number in (3, 9):
        for attempt in (".2", ".2.1", ".10"):
            (runs[0].parent / f"{runs[number].name}{attempt}").mkdir()
    (runs[0].parent / "not-a-run.2").mkdir()
    assert prune_runs(runs[0].parent, bounds(most_runs=2), {runs[3].name}) == 7
    kept = {path.name for path in runs[0].parent.iterdir()}
    assert kept == {f"{run.name}{attempt}" for run in (runs[3], runs[9]) for attempt in ("", ".2", ".2.1", ".10")} | {
        runs[8].name,
        "not-a-run.2",
    }


def test_a_run_in_flight_is_never_touched(runs: list[Path]) -> None:
    prune_runs(runs[0].parent, bounds(most_runs=0), {runs[2].name})
    assert left(runs) == [2]


def test_a_run_too_young_to_be_known_is_not_touched(runs: list[Path]) -> None:
    prune_runs(runs[0].parent, bounds(most_runs=0, until=NOON + 8 * SECOND), ())
    assert left(runs) == [8, 9]


def test_what_is_no_run_stays(runs: list[Path]) -> None:
    other = runs[0].parent / "starting"
    other.mkdir()
    prune_runs(runs[0].parent, bounds(most_runs=0), ())
    assert other.exists()


def test_the_oldest_goes_first(runs: list[Path], monkeypatch) -> None:
    gone: list[str] = []
    monkeypatch.setattr("torchsync.adapters.retention.shutil.rmtree", lambda path, ignore_errors: gone.append(path.name))
    prune_runs(runs[0].parent, bounds(most_runs=7), ())
    assert gone == [run.name for run in runs[:3]]


def test_a_run_that_wrote_nothing_counts_with_its_directory(runs: list[Path]) -> None:
    for run in runs:
        (run / "output").write_bytes(b"")
    of_one = sum(path.lstat().st_blocks * 512 for path in (runs[0], *runs[0].iterdir()))
    prune_runs(runs[0].parent, bounds(most_bytes=3 * of_one), ())
    assert len(left(runs)) == (3 if of_one else 10)
