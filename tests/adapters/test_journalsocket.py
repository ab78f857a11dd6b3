"""The protocol of journald, held against a stand-in; tests/systemd has the real one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import NOON
from tests.journald import Journald, parsed
from torchsync.adapters.journalsocket import Fate, JournalSocket, content_of, serialised
from torchsync.adapters.journaltext import entry_of
from torchsync.core.logevents import LogEvent


@pytest.fixture
def journald(tmp_path: Path) -> Iterator[Journald]:
    with closing(Journald(tmp_path / "socket")) as made:
        yield made


def test_an_entry_has_the_sentence_and_a_field_for_each_thing() -> None:
    fields = {"task": "backup", "run": "r1", "revision": "1234", "exit_status": 3, "trigger": None}
    assert parsed(content_of(entry_of(NOON, LogEvent.RUN_FAILED, "backup failed", fields))) == {
        "MESSAGE": "backup failed",
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "torchsync",
        "MESSAGE_ID": LogEvent.RUN_FAILED.message_id,
        "TORCHSYNC_EVENT": "run_failed",
        "TORCHSYNC_TASK": "backup",
        "TORCHSYNC_RUN_ID": "r1",
        "TORCHSYNC_COMMIT": "1234",
        "TORCHSYNC_EXIT_STATUS": "3",
    }


def test_only_the_line_ends_of_a_field_stay_what_they_are() -> None:
    said = parsed(content_of(entry_of(NOON, LogEvent.INTERNAL_ERROR, "a\nb\x1b[2J", {"traceback": "one\n\ttwo\x1b"})))
    assert (said["MESSAGE"], said["TORCHSYNC_TRACEBACK"]) == ("a\\nb\\u001b[2J", "one\n\ttwo\\u001b")


@given(st.dictionaries(st.from_regex(r"[A-Z][A-Z0-9_]{0,20}", fullmatch=True), st.text()))
def test_what_is_serialised_is_read_back(fields: dict[str, str]) -> None:
    encodable = {name: value.encode("utf-8", "backslashreplace").decode() for name, value in fields.items()}
    assert parsed(serialised(fields.items())) == encodable


def test_what_is_too_long_for_a_datagram_goes_as_a_sealed_file(journald: Journald) -> None:
    with closing(JournalSocket(journald.address)) as out:
        long = serialised([("MESSAGE", "line\n" * 400_000)])
        assert out.send(long) is Fate.TAKEN
        assert journald.contents() == [long]
        assert journald.files == 1


def test_one_that_does_not_keep_up_is_not_waited_for(journald: Journald) -> None:
    with closing(JournalSocket(journald.address)) as out:
        fates = [out.send(b"MESSAGE=x\n") for _ in range(5_000)]
        assert fates[-1] is Fate.FULL
        assert out.send(b"MESSAGE=" + b"x" * 1_000_000) is Fate.FULL
        assert len(journald.contents()) == fates.count(Fate.TAKEN)
        assert out.send(b"MESSAGE=x\n") is Fate.TAKEN


def test_one_that_is_gone_is_found_again_when_it_is_back(tmp_path: Path) -> None:
    with closing(JournalSocket(str(tmp_path / "socket"))) as out:
        assert out.send(b"MESSAGE=x\n") is Fate.GONE
        with closing(Journald(tmp_path / "socket")) as first:
            assert out.send(b"MESSAGE=x\n") is Fate.TAKEN
            assert len(first.contents()) == 1
        assert out.send(b"MESSAGE=x\n") is Fate.GONE
        with closing(Journald(tmp_path / "socket")):
            assert out.send(b"MESSAGE=x\n") is Fate.TAKEN
