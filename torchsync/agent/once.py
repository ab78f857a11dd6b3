"""`agent --once`: one sync, and what it brings is stored; nothing is run."""

from __future__ import annotations

from collections.abc import Callable

from torchsync.agent.holds import restrain
from torchsync.agent.saved import Saved
from torchsync.agent.swap import AnswerInvalid, HostRefuses, Prepared, close_applied, prepare, turn_down
from torchsync.agent.sync import Candidate, Syncs
from torchsync.core.generation import without_new_baselines
from torchsync.core.holds import Holds, expired
from torchsync.core.model import Generation, HostFacts
from torchsync.core.policy import HostRules
from torchsync.core.syncdoc import SyncResult
from torchsync.ports import Clock, Resolved, ResolveFailed, SyncAnswered, Wakeups


def sync_once(
    syncs: Syncs,
    saved: Saved,
    wakeups: Wakeups,
    clock: Clock,
    judge: Callable[[Generation | None, Candidate], Prepared | HostRefuses | AnswerInvalid],
) -> SyncResult:
    """The one result. The generation is stored without new baselines: they are set by the agent that first runs it.

    Raises StateUnwritable when it cannot be stored.
    """
    generation = saved.load_generation()
    syncs.remember(saved.load_syncs())
    syncs.note_in_force(generation)
    restrain(syncs, expired(saved.load_holds() or Holds(), clock.now()))
    if paused := syncs.tick(*clock.moment()):
        return paused
    while True:
        for event in wakeups.wait(None):
            step = _step(syncs, event, generation, clock)
            if isinstance(step, Candidate):
                step = _store(syncs, saved, judge(generation, step), clock)
            if step is not None:
                saved.save_syncs(syncs.memory)
                return step


def _step(syncs: Syncs, event: object, generation: Generation | None, clock: Clock) -> SyncResult | Candidate | None:
    match event:
        case Resolved():
            return syncs.resolved(event, generation, clock.now())
        case ResolveFailed():
            return syncs.failed(event, generation, clock.now())
        case SyncAnswered(answer=answer):
            return syncs.answered(answer, clock.now())
        case _:
            return None


def _store(syncs: Syncs, saved: Saved, verdict: Prepared | HostRefuses | AnswerInvalid, clock: Clock) -> SyncResult:
    if not isinstance(verdict, Prepared):
        return turn_down(syncs, verdict, clock.now())
    saved.save_generation(without_new_baselines(verdict.generation))
    syncs.note_in_force(verdict.generation)
    return close_applied(syncs, verdict, clock.now())


def host_judge(
    syncs: Syncs, facts: HostFacts, rules: HostRules, clock: Clock
) -> Callable[[Generation | None, Candidate], Prepared | HostRefuses | AnswerInvalid]:
    """The verdict of this host, as `sync_once` wants it."""

    def judge(generation: Generation | None, candidate: Candidate) -> Prepared | HostRefuses | AnswerInvalid:
        return prepare(generation, candidate.answer, observed=facts, origin=syncs.origin, rules=rules, now=clock.now())

    return judge
