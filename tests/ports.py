"""Ports for the servers that tests start."""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

_LAST = Path(tempfile.gettempdir(), f"torchsync-test-port-{os.geteuid()}")
"""Holds the port that was given last, to whichever process of this user."""


def free_port() -> int:
    """A port that nobody listens on, and that nobody else gets before whoever asked for it does, or between two of his servers: the kernel
    gives none of these (ip(7), `ip_local_port_range`), and here every process is given another one.
    """
    while not _is_free(port := _next()):
        pass
    return port


def _next() -> int:
    first, last = (int(word) for word in Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    # From 10100 on: browsers refuse some of those below (fetch.spec.whatwg.org, port blocking).
    ports = [port for port in range(10_100, 65_536) if not first <= port <= last]
    with _LAST.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        before = int(file.read() or random.SystemRandom().choice(ports))
        port = next((port for port in ports if port > before), ports[0])
        file.truncate(0)
        file.write(str(port))
    return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
