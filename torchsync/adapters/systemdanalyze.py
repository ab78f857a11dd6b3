"""A second opinion on calendar events from `systemd-analyze calendar` (systemd-analyze(1)), where it is installed.

It is the real source system: where it and the model of `core/foreign/oncalendar.py` differ, its answer is what the tasks are compared with.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo

from torchsync.core.foreign.job import ForeignJob, Origin, Reading, Remark, RemarkKind
from torchsync.core.foreign.oncalendar import parse_calendar
from torchsync.core.foreign.unittimer import CalendarClock
from torchsync.core.localtime import zone_named
from torchsync.core.values import Instant

PROGRAM = "systemd-analyze"
_ASKED = 1_000
_MOST_STARTS = 100
"""About 40 ms each: beyond, the model alone is asked."""
_TIMEOUT = 10.0
_LINE = re.compile(r"\s*(Next elapse|Iter\. #[0-9]+|\(in UTC\)): [A-Z][a-z]{2} ([0-9-]{10} [0-9:]{8})(?:\.[0-9]+)? \S+")


_Question = tuple[tuple[str, ...], str]
"""The lines of a timer, and the zone."""
_Answers = Mapping[_Question, tuple[Instant, ...]]


@dataclass(frozen=True, slots=True)
class ToldClock:
    """The moments that systemd-analyze told, of one zone."""

    told: tuple[Instant, ...]

    def instants(self, zone: ZoneInfo, after: Instant) -> Iterator[Instant]:
        del zone
        return (instant for instant in self.told if instant > after)


def told_instants(text: str, zone: str, after: Instant, count: int = _ASKED) -> tuple[Instant, ...] | None:
    """The next moments of a calendar event on a host in `zone`, whole seconds, ascending; None when the program refuses it, or cannot be had."""
    argv = [PROGRAM, "calendar", f"--iterations={count}", f"--base-time=@{after // 1_000}", "--", text]
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "TZ": zone, "LC_ALL": "C"}
    try:
        asked = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=_TIMEOUT, check=False, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if asked.returncode else tuple(_moments(asked.stdout))


def second_opinion(reading: Reading, zones: Mapping[str, str], after: Instant) -> Reading:
    """The same jobs; where systemd-analyze has other moments than the model, it is what they are compared with. `zones` are those of the hosts."""
    timed = [job for job in reading.jobs if isinstance(job.clock, CalendarClock)]
    if not timed:
        return reading
    if shutil.which(PROGRAM) is None:
        message = f"{PROGRAM} is not installed here, so calendar events were judged by torchsync's own model of them"
        return _with_remark(reading, timed[0], RemarkKind.KEPT, message)
    questions = {(_texts(job), job.zone or zones.get(job.origin.host) or "UTC") for job in timed}
    answers = {question: answer for question in _first(sorted(questions)) if (answer := _answer(*question, after)) is not None}
    differing = {question: answer for question, answer in answers.items() if answer != _modelled(*question, after)}
    jobs = tuple(_held_against(job, zones, differing) for job in reading.jobs)
    message = f"{PROGRAM} told of {len(answers)} of {len(questions)} calendar events: {len(answers) - len(differing)} are as modelled"
    message += f"; the other {len(differing)} are compared with its own answer" if differing else ""
    return _with_remark(replace(reading, jobs=jobs), timed[0], RemarkKind.CHANGED if differing else RemarkKind.KEPT, message)


def _first(questions: Sequence[_Question]) -> Iterator[_Question]:
    """Those for which the program is started no more often than that in all."""
    starts = 0
    for question in questions:
        starts += len(question[0])
        if starts <= _MOST_STARTS:
            yield question


def _moments(output: str) -> Iterator[Instant]:
    """One of each pair of lines: that in UTC, which only follows where the zone is another."""
    pending: Instant | None = None
    for line in output.splitlines():
        found = _LINE.match(line)
        if found is None:
            continue
        when = datetime.fromisoformat(found[2]).replace(tzinfo=UTC)
        if pending is not None and found[1] != "(in UTC)":
            yield pending
        pending = Instant(int(when.timestamp()) * 1_000)
    if pending is not None:
        yield pending


def _texts(job: ForeignJob) -> tuple[str, ...]:
    """The lines of the timer that the job stands for, without those that count in fractions of seconds, of which the model has the whole ones."""
    events = job.clock.events if isinstance(job.clock, CalendarClock) else ()
    return tuple(text for event in events if not event.has_fractions for text in event.text.split("; "))


def _answer(texts: tuple[str, ...], zone: str, after: Instant) -> tuple[Instant, ...] | None:
    """The next moments of all these lines by systemd-analyze; None where it tells nothing of one of them."""
    told = [told_instants(text, zone, after) for text in texts]
    if not told or None in told:
        return None
    return tuple(sorted({instant for instants in told for instant in instants or ()}))[:_ASKED]


def _modelled(texts: tuple[str, ...], zone: str, after: Instant) -> tuple[Instant, ...]:
    clock = CalendarClock(tuple(parse_calendar(text) for text in texts))
    return tuple(islice(clock.instants(zone_named(zone), after), _ASKED))


def _held_against(job: ForeignJob, zones: Mapping[str, str], differing: _Answers) -> ForeignJob:
    told = differing.get((_texts(job), job.zone or zones.get(job.origin.host) or "UTC"))
    return job if told is None else replace(job, clock=ToldClock(told))


def _with_remark(reading: Reading, job: ForeignJob, kind: RemarkKind, message: str) -> Reading:
    told = (Origin(host=job.origin.host, path=job.origin.path), Remark(kind, message))
    return replace(reading, remarks=(*reading.remarks, told))
