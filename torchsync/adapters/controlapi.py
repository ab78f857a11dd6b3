"""The surface of the control socket: the API in full, and the verbs. Runs in the threads of the HTTP server.

What changes something becomes an `Ask` in the inbox of the loop; a thread waits for its answer for `ANSWER_WITHIN` seconds and no longer.
What is only read comes from the snapshot, from the ledger and from the files of a run, without the loop.
"""

from __future__ import annotations

import json
import queue
import re
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass

from torchsync.core.api import history_document, history_query, run_document, runs_document, status_document, tasks_document
from torchsync.core.control import (
    TAIL_HEADER,
    Answer,
    Ask,
    DrainHost,
    LiftHold,
    PauseTasks,
    PinRevision,
    Reload,
    ReloadProgress,
    Rollback,
    RunTask,
    StopRuns,
    SyncNow,
    SyncProgress,
    failure,
    not_found,
)
from torchsync.core.control import Request as Wish
from torchsync.core.entries import HistoryQuery, HistoryRow
from torchsync.core.holds import REF, Held, HoldScope, held_task
from torchsync.core.instants import parse_rfc3339
from torchsync.core.model import Instant, Run, RunId, TaskName
from torchsync.core.snapshot import Snapshot
from torchsync.core.web import Handler, Peer, Request, Response, not_allowed, of_answer, of_document, wrong_method
from torchsync.core.why import Explanation
from torchsync.core.whydoc import why_document
from torchsync.errors import TorchsyncError

ANSWER_WITHIN = 5.0

_RUN_ID = "[0-9a-f]{12}-[0-9a-f]{8}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Who may use the socket: root, the agent's user, and the members of a group, which a host need not have."""

    agent_uid: int
    group: int | None

    def admits(self, peer: Peer) -> bool:
        return peer.uid in (0, self.agent_uid) or self.group in peer.groups


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlSurface:
    """The handler for the control socket.

    `post` puts an event into the inbox of the loop. `history`, `why`, `find_run`, `output` and `tail` are called in the threads of the server; they
    may raise TorchsyncError. `why` answers with a sentence when nothing is known of a task. `output` is what an attempt of a run wrote, with 0 what
    all of them did, None when there is none; `tail` a stretch of it, from a place on, with the place where it ends. `probes` answers /metrics,
    /healthz and /readyz.
    """

    read: Callable[[], Snapshot]
    post: Callable[[Ask], None]
    history: Callable[[HistoryQuery], Sequence[HistoryRow]]
    why: Callable[[TaskName, Instant | None], Explanation | str]
    find_run: Callable[[RunId], Run | None]
    output: Callable[[RunId, int], Generator[bytes, None, None] | None]
    tail: Callable[[RunId, int, int], tuple[bytes, int] | None]
    probes: Handler
    admission: Admission
    on_denied: Callable[[Peer, str], None]

    def __call__(self, request: Request) -> Response:
        peer = request.peer
        if peer is None or not self.admission.admits(peer):
            if peer:
                self.on_denied(peer, request.path)
            return not_allowed()
        try:
            return self._route(request, peer)
        except TorchsyncError as error:
            return of_answer(failure(503, error.code, error.message))
        except _BadRequest as error:
            return of_answer(failure(400, "TS356", str(error)))

    def _route(self, request: Request, peer: Peer) -> Response:
        if request.path in ("/metrics", "/healthz", "/readyz"):
            return self.probes(request)
        for pattern, reading in _READINGS:
            if match := pattern.fullmatch(request.path):
                return reading(self, request, *match.groups()) if request.method in ("GET", "HEAD") else wrong_method("GET, HEAD")
        if (verb := _VERBS.get(request.path)) is None:
            return of_answer(not_found("there is nothing here"))
        if request.method != "POST":
            return wrong_method("POST")
        return self._ask(verb(_fields(request), peer.actor))

    def _ask(self, wish: Wish) -> Response:
        reply: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self.post(Ask(wish, reply))
        try:
            return of_answer(reply.get(timeout=ANSWER_WITHIN))
        except queue.Empty:
            return of_answer(
                failure(504, "TS350", f"the scheduler did not answer within {ANSWER_WITHIN:.0f} s; it may still do what was asked")
            )

    # What can be read.

    def status(self, _: Request) -> Response:
        return of_document(status_document(self.read(), full=True))

    def tasks(self, _: Request) -> Response:
        return of_document(tasks_document(self.read(), full=True))

    def runs(self, _: Request) -> Response:
        return of_document(runs_document(self.read().runs.values(), full=True))

    def run(self, _: Request, run_id: str) -> Response:
        run = self.read().runs.get(RunId(run_id)) or self.find_run(RunId(run_id))
        return of_document(run_document(run, full=True)) if run else of_answer(not_found(f"there is no run {run_id}"))

    def run_output(self, request: Request, run_id: str) -> Response:
        body = self.output(RunId(run_id), _attempt(request.query))
        if body is None:
            return of_answer(not_found(f"no output of a run {run_id} is kept"))
        return Response(200, "application/octet-stream", body)

    def run_tail(self, request: Request, run_id: str) -> Response:
        """What was written from a place on, as far as it fits into one answer; a header says where the next one begins."""
        try:
            attempt, place = int(request.query.get("attempt", "1")), int(request.query.get("from", "0"))
        except ValueError as error:
            raise _BadRequest("attempt and from are to be numbers") from error
        found = self.tail(RunId(run_id), attempt, max(0, place))
        if found is None:
            return of_answer(not_found(f"no output of attempt {attempt} of a run {run_id} is kept"))
        return Response(200, "application/octet-stream", found[0], ((TAIL_HEADER, str(found[1])),))

    def entries(self, request: Request) -> Response:
        query = _history_query(request.query)
        return of_document(history_document(self.history(query), query))

    def reason(self, request: Request) -> Response:
        task, at = _why_query(request.query)
        found = self.why(task, at)
        return of_answer(not_found(found)) if isinstance(found, str) else of_document(why_document(found))

    def sync_progress(self, _: Request, ticket: str) -> Response:
        return self._ask(SyncProgress(ticket=int(ticket)))

    def reload_progress(self, _: Request, ticket: str) -> Response:
        return self._ask(ReloadProgress(ticket=int(ticket)))


_READINGS: tuple[tuple[re.Pattern[str], Callable[..., Response]], ...] = (
    (re.compile("/api/v1/status"), ControlSurface.status),
    (re.compile("/api/v1/tasks"), ControlSurface.tasks),
    (re.compile("/api/v1/runs"), ControlSurface.runs),
    (re.compile(f"/api/v1/runs/({_RUN_ID})"), ControlSurface.run),
    (re.compile(f"/api/v1/runs/({_RUN_ID})/output"), ControlSurface.run_output),
    (re.compile(f"/api/v1/runs/({_RUN_ID})/tail"), ControlSurface.run_tail),
    (re.compile("/api/v1/history"), ControlSurface.entries),
    (re.compile("/api/v1/why"), ControlSurface.reason),
    (re.compile("/api/v1/syncs/([0-9]{1,9})"), ControlSurface.sync_progress),
    (re.compile("/api/v1/reloads/([0-9]{1,9})"), ControlSurface.reload_progress),
)


class _BadRequest(Exception):
    """The client sent what this version does not know; the text says what was expected."""


Fields = Mapping[str, str]


def _run(fields: Fields, actor: str) -> Wish:
    return RunTask(task=TaskName(_only(fields, "task")), actor=actor)


def _stop(fields: Fields, actor: str) -> Wish:
    return StopRuns(target=_only(fields, "target"), actor=actor)


def _sync(fields: Fields, actor: str) -> Wish:
    return SyncNow(actor=actor, allow_removal=_is_wished(fields, "allow_removal"))


def _reload(fields: Fields, actor: str) -> Wish:
    _nothing(fields)
    return Reload(actor=actor)


def _pause(fields: Fields, actor: str) -> Wish:
    _known(fields, "scope", "tasks", *_WHY)
    return PauseTasks(what=_what(fields, HoldScope.SYNC, HoldScope.ALL), actor=actor, **_why(fields))


def _resume(fields: Fields, actor: str) -> Wish:
    _known(fields, "scope", "tasks")
    return LiftHold(what=_what(fields, HoldScope.SYNC, HoldScope.ALL, HoldScope.DRAIN), actor=actor)


def _drain(fields: Fields, actor: str) -> Wish:
    _known(fields, "stop", *_WHY)
    if fields.get("stop", "yes") != "yes":
        raise _BadRequest('"stop" is to be "yes", or not there')
    return DrainHost(actor=actor, stops_runs="stop" in fields, **_why(fields))


def _pin(fields: Fields, actor: str) -> Wish:
    _known(fields, "revision", *_WHY)
    return PinRevision(revision=fields.get("revision", "").lower(), actor=actor, **_why(fields))


def _unpin(fields: Fields, actor: str) -> Wish:
    _nothing(fields)
    return LiftHold(what=(REF,), actor=actor)


def _rollback(fields: Fields, actor: str) -> Wish:
    _known(fields, *_WHY)
    return Rollback(actor=actor, **_why(fields))


_VERBS: dict[str, Callable[[Fields, str], Wish]] = {
    "/api/v1/run": _run,
    "/api/v1/stop": _stop,
    "/api/v1/sync": _sync,
    "/api/v1/reload": _reload,
    "/api/v1/pause": _pause,
    "/api/v1/resume": _resume,
    "/api/v1/drain": _drain,
    "/api/v1/pin": _pin,
    "/api/v1/unpin": _unpin,
    "/api/v1/rollback": _rollback,
}

_WHY = ("reason", "until")


def _fields(request: Request) -> Fields:
    body = request.body()
    try:
        document = json.loads(body) if body.strip() else {}
    except (ValueError, RecursionError) as error:
        raise _BadRequest("the body is not JSON") from error
    if not isinstance(document, dict) or not all(isinstance(value, str) for value in document.values()):
        raise _BadRequest("the body is to be a JSON object of texts")
    return document


def _only(fields: Fields, name: str) -> str:
    if list(fields) != [name]:
        raise _BadRequest(f'the body is to be {{"{name}": "..."}}')
    return fields[name]


def _is_wished(fields: Fields, name: str) -> bool:
    """Whether the one field that may be there is; its value is `yes`."""
    if set(fields.items()) - {(name, "yes")}:
        raise _BadRequest(f'the body is to be empty, or {{"{name}": "yes"}}')
    return bool(fields)


def _nothing(fields: Fields) -> None:
    if fields:
        raise _BadRequest(f"this takes no fields; found {', '.join(sorted(fields))}")


def _known(fields: Fields, *names: str) -> None:
    if unknown := sorted(set(fields) - set(names)):
        raise _BadRequest(f"unknown field {unknown[0]!r}; known are {', '.join(names)}")


def _why(fields: Fields) -> dict[str, str]:
    return {name: fields[name] for name in _WHY if name in fields}


def _what(fields: Fields, *scopes: HoldScope) -> tuple[Held, ...]:
    """What is to be held, or not to be: one of these as a whole, or tasks by their names, with spaces between them."""
    scope, names = fields.get("scope", ""), fields.get("tasks", "").split()
    if scope == HoldScope.TASK.value and names:
        return tuple(map(held_task, dict.fromkeys(names)))
    if names or scope not in [one.value for one in scopes]:
        raise _BadRequest(f'"scope" is to be {", ".join(one.value for one in scopes)}, or task with names in "tasks"')
    return (Held(HoldScope(scope)),)


def _attempt(query: Mapping[str, str]) -> int:
    """The attempt asked for; 0 for all of them."""
    number = query.get("attempt", "0")
    if set(query) - {"attempt"} or not re.fullmatch("[0-9]{1,3}", number):
        raise _BadRequest("the one parameter is attempt, a number")
    return int(number)


def _why_query(query: Mapping[str, str]) -> tuple[TaskName, Instant | None]:
    if set(query) not in ({"task"}, {"task", "at"}):
        raise _BadRequest("the parameters are to be task and, maybe, at")
    try:
        return TaskName(query["task"]), parse_rfc3339(query["at"]) if "at" in query else None
    except ValueError as error:
        raise _BadRequest(str(error)) from error


def _history_query(query: Mapping[str, str]) -> HistoryQuery:
    try:
        return history_query(query)
    except ValueError as error:
        raise _BadRequest(str(error)) from error
