"""What torchsync promises, as functions of a host. Each raises `Broken` when it does not hold; the numbers are those of section 1 of the README.

A witness remembers what was checked before, so that a step costs what has happened in it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.core.simulation import dues
from tests.core.simulation.annals import Broken
from tests.core.simulation.host import POOLS, Host, Sent, Told
from tests.core.simulation.processes import Process
from torchsync.core.entries import Admit, Intend, Skip
from torchsync.core.holds import Holds
from torchsync.core.model import (
    Conduct,
    CronTiming,
    DaemonTiming,
    Generation,
    HostFacts,
    Instant,
    Overlap,
    Run,
    RunId,
    RunState,
    StopCause,
    Task,
    TaskName,
    Trigger,
)


class Witness:
    """Looks at a host after each step."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.admitted: dict[RunId, Run] = {}
        self.since: dict[TaskName, int] = {}
        """From when on the instants of a task count, while the clock is honest."""
        self.floors: dict[TaskName, int] = {}
        """Where the instants of a task were decided by when it got others, on a clock that had gone back."""
        self.checked: dict[TaskName, int] = {}
        self.missing: dict[tuple[TaskName, int], int] = {}
        self.begun: dict[tuple[TaskName, Instant], list[RunId]] = {}
        self._generation = host.saved
        self._annals = host.annals
        self._now = host.now

    def look(self) -> None:
        """Every promise has been checked."""
        self._see_swap()
        self._see_clock()
        for promise in PROMISES:
            promise(self)
        self.host.told.clear()
        self.host.sent.clear()
        self._now = self.host.now

    def _see_swap(self) -> None:
        host = self.host
        if host.saved is self._generation or host.saved is None:
            return
        for name, task in host.saved.tasks.items():
            if self._generation is None or _is_rescheduled(name, task, self._generation, host.saved.facts):
                self.since[name] = host.saved.applied_at
                self.floors[name] = host.annals.newest_of(name)
                self.checked.pop(name, None)
        self.since = {name: at for name, at in self.since.items() if name in host.saved.tasks}
        self._generation = host.saved

    def _see_clock(self) -> None:
        """What has lost its entry is looked at again."""
        host = self.host
        if host.annals is not self._annals:
            self._annals = host.annals
            self.checked.clear()
        for name, earliest in host.annals.uncovered.items():
            self.floors[name] = min(self.floors.get(name, 0), earliest - 1)
            self.checked.pop(name, None)
        host.annals.uncovered.clear()
        if host.now < self._now:
            self.checked.clear()


def _is_rescheduled(name: TaskName, task: Task, old: Generation, facts: HostFacts) -> bool:
    """Whether the instants of the task count from the swap on."""
    before = old.tasks.get(name)
    if before is None:
        return True
    if not isinstance(task.timing, CronTiming):
        return False
    moved = replace(task, enabled=True)
    if dues.rhythm_of(moved, old.facts) != dues.rhythm_of(moved, facts):
        return True
    return task.enabled and _written(task) != _written(before)


def _written(task: Task) -> tuple[str, str, int] | None:
    timing = task.timing
    return (timing.schedule, timing.zone, timing.jitter) if isinstance(timing, CronTiming) and task.enabled else None


Promise = Callable[[Witness], None]


def a_signal_follows_a_rule_that_was_recorded_before(witness: Witness) -> None:
    """Promise 1."""
    for sent in witness.host.sent:
        if sent.recorded is None:
            raise Broken(f"{sent.name} to {sent.run.id} of {sent.run.task.name}: nothing was recorded")
        if not _is_justified(sent, witness.host):
            raise Broken(f"{sent.name} to {sent.run.id} of {sent.run.task.name}: no reason for {sent.recorded.value}")
        if sent.name == "KILL" and (too_early := _grace_left(sent)) > 0:
            raise Broken(f"KILL to {sent.run.id} of {sent.run.task.name}: {too_early} ms too early")


def _is_justified(sent: Sent, host: Host) -> bool:
    task, current = sent.run.task, sent.in_force.tasks.get(sent.run.task.name) if sent.in_force else None
    match sent.recorded:
        case StopCause.TIMEOUT:
            begun = sent.process.claimed_at if sent.process else None
            timing = task.timing
            return isinstance(timing, CronTiming) and begun is not None and 0 < timing.timeout <= sent.at - begun
        case StopCause.OPERATOR:
            return sent.run.id in host.stopped or _was_drained(sent.run, host)
        case StopCause.CHANGED | StopCause.REMOVED if Conduct.STOP not in (task.when_changed, task.when_removed):
            return False
        case StopCause.CHANGED | StopCause.REMOVED:
            return current is None or current.fingerprint != task.fingerprint or _was_replaced(sent.run, host)
        case StopCause.REPLACED:
            return isinstance(task.timing, CronTiming) and task.timing.overlap is Overlap.REPLACE
    return False


def _was_drained(run: Run, host: Host) -> bool:
    return any(run.task.is_daemon or stops_runs for stops_runs in host.drains)


def _was_replaced(run: Run, host: Host) -> bool:
    """A later commit had another definition, or none."""
    later = [tasks.get(run.task.name) for revision, tasks in host.commits.items() if revision > run.revision]
    return any(task is None or task.fingerprint != run.task.fingerprint for task in later)


def _grace_left(sent: Sent) -> int:
    """To the moment at which KILL may follow the first signal."""
    first = [at for at, name in sent.process.signals if name != "KILL"] if sent.process else []
    return first[0] + sent.run.task.stop_grace - sent.at if first else 0


def what_is_in_force_is_one_whole_commit(witness: Witness) -> None:
    """Promise 2."""
    host = witness.host
    generation = host.engine.generation
    if generation is None:
        return
    if not host.disk.is_unwritable and generation is not host.saved:
        raise Broken("what is in force is not what is stored")
    if dict(generation.tasks) != dict(host.commits[generation.revision]):
        raise Broken(f"{generation.revision} is in force with other tasks than it has")
    shown = {name: status.task for name, status in host.engine.statuses.items()}
    if shown != dict(generation.tasks):
        raise Broken("what is shown is not what is in force")
    if host.is_honest and {name: witness.since[name] for name in generation.tasks} != dict(generation.baselines):
        raise Broken(f"instants count from {dict(generation.baselines)}, and it should be {witness.since}")


def each_due_instant_has_exactly_one_entry(witness: Witness) -> None:
    """Promise 3."""
    host = witness.host
    if host.saved is None or not host.is_settled:
        return
    if host.has_jumped and host.has_been_behind:
        return  # A clock that returns to a time before its jump leaves instants that nobody knows to have been or not.
    for name, task in host.saved.tasks.items():
        if isinstance(task.timing, CronTiming) and task.enabled and not dues.is_at_startup(task):
            _check_entries(witness, name, task)


def _check_entries(witness: Witness, name: TaskName, task: Task) -> None:
    host = witness.host
    assert host.saved is not None
    low = max(host.saved.baselines[name], witness.floors.get(name, 0), witness.checked.get(name, 0))
    high = host.now - dues.delay_of(task, host.saved.facts)
    if high <= low:
        return
    expected = dues.instants(task, host.saved.facts, low, high)
    entries = [entry for entry in host.annals.covering(name, low) if entry.first <= high]
    covered = {at for entry in entries for at in expected[bisect_left(expected, entry.first) : bisect_right(expected, entry.last)]}
    if missing := [at for at in expected if at not in covered]:
        raise Broken(f"{name}: nothing covers {missing[:3]} of {len(missing)}; it counts from {low}, and it is {host.now}")
    if host.is_honest and sum(entry.count for entry in entries) != len(expected):
        raise Broken(f"{name}: {sum(entry.count for entry in entries)} instants have entries, and {len(expected)} are due")
    witness.checked[name] = high


def no_instant_starts_twice(witness: Witness) -> None:
    """Promise 3; that no instant has two entries is held by `Annals`."""
    host = witness.host
    for process in host.processes.claims:
        if process.run.instant is None:
            continue
        begun = witness.begun.setdefault((process.run.task.name, process.run.instant), [])
        begun.append(process.run.id)
        standing = [run for run in dict.fromkeys(begun) if run in host.annals.runs and run not in host.annals.annulled]
        if len(standing) > 1:
            raise Broken(f"{process.run.task.name} was started twice for {process.run.instant}: {standing}")
    host.processes.claims.clear()


def each_run_keeps_the_definition_it_was_admitted_with(witness: Witness) -> None:
    """Promise 4."""
    host = witness.host
    for told in host.told:
        in_force = {one.revision for one in (told.before, told.after) if one is not None}
        for run in _admitted(told):
            witness.admitted[run.id] = run
            if host.commits[run.revision].get(run.task.name) != run.task or run.tree != run.revision:
                raise Broken(f"run {run.id} has another definition than its commit")
            if run.revision not in in_force:
                raise Broken(f"run {run.id} has the definition of a commit that was not in force")
    for run_id, run in host.engine.runs.items():
        admitted = witness.admitted.get(run_id) or host.annals.runs[run_id]
        process = host.processes.all.get(run.attempt_id)
        started = process.run if process else admitted
        for one in (run, started):
            if (one.task, one.revision, one.tree, one.user) != (admitted.task, admitted.revision, admitted.tree, admitted.user):
                raise Broken(f"run {run_id} of {run.task.name} has changed on the way")


def a_fire_becomes_a_run_only_as_its_task_says(witness: Witness) -> None:
    """Not under a pause, not beyond its deadline, not beside more copies than there may be."""
    host = witness.host
    for told in host.told:
        for run in _admitted(told):
            if run.due is None or not isinstance(run.task.timing, CronTiming):
                continue
            has_waited = run.instant is not None and (run.task.name, run.instant) in host.annals.queued
            if told.now - run.due > run.task.timing.starting_deadline and not has_waited and not _is_made_up(run):
                raise Broken(f"{run.task.name}: the fire of {run.due} became a run {told.now - run.due} ms later")
            if host.is_honest and _is_held(told.holds, run.task.name, run.due):
                raise Broken(f"{run.task.name}: the fire of {run.due} became a run under a pause")


def _is_made_up(run: Run) -> bool:
    timing = run.task.timing
    return run.trigger is Trigger.MISFIRE and isinstance(timing, CronTiming) and timing.most_made_up > 0


def _is_held(holds: Holds, name: TaskName, due: int) -> bool:
    held = [hold for hold in (holds.all, holds.drain, holds.tasks.get(name)) if hold is not None]
    return any(hold.since < due and (hold.until is None or due < hold.until) for hold in held)


def no_run_outlives_its_timeout(witness: Witness) -> None:
    host = witness.host
    for run in host.engine.runs.values():
        process, timing = host.processes.all.get(run.attempt_id), run.task.timing
        if host.inbox or process is None or process.claimed_at is None or not isinstance(timing, CronTiming) or not timing.timeout:
            continue
        begun = max(process.claimed_at, host.calm_since)
        if run.stop_cause is None and process.ended_at is None and host.mono - begun > timing.timeout:
            raise Broken(f"{run.task.name} goes on {host.mono - begun - timing.timeout} ms after its timeout")


def records_count_what_was_written_down(witness: Witness) -> None:
    host = witness.host
    for name, status in host.engine.statuses.items():
        tally, record = host.annals.tallies.get(name), status.record
        if tally is None:
            if record.runs or record.skipped:
                raise Broken(f"{name}: counted {dict(record.runs)}, {dict(record.skipped)}, and nothing was written down")
            continue
        told = (dict(record.runs), dict(record.skipped), record.consecutive_failures, record.last_exit_status)
        if told != (dict(tally.runs), dict(tally.skipped), tally.failures, tally.status):
            raise Broken(f"{name}: counted {told}, and written down is {tally}")
        if not host.inbox and host.annals.view.records.get(name) != record:
            raise Broken(f"{name}: {record} is shown, and {host.annals.view.records.get(name)} is written down")


def never_do_more_copies_run_than_the_task_allows(witness: Witness) -> None:
    for told in witness.host.told:
        for run in _admitted(told):
            if run.copy > run.task.max_running:
                raise Broken(f"{run.task.name}: there is no copy {run.copy}")
    for name in {run.task.name for run in witness.host.engine.runs.values()}:
        runs = [run for run in witness.host.engine.runs.values() if run.task.name == name]
        copies = [run.copy for run in runs if run.task.is_daemon]
        if len(copies) != len(set(copies)):
            raise Broken(f"{name}: the copies {copies} live")
        most = [run.task.max_running for run in runs if not run.task.is_daemon]
        if most and 0 not in most and len(most) > max(most):
            raise Broken(f"{name}: {len(most)} copies run, and {max(most)} may")


def never_do_more_runs_go_in_a_pool_than_have_a_place(witness: Witness) -> None:
    host = witness.host
    for pool, places in POOLS.items():
        runs = [run for run in host.engine.runs.values() if run.task.pool == pool]
        if len(runs) > places:
            raise Broken(f"{len(runs)} runs go in the pool {pool}, which has {places} place(s)")


def what_waits_could_not_start(witness: Witness) -> None:
    """Nothing waits that has room."""
    host = witness.host
    if not host.is_settled or host.saved is None:
        return
    for fire in host.annals.view.queue.values():
        task = host.saved.tasks.get(fire.task)
        runs = [run for run in host.engine.runs.values() if run.task.name == fire.task]
        if task is None or host.holds.pauses(fire.task):
            raise Broken(f"{fire.task}: {fire.instant} waits for a task that is gone or paused")
        in_pool = sum(run.task.pool == task.pool for run in host.engine.runs.values())
        if len(runs) < (task.max_running or 1 << 30) and in_pool < POOLS.get(task.pool, 1 << 30):
            raise Broken(f"{fire.task}: {fire.instant} waits, and {len(runs)} of {task.max_running} copies run")


def open_runs_are_those_that_live_or_wait_to(witness: Witness) -> None:
    host = witness.host
    if set(host.engine.runs) != set(host.annals.view.open_runs):
        raise Broken(f"open are {sorted(host.engine.runs)}, and written down {sorted(host.annals.view.open_runs)}")
    if host.inbox:
        return
    for run_id, run in host.engine.runs.items():
        process = host.processes.all.get(run.attempt_id)
        if run.state is not RunState.WAITING and (process is None or not process.lives):
            raise Broken(f"run {run_id} of {run.task.name} is open, and nothing of it lives")
    for process in host.processes.alive.values():
        known = host.annals.runs.get(process.run.id)
        if known is not None and known.outcome is None and process.run.id not in host.engine.runs:
            raise Broken(f"{process.run.task.name} lives, and its run is not known")


def daemons_are_kept_running(witness: Witness) -> None:
    host, found = witness.host, set()
    generation = host.saved
    for run in (run for told in host.told for run in _admitted(told)):
        witness.missing.pop((run.task.name, run.copy), None)
    if generation is None or host.inbox or host.next_wake == 0 or host.engine.generation is not generation:
        return
    for name, task in generation.tasks.items():
        if not isinstance(task.timing, DaemonTiming) or not task.enabled or host.holds.pauses(name) or task.pool:
            continue
        alive = {run.copy for run in host.engine.runs.values() if run.task.name == name}
        for copy in set(range(1, task.max_running + 1)) - alive:
            found.add((name, copy))
            since = witness.missing.setdefault((name, copy), host.mono)
            if host.mono - since > task.timing.max_delay:
                raise Broken(f"copy {copy} of {name} has not been started for {host.mono - since} ms")
    witness.missing = {slot: at for slot, at in witness.missing.items() if slot in found and at <= host.mono}


def _admitted(told: Told) -> Iterator[Run]:
    return (operation.run for operation in told.turn.operations if isinstance(operation, Admit))


def no_timer_lies_in_the_past(witness: Witness) -> None:
    host = witness.host
    if host.is_settled and host.next_wake == 0:
        raise Broken("the loop would turn for nothing")


def nothing_is_late_when_the_loop_sleeps_as_it_was_told(witness: Witness) -> None:
    """`next_wake` is never later than the next thing to do."""
    waited = witness.host.annals.queued
    for told in witness.host.told:
        if not told.is_prompt:
            continue
        for operation in told.turn.operations:
            match operation:
                case Admit(run=run) if (
                    run.due is not None and told.since < run.due < told.now and (run.task.name, run.instant) not in waited
                ):
                    raise Broken(f"{run.task.name}: {run.due} was decided {told.now - run.due} ms late")
                case Skip(task=name, last=last) if told.before and (task := _cron_task(told.before, name)) and not dues.is_at_startup(task):
                    due = last + dues.delay_of(task, told.before.facts)
                    if told.since < due < told.now and (name, last) not in waited:
                        raise Broken(f"{name}: {due} was decided {told.now - due} ms late")
                case Intend(run=run_id, cause=StopCause.TIMEOUT) if process := _newest(witness.host, run_id):
                    timing = process.run.task.timing
                    begun = process.claimed_at or 0
                    late = told.mono - begun - (timing.timeout if isinstance(timing, CronTiming) else 0)
                    if begun >= witness.host.calm_since and late > 0:
                        raise Broken(f"{process.run.task.name}: its timeout came {late} ms late")
                case _:
                    pass


def _newest(host: Host, run_id: RunId) -> Process | None:
    found = [process for process in host.processes.all.values() if process.run.id == run_id]
    return found[-1] if found else None


def _cron_task(generation: Generation | None, name: TaskName) -> Task | None:
    task = generation.tasks.get(name) if generation else None
    return task if task is not None and isinstance(task.timing, CronTiming) else None


PROMISES: tuple[Promise, ...] = (
    a_signal_follows_a_rule_that_was_recorded_before,
    what_is_in_force_is_one_whole_commit,
    each_due_instant_has_exactly_one_entry,
    no_instant_starts_twice,
    each_run_keeps_the_definition_it_was_admitted_with,
    a_fire_becomes_a_run_only_as_its_task_says,
    no_run_outlives_its_timeout,
    records_count_what_was_written_down,
    never_do_more_copies_run_than_the_task_allows,
    never_do_more_runs_go_in_a_pool_than_have_a_place,
    what_waits_could_not_start,
    open_runs_are_those_that_live_or_wait_to,
    daemons_are_kept_running,
    no_timer_lies_in_the_past,
    nothing_is_late_when_the_loop_sleeps_as_it_was_told,
)
