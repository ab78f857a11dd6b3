"""The files that say whom this host trusts: read whole and within bounds, and told apart when any byte of them changes. No git in here.

The agent looks at them before every sync: a verdict on signatures holds as long as they are the same.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from torchsync.core.syncdoc import TrustSpec, VerifyMode
from torchsync.errors import Problem

MOST_BYTES = 16 << 20
NOT_CHECKABLE = "TS216"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustFile:
    """One file that a setting names. `content` is empty when it is of no use, and `flaw` says why."""

    setting: str
    path: str
    content: bytes = b""
    flaw: str = ""


def trust_files(trust: TrustSpec) -> tuple[TrustFile, ...]:
    """The files that are named, each as it is now."""
    named = {"allowed_signers": trust.allowed_signers, "gpg_keyring": trust.gpg_keyring, "revoked_keys": trust.revoked_keys}
    return tuple(_read(setting, path) for setting, path in named.items() if path)


def trust_problems(trust: TrustSpec, files: tuple[TrustFile, ...], search_path: str) -> tuple[Problem, ...]:
    """Everything that keeps signatures from being checked, TS216; empty when nothing does."""
    found = [_problem(file) for file in files if file.flaw]
    for program, package in _missing_programs(trust, search_path):
        message = f"{program} is not installed, which checks the signatures that repository.verify asks for"
        found.append(Problem(code=NOT_CHECKABLE, message=message, hint=f"install it; Debian's package is {package}"))
    return tuple(found)


def trust_stamp(trust: TrustSpec, files: tuple[TrustFile, ...], search_path: str) -> str:
    """A text that is another one when anything changes that verdicts on signatures depend on; empty when none are checked."""
    if trust.mode is VerifyMode.NONE:
        return ""
    stamp = hashlib.sha256(f"{trust.mode.value}\0{trust.root}\0{list(_missing_programs(trust, search_path))}".encode())
    for file in files:
        stamp.update(f"\0{file.setting}\0{len(file.content)}\0{file.flaw}\0".encode())
        stamp.update(file.content)
    return stamp.hexdigest()


def exposed_files(trust: TrustSpec) -> tuple[Problem, ...]:
    """The files that somebody else than root and the agent's user may change: whoever may, says who is trusted."""
    return tuple(_exposed(trust))


def _exposed(trust: TrustSpec) -> Iterator[Problem]:
    for path in filter(None, (trust.allowed_signers, trust.gpg_keyring, trust.revoked_keys)):
        try:
            found = Path(path).stat()
        except OSError:
            continue
        if found.st_mode & 0o022:
            message = f"{path} has the mode {stat.S_IMODE(found.st_mode):04o}: others than its owner may say who is trusted"
            yield Problem(code="TS303", message=message, hint=f"chmod go-w {path}")
        if found.st_uid not in (0, os.geteuid()):
            message = f"{path} belongs to the user with the number {found.st_uid}, who may say who is trusted"
            yield Problem(code="TS303", message=message, hint=f"chown root {path}")


def _missing_programs(trust: TrustSpec, search_path: str) -> Iterator[tuple[str, str]]:
    needed = {"ssh-keygen": ("openssh-client", trust.allowed_signers), "gpg": ("gnupg", trust.gpg_keyring)}
    for program, (package, path) in needed.items():
        if path and shutil.which(program, path=search_path) is None:
            yield program, package


def _read(setting: str, path: str) -> TrustFile:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe without a writer must not hold up the caller
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return TrustFile(setting=setting, path=path, flaw="is no file")
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        return TrustFile(setting=setting, path=path, flaw=f"cannot be read: {error.strerror}")
    if len(content) > MOST_BYTES:
        return TrustFile(setting=setting, path=path, flaw=f"is larger than {MOST_BYTES >> 20} MiB")
    if not content.strip():
        return TrustFile(setting=setting, path=path, flaw="is empty")
    return TrustFile(setting=setting, path=path, content=content)


def _problem(file: TrustFile) -> Problem:
    message = f"{file.path}, which repository.verify.{file.setting} names, {file.flaw}"
    hint = "put a file with the keys there that the agent can read, or take the setting out of agent.yaml if it is not wanted any more"
    return Problem(code=NOT_CHECKABLE, message=message, hint=hint)
