"""The sentences of the status page, from the public documents of the API: nothing they say can quote a command, a path or an actor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torchsync.core.instants import parse_rfc3339
from torchsync.core.model import Instant

Document = Mapping[str, Any]

_UNITS = (("days", 86_400), ("h", 3_600), ("min", 60))
_BAD = frozenset({"failed", "timed_out", "start_failed", "lost"})
_OUTCOMES = {"timed_out": "timed out", "start_failed": "did not start"}


def length(seconds: float) -> str:
    """`45 s`, `3 min`, `5 h`, `12 days`: in the largest unit of which there are two, so that it seldom changes."""
    for unit, size in _UNITS:
        if seconds >= 2 * size:
            return f"{round(seconds / size)} {unit}"
    return f"{round(seconds)} s" if seconds >= 1 or not seconds else f"{round(seconds * 1000)} ms"


@dataclass(frozen=True, slots=True)
class Clock:
    """Tells moments, given as RFC 3339 texts, from `now`."""

    now: Instant

    def since(self, moment: str) -> str:
        """How long ago it was, such as `3 min`."""
        return length(max(0, self.now - parse_rfc3339(moment)) // 1000)

    def ago(self, moment: str | None) -> str:
        return f"{self.since(moment)} ago" if moment else "never"

    def ahead(self, moment: str | None) -> str:
        """`in 3 min`; `now` when it has come."""
        if not moment:
            return ""
        left = parse_rfc3339(moment) - self.now
        return f"in {length(left // 1000)}" if left >= 1000 else "now"


def count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def outcome_words(outcome: str) -> str:
    return _OUTCOMES.get(outcome, outcome)


def is_bad(outcome: str) -> bool:
    return outcome in _BAD


def problem_words(problems: Sequence[Document]) -> str:
    """The kinds of what is wrong, each once: `TS111 Not valid by the schema, TS120 ...`."""
    found = Counter((problem["code"], problem["title"]) for problem in problems)
    return ", ".join(f"{code} {title}" + (f" ({times} times)" if times > 1 else "") for (code, title), times in found.items())


def sync_words(sync: Document) -> str:
    """What the last sync came to, in one sentence without its time."""
    last = sync["last"]
    if last is None:
        return "There was no sync yet"
    changes = f"{last['added']} added, {last['changed']} changed, {last['removed']} removed"
    return _SYNCS[last["outcome"]].format(revision=(last["revision"] or "")[:12], changes=changes, why=problem_words(last["problems"]))


_SYNCS = {
    "applied": "Took {revision}: {changes}",
    "unchanged": "Nothing new: the remote has {revision}",
    "rejected": "Rejected {revision}, for every host: {why}",
    "refused": "Refused {revision}, on this host: {why}",
    "unavailable": "Did not reach the remote: {why}",
    "paused": "Syncs are paused by an operator",
    "failed": "Failed: {why}",
}


def hold_words(hold: Document, clock: Clock) -> str:
    """What is held, since when and until when; who did it and why is for the control socket."""
    revision, since = (hold["revision"] or "")[:12], clock.since(hold["since"])
    what = {
        "sync": f"Syncs have been paused for {since}",
        "all": f"Every task has been paused for {since}",
        "task": f"The task {hold['task']} has been paused for {since}",
        "drain": f"The host has been drained for {since}: nothing new starts",
        "pin": f"Pinned at {revision} for {since}",
        "rollback": f"Rolled back to {revision} for {since}, until a newer commit comes",
    }[hold["scope"]]
    return f"{what}; ends {clock.ahead(hold['until'])}" if hold["until"] else what


def troubles(status: Document, tasks: Sequence[Document], unready: str = "") -> list[str]:
    """What calls for somebody, the worst first; empty when nothing does. `unready` is what /readyz answers, empty when the agent is ready."""
    failing = sum(bool(task["consecutive_failures"]) for task in tasks)
    late = sum(bool(task["late_since"]) for task in tasks)
    sync = status["sync"]
    found = [
        unready,
        f"{count(failing, 'task fails', 'tasks fail')}" if failing else "",
        f"{count(late, 'task is late', 'tasks are late')}" if late else "",
        "the newest commit was not taken" if sync["rejected"] else "",
        "" if unready and status["generation"] else _cut_off(sync),
        "the state cannot be written" if status["state_degraded"] else "",
        "the configuration could not be reloaded" if not status["config_reload_ok"] else "",
    ]
    return [one for one in found if one]


def reservations(status: Document) -> list[str]:
    """Why a host that has no troubles is not simply well: what operators hold back, and what the agent has to say of itself."""
    holds, notices = Counter(hold["scope"] for hold in status["holds"]), len(status["notices"])
    found = [words for scope, words in _HELD.items() if holds[scope]]
    if paused := holds["task"]:
        found.append(count(paused, "task is paused", "tasks are paused"))
    return [*found, count(notices, "notice", "notices")] if notices else found


_HELD = {
    "drain": "drained",
    "all": "every task is paused",
    "sync": "syncs are paused",
    "pin": "pinned",
    "rollback": "rolled back",
}


def _cut_off(sync: Document) -> str:
    failures = sync["consecutive_failures"]
    if not failures or sync["rejected"]:
        return ""
    return "the last sync failed" if failures == 1 else f"the last {failures:,} syncs failed"
