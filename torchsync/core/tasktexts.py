"""The canonical text of each definition in force: what generation.json and the ledger both keep. Pure.

To put a definition into words costs more than all else that a swap does with it, so it is done once: for a task that the generation before had
already, not again.
"""

from __future__ import annotations

from collections.abc import Mapping

from torchsync.core.jsontext import canonical
from torchsync.core.model import Task, TaskName
from torchsync.core.taskdoc import task_document


class TaskTexts:
    """Knows the texts of the tasks that `follow` was told of last, and makes any other."""

    def __init__(self) -> None:
        self._known: dict[TaskName, tuple[Task, str]] = {}

    def follow(self, tasks: Mapping[TaskName, Task]) -> dict[TaskName, str]:
        """The texts of these tasks by name, which are known from now on."""
        self._known = {name: (task, self.of(task)) for name, task in tasks.items()}
        return {name: text for name, (_, text) in self._known.items()}

    def of(self, task: Task) -> str:
        """The text of the task."""
        known = self._known.get(task.name)
        return known[1] if known is not None and known[0] is task else canonical(task_document(task))
