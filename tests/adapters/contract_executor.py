"""What every `ports.Executor` does. A `Stage` brings an executor and a way to make its runs end; it looks the same for real ones and the fake."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from torchsync.core.model import AttemptId, Exited, NotBegun, Run, Vanished
from torchsync.ports import Executor, RunEnded, RunNeverStarted, RunStarted


class Stage(Protocol):
    executor: Executor

    def start(self, **changes: object) -> Run:
        """A run was started whose command waits to be told; `changes` are the run's."""
        ...

    def admit(self, **changes: object) -> Run:
        """A run that no executor was told of."""
        ...

    def start_again(self, run: Run) -> None:
        """The attempt of a run that was started before is started; its command waits to be told, too."""
        ...

    def finish(self, attempt: AttemptId, status: int) -> None:
        """The command of the attempt has exited with this status, and all that an agent could find of that is there to be found."""
        ...

    def restart(self) -> None:
        """The agent process is gone without a word, and `executor` is that of the next one."""
        ...

    def events(self, count: int) -> Sequence[object]:
        """The next `count` events; fails when they do not come."""
        ...

    def silence(self) -> Sequence[object]:
        """The events of a short while: none, where nothing happens."""
        ...


def a_run_starts_and_ends_with_its_status(stage: Stage) -> None:
    run = stage.start()
    assert _started(stage, run).started_at >= run.admitted_at
    stage.finish(run.id, 7)
    assert _exit_status(stage, run) == 7


def the_end_repeats_the_start_and_has_a_duration(stage: Stage) -> None:
    run = stage.start()
    started = _started(stage, run)
    stage.finish(run.id, 0)
    ending = _ended(stage, run).ending
    assert isinstance(ending, Exited)
    assert ending.started_at == started.started_at
    assert ending.duration >= 0


def runs_do_not_meddle_with_each_other(stage: Stage) -> None:
    runs = [stage.start() for _ in range(3)]
    assert {event.attempt for event in stage.events(3)} == {run.id for run in runs}
    for status, run in reversed(list(enumerate(runs, start=1))):
        stage.finish(run.id, status)
        assert _exit_status(stage, run) == status


def a_run_of_an_unknown_user_never_starts(stage: Stage) -> None:
    run = stage.start(user="nobody-has-this-name")
    ending = _ended(stage, run).ending
    assert isinstance(ending, NotBegun)
    assert "nobody-has-this-name" in ending.why


def a_signal_reaches_the_command(stage: Stage) -> None:
    run = stage.start()
    _started(stage, run)
    stage.executor.signal(run.id, "TERM")
    assert _exit_status(stage, run) == 143


def kill_reaches_the_command(stage: Stage) -> None:
    run = stage.start()
    _started(stage, run)
    stage.executor.signal(run.id, "KILL")
    assert _exit_status(stage, run) == 137


def a_signal_reaches_one_run_only(stage: Stage) -> None:
    kept, stopped = stage.start(), stage.start()
    stage.events(2)
    stage.executor.signal(stopped.id, "KILL")
    assert _exit_status(stage, stopped) == 137
    stage.finish(kept.id, 0)
    assert _exit_status(stage, kept) == 0


def a_signal_to_an_unknown_or_ended_run_does_nothing(stage: Stage) -> None:
    stage.executor.signal(stage.admit().id, "KILL")
    run = stage.start()
    _started(stage, run)
    stage.finish(run.id, 0)
    _ended(stage, run)
    stage.executor.signal(run.id, "KILL")
    stage.executor.forget(run.id)
    stage.executor.signal(run.id, "KILL")
    assert list(stage.silence()) == []


def a_run_that_goes_on_is_adopted(stage: Stage) -> None:
    run = stage.start()
    started = _started(stage, run)
    stage.restart()
    stage.executor.adopt([run])
    assert abs(_started(stage, run).started_at - started.started_at) <= 5_000  # Two clocks are read, one after the other.
    stage.finish(run.id, 9)
    assert _exit_status(stage, run) == 9


def an_adopted_run_takes_signals(stage: Stage) -> None:
    run = stage.start()
    _started(stage, run)
    stage.restart()
    stage.executor.adopt([run])
    _started(stage, run)
    stage.executor.signal(run.id, "TERM")
    assert _exit_status(stage, run) == 143


def a_run_may_be_adopted_again_and_again(stage: Stage) -> None:
    run = stage.start()
    _started(stage, run)
    for _ in range(3):
        stage.restart()
        stage.executor.adopt([run])
        _started(stage, run)
    stage.finish(run.id, 4)
    assert _exit_status(stage, run) == 4


def a_run_that_ended_meanwhile_is_told_with_its_status(stage: Stage) -> None:
    run = stage.start()
    _started(stage, run)
    stage.restart()
    stage.finish(run.id, 5)
    stage.silence()
    stage.executor.adopt([run])
    assert _exit_status(stage, run) == 5
    stage.restart()
    stage.executor.adopt([run])
    assert _exit_status(stage, run) == 5


def a_run_that_was_only_admitted_never_starts(stage: Stage) -> None:
    run = stage.admit()
    stage.restart()
    for _ in range(2):
        stage.executor.adopt([run])
        assert list(stage.events(1)) == [RunNeverStarted(run.id)]
        stage.restart()


def a_run_of_an_earlier_boot_is_lost(stage: Stage) -> None:
    run = stage.admit(boot_id="00000000-0000-4000-8000-00000000dead")
    stage.restart()
    stage.executor.adopt([run])
    assert isinstance(_ended(stage, run).ending, Vanished)


def a_run_that_is_forgotten_is_over(stage: Stage) -> None:
    run = stage.start()
    _started(stage, run)
    stage.finish(run.id, 0)
    _ended(stage, run)
    stage.executor.forget(run.id)
    stage.executor.forget(run.id)
    stage.executor.bound_output(run.id, 4096)
    assert list(stage.silence()) == []


def _started(stage: Stage, run: Run) -> RunStarted:
    return _the_one(stage.events(1), RunStarted, run)


def _ended(stage: Stage, run: Run) -> RunEnded:
    return _the_one(stage.events(1), RunEnded, run)


def an_attempt_is_known_by_its_id(stage: Stage) -> None:
    first = stage.start()
    _started(stage, first)
    stage.finish(first.attempt_id, 1)
    assert _exit_status(stage, first) == 1
    stage.executor.forget(first.attempt_id)
    second = replace(first, attempt=2)
    stage.start_again(second)
    _started(stage, second)
    stage.executor.signal(first.attempt_id, "KILL")
    stage.executor.forget(first.attempt_id)
    assert list(stage.silence()) == []
    stage.finish(second.attempt_id, 2)
    assert _exit_status(stage, second) == 2


def a_later_attempt_is_adopted_and_takes_signals(stage: Stage) -> None:
    first = stage.start()
    _started(stage, first)
    stage.finish(first.attempt_id, 1)
    _ended(stage, first)
    stage.executor.forget(first.attempt_id)
    second = replace(first, attempt=2)
    stage.start_again(second)
    _started(stage, second)
    stage.restart()
    stage.executor.adopt([second])
    _started(stage, second)
    stage.executor.signal(second.attempt_id, "TERM")
    assert _exit_status(stage, second) == 143


def a_later_attempt_that_was_only_admitted_never_starts_and_can_be_started_again(stage: Stage) -> None:
    first = stage.start()
    _started(stage, first)
    stage.finish(first.attempt_id, 1)
    _ended(stage, first)
    stage.restart()
    second = replace(first, attempt=2)
    stage.executor.adopt([second])
    _the_one(stage.events(1), RunNeverStarted, second)
    again = replace(second, again=1)
    stage.start_again(again)
    _started(stage, again)
    stage.finish(again.attempt_id, 3)
    assert _exit_status(stage, again) == 3


def _exit_status(stage: Stage, run: Run) -> int:
    """Of a run that is over with everything it started; what a signal ended too may have taken a moment longer than the command."""
    ended = _ended(stage, run)
    while ended.leftovers:
        ended = _ended(stage, run)
    assert isinstance(ended.ending, Exited), ended
    return ended.ending.status


def _the_one(events: Sequence[object], kind, run: Run):
    (event,) = events
    assert isinstance(event, kind), event
    assert event.attempt == run.attempt_id
    return event


CONTRACT: tuple[Callable[[Stage], None], ...] = (
    a_run_starts_and_ends_with_its_status,
    the_end_repeats_the_start_and_has_a_duration,
    runs_do_not_meddle_with_each_other,
    a_run_of_an_unknown_user_never_starts,
    a_signal_reaches_the_command,
    kill_reaches_the_command,
    a_signal_reaches_one_run_only,
    a_signal_to_an_unknown_or_ended_run_does_nothing,
    a_run_that_goes_on_is_adopted,
    an_adopted_run_takes_signals,
    a_run_may_be_adopted_again_and_again,
    a_run_that_ended_meanwhile_is_told_with_its_status,
    a_run_that_was_only_admitted_never_starts,
    a_run_of_an_earlier_boot_is_lost,
    a_run_that_is_forgotten_is_over,
    an_attempt_is_known_by_its_id,
    a_later_attempt_is_adopted_and_takes_signals,
    a_later_attempt_that_was_only_admitted_never_starts_and_can_be_started_again,
)
