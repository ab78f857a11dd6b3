"""How one generation follows another: which tasks it holds and from when their instants count. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from torchsync.core.diff import Diff, diff, reschedules
from torchsync.core.entries import TurnBack, earlier
from torchsync.core.model import Generation, HostFacts, Instant, Task, TaskName
from torchsync.core.syncdoc import SyncAnswer
from torchsync.core.timetable import check_timing, is_moved


def tasks_of(old: Generation | None, answer: SyncAnswer) -> dict[TaskName, Task]:
    """The tasks the answer selects: those it sends, and those it says are the ones in force.

    Raises ValueError for a task that is said to be in force and is not, and for a schedule that cannot be followed.
    """
    known = old.tasks if old else {}
    unknown = [name for name in answer.kept if name not in known]
    if unknown:
        raise ValueError(f"the answer keeps {unknown[0]!r}, which is not in force")
    for task in answer.tasks:
        check_timing(task)
    tasks = {name: known[name] for name in answer.kept}
    tasks.update({task.name: task for task in answer.tasks})
    return tasks


def succeed(
    old: Generation | None, answer: SyncAnswer, tasks: Mapping[TaskName, Task], *, observed: HostFacts, origin: str, now: Instant
) -> tuple[Generation, Diff]:
    """The generation that follows `old` at `now`, and what is different in it. A task that is new here or scheduled anew counts from `now`.

    `observed` is what the host says of itself.
    """
    facts = answer.facts or observed
    found = diff(old.tasks if old else {}, tasks)
    found = replace(found, moved=_moved(old, tasks, facts) if old else ())
    generation = Generation(
        number=old.number + 1 if old else 1,
        revision=answer.revision,
        tree=answer.tree,
        facts=facts,
        tasks=tasks,
        baselines=_baselines(old, found, now),
        applied_at=now,
        not_selected=answer.not_selected,
        origin=origin,
        floor=answer.revision if answer.raises_floor or old is None else old.floor,
        observed=observed,
        notices=answer.notices,
        guards=answer.guards,
        pools=answer.pools,
        trust=answer.trust,
        authorship=answer.authorship,
    )
    return generation, found


def without_new_baselines(generation: Generation) -> Generation:
    """As `generation`, for an agent that runs nothing: what it added or rescheduled counts from the day an agent first runs it."""
    kept = {name: baseline for name, baseline in generation.baselines.items() if baseline != generation.applied_at}
    return replace(generation, baselines=kept)


def with_baselines(generation: Generation, now: Instant) -> Generation:
    """As `generation`; tasks without a baseline count from `now`."""
    missing = {name: now for name in generation.tasks if name not in generation.baselines}
    return replace(generation, baselines={**generation.baselines, **missing}) if missing else generation


def turned_back(generation: Generation, turn: TurnBack) -> Generation:
    """As `generation`; no baseline lies later than the clock has turned back to. The very same when none does."""
    moved = {name: earlier(baseline, turn) for name, baseline in generation.baselines.items() if baseline > turn.now}
    applied_at = earlier(generation.applied_at, turn)
    if not moved and applied_at == generation.applied_at:
        return generation
    return replace(generation, baselines={**generation.baselines, **moved}, applied_at=applied_at)


def rebased(generation: Generation, names: Collection[TaskName], now: Instant) -> Generation:
    """As `generation`; these tasks count from `now`."""
    return replace(generation, baselines={**generation.baselines, **dict.fromkeys(names, now)}) if names else generation


def _moved(old: Generation, tasks: Mapping[TaskName, Task], facts: HostFacts) -> tuple[TaskName, ...]:
    if (old.facts.name, old.facts.zone) == (facts.name, facts.zone):
        return ()
    common = sorted(old.tasks.keys() & tasks.keys())
    return tuple(name for name in common if is_moved(tasks[name], old.facts, facts))


def _baselines(old: Generation | None, found: Diff, now: Instant) -> dict[TaskName, Instant]:
    moved = {*found.added, *found.moved, *(change.name for change in found.changed if reschedules(change.old, change.new))}
    carried = dict(old.baselines) if old else {}
    for name in found.removed:
        carried.pop(name, None)
    carried.update(dict.fromkeys(moved - set(found.removed), now))
    return carried
