"""What becomes of runs once they are admitted: ended by a swap, a drain or an operator, tried again, and, for a daemon, started anew. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from torchsync.core import records
from torchsync.core.daemons import Daemons
from torchsync.core.diff import Change
from torchsync.core.fires import Fires
from torchsync.core.inforce import InForce
from torchsync.core.model import DaemonTiming, Instant, Millis, Outcome, Run, StopCause, TaskName, Trigger
from torchsync.core.recordbook import Recordbook
from torchsync.core.roster import Roster
from torchsync.core.succession import is_scaled, stop_cause


class InFlight:
    """Looks after the open runs. `lost` counts those that are over without anyone knowing how."""

    def __init__(self, force: InForce, book: Recordbook, roster: Roster, fires: Fires) -> None:
        self.lost = 0
        self._force = force
        self._book = book
        self._roster = roster
        self._fires = fires
        self._daemons = Daemons(force.boot_id)

    def next_timer(self) -> Millis | None:
        """When, on the monotonic clock, something is to be done here."""
        timers = [at for at in (self._roster.next_timer(), self._daemons.next_timer()) if at is not None]
        return min(timers, default=None)

    def restore(self, now: Instant, mono: Millis) -> None:
        """What an earlier agent process had begun goes on. A crash may have come between a swap and the end of the runs that it was to end."""
        self._daemons.restore(self._force.tasks, (self._book.known(name) for name in self._force.tasks), now, mono)
        self._end_outdated(self._roster.runs.values(), now, mono)
        self.end_drained(now, mono)
        self.tend(self._force.tasks, now, mono)

    def tick(self, now: Instant, mono: Millis) -> None:
        """Every timer that ran out has had its effect, but for the daemons; those come last in a turn."""
        for run in self._roster.expire(now, mono):
            self.close(run, now, mono)

    def tend(self, names: Iterable[TaskName], now: Instant, mono: Millis) -> None:
        """Of these tasks, every copy of a daemon that is to live does; and so does every attempt, of any task, that is due."""
        for name in names:
            self._tend_daemon(name, now)
        for run in self._roster.ready:
            if not self._force.holds.pauses(run.task.name):
                self._roster.begin(run, now, mono)
                if not run.again:
                    self._book.update(records.retried(self._book.get(run.task.name, now)))

    def tend_rested(self, now: Instant, mono: Millis) -> None:
        """As `tend`, of the daemons of which a pause is over, and of those that wait for a place in their pool."""
        self.tend([*self._daemons.expire(mono), *self._daemons.take_awaiting()], now, mono)

    def end(self, run: Run, cause: StopCause, now: Instant, mono: Millis) -> None:
        """The run is being ended, or is over if it only waited."""
        if over := self._roster.stop(run.id, cause, now, mono):
            self.close(over, now, mono)

    def close(self, run: Run, now: Instant, mono: Millis) -> None:
        """The run is over: its end is counted, and a daemon rests before its next start."""
        name = run.task.name
        self.lost += run.outcome is Outcome.LOST
        record = records.finished(self._book.get(name, run.admitted_at), run)
        current = self._force.task(name)
        is_replaced = not run.task.is_daemon or run.stop_cause in (StopCause.CHANGED, StopCause.REMOVED)
        if current and isinstance(current.timing, DaemonTiming) and not is_replaced and run.copy <= current.max_running:
            self._daemons.ended(run, current.timing, now, mono)
        self._book.update(replace(record, pauses=self._daemons.pauses_of(name)))

    def remove(self, name: TaskName, now: Instant, mono: Millis) -> None:
        """The task is no longer in force: its copies end, if they say so."""
        self._forget(name, (), now)
        self._end_outdated(self._roster.of(name), now, mono)

    def change(self, change: Change, now: Instant, mono: Millis) -> None:
        """The task is another one: its copies end, if they say so; those of a daemon that is only scaled stay."""
        kept = range(1, change.new.max_running + 1) if is_scaled(change.old, change.new) else ()
        self._forget(change.name, kept, now)
        self._end_outdated(self._roster.of(change.name), now, mono)

    def end_drained(self, now: Instant, mono: Millis) -> None:
        """A drained host becomes empty: daemons do not end by themselves. What waits is not running, and goes on after the drain unless
        every run is to end.
        """
        drain = self._force.holds.drain
        for run in self._roster.runs.values() if drain else ():
            if run.stop_cause is None and drain and (run.task.is_daemon or drain.stops_runs):
                self.end(run, StopCause.OPERATOR, now, mono)

    def _end_outdated(self, runs: Iterable[Run], now: Instant, mono: Millis) -> None:
        for run in runs:
            if cause := stop_cause(run, self._force.task(run.task.name)):
                self.end(run, cause, now, mono)

    def _forget(self, name: TaskName, kept: Iterable[int], now: Instant) -> None:
        self._daemons.forget(name, frozenset(kept))
        record = self._book.get(name, now)
        self._book.update(replace(record, pauses=self._daemons.pauses_of(name)))

    def _tend_daemon(self, name: TaskName, now: Instant) -> None:
        task = self._force.task(name)
        if task is None or not task.is_daemon or not task.enabled or self._force.holds.pauses(name):
            return
        for copy in self._daemons.missing(task, self._roster.of(name)):
            if self._fires.is_pool_full(task):
                self._daemons.await_place(name)
                self._book.touch(name, is_changed=False)
                break
            self._fires.admit(task, Trigger.DAEMON, now, copy=copy)
            if self._daemons.has_ended((name, copy)):
                self._book.update(records.restarted(self._book.get(name, now)))
