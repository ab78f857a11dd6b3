"""Measures a piece of work against a floor: the least that any program would have to do for the same result.

Theory of operation. A figure from a shared machine means little by itself, and two figures taken minutes apart cannot be compared: the machine
changes under them. So every round measures every side once, one after the other, the floor among them, and turns the order round each time; a
ratio is taken within a round, where both sides saw the same machine, and the report gives the median of the ratios with their range. The
ratio is the result; times are printed to give it a scale.

Each measurement is a process of its own, so that none warms up another. CPU time is that of the whole process with its children, as the
kernel counts it in wait4(2). The time of the work alone is taken inside, and so is the peak of memory: what wait4 says of that includes the
process that started the child.

A file in this folder takes part by defining `rounds() -> Bench`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median
from time import perf_counter

FLOOR = "floor"
Work = Callable[[], int]
"""Does the work once and returns how many operations that were."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """`operation` names one operation ("a run", "a row"). `sides` are measured against `floor`; `target` is the largest ratio that is fine
    for the first of them, 0 for none.
    """

    name: str
    operation: str
    floor_is: str
    floor: Work
    sides: Mapping[str, Work]
    count: int = 7
    target: float = 0.0

    def work(self, side: str) -> Work:
        return self.floor if side == FLOOR else self.sides[side]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One measurement. Seconds and bytes; `work` is the time of the work alone, `wall` and `cpu` are the whole process with its children,
    `peak_rss` is the largest of these.
    """

    operations: int
    work: float
    wall: float
    cpu: float
    peak_rss: int

    @property
    def each(self) -> float:
        return self.work / self.operations


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Medians of a side over the rounds; `ratio` is its time an operation over the floor's, within the round, with the range seen."""

    each: float
    wall: float
    cpu: float
    peak_rss: int
    ratio: float
    ratio_range: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    bench: str
    operation: str
    floor_is: str
    count: int
    target: float
    sides: Mapping[str, Summary] = field(default_factory=dict)

    @property
    def met(self) -> bool:
        """Whether the first side is within the target, or there is none."""
        first = next(summary for side, summary in self.sides.items() if side != FLOOR)
        return not self.target or first.ratio <= self.target


Round = Mapping[str, Sample]


def run(bench: Bench, measure: Callable[[str, str], Sample] | None = None) -> Result:
    """All rounds are measured and summed up."""
    take = measure or measured
    sides = [*bench.sides, FLOOR]
    rounds = [{side: take(bench.name, side) for side in in_turn(sides, number)} for number in range(bench.count)]
    summaries = {side: summed_up(side, rounds) for side in sides}
    return Result(
        bench=bench.name, operation=bench.operation, floor_is=bench.floor_is, count=bench.count, target=bench.target, sides=summaries
    )


def in_turn(sides: Sequence[str], number: int) -> Sequence[str]:
    """The order of a round: every other one runs backwards, so that no side always comes first."""
    return sides if number % 2 == 0 else sides[::-1]


def summed_up(side: str, rounds: Sequence[Round]) -> Summary:
    """The medians of one side, and of its ratios to the floor of the same round."""
    samples = [of[side] for of in rounds]
    ratios = [of[side].each / of[FLOOR].each for of in rounds]
    return Summary(
        each=median(sample.each for sample in samples),
        wall=median(sample.wall for sample in samples),
        cpu=median(sample.cpu for sample in samples),
        peak_rss=int(median(sample.peak_rss for sample in samples)),
        ratio=median(ratios),
        ratio_range=(min(ratios), max(ratios)),
    )


def measured(name: str, side: str) -> Sample:
    """One side of a bench, run in a fresh process. Source for its CPU time: wait4(2)."""
    started = perf_counter()
    child = subprocess.Popen([sys.executable, "-m", "bench", "--one", name, side], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    said = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    child.stdout.close()
    if child.returncode:
        raise SystemExit(f"bench {name}, {side}: ended with status {child.returncode}")
    inside = json.loads(said.splitlines()[-1])
    return Sample(
        operations=inside["operations"],
        work=inside["seconds"],
        wall=perf_counter() - started,
        cpu=usage.ru_utime + usage.ru_stime,
        peak_rss=inside["peak_rss"],
    )


def report_one(bench: Bench, side: str) -> None:
    """The work is done once, and what it took is printed for `measured`."""
    started = perf_counter()
    operations = bench.work(side)()
    spent = perf_counter() - started
    print(json.dumps({"operations": operations, "seconds": spent, "peak_rss": peak_rss()}))


def peak_rss() -> int:
    """The most memory this process, or the largest of its children, has held. Source: VmHWM of proc(5), which begins anew at exec."""
    status = Path("/proc/self/status").read_text()
    own = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
    return max(own, getrusage(RUSAGE_CHILDREN).ru_maxrss) * 1024


def as_text(result: Result) -> str:
    """The result as a table."""
    head = f"{result.bench}: time for {result.operation}, median of {result.count} rounds; floor: {result.floor_is}"
    lines = [head, f"{'':14} {'each':>10} {'ratio':>7} {'range':>15} {'wall':>9} {'cpu':>9} {'peak':>9}"]
    for side, of in result.sides.items():
        span = f"{of.ratio_range[0]:.2f} to {of.ratio_range[1]:.2f}"
        lines.append(
            f"{side:14} {seconds(of.each):>10} {of.ratio:>7.2f} {span:>15} {seconds(of.wall):>9} {seconds(of.cpu):>9} {of.peak_rss / 2**20:>6.1f}MiB"
        )
    if result.target:
        lines.append(f"target: a ratio of at most {result.target:g}: {'met' if result.met else 'NOT MET'}")
    return "\n".join(lines)


def seconds(value: float) -> str:
    """A length of time with the unit that suits it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value / 1e-9:.3g} ns"


def as_json(results: Sequence[Result]) -> str:
    return json.dumps([asdict(result) | {"met": result.met} for result in results], indent=2)
