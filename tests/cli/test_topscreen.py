"""The terminal in our hands; tests/e2e/test_top.py looks at it from outside."""

from __future__ import annotations

import os
import pty
import select
import signal
import termios
from collections.abc import Iterator

import pytest

from torchsync.cli.topframe import Size
from torchsync.cli.topscreen import Ended, Screen


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Both ends of one, ours first."""
    ends = pty.openpty()
    yield ends
    for end in ends:
        os.close(end)


def test_another_size_ends_a_wait_at_once_and_is_the_size(terminal: tuple[int, int]) -> None:
    ours, theirs = terminal
    screen = Screen(theirs, theirs)
    with screen.taken():
        termios.tcsetwinsize(ours, (10, 40))
        os.kill(os.getpid(), signal.SIGWINCH)
        assert select.select([screen._bell_out], [], [], 60)[0]
        assert screen.wait(60) == []
        assert screen.size() == Size(width=40, height=10)
    assert signal.getsignal(signal.SIGWINCH) is signal.SIG_DFL


def test_a_terminal_that_does_not_know_its_size_has_the_usual_one(terminal: tuple[int, int]) -> None:
    termios.tcsetwinsize(terminal[0], (0, 0))
    assert Screen(terminal[1], terminal[1]).size() == Size(width=80, height=24)


def test_an_error_in_between_gives_the_terminal_back(terminal: tuple[int, int]) -> None:
    before = termios.tcgetattr(terminal[1])

    def interrupted() -> None:
        with Screen(terminal[1], terminal[1]).taken():
            assert termios.tcgetattr(terminal[1]) != before
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Ended) as caught:
        interrupted()
    assert caught.value.code == 143
    assert termios.tcgetattr(terminal[1]) == before
    assert written_until(terminal[0], b"\x1b[?25h\x1b[?1049l")


def written_until(ours: int, end: bytes) -> bool:
    """What was written to the terminal arrives in pieces; it ends like this."""
    seen = b""
    while not seen.endswith(end) and select.select([ours], [], [], 60)[0]:
        seen += os.read(ours, 4096)
    return seen.endswith(end)
