"""What keys do, and what `top` is where there is no screen."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.builders import NOON, many_tasks
from tests.cli.agents import agent
from tests.cli.test_topframe import view_of
from torchsync.adapters.schemas import read_schema_text
from torchsync.cli import top
from torchsync.cli.top import pressed
from torchsync.cli.topframe import Choices, Size, page_of
from torchsync.cli.topscreen import keys_of, painted
from torchsync.cli.topview import Order
from torchsync.errors import Unavailable, UsageError

VIEW = view_of(many_tasks(200))
SIZE = Size(width=80, height=24)
PAGE = page_of(VIEW, SIZE)


def after(keys: list[str], choices: Choices = Choices()) -> Choices:  # noqa: B008 a frozen value
    for key in keys:
        choices = pressed(choices, key, VIEW, SIZE)
    return choices


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        ("q", ["q"]),
        ("\x1b[A\x1b[B", ["up", "down"]),
        ("\x1bOA", ["up"]),
        ("\x1b[5~\x1b[6~g", ["page up", "page down", "g"]),
        ("\x1b", ["escape"]),
        ("\r\x7f", ["enter", "back"]),
        ("\x1b[1;5Cx", ["x"]),
        ("\x1b[<35;1;2M/", ["/"]),
        ("\x00\x02é", ["é"]),
    ],
)
def test_keys_are_told_apart_and_what_is_not_known_is_none(typed: str, keys: list[str]) -> None:
    assert list(keys_of(typed)) == keys


def test_letters_choose_the_order_and_begin_at_the_top() -> None:
    assert after(["j", "j", "n"]) == Choices(order=Order.NEXT)
    assert after(["t"]).order is Order.NAME
    assert after(["t", "f"]).order is Order.FAILURES


def test_scrolling_stays_within_the_tasks() -> None:
    assert after(["down", "j", "up"]).first == 1
    assert after(["up"]).first == 0
    assert after(["page down", " "]).first == 2 * PAGE
    assert after(["G"]).first == 200 - PAGE
    assert after(["G", "down", "k"]).first == 200 - PAGE - 1
    assert after(["end", "home"]).first == 0
    assert after(["x"]) == Choices()


def test_a_filter_is_typed_corrected_kept_and_dropped() -> None:
    typing = after(["/", "q", "n", "x", "back", "up"])
    assert typing == Choices(text="qn", is_typing=True)
    assert after(["enter"], typing) == Choices(text="qn")
    assert after(["escape"], typing) == Choices()
    assert after(["escape"], Choices(text="kept")) == Choices()
    assert after(["/"], Choices(text="old", first=3)) == Choices(is_typing=True)


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    top.add_arguments(parser)
    return top.execute(parser.parse_args(words))


def test_where_there_is_no_terminal_it_is_printed_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with agent(tmp_path) as socket:
        assert run("--socket", str(socket)) == 0
    out = capsys.readouterr().out
    assert "nightly-backup" in out
    assert "is not accepted" in out
    assert "\x1b" not in out


def test_one_view_is_a_document_in_the_order_of_the_screen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with agent(tmp_path) as socket:
        assert run("--json", "--socket", str(socket)) == 0
    found = json.loads(capsys.readouterr().out)
    validator = Draft202012Validator(json.loads(read_schema_text("top")))
    validator.validate(found)
    assert [one["name"] for one in found["tasks"]] == ["web-proxy", "nightly-backup", "old-report"]
    assert [one["task"] for one in found["runs"]] == ["nightly-backup", "web-proxy"]
    assert found["status"]["host"] == "db-1"
    for part in ({"status": {}}, {"runs": [{}]}, {"tasks": [{"name": 1}]}, {"more": 1}):
        assert not validator.is_valid(found | part)


def test_without_an_agent_there_is_nothing_to_print(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        run("--socket", str(tmp_path / "none.sock"), "--once")


@pytest.mark.parametrize("seconds", ["0", "-1", "0.1", "nan"])
def test_an_interval_that_asks_too_much_is_refused(seconds: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        run("--interval", seconds, "--socket", str(tmp_path))


def test_colours_are_those_of_the_terminal_and_none_are_wished_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchsync.cli.topframe import frame

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    lines = frame(replace(VIEW, trouble="gone"), SIZE, Choices(), NOON)
    assert any("\x1b[31m" in line for line in painted(lines, SIZE))
    monkeypatch.setenv("NO_COLOR", "1")
    assert not any("\x1b[31m" in line for line in painted(lines, SIZE))
