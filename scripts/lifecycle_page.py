"""The page about the states of a run, made from the table that the agent goes by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from torchsync.core.lifecycle import IMPOSSIBLE, TABLE, Act, Signal
from torchsync.core.model import RunState

_STATES = {
    RunState.ADMITTED: "an attempt is in the ledger, and started; whether it began is not known yet",
    RunState.RUNNING: "its claim is known: it began",
    RunState.STOPPING: "it got its stop signal, and has its grace",
    RunState.KILLING: "the grace is over: it gets KILL until nothing of it is left",
    RunState.WAITING: "an attempt is over, and another one comes: nothing of the run is there meanwhile",
    RunState.FINISHED: "it has its outcome, and has left the engine",
}
_SIGNALS = {
    Signal.STARTED: "the attempt began",
    Signal.ENDED: "the command of the last attempt is over, with all that it started",
    Signal.ENDED_LEAVING: "a command is over, and processes that it started live on",
    Signal.TRIES_AGAIN: "an attempt is over or never began, and another one is to come",
    Signal.RETRY_DUE: "the wait is over, and no operator holds the task",
    Signal.STOP: "the timeout, a change, a removal or an operator ends it",
    Signal.GRACE_OVER: "it has not ended within its grace",
    Signal.NEVER_STARTED: "the first attempt, or one that is being ended, is known never to have begun",
}
_ACTS = {
    Act.NOTE_START: "the start is noted",
    Act.SEND_STOP: "the stop signal is sent",
    Act.SEND_KILL: "KILL is sent",
    Act.HOLD_ENDING: "the ending is kept until nothing is left",
    Act.AWAIT: "the attempt and the next one's time are written down",
    Act.BEGIN: "the next attempt is written down, then started",
    Act.FINISH: "the outcome is written down",
    Act.CANCEL: "the outcome is written down, without a further attempt",
    Act.WITHDRAW: "its row goes, and its fire is decided again",
}


def lifecycle_page(made: str) -> str:
    """`docs/explanation/run-states.md`: the states, the diagram, and every pair of state and signal."""
    parts = (["# The states of a run", "", made], _about(), _diagram(), _meanings(), _moves(), _impossible())
    return "\n".join(line for part in parts for line in part) + "\n"


def _about() -> Iterable[str]:
    return [
        "A run goes its way from `admitted` once for each of its attempts. Whatever can happen to it is a signal; what is done about a signal in",
        "a state is one cell of a table (`torchsync/core/lifecycle.py`). There is no other way for a run to change. A cell that cannot come about",
        "says why. What retries mean to those who use them stands in [a how-to](../how-to/retries-and-daemons.md).",
        "",
    ]


def _diagram() -> Iterator[str]:
    yield from ("```mermaid", "stateDiagram-v2", f"    [*] --> {RunState.ADMITTED.value}")
    for state in RunState:
        for target in RunState:
            signals = [signal.value for signal in Signal if (state, signal) in TABLE and TABLE[state, signal].to is target is not state]
            if signals:
                yield f"    {state.value} --> {target.value}: {', '.join(signals)}"
    yield from (f"    {RunState.FINISHED.value} --> [*]", "```", "")


def _meanings() -> Iterator[str]:
    for title, meanings in (("state", _STATES), ("signal", _SIGNALS)):
        yield from (f"| {title} | meaning |", "|---|---|")
        yield from (f"| `{one.value}` | {meaning} |" for one, meaning in meanings.items())
        yield ""


def _moves() -> Iterator[str]:
    yield from ("## What is done", "", "| in | on | becomes | and |", "|---|---|---|---|")
    for state in RunState:
        for signal in Signal:
            if move := TABLE.get((state, signal)):
                acts = "; ".join(_ACTS[act] for act in move.acts) or "nothing else: the first cause stands"
                yield f"| `{state.value}` | `{signal.value}` | `{move.to.value}` | {acts} |"
    yield ""


def _impossible() -> Iterator[str]:
    yield from ("## What cannot happen", "", "| in | on | since |", "|---|---|---|")
    for reason in dict.fromkeys(IMPOSSIBLE.values()):
        for state in RunState:
            signals = [f"`{signal.value}`" for signal in Signal if IMPOSSIBLE.get((state, signal)) == reason]
            if signals:
                yield f"| `{state.value}` | {', '.join(signals)} | {reason} |"
