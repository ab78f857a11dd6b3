"""What operators hold: placed, lifted and expired in the loop's turn, durable in control.json before anybody is told.

Theory of operation. First everything that is due is decided by what is held so far, and that is durable: else an agent that is killed right after
would decide it anew, by something else. Then the new `Holds` are written, and only then do the engine and the syncs go by them. When they
cannot be written the operator is refused, and nothing has changed. What ends without an operator, by its time or since a rollback has been
outdone, ends in any case: the file is written again later, and an agent that finds the old one ends the same again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from torchsync.agent.saved import Saved
from torchsync.agent.sync import Syncs
from torchsync.core.control import (
    Answer,
    DrainHost,
    HoldRequest,
    LiftHold,
    PauseTasks,
    PinRevision,
    Rollback,
    bad_request,
    conflict,
    failure,
    not_found,
)
from torchsync.core.control import held as held_answer
from torchsync.core.effects import Turn
from torchsync.core.engine import Engine
from torchsync.core.holds import (
    HOST,
    REF,
    SYNCS,
    Held,
    Hold,
    HoldAct,
    HoldChange,
    Holds,
    HoldScope,
    Pin,
    change_sentence,
    expired,
    lifted,
    parse_until,
    pin_problem,
    pinned,
    placed,
    reason_problem,
    rebuilt,
    rolled_back,
    sentence,
)
from torchsync.core.logevents import Log, LogEvent
from torchsync.core.model import Instant, Millis
from torchsync.errors import StateUnwritable

_EVENTS = {HoldAct.PLACED: LogEvent.HOLD_PLACED, HoldAct.LIFTED: LogEvent.HOLD_LIFTED, HoldAct.EXPIRED: LogEvent.HOLD_EXPIRED}


class Holding:
    """`holds` is what is held just now."""

    def __init__(self, engine: Engine, syncs: Syncs, saved: Saved, perform: Callable[[Turn], None], log: Log) -> None:
        self.holds = Holds()
        self._engine = engine
        self._syncs = syncs
        self._saved = saved
        self._perform = perform
        self._log = log
        self._is_unsaved = False

    def restore(self, told: Callable[[], Sequence[HoldChange]]) -> None:
        """What an earlier agent process held is held. Before anything else of it is restored, so that no task that is paused ever starts. A file that
        is lost is made anew from what the ledger was told.
        """
        stored = self._saved.load_holds()
        self.holds = self._engine.holds = rebuilt(told()) if stored is None else stored
        restrain(self._syncs, self.holds)
        if stored is None and self.holds != Holds():
            self._log(LogEvent.STATE_SET_ASIDE, "what operators hold is taken from the ledger", code="TS334")
            self._save_later()

    def answer(self, request: HoldRequest, now: Instant, mono: Millis) -> Answer:
        """What was asked is so and durable, or the answer says why not."""
        if isinstance(request, LiftHold):
            return self._lift(request, now, mono)
        try:
            until = parse_until(request.until, now) if request.until else None
        except ValueError as error:
            return bad_request(str(error))
        if problem := reason_problem(request.reason):
            return bad_request(problem)
        return self._place(request, Hold(actor=request.actor, since=now, reason=request.reason, until=until), now, mono)

    def expire(self, now: Instant, mono: Millis) -> None:
        """Nothing is held any more that has ended by itself, once everything that was due before its end is decided."""
        if self._engine.is_settled(now):
            self._end(expired(self.holds, now), now, mono)

    def next_wake(self, now: Instant) -> Millis | None:
        """How long until something ends by itself; None when nothing will. What has ended already waits for what is due."""
        end = self.holds.next_end()
        return Millis(end - now) if end is not None and end > now else None

    def settle(self, now: Instant, mono: Millis) -> None:
        """A sync is over: a rollback that a newer commit has outdone is lifted, and the beginning of a commit id is a whole one."""
        generation = self._engine.generation
        if generation is None:
            return
        self._syncs.note_in_force(generation)
        pin = self.holds.pin
        if pin is None:
            return
        if pin.is_outdone_by(generation.revision):
            reason = f"{generation.revision[:12]} is newer and in force"
            self._end(lifted(self.holds, REF, actor="torchsync", now=now, reason=reason), now, mono)
        elif pin.names(generation.revision) and pin.revision != generation.revision:
            self._end(replace(self.holds, pin=replace(pin, revision=str(generation.revision))), now, mono)

    def retry(self) -> None:
        """What could not be written is, if it can be by now."""
        if self._is_unsaved:
            self._save_later()

    def _place(self, request: PauseTasks | DrainHost | PinRevision | Rollback, hold: Hold, now: Instant, mono: Millis) -> Answer:
        match request:
            case PauseTasks():
                return self._pause(request.what, hold, now, mono)
            case DrainHost(stops_runs=stops_runs):
                return self._commit(placed(self.holds, HOST, replace(hold, stops_runs=stops_runs)), now, mono)
            case PinRevision(revision=revision) if problem := pin_problem(revision):
                return bad_request(problem)
            case PinRevision(revision=revision):
                return self._commit(pinned(self.holds, Pin(revision=self._known(revision), hold=hold)), now, mono, is_of_syncs=True)
            case Rollback():
                return self._roll_back(hold, now, mono)

    def _pause(self, whats: Sequence[Held], hold: Hold, now: Instant, mono: Millis) -> Answer:
        here = self._engine.generation.tasks if self._engine.generation else {}
        unknown = [what.task for what in whats if what.scope is HoldScope.TASK and what.task not in here]
        if unknown:
            return not_found(f"this host has no task {', '.join(map(repr, unknown))}; nothing was paused")
        holds = self.holds
        for what in whats:
            holds = placed(holds, what, hold)
        return self._commit(holds, now, mono, is_of_syncs=SYNCS in whats)

    def _lift(self, request: LiftHold, now: Instant, mono: Millis) -> Answer:
        free = [what for what in request.what if self.holds.get(what) is None]
        if free:
            return conflict(f"{'; '.join(map(_free, free))}; nothing was changed")
        holds = self.holds
        for what in request.what:
            holds = lifted(holds, what, actor=request.actor, now=now)
        return self._commit(holds, now, mono, is_of_syncs=any(what.is_of_syncs for what in request.what))

    def _roll_back(self, hold: Hold, now: Instant, mono: Millis) -> Answer:
        generation = self._engine.generation
        if generation is None:
            return conflict("no generation is in force yet: there is nothing to go back from")
        pin = rolled_back(self.holds, self._syncs.course.applied, generation.revision, self._syncs.status.fetched, hold)
        if pin is None:
            return conflict(
                f"no other revision than {generation.revision[:12]} is known to have been in force here; pin one with `torchsync pin`"
            )
        return self._commit(pinned(self.holds, pin), now, mono, is_of_syncs=True)

    def _known(self, revision: str) -> str:
        """The whole id of a revision that was in force or fetched here and begins like this, if it is one only."""
        generation = self._engine.generation
        seen = {*self._syncs.course.applied, self._syncs.status.fetched, generation.revision if generation else ""}
        found = [known for known in seen if known.startswith(revision)]
        return found[0] if len(found) == 1 else revision

    def _commit(self, holds: Holds, now: Instant, mono: Millis, *, is_of_syncs: bool = False) -> Answer:
        self._decide_what_is_due(now, mono)
        try:
            self._saved.save_holds(holds)
        except StateUnwritable as error:
            return failure(507, error.code, f"{error.message}; nothing was changed")
        before = self.holds
        self._go_by(holds, now, mono)
        ticket = self._syncs.request() if is_of_syncs else 0
        return held_answer([self._told(change) for change in holds.told_since(before)], ticket)

    def _end(self, holds: Holds, now: Instant, mono: Millis) -> None:
        if holds is self.holds:
            return
        is_of_syncs = any(change.what.is_of_syncs for change in holds.told_since(self.holds))
        self._decide_what_is_due(now, mono)
        self._go_by(holds, now, mono)
        self._save_later()
        if is_of_syncs:
            self._syncs.request()

    def _decide_what_is_due(self, now: Instant, mono: Millis) -> None:
        self._engine.catch_up(now, mono)
        self._perform(self._engine.flush())

    def _go_by(self, holds: Holds, now: Instant, mono: Millis) -> None:
        news = holds.told_since(self.holds)
        self._engine.hold(holds, now, mono)
        self.holds = holds
        restrain(self._syncs, holds)
        for change in news:
            fields = {"scope": change.what.scope.value, "task": change.what.task, "actor": change.actor, "reason": change.reason}
            self._log(_EVENTS[change.act], self._told(change), **{name: value for name, value in fields.items() if value})

    def _save_later(self) -> None:
        try:
            self._saved.save_holds(self.holds)
            self._is_unsaved = False
        except StateUnwritable as error:
            if not self._is_unsaved:
                self._log(LogEvent.STATE_DEGRADED, error.message)
            self._is_unsaved = True

    def _told(self, change: HoldChange) -> str:
        by = f" by {change.actor}" if change.actor else ""
        return f"{change_sentence(change)}{by}{f': {change.reason}' if change.reason else ''}"


def restrain(syncs: Syncs, holds: Holds) -> None:
    """The syncs go by what is held."""
    syncs.follow(replace(syncs.course, paused=sentence(holds, SYNCS, holds.sync) if holds.sync else "", pin=holds.pin))


def _free(what: Held) -> str:
    match what.scope:
        case HoldScope.SYNC:
            return "syncs are not paused"
        case HoldScope.ALL:
            return "there is no pause of all tasks"
        case HoldScope.TASK:
            return f"the task {what.task!r} is not paused by itself"
        case HoldScope.DRAIN:
            return "this host is not drained"
        case HoldScope.PIN | HoldScope.ROLLBACK:
            return "no revision is pinned"
