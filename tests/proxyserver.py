"""A proxy on loopback: a real tinyproxy that the tests start."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.gitserver import free_port, wait_for_port


class ProxyServer:
    """Lets everybody of this machine through; with `password`, only those who say it for the user `bot`. `log` names what was asked for."""

    def __init__(self, folder: Path, *, password: str = "") -> None:
        program = shutil.which("tinyproxy")
        if program is None:
            pytest.skip("needs tinyproxy (Debian: tinyproxy-bin)")
        folder.mkdir()
        self.port = free_port()
        self.log = folder / "log"
        guard = f"BasicAuth bot {password}\n" if password else ""
        (folder / "tinyproxy.conf").write_text(
            f'Port {self.port}\nListen 127.0.0.1\nLogFile "{self.log}"\nLogLevel Info\nMaxClients 20\n{guard}'
        )
        self._process = subprocess.Popen(
            [program, "-d", "-c", folder / "tinyproxy.conf"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        wait_for_port(self.port, self._process)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        # Its handler notes a TERM, and it looks at the note before it polls: one that comes between the two is lost, and it goes on.
        self._process.kill()
        self._process.wait()
