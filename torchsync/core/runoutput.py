"""An attempt that is over, as whoever passes on its output is told of it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torchsync.core.model import Attempt, Outcome, Run
from torchsync.core.records import FAILURES


@dataclass(frozen=True, slots=True)
class EndedAttempt:
    """How `over`, an attempt of the run, ended; the last one of the run, or one that has failed and is followed by another."""

    run: Run
    over: Attempt

    @property
    def is_failure(self) -> bool:
        return self.over.outcome in FAILURES

    @property
    def fields(self) -> Mapping[str, object]:
        """What lines about it have."""
        return {
            "task": self.run.task.name,
            "run": self.run.id,
            "revision": self.run.revision,
            "trigger": self.run.trigger.value,
            "attempt": self.over.number,
            "outcome": self.over.outcome.value,
            "exit_status": self.over.exit_status,
        }

    @property
    def has_begun(self) -> bool:
        return self.over.outcome is not Outcome.START_FAILED and self.over.started_at is not None


PassOn = Callable[[EndedAttempt], None]
"""Takes the output of an attempt to where it is read besides `torchsync logs`. Never fails, never waits."""


def nowhere(_: EndedAttempt) -> None:
    """Output stays where it is."""
