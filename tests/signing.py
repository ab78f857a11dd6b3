"""Real keys and real signatures: ssh-keygen and gpg make them, git signs with them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.gitrepo import ENVIRONMENT, Repo

needs_ssh_keygen = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")
needs_gpg = pytest.mark.skipif(shutil.which("gpg") is None or shutil.which("gpg-agent") is None, reason="gpg is not installed")


@dataclass(frozen=True, slots=True)
class SshKey:
    """An SSH key without a passphrase; `path` is what git signs with."""

    path: Path

    @classmethod
    def make(cls, path: Path) -> SshKey:
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", path.name, "-f", str(path))
        return cls(path)

    @property
    def public(self) -> str:
        return " ".join(self.path.with_suffix(".pub").read_text().split()[:2])

    @property
    def fingerprint(self) -> str:
        return _run("ssh-keygen", "-l", "-f", str(self.path.with_suffix(".pub"))).split()[1]

    def signer(self, principal: str, options: str = 'namespaces="git"') -> str:
        """The line for allowed_signers."""
        return f"{principal} {options} {self.public}\n"

    def certified(self, ca: SshKey, *, principal: str, validity: str = "+52w") -> SshKey:
        """What to sign with for the key as `ca` vouches for it."""
        _run("ssh-keygen", "-q", "-s", str(ca.path), "-I", "test", "-n", principal, "-V", validity, str(self.path.with_suffix(".pub")))
        return SshKey(self.path.with_name(f"{self.path.name}-cert.pub"))

    @property
    def settings(self) -> tuple[str, ...]:
        return ("-c", "gpg.format=ssh", "-c", f"user.signingkey={self.path}")


class GpgHome:
    """The GnuPG home of somebody who signs. `now`: as gpg writes times (`20200101T000000`), for keys and signatures of the past."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700)

    def gpg(self, *words: str, now: str = "") -> str:
        when = ("--faked-system-time", now) if now else ()
        return _run("gpg", "--batch", "--quiet", "--yes", "--passphrase", "", *when, *words, GNUPGHOME=str(self.folder))

    def key(self, name: str, *, now: str = "", expires: str = "never") -> str:
        """The fingerprint of a new key."""
        self.gpg("--quick-generate-key", f"{name} <{name}@example.org>", "ed25519", "sign", expires, now=now)
        listing = self.gpg("--with-colons", "--list-keys", f"<{name}@example.org>")
        return next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:"))

    def revoke(self, fingerprint: str) -> None:
        certificate = (self.folder / "openpgp-revocs.d" / f"{fingerprint}.rev").read_text()
        path = self.folder / "revocation"
        path.write_text(certificate.replace(":-----BEGIN", "-----BEGIN"))
        self.gpg("--import", str(path))

    def export(self, path: Path, *fingerprints: str, armor: bool = False) -> Path:
        path.unlink(missing_ok=True)
        self.gpg(*(["--armor"] if armor else []), "--output", str(path), "--export", *fingerprints)
        return path

    def settings(self, fingerprint: str, *, now: str = "", expires: str = "") -> tuple[str, ...]:
        """What git signs with; `expires` is the life of the signature itself."""
        program = self.folder / f"gpg-{now}-{expires}"
        faked = f"--faked-system-time {now}" if now else ""
        lives = f"--default-sig-expire {expires}" if expires else ""
        program.write_text(f'#!/bin/sh\nexec gpg --batch --homedir {self.folder} {faked} {lives} "$@"\n')
        program.chmod(0o700)
        return ("-c", f"gpg.program={program}", "-c", f"user.signingkey={fingerprint}")

    def close(self) -> None:
        """The agent that signing started is gone."""
        subprocess.run(["gpgconf", "--kill", "all"], env={**ENVIRONMENT, "GNUPGHOME": str(self.folder)}, check=False)


@contextmanager
def gpg_home(folder: Path) -> Iterator[GpgHome]:
    home = GpgHome(folder)
    try:
        yield home
    finally:
        home.close()


def signed(repo: Repo, settings: tuple[str, ...], content: str = "", *, date: str = "") -> str:
    """A new commit on the current branch, signed; `content` becomes the file `note`. `date` is the committer's."""
    (repo.folder / "note").write_text(content or os.urandom(8).hex())
    repo.git("add", "--all")
    when = {"GIT_COMMITTER_DATE": date, "GIT_AUTHOR_DATE": date} if date else {}
    _run("git", "-C", str(repo.folder), *settings, "commit", "--quiet", "--allow-empty", "-S", "-m", "signed", **when)
    return repo.head


def _run(*words: str, **environment: str) -> str:
    done = subprocess.run(words, env={**ENVIRONMENT, **environment}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
    return done.stdout
