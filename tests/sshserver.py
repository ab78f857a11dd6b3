"""An ssh server on loopback: a real sshd that the tests start, with keys of its own, for one key that may read repositories and nothing else."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.gitserver import free_port, wait_for_port

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin")


class SshServer:
    """Serves every repository that the user of the tests may read, to that user. `log` is what sshd says.

    `host_key` and `client_key` are private keys with their `.pub` beside them; `known_hosts` names the server as it is.
    """

    def __init__(self, folder: Path, *, address: str = "127.0.0.1", port: int = 0) -> None:
        if SSHD is None:
            pytest.skip("needs sshd (Debian: openssh-server)")
        folder.mkdir()
        self.folder = folder
        self.user = getpass.getuser()
        self.address = address
        self.port = port or free_port()
        self.host_key = make_key(folder / "host key")
        self.client_key = make_key(folder / "client")
        self.known_hosts = folder / "known_hosts"
        self.known_hosts.write_text(self.line_of(self.host_key))
        self.log = folder / "log"
        (folder / "authorized_keys").write_text(f"{_FORCED} {public(self.client_key)}\n")
        (folder / "sshd_config").write_text(_CONFIG.format(address=address, port=self.port, folder=folder))
        self._start()

    def line_of(self, key: Path) -> str:
        """A line of known_hosts that says that the server has this key."""
        name = self.address if self.port == 22 else f"[{self.address}]:{self.port}"
        return f"{name} {public(key)}\n"

    def url(self, path: Path) -> str:
        return f"ssh://{self.user}@{self.address}:{self.port}{path}"

    def restart_with(self, host_key: Path) -> None:
        """The same server, with another key."""
        for end in ("", ".pub"):
            shutil.copy(f"{host_key}{end}", f"{self.host_key}{end}")
        self.restart()

    def certify(self, authority: Path) -> None:
        """The same server, whose key is certified by this one from now on."""
        words = ["ssh-keygen", "-q", "-s", authority, "-I", "test", "-h", "-n", self.address, f"{self.host_key}.pub"]
        subprocess.run(words, check=True)
        with (self.folder / "sshd_config").open("a") as config:
            config.write(f'HostCertificate "{self.host_key}-cert.pub"\n')
        self.restart()

    def restart(self) -> None:
        self.close()
        self._wait_for_the_port()
        self._start()

    def close(self) -> None:
        self._process.kill()  # no server may survive its test because a TERM came while it was starting
        self._process.wait()

    def _wait_for_the_port(self) -> None:
        """A child for the newest connection holds it for as long as it has not got round to let go of it."""
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_server((self.address, self.port)).close()
            except OSError:
                assert time.monotonic() < deadline, f"{self.address}:{self.port} stays taken"
                time.sleep(0.02)
            else:
                return

    def _start(self) -> None:
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where sshd without its unit expects it
        with self.log.open("ab") as log:
            words = [str(SSHD), "-D", "-e", "-f", str(self.folder / "sshd_config")]
            self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for_port(self.port, self._process, self.address)


def make_key(file: Path, *, passphrase: str = "", kind: str = "ed25519") -> Path:
    """A private key, closed to others, with its public one beside it."""
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "test", "-f", file], check=True)
    return file


def public(key: Path) -> str:
    return " ".join(Path(f"{key}.pub").read_text().split()[:2])


_CLEAN = "env -u GIT_SSL_CAINFO GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1"
_FORCED = f'command="{_CLEAN} git-shell -c \\"$SSH_ORIGINAL_COMMAND\\"",restrict'
_CONFIG = """\
Port {port}
ListenAddress {address}
HostKey "{folder}/host key"
AuthorizedKeysFile "{folder}/authorized_keys"
AcceptEnv GIT_PROTOCOL
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin forced-commands-only
PidFile none
"""
