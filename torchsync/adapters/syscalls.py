"""System calls that Python 3.11 does not offer: holes in files, kinds of file systems, names that change places, a timer that is a descriptor."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from secrets import token_hex
from weakref import finalize

from torchsync.core.model import Millis
from torchsync.ports import Clock, Wakeups

_LIBC = ctypes.CDLL(None, use_errno=True)
_FALLOCATE = getattr(_LIBC, "fallocate64", _LIBC.fallocate)
_FALLOC_FL_KEEP_SIZE, _FALLOC_FL_PUNCH_HOLE = 0x01, 0x02
_TFD_NONBLOCK, _TFD_CLOEXEC = os.O_NONBLOCK, os.O_CLOEXEC
_CLOCK_BOOTTIME = 7
_SIZE_OF_STATFS = 256
"""More than it takes anywhere; its first member is `f_type`."""
_RENAME_EXCHANGE, _AT_FDCWD = 2, -100


def punch_hole(descriptor: int, start: int, stop: int) -> None:
    """The bytes from `start` to `stop` read as zeros and take no space, as far as they fill blocks. Raises OSError, EOPNOTSUPP among others.

    fallocate(2).
    """
    length = ctypes.c_int64(stop - start)
    _check(_FALLOCATE(descriptor, _FALLOC_FL_KEEP_SIZE | _FALLOC_FL_PUNCH_HOLE, ctypes.c_int64(start), length))


def file_system_magic(path: str | os.PathLike[str]) -> int:
    """The number of the kind of file system that `path` lies on (statfs(2), `f_type`); 0 when it cannot be told."""
    buffer = ctypes.create_string_buffer(_SIZE_OF_STATFS)
    if _LIBC.statfs(os.fsencode(path), buffer) != 0:
        return 0
    return ctypes.c_long.from_buffer(buffer).value & 0xFFFFFFFF


def exchange(one: Path, other: Path) -> None:
    """Both names, of one folder, have changed places at once; where the file system cannot, `other` was not there for a moment.

    renameat2(2). Nothing is followed: a name may be that of a link.
    """
    status = _LIBC.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
    if status == 0:
        return
    if ctypes.get_errno() not in (errno.EINVAL, errno.ENOSYS):
        _check(status)
    between = one.with_name(f"{one.name}.{token_hex(4)}")
    other.rename(between)
    one.rename(other)
    between.rename(one)


def sync_file_system(descriptor: int) -> None:
    """Everything of the file system that holds the open file is on the disk. Raises OSError. syncfs(2)."""
    _check(_LIBC.syncfs(descriptor))


def is_open_for_writing(path: str | os.PathLike[str]) -> bool:
    """Whether any process has the file open for writing; false where it is not ours to ask, or the file system cannot tell.

    A read lease is given only while nobody does (fcntl(2), F_SETLEASE); it is let go of at once.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    finally:
        os.close(descriptor)
    return False


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class Timer:
    """Calls back in the loop's thread after a while: timerfd_create(2) on CLOCK_BOOTTIME, the clock of `Clock.monotonic`."""

    def __init__(self, wakeups: Wakeups, clock: Clock) -> None:
        self._clock = clock
        self._waiting: list[tuple[Millis, int]] = []
        self._calls: dict[int, Callable[[], None]] = {}
        self._order = count()
        self._descriptor = _check(_LIBC.timerfd_create(_CLOCK_BOOTTIME, _TFD_NONBLOCK | _TFD_CLOEXEC))
        finalize(self, os.close, self._descriptor).atexit = False
        wakeups.watch(self._descriptor, self._ring)

    def after(self, delay: Millis, call: Callable[[], None]) -> Callable[[], None]:
        """`call` is called once, `delay` from now or a little later; not when what is returned was called before, which also lets go of it."""
        number = next(self._order)
        self._calls[number] = call
        heappush(self._waiting, (Millis(self._clock.monotonic() + delay), number))
        self._set()
        return lambda: self._forget(number)

    def _forget(self, number: int) -> None:
        self._calls.pop(number, None)
        while self._waiting and self._waiting[0][1] not in self._calls:
            heappop(self._waiting)

    def _ring(self) -> None:
        with suppress(BlockingIOError):  # Set anew, by another callback of this round, after it had rung.
            os.read(self._descriptor, 8)
        now = self._clock.monotonic()
        due = []
        while self._waiting and self._waiting[0][0] <= now:
            due.append(self._calls.pop(heappop(self._waiting)[1], None))
        self._set()
        for call in due:
            if call is not None:
                call()

    def _set(self) -> None:
        if not self._waiting:
            return
        wait = max(1, self._waiting[0][0] - self._clock.monotonic())
        spec = _Itimerspec(_Timespec(0, 0), _Timespec(wait // 1000, wait % 1000 * 1_000_000))
        _check(_LIBC.timerfd_settime(self._descriptor, 0, ctypes.byref(spec), None))


def _check(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
