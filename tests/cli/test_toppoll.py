"""How often the agent is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.builders import busy_snapshot
from torchsync.cli.toppoll import Asker
from torchsync.core.api import runs_document, status_document, tasks_document
from torchsync.errors import TorchsyncError, Unavailable

ONE = busy_snapshot()
ANSWERS: dict[str, Any] = {
    "/api/v1/status": status_document(ONE, full=True),
    "/api/v1/runs": runs_document(ONE.runs.values(), full=True),
    "/api/v1/tasks": tasks_document(ONE, full=True),
    "/api/v1/history": {"entries": []},
}


class Agent:
    """Answers, and lets time pass while it does; `prices` are seconds."""

    def __init__(self, **prices: float) -> None:
        self.now = 1000.0
        self.asked: list[str] = []
        self.is_gone = False
        self.stalled = ""
        self._prices = prices

    def clock(self) -> float:
        return self.now

    def probe(self, path: str) -> str:
        assert path == "/healthz"
        return self.stalled

    def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        name = path.rpartition("/")[2]
        self.asked.append(name)
        self.now += self._prices.get(name, 0.0)
        if self.is_gone:
            raise Unavailable("TS350", "no agent answers")
        answer: dict[str, Any] = ANSWERS[path]
        return answer


def questions(one: Agent, seconds: float, interval: float = 2.0) -> dict[str, int]:
    """How often each was asked for, in so many seconds."""
    asker, end = Asker(one, interval, one.clock), one.now + seconds
    while one.now < end:
        asker.ask()
        one.now += 0.1
    return {name: one.asked.count(name) for name in ("status", "runs", "tasks", "history")}


def test_an_agent_that_answers_at_once_is_asked_at_the_interval() -> None:
    asked = questions(Agent(), 60)
    assert 28 <= asked["status"] <= 30
    assert asked == dict.fromkeys(asked, asked["status"])


def test_what_costs_the_agent_much_is_asked_for_seldom() -> None:
    """10,000 tasks: less than a twentieth of the time goes by with answers."""
    asked = questions(Agent(tasks=0.8, status=0.02), 600)
    assert asked["tasks"] * 0.8 + asked["status"] * 0.02 < 600 / 20
    assert asked["status"] > 3 * asked["tasks"] > 0


def test_an_agent_that_is_gone_is_asked_again_and_what_was_known_stays() -> None:
    one = Agent()
    asker = Asker(one, 2.0, one.clock)
    first = asker.ask()
    one.is_gone = True
    assert asker.ask() is None
    one.now += 2.0
    lost = asker.ask()
    one.is_gone = False
    one.now += 2.0
    back = asker.ask()
    assert first is not None
    assert lost is not None
    assert back is not None
    assert lost.trouble == "no agent answers; trying again"
    assert lost.tasks == first.tasks == back.tasks
    assert (first.trouble, back.trouble) == ("", "")
    assert one.asked[-2:] == ["history", "tasks"], "all is asked for after a restart"


def test_an_agent_of_another_version_is_said_to_be_one_and_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Agent()
    asker = Asker(one, 2.0, one.clock)
    first = asker.ask()
    monkeypatch.setitem(ANSWERS, "/api/v1/status", {"status": "as in version 9"})
    one.now += 2.0
    strange = asker.ask()
    assert first is not None
    assert strange is not None
    assert strange.tasks == first.tasks
    assert "is it of another version?; trying again" in strange.trouble
    with pytest.raises(TorchsyncError, match="another version"):
        asker.view()
    monkeypatch.undo()
    one.now += 2.0
    back = asker.ask()
    assert back is not None
    assert back.trouble == ""


def test_a_scheduler_that_does_not_turn_is_told_as_long_as_it_does_not() -> None:
    one = Agent()
    asker = Asker(one, 60.0, one.clock)
    one.stalled = "the scheduler last turned 2h00m ago"
    assert asker.view().alarms[0].text.startswith(one.stalled)
    one.stalled = ""
    assert "last turned" not in asker.view().alarms[0].text


def test_one_view_is_asked_for_at_once_or_it_is_said_why_not() -> None:
    one = Agent()
    assert len(Asker(one, 60.0, one.clock).view().tasks) == 3
    one.is_gone = True
    with pytest.raises(Unavailable):
        Asker(one, 60.0, one.clock).view()
