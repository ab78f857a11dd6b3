"""Key files that ssh cannot use on its own, as ssh-keygen and openssl make them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from torchsync.core.sshkey import key_flaw


@pytest.fixture(autouse=True)
def _keygen() -> None:
    if shutil.which("ssh-keygen") is None:
        pytest.skip("needs ssh-keygen")


def made(folder: Path, passphrase: str, *how: str) -> Path:
    file = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-N", passphrase, "-f", file, *how], check=True)
    return file


KINDS = [("-t", "ed25519"), ("-t", "rsa", "-b", "2048"), ("-t", "ecdsa", "-m", "PEM"), ("-t", "rsa", "-b", "2048", "-m", "PKCS8")]


@pytest.mark.parametrize("how", KINDS, ids=" ".join)
def test_a_key_without_a_passphrase_is_fine(tmp_path: Path, how: tuple[str, ...]) -> None:
    assert key_flaw(made(tmp_path, "", *how).read_bytes()) is None


@pytest.mark.parametrize("how", KINDS, ids=" ".join)
def test_a_key_with_a_passphrase_is_found(tmp_path: Path, how: tuple[str, ...]) -> None:
    flaw = key_flaw(made(tmp_path, "open sesame", *how).read_bytes())
    assert flaw
    assert "passphrase" in flaw[0]
    assert "ssh-keygen -p" in flaw[1]


def test_a_public_key_is_told_from_a_private_one(tmp_path: Path) -> None:
    flaw = key_flaw(made(tmp_path, "", "-t", "ed25519").with_suffix(".pub").read_bytes())
    assert flaw == ("is a public key", "name the file of the private key, which has no `.pub`")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"hello\n", "is no private key"),
        (b"-----BEGIN CERTIFICATE-----\n", "is no private key"),
        (b"PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n", "PuTTY"),
    ],
)
def test_what_is_no_key_is_said(content: bytes, says: str) -> None:
    flaw = key_flaw(content)
    assert flaw
    assert says in flaw[0]


def test_a_damaged_key_is_left_to_ssh() -> None:
    assert key_flaw(b"-----BEGIN OPENSSH PRIVATE KEY-----\n=\n-----END OPENSSH PRIVATE KEY-----\n") is None
