"""Starting units, against a systemd that answers, refuses, hangs up and says nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from jeepney.low_level import Message

from tests.adapters.pid1 import Line, Pid1, unit_in
from tests.adapters.processes import open_folder, wait_for
from torchsync.adapters.clock import SystemClock
from torchsync.adapters.syscalls import Timer
from torchsync.adapters.systemdbus import BusLost, Failure, SystemdBus, manager_property
from torchsync.adapters.wakeups import SelectorWakeups
from torchsync.core.model import Millis

UNIT = "torchsync-run-01999-abc.service"
OnCall = Callable[[Line, Message], None]


class Desk:
    """A bus, and what it has told. `answers` has one for each unit, None where all went well."""

    def __init__(self, folder: Path, patience: int = 60_000) -> None:
        self.path = folder / "private"
        self.wakeups = SelectorWakeups()
        clock = SystemClock()
        self.bus = SystemdBus(self.wakeups, Timer(self.wakeups, clock), clock, path=str(self.path), patience=Millis(patience))
        self.answers: dict[str, Failure | None] = {}
        self.pid1: Pid1 | None = None

    def systemd(self, on_call: OnCall) -> Pid1:
        self.pid1 = Pid1(self.path, on_call)
        return self.pid1

    def start(self, unit: str = UNIT) -> None:
        def on_settled(failure: Failure | None) -> None:
            assert unit not in self.answers, "told twice"
            self.answers[unit] = failure

        self.bus.start_unit(unit, [("Type", ("s", "exec"))], on_settled)

    def answer(self, unit: str = UNIT) -> Failure | None:
        self.until(lambda: unit in self.answers)
        return self.answers[unit]

    def until(self, is_so: Callable[[], bool]) -> None:
        def look() -> bool:
            self.wakeups.wait(Millis(10))
            return is_so()

        wait_for(look)

    def close(self) -> None:
        if self.pid1:
            self.pid1.close()


@pytest.fixture
def desk() -> Iterator[Desk]:
    with open_folder() as folder:
        one = Desk(folder)
        yield one
        one.close()


@pytest.fixture
def impatient() -> Iterator[Desk]:
    with open_folder() as folder:
        one = Desk(folder, 1_000)
        yield one
        one.close()


def takes_it(line: Line, call: Message) -> None:
    line.accept(call)
    line.end_job(unit_in(call), "done")


def test_a_unit_is_started_by_one_call_and_the_connection_closed(desk: Desk) -> None:
    pid1 = desk.systemd(takes_it)
    desk.start()
    assert desk.answer() is None
    (call,) = pid1.calls
    assert call.body == (UNIT, "fail", [("Type", ("s", "exec"))], [])
    wait_for(lambda: pid1.closed == 1)


def test_what_happens_to_other_units_is_passed_over(desk: Desk) -> None:
    def on_call(line: Line, call: Message) -> None:
        line.end_job("other.service", "failed")
        line.tell_of("other.service", 203, "exit-code")
        line.accept(call)
        line.end_job("other.service", "failed")
        line.tell_of("other.service", 203, "exit-code")
        line.end_job(UNIT, "done")

    desk.systemd(on_call)
    desk.start()
    assert desk.answer() is None


def test_a_refusal_is_told_in_the_words_of_systemd(desk: Desk) -> None:
    desk.systemd(lambda line, call: line.refuse(call, "NoSuchProperty", "Cannot set property ExitType, or unknown property."))
    desk.start()
    answer = desk.answer()
    assert answer is not None
    assert "Cannot set property ExitType" in answer.why


def test_a_start_that_failed_has_the_exit_status_of_what_systemd_started(desk: Desk) -> None:
    def on_call(line: Line, call: Message) -> None:
        line.accept(call)
        line.tell_of(UNIT, 0, "success")
        line.tell_of(UNIT, 217, "exit-code")
        line.end_job(UNIT, "failed")

    desk.systemd(on_call)
    desk.start()
    assert desk.answer() == Failure(why="systemd could not start the unit of the run: exit-code", status=217)


def test_a_job_that_was_called_off_is_a_failure(desk: Desk) -> None:
    def on_call(line: Line, call: Message) -> None:
        line.accept(call)
        line.end_job(UNIT, "canceled")

    desk.systemd(on_call)
    desk.start()
    assert desk.answer() == Failure(why="systemd could not start the unit of the run: its job was canceled")


@pytest.mark.parametrize("was_heard", [True, False], ids=["and it was heard", "and it was not"])
def test_a_call_whose_connection_breaks_is_made_again(desk: Desk, was_heard: bool) -> None:
    def on_call(line: Line, call: Message) -> None:
        if len(pid1.calls) == 1:
            line.hang_up()
        elif was_heard:
            line.refuse(call, "UnitExists", f"Unit {UNIT} already exists.")
        else:
            takes_it(line, call)

    pid1 = desk.systemd(on_call)
    desk.start()
    assert desk.answer() is None
    assert [unit_in(call) for call in pid1.calls] == [UNIT, UNIT]


def test_a_unit_that_is_there_before_the_first_call_is_a_failure(desk: Desk) -> None:
    desk.systemd(lambda line, call: line.refuse(call, "UnitExists", "Unit already exists."))
    desk.start()
    answer = desk.answer()
    assert answer is not None
    assert "already exists" in answer.why


def test_a_unit_that_was_taken_may_have_been_started_when_the_connection_breaks(desk: Desk) -> None:
    def on_call(line: Line, call: Message) -> None:
        line.accept(call)
        line.hang_up()

    pid1 = desk.systemd(on_call)
    desk.start()
    assert desk.answer() is None
    assert len(pid1.calls) == 1


def test_a_systemd_that_is_not_there_yet_is_asked_again(desk: Desk) -> None:
    desk.start()
    desk.wakeups.wait(Millis(150))
    assert desk.answers == {}
    desk.systemd(takes_it)
    assert desk.answer() is None


def test_a_systemd_that_never_comes_is_given_up(impatient: Desk) -> None:
    impatient.start()
    answer = impatient.answer()
    assert answer is not None
    assert "did not answer for 1 s" in answer.why
    assert "No such file" in answer.why


@pytest.mark.parametrize("on_call", [lambda line, call: None, lambda line, call: line.accept(call)], ids=["nothing", "nothing more"])
def test_a_systemd_that_says_nothing_is_given_up(impatient: Desk, on_call: OnCall) -> None:
    impatient.systemd(on_call)
    impatient.start()
    answer = impatient.answer()
    assert answer is not None
    assert "did not answer for 1 s" in answer.why


def test_a_few_calls_are_under_way_at_once_and_all_are_made_in_order(desk: Desk) -> None:
    waiting: list[tuple[Line, Message]] = []
    pid1 = desk.systemd(lambda line, call: waiting.append((line, call)))
    units = [f"u{number}.service" for number in range(20)]
    for unit in units:
        desk.start(unit)
    desk.until(lambda: len(waiting) == 8)
    while len(desk.answers) < len(units):
        desk.until(lambda: bool(waiting))
        takes_it(*waiting.pop(0))
        desk.wakeups.wait(Millis(10))
    assert [unit_in(call) for call in pid1.calls] == units
    assert set(desk.answers.values()) == {None}


def test_a_property_of_the_manager_is_read(desk: Desk) -> None:
    desk.systemd(lambda line, call: line.answer(call, "s", "252.39-1~deb12u2"))
    assert manager_property("Version", str(desk.path)) == "252.39-1~deb12u2"


def test_a_property_that_is_not_told_is_an_error(desk: Desk) -> None:
    desk.systemd(lambda line, call: line.refuse(call, "UnknownProperty", "no such thing"))
    with pytest.raises(BusLost, match="no such thing"):
        manager_property("Version", str(desk.path))
