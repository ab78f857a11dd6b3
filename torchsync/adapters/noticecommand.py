"""Runs the command of a notice: for so long at most, with all that it started, and with no more kept of what it writes than its end."""

from __future__ import annotations

import os
import selectors
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from torchsync.adapters.child import kill_session
from torchsync.core.errand import OUTPUT, Call
from torchsync.core.startscript import LANG, PATH

_KEPT = 4096
_PIECE = 65536
_REACHED = "reached\n"
_TO_START = ("/bin/sh", "-c", f'echo reached >&2; exec "$@" 4>&2 2>&1 3>/dev/null {OUTPUT}<"$0"')
"""The shell that becomes the command reports on descriptor 4 (`core/startscript.py`): here the standard error of this one. The word behind it is
the file that the command may read, although it could not open it.
"""


_PATIENCE = 1.0
"""For systemd to take an order. What it does not hear ends by itself, with the time of the command."""
_AS_UNIT = (
    *("systemd-run", "--quiet", "--wait", "--pipe", "--collect", "--service-type=exec", "--slice=torchsync.slice"),
    *("--property=TasksMax=infinity", "--property=TimeoutStopSec=1s"),
)


@dataclass(frozen=True, slots=True)
class CommandEnd:
    """`status` is None when the time was over, 128+n for a signal. `report` is what the starting shell said, `output` the end of what the command
    wrote. `is_reached` is False when it never came to that shell, and `report` is what systemd-run(1) said.
    """

    status: int | None
    report: str
    output: str
    is_reached: bool


class NoticeCommand:
    """One command under way, for `seconds` at most. `kill` may be called from another thread."""

    def __init__(self, call: Call, seconds: float) -> None:
        self._unit = call.unit
        self._seconds = seconds
        source = os.memfd_create("start", os.MFD_CLOEXEC)
        os.write(source, call.script.encode("utf-8", "surrogateescape"))
        os.lseek(source, 0, os.SEEK_SET)
        words = (*_TO_START, call.output if Path(call.output).is_file() else os.devnull, *call.argv)
        environment: Mapping[str, str] = {"PATH": PATH, "LANG": LANG}
        try:
            self._process = subprocess.Popen(
                _as_unit(words, self._unit, seconds) if self._unit else words,
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                cwd="/",
                start_new_session=True,
            )
        finally:
            os.close(source)

    def wait(self) -> CommandEnd:
        """How it ended; nothing that it started lives any more."""
        output, report = bytearray(), bytearray()
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        kept = {self._process.stdout.fileno(): output, self._process.stderr.fileno(): report}
        is_over = self._read_until_end(kept, time.monotonic() + self._seconds)
        self.kill()
        self._process.wait()
        for descriptor, buffer in kept.items():
            _read_some(descriptor, buffer)
        code = self._process.returncode
        status = None if not is_over else code if code >= 0 else 128 - code
        said = report.decode("utf-8", "replace")
        return CommandEnd(status, said.removeprefix(_REACHED), output.decode("utf-8", "replace"), said.startswith(_REACHED))

    def kill(self) -> None:
        """Nothing that it started lives."""
        if self._unit:
            kill_units([self._unit])
        kill_session(self._process.pid)

    def _read_until_end(self, kept: Mapping[int, bytearray], deadline: float) -> bool:
        """Whether the process has ended by itself before the deadline; what it wrote until then was taken."""
        pidfd = os.pidfd_open(self._process.pid)
        try:
            with selectors.DefaultSelector() as selector:
                for descriptor in (*kept, pidfd):
                    os.set_blocking(descriptor, False)
                    selector.register(descriptor, selectors.EVENT_READ)
                while (left := deadline - time.monotonic()) > 0:
                    ready = [key.fd for key, _ in selector.select(left)]
                    for descriptor in ready:
                        if descriptor in kept and not _read_some(descriptor, kept[descriptor]):
                            selector.unregister(descriptor)
                    if pidfd in ready:
                        return True
        finally:
            os.close(pidfd)
        return False


def kill_units(units: Sequence[str]) -> None:
    """Nothing of these services lives, if systemd is in a state to see to it."""
    words = ("systemctl", "kill", "--signal=KILL", *units)
    with suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, check=False)


def _as_unit(words: Iterable[str], unit: str, seconds: float) -> tuple[str, ...]:
    """As a service, which outlives neither its time nor what started it for longer; systemd takes `$$` in a word for `$` (systemd.service(5))."""
    bounds = (f"--unit={unit}", f"--property=RuntimeMaxSec={seconds + 1:.0f}s")
    return (*_AS_UNIT, *bounds, "--", *(word.replace("$", "$$") for word in words))


def _read_some(descriptor: int, kept: bytearray) -> bool:
    """What can be read now is taken, its end is kept; whether there may be more to come."""
    try:
        piece = os.read(descriptor, _PIECE)
    except BlockingIOError:
        return True
    kept += piece
    del kept[:-_KEPT]
    return bool(piece)
