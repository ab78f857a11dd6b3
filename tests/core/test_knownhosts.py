"""Which keys a file of known hosts has for a server; `ssh-keygen -F` is asked the same."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from torchsync.core.knownhosts import KnownKey, keys_of
from torchsync.core.remoteurl import SshServer

ED = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBi1XAlDkgMK5blCVpoxeBMRTdxMeaWGuGvDLeRqXJ3r"
RSA = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7"
TEXT = f"""\
# a comment, git.example.org
git.example.org,10.0.0.1 {ED} of the operator
[git.example.org]:2222 {RSA}

*.wild.org,!not.wild.org {ED}
@cert-authority *.wild.org {RSA}
@revoked gone.example.org {ED}
GIT.Upper.org {ED}
git.short.org ssh-ed25519
"""


def found(host: str, port: int = 22, text: str = TEXT) -> list[KnownKey]:
    return keys_of(SshServer(host, port), text)


def test_the_keys_of_a_server_are_those_of_its_name_and_port() -> None:
    assert found("git.example.org") == found("10.0.0.1") == [KnownKey("ssh-ed25519", 2)]
    assert found("git.example.org", 2222) == [KnownKey("ssh-rsa", 3)]
    assert found("other.example.org") == found("other.example.org", 2222) == []


def test_a_server_that_is_not_known_with_its_port_is_looked_up_without() -> None:
    assert found("git.example.org", 2223) == [KnownKey("ssh-ed25519", 2)]


def test_patterns_have_exceptions_and_marks_are_told() -> None:
    assert found("a.wild.org") == [KnownKey("ssh-ed25519", 5), KnownKey("ssh-rsa", 6, "@cert-authority")]
    assert found("not.wild.org") == [KnownKey("ssh-rsa", 6, "@cert-authority")]
    assert found("gone.example.org") == [KnownKey("ssh-ed25519", 7, "@revoked")]


def test_names_are_compared_in_lower_case() -> None:
    assert found("git.upper.org") == [KnownKey("ssh-ed25519", 8)]


def test_a_line_that_is_none_is_passed_over() -> None:
    assert found("git.short.org") == []
    assert found("x", text="x \x1b[31m AAAA\n") == []
    assert found("x", text="|1|no base64|x ssh-rsa AAAA\n|1|\n|1|a b c\n") == []


def test_a_key_is_told_with_its_mark_and_line() -> None:
    assert str(KnownKey("ssh-rsa", 6, "@revoked")) == "@revoked ssh-rsa in line 6"
    assert str(KnownKey("ssh-rsa", 6)) == "ssh-rsa in line 6"


@pytest.mark.parametrize("server", [SshServer("git.example.org"), SshServer("git.example.org", 2222), SshServer("10.0.0.1")])
def test_hashed_names_are_found_as_ssh_finds_them(tmp_path: Path, server: SshServer) -> None:
    if shutil.which("ssh-keygen") is None:
        pytest.skip("needs ssh-keygen")
    file = tmp_path / "known"
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    kind_and_key = " ".join(key.with_suffix(".pub").read_text().split()[:2])
    file.write_text("".join(f"{name} {kind_and_key}\n" for name in ("git.example.org", "[git.example.org]:2222", "10.0.0.1")))
    subprocess.run(["ssh-keygen", "-H", "-f", file], check=True, capture_output=True)
    text = file.read_text()
    assert "example" not in text
    lines = subprocess.run(["ssh-keygen", "-F", str(server), "-f", file], check=True, capture_output=True, text=True).stdout
    (key_found,) = keys_of(server, text)
    assert f"line {key_found.line}" in lines
    assert keys_of(SshServer("elsewhere"), text) == []
