"""What the kernel tells about processes: proc(5). Part of the process executor.

A process is identified by the boot, its pid and its start time in clock ticks: pids are used again, the three together are not.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Container, Iterable
from dataclasses import dataclass
from pathlib import Path

from torchsync.core.model import Millis

_DEAD = frozenset({b"Z", b"X", b"x"})
_FORKS_PER_SECOND = 20_000
"""More than any machine starts in a second for long; how soon pids can be used again follows from it."""
_NARROW = 1024
_FRESH = 1.0
_RUN_ID = b"TORCHSYNC_RUN_ID="
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_CHASES, _AHEAD = 1_000, 4
_ROUNDS = 10
_YOUTH, _EXEC_TIME, _LOOKS = 2.0, 0.001, 8
"""In seconds: a process this young that shows no environment gets some more looks, after the time an exec takes, twice that, and so on."""
_FEW_LOOKS = 3
"""So many for one that shows its words: it has none, or the kernel is just about to show it. And so many where processes are looked at by the
thousand, which may all be made to look like that.
"""


def boot_id() -> str:
    """The id of this boot, new after every reboot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def start_ticks(pid: int) -> int | None:
    """When the process started, in clock ticks since the boot; None when there is none or it is dead and only waits to be reaped."""
    try:
        stat = _read(f"/proc/{pid}/stat")
    except OSError:
        return None
    fields = stat[stat.rindex(b")") + 2 :].split()
    return None if fields[0] in _DEAD else int(fields[19])


def millis_of(ticks: int) -> Millis:
    """How long the machine had been up at that tick, as CLOCK_BOOTTIME counts."""
    return Millis(ticks * 1000 // _TICKS_PER_SECOND)


def words(pid: int) -> list[bytes]:
    """The words that the process was started with; none when it is gone."""
    try:
        return _read(f"/proc/{pid}/cmdline").split(b"\0")
    except OSError:
        return []


def pids() -> list[int]:
    """Every process there is."""
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208 a thousand names, each call


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        pieces = []
        while piece := os.read(descriptor, 65536):
            pieces.append(piece)
        return b"".join(pieces)
    finally:
        os.close(descriptor)


def pids_since(leader: int, age: Millis) -> Iterable[int]:
    """Every process that started after `leader`, which is `age` old, and maybe others.

    The kernel hands out pids in ascending order and begins again at the end, so that what is between `leader` and the pid handed out last is
    younger. A leader old enough for a whole round of pids tells nothing: then it is every process.
    """
    last = newest()
    if age * _FORKS_PER_SECOND // 1000 > int(_read("/proc/sys/kernel/pid_max")) or last < leader:
        return pids()
    if last - leader <= _NARROW:
        return range(leader + 1, last + 1)
    return (pid for pid in pids() if pid > leader)


def newest() -> int:
    """The pid that was handed out last, whoever has it."""
    return int(_read("/proc/loadavg").split()[-1])


class Census:
    """Which run a process says it belongs to, in its environment. An answer is kept for a second, in which no pid comes round again: what a run
    starts has its id from birth, so an answer does not change.
    """

    def __init__(self) -> None:
        self._answers: dict[int, str] = {}
        self._carriers: dict[str, list[int]] | None = None
        self._since = 0.0

    def carriers(self, run: str) -> list[int]:
        """The processes that say they belong to the run, of those that there were when they were last all asked."""
        self._forget_when_old()
        if self._carriers is None:
            found: dict[str, list[int]] = {}
            for pid in pids():
                found.setdefault(self.run_of(pid) or "", []).append(pid)
            self._carriers = found
        return self._carriers.get(run, [])

    def run_of(self, pid: int) -> str | None:
        """The run id; empty when the process has none, or is not for us to ask; None in the middle of an exec, when it shows no environment."""
        self._forget_when_old()
        answer = self._answers.get(pid)
        if answer is None:
            answer = _run_id_of(pid)
            if answer is not None:
                self._answers[pid] = answer
        return answer

    def _forget_when_old(self) -> None:
        now = time.monotonic()
        if now - self._since > _FRESH:
            self._answers.clear()
            self._carriers = None
            self._since = now


def _run_id_of(pid: int) -> str | None:
    try:
        environment = _read(f"/proc/{pid}/environ")
    except OSError:
        return ""
    if not environment:
        return None if _is_young(pid) else ""
    found = next((entry for entry in environment.split(b"\0") if entry.startswith(_RUN_ID)), _RUN_ID)
    return found[len(_RUN_ID) :].decode(errors="replace")


def _is_young(pid: int) -> bool:
    ticks = start_ticks(pid)
    return ticks is not None and time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / _TICKS_PER_SECOND < _YOUTH


@dataclass(frozen=True, slots=True)
class Kin:
    """The processes of a run, told by their session or by the run's id in their environment.

    `leader` is the pid of the shim, which is no member, and `ticks` its start time; 0 when it is not known. What gave itself a new session *and* a
    new environment is not found: a process of another parent is all that the kernel remembers then.
    """

    run: str
    leader: int
    ticks: int
    census: Census

    def members(self, candidates: Iterable[int], others: Container[int] = frozenset(), looks: int = _LOOKS) -> list[int]:
        """Those of `candidates` that belong to the run and are alive. `others` are the leaders of other runs, whose sessions need no look. Takes a
        quarter of a second at most, beside the reading; with fewer `looks` less.
        """
        found, unclear = self._sorted_out(candidates, others)
        for look in range(looks):
            if not unclear:
                break
            time.sleep(_EXEC_TIME * 2**look)
            more, unclear = self._sorted_out(unclear, others)
            found += more
            if look + 1 >= _FEW_LOOKS:  # A busy machine may leave it in the middle of its exec; whoever is there has no words either.
                unclear = [pid for pid in unclear if not any(words(pid))]
        return [pid for pid in found if start_ticks(pid) is not None]

    def send_to_all(self, number: int, others: Container[int] = frozenset()) -> None:
        """Every member got the signal, once, until nobody is new."""
        signalled: set[int] = set()
        for _ in range(_ROUNDS):
            new = set(self.members(pids(), others)) - signalled
            if not new:
                return
            for pid in sorted(new):  # The command before what it waits for, so that it sees the signal and not their end.
                self.send(pid, number)
            signalled |= new

    def send(self, pid: int, number: int) -> bool:
        """The process got the signal, if it is a member; whatever has its pid by now did not (pidfd_send_signal(2)). False for a stranger."""
        try:
            descriptor = os.pidfd_open(pid)
        except OSError:
            return False
        try:
            is_member = bool(Kin(self.run, self.leader, self.ticks, Census()).members([pid], looks=_FEW_LOOKS))
            if is_member:
                signal.pidfd_send_signal(descriptor, number)
        except OSError:  # It ended meanwhile, or may not be signalled.
            return True
        finally:
            os.close(descriptor)
        return is_member

    def chase(self, number: int, before: int) -> bool:
        """Members that live for nothing but to fork the next one got the signal as well: a walk through all processes finds them gone. While pids
        are handed out, as they were since `before` was the newest, the newest are looked at again and again, for a fraction of a second at most.
        Whether there was one; signal 0 only asks, and the first will do.
        """
        found = False
        last = newest()
        for _ in range(_CHASES if last != before else 0):
            for pid in range(last, last + _AHEAD):
                found = self.send(pid, number) or found
            before, last = last, newest()
            if last == before:
                time.sleep(_EXEC_TIME)
                last = newest()
            if last == before or (found and not number):
                break
        return found

    def _sorted_out(self, candidates: Iterable[int], others: Container[int]) -> tuple[list[int], list[int]]:
        """Members among the candidates, and those of which it is not clear yet."""
        found, unclear = [], []
        ours = self.leader if self._is_session_ours() else -1
        strangers = (self.leader, os.getpid())
        for pid in candidates:
            try:
                session = os.getsid(pid)
            except OSError:
                continue
            if pid in strangers or (session in others and session != ours):
                continue
            answer = self.run if session == ours else self.census.run_of(pid)
            if answer is None and session:  # Threads of the kernel have neither environment nor session.
                unclear.append(pid)
            elif answer == self.run:
                found.append(pid)
        return found, unclear

    def _is_session_ours(self) -> bool:
        """A session keeps its pid from being used again; once it is empty, another process may take the pid and open a session of its own."""
        return self.leader > 0 and start_ticks(self.leader) in (self.ticks, None)
