"""A private certificate authority, its certificates made by openssl as an operator makes them."""

from __future__ import annotations

import os
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    cert: Path
    key: Path


class Authority:
    """Keeps everything in `folder`, which it makes."""

    def __init__(self, folder: Path, name: str = "test CA") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.pair = Pair(folder / "ca.pem", folder / "ca.key")
        openssl("req", "-x509", *EC, "-keyout", self.pair.key, "-out", self.pair.cert, "-days", "30", "-subj", f"/CN={name}")

    @property
    def cert(self) -> Path:
        return self.pair.cert

    def issue(self, name: str, *, days: int = 30, usage: str = "serverAuth") -> Pair:
        """For localhost and 127.0.0.1; the days may be negative."""
        pair = Pair(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        request, extensions = self._folder / f"{name}.csr", self._folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage={usage}\n")
        openssl("req", *EC, "-keyout", pair.key, "-out", request, "-subj", f"/CN={name}")
        signing = ["-CA", self.cert, "-CAkey", self.pair.key, "-extfile", extensions, "-days", str(days)]
        openssl("x509", "-req", "-in", request, *signing, "-out", pair.cert)
        pair.key.chmod(0o600)
        return pair

    def trusting(self, client: Pair | None = None) -> ssl.SSLContext:
        """What a client that trusts this authority goes by."""
        context = ssl.create_default_context(cafile=str(self.cert))
        if client:
            context.load_cert_chain(client.cert, client.key)
        return context


def openssl(*words: object) -> None:
    done = subprocess.run(["openssl", *map(str, words)], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
