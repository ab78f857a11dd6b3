"""What operators ask through the control socket, performed in the loop's turn and answered when it is durable and shown."""

from __future__ import annotations

from torchsync.agent.holds import Holding
from torchsync.agent.reload import Reloads
from torchsync.agent.sync import Syncs
from torchsync.core.control import (
    Answer,
    Ask,
    DrainHost,
    LiftHold,
    Mailbox,
    PauseTasks,
    PinRevision,
    Reload,
    ReloadProgress,
    Rollback,
    RunTask,
    StopRuns,
    SyncNow,
    SyncProgress,
    conflict,
    not_found,
    pending,
    reload_done,
    run_started,
    runs_stopping,
    sync_done,
    ticket_given,
)
from torchsync.core.engine import Engine
from torchsync.core.logevents import Log, LogEvent
from torchsync.core.model import Instant, Millis, TaskName


class Controls:
    """Takes requests during a turn; `deliver` answers them once the turn has been performed and is shown."""

    def __init__(self, engine: Engine, syncs: Syncs, reloads: Reloads, holding: Holding, log: Log) -> None:
        self._engine = engine
        self._syncs = syncs
        self._reloads = reloads
        self._holding = holding
        self._log = log
        self._answers: list[tuple[Mailbox, Answer]] = []

    def take(self, ask: Ask, now: Instant, mono: Millis) -> None:
        """The request has been performed, as far as the engine goes; its answer waits."""
        self._answers.append((ask.reply, self._answer(ask, now, mono)))

    def deliver(self) -> None:
        """Every request taken has its answer."""
        for mailbox, answer in self._answers:
            mailbox.put(answer)
        self._answers.clear()

    def _answer(self, ask: Ask, now: Instant, mono: Millis) -> Answer:
        match ask.request:
            case RunTask(task=task, actor=actor):
                return self._run(task, actor, now)
            case StopRuns(target=target, actor=actor):
                return self._stop(target, actor, now, mono)
            case SyncNow() | SyncProgress() | Reload() | ReloadProgress():
                return self._ticketed(ask.request, mono)
            case PauseTasks() | DrainHost() | PinRevision() | Rollback() | LiftHold():
                return self._holding.answer(ask.request, now, mono)

    def _ticketed(self, request: SyncNow | SyncProgress | Reload | ReloadProgress, mono: Millis) -> Answer:
        match request:
            case SyncNow(actor=actor, allow_removal=allow_removal):
                may = ", which may remove tasks" if allow_removal else ""
                self._log(LogEvent.CONTROL_REQUEST, f"sync{may} asked for by {actor}", actor=actor)
                ticket = self._syncs.request(allow_removal=allow_removal)
                return ticket_given(ticket, self._syncs.held_back(mono), self._syncs.course.paused)
            case SyncProgress(ticket=ticket):
                result = self._syncs.results.get(ticket)
                return sync_done(ticket, result) if result else self._pending(ticket, self._syncs.newest_ticket)
            case Reload(actor=actor):
                self._log(LogEvent.CONTROL_REQUEST, f"reload asked for by {actor}", actor=actor)
                return ticket_given(self._reloads.request())
            case ReloadProgress(ticket=ticket):
                problems = self._reloads.results.get(ticket)
                return self._pending(ticket, self._reloads.newest_ticket) if problems is None else reload_done(ticket, problems)

    def _run(self, task: TaskName, actor: str, now: Instant) -> Answer:
        if self._engine.generation is None or task not in self._engine.generation.tasks:
            return not_found(f"this host has no task {task!r}")
        run = self._engine.run_task(task, actor, now)
        if isinstance(run, str):
            return conflict(run)
        self._log(LogEvent.CONTROL_REQUEST, f"{task} started by {actor}", actor=actor, task=task, run=run.id)
        return run_started(run.id)

    def _stop(self, target: str, actor: str, now: Instant, mono: Millis) -> Answer:
        runs = self._engine.stop(target, now, mono)
        is_task = self._engine.generation is not None and TaskName(target) in self._engine.generation.tasks
        if not runs and not is_task:
            return not_found(f"no run in flight and no task here is called {target!r}")
        self._log(LogEvent.CONTROL_REQUEST, f"{len(runs)} run(s) of {target} stopped by {actor}", actor=actor, target=target)
        return runs_stopping(runs)

    def _pending(self, ticket: int, newest: int) -> Answer:
        return pending(ticket) if 0 < ticket <= newest + 1 else not_found(f"no ticket {ticket} is known any more")
