"""The log of the agent: to journald by its own protocol, or as lines on a descriptor.

Theory of operation. Nothing here waits, since the loop logs. What is not taken at once waits in memory, in order, and is offered again with the next
line and in each turn of the loop. When journald is gone, lines go to the descriptor. When too much waits, new lines go there too, and what nobody
takes is lost: how much is told as soon as somebody takes it.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
from collections import deque
from collections.abc import Callable, Mapping
from enum import Enum

from torchsync.adapters.journallines import LineWriter
from torchsync.adapters.journalsocket import Fate, JournalSocket, content_of
from torchsync.adapters.journaltext import Entry, LineForm, entry_of, line_of
from torchsync.core.logevents import Level, LogEvent
from torchsync.core.model import Instant
from torchsync.errors import Problem

MOST_WAITING = 10_000
"""Lines: some megabytes, and more than a burst of fires makes."""
_LAST_TRIES, _BETWEEN_TRIES_MS = 10, 20


class Format(Enum):
    """The values of `log.format` of agent.yaml."""

    AUTO = "auto"
    TEXT = "text"
    JSON = "json"
    JOURNALD = "journald"


class Journal:
    """The `Log` of the ports. May be called from any thread. `least` is the least level that is logged, and may be changed.

    With a `socket` entries go to journald and lines to the descriptor only while that cannot be.
    """

    def __init__(
        self,
        now: Callable[[], Instant],
        form: LineForm,
        least: Level = Level.INFO,
        descriptor: int = 2,
        *,
        socket: JournalSocket | None = None,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self._now = now
        self._form = form
        self.least = least
        self._lines = LineWriter(descriptor)
        self._socket = socket
        self._most_waiting = most_waiting
        self._waiting: deque[Entry] = deque()
        self._lost = 0
        self._is_gone = False
        self._turn = threading.Lock()

    @property
    def is_native(self) -> bool:
        """Entries go to journald by its own protocol, as long as it is there."""
        return self._socket is not None

    def __call__(self, event: LogEvent, message: str, /, **fields: object) -> None:
        """The event is logged, or waits to be; an agent whose log cannot be written goes on."""
        if event.level.value > self.least.value:
            return
        entry = entry_of(self._now(), event, message, fields)
        with self._turn:
            if len(self._waiting) < self._most_waiting:
                self._waiting.append(entry)
            elif self._socket is None or self._write(entry) is not Fate.TAKEN:
                self._lost += 1
            self._flush()

    def flush(self) -> None:
        """What waits has been offered again."""
        with self._turn:
            self._flush()

    def notices(self) -> tuple[Problem, ...]:
        """What is wrong with the log just now."""
        if self._lost:
            return (Problem(code="TS395", message=f"nobody takes the lines of the log: {self._lost} are lost, {len(self._waiting)} wait"),)
        if self._is_gone:
            return (Problem(code="TS395", message="journald does not answer on its socket: the log goes to the standard error"),)
        return ()

    def close(self) -> None:
        """What waits has been offered for the last time; for a moment somebody may make room for it."""
        for _ in range(_LAST_TRIES):
            self.flush()
            if not self._waiting:
                break
            select.poll().poll(_BETWEEN_TRIES_MS)
        if self._socket:
            self._socket.close()

    def _flush(self) -> None:
        with contextlib.suppress(OSError):
            self._lines.finish()
        while self._waiting:
            fate = self._send(self._waiting[0])
            if fate is Fate.FULL:
                return
            self._waiting.popleft()
            self._lost += fate is Fate.GONE
        if self._lost:
            self._tell_lost()

    def _tell_lost(self) -> None:
        sentence = f"{self._lost} lines of the log are lost: nobody took them"
        entry = entry_of(self._now(), LogEvent.LOG_LINES_LOST, sentence, {"count": self._lost, "code": "TS395"})
        if self._send(entry) is Fate.TAKEN:
            self._lost = 0

    def _send(self, entry: Entry) -> Fate:
        if self._socket is None:
            return self._write(entry)
        fate = self._socket.send(content_of(entry))
        self._is_gone = fate is Fate.GONE
        return self._write(entry) if self._is_gone else fate

    def _write(self, entry: Entry) -> Fate:
        try:
            return Fate.TAKEN if self._lines.offer(line_of(self._form, entry).encode() + b"\n") else Fate.FULL
        except OSError:
            return Fate.GONE


def choose_format(wanted: Format, environment: Mapping[str, str], descriptor: int = 2) -> Format:
    """What `auto` means here: text on a terminal, journald when the descriptor is its stream (JOURNAL_STREAM, systemd.exec(5)), else JSON."""
    if wanted is not Format.AUTO:
        return wanted
    if os.isatty(descriptor):
        return Format.TEXT
    return Format.JOURNALD if _is_stream_of_journald(environment, descriptor) else Format.JSON


def open_journal(
    now: Callable[[], Instant], wanted: Format, environment: Mapping[str, str], least: Level = Level.INFO, descriptor: int = 2
) -> Journal:
    """The log as agent.yaml wants it. Lines that journald does not take are text, or what its stream takes."""
    form = choose_format(wanted, environment, descriptor)
    if form is not Format.JOURNALD:
        return Journal(now, LineForm(form.value), least, descriptor)
    lines = LineForm.MARKED if _is_stream_of_journald(environment, descriptor) else LineForm.TEXT
    return Journal(now, lines, least, descriptor, socket=JournalSocket())


def _is_stream_of_journald(environment: Mapping[str, str], descriptor: int) -> bool:
    found = os.fstat(descriptor)
    return environment.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"
