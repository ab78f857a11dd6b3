"""The main path of the agent: one thread that owns the state.

Theory of operation. The loop waits in one place for events and for time to pass. A turn takes what came in, tells the engine and the syncs,
lets them decide, and performs what they decided: ledger first, then effects. Then it answers operators, publishes an immutable snapshot and
feeds the watchdog. Everything else (HTTP, watchers, the sync process, the executor) only posts events or reads the snapshot, so there is
no lock.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from torchsync.agent.config import AgentConfig
from torchsync.agent.control import Controls
from torchsync.agent.dispatch import Dispatch
from torchsync.agent.holds import Holding
from torchsync.agent.reload import Reloaded, ReloadRefused, Reloads, reloaded
from torchsync.agent.runner import Runner
from torchsync.agent.saved import Saved
from torchsync.agent.swap import Prepared, close_applied, prepare, turn_down
from torchsync.agent.sync import Candidate, Syncs, SyncSettings
from torchsync.agent.synclog import SyncLog
from torchsync.agent.timewatch import TimeWatch
from torchsync.core.control import Ask
from torchsync.core.engine import Engine
from torchsync.core.factswatch import FactsWatch, described_facts
from torchsync.core.hookrhythm import HookRhythm
from torchsync.core.logevents import Log, LogEvent
from torchsync.core.model import Generation, HostFacts, Instant, Millis
from torchsync.core.policy import GroupsOf, HostPolicy, HostRules, UidOf
from torchsync.core.snapshot import Snapshot, TaskChange
from torchsync.core.syncdoc import SyncOutcome, SyncResult
from torchsync.errors import Problem, StateUnwritable
from torchsync.ports import (
    Clock,
    ConfigRead,
    ConfigTouched,
    GitSource,
    HangUp,
    HookReceived,
    ParcelAnswered,
    RepositoryTouched,
    Resolved,
    ResolveFailed,
    RunEnded,
    RunNeverStarted,
    RunStarted,
    StopAgent,
    SyncAnswered,
    Wakeups,
    ZoneFiles,
)

LONGEST_WAIT = Millis(1_000)
"""A step of the wall clock is noticed within this time."""

PRUNED_EVERY = Millis(10 * 60 * 1000)

LOOKED_AT_HOST_EVERY = Millis(15 * 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the composition root makes of a configuration, at the start and again after a reload."""

    config: AgentConfig
    sync: SyncSettings
    policy: HostPolicy

    @property
    def facts(self) -> HostFacts:
        """What the host says of itself, as far as it counts."""
        return self.sync.facts

    def with_facts(self, facts: HostFacts) -> Settings:
        return replace(self, sync=replace(self.sync, facts=facts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything the loop works with; made once by the composition root."""

    clock: Clock
    zones: ZoneFiles
    wakeups: Wakeups
    git: GitSource
    engine: Engine
    syncs: Syncs
    reloads: Reloads
    runner: Runner
    dispatch: Dispatch
    saved: Saved
    holding: Holding
    log: Log
    uid_of: UidOf
    groups_of: GroupsOf
    randomness: Callable[[], float]
    settings_of: Callable[[AgentConfig], Settings]
    look_at_host: Callable[[AgentConfig], HostFacts]
    """What the host says of itself just now."""
    notices: Callable[[], tuple[Problem, ...]]
    """What is wrong with the surfaces just now."""
    on_turn: Callable[[Snapshot], None]
    """Told every snapshot: feeds the watchdog, says the status to systemd, retries an address in use."""


class Loop:
    """The agent while it runs. `snapshot` may be read from any thread; it starts as `blank`, which says what never changes."""

    def __init__(self, parts: Parts, settings: Settings, blank: Snapshot) -> None:
        self._parts = parts
        self._settings = settings
        self._controls = Controls(parts.engine, parts.syncs, parts.reloads, parts.holding, parts.log)
        self._clock = parts.clock
        self._engine = parts.engine
        self._syncs = parts.syncs
        self._log = parts.log
        self._hooks = HookRhythm()
        self._stopping = False
        self._sync_after_reload = False
        self._synclog = SyncLog(parts.log)
        self._next_chores = Millis(0)
        self._next_pruning = Millis(0)
        self._next_look = Millis(0)
        self._seen = settings.facts
        self._facts = FactsWatch(settings.facts)
        self._time = TimeWatch(parts.engine, parts.clock, parts.zones, parts.saved, parts.log)
        self.snapshot = blank

    def run(self, on_ready: Callable[[], None]) -> None:
        """Returns once a stop was asked for; runs in flight go on. `on_ready` is called after the first turn."""
        self.begin()
        on_ready()
        while not self._stopping:
            self.turn(self._parts.wakeups.wait(self.patience()))

    def begin(self) -> None:
        """The first turn. It knows what became of the runs of an earlier agent process, so that none of those that ended meanwhile keeps a
        fire from running.
        """
        generation = self._engine.generation
        self._facts = FactsWatch(self._seen, generation.observed if generation else None)
        self._refit(self._facts.facts)
        self._parts.runner.perform(self._engine.flush())
        self.turn(self._parts.wakeups.wait(Millis(0)))

    def turn(self, events: Sequence[object]) -> None:
        """Everything in `events`, and everything that is due, has been decided, performed and shown."""
        now, mono = self._clock.moment()
        self._time.look(now, mono)
        self._syncs.bound_times(now)
        for event in events:
            self._take_safely(event, now, mono)
        if self._hooks.is_due(mono):
            self._syncs.request()
        self._engine.tick(now, mono)
        self._swap_when_caught_up(now, mono)
        self._parts.holding.expire(now, mono)
        if paused := self._syncs.tick(now, mono):
            self._close_sync(paused, now, mono)
        self._parts.runner.perform(self._engine.flush())
        self._parts.dispatch.tick(self._engine.policy)
        self._do_chores(now, mono)
        self._publish(now)
        self._controls.deliver()  # Whoever looks next finds what he was told.

    def patience(self) -> Millis:
        """How long there is nothing to do unless something happens."""
        now, mono = self._clock.moment()
        ends = (self._syncs.next_wake(mono), self._hooks.next_wake(mono), self._parts.holding.next_wake(now))
        waits = (LONGEST_WAIT, self._engine.next_wake(now, mono), *ends)
        return min(wait for wait in waits if wait is not None)

    def _take_safely(self, event: object, now: Instant, mono: Millis) -> None:
        try:
            self._take(event, now, mono)
        except Exception as error:  # noqa: BLE001 the one place: an event that cannot be handled must not end the schedule
            sentence, about = f"{type(error).__name__}: {error}", type(event).__name__
            self._log(LogEvent.INTERNAL_ERROR, sentence, about=about, traceback=traceback.format_exc())
            self._abandon(event, now, mono)

    def _abandon(self, event: object, now: Instant, mono: Millis) -> None:
        """A sync whose answer could not be handled is over, so that the next one can start."""
        if isinstance(event, Resolved | ResolveFailed | SyncAnswered | Candidate) and self._syncs.is_under_way:
            problem = Problem(code="TS901", message="the answer of the sync could not be handled; see the log")
            self._close_sync(self._syncs.close(SyncOutcome.FAILED, problem.message, now, (problem,)), now, mono)

    def _take(self, event: object, now: Instant, mono: Millis) -> None:
        match event:
            case RunStarted() | RunEnded() | RunNeverStarted():
                self._take_run(event, now, mono)
            case Ask():
                self._controls.take(event, now, mono)
            case Resolved() | ResolveFailed() | SyncAnswered() | Candidate():
                self._take_sync(event, now, mono)
            case ParcelAnswered():
                self._parts.dispatch.take(event)
            case RepositoryTouched():
                self._syncs.request()
            case HookReceived(before=before, after=after):
                self._hooks.take(before, after, mono)
            case ConfigTouched() | HangUp():
                self._sync_after_reload = self._sync_after_reload or isinstance(event, HangUp)
                self._parts.reloads.request()
            case ConfigRead():
                self._take_config(event)
            case StopAgent():
                runs = len(self._engine.runs)
                sentence = f"the agent was told to end; {runs} run(s) go on, for the next one to take up"
                self._log(LogEvent.AGENT_STOPPING, sentence, runs=runs)
                self._stopping = True
            case _:
                raise TypeError(f"nobody handles {type(event).__name__}")

    def _take_run(self, event: RunStarted | RunEnded | RunNeverStarted, now: Instant, mono: Millis) -> None:
        match event:
            case RunStarted(attempt=attempt, started_at=started_at):
                self._engine.saw_start(attempt, started_at, now, mono)
            case RunEnded(attempt=attempt, ending=ending, leftovers=leftovers):
                self._engine.saw_end(attempt, ending, now, mono, leftovers=leftovers)
            case RunNeverStarted(attempt=attempt):
                self._engine.saw_no_start(attempt, now, mono)

    # Syncs.

    def _take_sync(self, event: Resolved | ResolveFailed | SyncAnswered | Candidate, now: Instant, mono: Millis) -> None:
        match event:
            case Resolved():
                step: SyncResult | Candidate | None = self._syncs.resolved(event, self._engine.generation, now)
            case ResolveFailed():
                step = self._syncs.failed(event, self._engine.generation, now)
            case SyncAnswered(answer=answer):
                step = self._syncs.answered(answer, now)
            case Candidate():
                step = self._swap(event, now, mono)
        if isinstance(step, SyncResult):
            self._close_sync(step, now, mono)
            self._synclog.tell_problems(step, is_news=isinstance(event, SyncAnswered | Candidate))

    def _swap_when_caught_up(self, now: Instant, mono: Millis) -> None:
        """A swap decides at once what is due before it, so a long backlog comes first, turn by turn: the watchdog waits for no swap."""
        candidate = self._syncs.candidate
        if candidate is not None and self._engine.is_caught_up(now):
            self._take_safely(candidate, now, mono)
            self._engine.tick(now, mono)

    def _swap(self, candidate: Candidate, now: Instant, mono: Millis) -> SyncResult:
        prepared = prepare(
            self._engine.generation,
            candidate.answer,
            observed=self._settings.facts,
            origin=self._syncs.origin,
            rules=HostRules(self._engine.policy, self._parts.uid_of, self._parts.groups_of),
            now=now,
        )
        if not isinstance(prepared, Prepared):
            return turn_down(self._syncs, prepared, now)
        return self._take_over(prepared, now, mono)

    def _take_over(self, prepared: Prepared, now: Instant, mono: Millis) -> SyncResult:
        try:
            self._parts.saved.save_generation(prepared.generation)
        except StateUnwritable as error:
            return self._syncs.close(SyncOutcome.FAILED, error.message, now, (Problem(code=error.code, message=error.message),))
        self._tell_notices(prepared.generation)
        self._engine.apply(prepared.generation, prepared.found, now, mono)
        self._syncs.observe_swap((self._clock.monotonic() - mono) / 1000)
        result = close_applied(self._syncs, prepared, now)
        self._count_changes(result)
        return result

    def _tell_notices(self, generation: Generation) -> None:
        """What is new of what hosts.yaml and the host do not agree about; called before the generation is in force."""
        before = self._engine.generation.notices if self._engine.generation else ()
        for notice in generation.notices:
            if notice not in before:
                self._log(LogEvent.HOST_NOTICE, notice)

    def _close_sync(self, result: SyncResult, now: Instant, mono: Millis) -> None:
        self._syncs.schedule_next(result.finished_at, mono, self._parts.randomness())
        self._hooks.saw(self._syncs.status.fetched if result.revision else "", mono)
        self._parts.holding.settle(now, mono)
        self._remember_syncs()
        self._synclog.tell(result)
        if result.outcome in (SyncOutcome.APPLIED, SyncOutcome.UNCHANGED):
            self._drop_trees()

    def _remember_syncs(self) -> None:
        try:
            self._parts.saved.save_syncs(self._syncs.memory)
        except StateUnwritable as error:
            self._log(LogEvent.STATE_DEGRADED, error.message)

    def _drop_trees(self) -> None:
        generation = self._engine.generation
        kept = {run.tree for run in self._engine.runs.values()} | ({generation.tree} if generation else set()) | self._parts.dispatch.trees
        self._parts.git.drop_trees(sorted(kept))

    # The configuration.

    def _take_config(self, event: ConfigRead) -> None:
        match reloaded(self._settings.config, event):
            case ReloadRefused(problems=problems):
                self._log(LogEvent.CONFIG_REFUSED, f"{'; '.join(str(problem) for problem in problems)}; what was in force before stays")
                self.snapshot = replace(self.snapshot, config_reload_ok=False)
                self._parts.reloads.finish(problems)
            case Reloaded(config=config, waits=waits):
                self._log(LogEvent.CONFIG_RELOADED, "agent.yaml was read again, and what it says is in force")
                for sentence in waits:
                    self._log(LogEvent.CONFIG_NEEDS_RESTART, sentence)
                self._reconfigure(config)
                self.snapshot = replace(self.snapshot, config_reload_ok=True)
                self._parts.reloads.finish(())
        if self._sync_after_reload:
            self._sync_after_reload = False
            self._syncs.request()

    def _reconfigure(self, config: AgentConfig) -> None:
        settings = self._parts.settings_of(config)
        self._seen = settings.facts
        settings = settings.with_facts(self._observed(config))
        is_same = settings == self._settings
        self._settings = settings
        if is_same:
            return
        self._engine.policy = settings.policy
        self._syncs.reconfigure(settings.sync)
        self._syncs.request()

    # The host.

    def _look_at_host(self, mono: Millis) -> None:
        """What the host says of itself now counts, once it has said so for long enough."""
        if mono < self._next_look:
            return
        self._next_look = Millis(mono + LOOKED_AT_HOST_EVERY)
        self._seen = self._parts.look_at_host(self._settings.config)
        facts = self._observed(self._settings.config)
        if facts != self._settings.facts:
            self._log(LogEvent.HOST_FACTS_CHANGED, f"this host is {described_facts(facts)} now")
            self._refit(facts)
            self._syncs.request()

    def _observed(self, config: AgentConfig) -> HostFacts:
        return self._facts.observe(self._seen, self._clock.monotonic(), at_once=bool(config.host.addresses))

    def _refit(self, facts: HostFacts) -> None:
        self._settings = self._settings.with_facts(facts)
        self._syncs.refit(facts)

    # The rest of a turn.

    def _count_changes(self, result: SyncResult) -> None:
        counts = self.snapshot.task_changes
        found = {TaskChange.ADDED: result.added, TaskChange.CHANGED: result.changed, TaskChange.REMOVED: result.removed}
        self.snapshot = replace(self.snapshot, task_changes={kind: counts.get(kind, 0) + found[kind] for kind in TaskChange})

    def _do_chores(self, now: Instant, mono: Millis) -> None:
        if mono < self._next_chores:
            return
        self._next_chores = Millis(mono + LONGEST_WAIT)
        self._look_at_host(mono)
        self._parts.runner.bound_outputs(list(self._engine.runs.values()))
        self._parts.runner.retry()
        self._time.retry()
        self._parts.holding.retry()
        earliest = self._engine.earliest(now, mono)
        self._parts.dispatch.look(lambda: self._engine.statuses, self._engine.generation, self._engine.policy, earliest)
        if mono >= self._next_pruning:
            has_more = self._parts.runner.prune(Instant(earliest - self._settings.config.retention.ledger))
            self._next_pruning = Millis(mono + (LONGEST_WAIT if has_more else PRUNED_EVERY))

    def _publish(self, now: Instant) -> None:
        generation = self._engine.generation
        disagreements = [Problem(code="TS314", message=notice) for notice in generation.notices] if generation else []
        self.snapshot = replace(
            self.snapshot,
            taken_at=now,
            facts=generation.facts if generation else self._settings.facts,
            facts_mismatch=generation is not None and generation.observed != self._seen,
            sync=self._syncs.status,
            generation=generation,
            holds=self._parts.holding.holds,
            tasks=self._engine.statuses,
            runs=self._engine.runs,
            pools=self._engine.pools,
            last_tick=now,
            lag=self._engine.lag,
            runs_adopted=self._engine.runs_adopted,
            runs_lost=self._engine.runs_lost,
            state_degraded=self._parts.runner.is_degraded,
            clock_jumps=self._time.steps,
            not_before=self._engine.earliest(now, self._clock.monotonic()),
            notices=(*self._parts.notices(), *self._time.notices, *self._parts.dispatch.notices(), *disagreements),
        )
        self._parts.on_turn(self.snapshot)
