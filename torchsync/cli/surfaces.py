"""The HTTP surfaces of a running agent, opened, tried again and closed: TCP for everybody and for webhooks, the control socket for operators."""

from __future__ import annotations

import grp
import os
import socket
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from torchsync.adapters.controlapi import Admission, ControlSurface
from torchsync.adapters.hookapi import MOST_BODY as MOST_HOOK
from torchsync.adapters.hookapi import PATH as HOOK_PATH
from torchsync.adapters.hookapi import HookSurface
from torchsync.adapters.http import MOST_BODY, Running, bind_tcp, bind_unix, close_all, own_names, serve
from torchsync.adapters.ledger import LedgerReader, open_readonly
from torchsync.adapters.metrics import Exposition
from torchsync.adapters.outputfile import output_stretch, run_output
from torchsync.adapters.statefile import StateDirectory
from torchsync.adapters.statuspage import StatusPages
from torchsync.adapters.tls import PLAIN, Front
from torchsync.cli.secured import Secured, SecuritySettings
from torchsync.core.entries import HistoryQuery, HistoryRow
from torchsync.core.evidence import Evidence, Witness
from torchsync.core.logevents import Log, LogEvent
from torchsync.core.model import Instant, Millis, Run, RunId, TaskName
from torchsync.core.snapshot import Snapshot
from torchsync.core.web import Handler, Peer, PublicSurface, Request, Response, StatusPage
from torchsync.core.why import Explanation, Present, explain, unknown_task
from torchsync.errors import Problem

ADMIN_GROUP = "torchsync-admin"
_TRY_AGAIN = Millis(5_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Addresses, as in agent.yaml, the name of the host, and what the addresses ask of those who come. `hooks` may be empty: then webhooks come to
    `public`. If that is empty as well, only the control socket answers.
    """

    public: str
    hooks: str
    host: str
    secured: Secured


class Surfaces:
    """`notices` says what cannot be listened on just now, why webhooks are refused, and what is wrong with certificates and passwords."""

    def __init__(
        self,
        *,
        listen: Listen,
        hooks: HookSurface,
        store: StateDirectory,
        read: Callable[[], Snapshot],
        now: Callable[[], Instant],
        log: Log,
    ) -> None:
        self.socket_path = store.run / "control.sock"
        self._listen = listen
        self._hooks = hooks
        self._secured = listen.secured
        self._store = store
        self._read_loop = read
        self._now = now
        self._log = log
        self.exposition = Exposition(self._read)
        pages = StatusPages(load_page)
        self._public = PublicSurface(read=self._read, now=now, metrics=self.exposition.render, page=pages, names=own_names(listen.host))
        self._guarded = listen.secured.guard(self._public)
        self._running: dict[str, Running] = {}
        self._problems: dict[str, Problem] = {}
        self._next_try: Millis | None = None
        self._looking: threading.Thread | None = None

    def _read(self) -> Snapshot:
        """The newest snapshot of the loop, with what is known here alone."""
        return replace(self._read_loop(), certificate=self._secured.validity)

    def open(self, post: Callable[[object], None], mono: Millis) -> None:
        """Both surfaces answer, or it is said why not; `tick` tries again."""
        self._control = self._control_surface(post)
        if self._listen.public:
            self._secured.look()
        self._try(mono)

    def tick(self, mono: Millis) -> None:
        """What could not be listened on is tried again from time to time, and the files looked at that say who may come; nothing before `open`."""
        if self._next_try is not None and mono >= self._next_try:
            self._try(mono)

    def secure(self, settings: SecuritySettings) -> None:
        """What is asked of those who come is this from the next tick on."""
        self._secured.change(settings)
        if self._next_try is not None:
            self._next_try = Millis(0)

    def notices(self) -> tuple[Problem, ...]:
        return (*self._problems.values(), *([self._hooks.problem] if self._hooks.problem else []), *self._secured.problems)

    def close(self) -> None:
        """Nothing answers any more."""
        close_all(self._running.values())
        self.socket_path.unlink(missing_ok=True)

    def _try(self, mono: Millis) -> None:
        self._next_try = Millis(mono + _TRY_AGAIN)
        self._listen_on("control socket", lambda: _bind_control(self.socket_path), self._control)
        if self._listen.hooks:
            self._listen_on_tcp("http.hooks_listen", self._listen.hooks, self._hooks, MOST_HOOK)
            self._listen_on_tcp("http.listen", self._listen.public, self._guarded)
        elif self._listen.public:
            self._listen_on_tcp("http.listen", self._listen.public, self._public_or_hook, MOST_HOOK)
        self._look_at_files()

    def _look_at_files(self) -> None:
        """In a thread of its own, one at a time: the loop never waits for a disk."""
        if self._listen.public and not (self._looking and self._looking.is_alive()):
            self._looking = threading.Thread(target=self._look, name="http-files", daemon=True)
            self._looking.start()

    def _look(self) -> None:
        self._hooks.look()
        self._secured.look()

    def _public_or_hook(self, request: Request) -> Response:
        """A webhook proves itself by its signature, and no forge can send a password beside it."""
        is_hook = request.path == HOOK_PATH and self._hooks.settings.secret_file
        return self._hooks(request) if is_hook else self._guarded(request)

    def _listen_on_tcp(self, name: str, address: str, handler: Handler, most_body: int = MOST_BODY) -> None:
        front = self._secured.front(is_hooks=handler is self._hooks)
        self._listen_on(name, lambda: bind_tcp(address, name), handler, most_body, front)

    def _listen_on(
        self, name: str, bind: Callable[[], socket.socket | Problem], handler: Handler, most_body: int = MOST_BODY, front: Front = PLAIN
    ) -> None:
        if name in self._running:
            return
        bound = bind()
        if isinstance(bound, Problem):
            if name not in self._problems:
                self._log(LogEvent.HTTP_UNAVAILABLE, str(bound), code=bound.code)
            self._problems[name] = bound
            return
        self._problems.pop(name, None)
        self._running[name] = serve(bound, handler, self._failed, most_body=most_body, front=front)
        self._log(LogEvent.HTTP_LISTENING, f"{name} answers on {self._running[name].address}")

    def _failed(self, what: str) -> None:
        self._log(LogEvent.HTTP_FAILED, what)

    def _control_surface(self, post: Callable[[object], None]) -> ControlSurface:
        return ControlSurface(
            read=self._read,
            post=post,
            history=self._history,
            why=self._why,
            find_run=self._find_run,
            output=self._output,
            tail=self._tail,
            probes=self._public,
            admission=Admission(agent_uid=os.geteuid(), group=_admin_group()),
            on_denied=self._denied,
        )

    def _denied(self, peer: Peer, path: str) -> None:
        self._log(LogEvent.CONTROL_DENIED, f"{peer.actor} may not use the control socket", actor=peer.actor, path=path)

    def _history(self, query: HistoryQuery) -> Sequence[HistoryRow]:
        ledger = open_readonly(self._store.ledger, self._store.run)
        try:
            rows = ledger.history(query)
        finally:
            ledger.close()
        return [replace(row, run=self._as_it_is(row.run)) if row.run else row for row in rows]

    def _why(self, task: TaskName, at: Instant | None) -> Explanation | str:
        snapshot = self._read()
        is_held = any(notice.code == "TS336" for notice in snapshot.notices)
        with closing(open_readonly(self._store.ledger, self._store.run)) as ledger:
            found = explain(self._witness(ledger), task, at, self._now(), Present(is_clock_held=is_held))
            return found or unknown_task(task, ledger.known_tasks())

    def _witness(self, ledger: LedgerReader) -> Witness:
        """The ledger learns of a run's start only with its end."""

        def evidence(task: TaskName, at: Instant) -> Evidence:
            told = ledger.evidence(task, at)
            entry = told.entry
            return replace(told, entry=replace(entry, run=self._as_it_is(entry.run))) if entry and entry.run else told

        return evidence

    def _find_run(self, run: RunId) -> Run | None:
        ledger = open_readonly(self._store.ledger, self._store.run)
        try:
            found = ledger.run(run)
        finally:
            ledger.close()
        return self._as_it_is(found) if found else None

    def _as_it_is(self, run: Run) -> Run:
        """The ledger learns of a run's start only with its end; of a run in flight the agent knows more."""
        return run if run.outcome else self._read().runs.get(run.id, run)

    def _tail(self, run: RunId, attempt: int, place: int) -> tuple[bytes, int] | None:
        return output_stretch(self._store.runs, run, attempt, place)

    def _output(self, run: RunId, attempt: int) -> Generator[bytes, None, None] | None:
        return run_output(self._store.runs, run, attempt)


def load_page() -> StatusPage:
    """What makes the status page, with a template engine: an agent that nobody visits does without."""
    from torchsync.pages.status import render_status

    return lambda snapshot, now, is_still: render_status(snapshot, now, is_still=is_still)


def _bind_control(path: Path) -> socket.socket | Problem:
    group = _admin_group()
    is_shared = os.geteuid() == 0 and group is not None
    return bind_unix(path, mode=0o660 if is_shared else 0o600, group=group if is_shared and group is not None else -1)


def _admin_group() -> int | None:
    try:
        return grp.getgrnam(ADMIN_GROUP).gr_gid
    except KeyError:
        return None
