"""What stands in for the executor and the courier of a shadow: nothing is started, nobody is told.

How long a run would have taken cannot be known. So a run of a cron task is over in the moment in which it begins, with a success, and a copy of a
daemon runs until it is told to end.
"""

from __future__ import annotations

from collections.abc import Sequence
from signal import Signals

from torchsync.core.errand import Mail
from torchsync.core.model import AttemptId, Exited, Instant, Millis, Run, Vanished
from torchsync.core.postbox import Fate, Parcel, Result
from torchsync.ports import Clock, ParcelAnswered, RunEnded, RunStarted, StartOrder, Wakeups

NOT_STARTED = "not started: a shadow takes every run to end at once, with success"
_NOT_ENDED = "not started: a shadow takes a daemon to run until it is told to end"
_REBOOTED = "not started: a shadow takes a daemon to end with its host"


class ShadowExecutor:
    """Fits `ports.Executor`. `boot_id` is that of now."""

    def __init__(self, wakeups: Wakeups, clock: Clock, boot_id: str) -> None:
        self._wakeups = wakeups
        self._clock = clock
        self._boot_id = boot_id
        self._daemons: dict[AttemptId, Instant] = {}

    def start(self, order: StartOrder) -> None:
        self._begin(order.run, self._clock.now())

    def adopt(self, runs: Sequence[Run]) -> None:
        """What an earlier shadow took to begin did so when it was admitted."""
        for run in runs:
            if run.task.is_daemon and run.boot_id != self._boot_id:
                self._wakeups.post(RunEnded(run.attempt_id, Vanished(why=_REBOOTED, started_at=run.admitted_at)))
            else:
                self._begin(run, run.admitted_at)

    def signal(self, attempt: AttemptId, name: str) -> None:
        """A daemon ends at once, of the signal, whichever it is."""
        since = self._daemons.pop(attempt, None)
        if since is not None:
            status = 128 + Signals[f"SIG{name}"]
            duration = Millis(max(0, self._clock.now() - since))
            self._wakeups.post(RunEnded(attempt, Exited(status=status, started_at=since, duration=duration, note=_NOT_ENDED)))

    def bound_output(self, attempt: AttemptId, limit: int) -> None:
        """There is no output."""

    def forget(self, attempt: AttemptId) -> None:
        self._daemons.pop(attempt, None)

    def _begin(self, run: Run, since: Instant) -> None:
        self._wakeups.post(RunStarted(run.attempt_id, since))
        if run.task.is_daemon:
            self._daemons[run.attempt_id] = since
            return
        status = run.task.success_exit_codes[0]
        self._wakeups.post(RunEnded(run.attempt_id, Exited(status=status, started_at=since, duration=Millis(0), note=NOT_STARTED)))


class ShadowCourier:
    """Fits `ports.Courier`. A shadow decides no notices, so that there is nothing to send; if there were, it would not be sent."""

    def __init__(self, wakeups: Wakeups) -> None:
        self._wakeups = wakeups

    def send(self, parcel: Parcel, mail: Mail | None) -> None:
        why = "a shadow tells nobody" if mail else "a shadow runs no command"
        refused = tuple(Result(notice=notice.id, fate=Fate.REFUSED, why=why) for notice in parcel.notices)
        self._wakeups.post(ParcelAnswered(parcel, refused))

    def cancel(self) -> None:
        """Nothing is under way."""
