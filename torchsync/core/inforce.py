"""What decisions go by: the tasks in force, what operators hold, what the host allows, and which boot it is. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torchsync.core.holds import Holds
from torchsync.core.model import Generation, Instant, RunId, Task, TaskName
from torchsync.core.policy import HostPolicy


@dataclass(slots=True)
class InForce:
    """The engine changes it; its parts read it."""

    boot_id: str
    new_run_id: Callable[[Instant], RunId]
    policy: HostPolicy
    generation: Generation | None = None
    holds: Holds = Holds()

    @property
    def tasks(self) -> Mapping[TaskName, Task]:
        return self.generation.tasks if self.generation else {}

    def task(self, name: TaskName) -> Task | None:
        return self.tasks.get(name)
