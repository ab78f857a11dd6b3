"""Starts git processes through GitPython, each in its own process group, with a deadline that is ours.

GitPython is the launcher and nothing more: its object database, remotes and configuration writer are not used. It hands every process a copy
of our own environment, from which it can take nothing away, so `env -i` stands before git and the environment of the `GitCall` is the whole.

A process group, not a session, is what a deadline kills: git leaves its transport helpers behind when it alone is killed. All groups stay in
our session, where whoever started us finds them even after we were killed ourselves.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import BinaryIO

import git

from torchsync.adapters.gitcommand import GitCall
from torchsync.errors import Unavailable

_STDERR_KEPT = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A git process that is over. `status` is negative for a signal."""

    status: int
    stdout: bytes
    stderr: str
    timed_out: bool = False


class GitProcess:
    """A git process under way; its output is read from `stdout`."""

    def __init__(self, process: git.Git.AutoInterrupt) -> None:
        popen = process.proc
        assert popen is not None
        assert popen.stdout is not None
        assert popen.stderr is not None
        self._process = process  # its finalizer closes the pipes: it lives as long as we do
        self._popen = popen
        self._stderr = bytearray()
        self._listener = threading.Thread(target=self._listen, args=(popen.stderr,), daemon=True)
        self._listener.start()
        self.stdout: BinaryIO = popen.stdout  # type: ignore[assignment]  # Popen[bytes]; GitPython leaves the parameter out
        self.timed_out = False

    @property
    def pid(self) -> int:
        """The process id, which is the number of its group too."""
        return self._popen.pid

    @property
    def status(self) -> int:
        """Known once the process was collected."""
        return self._popen.returncode

    @property
    def stderr(self) -> str:
        """The beginning of what it said; complete once the process was collected."""
        return self._stderr.decode("utf-8", "replace")

    def wait_without_collecting(self) -> None:
        """The process has ended; its number is still taken."""
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)

    def collect(self) -> None:
        """The status is known, nothing is open, the number is free."""
        self._popen.wait()
        self._listener.join()
        self.stdout.close()
        if self._popen.stderr is not None:
            self._popen.stderr.close()

    def _listen(self, stream: BinaryIO) -> None:
        while chunk := stream.read1(8192):  # type: ignore[attr-defined]  # a BufferedReader
            self._stderr += chunk[: _STDERR_KEPT - len(self._stderr)]


class GitRunner:
    """Runs git processes. `inherited` are descriptors that stay open in every one of them, such as that of a lock they must not outlive.

    `timeouts` counts the processes that a deadline ended.
    """

    def __init__(self, inherited: Sequence[int] = ()) -> None:
        self.timeouts = 0
        self._inherited = tuple(inherited)
        self._lock = threading.Lock()
        self._alive: dict[int, GitProcess] = {}
        self._closed = False

    def run(self, call: GitCall, timeout: float, stdin: bytes = b"") -> Ended:
        """The process is over: by itself, or after `timeout` seconds by our hand, with everything it started."""
        with self.started(call, timeout, stdin) as process:
            stdout = process.stdout.read()
        return Ended(status=process.status, stdout=stdout, stderr=process.stderr, timed_out=process.timed_out)

    @contextmanager
    def started(self, call: GitCall, timeout: float, stdin: bytes = b"") -> Iterator[GitProcess]:
        """A process whose output the body reads to its end; afterwards it is over and collected, and so is all of its group."""
        process = self._start(call, stdin)
        deadline = threading.Timer(timeout, self._expire, (process,))
        deadline.daemon = True
        deadline.start()
        try:
            yield process
            process.wait_without_collecting()
        finally:
            self._kill(process)
            deadline.cancel()
            deadline.join()
            process.collect()

    def kill_all(self) -> None:
        """Every process under way is killed, and none is started any more. May be called from any thread."""
        with self._lock:
            self._closed = True
            for pid in self._alive:
                _kill_group(pid)

    def _start(self, call: GitCall, stdin: bytes) -> GitProcess:
        words = ["env", "-i", *(f"{name}={value}" for name, value in call.environment.items()), *call.argv]
        with self._lock, _as_file(stdin) as source:
            if self._closed:
                raise Unavailable("TS220", "git is not started any more")
            launched = git.Git("/").execute(words, istream=source, as_process=True, process_group=0, pass_fds=self._inherited)
            process = GitProcess(launched)
            self._alive[process.pid] = process
        return process

    def _expire(self, process: GitProcess) -> None:
        with self._lock:
            if process.pid in self._alive:
                process.timed_out = True
                self.timeouts += 1
                _kill_group(process.pid)

    def _kill(self, process: GitProcess) -> None:
        """Nothing of the group lives. It is not collected yet, so the number cannot be somebody else's."""
        with self._lock:
            self._alive.pop(process.pid, None)
            _kill_group(process.pid)


def _kill_group(number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(number, signal.SIGKILL)


@contextmanager
def _as_file(content: bytes) -> Iterator[BinaryIO | None]:
    """A file in memory, read by the process at its own pace: unlike a pipe it cannot block the two of us on each other."""
    if not content:
        yield None
        return
    with os.fdopen(os.memfd_create("git-stdin"), "w+b") as file:
        file.write(content)
        file.seek(0)
        yield file
