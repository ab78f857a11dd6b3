"""Lines as rsyslog 8.2302, journalctl 252 and cron 3.0pl1 of Debian 12 write them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchsync.core.foreign.syslogline import WallTime, read_export, read_json, read_line
from torchsync.core.instants import parse_rfc3339

AT = parse_rfc3339("2026-11-26T16:15:15Z")
TEXT = "(root) CMD (echo boot >/dev/null)"


@pytest.mark.parametrize(
    "line",
    [
        f"2026-11-26T17:15:15.916013+01:00 web-1 CRON[6970]: {TEXT}",
        f"2026-11-26T17:15:15+0100 web-1 CRON[6970]: {TEXT}",
        f"2026-11-26T16:15:15Z web-1 CRON[6970]: {TEXT}",
        f"<78>2026-11-26T17:15:15.916013+01:00 web-1 CRON[6970]: {TEXT}",
        f"<78>1 2026-11-26T17:15:15.916013+01:00 web-1 CRON 6970 - -  {TEXT}",
        f'<78>1 2026-11-26T16:15:15Z web-1 CRON 6970 ID47 [exampleSDID@32473 iut="3\\]"][x@1 a="b"] {TEXT}',
        f"2026-11-26T11:45:15-04:30 web-1 CRON[6970]: {TEXT}",
    ],
)
def test_a_line_with_its_date_is_read(line):
    message = read_line(line)
    assert message is not None
    assert (message.at, message.host, message.tag, message.pid, message.text) == (AT, "web-1", "CRON", 6970, TEXT)


@pytest.mark.parametrize("line", [f"Nov 26 17:15:15 web-1 CRON[6970]: {TEXT}", f"<78>Nov 26 17:15:15 web-1 CRON[6970]: {TEXT}"])
def test_a_traditional_line_tells_no_year(line):
    message = read_line(line)
    assert message is not None
    assert (message.at, message.host, message.text) == (WallTime(11, 26, 17 * 3600 + 15 * 60 + 15), "web-1", TEXT)


def test_a_tag_needs_no_process_and_may_be_a_path():
    message = read_line("Feb  9 03:00:00 web-1 /usr/sbin/cron: x")
    assert message is not None
    assert (message.at, message.tag, message.pid) == (WallTime(2, 9, 10_800), "/usr/sbin/cron", 0)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "-- Boot 5f0d8c1e --",
        "\x1f\x8b\x08",
        "Feb 30 03:00:00 web-1 cron: x",
        "Foo 26 03:00:00 web-1 cron: x",
        "Nov 26 24:00:00 web-1 cron: x",
        "2026-13-26T17:15:15+01:00 web-1 cron: x",
        "Nov 26 17:15:15 web-1",
    ],
)
def test_what_is_no_message_is_none(line):
    assert read_line(line) is None


def journal(**changes) -> dict[str, object]:
    fields = {
        "__REALTIME_TIMESTAMP": str(AT * 1000 + 916_013),
        "_HOSTNAME": "web-1",
        "SYSLOG_IDENTIFIER": "CRON",
        "_PID": "6970",
        "MESSAGE": TEXT,
    }
    return fields | changes


@pytest.mark.parametrize("message", [TEXT, list(TEXT.encode()), [TEXT, "another"]])
def test_an_entry_of_the_journal_is_read_also_when_its_text_is_told_in_bytes(message):
    found = read_json(json.dumps(journal(MESSAGE=message)))
    assert found is not None
    assert (found.at, found.host, found.tag, found.pid, found.text) == (AT, "web-1", "CRON", 6970, TEXT)


@pytest.mark.parametrize("line", ["{", "[]", "{}", json.dumps(journal(MESSAGE=None)), json.dumps(journal(__REALTIME_TIMESTAMP="x"))])
def test_what_is_no_entry_of_the_journal_is_none(line):
    assert read_json(line) is None


def test_an_export_of_the_journal_is_read_with_binary_fields_and_without_its_cut_off_end():
    binary = b"(root) CMD (a\nb)"
    entry = "".join(f"{name}={value}\n" for name, value in journal().items() if name != "MESSAGE").encode()
    first = b"__CURSOR=s=1\n" + entry + b"MESSAGE\n" + len(binary).to_bytes(8, "little") + binary + b"\n\n"
    found = list(read_export(first + entry + f"MESSAGE={TEXT}\n\n".encode() + entry[:40]))
    assert [message and message.text for message in found] == ["(root) CMD (a\nb)", TEXT, None]


@given(st.text())
def test_nothing_that_stands_in_a_log_is_an_error(text):
    read_line(text)
    read_json(text)
    list(read_export(text.encode("utf-8", "surrogatepass")))
