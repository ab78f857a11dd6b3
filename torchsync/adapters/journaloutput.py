"""What runs wrote, in the journal: one entry an attempt, once it is over, under an identifier of its own.

Theory of operation. The loop only puts a name into a queue; a thread reads the end of the output and sends it, since a disk or a journal may be slow.
One entry of many lines, not one a line: the outputs of runs at the same time do not mix, and journald, which limits the entries of a unit and
not their length, drops nothing else for it. An output that cannot be sent is let go; its file has it all.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable

from torchsync.adapters.journal import Journal
from torchsync.adapters.journalsocket import IDENTIFIER, Fate, JournalSocket, serialised
from torchsync.adapters.journaltext import escaped
from torchsync.core.logevents import FIELDS, Level, LogEvent
from torchsync.core.model import RunId
from torchsync.core.redaction import redacted
from torchsync.core.runoutput import EndedAttempt

MOST_OUTPUT = 64 * 1024
"""Bytes, the newest ones."""
MOST_QUEUED = 2_000
_PATIENCE, _BETWEEN_TRIES, _LAST_WAIT = 5.0, 0.05, 0.5


class OutputSender:
    """`read` gives the newest bytes that an attempt wrote, at most so many; it is called by the thread. Without a socket nothing is sent."""

    def __init__(self, journal: Journal, read: Callable[[RunId, int, int], bytes], socket: JournalSocket | None) -> None:
        self._journal = journal
        self._read = read
        self._socket = socket
        self._queue: queue.Queue[EndedAttempt | None] = queue.Queue(MOST_QUEUED)
        self._thread: threading.Thread | None = None
        self._lost = 0

    def __call__(self, attempt: EndedAttempt) -> None:
        """The output of the attempt will be sent, when it has any and lines about its end are logged."""
        if self._socket is None or level_of(attempt).value > self._journal.least.value:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="output", daemon=True)
            self._thread.start()
        try:
            self._queue.put_nowait(attempt)
        except queue.Full:
            self._lost += 1

    def is_idle(self) -> bool:
        """There is nothing left to send."""
        return self._queue.unfinished_tasks == 0

    def close(self) -> None:
        """What was to be sent has been, as far as that took no more than a moment."""
        if self._thread is not None:
            with contextlib.suppress(queue.Full):
                self._queue.put(None, timeout=_LAST_WAIT)
                self._thread.join(_LAST_WAIT)
        if self._socket is not None and not (self._thread and self._thread.is_alive()):
            self._socket.close()

    def _work(self) -> None:
        while (attempt := self._queue.get()) is not None:
            with contextlib.suppress(OSError):
                self._forward(attempt)
            self._queue.task_done()

    def _forward(self, attempt: EndedAttempt) -> None:
        output = self._read(attempt.run.id, attempt.over.number, MOST_OUTPUT)
        if output.strip():
            self._deliver(content_of_output(attempt, output))

    def _deliver(self, content: bytes) -> None:
        if not self._is_taken(content):
            self._lost += 1
        elif self._lost:
            lost, self._lost = self._lost, 0
            sentence = f"what {lost} attempts wrote did not get into the journal, which did not take it; `torchsync logs` shows it"
            self._journal(LogEvent.OUTPUT_NOT_SENT, sentence, count=lost, code="TS395")

    def _is_taken(self, content: bytes) -> bool:
        deadline = time.monotonic() + _PATIENCE
        while self._socket is not None:
            fate = self._socket.send(content)
            if fate is not Fate.FULL or time.monotonic() > deadline:
                return fate is Fate.TAKEN
            time.sleep(_BETWEEN_TRIES)
        return False


def open_outputs(journal: Journal, read: Callable[[RunId, int, int], bytes]) -> OutputSender:
    """What runs write gets to where the log is, when that is journald."""
    return OutputSender(journal, read, JournalSocket() if journal.is_native else None)


def content_of_output(attempt: EndedAttempt, output: bytes) -> bytes:
    """The output as an entry: the text as its message, with everything escaped but line ends and tabs, and without what looks like a secret."""
    text = redacted(output.decode("utf-8", "backslashreplace").replace("\r\n", "\n")).strip("\n")
    fields = {FIELDS[name].journal: str(value) for name, value in attempt.fields.items() if value is not None}
    return serialised(
        [
            ("MESSAGE", escaped(text, kept="\n\t")),
            ("PRIORITY", str(level_of(attempt).value)),
            ("SYSLOG_IDENTIFIER", f"{IDENTIFIER}/{attempt.run.task.name}"),
            ("MESSAGE_ID", LogEvent.RUN_OUTPUT.message_id),
            ("TORCHSYNC_EVENT", LogEvent.RUN_OUTPUT.label),
            *fields.items(),
        ]
    )


def level_of(attempt: EndedAttempt) -> Level:
    """As of the line about its end."""
    return Level.WARNING if attempt.is_failure else Level.INFO
