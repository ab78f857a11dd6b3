"""Which notices what happens leads to. Pure.

A notice is decided in the turn that ends a run, and is durable in the transaction that says so: it cannot be forgotten, and since a run ends once,
it cannot be decided twice. That a task is late is decided once until it succeeds, and written down together with the notices about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from torchsync.core.effects import Effect, ToldEnd, ToldStart
from torchsync.core.entries import DropLate, NoticeOp, PutLate, PutNotice
from torchsync.core.lateness import late_since
from torchsync.core.model import Generation, Instant, Outcome, Run, Task, TaskName
from torchsync.core.notice import Notice, Place, notice_id
from torchsync.core.notify import NoticeCommand, NoticeEvent, Notify, Ping
from torchsync.core.policy import HostPolicy, effective_user
from torchsync.core.records import FAILURES, failures_after
from torchsync.core.snapshot import TaskStatus
from torchsync.core.taskrecord import TaskRecord

_DETAIL_SHOWN = 500


class Herald:
    """Follows what happens to runs: how many of a task failed in a row, and which tasks are known to be late. `host` is the name of this one.
    One that is silent finds nothing to tell.
    """

    def __init__(self, host: str, *, is_silent: bool = False) -> None:
        self._host = host
        self._is_silent = is_silent
        self._failures: dict[TaskName, int] = {}
        self._late: dict[TaskName, Instant] = {}

    def restore(self, records: Mapping[TaskName, TaskRecord], late: Mapping[TaskName, Instant]) -> None:
        """All is as an earlier agent process left it."""
        self._failures = {name: record.consecutive_failures for name, record in records.items() if record.consecutive_failures}
        self._late = dict(late)

    def see(self, effects: Iterable[Effect]) -> tuple[NoticeOp, ...]:
        """What is to be written down together with the turn that has these effects."""
        operations: list[NoticeOp] = []
        for effect in () if self._is_silent else effects:
            match effect:
                case ToldStart(run=run) if run.task.notify:
                    operations += map(PutNotice, of_start(run, self._host))
                case ToldEnd(run=run) if run.outcome is not None:
                    operations += self._ended(run, run.outcome)
                case _:
                    pass
        return tuple(operations)

    def look(
        self, statuses: Mapping[TaskName, TaskStatus], generation: Generation, policy: HostPolicy, now: Instant
    ) -> tuple[NoticeOp, ...]:
        """What is to be written down since it is `now`: tasks that have become late, and others that no longer are, if not by a success."""
        if self._is_silent:
            return ()
        over = [name for name in self._late if name not in statuses or _is_in_time(statuses[name], now)]
        operations: list[NoticeOp] = [DropLate(name) for name in over if self._late.pop(name) is not None]
        for name, status in statuses.items():
            if name in self._late or not any(NoticeEvent.LATE in entry.on for entry in status.task.notify):
                continue
            since = late_since(status, now)
            if since is not None:
                self._late[name] = since
                told = of_lateness(status.task, since, now, host=self._host, generation=generation, policy=policy)
                operations += [PutLate(name, since), *map(PutNotice, told)]
        return tuple(operations)

    def _ended(self, run: Run, outcome: Outcome) -> Iterator[NoticeOp]:
        name = run.task.name
        failures, was_late = self._failures.pop(name, 0), outcome is Outcome.SUCCEEDED and name in self._late
        if after := failures_after(failures, outcome):
            self._failures[name] = after
        if was_late:
            del self._late[name]
            yield DropLate(name)
        yield from map(PutNotice, of_end(run, self._host, failures=failures, was_late=was_late))


def of_start(run: Run, host: str) -> tuple[Notice, ...]:
    """What is told when the run has begun, with its first attempt: pings alone follow that."""
    return tuple(
        _of_run(run, NoticeEvent.START, (number, entry), host, 0)
        for number, entry in enumerate(run.task.notify)
        if isinstance(entry.to, Ping) and run.attempt == 1
    )


def of_end(run: Run, host: str, *, failures: int, was_late: bool) -> tuple[Notice, ...]:
    """What is told when the run, which has its outcome, is over: after `failures` in a row, or when the task was known to be late."""
    return tuple(
        _of_run(run, event, (number, entry), host, failures + 1 if event is NoticeEvent.FAILURE else failures)
        for number, entry in enumerate(run.task.notify)
        for event in _events(entry, run.outcome, failures, was_late=was_late)
    )


def of_lateness(task: Task, since: Instant, now: Instant, *, host: str, generation: Generation, policy: HostPolicy) -> tuple[Notice, ...]:
    """What is told when the task is found to be late, under the generation in force."""
    told = [(number, entry) for number, entry in enumerate(task.notify) if NoticeEvent.LATE in entry.on]
    return tuple(
        Notice(
            id=notice_id(host, task.name, "late", str(since), str(now), str(number)),
            event=NoticeEvent.LATE,
            to=entry.to,
            task=task.name,
            made_at=now,
            host=host,
            user=effective_user(task, policy),
            owner=task.owner,
            severity=task.severity,
            runbook=task.runbook,
            revision=generation.revision,
            since=since,
            place=Place(task, generation.tree) if isinstance(entry.to, NoticeCommand) else None,
        )
        for number, entry in told
    )


def _events(entry: Notify, outcome: Outcome | None, failures: int, *, was_late: bool) -> Iterator[NoticeEvent]:
    is_ping = isinstance(entry.to, Ping)
    if outcome in FAILURES and (is_ping or (NoticeEvent.FAILURE in entry.on and (entry.repeat or not failures))):
        yield NoticeEvent.FAILURE
    if outcome is not Outcome.SUCCEEDED:
        return
    if (failures or was_late) and NoticeEvent.RECOVERY in entry.on:
        yield NoticeEvent.RECOVERY
    if is_ping or NoticeEvent.SUCCESS in entry.on:
        yield NoticeEvent.SUCCESS


def _of_run(run: Run, event: NoticeEvent, numbered: tuple[int, Notify], host: str, failures: int) -> Notice:
    task, (number, entry) = run.task, numbered
    return Notice(
        id=notice_id(run.id, event.value, str(number)),
        event=event,
        to=entry.to,
        task=task.name,
        made_at=run.finished_at or run.started_at or run.admitted_at,
        host=host,
        user=run.user,
        owner=task.owner,
        severity=task.severity,
        runbook=task.runbook,
        revision=run.revision,
        run=run.id,
        outcome=run.outcome,
        exit_status=run.exit_status,
        scheduled_at=run.instant,
        started_at=run.started_at,
        finished_at=run.finished_at,
        failures=failures,
        detail=_on_one_line(run.detail),
        place=Place(task, run.tree, run.attempt_id) if isinstance(entry.to, NoticeCommand) else None,
    )


def _on_one_line(detail: str) -> str:
    """What it says may end up in the head of a mail: no character in it begins a new line, or does anything to a terminal."""
    return "".join(character if character.isprintable() else " " for character in detail[:_DETAIL_SHOWN])


def _is_in_time(status: TaskStatus, now: Instant) -> bool:
    """It is known that the task is not late; after a start there is a moment in which nobody can tell."""
    return status.max_age is not None and late_since(status, now) is None
