"""What is remembered of the syncs over a restart of the agent. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from torchsync.core.guard import GUARD_OF_REMOVAL
from torchsync.core.model import HostFacts, Instant
from torchsync.core.policy import SeenAccount
from torchsync.core.snapshot import Refusal
from torchsync.core.syncdoc import SyncOutcome
from torchsync.errors import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A revision that was turned down, and everything the verdict depended on."""

    revision: str
    outcome: SyncOutcome
    problems: tuple[Problem, ...]
    origin: str
    facts: HostFacts
    version: str
    trust: str = ""
    config: str = ""
    tip: str = ""
    """Of a pinned revision: what the remote's ref pointed to. Whether a pin can be followed depends on it."""
    accounts: tuple[SeenAccount, ...] = ()
    """Of a revision that the host refused: those whom its tasks run as. Somebody may create the user that it lacked."""

    @property
    def is_of_guard(self) -> bool:
        """An operator may overrule it."""
        return any(problem.code == GUARD_OF_REMOVAL for problem in self.problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncMemory:
    """All of it. `judged` is what the newest verdict turned down, None when it turned down nothing."""

    last_success: Instant = Instant(0)
    last_apply: Instant = Instant(0)
    judged: Judged | None = None
    applied: tuple[str, ...] = ()
    """The revisions that were in force, oldest first: where a rollback can go."""
    refusals: tuple[Refusal, ...] = ()
    """The newest revisions that were not taken, the newest last."""
