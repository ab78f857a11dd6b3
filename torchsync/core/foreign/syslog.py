"""What cron told the system log that it started. Pure.

Where a file tells local times without a year, the order of its lines has to tell the rest. The year is found from the end of the file backwards: each
line was written before the one below it, and none after the file was. In the hour that a change of the clock repeats, a line is taken to be of the
first time round unless that would put it before the line above; the other possibility is kept beside it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from calendar import isleap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from torchsync.core.foreign.syslogline import Message, WallTime, read_export, read_json, read_line
from torchsync.core.model import Instant, Millis

_MINUTE = 60_000
_SLACK = timedelta(days=1)
_UNORDERED = 120_000
"""Lines of different senders may stand in the wrong order by so much."""

_STARTED = re.compile(r"\((?P<user>[^()\s]+)\) CMD \((?:\[\d+\] )?(?P<command>.*?)(?P<end>\)?)", re.DOTALL)
_JOB = re.compile(r"Job [`'](?P<job>[^']+)' started")
_REPEATED = re.compile(r"message repeated (?P<times>\d{1,6}) times: \[ ?(?P<text>.*)\]", re.DOTALL)
_CRONS = re.compile(r"(?:.*/)?(?:cron|crond)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """cron started a command. `at` is to the second; `other` is when it may have been as well. `place` is FILE:LINE.

    `command` is as cron writes it (`core/foreign/crontext.py`), or cut off when `is_cut`. A job of anacron has its id in `job` and no command.
    """

    at: Instant
    user: str
    command: str
    place: str
    other: Instant | None = None
    is_cut: bool = False
    job: str = ""
    pid: int = 0

    @property
    def minute(self) -> Instant:
        return Instant(self.at - self.at % _MINUTE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemLog:
    """What one or more files tell. `minutes` are those of which they have any line of the host, in order. `others` counts starts of other hosts, by
    name; `unread` counts lines that are no messages.
    """

    starts: tuple[Start, ...] = ()
    minutes: tuple[Instant, ...] = ()
    others: dict[str, int] = field(default_factory=dict)
    unread: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSource:
    """How files are to be read: whose starts are wanted, the zone of local times, and until when a file may have been written."""

    host: str
    zone: ZoneInfo
    until: Instant


def read_log(name: str, content: bytes, source: LogSource) -> SystemLog:
    """What the file tells, whichever of the forms of `core/foreign/syslogline.py` it has."""
    messages = list(_messages(content))
    dated = [(line, message) for line, message in messages if message is not None]
    times = resolved([message.at for _, message in dated], source)
    others: dict[str, int] = {}
    starts: list[Start] = []
    minutes: list[Instant] = []
    for (line, message), (at, other) in zip(dated, times, strict=True):
        found = list(_starts(message, at, other, f"{name}:{line}"))
        if not _is_host(message.host, source.host):
            others[message.host] = others.get(message.host, 0) + len(found)
            continue
        starts += found
        if not minutes or minutes[-1] != at - at % _MINUTE:
            minutes.append(Instant(at - at % _MINUTE))
    others = {host: count for host, count in others.items() if count}
    return SystemLog(starts=tuple(starts), minutes=tuple(minutes), others=others, unread=len(messages) - len(dated))


def merged(logs: Sequence[SystemLog]) -> SystemLog:
    """All of them as one, in order of time. What stands in several is taken once, if it tells the process."""
    starts: dict[tuple[object, ...], Start] = {}
    for number, log in enumerate(logs):
        for place, start in enumerate(log.starts):
            known = (start.at, start.user, start.command, start.pid) if start.pid else (number, place)
            starts.setdefault(known, start)
    others: dict[str, int] = {}
    for log in logs:
        for host, count in log.others.items():
            others[host] = others.get(host, 0) + count
    return SystemLog(
        starts=tuple(sorted(starts.values(), key=lambda start: start.at)),
        minutes=tuple(sorted({minute for log in logs for minute in log.minutes})),
        others=others,
        unread=sum(log.unread for log in logs),
    )


def resolved(times: Sequence[Instant | WallTime], source: LogSource) -> list[tuple[Instant, Instant | None]]:
    """When each of them was, in the order of a file, and when it may have been as well."""
    found: list[tuple[Instant, Instant | None]] = []
    before = Instant(0)
    for wall in _walls(times, source):
        at, other = _chosen(_images(wall, source.zone), before) if isinstance(wall, datetime) else (wall, None)
        before = max(before, at)
        found.append((at, other))
    return found


def _walls(times: Sequence[Instant | WallTime], source: LogSource) -> list[datetime | Instant]:
    """The local times with their years."""
    latest = datetime.fromtimestamp(source.until / 1000, source.zone).replace(tzinfo=None)
    walls: list[datetime | Instant] = []
    for time in reversed(times):
        if not isinstance(time, WallTime):
            walls.append(time)
            continue
        bound = latest + _SLACK
        year = bound.year
        while (wall := _wall(time, year)) is None or wall > bound:
            year -= 1
        latest = min(latest, wall)
        walls.append(wall)
    return walls[::-1]


def _wall(time: WallTime, year: int) -> datetime | None:
    """None for a 29th of February that the year has not."""
    if (time.month, time.day) == (2, 29) and not isleap(year):
        return None
    return datetime.fromordinal(date(year, time.month, time.day).toordinal()) + timedelta(seconds=time.second)


def _images(wall: datetime, zone: ZoneInfo) -> list[Instant]:
    """The moments at which the clock showed it: one, two, or for what it cannot have shown where it would have been."""
    moments = [wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
    shown = [moment for moment in moments if moment.astimezone(zone).replace(tzinfo=None, fold=0) == wall]
    return sorted({Instant(int(moment.timestamp()) * 1000) for moment in shown or moments[:1]})


def _chosen(images: Sequence[Instant], before: Instant) -> tuple[Instant, Instant | None]:
    if len(images) == 1:
        return images[0], None
    first, second = images
    return (first, second) if first >= before - _UNORDERED else (second, first)


def _messages(content: bytes) -> Iterator[tuple[int, Message | None]]:
    if content.startswith(b"__CURSOR="):
        yield from enumerate(read_export(content), start=1)
        return
    read = read_json if content.lstrip()[:1] == b"{" else read_line
    for number, line in enumerate(content.split(b"\n"), start=1):
        if text := line.strip():
            yield number, read(text.decode("utf-8", "surrogateescape"))


def _starts(message: Message, at: Instant, other: Instant | None, place: str) -> Iterator[Start]:
    if message.tag.lower().endswith("anacron"):
        if match := _JOB.search(message.text):
            yield Start(at=at, other=other, user="root", command="", job=match["job"], place=place, pid=message.pid)
        return
    if not _CRONS.fullmatch(message.tag):
        return
    repeated = _REPEATED.fullmatch(message.text)
    match = _STARTED.fullmatch(repeated["text"] if repeated else message.text)
    for _ in range(int(repeated["times"]) if repeated and match else 1):
        if match:
            yield Start(
                at=at,
                other=other,
                user=match["user"],
                command=match["command"],
                is_cut=not match["end"],
                place=place,
                pid=0 if repeated else message.pid,
            )


def _is_host(told: str, host: str) -> bool:
    """A log may tell the full name of a host or its first label."""
    told, host = told.lower(), host.lower()
    return told == host or told.partition(".")[0] == host.partition(".")[0]


def gap_around(minutes: Sequence[Instant], at: Instant, least: Millis) -> tuple[Instant, Instant] | None:
    """The last minute before `at` and the first after it of which there is a line, when they are at least so far apart; None otherwise."""
    place = bisect_right(minutes, at)
    if place in (0, len(minutes)):
        return None
    before, after = minutes[place - 1], minutes[place]
    return (before, after) if after - before >= least else None


def span(log: SystemLog) -> tuple[Instant, Instant] | None:
    """From the first line of the host to the last."""
    return (log.minutes[0], Instant(log.minutes[-1] + _MINUTE)) if log.minutes else None


def by_command(starts: Iterable[Start]) -> dict[tuple[str, str], list[Start]]:
    """The starts of each user and command, or job of anacron, in order."""
    found: dict[tuple[str, str], list[Start]] = {}
    for start in starts:
        found.setdefault((start.user, anacron_job(start.job) if start.job else start.command), []).append(start)
    return found


def anacron_job(job: str) -> str:
    """What stands for the command of a job of anacron."""
    return f"anacron {job}"
