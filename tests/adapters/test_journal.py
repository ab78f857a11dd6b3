import json
import os
import pty
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.builders import NOON
from tests.journald import Journald
from torchsync.adapters.journal import Format, Journal, choose_format, open_journal
from torchsync.adapters.journalsocket import JournalSocket
from torchsync.adapters.journaltext import LineForm, entry_of, line_of
from torchsync.core.logevents import Level, LogEvent


def line(form, message="all is well", **fields):
    return line_of(form, entry_of(NOON, LogEvent.SYNC_APPLIED, message, fields))


def test_text_is_one_line_for_people():
    assert line(LineForm.TEXT, "1 added", revision="1234567890ab", added=1, forced=False, empty=None) == (
        '2026-11-23T12:00:00.000Z info sync_applied revision=1234567890ab added=1 forced=false sentence="1 added"'
    )


def test_a_line_for_the_journal_has_a_priority_and_neither_time_nor_level():
    assert line(LineForm.MARKED) == '<6>sync_applied sentence="all is well"'
    assert line_of(LineForm.MARKED, entry_of(NOON, LogEvent.INTERNAL_ERROR, "oh", {})).startswith("<3>internal_error ")


def test_json_is_one_object_a_line():
    assert line(LineForm.JSON, added=1).startswith(
        '{"time": "2026-11-23T12:00:00.000Z", "level": "info", "event": "sync_applied", "sentence": "all is'
    )
    assert json.loads(line(LineForm.JSON, added=1, problems=["a", "b"], note=None)) == {
        "time": "2026-11-23T12:00:00.000Z",
        "level": "info",
        "event": "sync_applied",
        "sentence": "all is well",
        "added": 1,
        "problems": ["a", "b"],
    }


NASTY = 'a\nb\r\x1b[31mred\x00\x7f\x9b\u2028\u202e"\\ é ✓ \ud800'


@pytest.mark.parametrize("form", list(LineForm))
def test_nothing_that_a_terminal_or_a_reader_of_lines_acts_on_gets_through(form):
    written = line(form, NASTY, actor=NASTY, problems=[NASTY])
    assert written.isprintable()
    assert written.encode().decode() == written
    if form is LineForm.JSON:
        assert json.loads(written)["sentence"] == NASTY


def test_a_field_cannot_pass_for_another_one():
    assert line(LineForm.TEXT, actor='x" level=error y="').count('actor="x\\" level=error y=\\""') == 1
    assert json.loads(line(LineForm.JSON, level="fake", time="fake"))["level"] == "info"


def test_a_long_value_is_cut():
    assert len(line(LineForm.TEXT, "x" * 100_000)) < 9_000


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
    assert [entry.split()[0] for entry in written(LineForm.MARKED, *both)] == ["<6>sync_applied"]
    assert len(written(LineForm.MARKED, *both, least=Level.DEBUG)) == 2
    assert written(LineForm.MARKED, *both, least=Level.ERROR) == []


def test_a_log_that_cannot_be_written_stops_nobody():
    read_end, write_end = os.pipe()
    os.close(read_end)
    journal = Journal(lambda: NOON, LineForm.TEXT, Level.INFO, write_end)
    journal(LogEvent.AGENT_STARTED, "up")
    os.close(write_end)
    journal(LogEvent.AGENT_STARTED, "up")
    assert [problem.code for problem in journal.notices()] == ["TS395"]


def drain(descriptor: int) -> bytes:
    os.set_blocking(descriptor, False)
    parts = []
    while True:
        try:
            parts.append(os.read(descriptor, 1 << 20))
        except BlockingIOError:
            return b"".join(parts)


@pytest.mark.parametrize("length", [50, 7_000])
def test_a_reader_that_stands_still_is_not_waited_for_and_gets_whole_lines_later(length):
    read_end, write_end = os.pipe()
    journal = Journal(lambda: NOON, LineForm.JSON, Level.INFO, write_end, most_waiting=100)
    for number in range(2_000):
        journal(LogEvent.AGENT_STARTED, "x" * length, runs=number)
    (notice,) = journal.notices()
    assert "are lost" in notice.message
    found = b""
    while piece := drain(read_end):
        found += piece
        journal.flush()
    lines = [json.loads(one) for one in found.splitlines()]
    *told, last = lines
    assert [one["runs"] for one in told] == list(range(len(told)))
    assert (last["event"], last["count"]) == ("log_lines_lost", 2_000 - len(told))
    assert journal.notices() == ()
    os.close(read_end)
    os.close(write_end)


def test_lines_of_many_threads_do_not_mix():
    read_end, write_end = os.pipe()
    journal = Journal(lambda: NOON, LineForm.JSON, Level.INFO, write_end)
    threads = [threading.Thread(target=lambda: [journal(LogEvent.AGENT_STARTED, "x" * 6_000) for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    found = b""
    for thread in threads:
        thread.join()
    while piece := drain(read_end):
        found += piece
        journal.flush()
    assert len([json.loads(one) for one in found.splitlines()]) == 80
    os.close(read_end)
    os.close(write_end)


# The journal.


@pytest.fixture
def journald(tmp_path: Path) -> Iterator[Journald]:
    with closing(Journald(tmp_path / "socket")) as made:
        yield made


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_entries_go_to_journald_and_to_the_standard_error_while_it_is_gone(tmp_path: Path, journald: Journald) -> None:
    with (tmp_path / "stderr").open("wb") as stderr:
        journal = Journal(lambda: NOON, LineForm.TEXT, Level.INFO, stderr.fileno(), socket=JournalSocket(journald.address))
        journal(LogEvent.AGENT_STARTED, "one")
        assert [entry["MESSAGE"] for entry in journald.entries()] == ["one"]
        journald.close()
        journal(LogEvent.AGENT_STARTED, "two")
        assert [problem.code for problem in journal.notices()] == ["TS395"]
        with closing(Journald(Path(journald.address))) as again:
            journal(LogEvent.AGENT_STARTED, "three")
            assert [entry["MESSAGE"] for entry in again.entries()] == ["three"]
        assert journal.notices() == ()
        journal.close()
    assert [one.rpartition("sentence=")[2] for one in lines_of(tmp_path / "stderr")] == ['"two"']


def test_a_burst_that_journald_does_not_take_at_once_comes_in_order_and_whole(tmp_path: Path, journald: Journald) -> None:
    with (tmp_path / "stderr").open("wb") as stderr:
        journal = Journal(lambda: NOON, LineForm.TEXT, Level.INFO, stderr.fileno(), socket=JournalSocket(journald.address))
        for number in range(1_000):
            journal(LogEvent.AGENT_STARTED, "up", runs=number)
        found: list[str] = []
        while entries := journald.entries():
            found += [entry["TORCHSYNC_RUNS"] for entry in entries]
            journal.flush()
        assert found == [str(number) for number in range(1_000)]
        journal.close()
    assert lines_of(tmp_path / "stderr") == []


def test_when_too_much_waits_for_journald_the_standard_error_has_the_rest(tmp_path: Path, journald: Journald) -> None:
    with (tmp_path / "stderr").open("wb") as stderr:
        journal = Journal(
            lambda: NOON, LineForm.JSON, Level.INFO, stderr.fileno(), socket=JournalSocket(journald.address), most_waiting=100
        )
        for number in range(1_000):
            journal(LogEvent.AGENT_STARTED, "up", runs=number)
        rest = [json.loads(one)["runs"] for one in lines_of(tmp_path / "stderr")]
        assert rest[-1] == 999
        assert journal.notices() == ()
        journal.close()


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


@pytest.mark.parametrize(("is_stream", "start"), [(True, "<6>agent_started"), (False, "2026-11-23T12:00:00.000Z info agent_started")])
def test_where_there_is_no_journald_its_lines_are_such_as_the_standard_error_takes(tmp_path, is_stream, start, monkeypatch):
    monkeypatch.setattr("torchsync.adapters.journalsocket.ADDRESS", str(tmp_path / "nobody"))
    with (tmp_path / "stderr").open("w") as stream:
        found = os.fstat(stream.fileno())
        environment = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"} if is_stream else {}
        journal = open_journal(lambda: NOON, Format.JOURNALD, environment, descriptor=stream.fileno())
        journal(LogEvent.AGENT_STARTED, "up")
        journal.close()
    assert lines_of(tmp_path / "stderr")[0].startswith(start)


def test_every_event_has_a_name_of_its_own_and_a_meaning():
    assert len({event.label for event in LogEvent}) == len({event.meaning for event in LogEvent}) == len(LogEvent)
