"""`torchsync top` on a real terminal, with a real agent."""

from __future__ import annotations

import shlex
import signal
import sys

import pytest

from tests.e2e.host import Host, cron, environment, never
from tests.e2e.terminal import Terminal

TERM = {"TERM": "xterm-256color"}


def top(host: Host, *words: str) -> list[str]:
    socket = str(host.run_folder / "control.sock")
    return [sys.executable, "-m", "torchsync", "top", "--interval", "0.3", "--socket", socket, *words]


def rows(text: str) -> list[str]:
    """The first word of each line below the heading."""
    lines = text.partition("TASK")[2].splitlines()[1:]
    return [(line.split() or [""])[0] for line in lines]


@pytest.fixture
def busy(host: Host) -> Host:
    """An agent with tasks that fail, that go on, and that wait."""
    host.tasks(
        fails=cron("exit 3"),
        works=cron("true", "*/2 * * * * *", owner="team-db"),
        long={"type": "daemon", "command": "sleep 1000"},
        idle=never("true"),
    )
    host.start()
    return host


def test_it_follows_the_agent_the_keys_and_the_terminal(busy: Host) -> None:
    terminal = Terminal(top(busy), environment() | TERM)
    try:
        terminal.wait_for("tasks and outcomes", lambda text: "failed " in text and "RUNNING" in text and "ok" in text)
        assert terminal.raw.startswith(b"\x1b[?1049h\x1b[?25l")
        terminal.type("t")
        terminal.wait_for("the order of names", lambda text: "by name" in text and rows(text)[:4] == ["fails", "idle", "long", "works"])
        terminal.type("/team-D")
        terminal.wait_for("what is typed", lambda text: "/team-D_" in text)
        terminal.type("\r")
        terminal.wait_for("one task", lambda text: "1 of 1 with 'team-D'" in text and "idle" not in text)
        terminal.type("\x1b")
        terminal.resize(40, 10)
        text = terminal.wait_for("the small screen", lambda text: "commit" not in text and text.splitlines()[-1].startswith("1 of 4"))
        assert len(text.splitlines()) == 10
        terminal.resize(200, 30)
        terminal.wait_for("more columns", lambda text: "SCHEDULE" in text and "commit" in text)
        # The agent dies, and comes back.
        busy.kill()
        terminal.wait_for("the loss of the agent", lambda text: "no agent answers" in text and "works" in text)
        busy.start()
        terminal.wait_for("the agent again", lambda text: "no agent answers" not in text and "works" in text)
        terminal.type("q")
        assert terminal.end() == 0
        assert terminal.is_as_before()
    finally:
        terminal.close()


@pytest.mark.parametrize(("how", "status"), [("\x03", 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=["ctrl-c", "term", "hup"])
def test_however_it_ends_the_terminal_is_as_before(host: Host, how: str | signal.Signals, status: int) -> None:
    terminal = Terminal(top(host), environment() | TERM)
    try:
        terminal.wait_for("that nobody answers", lambda text: "no agent answers" in text)
        terminal.type(how) if isinstance(how, str) else terminal.process.send_signal(how)
        assert terminal.end() == status
        assert terminal.is_as_before()
    finally:
        terminal.close()


def test_ctrl_z_gives_the_terminal_to_the_shell_and_fg_takes_it_again(host: Host) -> None:
    terminal = Terminal(["/bin/sh", "-i"], environment() | TERM | {"PS1": "$ ", "ENV": ""})
    try:
        terminal.type(f"{shlex.join(top(host))}\n")
        terminal.wait_for("that nobody answers", lambda text: "no agent answers" in text)
        terminal.type("\x1a")
        terminal.wait_for("the shell", lambda text: ("Stopped" in text or "[1] +" in text) and terminal.is_as_before())
        terminal.type("fg\n")
        terminal.wait_for("it again", lambda _: not terminal.is_as_before())
        terminal.type("q")
        terminal.wait_for("the shell again", lambda _: terminal.is_as_before())
        terminal.type("exit 7\n")
        assert terminal.end() == 7
    finally:
        terminal.close()


def test_a_terminal_that_can_do_less_gets_less(busy: Host) -> None:
    for more, words in (({"TERM": "dumb"}, ()), ({"TERM": "xterm", "NO_COLOR": "1"}, ("--once",))):
        terminal = Terminal(top(busy, *words), environment() | more, height=50)
        try:
            assert terminal.end() == 0
            assert b"\x1b[3" not in terminal.raw
            assert b"\x1b[?1049h" not in terminal.raw
            assert "TASK" in terminal.text()
        finally:
            terminal.close()
