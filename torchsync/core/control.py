"""What an operator asks of the running agent, and what it answers. Pure values.

Theory of operation. A thread of the control socket makes a request, puts it into an `Ask` together with a mailbox of one slot, posts the
`Ask` to the inbox of the loop and waits for the mailbox, briefly. The loop performs the request in its turn and puts one `Answer`; it never
waits for anything on behalf of an asker. A run that an answer names is durable before the answer is given. What takes long has a ticket: the
client asks for the ticket again until the answer says `done`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from torchsync.core.holds import Held
from torchsync.core.model import RunId, TaskName
from torchsync.core.syncdoc import SyncResult
from torchsync.errors import Problem

Json = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTask:
    """Start a run of the task now. Answered by `run_started`, or `not_found`, or `conflict`."""

    task: TaskName
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRuns:
    """End the run of that id, or every run of the task of that name. Answered by `runs_stopping`, or `not_found`."""

    target: str
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncNow:
    """Sync now, or once more right after the sync under way. Answered by `ticket_given`. With `allow_removal` the guard against removal does
    not hold for that sync.
    """

    actor: str
    allow_removal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncProgress:
    """How far the sync of the ticket is. Answered by `pending`, `sync_done` or `not_found`."""

    ticket: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reload:
    """Read agent.yaml again. Answered by `ticket_given`."""

    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadProgress:
    """How far the reload of the ticket is. Answered by `pending`, `reload_done` or `not_found`."""

    ticket: int


# What operators hold. `reason` may be empty, and so may `until`, a length of time or a time with zone: until it is lifted.


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseTasks:
    """Hold these back: syncs, all tasks, or tasks by name. Answered by `held`, `not_found`, `bad_request` or a failure to write."""

    what: tuple[Held, ...]
    actor: str
    reason: str = ""
    until: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainHost:
    """Start nothing any more and end the daemons; with `stops_runs` every run. Answered as `PauseTasks`."""

    actor: str
    reason: str = ""
    until: str = ""
    stops_runs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PinRevision:
    """Go for the commit whose id begins like this, instead of the remote's. Answered as `PauseTasks`, with the ticket of a sync."""

    revision: str
    actor: str
    reason: str = ""
    until: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """Go back to what was in force before, until something newer is. Answered as `PinRevision`, or by `conflict`."""

    actor: str
    reason: str = ""
    until: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftHold:
    """Hold these no longer. Answered as `PauseTasks`, or by `conflict` when one of them is not held."""

    what: tuple[Held, ...]
    actor: str


HoldRequest = PauseTasks | DrainHost | PinRevision | Rollback | LiftHold

Request = RunTask | StopRuns | SyncNow | SyncProgress | Reload | ReloadProgress | HoldRequest


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP status and a JSON document."""

    status: int
    document: Json


class Mailbox(Protocol):
    """Takes one answer and never blocks; `queue.SimpleQueue` is one."""

    def put(self, item: Answer, /) -> None: ...


@dataclass(frozen=True, slots=True)
class Ask:
    """An event for the loop: perform `request`, then put exactly one answer into `reply`."""

    request: Request
    reply: Mailbox


# The answers.


def run_started(run: RunId) -> Answer:
    """The run is admitted and durable."""
    return Answer(202, {"run": run})


def runs_stopping(runs: Sequence[RunId]) -> Answer:
    """These runs have been told to end; none when nothing of the target runs."""
    return Answer(202, {"runs": list(runs)})


def ticket_given(ticket: int, waits: int = 0, paused: str = "") -> Answer:
    """What was asked for is begun, or will be after `waits` milliseconds; `paused` says why nothing will come of it, if so."""
    given: dict[str, object] = {"ticket": ticket}
    if waits:
        given["waits_ms"] = waits
    if paused:
        given["paused"] = paused
    return Answer(202, given)


def held(sentences: Sequence[str], ticket: int = 0) -> Answer:
    """What was asked is so and durable, and this is what happened. The ticket is that of the sync that follows, if one does."""
    return Answer(200, {"sentences": list(sentences), "ticket": ticket or None})


def pending(ticket: int) -> Answer:
    return Answer(200, {"ticket": ticket, "done": False})


def sync_done(ticket: int, result: SyncResult) -> Answer:
    """`outcome` is a value of `SyncOutcome`."""
    return Answer(
        200,
        {
            "ticket": ticket,
            "done": True,
            "outcome": result.outcome.value,
            "sentence": result.sentence,
            "revision": result.revision or None,
            "problems": [str(problem) for problem in result.problems],
        },
    )


def reload_done(ticket: int, problems: Sequence[Problem]) -> Answer:
    """`outcome` is `reloaded`, or `refused` when there are problems."""
    outcome = "refused" if problems else "reloaded"
    return Answer(200, {"ticket": ticket, "done": True, "outcome": outcome, "problems": [str(problem) for problem in problems]})


TAIL_HEADER = "Torchsync-Next"
"""The header that says where the next stretch of an output begins."""


def failure(status: int, code: str, message: str) -> Answer:
    """The shape of every error of the API; `code` is one of `codes.CODES`."""
    return Answer(status, {"error": {"code": code, "message": message}})


def bad_request(message: str) -> Answer:
    """A word of the request is not of the form it must have."""
    return failure(400, "TS357", message)


def not_found(message: str) -> Answer:
    return failure(404, "TS352", message)


def conflict(message: str) -> Answer:
    """The agent knows what is meant but will not do it now."""
    return failure(409, "TS355", message)
