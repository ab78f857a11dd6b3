"""What is shown of each task of the generation in force, made anew when something of it has changed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torchsync.core.holds import Holds
from torchsync.core.lateness import AgeLimits, resumed_at
from torchsync.core.model import Generation, TaskName
from torchsync.core.snapshot import TaskStatus


class StatusBoard:
    """`limits` are how old the last successes may be."""

    def __init__(self) -> None:
        self.limits = AgeLimits()
        self._statuses: dict[TaskName, TaskStatus] = {}

    @property
    def statuses(self) -> Mapping[TaskName, TaskStatus]:
        """A copy."""
        return dict(self._statuses)

    def drop(self, name: TaskName) -> None:
        """Nothing is shown of the task."""
        self._statuses.pop(name, None)
        self.limits.drop(name)

    def show(self, status: TaskStatus, generation: Generation, holds: Holds) -> None:
        """That is shown of a task of the generation, with the limit of its age."""
        name = status.task.name
        limit = self.limits.of(status.task, generation, status.record, resumed_at(holds, name))
        self._statuses[name] = replace(status, max_age=limit)
