"""One sync after another: when to ask the remote, when to start the sync process, and what came of it.

Theory of operation. A sync is a chain of events, never a wait: `resolve` asks the remote where its ref points and most syncs end there; only
something new starts the sync process, whose one answer is judged for this host and becomes a generation, or does not. Whatever happens,
exactly one `SyncResult` is made, logged and counted.

Two kinds of failure are kept apart. A *rejected* or *refused* revision is at fault itself: it gets the same verdict again without another
look, until the facts of the host, its users, the configuration or the version change. *Unavailable* means that nobody is at fault yet: it is tried
again, later and later. Neither ever touches what runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from torchsync.core.course import Course
from torchsync.core.model import Generation, HostFacts, Instant, Millis, Revision
from torchsync.core.policy import SeenAccount
from torchsync.core.rhythm import first_delay, next_delay, overloaded_delay, retry_delay
from torchsync.core.snapshot import SYNC_BOUNDS, Histogram, SyncStatus
from torchsync.core.syncdoc import Phase, RemoteSpec, SyncAnswer, SyncOutcome, SyncRequest, SyncResult, TrustSpec, Verdict, stamp
from torchsync.core.syncmemory import Judged, SyncMemory
from torchsync.core.syncstatus import after, bounded, remembered, sentence_of
from torchsync.core.trust import FROM_THE_FUTURE
from torchsync.errors import Problem
from torchsync.ports import GitSource, Resolved, ResolveFailed

_RESULTS_KEPT = 50

_OUTCOMES = {
    Verdict.REJECTED: SyncOutcome.REJECTED,
    Verdict.REFUSED: SyncOutcome.REFUSED,
    Verdict.UNAVAILABLE: SyncOutcome.UNAVAILABLE,
    Verdict.FAILED: SyncOutcome.FAILED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncSettings:
    """What the syncs follow. `jitter` is a fraction of `interval`."""

    remote: RemoteSpec
    interval: Millis
    jitter: float
    facts: HostFacts
    trust: TrustSpec = TrustSpec()
    config: str = ""
    """The configuration that verdicts depend on, as one text."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An answer that was accepted as a commit and awaits the verdict of this host."""

    answer: SyncAnswer


@dataclass(slots=True)
class _UnderWay:
    ticket: int
    started_at: Instant
    removal_allowed: bool
    revision: str = ""
    trust: str = ""
    tip: str = ""
    pin: str = ""
    """The pin that the sync follows, as it is written; empty when it follows the remote."""
    durations: dict[Phase, float] = field(default_factory=dict)
    candidate: Candidate | None = None


class Syncs:
    """The syncs of one agent. The loop passes on what the git source posts; time comes in as values."""

    def __init__(self, source: GitSource, settings: SyncSettings, *, state: str, version: str) -> None:
        self.status = SyncStatus(interval=settings.interval, durations={phase: Histogram.empty(*SYNC_BOUNDS) for phase in Phase})
        self.results: dict[int, SyncResult] = {}
        self.judged: Judged | None = None
        self.course = Course()
        self.tree_is_whole: Callable[[str], bool] = lambda _: True
        self.trust_stamp: Callable[[TrustSpec], str] = lambda _: ""
        self.look_up: Callable[[Iterable[str]], tuple[SeenAccount, ...]] = lambda _: ()
        """What the host says of these users now."""
        self._source = source
        self._settings = settings
        self._state = state
        self._version = version
        self._under_way: _UnderWay | None = None
        self._ticket = 0
        self._next_at: Millis | None = Millis(0)
        self._not_before = Millis(0)
        self._again = self._removal_allowed = self._was_overloaded = self._is_stale = False

    @property
    def origin(self) -> str:
        """What the floor belongs to: url, ref and path."""
        return f"{self._settings.remote.url} {self._settings.remote.ref or 'HEAD'} {self._settings.remote.path}"

    @property
    def is_under_way(self) -> bool:
        return self._under_way is not None

    @property
    def candidate(self) -> Candidate | None:
        """What waits for its swap, unless its sync is to begin again."""
        return self._under_way.candidate if self._under_way and not self._is_stale else None

    @property
    def newest_ticket(self) -> int:
        """The ticket of the sync under way, or of the newest one."""
        return self._ticket

    def reconfigure(self, settings: SyncSettings) -> None:
        """The next sync follows the new settings, one under way begins again, and a verdict that could depend on the old ones is forgotten."""
        before, self._settings = self.origin, settings
        self._is_stale = self.is_under_way  # What the old remote names must not pass for what the new one has.
        if self.origin != before:
            self.course = replace(self.course, applied=())
        self.status = replace(self.status, interval=settings.interval)
        self.judged = None

    def refit(self, facts: HostFacts) -> None:
        """The next sync is for a host with these facts, and one under way begins again. A verdict under others stays known, and is theirs."""
        self._is_stale = self._is_stale or (self.is_under_way and facts != self._settings.facts)
        self._settings = replace(self._settings, facts=facts)

    def take_over(self, generation: Generation | None, mono: Millis) -> None:
        """The first sync comes at once, or, on a host that has what the configuration and operators ask for in force already, at a place of its own:
        a fleet that was restarted together does not ask together.
        """
        if generation is not None and generation.origin == self.origin and not self.course.is_off(generation):
            self._next_at = Millis(mono + first_delay(self._settings.facts.name, self.status.interval))

    def bound_times(self, now: Instant) -> None:
        """Nothing is said to have happened later than `now`: a clock that was ahead showed such times, and what is judged by their age would look
        fresh until it is that late.
        """
        self.status = bounded(self.status, now)

    def remember(self, memory: SyncMemory) -> None:
        """What an earlier agent process knew of its syncs is known again."""
        self.judged = memory.judged
        self.course = replace(self.course, applied=memory.applied)
        self.status = remembered(self.status, memory)

    @property
    def memory(self) -> SyncMemory:
        """What a later agent process is to know."""
        status = self.status
        return SyncMemory(
            last_success=status.last_success,
            last_apply=status.last_apply,
            judged=self.judged,
            applied=self.course.applied,
            refusals=status.refusals,
        )

    def follow(self, course: Course) -> None:
        """The syncs go that way. One under way that does not fit is given up: in the next `tick` it begins again, or is over."""
        self._is_stale = self._is_stale or (self.is_under_way and self.course.is_for_another(course))
        self.course = course

    def note_in_force(self, generation: Generation | None) -> None:
        """A rollback can lead to what is in force now. What came from somewhere else is no way back."""
        if generation is not None:
            is_own = generation.origin == self.origin
            self.course = self.course.reached(generation.revision) if is_own else replace(self.course, applied=())

    def request(self, *, allow_removal: bool = False) -> int:
        """A sync will be started at once, or right after the one under way, or as soon as an overloaded remote may be asked again; its ticket. With
        `allow_removal` that one may remove what it likes.
        """
        self._removal_allowed = self._removal_allowed or allow_removal
        if self._under_way is None:
            self._next_at = Millis(0) if self.course.paused else self._not_before
        else:
            self._again = self._again or not self._is_stale
        return self._ticket + 1 - self._is_stale

    def held_back(self, mono: Millis) -> Millis:
        """How long the remote is not asked, whoever wants it: it said that it is asked too much."""
        return Millis(max(0, self._not_before - mono))

    def next_wake(self, mono: Millis) -> Millis | None:
        """How long until a sync is to be started; None while one is under way."""
        return None if self._next_at is None else Millis(max(0, self._next_at - mono))

    def tick(self, now: Instant, mono: Millis) -> SyncResult | None:
        """A sync that is due is under way; the result when it is over at once, since syncs are paused."""
        is_new = self._under_way is None and self._next_at is not None and self._next_at <= mono
        if not is_new and not self._is_stale:
            return None
        if is_new:
            self._ticket += 1
            self._next_at = None
        else:
            self._source.cancel()
        is_removal_allowed = self._removal_allowed or (self._under_way is not None and self._under_way.removal_allowed)
        self._under_way = _UnderWay(self._ticket, now, is_removal_allowed, trust=self.trust_stamp(self._settings.trust))
        self._removal_allowed = self._is_stale = self._was_overloaded = False
        if self.course.paused:
            return self.close(SyncOutcome.PAUSED, self.course.paused, now)
        self.status = replace(self.status, last_attempt=now)
        self._source.resolve(self._settings.remote)
        return None

    def resolved(self, event: Resolved, generation: Generation | None, now: Instant) -> SyncResult | None:
        """The result when the sync ends here; None when the sync process was started."""
        under_way = self._under_way
        if under_way is None or self._is_stale:
            return None
        under_way.tip, under_way.pin = event.revision, self.course.pinned_from(event.revision, generation)
        under_way.revision = wanted = under_way.pin or event.revision
        under_way.durations[Phase.RESOLVE] = event.seconds
        self.status = replace(self.status, fetched=event.revision)
        if self._is_in_force(wanted, generation, is_pinned=bool(under_way.pin)):
            beside = f"; it is pinned, and the remote is at {event.revision[:12]}" if under_way.pin else ""
            return self.close(SyncOutcome.UNCHANGED, f"{wanted[:12]} is in force already{beside}", now)
        judged = self._verdict_on(under_way)
        if judged and not (under_way.removal_allowed and judged.is_of_guard):
            before = f"{wanted[:12]} was {judged.outcome.value} before"
            return self.close(judged.outcome, before, now, judged.problems, accounts=judged.accounts)
        self._source.sync(self._request_for(event, generation, under_way.pin))
        return None

    def failed(self, event: ResolveFailed, generation: Generation | None, now: Instant) -> SyncResult | None:
        """The remote did not say; it is tried again. What operators pinned is looked for in what was fetched before."""
        under_way = self._under_way
        if under_way is None or self._is_stale:
            return None
        under_way.durations[Phase.RESOLVE] = event.seconds
        self._was_overloaded = event.overloaded
        self.status = replace(self.status, git_timeouts=self.status.git_timeouts + event.timed_out)
        pin = self.course.pin
        if pin and generation and generation.floor and generation.origin == self.origin and self.course.is_off(generation):
            under_way.tip, under_way.pin, under_way.revision = generation.floor, pin.revision, pin.revision
            if self._verdict_on(under_way) is None:
                self._source.sync(self._request_for(Resolved(under_way.tip, "", event.seconds), generation, under_way.pin))
                return None
            under_way.revision = ""
        return self.close(SyncOutcome.UNAVAILABLE, event.problem.message, now, (event.problem,))

    def answered(self, answer: SyncAnswer, now: Instant) -> Candidate | SyncResult | None:
        """A candidate when the commit is good; else the result."""
        if self._under_way is None or self._is_stale:
            return None
        self._was_overloaded = self._was_overloaded or answer.overloaded
        self._under_way.durations.update(answer.durations)
        recoveries = dict(self.status.recoveries)
        for action, count in answer.recoveries.items():
            recoveries[action] = recoveries.get(action, 0) + count
        self.status = replace(self.status, recoveries=recoveries, git_timeouts=self.status.git_timeouts + answer.git_timeouts)
        if answer.verdict is Verdict.ACCEPTED:
            self._under_way.revision = answer.revision
            may_remove = answer.removal_allowed or self._under_way.removal_allowed or bool(self._under_way.pin)
            self._under_way.candidate = Candidate(replace(answer, removal_allowed=may_remove))
            return self._under_way.candidate
        return self.close(_OUTCOMES[answer.verdict], sentence_of(self._under_way.revision, answer.problems), now, answer.problems)

    def close(
        self,
        outcome: SyncOutcome,
        sentence: str,
        now: Instant,
        problems: tuple[Problem, ...] = (),
        *,
        changes: tuple[int, int, int] = (0, 0, 0),
        accounts: tuple[SeenAccount, ...] = (),
    ) -> SyncResult:
        """The sync under way is over, counted, and the next one has its time. `changes`: tasks added, changed, removed. `accounts`: what the verdict
        depended on, too.
        """
        under_way = self._under_way
        if under_way is None:
            raise ValueError("no sync is under way")
        added, changed, removed = changes
        result = SyncResult(
            outcome=outcome,
            sentence=sentence,
            started_at=under_way.started_at,
            finished_at=now,
            revision=under_way.revision,
            problems=problems,
            durations=dict(under_way.durations),
            added=added,
            changed=changed,
            removed=removed,
        )
        self._under_way = None
        self._is_stale = False
        self.results[under_way.ticket] = result
        self.results.pop(under_way.ticket - _RESULTS_KEPT, None)
        self._judge(result, under_way, accounts)
        self.status = after(self.status, result)
        return result

    def schedule_next(self, now: Instant, mono: Millis, randomness: float) -> None:
        """The next sync has its time: at once when one was requested meanwhile. `randomness` is in [0, 1)."""
        delay = self._delay(now, randomness)
        self._not_before = Millis(mono + delay) if self._was_overloaded else Millis(0)
        self._next_at = Millis(max(mono, self._not_before) if self._again else mono + delay)
        self._again = False

    def _delay(self, now: Instant, randomness: float) -> Millis:
        interval, failures = self.status.interval, self.status.consecutive_failures
        if self._was_overloaded:
            return overloaded_delay(interval, failures, randomness)
        if self.status.last is not None and self.status.last.outcome in (SyncOutcome.UNAVAILABLE, SyncOutcome.FAILED):
            return retry_delay(interval, failures, randomness)
        return next_delay(self._settings.facts.name, interval, self._settings.jitter, now, randomness)

    def observe_swap(self, seconds: float) -> None:
        """The swap of the sync under way took this long, on top of the writing of its tree."""
        if self._under_way is not None:
            self._under_way.durations[Phase.SWAP] = self._under_way.durations.get(Phase.SWAP, 0.0) + seconds

    def _is_in_force(self, revision: str, generation: Generation | None, *, is_pinned: bool) -> bool:
        """A revision that is not the floor is no longer to be in force once it is not pinned, unless the remote may go back to it."""
        may_stay = is_pinned or self._settings.remote.rewind_allowed
        return (
            generation is not None
            and generation.revision.startswith(revision)
            and (may_stay or generation.floor in ("", revision))
            and generation.observed == self._settings.facts
            and generation.origin == self.origin
            and self._under_way is not None
            and generation.trust == self._under_way.trust
            and self.tree_is_whole(generation.tree)
        )

    def _verdict_on(self, under_way: _UnderWay) -> Judged | None:
        judged = self.judged
        tip = under_way.tip if under_way.pin else ""
        wanted = (under_way.revision, self.origin, self._settings.facts, self._version, tip, under_way.trust, self._settings.config)
        found = judged and (judged.revision, judged.origin, judged.facts, judged.version, judged.tip, judged.trust, judged.config)
        is_same = judged is not None and found == wanted and judged.accounts == self.look_up(one.user for one in judged.accounts)
        return judged if is_same else None

    def _request_for(self, event: Resolved, generation: Generation | None, pin: str) -> SyncRequest:
        is_same_origin = generation is not None and generation.origin == self.origin
        return SyncRequest(
            remote=self._settings.remote,
            ref_name=event.ref_name,
            revision=Revision(event.revision),
            floor=generation.floor if generation and is_same_origin else "",
            facts=self._settings.facts,
            state=self._state,
            in_force=generation.revision if generation else "",
            pin=pin,
            known={name: stamp(task) for name, task in generation.tasks.items()} if generation else {},
            trust=self._settings.trust,
            verified=generation.revision if generation and is_same_origin else "",
            verified_by=generation.trust if generation and is_same_origin else "",
        )

    def _judge(self, result: SyncResult, under_way: _UnderWay, accounts: tuple[SeenAccount, ...]) -> None:
        """A verdict is remembered, but for one that depends on what time it is."""
        if any(problem.code == FROM_THE_FUTURE for problem in result.problems):
            self.judged = None
        elif result.outcome in (SyncOutcome.REJECTED, SyncOutcome.REFUSED):
            self.judged = Judged(
                revision=under_way.pin or result.revision,
                outcome=result.outcome,
                problems=result.problems,
                origin=self.origin,
                facts=self._settings.facts,
                version=self._version,
                trust=under_way.trust,
                config=self._settings.config,
                tip=under_way.tip if under_way.pin else "",
                accounts=accounts,
            )
        elif result.outcome in (SyncOutcome.APPLIED, SyncOutcome.UNCHANGED):
            self.judged = None
