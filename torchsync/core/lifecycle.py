"""The life of a run: a table of state × signal, every cell explicit. Pure.

Theory of operation. A run is ADMITTED once its ledger row is durable, RUNNING once its claim is known, and FINISHED when it is over. Between
lies the only thing torchsync does to a run: ending it. A stop is first recorded with its cause, which decides the outcome; then the stop
signal goes to everything the run started (STOPPING), and after the grace KILL (KILLING). The command may end while processes it started
live on: outside of a stop they are left alone, as cron does; inside a stop the run is over only when they are gone or have been sent KILL.

An adopted run enters the table where it was: ADMITTED or STOPPING, then `STARTED` or `ENDED` as the executor finds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from torchsync.core.model import Ending, Exited, NotBegun, Outcome, Run, RunState, StopCause, Vanished


class Signal(Enum):
    """What can happen to a run."""

    STARTED = "started"
    ENDED = "ended"
    """Its command is over, and so is everything it started."""
    ENDED_LEAVING = "ended_leaving"
    """Its command is over, but processes that it started live on."""
    STOP = "stop"
    """A rule of the run, a swap or an operator wants it to end."""
    GRACE_OVER = "grace_over"
    NEVER_STARTED = "never_started"


class Act(Enum):
    """What is done about it, in this order of the tuple."""

    NOTE_START = "note_start"
    SEND_STOP = "send_stop"
    SEND_KILL = "send_kill"
    HOLD_ENDING = "hold_ending"
    """The ending is kept until the processes left behind are gone or killed."""
    FINISH = "finish"
    WITHDRAW = "withdraw"


@dataclass(frozen=True, slots=True)
class Move:
    to: RunState
    acts: tuple[Act, ...] = ()


_A, _R, _S, _K, _F = RunState.ADMITTED, RunState.RUNNING, RunState.STOPPING, RunState.KILLING, RunState.FINISHED

TABLE: dict[tuple[RunState, Signal], Move] = {
    (_A, Signal.STARTED): Move(_R, (Act.NOTE_START,)),
    (_A, Signal.ENDED): Move(_F, (Act.FINISH,)),
    (_A, Signal.ENDED_LEAVING): Move(_F, (Act.FINISH,)),
    (_A, Signal.STOP): Move(_S, (Act.SEND_STOP,)),
    (_A, Signal.NEVER_STARTED): Move(_F, (Act.WITHDRAW,)),
    (_R, Signal.ENDED): Move(_F, (Act.FINISH,)),
    (_R, Signal.ENDED_LEAVING): Move(_F, (Act.FINISH,)),
    (_R, Signal.STOP): Move(_S, (Act.SEND_STOP,)),
    # A stop that was recorded before the claim was known: the signal found nobody, so it is sent again.
    (_S, Signal.STARTED): Move(_S, (Act.NOTE_START, Act.SEND_STOP)),
    (_S, Signal.ENDED): Move(_F, (Act.FINISH,)),
    (_S, Signal.ENDED_LEAVING): Move(_S, (Act.HOLD_ENDING,)),
    # The first cause stands: it is the one that was recorded.
    (_S, Signal.STOP): Move(_S),
    (_S, Signal.GRACE_OVER): Move(_K, (Act.SEND_KILL,)),
    (_S, Signal.NEVER_STARTED): Move(_F, (Act.FINISH,)),
    (_K, Signal.STARTED): Move(_K, (Act.NOTE_START, Act.SEND_KILL)),
    (_K, Signal.ENDED): Move(_F, (Act.FINISH,)),
    (_K, Signal.ENDED_LEAVING): Move(_F, (Act.SEND_KILL, Act.FINISH)),
    (_K, Signal.STOP): Move(_K),
    (_K, Signal.GRACE_OVER): Move(_K, (Act.SEND_KILL,)),
    (_K, Signal.NEVER_STARTED): Move(_F, (Act.FINISH,)),
}

IMPOSSIBLE: frozenset[tuple[RunState, Signal]] = frozenset(
    {
        # Adoption asks about runs that were ADMITTED when it began; a run whose start was seen cannot turn out never to have started,
        # and the grace is a timer that only a stop sets.
        (_A, Signal.GRACE_OVER),
        (_R, Signal.STARTED),
        (_R, Signal.GRACE_OVER),
        (_R, Signal.NEVER_STARTED),
        # A finished run has left the engine.
        *((_F, signal) for signal in Signal),
    }
)


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
        case _ if run.stop_cause is StopCause.TIMEOUT:
            return Outcome.TIMED_OUT
        case _ if run.stop_cause is not None:
            return Outcome.STOPPED
        case Vanished():
            return Outcome.LOST
        case Exited(status=status):
            return Outcome.SUCCEEDED if status in run.task.success_exit_codes else Outcome.FAILED


_STOP_SENTENCES = {
    StopCause.TIMEOUT: "ended by torchsync at its timeout",
    StopCause.OPERATOR: "stopped by an operator",
    StopCause.CHANGED: "stopped since its task changed",
    StopCause.REMOVED: "stopped since its task is no longer for this host",
}


def detail_of(run: Run, ending: Ending, *, leftovers: bool) -> str:
    """What the outcome alone does not say, in a sentence; empty when there is nothing to add."""
    parts = [_STOP_SENTENCES[run.stop_cause]] if run.stop_cause else []
    match ending:
        case NotBegun(why=why) | Vanished(why=why):
            parts.append(why)
        case Exited(status=126) if not run.stop_cause:
            parts.append("exit status 126 often means that a program could not be executed")
        case Exited(status=127) if not run.stop_cause:
            parts.append("exit status 127 often means that a program was not found")
        case Exited():
            pass
    if leftovers and not run.stop_cause:
        parts.append("processes it started live on")
    return "; ".join(parts)
