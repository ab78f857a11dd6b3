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

    def places_in(self, pool: str) -> int:
        """How many runs may go at once in the pool. One that nobody gives a size any more has a single place."""
        of_repository = self.generation.pools if self.generation else {}
        return self.policy.pools.get(pool, of_repository.get(pool, 1))

    @property
    def pools(self) -> set[str]:
        """The names of those that somebody gives a size."""
        return {*(self.generation.pools if self.generation else ()), *self.policy.pools}

    def task(self, name: TaskName) -> Task | None:
        return self.tasks.get(name)
