"""One message of a system log, in the forms in which Linux writes them. Pure.

- traditional, RFC 3164 section 4.1: `Nov 26 02:30:01 web-1 CRON[123]: text`, local time without a year;
- rsyslog's and `journalctl -o short-iso`'s: `2026-11-26T02:30:01+01:00 web-1 CRON[123]: text`;
- RFC 5424: `<78>1 2026-11-26T02:30:01.5+01:00 web-1 CRON 123 - - text`;
- `journalctl -o json` and `-o export` (systemd's "Journal Export Formats").
"""

from __future__ import annotations

import json
import re
from calendar import monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from torchsync.core.model import Instant

_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_LEAP_YEAR = 2000
_PRIORITY = r"(?:<\d{1,3}>)?"
_TAG = r"(?P<tag>[^\s:\[\]]+)(?:\[(?P<pid>\d+)\])?:"
_ISO = r"(?P<date>\d{4}-\d\d-\d\d)[T ](?P<time>\d\d:\d\d:\d\d)(?:[.,]\d+)?(?P<zone>Z|[+-]\d\d:?\d\d)"
_TRADITIONAL = re.compile(
    rf"{_PRIORITY}(?P<month>[A-Z][a-z]{{2}}) +(?P<day>\d\d?) (?P<time>\d\d:\d\d:\d\d)(?:\.\d+)? (?P<host>\S+) {_TAG} ?(?P<text>.*)",
    re.DOTALL,
)
_DATED = re.compile(rf"{_PRIORITY}{_ISO} (?P<host>\S+) {_TAG} ?(?P<text>.*)", re.DOTALL)
_RFC5424 = re.compile(
    rf"<\d{{1,3}}>1 {_ISO} (?P<host>\S+) (?P<tag>\S+) (?P<pid>\S+) \S+ (?:-|(?:\[(?:[^\]\\]|\\.)*\])+) ?(?P<text>.*)", re.DOTALL
)


@dataclass(frozen=True, slots=True, order=True)
class WallTime:
    """What a clock on the wall showed; nobody says in which year."""

    month: int
    day: int
    second: int
    """Of the day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """`at` is to the second. `pid` is 0 when it is not told."""

    at: Instant | WallTime
    host: str
    tag: str
    text: str
    pid: int = 0


def read_line(line: str) -> Message | None:
    """The message that the line is in one of the forms of a text file; None for anything else."""
    if match := _RFC5424.fullmatch(line) or _DATED.fullmatch(line):
        at = _instant(match)
        return _message(match, at) if at is not None else None
    match = _TRADITIONAL.fullmatch(line)
    wall = _wall(match) if match else None
    return _message(match, wall) if match and wall else None


def read_record(fields: Mapping[str, object]) -> Message | None:
    """The message that an entry of the journal is; None without a time or a text."""
    at, text = fields.get("__REALTIME_TIMESTAMP"), _text(fields.get("MESSAGE"))
    if not isinstance(at, str) or not at.isdigit() or text is None:
        return None
    tag = _text(fields.get("SYSLOG_IDENTIFIER")) or _text(fields.get("_COMM")) or ""
    pid = _text(fields.get("SYSLOG_PID")) or _text(fields.get("_PID")) or ""
    seconds = int(at) // 1_000_000
    return Message(at=Instant(seconds * 1000), host=_text(fields.get("_HOSTNAME")) or "", tag=tag, text=text, pid=_number(pid))


def read_json(line: str) -> Message | None:
    """The message in a line of `journalctl -o json`."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return read_record(fields) if isinstance(fields, dict) else None


def read_export(content: bytes) -> Iterator[Message | None]:
    """The messages in what `journalctl -o export` wrote; None for an entry that is none. What is cut off at the end is passed over."""
    fields: dict[str, object] = {}
    place = 0
    while place < len(content):
        end = content.find(b"\n", place)
        line = content[place : end if end >= 0 else len(content)]
        place += len(line) + 1
        name, equals, value = line.partition(b"=")
        if not line:
            yield from [read_record(fields)] if fields else []
            fields = {}
        elif equals:
            fields[_decoded(name)] = _decoded(value)
        else:
            length = int.from_bytes(content[place : place + 8], "little")
            fields[_decoded(name)] = _decoded(content[place + 8 : place + 8 + length])
            place += 8 + length + 1
    yield from [read_record(fields)] if fields else []


def _message(match: re.Match[str], at: Instant | WallTime) -> Message:
    return Message(at=at, host=match["host"], tag=match["tag"], text=match["text"].strip(" \n"), pid=_number(match["pid"] or ""))


def _instant(match: re.Match[str]) -> Instant | None:
    zone = match["zone"]
    hours, minutes = (0, 0) if zone == "Z" else (int(zone[1:3]), int(zone[-2:]))
    offset = timedelta(hours=hours, minutes=minutes)
    try:
        moment = datetime.fromisoformat(f"{match['date']}T{match['time']}").replace(tzinfo=timezone(-offset if zone[0] == "-" else offset))
    except ValueError:
        return None
    return Instant(int(moment.astimezone(UTC).timestamp()) * 1000)


def _wall(match: re.Match[str]) -> WallTime | None:
    hour, minute, second = (int(part) for part in match["time"].split(":"))
    day = int(match["day"])
    month = _MONTHS.index(match["month"]) + 1 if match["month"] in _MONTHS else 0
    if not month or not 1 <= day <= monthrange(_LEAP_YEAR, month)[1] or hour > 23 or minute > 59 or second > 60:
        return None
    return WallTime(month, day, min(86_399, hour * 3600 + minute * 60 + second))


def _text(value: object) -> str | None:
    """Of a field of the journal: a text, the first of several, or a list of bytes where it is no UTF-8."""
    if isinstance(value, list) and value and all(isinstance(one, int) and 0 <= one < 256 for one in value):
        return _decoded(bytes(value))
    first = value[0] if isinstance(value, list) and value else value
    return first if isinstance(first, str) else None


def _decoded(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 12 else 0
