"""The fires that wait for room. Pure.

Every one of them has an entry in the ledger, so that it survives whatever happens to the agent. One that comes and goes in the same turn is never
written down; what is left when the turn ends is, by `flush`.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import replace

from torchsync.core.effects import Outbox, ToldQueue
from torchsync.core.entries import Annul, Dequeue, Enqueue, QueuedFire, is_annulled
from torchsync.core.model import Instant, TaskName, Trigger


class FireQueue:
    """By task, the oldest instant first. What is decided goes to the outbox."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._waiting: dict[TaskName, list[QueuedFire]] = {}
        self._new: dict[tuple[TaskName, Instant], QueuedFire] = {}
        self._numbers: dict[tuple[TaskName, Instant], int] = {}

    def __contains__(self, task: TaskName) -> bool:
        return task in self._waiting

    def restore(self, fire: QueuedFire, number: int) -> None:
        """As `add`; an earlier agent process left it."""
        self._put(fire)
        self._numbers[fire.task, fire.instant] = number

    def of(self, task: TaskName) -> tuple[QueuedFire, ...]:
        return tuple(self._waiting.get(task, ()))

    def tasks(self) -> list[TaskName]:
        """Those of which something waits."""
        return list(self._waiting)

    def count(self, task: TaskName, *, made_up: bool) -> int:
        return sum(fire.is_made_up is made_up for fire in self._waiting.get(task, ()))

    def first(self, task: TaskName, *, made_up_last: bool) -> QueuedFire | None:
        """The one whose turn it is."""
        fires = self._waiting.get(task, [])
        fresh = next((fire for fire in fires if not fire.is_made_up), None) if made_up_last else None
        return fresh or next(iter(fires), None)

    def add(self, fire: QueuedFire, number: int) -> None:
        """The fire waits; it was the one of this number that was decided for its task."""
        self._put(fire)
        self._new[fire.task, fire.instant] = fire
        self._numbers[fire.task, fire.instant] = number

    def number_of(self, fire: QueuedFire) -> int:
        return self._numbers[fire.task, fire.instant]

    def take(self, fire: QueuedFire) -> None:
        """The fire does not wait any more; what becomes of it is up to the caller."""
        self._drop(fire)
        if self._new.pop((fire.task, fire.instant), None) is None:
            self._outbox.write(Dequeue(fire.task, fire.instant))

    def oldest(self, task: TaskName, *, made_up: bool) -> QueuedFire | None:
        """The first of the kind."""
        return next((fire for fire in self._waiting.get(task, ()) if fire.is_made_up is made_up), None)

    def annul(self, annul: Annul) -> None:
        """A jump of the clock is taken back. It is the caller who tells the ledger."""
        for fire in self.of(annul.task):
            if is_annulled(fire, annul):
                self._drop(fire)
            elif fire.jump == annul.jump and annul.heir:
                self._change(fire, annul.heir)

    def settle(self, task: TaskName, jump: int, heir: int) -> None:
        """What that jump caused belongs to the jump `heir`, or to none. It is the caller who tells the ledger."""
        for fire in self.of(task):
            if fire.jump == jump:
                self._change(fire, heir)

    def flush(self) -> None:
        """What has begun to wait since the last call and still does is in the outbox."""
        counts: dict[tuple[TaskName, Trigger], int] = {}
        for fire in self._new.values():
            self._outbox.write(Enqueue(fire))
            counts[fire.task, fire.trigger] = counts.get((fire.task, fire.trigger), 0) + 1
        self._outbox.do(*(ToldQueue(task, trigger, count) for (task, trigger), count in counts.items()))
        self._new.clear()

    def _put(self, fire: QueuedFire) -> None:
        insort(self._waiting.setdefault(fire.task, []), fire, key=lambda one: one.instant)

    def _drop(self, fire: QueuedFire) -> None:
        fires = self._waiting[fire.task]
        fires.remove(fire)
        del self._numbers[fire.task, fire.instant]
        if not fires:
            del self._waiting[fire.task]

    def _change(self, fire: QueuedFire, jump: int) -> None:
        fires = self._waiting[fire.task]
        fires[fires.index(fire)] = moved = replace(fire, jump=jump)
        if (fire.task, fire.instant) in self._new:
            self._new[fire.task, fire.instant] = moved
