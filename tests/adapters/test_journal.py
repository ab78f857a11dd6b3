import json
import os
import pty

import pytest

from tests.builders import NOON
from torchsync.adapters.journal import Format, Journal, choose_format, format_line
from torchsync.core.logevents import Level, LogEvent


def line(form, message="all is well", **fields):
    return format_line(form, NOON, LogEvent.SYNC_APPLIED, message, fields)


def test_text_is_one_line_for_people():
    assert line(Format.TEXT, "1 added", revision="1234567890ab", added=1, forced=False, empty=None) == (
        '2026-11-23T12:00:00.000Z info sync_applied revision=1234567890ab added=1 forced=false sentence="1 added"'
    )


def test_the_journal_gets_a_priority_and_neither_time_nor_level():
    assert line(Format.JOURNALD) == '<6>sync_applied sentence="all is well"'
    assert format_line(Format.JOURNALD, NOON, LogEvent.INTERNAL_ERROR, "oh", {}).startswith("<3>internal_error ")


def test_json_is_one_object_a_line():
    assert json.loads(line(Format.JSON, added=1, problems=["a", "b"], note=None)) == {
        "time": "2026-11-23T12:00:00.000Z",
        "level": "info",
        "event": "sync_applied",
        "sentence": "all is well",
        "added": 1,
        "problems": ["a", "b"],
    }


NASTY = 'a\nb\r\x1b[31mred\x00\x7f\x9b\u2028\u202e"\\ é ✓ \ud800'


@pytest.mark.parametrize("form", [Format.TEXT, Format.JSON, Format.JOURNALD])
def test_nothing_that_a_terminal_or_a_reader_of_lines_acts_on_gets_through(form):
    written = line(form, NASTY, actor=NASTY, problems=[NASTY])
    assert written.isprintable()
    assert written.encode().decode() == written
    if form is Format.JSON:
        assert json.loads(written)["sentence"] == NASTY


def test_a_field_cannot_pass_for_another_one():
    assert line(Format.TEXT, actor='x" level=error y="').count('actor="x\\" level=error y=\\""') == 1
    assert json.loads(line(Format.JSON, level="fake", time="fake"))["level"] == "info"


def test_a_long_value_is_cut():
    assert len(line(Format.TEXT, "x" * 100_000)) < 9_000


def written(form, *events, least=Level.INFO):
    read_end, write_end = os.pipe()
    journal = Journal(lambda: NOON, form, least, write_end)
    for event in events:
        journal(event, "it happened", task="a")
    os.close(write_end)
    with os.fdopen(read_end) as reader:
        return reader.read().splitlines()


def test_events_below_the_level_are_not_written():
    both = (LogEvent.SYNC_UNCHANGED, LogEvent.SYNC_APPLIED)
    assert [entry.split()[0] for entry in written(Format.JOURNALD, *both)] == ["<6>sync_applied"]
    assert len(written(Format.JOURNALD, *both, least=Level.DEBUG)) == 2
    assert written(Format.JOURNALD, *both, least=Level.ERROR) == []


def test_a_log_that_cannot_be_written_stops_nobody():
    read_end, write_end = os.pipe()
    os.close(read_end)
    Journal(lambda: NOON, Format.TEXT, Level.INFO, write_end)(LogEvent.AGENT_STARTED, "up")
    os.close(write_end)
    Journal(lambda: NOON, Format.TEXT, Level.INFO, write_end)(LogEvent.AGENT_STARTED, "up")


def test_auto_is_text_on_a_terminal_journald_in_the_journal_and_json_elsewhere(tmp_path):
    master, terminal = pty.openpty()
    assert choose_format(Format.AUTO, {}, terminal) is Format.TEXT
    os.close(master)
    os.close(terminal)
    with (tmp_path / "stderr").open("w") as stream:
        found = os.fstat(stream.fileno())
        here = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        assert choose_format(Format.AUTO, here, stream.fileno()) is Format.JOURNALD
        assert choose_format(Format.AUTO, {"JOURNAL_STREAM": "8:1"}, stream.fileno()) is Format.JSON
        assert choose_format(Format.TEXT, here, stream.fileno()) is Format.TEXT


def test_every_event_has_a_name_of_its_own_and_a_meaning():
    assert len({event.label for event in LogEvent}) == len({event.meaning for event in LogEvent}) == len(LogEvent)
