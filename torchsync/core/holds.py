"""What operators hold back, by whom, why and until when. Pure.

Theory of operation. `Holds` is one value: everything that is held just now. Each function makes a new one of it and puts what happened behind
`changes`, so that `control.json`, which holds the whole value, says in one write what is in force and what led there. The changes go to the ledger
as well, after that write; an agent that was killed in between gives them again, and the ledger knows them by their number.

A hold ends by itself at `until`, on the wall clock: what is due at that moment or later is not held any more, also when nobody looked in between.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from torchsync.core.durations import parse_duration
from torchsync.core.instants import parse_rfc3339, rfc3339_short
from torchsync.core.model import Instant, Millis, TaskName

CHANGES_KEPT = 20
"""How many changes are given to the ledger again by the next agent process."""

MOST_REASON = 500
FARTHEST_END = Millis(3_653 * 86_400_000)
"""Ten years: what is to last longer has no end."""


class HoldScope(Enum):
    """What is held. `PAUSES` are the closed set of the label of `torchsync_paused`."""

    SYNC = "sync"
    ALL = "all"
    TASK = "task"
    DRAIN = "drain"
    PIN = "pin"
    ROLLBACK = "rollback"
    """A pin that a newer commit ends."""


PAUSES = (HoldScope.SYNC, HoldScope.ALL, HoldScope.TASK, HoldScope.DRAIN)


@dataclass(frozen=True, slots=True)
class Held:
    """One thing that can be held; `task` is empty but for a task."""

    scope: HoldScope
    task: str = ""

    @property
    def is_of_syncs(self) -> bool:
        """What the next sync does depends on it."""
        return self.scope in (HoldScope.SYNC, HoldScope.PIN, HoldScope.ROLLBACK)


SYNCS, EVERY_TASK, HOST, REF = Held(HoldScope.SYNC), Held(HoldScope.ALL), Held(HoldScope.DRAIN), Held(HoldScope.PIN)


def held_task(name: str) -> Held:
    return Held(HoldScope.TASK, name)


class HoldAct(Enum):
    PLACED = "placed"
    LIFTED = "lifted"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Since when something is held, by whom and why. `until` None: until somebody lifts it."""

    actor: str
    since: Instant
    reason: str = ""
    until: Instant | None = None
    stops_runs: bool = False
    """Of a drain: runs in flight are ended, too."""

    def is_over(self, at: Instant) -> bool:
        return self.until is not None and self.until <= at


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """The revision that syncs go for in place of the remote's: a commit id, maybe its first digits only.

    With `passed_over` it is a rollback: it lasts until a commit is accepted that is none of these.
    """

    revision: str
    hold: Hold
    passed_over: tuple[str, ...] = ()

    @property
    def what(self) -> Held:
        return Held(HoldScope.ROLLBACK) if self.passed_over else REF

    def names(self, revision: str) -> bool:
        """Whether it is this revision."""
        return revision.startswith(self.revision)

    def keeps_from(self, tip: str, in_force: str) -> bool:
        """Whether a sync goes for the pinned revision although the remote points to `tip`. A rollback gets back first, and then looks for what is
        newer.
        """
        return not self.passed_over or in_force in self.passed_over or tip in self.passed_over or self.names(tip)

    def is_outdone_by(self, in_force: str) -> bool:
        """A newer commit is in force, which a rollback waited for."""
        return bool(self.passed_over) and in_force not in self.passed_over and not self.names(in_force)


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldChange:
    """One thing that happened to a hold. Numbers grow; each is at least its time in milliseconds, so that none comes again when all of them are
    forgotten.
    """

    number: int
    at: Instant
    act: HoldAct
    what: Held
    actor: str = ""
    reason: str = ""
    until: Instant | None = None
    revision: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holds:
    """Everything that is held. A task that is paused stays so while it is gone, and when it comes back."""

    sync: Hold | None = None
    all: Hold | None = None
    drain: Hold | None = None
    tasks: Mapping[TaskName, Hold] = field(default_factory=dict)
    pin: Pin | None = None
    changes: tuple[HoldChange, ...] = ()
    """The newest ones, oldest first."""

    def pauses(self, task: TaskName, at: Instant | None = None) -> bool:
        """Whether no run of the task begins by itself: what is due `at` that moment, or now when none is named."""
        held = (self.all, self.drain, self.tasks.get(task))
        return any(hold is not None and (at is None or not hold.is_over(at)) for hold in held)

    def get(self, what: Held) -> Hold | None:
        match what.scope:
            case HoldScope.SYNC:
                return self.sync
            case HoldScope.ALL:
                return self.all
            case HoldScope.DRAIN:
                return self.drain
            case HoldScope.TASK:
                return self.tasks.get(TaskName(what.task))
            case HoldScope.PIN | HoldScope.ROLLBACK:
                return self.pin.hold if self.pin else None

    def __iter__(self) -> Iterator[tuple[Held, Hold]]:
        """Everything that is held, and the hold."""
        for what in (SYNCS, self.pin.what if self.pin else REF, HOST, EVERY_TASK, *map(held_task, sorted(self.tasks))):
            if hold := self.get(what):
                yield what, hold

    def told_since(self, before: Holds) -> tuple[HoldChange, ...]:
        """What happened since then."""
        known = before.changes[-1].number if before.changes else 0
        return tuple(change for change in self.changes if change.number > known)

    def next_end(self) -> Instant | None:
        """When something ends by itself next."""
        return min((hold.until for _, hold in self if hold.until is not None), default=None)


def placed(holds: Holds, what: Held, hold: Hold) -> Holds:
    """That is held, too. What was held already is held for the new reason and until the new time, since when it was."""
    before = holds.get(what)
    return _told(_with(holds, what, replace(hold, since=before.since) if before else hold), HoldAct.PLACED, what, hold)


def pinned(holds: Holds, pin: Pin) -> Holds:
    """The syncs go for that revision."""
    return _told(replace(holds, pin=pin), HoldAct.PLACED, REF, pin.hold)


def lifted(holds: Holds, what: Held, *, actor: str, now: Instant, reason: str = "") -> Holds:
    """That is not held any more."""
    return _with(_told(holds, HoldAct.LIFTED, what, Hold(actor=actor, since=now, reason=reason)), what, None)


def expired(holds: Holds, now: Instant) -> Holds:
    """Nothing is held that has ended by itself; the very same when there is no such thing."""
    for what, hold in list(holds):
        if hold.is_over(now):
            holds = _with(_told(holds, HoldAct.EXPIRED, what, Hold(actor="", since=now, until=hold.until)), what, None)
    return holds


def rebuilt(changes: Iterable[HoldChange]) -> Holds:
    """What is held after all of these, oldest first, as far as they tell: a rollback becomes a pin, and a drain ends no more runs."""
    holds = Holds()
    for change in changes:
        hold = Hold(actor=change.actor, since=change.at, reason=change.reason, until=change.until)
        if change.act is not HoldAct.PLACED:
            holds = _with(holds, change.what, None)
        elif change.revision:
            holds = replace(holds, pin=Pin(revision=change.revision, hold=hold))
        else:
            holds = _with(holds, change.what, hold)
        holds = replace(holds, changes=(*holds.changes, change)[-CHANGES_KEPT:])
    return holds


def rolled_back(holds: Holds, applied: Iterable[str], in_force: str, fetched: str, hold: Hold) -> Pin | None:
    """The pin of a rollback: to the newest of the revisions `applied`, oldest first, that has not been turned away from; None when there is none.

    Passed over are the revision in force, and what the remote points to already: that is what the operator does not want.
    """
    before = (*holds.pin.passed_over, holds.pin.revision) if holds.pin and holds.pin.passed_over else ()
    gone = {*before, in_force}
    target = next((revision for revision in reversed(tuple(applied)) if revision not in gone), None)
    if target is None:
        return None
    return Pin(revision=target, hold=hold, passed_over=tuple(sorted({*gone, fetched} - {"", target})))


def parse_until(text: str, now: Instant) -> Instant:
    """The instant that `--until` names: a length of time from now, or a time with zone. Raises ValueError with a sentence."""
    form = "write a length of time such as 90m or 2d, or a time with zone such as 2026-12-01T03:00Z"
    if (length := parse_duration(text)) is not None:
        until = Instant(now + length)
    else:
        try:
            until = parse_rfc3339(text)
        except ValueError:
            raise ValueError(f"{text!r} is neither a length of time nor a time; {form}") from None
    if until <= now:
        raise ValueError(f"{text!r} is not in the future; {form}")
    if until > now + FARTHEST_END:
        raise ValueError(f"{text!r} is more than ten years ahead; leave it out when there is no end")
    return until


def pin_problem(text: str) -> str:
    """What is wrong with a revision to pin, as a sentence; empty when it can be one."""
    if re.fullmatch("[0-9a-f]{7,64}", text):
        return ""
    return f"{text!r} is not a commit id of at least 7 digits; for a branch or a tag write what `git rev-parse NAME^{{commit}}` prints"


def reason_problem(reason: str) -> str:
    """What is wrong with a reason, as a sentence; empty when it can be kept."""
    if not reason.isprintable():
        return "the reason holds a line break or a control character; write one line"
    return f"the reason has {len(reason)} characters; write at most {MOST_REASON}" if len(reason) > MOST_REASON else ""


def sentence(holds: Holds, what: Held, hold: Hold) -> str:
    """What is held, by whom, since and until when, and why."""
    until = f" until {rfc3339_short(hold.until)}" if hold.until is not None else ""
    reason = f": {hold.reason}" if hold.reason else ""
    return f"{_state(holds, what)} by {hold.actor} since {rfc3339_short(hold.since)}{until}{reason}"


def change_sentence(change: HoldChange) -> str:
    """What happened to which hold, without who and why."""
    until = f" until {rfc3339_short(change.until)}" if change.until is not None and change.act is HoldAct.PLACED else ""
    did = "expired" if change.act is HoldAct.EXPIRED else f"was {change.act.value}"
    return f"{_name(change)} {did}{until}"


def _state(holds: Holds, what: Held) -> str:
    match what.scope:
        case HoldScope.SYNC:
            return "syncs are paused"
        case HoldScope.ALL:
            return "all tasks are paused"
        case HoldScope.TASK:
            return f"the task {what.task} is paused"
        case HoldScope.DRAIN:
            return "this host is drained"
        case HoldScope.PIN:
            return f"pinned to {holds.pin.revision[:12] if holds.pin else ''}"
        case HoldScope.ROLLBACK:
            return f"rolled back to {holds.pin.revision[:12] if holds.pin else ''}"


def _name(change: HoldChange) -> str:
    match change.what.scope:
        case HoldScope.SYNC:
            return "the pause of syncs"
        case HoldScope.ALL:
            return "the pause of all tasks"
        case HoldScope.TASK:
            return f"the pause of {change.what.task}"
        case HoldScope.DRAIN:
            return "the drain"
        case HoldScope.PIN:
            return f"the pin to {change.revision[:12]}"
        case HoldScope.ROLLBACK:
            return f"the rollback to {change.revision[:12]}"


def _with(holds: Holds, what: Held, hold: Hold | None) -> Holds:
    match what.scope:
        case HoldScope.SYNC:
            return replace(holds, sync=hold)
        case HoldScope.ALL:
            return replace(holds, all=hold)
        case HoldScope.DRAIN:
            return replace(holds, drain=hold)
        case HoldScope.TASK:
            rest = {name: kept for name, kept in holds.tasks.items() if name != what.task}
            return replace(holds, tasks={**rest, TaskName(what.task): hold} if hold else rest)
        case HoldScope.PIN | HoldScope.ROLLBACK:
            return replace(holds, pin=replace(holds.pin, hold=hold) if holds.pin and hold else None)


def _told(holds: Holds, act: HoldAct, what: Held, by: Hold) -> Holds:
    """With the change; of `holds` that still has the pin it may be about."""
    newest = holds.changes[-1].number if holds.changes else 0
    pin = holds.pin if what.scope in (HoldScope.PIN, HoldScope.ROLLBACK) else None
    change = HoldChange(
        number=max(newest + 1, by.since),
        at=by.since,
        act=act,
        what=pin.what if pin else what,
        actor=by.actor,
        reason=by.reason,
        until=by.until,
        revision=pin.revision if pin else "",
    )
    return replace(holds, changes=(*holds.changes, change)[-CHANGES_KEPT:])
