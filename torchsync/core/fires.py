"""What becomes of a fire: a run, or an entry that says why there is none. Pure."""

from __future__ import annotations

from torchsync.core import admission, records
from torchsync.core.inforce import InForce
from torchsync.core.model import CronTiming, Instant, Run, SkipReason, Task, TaskName, Trigger
from torchsync.core.policy import effective_user
from torchsync.core.recordbook import Recordbook
from torchsync.core.roster import Roster
from torchsync.core.skips import Skips
from torchsync.core.timekeeper import Timekeeper
from torchsync.core.timetable import Fire, is_startup


class Fires:
    """Decides on the fires of all tasks. What is decided goes to the outbox of its parts."""

    def __init__(self, force: InForce, book: Recordbook, keeper: Timekeeper, roster: Roster, skips: Skips) -> None:
        self._force = force
        self._book = book
        self._keeper = keeper
        self._roster = roster
        self._skips = skips

    def decide(self, name: TaskName, fires: list[Fire], now: Instant) -> None:
        """Each of these instants of the task, which are in order, has its entry."""
        task = self._force.task(name)
        generation = self._force.generation
        if task is None or not task.enabled or not isinstance(task.timing, CronTiming):
            self._skips.write(name, [(SkipReason.REMOVED, fires)], generation, now)
            return
        spans: list[tuple[SkipReason, list[Fire]]] = []
        for fire in fires:
            if self._keeper.covers(name, fire.instant):
                self._skips.write(name, spans, generation, now)
                self._book.update(records.decided(self._book.get(name, now), fire.instant))
                continue
            is_paused = self._force.holds.pauses(name, fire.due)
            reason = admission.decide(task, task.timing, fire.due, self._roster.count(name), now, is_paused=is_paused)
            if reason is None:
                self._skips.write(name, spans, generation, now)
                self.admit(task, Trigger.STARTUP if is_startup(task.timing) else Trigger.SCHEDULE, now, fire=fire)
            elif spans and spans[-1][0] is reason:
                spans[-1][1].append(fire)
            else:
                spans.append((reason, [fire]))
        self._skips.write(name, spans, generation, now)
        self._keeper.pass_mark(name, self._book.get(name, now).decided_through)

    def admit(self, task: Task, trigger: Trigger, now: Instant, *, fire: Fire | None = None, copy: int = 0, actor: str = "") -> Run:
        """The run that starts now, of the definition and the tree in force."""
        generation = self._force.generation
        if generation is None:
            raise ValueError("no generation is in force")
        run = Run(
            id=self._force.new_run_id(now),
            task=task,
            revision=generation.revision,
            tree=generation.tree,
            trigger=trigger,
            admitted_at=now,
            boot_id=self._force.boot_id,
            user=effective_user(task, self._force.policy),
            instant=fire.instant if fire else None,
            due=fire.due if fire else None,
            copy=copy,
            actor=actor,
        )
        jump = self._keeper.jump_for(generation, task.name, fire.instant) if fire else 0
        self._roster.admit(run, jump)
        if fire:
            self._keeper.note(task.name, fire.instant, fire.instant, jump)
            self._skips.close(task.name)
            self._book.update(records.decided(self._book.get(task.name, now), fire.instant))
        self._book.touch(task.name, is_changed=False)
        return run
