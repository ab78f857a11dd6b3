"""The files that say whom a host trusts, on a real disk."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from torchsync.adapters.trustfiles import exposed_files, trust_files, trust_stamp
from torchsync.core.syncdoc import TrustSpec, VerifyMode

PATH = os.environ["PATH"]


@pytest.fixture
def trust(tmp_path: Path) -> TrustSpec:
    for name in ("signers", "keyring", "revoked"):
        (tmp_path / name).write_text(f"content of {name}\n")
        (tmp_path / name).chmod(0o644)
    named = {
        "allowed_signers": str(tmp_path / "signers"),
        "gpg_keyring": str(tmp_path / "keyring"),
        "revoked_keys": str(tmp_path / "revoked"),
    }
    return TrustSpec(mode=VerifyMode.HEAD, **named)


def stamp(trust: TrustSpec, search_path: str = PATH) -> str:
    return trust_stamp(trust, trust_files(trust), search_path)


def test_a_stamp_is_the_same_as_long_as_nothing_changes(trust: TrustSpec) -> None:
    before = stamp(trust)
    for file in trust_files(trust):
        os.utime(file.path, (0, 0))
    assert stamp(trust) == before


def test_any_byte_any_file_that_goes_any_setting_and_any_program_changes_it(trust: TrustSpec, tmp_path: Path) -> None:
    found = [stamp(trust), stamp(trust, str(tmp_path)), stamp(replace(trust, mode=VerifyMode.ALL)), stamp(replace(trust, root="a" * 40))]
    found.append(stamp(replace(trust, allowed_signers=trust.gpg_keyring, gpg_keyring=trust.allowed_signers)))
    for file in trust_files(trust):
        path = Path(file.path)
        for content in (b"content of ", b"content of  ", b""):
            path.write_bytes(content + path.name.encode() if content else b"")
            found.append(stamp(trust))
        path.unlink()
        found.append(stamp(trust))
        path.write_bytes(file.content)
        assert stamp(trust) == found[0]
    assert len(set(found)) == len(found)


def test_where_nothing_is_verified_no_file_is_looked_at(tmp_path: Path) -> None:
    assert stamp(TrustSpec()) == ""
    assert trust_files(TrustSpec()) == ()
    assert stamp(TrustSpec(mode=VerifyMode.NONE, allowed_signers=str(tmp_path / "nothing"))) == ""


def test_a_link_to_a_file_is_followed(trust: TrustSpec, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("signers")
    (file,) = trust_files(TrustSpec(mode=VerifyMode.HEAD, allowed_signers=str(tmp_path / "link")))
    assert (file.content, file.flaw) == (b"content of signers\n", "")


@pytest.mark.parametrize(("mode", "is_told"), [(0o600, False), (0o644, False), (0o664, True), (0o646, True)])
def test_a_file_that_others_may_write_is_told(trust: TrustSpec, mode: int, is_told: bool) -> None:
    Path(trust.gpg_keyring).chmod(mode)
    told = exposed_files(trust)
    assert bool(told) is is_told
    assert all(problem.message.startswith(f"{trust.gpg_keyring} has the mode") for problem in told)


def test_a_file_of_root_is_nobodys_concern() -> None:
    assert exposed_files(TrustSpec(mode=VerifyMode.HEAD, allowed_signers="/etc/passwd")) == ()


@pytest.mark.skipif(os.geteuid() != 0, reason="only as root may a file be given to somebody else")
def test_a_file_of_somebody_else_is_told(trust: TrustSpec) -> None:
    os.chown(trust.allowed_signers, 65534, -1)
    (told,) = exposed_files(trust)
    assert told.message == f"{trust.allowed_signers} belongs to the user with the number 65534, who may say who is trusted"
