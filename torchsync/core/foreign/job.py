"""What another scheduler says of its jobs, in the words of torchsync. Pure.

A reader of one source system (crontab, Gotorch, systemd) turns files into `ForeignJob`s; from there on all source systems are treated alike:
equal jobs of several hosts become one task (`core/foreign/merge.py`), the task file is written (`core/foreign/text.py`), and each task is held
against the source system's own idea of when (`core/foreign/check.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol
from zoneinfo import ZoneInfo

from torchsync.core.jsontext import Json
from torchsync.core.model import Instant
from torchsync.errors import Problem

NOT_THERE = "TS353"
NOT_UNDERSTOOD, NOT_TRANSLATED, UNREADABLE, NOTHING, NOT_VALID, IN_THE_WAY = "TS170", "TS171", "TS172", "TS173", "TS174", "TS175"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file of another scheduler. `path` is how the user knows it; `inner` is where it lies on its host, such as `etc/crontab`, and is empty
    where that is not known. `link` is what it names where it is a symbolic link. `fault` says why it could not be read, and is empty otherwise.
    """

    path: str
    content: bytes
    inner: str = ""
    is_executable: bool = False
    link: str = ""
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceHost:
    """The files of one host. `name` is empty when it was not said; `zone` is its IANA zone, empty when it is not known."""

    name: str = ""
    zone: str = ""
    files: tuple[SourceFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Origin:
    """Where a job stands: the host (empty: not said), the file as the user knows it, and the line from 1 (0: the file as a whole)."""

    host: str = ""
    path: str = ""
    line: int = 0

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path


class RemarkKind(Enum):
    """What became of something that the source says."""

    KEPT = "kept"
    """It means the same, in other words."""
    CHANGED = "changed"
    """It means something a little different, or wants a look."""
    LOST = "lost"
    """The task does without it."""


@dataclass(frozen=True, slots=True)
class Remark:
    """One sentence without a full stop on what was found and what became of it; `hint` says what to do, and may be empty."""

    kind: RemarkKind
    message: str
    hint: str = ""


class SourceClock(Protocol):
    """When the source system starts a job, by a model of that system: a frozen value, so that equal schedules are judged once."""

    def instants(self, zone: ZoneInfo, after: Instant) -> Iterator[Instant]:
        """The starts later than `after`, in order, on a host in that zone. An instant stands twice when the job is started twice."""
        ...

    def __hash__(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignJob:
    """A job of another scheduler as a task.

    `fields` are those of a task file, in its words, without `timezone` (and without `hosts`, unless the source itself says for which hosts a job is).
    `name` is a proposal in free text. `zone` is set when the job itself names its zone; else that of the host holds. `clock` is None for what
    has no instants: a daemon, `@startup`, or what is drawn by lot, which `uncompared` then says in words.
    """

    origin: Origin
    name: str
    fields: Mapping[str, Json]
    zone: str = ""
    clock: SourceClock | None = None
    uncompared: str = ""
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """All that was found in the files: jobs, what could not become one, and remarks on files as a whole."""

    jobs: tuple[ForeignJob, ...] = ()
    problems: tuple[Problem, ...] = ()
    remarks: tuple[tuple[Origin, Remark], ...] = ()
    zones: Mapping[str, str] = field(default_factory=dict)
    """The zones of the hosts, by name, where they are known."""


Found = ForeignJob | Problem | tuple[Origin, Remark]
"""What a reader of one source comes upon, one after the other."""


def reading_of(found: Iterable[Found]) -> Reading:
    """All of it, each kind in its order."""
    kinds = list(found)
    return Reading(
        jobs=tuple(one for one in kinds if isinstance(one, ForeignJob)),
        problems=tuple(one for one in kinds if isinstance(one, Problem)),
        remarks=tuple(one for one in kinds if isinstance(one, tuple)),
    )
