"""Why a task did or did not run at a moment: the answer, from what the ledger knows and the definition that was in force then. Pure.

Theory of operation. The questions are asked in an order in which each makes the next one meaningful: is anything known of that time, was the task on
this host, was it enabled and of the kind that has instants, is the moment one of them, did it count yet, what became of it. The first that is
answered by no is the finding; the rest of what is known goes along. A ledger entry is above all of it: what covers an instant did happen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import Enum

from torchsync.core.chronicle import Term
from torchsync.core.cron import StartupSchedule
from torchsync.core.entries import HistoryRow
from torchsync.core.evidence import Evidence, Witness
from torchsync.core.holds import EVERY_TASK, HOST, Holds, held_task, rebuilt, sentence
from torchsync.core.instants import brief_duration, rfc3339_short
from torchsync.core.model import CronTiming, HostFacts, Instant, Millis, Outcome, Run, RunState, SkipReason, StopCause, TaskName
from torchsync.core.schedulematch import Match, matched, newest_before
from torchsync.core.timetable import rhythm_of

_SHOWN = 5
_CAUSES: Mapping[StopCause | None, str] = {StopCause.CHANGED: "since the task changed", StopCause.REMOVED: "since the task was removed"}


class Finding(Enum):
    """What became of the moment: a closed set."""

    RAN = "ran"
    UNDER_WAY = "under_way"
    WAITS = "waits"
    """It came due and waits: for runs that are under way, or for its pool."""
    SKIPPED = "skipped"
    MISSED = "missed"
    ANNULLED = "annulled"
    """It was covered by an entry that a jump of the clock caused, and is not any more."""
    NOT_AN_INSTANT = "not_an_instant"
    NOT_HERE = "not_here"
    DISABLED = "disabled"
    DAEMON = "daemon"
    AT_STARTUP = "at_startup"
    BEFORE_BASELINE = "before_baseline"
    UNDECIDED = "undecided"
    TO_COME = "to_come"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """The agent that answers."""

    is_clock_held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The answer: what was found, in one sentence, and further ones. `match` is the schedule held against the moment, where there is one.

    `previous` is what became of the nearest instant before a moment that is none.
    """

    task: TaskName
    at: Instant
    now: Instant
    finding: Finding
    sentence: str
    notes: tuple[str, ...]
    evidence: Evidence
    match: Match | None = None
    previous: HistoryRow | None = None


def explain(witness: Witness, task: TaskName, at: Instant | None, now: Instant, present: Present | None = None) -> Explanation | None:
    """Why the task did or did not run at that moment; without one, at its newest instant that is due, else at its next. None for a task of which
    nothing is known. Without `present` no agent answers.
    """
    latest = witness(task, now)
    if not latest.is_known:
        return None
    asked = _newest_due(latest, now) if at is None else at
    evidence = latest if asked == now else witness(task, asked)
    facts = latest.in_force.facts if latest.in_force else HostFacts(name="")
    found = _Case(task, asked, now, evidence, present, facts).explanation()
    if found.finding is Finding.NOT_AN_INSTANT and found.match and found.match.before is not None:
        return replace(found, previous=witness(task, found.match.before).entry)
    return found


def unknown_task(task: TaskName, known: Sequence[str]) -> str:
    """A sentence that says so, and which task was meant, maybe."""
    near = get_close_matches(task, known, n=1)
    return f"nothing is known here of a task {task!r}" + (f"; did you mean {near[0]!r}?" if near else "")


def _newest_due(evidence: Evidence, now: Instant) -> Instant:
    """The newest instant due by now, by the definition that the task has or had last, else the next one, else now."""
    term = evidence.term or evidence.before
    task = term.task if term else evidence.newest.task if evidence.newest else None
    if task is None or not task.enabled or not isinstance(task.timing, CronTiming) or evidence.in_force is None:
        return evidence.newest.instant or now if evidence.newest else now
    rhythm = rhythm_of(task.name, task.timing, evidence.in_force.facts)
    if isinstance(rhythm.schedule, StartupSchedule):
        return (evidence.newest.instant if evidence.newest else None) or now
    newest = newest_before(rhythm, Instant(now - rhythm.delay + 1))
    counts = term is None or (newest is not None and newest > term.baseline)
    return newest if newest is not None and counts else next(rhythm.following(now), newest or now)


@dataclass(frozen=True, slots=True)
class _Case:
    task: TaskName
    at: Instant
    now: Instant
    evidence: Evidence
    present: Present | None
    facts: HostFacts
    """Those of now, for a time from which none are remembered."""

    def explanation(self) -> Explanation:
        found = self._match()
        finding, said = self._finding(found)
        return Explanation(
            task=self.task,
            at=self.at,
            now=self.now,
            finding=finding,
            sentence=said,
            notes=tuple(self._notes(finding)),
            evidence=self.evidence,
            match=found,
        )

    @property
    def entry(self) -> HistoryRow | None:
        return self.evidence.entry

    def _match(self) -> Match | None:
        """By the definition that the run had, else by the one in force at the moment."""
        run, term = self.entry.run if self.entry else None, self.evidence.term
        task = run.task if run else term.task if term else None
        if task is None or not isinstance(task.timing, CronTiming):
            return None
        return matched(self.task, task.timing, self.evidence.in_force.facts if self.evidence.in_force else self.facts, self.at)

    def _finding(self, found: Match | None) -> tuple[Finding, str]:
        entry, term = self.entry, self.evidence.term
        is_covered = entry is not None and (entry.run is not None or found is None or found.is_instant)
        if entry is not None and is_covered:
            return _of_entry(entry, self.evidence, found.due if found else self.at)
        if term is None:
            return self._absent()
        if not term.task.enabled:
            return Finding.DISABLED, "the task was disabled then, and had no instants"
        if found is None:
            return Finding.DAEMON, "the task was a daemon then, which is kept running and has no instants"
        if not found.is_instant and not found.fields and found.schedule.strip().lower() == "@startup":
            return Finding.AT_STARTUP, "the task runs once at each start of the host, and not at times of a clock"
        return self._of_instant(found, term) if found.is_instant else (Finding.NOT_AN_INSTANT, _mismatch(found))

    def _absent(self) -> tuple[Finding, str]:
        evidence = self.evidence
        if evidence.began is None or self.at < evidence.began:
            since = f"; that is remembered since {_at(evidence.began)}" if evidence.began is not None else ""
            return Finding.UNKNOWN, f"it is not known which tasks this host had then{since}"
        parts = [
            f"this host did not have the task then, by commit {evidence.in_force.revision[:12]}" if evidence.in_force else "it was not here"
        ]
        if evidence.before and evidence.before.until is not None:
            parts.append(f"it was gone since {_at(evidence.before.until)}")
        if evidence.after:
            parts.append(f"it came at {_at(evidence.after.since)}")
        return Finding.NOT_HERE, "; ".join(parts)

    def _of_instant(self, found: Match, term: Term) -> tuple[Finding, str]:
        """One that nothing covers."""
        record = self.evidence.record
        if found.due > self.now:
            ahead = brief_duration(Millis(found.due - self.now))
            return Finding.TO_COME, f"it is to come: due in {ahead}" + (f", at {_at(found.due)}" if found.due != self.at else "")
        if self.evidence.annulled:
            said = "what covered it was caused by a jump of the clock and annulled when the clock returned"
            return Finding.ANNULLED, said + ("" if record and record.decided_through >= self.at else "; it is to be decided again")
        if self.at <= term.baseline:
            said = (
                f"instants of the task count only from {_at(term.baseline)} on, when it was added, enabled again or given another schedule"
            )
            return Finding.BEFORE_BASELINE, said
        if record and record.decided_through >= self.at:
            return Finding.UNKNOWN, "it was decided, and what became of it is not kept any more"
        return Finding.UNDECIDED, self._undecided(found)

    def _undecided(self, found: Match) -> str:
        late = brief_duration(Millis(self.now - found.due))
        if self.present is None:
            start = self.evidence.start
            since = f"; the last one was started at {_at(start.at)}" if start else ""
            return f"it was due {late} ago and nobody has decided it: no agent answers{since}"
        if self.present.is_clock_held:
            return f"it was due {late} ago by a clock that cannot be right: nothing is started until that is"
        return f"it was due {late} ago and is not decided yet"

    def _notes(self, finding: Finding) -> Iterator[str]:
        if finding is not Finding.ANNULLED and self.evidence.annulled:
            yield "an earlier entry for it was caused by a jump of the clock, and was annulled when the clock returned"
        if finding is Finding.TO_COME:
            yield from (f"as things are it will be skipped: {one}" for one in _holding(self.evidence, self.task, self.at))
        term, later = self.evidence.term, self.evidence.after
        if term and later and term.until == later.since and later.task != term.task:
            yield f"the task was changed afterwards, at {_at(later.since)}"
        elif term and term.until is not None and later is None and finding is not Finding.NOT_HERE:
            yield f"this host does not have the task any more, since {_at(term.until)}"


def _of_entry(entry: HistoryRow, evidence: Evidence, due: Instant) -> tuple[Finding, str]:
    if entry.run is not None:
        return _of_run(entry.run)
    if entry.queued is not None:
        return Finding.WAITS, f"it came due and waits for room: {_what_for(evidence)}"
    others = _others_of(entry)
    if entry.reason is SkipReason.MISSED:
        return Finding.MISSED, f"it was missed{others}: {_why_missed(entry, evidence, due)}"
    return Finding.SKIPPED, f"it was skipped{others}: {'; '.join(_why_skipped(entry, evidence, due))}"


def _others_of(entry: HistoryRow) -> str:
    if entry.count == 1:
        return ""
    how_many = "was 1 other instant" if entry.count == 2 else f"were {entry.count - 1} other instants"
    return f", as {how_many} from {_at(entry.first)} to {_at(entry.last)}"


def _what_for(evidence: Evidence) -> str:
    pool = f", and its pool `{evidence.term.task.pool}` a place" if evidence.term and evidence.term.task.pool else ""
    return f"a run of the task has to end{pool}, or those that came before it have to go first"


def _of_run(run: Run) -> tuple[Finding, str]:
    began = run.started_at
    lag = f", {brief_duration(Millis(began - run.due))} after it was due" if began is not None and run.due is not None else ""
    if run.outcome is None:
        if run.wait is not None:
            return Finding.UNDER_WAY, f"attempt {run.attempt - 1} of its run {run.id} failed, and attempt {run.attempt} is to come"
        state = {RunState.ADMITTED: "is about to begin", RunState.RUNNING: "is under way"}.get(run.state, "is being ended")
        since = f"; it began at {_at(began)}{lag}" if began is not None else ""
        return Finding.UNDER_WAY, f"its run {run.id} {state}{since}"
    took = f" after {brief_duration(Millis(run.finished_at - began))}" if began is not None and run.finished_at is not None else ""
    status = "" if run.exit_status is None else f" with exit status {run.exit_status}"
    detail = f": {run.detail}" if run.detail else ""
    attempts = f" at attempt {run.attempt} of {run.attempts}" if run.earlier else ""
    start = f"; it began at {_at(began)}{lag}" if began is not None else ""
    return Finding.RAN, f"it ran: run {run.id} {_ended(run, run.outcome)}{attempts}{took}{status}{detail}{start}"


def _ended(run: Run, outcome: Outcome) -> str:
    match outcome:
        case Outcome.TIMED_OUT:
            return "was ended at its timeout"
        case Outcome.STOPPED:
            return f"was ended {_CAUSES.get(run.stop_cause, 'by an operator')}"
        case Outcome.REPLACED:
            return "was ended to make room for the next one"
        case Outcome.START_FAILED:
            return "could not be started"
        case Outcome.LOST:
            return "is over, and nobody knows how"
        case _:
            return str(outcome.value)


def _why_skipped(entry: HistoryRow, evidence: Evidence, due: Instant) -> Iterator[str]:
    match entry.reason:
        case SkipReason.OVERLAP:
            yield "as many runs of the task as may run at once were under way"
            yield from (f"run {run.id} was, since {_at(run.started_at or run.admitted_at)}" for run in evidence.running[:_SHOWN])
        case SkipReason.PAUSED:
            yield from _holding(evidence, entry.task, due) or ["operators held the task back; who and why is not kept any more"]
        case SkipReason.POOL:
            name = f" `{evidence.term.task.pool}`" if evidence.term and evidence.term.task.pool else ""
            yield f"the pool{name} of the task was full"
        case SkipReason.REMOVED:
            yield "before it was decided the task was removed, disabled or made a daemon"
        case SkipReason.LEASE:
            yield "another host ran it"
        case _:
            yield "the reason is not known"


def _why_missed(entry: HistoryRow, evidence: Evidence, due: Instant) -> str:
    """An agent that began after it was due tells that none decided it before; else the one that ran could not look in time."""
    start, late = evidence.start, brief_duration(Millis(max(0, entry.decided_at - due)))
    if start is None:
        return f"it was decided {late} after it was due, later than `starting_deadline` allows"
    if start.at <= due:
        why = "so the host slept, the agent was held up, or the clock went forward"
        return (
            f"it was decided {late} after it was due, later than `starting_deadline` allows; an agent had run since {_at(start.at)}, {why}"
        )
    before = f"; the one before is known to have lived at {_at(start.last_sign)}" if start.last_sign else ""
    return f"no agent decided it: the next one began {brief_duration(Millis(start.at - due))} after it was due, at {_at(start.at)}{before}"


def _holding(evidence: Evidence, task: TaskName, due: Instant) -> list[str]:
    """What held the task back when it was due."""
    holds: Holds = rebuilt(change for change in evidence.holds if change.at <= due)
    found = ((what, holds.get(what)) for what in (HOST, EVERY_TASK, held_task(task)))
    return [sentence(holds, what, hold) for what, hold in found if hold is not None and not hold.is_over(due)]


def _mismatch(found: Match) -> str:
    wrong = [f"{one.name} is {one.actual}, not {one.values}" for one in found.fields if not one.matches]
    because = f": {', '.join(wrong)}" if wrong else ""
    return f"{found.local} is no instant of `{found.schedule}`{because}"


def _at(instant: Instant | None) -> str:
    return rfc3339_short(instant) if instant is not None else "an unknown time"
