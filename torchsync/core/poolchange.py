"""Which pools of a host get another size. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torchsync.core.model import Task


@dataclass(frozen=True, slots=True)
class PoolChange:
    """The number of runs that may go at once in the pool, by torchsync.yaml; None where that does not say."""

    name: str
    old: int | None
    new: int | None


def pool_changes(old: Mapping[str, int], new: Mapping[str, int], tasks: Iterable[Task], own: Mapping[str, int]) -> tuple[PoolChange, ...]:
    """By name, of the pools that `tasks` are in. What the host says itself, in `own`, wins over torchsync.yaml, so that nothing changes there."""
    if old == new:
        return ()
    names = sorted({task.pool for task in tasks if task.pool} - own.keys())
    return tuple(PoolChange(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name))
