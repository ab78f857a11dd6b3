"""The list of events is closed, and so are the fields of each."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from torchsync.core.logevents import FIELDS, LogEvent

SOURCE = Path(__file__).parents[2] / "torchsync"
LOGS = re.compile(r"(self\.)?_?log")


def calls() -> Iterator[tuple[str, LogEvent, list[str]]]:
    """Every call of a log with an event that stands there, with the names of its fields."""
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not LOGS.fullmatch(ast.unparse(node.func)):
                continue
            named = [word.arg for word in node.keywords if word.arg]
            for found in re.findall(r"LogEvent\.([A-Z_]+)", ast.unparse(node.args[0])):
                yield f"{path.name}:{node.lineno}", LogEvent[found], named


@pytest.mark.parametrize(("event", "names"), [pytest.param(event, names, id=f"{place} {event.label}") for place, event, names in calls()])
def test_a_line_has_no_field_that_its_event_does_not_know(event: LogEvent, names: list[str]) -> None:
    assert set(names) <= set(event.fields)


@pytest.mark.parametrize("event", list(LogEvent), ids=lambda event: event.label)
def test_every_event_is_logged_somewhere(event: LogEvent) -> None:
    texts = [path.read_text() for path in SOURCE.rglob("*.py") if path.name != "logevents.py"]
    assert any(re.search(rf"LogEvent\.{event.name}\b", text) for text in texts)


def test_every_field_has_a_meaning_and_is_one_of_some_event() -> None:
    assert {name for event in LogEvent for name in event.fields} == set(FIELDS)
    assert all(field.meaning for field in FIELDS.values())


def test_the_names_in_the_journal_are_ones_it_takes_and_no_two_are_the_same() -> None:
    """systemd's "Native Journal Protocol": upper case, digits and underscores, not in front; at most 64."""
    names = [field.journal for field in FIELDS.values()]
    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch(r"[A-Z][A-Z0-9_]{0,63}", name)] == []


def test_an_event_has_one_mark_for_ever() -> None:
    marks = [event.message_id for event in LogEvent]
    assert len(set(marks)) == len(marks)
    assert [mark for mark in marks if not re.fullmatch(r"[0-9a-f]{12}8[0-9a-f]{3}8[0-9a-f]{15}", mark)] == []
    assert LogEvent.RUN_FAILED.message_id == "249f8fac98fa8e0285702b9b45851091"
