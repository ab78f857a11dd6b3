import threading
from dataclasses import replace
from pathlib import Path

import pytest

from tests.builders import snapshot, task, task_status
from torchsync.cli.metricsfile import EVERY, MetricsFile
from torchsync.core.logevents import LogEvent
from torchsync.core.model import Millis


class Desk:
    """A metrics file whose content counts how often it was made."""

    def __init__(self, path: Path) -> None:
        self.said: list[tuple[LogEvent, str]] = []
        self.rendered = 0
        self.file = MetricsFile(str(path), self._render, lambda event, message, **_: self.said.append((event, message)))
        self.shown = snapshot(task_status(task()))

    def _render(self) -> bytes:
        self.rendered += 1
        return f"rendered {self.rendered}\n".encode()

    def tick(self, mono: int) -> None:
        self.file.tick(self.shown, Millis(mono))
        for thread in threading.enumerate():
            if thread.name == "textfile":
                thread.join(60)

    def swap(self) -> None:
        assert self.shown.generation
        self.shown = replace(self.shown, generation=replace(self.shown.generation, number=self.shown.generation.number + 1))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "a.prom")


def content(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def test_it_is_written_in_the_first_turn_and_then_every_fifteen_seconds(desk: Desk, tmp_path: Path) -> None:
    desk.tick(0)
    assert content(tmp_path / "a.prom") == "rendered 1\n"
    desk.tick(EVERY - 1)
    assert desk.rendered == 1
    desk.tick(EVERY)
    assert content(tmp_path / "a.prom") == "rendered 2\n"


def test_it_is_written_at_once_after_a_swap(desk: Desk) -> None:
    desk.tick(0)
    desk.swap()
    desk.tick(1)
    desk.tick(2)
    assert desk.rendered == 2


def test_it_is_written_at_once_after_a_reload(desk: Desk, tmp_path: Path) -> None:
    desk.tick(0)
    desk.file.follow(str(tmp_path / "a.prom"))
    desk.tick(1)
    desk.tick(2)
    assert content(tmp_path / "a.prom") == "rendered 2\n"


def test_without_a_path_nothing_is_made(desk: Desk) -> None:
    desk.file.follow("")
    desk.tick(0)
    desk.tick(EVERY)
    assert desk.rendered == 0


def test_a_file_that_the_agent_wrote_goes_when_it_is_told_of_another_or_of_none(desk: Desk, tmp_path: Path) -> None:
    desk.tick(0)
    desk.file.follow(str(tmp_path / "b.prom"))
    desk.tick(1)
    assert (content(tmp_path / "a.prom"), content(tmp_path / "b.prom")) == ("", "rendered 2\n")
    desk.file.follow("")
    desk.tick(2)
    assert (list(tmp_path.iterdir()), desk.rendered) == ([], 2)


def test_a_problem_is_said_once_shown_as_long_as_it_lasts_and_its_end_is_said(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "later/a.prom")
    desk.tick(0)
    desk.tick(EVERY)
    assert [(event, "No such file" in message) for event, message in desk.said] == [(LogEvent.TEXTFILE_UNWRITABLE, True)]
    assert [notice.code for notice in desk.file.notices()] == ["TS390"]
    (tmp_path / "later").mkdir()
    desk.tick(2 * EVERY)
    assert [event for event, _ in desk.said] == [LogEvent.TEXTFILE_UNWRITABLE, LogEvent.TEXTFILE_WRITABLE]
    assert desk.file.notices() == ()


def test_a_problem_ends_with_the_setting(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "nowhere/a.prom")
    desk.tick(0)
    desk.file.follow("")
    desk.tick(1)
    assert desk.file.notices() == ()
    assert len(desk.said) == 1


def test_while_a_disk_hangs_the_loop_turns_and_there_is_one_thread(tmp_path: Path) -> None:
    hangs, released = threading.Event(), threading.Event()

    def render() -> bytes:
        hangs.set()
        assert released.wait(60)
        return b"late 1\n"

    file = MetricsFile(str(tmp_path / "a.prom"), render, lambda *_, **__: None)
    file.tick(snapshot(), Millis(0))
    assert hangs.wait(60)
    for turn in range(1, 10):
        file.tick(snapshot(), Millis(turn * EVERY))
    writers = [thread for thread in threading.enumerate() if thread.name == "textfile"]
    released.set()
    assert len(writers) == 1
    writers[0].join(60)
    assert content(tmp_path / "a.prom") == "late 1\n"
