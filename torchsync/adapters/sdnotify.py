"""Tells systemd how the agent fares: the protocol of sd_notify(3), datagrams to the socket named by NOTIFY_SOCKET.

Nothing here ever fails: an agent without a service manager, or whose service manager does not listen, runs all the same.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping

from torchsync.core.model import Millis


class Notifier:
    """A line to the service manager, or to nobody when there is none."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self.watchdog = watchdog_interval(environment, os.getpid())
        self._socket: socket.socket | None = None
        if self._address.startswith(("/", "@")):
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            self._address = self._address.replace("@", "\0", 1) if self._address.startswith("@") else self._address

    def ready(self, status: str) -> None:
        """The agent is up, or has finished reloading."""
        self._send("READY=1", _status(status))

    def status(self, status: str) -> None:
        """`status` is what `systemctl status` shows."""
        self._send(_status(status))

    def reloading(self, monotonic_usec: int) -> None:
        """A reload has begun; `ready` ends it. `monotonic_usec` is CLOCK_MONOTONIC in microseconds."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={monotonic_usec}")

    def stopping(self, status: str) -> None:
        self._send("STOPPING=1", _status(status))

    def alive(self) -> None:
        """The watchdog starts anew."""
        self._send("WATCHDOG=1")

    def close(self) -> None:
        if self._socket:
            self._socket.close()
            self._socket = None

    def _send(self, *lines: str) -> None:
        if self._socket:
            with contextlib.suppress(OSError):
                self._socket.sendto("\n".join(lines).encode(), self._address)


def watchdog_interval(environment: Mapping[str, str], pid: int) -> Millis | None:
    """How often `alive` is to be called, half of what systemd allows; None when it does not watch (sd_watchdog_enabled(3))."""
    allowed, watched = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not _is_number(allowed) or int(allowed) == 0 or watched not in ("", str(pid)):
        return None
    return Millis(max(1, int(allowed) // 2000))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _status(text: str) -> str:
    return f"STATUS={' '.join(text.split())}"
