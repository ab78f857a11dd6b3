"""The life of a run: a table of state × signal, every cell explicit. Pure.

Theory of operation. A run is ADMITTED once its ledger row is durable, RUNNING once its claim is known, and FINISHED when it is over. Between
lies the only thing torchsync does to a run: ending it. A stop is first recorded with its cause, which decides the outcome; then the stop
signal goes to everything the run started (STOPPING), and after the grace KILL (KILLING). The command may end while processes it started
live on: outside of a stop they are left alone, as cron does; inside a stop the run is over only when they are gone or have been sent KILL.

A run whose task has `retry` goes that way once for each attempt, and is WAITING in between: nothing of it is watched or started then, and a
stop ends it on the spot.

An adopted run enters the table where it was: ADMITTED or STOPPING, then `STARTED` or `ENDED` as the executor finds it; or WAITING.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from torchsync.core.model import Ending, Exited, NotBegun, Outcome, Run, RunState, StopCause, Vanished


class Signal(Enum):
    """What can happen to a run."""

    STARTED = "started"
    ENDED = "ended"
    """The command of its last attempt is over, and so is everything it started."""
    ENDED_LEAVING = "ended_leaving"
    """A command is over, but processes that it started live on."""
    TRIES_AGAIN = "tries_again"
    """An attempt is over, or known never to have begun, and there is another one to come."""
    RETRY_DUE = "retry_due"
    """The wait is over, and no operator holds the task back."""
    STOP = "stop"
    """A rule of the run, a swap or an operator wants it to end."""
    GRACE_OVER = "grace_over"
    NEVER_STARTED = "never_started"
    """The first attempt, or one that is being ended, is known never to have begun."""


class Act(Enum):
    """What is done about it, in this order of the tuple."""

    NOTE_START = "note_start"
    SEND_STOP = "send_stop"
    SEND_KILL = "send_kill"
    """An ending that is held counts from then on: `ENDED` or `TRIES_AGAIN` follows."""
    HOLD_ENDING = "hold_ending"
    """The ending is kept until the processes left behind are gone or killed."""
    AWAIT = "await"
    """The attempt is written down, and so is when the next one comes."""
    BEGIN = "begin"
    """The next attempt is written down, then started."""
    FINISH = "finish"
    CANCEL = "cancel"
    """The run is over without a further attempt."""
    WITHDRAW = "withdraw"


@dataclass(frozen=True, slots=True)
class Move:
    to: RunState
    acts: tuple[Act, ...] = ()


_A, _R, _S, _K = RunState.ADMITTED, RunState.RUNNING, RunState.STOPPING, RunState.KILLING
_W, _F = RunState.WAITING, RunState.FINISHED

TABLE: Mapping[tuple[RunState, Signal], Move] = {
    (_A, Signal.STARTED): Move(_R, (Act.NOTE_START,)),
    (_A, Signal.ENDED): Move(_F, (Act.FINISH,)),
    (_A, Signal.ENDED_LEAVING): Move(_F, (Act.FINISH,)),
    (_A, Signal.TRIES_AGAIN): Move(_W, (Act.AWAIT,)),
    (_A, Signal.STOP): Move(_S, (Act.SEND_STOP,)),
    (_A, Signal.NEVER_STARTED): Move(_F, (Act.WITHDRAW,)),
    (_R, Signal.ENDED): Move(_F, (Act.FINISH,)),
    (_R, Signal.ENDED_LEAVING): Move(_F, (Act.FINISH,)),
    (_R, Signal.TRIES_AGAIN): Move(_W, (Act.AWAIT,)),
    (_R, Signal.STOP): Move(_S, (Act.SEND_STOP,)),
    # A stop that was recorded before the claim was known: the signal found nobody, so it is sent again.
    (_S, Signal.STARTED): Move(_S, (Act.NOTE_START, Act.SEND_STOP)),
    (_S, Signal.ENDED): Move(_F, (Act.FINISH,)),
    (_S, Signal.ENDED_LEAVING): Move(_S, (Act.HOLD_ENDING,)),
    (_S, Signal.TRIES_AGAIN): Move(_W, (Act.AWAIT,)),
    # The first cause stands: it is the one that was recorded.
    (_S, Signal.STOP): Move(_S),
    (_S, Signal.GRACE_OVER): Move(_K, (Act.SEND_KILL,)),
    (_S, Signal.NEVER_STARTED): Move(_F, (Act.FINISH,)),
    (_K, Signal.STARTED): Move(_K, (Act.NOTE_START, Act.SEND_KILL)),
    (_K, Signal.ENDED): Move(_F, (Act.FINISH,)),
    (_K, Signal.ENDED_LEAVING): Move(_K, (Act.HOLD_ENDING, Act.SEND_KILL)),
    (_K, Signal.TRIES_AGAIN): Move(_W, (Act.AWAIT,)),
    (_K, Signal.STOP): Move(_K),
    (_K, Signal.GRACE_OVER): Move(_K, (Act.SEND_KILL,)),
    (_K, Signal.NEVER_STARTED): Move(_F, (Act.FINISH,)),
    (_W, Signal.RETRY_DUE): Move(_A, (Act.BEGIN,)),
    (_W, Signal.STOP): Move(_F, (Act.CANCEL,)),
}

_NO_GRACE = "only a stop sets the timer of the grace, and the timers of an attempt end with it"
_NO_WAIT = "only a run that waits has the timer of the next attempt"
_KNOWN_TO_HAVE_STARTED = "adoption asks once about each attempt, and its start was seen"
_NOTHING_UNDER_WAY = "no attempt is under way; what is told of an earlier one is known by its id, and passed over"

IMPOSSIBLE: Mapping[tuple[RunState, Signal], str] = {
    (_A, Signal.GRACE_OVER): _NO_GRACE,
    (_A, Signal.RETRY_DUE): _NO_WAIT,
    (_R, Signal.STARTED): _KNOWN_TO_HAVE_STARTED,
    (_R, Signal.NEVER_STARTED): _KNOWN_TO_HAVE_STARTED,
    (_R, Signal.GRACE_OVER): _NO_GRACE,
    (_R, Signal.RETRY_DUE): _NO_WAIT,
    (_S, Signal.RETRY_DUE): _NO_WAIT,
    (_K, Signal.RETRY_DUE): _NO_WAIT,
    (_W, Signal.STARTED): _NOTHING_UNDER_WAY,
    (_W, Signal.ENDED): _NOTHING_UNDER_WAY,
    (_W, Signal.ENDED_LEAVING): _NOTHING_UNDER_WAY,
    (_W, Signal.TRIES_AGAIN): _NOTHING_UNDER_WAY,
    (_W, Signal.GRACE_OVER): _NO_GRACE,
    (_W, Signal.NEVER_STARTED): _NOTHING_UNDER_WAY,
    **{(_F, signal): "a finished run has left the engine" for signal in Signal},
}
"""The pairs that cannot come about, and why."""


def move(state: RunState, signal: Signal) -> Move:
    """What `signal` does to a run in `state`. Raises ValueError for a pair of `IMPOSSIBLE`."""
    found = TABLE.get((state, signal))
    if found is None:
        raise ValueError(f"a run that is {state.value} cannot see {signal.value}")
    return found


def outcome_of(run: Run, ending: Ending) -> Outcome:
    """What the run came to. A recorded cause decides for every run that began; else its exit status does."""
    match ending:
        case NotBegun():
            return Outcome.START_FAILED
        case _ if run.stop_cause is not None:
            return outcome_of_stop(run.stop_cause)
        case Vanished():
            return Outcome.LOST
        case Exited(status=status):
            return Outcome.SUCCEEDED if status in run.task.success_exit_codes else Outcome.FAILED


def outcome_of_stop(cause: StopCause) -> Outcome:
    """What a run came to that torchsync ended for this cause."""
    return {StopCause.TIMEOUT: Outcome.TIMED_OUT, StopCause.REPLACED: Outcome.REPLACED}.get(cause, Outcome.STOPPED)


_STOP_SENTENCES = {
    StopCause.TIMEOUT: "ended by torchsync at its timeout",
    StopCause.REPLACED: "stopped since a later fire of its task replaced it",
    StopCause.OPERATOR: "stopped by an operator",
    StopCause.CHANGED: "stopped since its task changed",
    StopCause.REMOVED: "stopped since its task is no longer for this host",
}


def detail_of_cancelled(run: Run, cause: StopCause) -> str:
    """Of a run that is ended while it waits."""
    return f"{_STOP_SENTENCES[cause]}, before attempt {run.attempt}"


def detail_of(run: Run, ending: Ending, *, leftovers: bool) -> str:
    """What the outcome alone does not say, in a sentence; empty when there is nothing to add."""
    parts = [_STOP_SENTENCES[run.stop_cause]] if run.stop_cause else []
    match ending:
        case NotBegun(why=why) | Vanished(why=why):
            parts.append(why)
        case Exited(note=note) if note:
            parts.append(note)
        case Exited(status=126) if not run.stop_cause:
            parts.append("exit status 126 often means that a program could not be executed")
        case Exited(status=127) if not run.stop_cause:
            parts.append("exit status 127 often means that a program was not found")
        case Exited():
            pass
    if leftovers and not run.stop_cause:
        parts.append("processes it started live on")
    return "; ".join(parts)
