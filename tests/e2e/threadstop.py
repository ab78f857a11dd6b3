"""Stops one thread of a process and lets the others go on, with `ptrace(2)`: SIGSTOP stops them all.

Only the thread that stops another can let it go again, and it needs the rights of a debugger: root, or the same user and a parent.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Callable, Iterator

_SEIZE, _INTERRUPT, _DETACH = 0x4206, 0x4207, 17
_WALL = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.ptrace.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
_LIBC.ptrace.restype = ctypes.c_long


@contextlib.contextmanager
def stopped_thread(thread: int, *, others_go_on: Callable[[], bool]) -> Iterator[None]:
    """The thread stands still meanwhile. It is let go and stopped again until `others_go_on`: it may have held a lock that they wait for."""
    for _ in range(50):
        signal = _stop(thread)
        try:
            if others_go_on():
                yield
                return
        finally:
            _ptrace(_DETACH, thread, signal)
    raise AssertionError("no moment at which the other threads could go on")


def _stop(thread: int) -> int:
    """The signal that the thread was about to receive and must have when it goes on; 0 for none."""
    _ptrace(_SEIZE, thread)
    _ptrace(_INTERRUPT, thread)
    _, status = os.waitpid(thread, _WALL)
    return 0 if status >> 16 else os.WSTOPSIG(status)


def _ptrace(request: int, thread: int, data: int = 0) -> None:
    if _LIBC.ptrace(request, thread, None, data) == -1:
        raise OSError(ctypes.get_errno(), f"ptrace request {request}")
