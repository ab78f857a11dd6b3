"""Against the programs that operators make hashes with."""

import shutil
import subprocess

import pytest

from torchsync.adapters.passwordhash import find_check, is_password
from torchsync.core.passwords import Passwords, read_passwords

PASSWORD = "correct h\u00f6rse:battery"


def made(*words: str) -> str:
    if shutil.which(words[0]) is None:
        pytest.skip(f"{words[0]} is not installed")
    done = subprocess.run(words, input=PASSWORD + "\n", capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip().removeprefix("u:")


@pytest.mark.parametrize(
    "program", [("htpasswd", "-niB", "u"), ("htpasswd", "-niB", "-C", "10", "u"), ("openssl", "passwd", "-6", "-stdin")], ids=" ".join
)
def test_what_common_programs_make_is_taken_and_checked(program: tuple[str, ...]) -> None:
    digest = made(*program)
    assert read_passwords(f"u:{digest}\n".encode()) == Passwords({"u": digest})
    assert is_password(PASSWORD, digest)
    assert not is_password(PASSWORD[:-1], digest)
    assert not is_password("", digest)


def test_this_host_can_check() -> None:
    assert find_check() is is_password


@pytest.mark.parametrize("digest", ["", "*0", "x", "$6$", "$9$unknown$hash"])
def test_what_is_no_hash_fits_no_password(digest: str) -> None:
    assert not is_password(PASSWORD, digest)
    assert not is_password("", digest)
