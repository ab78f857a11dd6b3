"""The records of all tasks, and which of them have changed in the turn under way. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from torchsync.core import records
from torchsync.core.effects import Outbox
from torchsync.core.entries import DropRecord, PutRecord, Rewind, TurnBack
from torchsync.core.model import Instant, TaskName
from torchsync.core.taskrecord import TaskRecord


class Recordbook:
    """What changes goes to the outbox, once a turn. `newest` is the newest instant that any mark has reached."""

    def __init__(self, outbox: Outbox) -> None:
        self.newest = Instant(0)
        self._outbox = outbox
        self._records: dict[TaskName, TaskRecord] = {}
        self._touched: dict[TaskName, bool] = {}

    def restore(self, known: Mapping[TaskName, TaskRecord], in_force: Collection[TaskName], now: Instant) -> None:
        """The records are those of an earlier agent process, without those of tasks that are gone for long."""
        self._records = {name: record for name, record in known.items() if name in in_force or not records.is_forgotten(record, now)}
        self._outbox.write(*(DropRecord(name) for name in known if name not in self._records))
        for name in in_force:
            self.touch(name, is_changed=name not in self._records)
        self._find_newest()

    def get(self, name: TaskName, now: Instant) -> TaskRecord:
        """The record of the task, a new one if it has none."""
        if name not in self._records:
            self._records[name] = records.new_record(name, now)
        return self._records[name]

    def known(self, name: TaskName) -> TaskRecord:
        """The record that the task has."""
        return self._records[name]

    def mark_of(self, name: TaskName) -> Instant:
        """Every instant of the task up to this one is decided."""
        record = self._records.get(name)
        return record.decided_through if record else Instant(0)

    def update(self, record: TaskRecord) -> None:
        """The record of its task is this one from now on."""
        self._records[record.task] = record
        self.newest = max(self.newest, record.decided_through)
        self.touch(record.task, is_changed=True)

    def touch(self, name: TaskName, *, is_changed: bool) -> None:
        """What is shown of the task is made anew; its record has changed, or not."""
        self._touched[name] = is_changed or self._touched.get(name, False)

    def turn_back(self, turn: TurnBack, marks: Mapping[TaskName, Instant]) -> None:
        """Nothing lies later than the clock has turned back to, and these marks have gone back."""
        self._outbox.write(*(Rewind(name, mark) for name, mark in marks.items()))
        for name, record in list(self._records.items()):
            moved = records.turned_back(replace(record, decided_through=marks.get(name, record.decided_through)), turn)
            if moved != record:
                self.update(moved)
        self._find_newest()

    def enter(self, name: TaskName, jump: int) -> None:
        """The task remembers its mark from before the jump."""
        self.update(records.entering(self._records[name], jump))

    def leave(self, jump: int, heir: int) -> dict[TaskName, Instant]:
        """The marks from before the jump of the tasks that had a part in it; they belong to the jump `heir` now, unless that is 0."""
        marks: dict[TaskName, Instant] = {}
        for name, record in list(self._records.items()):
            mark = records.before_jump(record, jump)
            if mark is not None:
                marks[name] = mark
                self.update(records.leaving(record, jump, heir))
        return marks

    def jump_of(self, name: TaskName, instant: Instant) -> int:
        """The newest open jump before which the instant was not decided; 0 for none."""
        return max((before.jump for before in self._records[name].before if before.mark < instant), default=0)

    def start_anew(self, name: TaskName, now: Instant) -> None:
        """The task is seen for the first time now."""
        self.update(replace(self.get(name, now), first_seen=now, last_seen=now))

    def flush(self) -> list[TaskName]:
        """What was touched since the last call; the records that changed are in the outbox."""
        touched = list(self._touched)
        self._outbox.write(*(PutRecord(self._records[name]) for name in touched if self._touched[name] and name in self._records))
        self._touched.clear()
        return touched

    def _find_newest(self) -> None:
        self.newest = max((record.decided_through for record in self._records.values()), default=Instant(0))
