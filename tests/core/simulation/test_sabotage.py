"""An engine that is broken on purpose breaks a promise, and soon: the promises can fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from tests.builders import SECOND
from tests.core.simulation.annals import Broken
from tests.core.simulation.chance import SHORT
from tests.core.simulation.months import Months, Plan
from torchsync.core import admission, fires, records, succession
from torchsync.core.daemons import Daemons
from torchsync.core.effects import Outbox, Signal, Start, Turn
from torchsync.core.engine import Engine
from torchsync.core.entries import Admit, Finish, Intend, PutRecord, Skip, Withdraw
from torchsync.core.fires import Fires
from torchsync.core.holds import Holds
from torchsync.core.model import Conduct, Instant, StopCause, Task
from torchsync.core.roster import Roster
from torchsync.core.skips import Skips
from torchsync.core.timetable import Timetable

Patch = pytest.MonkeyPatch
STORIES = (5, 6, 15, *range(5))
"""By their seeds; the first three find most of it, and soon."""
BUSY = Plan(commit=6, crash=4, crash_at_a_point=1, reboot=60, operator=2, suspend=20)


def forget(kind: type) -> Callable[[Patch], None]:
    """Operations of this kind are never written."""

    def sabotage(patch: Patch) -> None:
        write = Outbox.write
        patch.setattr(Outbox, "write", lambda self, *all: write(self, *(one for one in all if not isinstance(one, kind))))

    return sabotage


def the_mark_does_not_move(patch: Patch) -> None:
    patch.setattr(records, "decided", lambda record, _: record)


def the_mark_is_not_written(patch: Patch) -> None:
    write = Outbox.write

    def kept(one: object) -> object:
        return PutRecord(replace(one.record, decided_through=Instant(0))) if isinstance(one, PutRecord) else one

    patch.setattr(Outbox, "write", lambda self, *all: write(self, *map(kept, all)))


def a_run_starts_before_it_is_written_down(patch: Patch) -> None:
    flush = Outbox.flush

    def early(self: Outbox) -> Turn:
        turn = flush(self)
        self.operations = [one for one in turn.operations if isinstance(one, Admit)]
        return replace(turn, operations=tuple(one for one in turn.operations if not isinstance(one, Admit)))

    patch.setattr(Outbox, "flush", early)


def a_daemon_is_doubled(patch: Patch) -> None:
    def missing(self: Daemons, task: Task, _: object) -> list[int]:
        return [copy for copy in range(1, task.max_running + 1) if (task.name, copy) not in self._until]

    patch.setattr(Daemons, "missing", missing)


def a_daemon_is_not_started_again(patch: Patch) -> None:
    patch.setattr(Daemons, "expire", lambda self, mono: self._timers.clear() or [])


def the_loop_is_woken_late(patch: Patch) -> None:
    next_wake = Engine.next_wake

    def late(self: Engine, now: int, mono: int) -> int | None:
        wake = next_wake(self, now, mono)
        return None if wake is None else wake + SECOND

    patch.setattr(Engine, "next_wake", late)


def kill_follows_at_once(patch: Patch) -> None:
    do = Outbox.do

    def hasty(self: Outbox, *effects: object) -> None:
        do(self, *effects)
        for effect in effects:
            if isinstance(effect, Signal) and effect.name != "KILL":
                do(self, Signal(effect.attempt, "KILL"))

    patch.setattr(Outbox, "do", hasty)


def a_swap_ends_every_run(patch: Patch) -> None:
    apply = Engine.apply

    def rough(self: Engine, generation, found, now, mono) -> None:
        apply(self, generation, found, now, mono)
        for run in self.runs:
            self._roster.stop(run, StopCause.CHANGED, now, mono)

    patch.setattr(Engine, "apply", rough)


def a_swap_gives_runs_the_new_definition(patch: Patch) -> None:
    apply = Engine.apply

    def drifting(self: Engine, generation, found, now, mono) -> None:
        apply(self, generation, found, now, mono)
        for run in self.runs.values():
            if (task := generation.tasks.get(run.task.name)) is not None:
                self._roster._runs[run.id] = replace(run, task=task, revision=generation.revision)

    patch.setattr(Engine, "apply", drifting)


def a_swap_forgets_what_was_added(patch: Patch) -> None:
    apply = Engine.apply

    def partial(self: Engine, generation, found, now, mono) -> None:
        apply(self, generation, found, now, mono)
        for name in found.added:
            self._timetable.drop(name)

    patch.setattr(Engine, "apply", partial)


def what_was_slept_through_is_one_instant(patch: Patch) -> None:
    take = Timetable.take

    def coalesced(self: Timetable, now: int, most: int) -> list[object]:
        return list({fire.task: fire for fire in take(self, now, most)}.values())

    patch.setattr(Timetable, "take", coalesced)


def a_skip_counts_twice(patch: Patch) -> None:
    skipped = records.skipped
    patch.setattr(records, "skipped", lambda record, reason, last, count: skipped(record, reason, last, count + 1))


def a_pause_is_ignored(patch: Patch) -> None:
    patch.setattr(Holds, "pauses", lambda *_: False)


def the_number_of_copies_is_ignored(patch: Patch) -> None:
    patch.setattr(admission, "is_full", lambda *_: False)


def the_deadline_is_ignored(patch: Patch) -> None:
    patch.setattr(admission, "is_missed", lambda *_: False)


def a_restart_forgets_the_runs(patch: Patch) -> None:
    patch.setattr(Roster, "take_up", lambda _, run, *__: run)


def a_timeout_is_forgotten(patch: Patch) -> None:
    started = Roster.started

    def lax(self: Roster, run, started_at, now, mono):
        timers = list(self._timers)
        found = started(self, run, started_at, now, mono)
        self._timers = timers
        return found

    patch.setattr(Roster, "started", lax)


def the_second_of_two_starts_is_lost(patch: Patch) -> None:
    flush = Outbox.flush

    def lossy(self: Outbox) -> Turn:
        turn = flush(self)
        starts = [one for one in turn.effects if isinstance(one, Start)]
        return replace(turn, effects=tuple(one for one in turn.effects if one not in starts[1:]))

    patch.setattr(Outbox, "flush", lossy)


def a_span_of_skips_is_not_written(patch: Patch) -> None:
    write = Skips._write

    def first_alone(self: Skips, span, now) -> None:
        span.last, span.count = span.first, 1
        write(self, span, now)

    patch.setattr(Skips, "_write", first_alone)


def a_pool_has_no_end(patch: Patch) -> None:
    patch.setattr(Fires, "is_pool_full", lambda *_: False)


def what_waits_is_not_served(patch: Patch) -> None:
    patch.setattr(Fires, "serve", lambda *_: None)


def every_task_replaces(patch: Patch) -> None:
    patch.setattr(fires, "_replaces", lambda _: True)


def every_change_ends_the_copies(patch: Patch) -> None:
    patch.setattr(succession, "conduct", lambda *_: Conduct.STOP)


SABOTAGES = [
    (the_mark_does_not_move, "has an entry already|nothing covers"),
    (the_mark_is_not_written, "has an entry already|is written down"),
    (forget(Withdraw), "already|known|nothing of it lives|written down"),
    (forget(Intend), "nothing was recorded"),
    (forget(Finish), "written down"),
    (forget(Skip), "nothing covers|written down"),
    (a_run_starts_before_it_is_written_down, "before it was written down"),
    (a_daemon_is_doubled, "copies .* live"),
    (a_daemon_is_not_started_again, "has not been started"),
    (the_loop_is_woken_late, "ms late"),
    (kill_follows_at_once, "ms too early"),
    (a_swap_ends_every_run, "no reason for changed"),
    (a_swap_gives_runs_the_new_definition, "has changed on the way"),
    (a_swap_forgets_what_was_added, "nothing covers"),
    (what_was_slept_through_is_one_instant, "nothing covers"),
    (a_skip_counts_twice, "counted"),
    (a_pause_is_ignored, "under a pause"),
    (the_number_of_copies_is_ignored, "copies run"),
    (the_deadline_is_ignored, "ms later"),
    (a_restart_forgets_the_runs, "is not known|open are"),
    (a_timeout_is_forgotten, "after its timeout"),
    (the_second_of_two_starts_is_lost, "nothing of it lives"),
    (a_span_of_skips_is_not_written, "nothing covers"),
    (a_pool_has_no_end, "runs go in the pool"),
    (what_waits_is_not_served, "waits, and"),
    (every_task_replaces, "no reason for replaced"),
    (every_change_ends_the_copies, "no reason for"),
]


@pytest.mark.parametrize(("sabotage", "told"), SABOTAGES, ids=lambda one: getattr(one, "__qualname__", ""))
def test_what_is_broken_on_purpose_is_found(sabotage: Callable[[Patch], None], told: str, monkeypatch: Patch) -> None:
    sabotage(monkeypatch)
    with pytest.raises(Broken, match=told):
        play(STORIES)


def test_what_is_whole_keeps_its_promises_in_the_same_stories() -> None:
    play(STORIES[:3])


def play(stories: Sequence[int]) -> None:
    for seed in stories:
        Months(seed, tasks=6, plan=BUSY, rates=SHORT).play(0.5)
