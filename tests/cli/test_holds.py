from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.builders import NOON, run, snapshot, task_status
from tests.cli.agents import agent
from torchsync.cli import holds
from torchsync.cli.client import ControlClient
from torchsync.cli.control import sync_now
from torchsync.core.control import (
    Answer,
    DrainHost,
    LiftHold,
    PauseTasks,
    PinRevision,
    Request,
    Rollback,
    SyncProgress,
    conflict,
    failure,
    held,
    sync_done,
    ticket_given,
)
from torchsync.core.holds import EVERY_TASK, HOST, REF, SYNCS, Hold, Holds, held_task, placed
from torchsync.core.syncdoc import SyncOutcome, SyncResult
from torchsync.errors import TorchsyncError, UsageError

DRAINED = placed(Holds(), HOST, Hold(actor="alice", since=NOON))


class Operator:
    """The commands, as words of the command line, and what they ask of the agent."""

    def __init__(self, folder: Path, answer: Callable[[Request], Answer] = lambda _: held(["it is so"])) -> None:
        self.asked: list[Request] = []
        self._folder = folder
        self._answer = answer

    def __call__(self, verb: str, *words: str) -> int:
        parser = argparse.ArgumentParser()
        getattr(holds, f"add_{verb}_arguments")(parser)
        with agent(self._folder, self._take) as path:
            args = parser.parse_args([*words, "--socket", str(path)])
            status: int = getattr(holds, f"execute_{verb}")(args)
        return status

    def _take(self, request: Request) -> Answer:
        self.asked.append(request)
        return self._answer(request)


def actor_of(request: Request) -> str:
    return request.actor  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("words", "wish"),
    [
        (("pause", "--sync", "--reason", "freeze"), PauseTasks(what=(SYNCS,), actor="", reason="freeze")),
        (("pause", "--all", "--until", "2h"), PauseTasks(what=(EVERY_TASK,), actor="", until="2h")),
        (("pause", "a", "b"), PauseTasks(what=(held_task("a"), held_task("b")), actor="")),
        (("resume", "--drain"), LiftHold(what=(HOST,), actor="")),
        (("resume", "a"), LiftHold(what=(held_task("a"),), actor="")),
        (("drain", "--stop"), DrainHost(actor="", stops_runs=True)),
        (("pin", "ABCDEF1", "--reason", "x"), PinRevision(revision="abcdef1", actor="", reason="x")),
        (("unpin",), LiftHold(what=(REF,), actor="")),
        (("rollback", "--until", "30d"), Rollback(actor="", until="30d")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_every_command_asks_for_what_it_says_and_prints_what_happened(tmp_path, capsys, words, wish):
    operator = Operator(tmp_path)
    assert operator(*words) == 0
    (asked,) = operator.asked
    assert replace(asked, actor="") == wish
    assert actor_of(asked)
    assert capsys.readouterr().out == "it is so\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("pause",), "say one of --sync, --all or names of tasks; found nothing"),
        (("pause", "--all", "a"), "found --all, a"),
        (("resume", "--all", "--drain"), "say one of --sync, --all, --drain or names of tasks; found --all, --drain"),
        (("pause", "a", "--until", "tomorrow"), "--until: 'tomorrow' is neither a length of time nor a time"),
        (("drain", "--until", "2020-01-01T00:00Z"), "is not in the future"),
        (("rollback", "--reason", "a\nb"), "--reason: the reason holds a line break"),
        (("pin", "main"), "git rev-parse"),
    ],
)
def test_what_is_not_understood_never_reaches_the_agent(tmp_path, words, told):
    operator = Operator(tmp_path)
    with pytest.raises(UsageError) as caught:
        operator(*words)
    assert (caught.value.code, told in caught.value.message) == ("TS357", True)
    assert operator.asked == []


def test_what_the_agent_refuses_is_told(tmp_path):
    with pytest.raises(TorchsyncError, match="syncs are not paused"):
        Operator(tmp_path, lambda _: conflict("syncs are not paused"))("resume", "--sync")
    with pytest.raises(TorchsyncError, match="the disk is full") as caught:
        Operator(tmp_path, lambda _: failure(507, "TS333", "the disk is full; nothing was changed"))("pause", "--all")
    assert (caught.value.code, caught.value.exit_status) == ("TS333", 1)


@pytest.mark.parametrize(("outcome", "status"), [(SyncOutcome.APPLIED, 0), (SyncOutcome.REFUSED, 77), (SyncOutcome.PAUSED, 0)])
@pytest.mark.parametrize("words", [("pin", "abcdef1"), ("unpin",), ("rollback",)], ids=lambda words: words[0])
def test_with_wait_a_command_exits_as_its_sync_did(tmp_path, capsys, words, outcome, status):
    result = SyncResult(outcome=outcome, sentence="told whole", started_at=NOON, finished_at=NOON)
    operator = Operator(tmp_path, lambda request: sync_done(9, result) if isinstance(request, SyncProgress) else held(["it is so"], 9))
    assert operator(*words, "--wait") == status
    assert operator.asked[-1] == SyncProgress(ticket=9)
    assert capsys.readouterr().out == f"it is so\n{outcome.value}: told whole\n"


def statuses(*shown):
    """The snapshots that the agent shows, one after the other."""
    left = list(shown)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


def test_a_drain_is_waited_for_until_nothing_runs(tmp_path, capsys):
    empty = snapshot(task_status())
    busy = replace(empty, runs={"r": run()})
    read = statuses(empty, replace(busy, holds=DRAINED), replace(busy, holds=DRAINED), replace(empty, holds=DRAINED))
    pauses: list[float] = []
    with agent(tmp_path, lambda _: held(["it is so"]), read=read) as path:
        assert holds.drain(ControlClient(path), {}, wait=True, sleep=pauses.append) == 0
    assert len(pauses) == 3
    assert capsys.readouterr().out == "it is so\nnothing runs any more\n"


def test_a_drain_that_is_lifted_meanwhile_is_not_waited_for(tmp_path):
    empty = snapshot(task_status())
    read = statuses(replace(empty, holds=DRAINED, runs={"r": run()}), empty)
    with agent(tmp_path, lambda _: held([]), read=read) as path, pytest.raises(TorchsyncError, match="the drain is over"):
        holds.drain(ControlClient(path), {}, wait=True, sleep=lambda _: None)


def test_a_sync_says_that_syncs_are_paused(tmp_path, capsys):
    with agent(tmp_path, lambda _: ticket_given(3, paused="syncs are paused by alice")) as path:
        assert sync_now(ControlClient(path), wait=False) == 0
    assert capsys.readouterr().out == "paused: syncs are paused by alice\n"
