"""What the nouns of `core/model.py` are made of: times, names and ids, places, waits, and how a command ended. Pure.

Time is counted in whole milliseconds: an `Instant` since the Unix epoch in UTC, a `Millis` for a duration or a monotonic reading. Whole
numbers compare exactly, survive JSON and SQLite unchanged, and cannot carry a wrong zone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NewType

from torchsync.core.usage import UNKNOWN, Usage

Instant = NewType("Instant", int)
"""Milliseconds since 1970-01-01T00:00:00Z."""
Millis = NewType("Millis", int)
"""A length of time, or a reading of a monotonic clock, in milliseconds."""

TaskName = NewType("TaskName", str)
Revision = NewType("Revision", str)
"""A full commit id: 40 or 64 hexadecimal digits."""
TreeId = NewType("TreeId", str)
"""The object id of the tree at `repository.path`."""
Fingerprint = NewType("Fingerprint", str)
"""SHA-256 of a task's definition after defaults and of its inputs, in hexadecimal digits."""
RunId = NewType("RunId", str)
"""Sorts by admission time: 12 hexadecimal digits of the instant in milliseconds, `-`, 8 random ones."""
AttemptId = NewType("AttemptId", str)
"""What an executor, its events and its files know one attempt by: that of a first attempt is the run id. A later one has `.` and its number
behind it, and another `.` and a number when it is started again because it never began.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorship:
    """Who wrote a commit, by the name in it, and when it was made, by the clock of who made it: both as the commit claims."""

    author: str
    committed_at: Instant


def attempt_id(run: RunId, attempt: int, again: int = 0) -> AttemptId:
    """The id of the attempt with this number, which was started `again` times after the first."""
    number = f".{attempt}" if attempt > 1 else ""
    return AttemptId(f"{run}{number}{f'.{again}' if again else ''}")


def run_of(attempt: AttemptId) -> RunId:
    """The run of which it is an attempt."""
    return RunId(attempt.partition(".")[0])


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a file of the repository; line and column count from 1."""

    path: str
    line: int
    column: int


class Severity(Enum):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Conduct(Enum):
    """What running copies do when their task changes or goes."""

    FINISH = "finish"
    STOP = "stop"


def usual_conduct(*, is_daemon: bool) -> Conduct:
    """What copies do at a change or removal when their task does not say."""
    return Conduct.STOP if is_daemon else Conduct.FINISH


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """A run has up to `attempts` attempts, the first one included. The second comes `delay` after the end of the first; each further delay is
    `backoff` times the one before, and `max_delay` at most.
    """

    attempts: int
    delay: Millis = Millis(10_000)
    backoff: float = 2.0
    max_delay: Millis = Millis(300_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Something is to happen at `until`. In the boot `boot_id` that is when the monotonic clock shows `mono`, whatever the wall clock does."""

    until: Instant
    mono: Millis
    boot_id: str


# How an executor saw a run end.


@dataclass(frozen=True, slots=True, kw_only=True)
class Exited:
    """The command ran and ended with `status` (0 to 255, 128+n for a signal) after `duration`. `note` is what else there is to say, in a sentence."""

    status: int
    started_at: Instant
    duration: Millis
    usage: Usage = UNKNOWN
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotBegun:
    """The command is known not to have begun; `why` is a sentence."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Vanished:
    """The run is over and nobody knows how; `why` is a sentence."""

    why: str
    started_at: Instant | None = None


Ending = Exited | NotBegun | Vanished
