"""Receivers of notices in memory, and a courier that reaches them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.fakes import FakeWakeups
from torchsync.core.errand import Mail
from torchsync.core.notice import Notice, label
from torchsync.core.postbox import Fate, Parcel, Result
from torchsync.ports import ParcelAnswered


def reached(notice: Notice) -> Fate:
    return Fate.SENT


@dataclass
class Receivers:
    """What every receiver was told, in order: they outlive the agent. `answer` decides about each attempt; `silent` ones never answer."""

    told: list[Notice] = field(default_factory=list)
    attempts: list[Notice] = field(default_factory=list)
    answer: Callable[[Notice], Fate] = reached
    silent: set[str] = field(default_factory=set)
    loses_answers: bool = False
    """The agent hears nothing of what was sent."""

    def events(self, task: str = "") -> list[str]:
        return [notice.event.value for notice in self.told if task in ("", notice.task)]


class FakeCourier:
    """Fits `ports.Courier`. Carries at once, and answers in the next turn."""

    def __init__(self, wakeups: FakeWakeups, receivers: Receivers) -> None:
        self._wakeups = wakeups
        self._receivers = receivers
        self._is_cancelled = False
        self.loads: list[Mail | None] = []
        self.under_way: list[Parcel] = []

    def send(self, parcel: Parcel, mail: Mail | None) -> None:
        self.loads.append(mail)
        if label(parcel.line.to) in self._receivers.silent:
            self.under_way.append(parcel)
            return
        results: list[Result] = []
        for notice in parcel.notices:
            self._receivers.attempts.append(notice)
            fate = self._receivers.answer(notice)
            if fate is Fate.SENT:
                self._receivers.told.append(notice)
            results.append(Result(notice=notice.id, fate=fate, why="" if fate is Fate.SENT else f"it says {fate.value}"))
            if fate is Fate.LATER:
                break
        if not self._receivers.loses_answers:
            self._wakeups.post(ParcelAnswered(parcel, tuple(results)))

    def cancel(self) -> None:
        self._is_cancelled = True
