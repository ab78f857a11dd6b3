"""What the ledger keeps of the generations: which was in force when, with which definition of each task, and when agents began. Pure.

Only what changes is written: a swap is one row, and each task that is new, defined otherwise or counts from another moment has a `Term`, which lasts
until the swap that ends it. So a definition costs once what it takes, however many generations it lives through.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torchsync.core.model import Generation, HostFacts, Instant, Revision, Task, TaskName


@dataclass(frozen=True, slots=True, kw_only=True)
class RememberedGeneration:
    """A generation as it is remembered. `host` and `zone` are the facts that instants go by."""

    number: int
    revision: Revision
    applied_at: Instant
    host: str
    zone: str

    @property
    def facts(self) -> HostFacts:
        """As far as they are remembered."""
        return HostFacts(name=self.host, zone=self.zone)


@dataclass(frozen=True, slots=True)
class Entering:
    """A task as it is from a generation on, and after which moment its instants count."""

    task: Task
    baseline: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class PutGeneration:
    """The generation is in force from its `applied_at` on. `tasks` are those that are new, defined otherwise or count from another moment, `gone`
    those it does not have any more. With `is_whole`, `tasks` are all of them, and what is different is found by the ledger.
    """

    generation: RememberedGeneration
    tasks: tuple[Entering, ...]
    gone: tuple[TaskName, ...] = ()
    is_whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PutStart:
    """An agent process began, on a host that had this boot id. The one before had been alive at `last_sign`, as far as is known: 0 for never."""

    at: Instant
    boot_id: str
    last_sign: Instant


ChronicleOp = PutGeneration | PutStart
"""What is told for later questions only: nothing is decided by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """From `since` until `until` (None: still) the task had this definition, and counted instants later than `baseline`. `generation` is the one that
    began it.
    """

    task: Task
    generation: int
    since: Instant
    until: Instant | None
    baseline: Instant


def in_force(generation: Generation) -> RememberedGeneration:
    """What is remembered of the generation itself."""
    return RememberedGeneration(
        number=generation.number,
        revision=generation.revision,
        applied_at=generation.applied_at,
        host=generation.facts.name,
        zone=generation.facts.zone,
    )


def whole(generation: Generation) -> PutGeneration:
    """The generation with all of its tasks."""
    return PutGeneration(generation=in_force(generation), tasks=_entering(generation, sorted(generation.tasks)), is_whole=True)


def successor(generation: Generation, entering: Iterable[TaskName], gone: Iterable[TaskName]) -> PutGeneration:
    """The generation, with what is different from the one before."""
    return PutGeneration(generation=in_force(generation), tasks=_entering(generation, sorted(set(entering))), gone=tuple(gone))


def rebased(before: Generation | None, after: Generation | None) -> tuple[PutGeneration, ...]:
    """What is to be told when tasks of the same generation count from a later moment, since the clock had shown what cannot be. That they count from
    an earlier one, since the clock has returned, the ledger knows by itself.
    """
    if before is None or after is None or before is after:
        return ()
    moved = [name for name, baseline in after.baselines.items() if name in after.tasks and baseline > before.baselines.get(name, baseline)]
    return (successor(after, moved, ()),) if moved else ()


def _entering(generation: Generation, names: Iterable[TaskName]) -> tuple[Entering, ...]:
    return tuple(Entering(generation.tasks[name], generation.baselines.get(name, generation.applied_at)) for name in names)
