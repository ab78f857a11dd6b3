"""What broken input costs: `python -m bench.bad_input [WORDS]` reads every case of tests/corpus, or those with such a word in their names.

A script of its own, since a case is no floor of another. Each round reads two valid files, a task file of 64 KiB and a hosts.yaml of 1 MiB,
the most that is ever read of either, and every case once, with nothing remembered of the last one. A case counts with the median of its
ratios to the valid file of its kind in the same round, so that a busy machine slows both. Times are CPU time of this process: of the verdict, and
of what `validate` prints. Cases that take longer than `LIMIT` are marked.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import median

from bench.harness import seconds
from tests.corpus.cases import Case, Tree, cases, tree_of_files, verdict_on

LIMIT = 0.1
ROUNDS = 5
SLOWEST = 15
TASK = """\
  task-{0}:
    description: Dump and ship database {0}, then tell the other side about it and wait for its answer
    schedule: "{1} 2 * * *"
    command: ./scripts/backup.sh --database {0} --compress --verify --keep 14 --target backup.example.org
    hosts: ["db-*", "!db-test-*", "role=db"]
    timeout: 2h
"""
HOST = "  web-{0}.example.org: {{addresses: [10.1.{1}.{2}], labels: {{role: web, site: eu-{0}}}, timezone: Europe/Berlin}}\n"


def full(head: str, part: str, size: int, most: int) -> bytes:
    """As many parts as fit into `size`, and no more than `most`."""
    text, number = head, 0
    while number < most and len(text) + len(part) + 20 < size:
        text += part.format(number, number // 250 % 60, number % 250)
        number += 1
    return text.encode()


def valid() -> Mapping[str, Tree]:
    """The floors by kind."""
    task = full("version: 1\ntasks:\n", TASK, 65_536, 1_000)
    program = {"scripts/backup.sh": b"#!/bin/sh\n"}
    hosts = full("hosts:\n", HOST, 2**20, 7_500)
    small = b"version: 1\ntasks: {a: {type: daemon, command: x}}\n"
    return {
        "task file of 64 KiB": tree_of_files({"tasks/valid.yaml": task} | program),
        f"hosts.yaml of {len(hosts) >> 10:,} KiB": tree_of_files({"tasks/valid.yaml": small, "hosts.yaml": hosts}),
    }


def spent(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def forget() -> None:
    """What the core remembers of schedules, zones and selectors is gone, as in the fresh process that reads a commit."""
    for name, module in list(sys.modules.items()):
        if name.startswith("torchsync.core."):
            for value in vars(module).values():
                if hasattr(value, "cache_clear"):
                    value.cache_clear()


def main(words: Sequence[str]) -> int:
    chosen = [case for case in cases() if not words or any(word in case.name for word in words)]
    floors = valid()
    times: dict[str, list[float]] = {name: [] for name in [*floors, *(case.name for case in chosen)]}
    for _ in range(ROUNDS):
        for name, tree in floors.items():
            forget()
            times[name].append(spent(partial(check_valid, tree)))
        for case in chosen:
            made = case.make()
            forget()
            times[case.name].append(spent(partial(case.judge, made)))
    report(chosen, times, list(floors))
    return 0


def check_valid(tree: Tree) -> None:
    assert not verdict_on(tree).problems


def report(chosen: Sequence[Case], times: Mapping[str, Sequence[float]], floors: Sequence[str]) -> None:
    print(
        f"{len(chosen)} cases, median of {ROUNDS} rounds; valid: {', '.join(f'{name} {seconds(median(times[name]))}' for name in floors)}"
    )
    print(f"{'slowest cases':50} {'time':>10} {'ratio':>7} {'print':>10}")
    for case in sorted(chosen, key=lambda case: -median(times[case.name]))[:SLOWEST]:
        floor = floors[len(case.make().contents.get("hosts.yaml", b"")) > 65_536]
        each, ratio = median(times[case.name]), median(one / least for one, least in zip(times[case.name], times[floor], strict=True))
        mark = f"  over {seconds(LIMIT)}, against a valid {floor}" if each > LIMIT else ""
        print(f"{case.name:50} {seconds(each):>10} {ratio:>7.2f} {seconds(spent(partial(getattr, case.told(), 'text'))):>10}{mark}")
    over = [case.name for case in chosen if median(times[case.name]) > LIMIT]
    print(f"median of all {seconds(median(median(times[case.name]) for case in chosen))}; {len(over)} over {seconds(LIMIT)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
