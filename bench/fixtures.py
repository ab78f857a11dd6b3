"""Tasks, generations and engines for benchmarks of the agent's own work."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import count

from torchsync.core.engine import Engine
from torchsync.core.model import (
    CronTiming,
    Fingerprint,
    Generation,
    HostFacts,
    Instant,
    Millis,
    Position,
    ProgramCommand,
    Revision,
    RunId,
    Task,
    TaskName,
    TreeId,
)
from torchsync.core.policy import HostPolicy

REVISION = Revision("a" * 40)
TREE = TreeId("b" * 40)
FACTS = HostFacts(name="bench")


def some_tasks(number: int, schedule: str = "", argv: tuple[str, ...] = ("/bin/true",)) -> list[Task]:
    """Tasks of a usual size; without a schedule each has one of its own."""
    return [
        Task(
            name=TaskName(f"task-{index}"),
            timing=CronTiming(schedule=schedule or f"{index % 60} {index % 24} * * *", zone="Europe/Berlin", timeout=Millis(600_000)),
            command=ProgramCommand(argv),
            fingerprint=Fingerprint(f"{index:064x}"),
            source=Position(f"tasks/team-{index % 50}/task-{index}.yaml", 3, 3),
            description="One of many tasks of a usual size, with the words that people write",
            owner="team-platform",
            env={"LEVEL": "info", "TARGET": f"host-{index}.example.org"},
        )
        for index in range(number)
    ]


def generation_of(tasks: list[Task], baseline: Instant) -> Generation:
    return Generation(
        number=1,
        revision=REVISION,
        tree=TREE,
        facts=FACTS,
        tasks={task.name: task for task in tasks},
        baselines={task.name: baseline for task in tasks},
        applied_at=baseline,
        origin="bench",
        floor=REVISION,
    )


def policy(user: str) -> HostPolicy:
    return HostPolicy(agent_user=user, is_root=os.geteuid() == 0, default_user=user, allow_root=True, max_tasks=100_000)


def new_engine(boot_id: str, user: str) -> Engine:
    return Engine(boot_id=boot_id, policy=policy(user), new_run_id=_numbered(count(1)))


def _numbered(numbers: Iterator[int]) -> Callable[[Instant], RunId]:
    return lambda now: RunId(f"{now:012x}-{next(numbers):08x}")
