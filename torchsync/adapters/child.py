"""A child process that the loop watches and never waits for: its output is bounded, its time is bounded, and all of it can be ended.

Theory of operation. The child leads a session of its own, in which everything it starts stays, in whatever process groups. Its output pipes,
its pidfd and the deadline are watched by the inbox, so the loop is called only when there is something to take. The end counts when the
process itself has ended: what it left behind with our pipes in hand cannot hold us up. Unless it ended well and nobody has our pipes any more,
the session is searched for survivors and they are killed before the leader is collected: until then the number of the session cannot mean
anything else (setsid(2), pidfd_open(2), waitid(2)).
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from torchsync.adapters.syscalls import Timer
from torchsync.core.model import Millis
from torchsync.ports import Wakeups

_STDERR_KEPT = 64 * 1024
_PIECE = 256 * 1024
_MOST_IN_PIPE = 4 * 1024 * 1024
_ROUNDS = 20
"""Searches for survivors that go on starting processes while they are being killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildOrder:
    """What to start. `stdin` is written to the child's standard input, which then stays open until the child is over; None gives /dev/null.

    A child that writes more than `most_output` bytes, or lives longer than `patience`, is killed.
    """

    argv: Sequence[str]
    environment: Mapping[str, str]
    patience: Millis
    most_output: int
    stdin: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildEnd:
    """How a child ended. `status` is negative for a signal; `stderr` is the beginning of what it said."""

    status: int
    stdout: bytes
    stderr: str
    timed_out: bool = False
    wrote_too_much: bool = False


class Child:
    """A child under way; `on_end` is called once in the loop's thread, unless it is cancelled before. Raises OSError when it cannot start."""

    def __init__(self, order: ChildOrder, wakeups: Wakeups, timer: Timer, on_end: Callable[[ChildEnd], None]) -> None:
        self._order = order
        self._wakeups = wakeups
        self._on_end = on_end
        self._stdout, self._stderr = bytearray(), bytearray()
        self._timed_out = self._wrote_too_much = self._is_over = False
        self._process = subprocess.Popen(
            order.argv,
            env=dict(order.environment),
            cwd="/",
            stdin=subprocess.DEVNULL if order.stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        self._writer = self._start_writing(order.stdin)
        self._pidfd = os.pidfd_open(self._process.pid)
        self._pipes = {_fileno(self._process.stdout): self._take_stdout, _fileno(self._process.stderr): self._take_stderr}
        for descriptor, take in self._pipes.items():
            os.set_blocking(descriptor, False)
            wakeups.watch(descriptor, self._taker(descriptor, take))
        wakeups.watch(self._pidfd, self._finish)
        self._forget_deadline = timer.after(order.patience, self._expire)

    @property
    def pid(self) -> int:
        """The process id, which is the number of its session too."""
        return self._process.pid

    def cancel(self) -> None:
        """Nothing of the child lives, and `on_end` is not called any more."""
        if not self._is_over:
            kill_session(self._process.pid)
            self._close()

    # What comes in.

    def _taker(self, descriptor: int, take: Callable[[bytes], None]) -> Callable[[], None]:
        def on_ready() -> None:
            piece = _read_some(descriptor)
            if piece:
                take(piece)
            elif piece is not None:
                self._drop(descriptor)

        return on_ready

    def _take_stdout(self, piece: bytes) -> None:
        if len(self._stdout) + len(piece) <= self._order.most_output:
            self._stdout += piece
        elif not self._wrote_too_much:
            self._wrote_too_much = True
            kill_session(self._process.pid)

    def _take_stderr(self, piece: bytes) -> None:
        self._stderr += piece[: _STDERR_KEPT - len(self._stderr)]

    def _drop(self, descriptor: int) -> None:
        """The other side has closed it."""
        del self._pipes[descriptor]
        self._wakeups.unwatch(descriptor)

    def _expire(self) -> None:
        """The deadline does not wait for a process that even a kill does not end, such as one that hangs in the kernel."""
        if not self._is_over:
            self._timed_out = True
            kill_session(self._process.pid)
            self._tell(-signal.SIGKILL)

    # The end.

    def _finish(self) -> None:
        """The process has ended: what it left behind is killed unless all was well, what is still in the pipes is taken."""
        ended = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        if ended is None or ended.si_status != 0 or ended.si_code != os.CLD_EXITED:
            kill_session(self._process.pid)
        is_closed = [self._empty(descriptor, take) for descriptor, take in self._pipes.items()]
        if not all(is_closed):
            kill_session(self._process.pid)
        self._tell(self._process.wait())

    def _empty(self, descriptor: int, take: Callable[[bytes], None]) -> bool:
        """What the process left in the pipe has been taken, up to the limit; whether nobody can write to it any more."""
        for _ in range(_MOST_IN_PIPE // _PIECE):  # somebody who still can may write as fast as we read
            piece = None if self._wrote_too_much else _read_some(descriptor)
            if not piece:
                return piece == b""
            take(piece)
        return False

    def _tell(self, status: int) -> None:
        end = ChildEnd(
            status=status,
            stdout=bytes(self._stdout),
            stderr=self._stderr.decode("utf-8", "replace"),
            timed_out=self._timed_out,
            wrote_too_much=self._wrote_too_much,
        )
        self._close()
        self._on_end(end)

    def _close(self) -> None:
        self._is_over = True
        self._forget_deadline()
        self._stdout = bytearray()
        for descriptor in [*self._pipes, self._pidfd]:
            self._wakeups.unwatch(descriptor)
        os.close(self._pidfd)
        if self._process.returncode is None:
            threading.Thread(target=self._collect, daemon=True, name="collect").start()
        else:
            self._collect()

    def _collect(self) -> None:
        self._process.wait()
        if self._writer is not None:
            self._writer.join()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def _start_writing(self, content: bytes | None) -> threading.Thread | None:
        """A thread, since more may be written than a pipe holds; it ends at the latest with the child, which then no longer reads."""
        if content is None:
            return None
        writer = threading.Thread(target=_write_all, args=(_fileno(self._process.stdin), content), daemon=True, name="sync request")
        writer.start()
        return writer


def kill_session(leader: int) -> None:
    """Nothing of the session lives. Its leader must not be collected yet, so that its number means nothing else."""
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
    for _ in range(_ROUNDS):
        alive = session_members(leader)
        for pid in alive:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not alive:
            return


def session_members(session: int) -> list[int]:
    """The processes of a session that are alive; a dead one that waits to be collected is not (proc(5), `stat`)."""
    return [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdecimal() and _session_of(folder) == session]


def _session_of(process: Path) -> int | None:
    try:
        state, _, _, session, *_ = (process / "stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if state in (b"Z", b"X") else int(session)


def _fileno(stream: object) -> int:
    assert hasattr(stream, "fileno")
    number: int = stream.fileno()
    return number


def _read_some(descriptor: int) -> bytes | None:
    """What can be read now; empty at the end, None when there is nothing yet."""
    try:
        return os.read(descriptor, _PIECE)
    except BlockingIOError:
        return None


def _write_all(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    with suppress(BrokenPipeError):
        while rest:
            rest = rest[os.write(descriptor, rest) :]
