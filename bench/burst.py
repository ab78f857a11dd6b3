"""Prints what a burst of runs costs: starts, against a bare posix_spawn loop of the same command in the same rounds, and adoption.

Rounds alternate the two ways, since a shared machine changes meanwhile; the ratio within a round is the result, times give it a scale. When a command
starts is told by itself: it writes its /proc/uptime, which counts hundredths of a second.
"""

from __future__ import annotations

import argparse
import gc
import os
import pwd
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from statistics import median

from torchsync.adapters import procfs
from torchsync.adapters.clock import SystemClock
from torchsync.adapters.process import ProcessExecutor
from torchsync.adapters.wakeups import SelectorWakeups
from torchsync.core.model import (
    CronTiming,
    Fingerprint,
    Millis,
    Position,
    ProgramCommand,
    Revision,
    Run,
    RunId,
    Task,
    TaskName,
    TreeId,
    Trigger,
)
from torchsync.core.startscript import Account, run_environment
from torchsync.ports import RunEnded, RunStarted, StartOrder


@dataclass(frozen=True, slots=True)
class Burst:
    """Milliseconds: CPU of this process a run, CPU of its children a run, the start of the first, middle and last command, the whole."""

    own: float
    children: float
    first: float
    middle: float
    last: float
    wall: float


class Agent:
    def __init__(self, folder: Path, user: str) -> None:
        entry = pwd.getpwnam(user)
        self.account = Account(name=user, uid=entry.pw_uid, gid=entry.pw_gid, home=entry.pw_dir, shell=entry.pw_shell)
        self.folder, self.memory = folder, Path(tempfile.mkdtemp(prefix="burst-", dir="/dev/shm"))
        self.clock = SystemClock()
        self.boot = procfs.boot_id()
        self.count = 0
        self.restart()

    def restart(self) -> None:
        self.wakeups = SelectorWakeups()
        self.executor = ProcessExecutor(self.folder / "state", self.memory, self.wakeups, self.clock, notice=lambda _: None)

    def order(self, argv: tuple[str, ...]) -> StartOrder:
        self.count += 1
        now = self.clock.now()
        task = Task(
            name=TaskName("burst"),
            timing=CronTiming(schedule="* * * * *"),
            command=ProgramCommand(argv),
            fingerprint=Fingerprint("0" * 64),
            source=Position("tasks/burst.yaml", 1, 1),
        )
        run = Run(
            id=RunId(f"{now:012x}-{self.count:08x}"),
            task=task,
            revision=Revision("0" * 40),
            tree=TreeId("0" * 40),
            trigger=Trigger.SCHEDULE,
            admitted_at=now,
            boot_id=self.boot,
            user=self.account.name,
            instant=now,
            due=now,
        )
        return StartOrder(run=run, tree="/", environment=run_environment(run, self.account, "bench"))

    def take(self, kind: type, count: int) -> None:
        while count:
            count -= sum(isinstance(event, kind) for event in self.wakeups.wait(Millis(10_000)))


def by_executor(agent: Agent, folder: Path, count: int) -> Burst:
    orders = [agent.order(stamping(folder, number)) for number in range(count)]
    gc.collect()
    marks = Marks()
    for order in orders:
        agent.executor.start(order)
    agent.take(RunEnded, count)
    for order in orders:
        agent.executor.forget(order.run.attempt_id)
    return marks.burst(folder, count)


def by_spawn(agent: Agent, folder: Path, count: int) -> Burst:
    environment = dict(agent.order(("true",)).environment)
    gc.collect()
    marks = Marks()
    pids = [os.posix_spawnp("sh", stamping(folder, number), environment) for number in range(count)]
    for pid in pids:
        os.waitpid(pid, 0)
    return marks.burst(folder, count)


def stamping(folder: Path, number: int) -> tuple[str, ...]:
    return ("sh", "-c", f"read -r up idle </proc/uptime; echo $up >{folder}/{number}")


def cpu(whose: int) -> float:
    usage = getrusage(whose)
    return usage.ru_utime + usage.ru_stime


class Marks:
    def __init__(self) -> None:
        self.own, self.children = cpu(RUSAGE_SELF), cpu(RUSAGE_CHILDREN)
        self.wall = time.clock_gettime(time.CLOCK_BOOTTIME)

    def burst(self, folder: Path, count: int) -> Burst:
        wall = time.clock_gettime(time.CLOCK_BOOTTIME) - self.wall
        own, children = cpu(RUSAGE_SELF) - self.own, cpu(RUSAGE_CHILDREN) - self.children
        starts = sorted(1000 * (float((folder / str(number)).read_text()) - self.wall) for number in range(count))
        return Burst(1000 * own / count, 1000 * children / count, starts[0], median(starts), starts[-1], 1000 * wall)


def adoption(agent: Agent, count: int) -> tuple[float, float]:
    """Milliseconds to adopt `count` live runs: wall time, and CPU of the agent."""
    orders = [agent.order(("sleep", "600")) for _ in range(count)]
    for order in orders:
        agent.executor.start(order)
    agent.take(RunStarted, count)
    earlier = agent.executor
    agent.restart()
    wall, cpu = time.perf_counter(), time.process_time()
    agent.executor.adopt([order.run for order in orders])
    agent.take(RunStarted, count)
    taken = 1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - cpu)
    wall = time.perf_counter()
    for order in orders:
        agent.executor.signal(order.run.attempt_id, "KILL")
    print(f"stopping {count} runs: {1000 * (time.perf_counter() - wall):.0f} ms")
    agent.take(RunEnded, count)
    for order in orders:
        earlier.forget(order.run.attempt_id)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.burst", description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--user", default=pwd.getpwuid(os.geteuid()).pw_name, help="of the runs; another than your own needs root")
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="burst-"))
    agent = Agent(folder, chosen.user)
    try:
        for path, mode in ((folder, 0o711), (folder / "state", 0o711), (folder / "stamps", 0o777)):
            path.mkdir(exist_ok=True)
            path.chmod(mode)
        measure(agent, folder / "stamps", chosen.runs, chosen.rounds)
    finally:
        shutil.rmtree(folder)
        shutil.rmtree(agent.memory)


def measure(agent: Agent, stamps: Path, runs: int, rounds: int) -> None:
    print(f"{runs} at once as {agent.account.name}, milliseconds")
    print(f"{'':10} {'agent CPU':>10} {'child CPU':>10} {'first':>7} {'p50':>7} {'last':>7} {'all':>7}")
    ratios = []
    for number in range(rounds):
        found = {}
        for way in ((by_spawn, by_executor), (by_executor, by_spawn))[number % 2]:
            for stamp in stamps.iterdir():
                stamp.unlink()
            burst = found[way] = way(agent, stamps, runs)
            figures = (burst.first, burst.middle, burst.last, burst.wall)
            print(f"{way.__name__[3:]:10} {burst.own:10.3f} {burst.children:10.3f} " + " ".join(f"{figure:7.0f}" for figure in figures))
        ratios.append(found[by_executor].last / found[by_spawn].last)
    print(f"last start, executor to spawn: median {median(ratios):.2f}, from {min(ratios):.2f} to {max(ratios):.2f}")
    wall, cpu = adoption(agent, runs)
    print(f"adopting {runs} live runs: {wall:.0f} ms, {cpu:.0f} ms CPU")


if __name__ == "__main__":
    main()
