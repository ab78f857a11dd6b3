"""The statistics of the bench harness, on figures made up; and one real measurement."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import harness, selftest
from bench.__main__ import registered, scripts
from bench.harness import FLOOR, Bench, Result, Sample

ROOT = Path(__file__).parent.parent.parent


def sample(work: float, operations: int = 1, peak_rss: int = 1) -> Sample:
    return Sample(operations=operations, work=work, wall=work * 2, cpu=work * 3, peak_rss=peak_rss)


def bench(count: int, target: float = 0.0) -> Bench:
    return Bench(name="x", operation="a step", floor_is="nothing", floor=lambda: 1, sides={"ours": lambda: 1}, count=count, target=target)


def played(ours: list[Sample], floor: list[Sample]) -> tuple[Callable[[str, str], Sample], list[str]]:
    """A measurement that plays back samples, and the order in which the sides were asked for."""
    order: list[str] = []
    left = {"ours": iter(ours), FLOOR: iter(floor)}

    def measure(_: str, side: str) -> Sample:
        order.append(side)
        return next(left[side])

    return measure, order


def result(ours: list[float], floor: list[float], target: float = 0.0) -> Result:
    measure, _ = played([sample(value) for value in ours], [sample(value) for value in floor])
    return harness.run(bench(len(ours), target), measure)


def test_every_round_measures_the_floor_and_every_other_round_begins_with_it() -> None:
    measure, order = played([sample(1)] * 3, [sample(1)] * 3)
    harness.run(bench(3), measure)
    assert order == ["ours", FLOOR, FLOOR, "ours", "ours", FLOOR]


def test_the_ratio_is_taken_within_a_round() -> None:
    """A machine that is ten times slower in one round slows both sides: the ratio stays."""
    assert result([2, 20, 2], [1, 10, 1]).sides["ours"].ratio == 2
    assert result([2, 20, 2], [1, 10, 1]).sides["ours"].ratio_range == (2, 2)


def test_one_wild_round_does_not_move_the_median() -> None:
    ours = result([2, 2, 50, 2, 2], [1, 1, 1, 1, 1]).sides["ours"]
    assert (ours.each, ours.ratio, ours.ratio_range) == (2, 2, (2, 50))


def test_time_is_counted_for_each_operation() -> None:
    measure, _ = played([sample(8, operations=4)], [sample(1, operations=1)])
    assert harness.run(bench(1), measure).sides["ours"].ratio == 2


def test_whole_process_figures_are_medians_of_their_own() -> None:
    measure, _ = played([sample(1, peak_rss=5), sample(3, peak_rss=9), sample(2, peak_rss=7)], [sample(1)] * 3)
    ours = harness.run(bench(3), measure).sides["ours"]
    assert (ours.wall, ours.cpu, ours.peak_rss) == (4, 6, 7)


@pytest.mark.parametrize(("target", "met"), [(0, True), (2, True), (1.9, False)])
def test_a_target_is_met_or_not(target: float, met: bool) -> None:
    assert result([2], [1], target).met is met
    assert ("NOT MET" in harness.as_text(result([2], [1], target))) is not met


def test_the_report_names_sides_ratio_and_floor() -> None:
    text = harness.as_text(result([0.002], [0.001]))
    assert "floor: nothing" in text
    assert "ours" in text
    assert "2 ms" in text
    assert "2.00" in text
    assert json.loads(harness.as_json([result([2], [1])]))[0]["sides"]["ours"]["ratio"] == 2


@pytest.mark.parametrize(("value", "text"), [(2.5, "2.5 s"), (0.0123, "12.3 ms"), (4.2e-6, "4.2 us"), (8e-9, "8 ns")])
def test_times_carry_the_unit_that_suits_them(value: float, text: str) -> None:
    assert harness.seconds(value) == text


def test_files_are_listed_by_what_they_define(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("def rounds(): ...\n")
    (tmp_path / "two.py").write_text("raise RuntimeError('was imported')\nif __name__ == '__main__': ...\n")
    (tmp_path / "part.py").write_text("x = 1\n")
    (tmp_path / "harness.py").write_text("def rounds(): ...\n")
    assert (registered(tmp_path), scripts(tmp_path)) == (["one"], ["two"])


def test_a_measurement_counts_the_whole_process() -> None:
    """30 MiB are allocated and a second of CPU time is burnt: both must show."""
    name = "selftest"
    assert name in registered()
    taken, floor = harness.measured(name, "busy"), harness.measured(name, FLOOR)
    assert taken.operations == 1000
    assert taken.work < taken.wall
    assert taken.peak_rss > floor.peak_rss + 20 * 2**20
    assert taken.cpu > 0.95 * selftest.BURNT, "a busy machine may take any time to start, but no less for this"


def test_the_command_lists_and_refuses() -> None:
    listed = subprocess.run([sys.executable, "-m", "bench"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert set(registered()) <= {line.split()[0] for line in listed.stdout.splitlines()}
    refused = subprocess.run([sys.executable, "-m", "bench", "nonsense"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 1
    assert "no benchmark 'nonsense'" in refused.stderr
