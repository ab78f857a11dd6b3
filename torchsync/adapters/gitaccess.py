"""What stands on this host between the agent and its remote: the files it shows and goes by, and why a server turned it away.

Nothing here decides what git, ssh or curl decide: it finds a sentence that says what is wrong before or after they refuse, which they say
in many words or none. What a secret file holds is looked at by `content_problems` only, and is told by nobody.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from torchsync.adapters import gitproblem
from torchsync.adapters.gitproblem import CREDENTIALS, HOST_KEY_UNKNOWN, git_problem
from torchsync.core.knownhosts import keys_of
from torchsync.core.remoteurl import Scheme, scheme_of, ssh_server
from torchsync.core.sshkey import key_flaw
from torchsync.core.syncdoc import RemoteSpec
from torchsync.errors import Problem

_MOST = 1 << 20
_MOST_KEYS = 5
_SECRET = ("token_file", "proxy_password_file", "ssh_key")


def access_problems(remote: RemoteSpec) -> list[Problem]:
    """Everything that can be told before the remote is asked; of files that are there, what is in them and who can get at them too."""
    return list(file_problems(remote)) or [*content_problems(remote), *_exposures(remote), *_missing_program(remote)]


def file_problems(remote: RemoteSpec) -> Iterator[Problem]:
    """What can be told of the files that the settings name without reading them. Costs a few system calls."""
    if remote.token_file:
        yield from _unreadable(CREDENTIALS, "token_file", "token file", remote.token_file)
    if remote.proxy_password_file:
        yield from _unreadable(CREDENTIALS, "proxy_password_file", "file with the password of the proxy", remote.proxy_password_file)
    if remote.ca_file:
        yield from _unreadable("TS210", "ca_file", "file of certificates", remote.ca_file)
    if remote.known_hosts:
        yield from _unreadable(HOST_KEY_UNKNOWN, "known_hosts", "file of known hosts", remote.known_hosts)
    if remote.ssh_key:
        yield from _unreadable(CREDENTIALS, "ssh_key", "key file", remote.ssh_key) or _too_open(remote.ssh_key)
    if remote.credential_command and not os.access(remote.credential_command[0], os.X_OK, effective_ids=True):
        message = f"the credential command {remote.credential_command[0]} is not there or cannot be executed"
        yield Problem(code=CREDENTIALS, message=message, path="repository.credential_command")


def content_problems(remote: RemoteSpec) -> Iterator[Problem]:
    """What can be told by reading the files: a key that ssh cannot use alone, a server that is not known."""
    if remote.ssh_key and (flaw := key_flaw(_content(remote.ssh_key))):
        yield Problem(code=CREDENTIALS, message=f"the key file {remote.ssh_key} {flaw[0]}", path="repository.ssh_key", hint=flaw[1])
    if remote.known_hosts and scheme_of(remote.url) is Scheme.SSH and not _known(remote):
        message = f"{remote.known_hosts} has no key of {ssh_server(remote.url)}"
        yield Problem(code=HOST_KEY_UNKNOWN, message=message, path="repository.known_hosts", hint=_how_to_learn(remote))


def failure(stderr: str, remote: RemoteSpec) -> Problem:
    """Why git failed on the remote, as `git_problem` reads it, with what this host's files add to it."""
    problem = git_problem(stderr, remote.url)
    if scheme_of(remote.url) is not Scheme.SSH:
        return problem
    match problem.code:
        case gitproblem.HOST_KEY_UNKNOWN:
            return replace(problem, message=f"{problem.message}; {_known_kinds(remote)}", hint=_how_to_learn(remote))
        case gitproblem.HOST_KEY_CHANGED:
            return replace(problem, message=f"{problem.message}; {_known_kinds(remote)}", hint=_how_to_compare(remote))
        case gitproblem.CREDENTIALS:
            flaw = next(content_problems(remote), None)
            return replace(problem, message=f"{problem.message}; {flaw.message}", hint=flaw.hint) if flaw else problem
        case _:
            return problem


def _unreadable(code: str, setting: str, what: str, path: str) -> list[Problem]:
    if os.access(path, os.R_OK, effective_ids=True) and not Path(path).is_dir():
        return []
    message, hint = (
        f"the {what} {path} is not there or cannot be read",
        f"put it there, so that the agent's user can read it; `ls -l {path}`",
    )
    return [Problem(code=code, message=message, path=f"repository.{setting}", hint=hint)]


def _too_open(path: str) -> list[Problem]:
    """By ssh(1), FILES, ssh passes over a key of its own user that others could read. A key that is being replaced just now, ssh looks for itself."""
    try:
        found = Path(path).stat()
    except OSError:
        return []
    if found.st_uid != os.geteuid() or not found.st_mode & 0o077:
        return []
    message = f"the key file {path} has the mode {stat.S_IMODE(found.st_mode):04o}: others can read it, so ssh does not use it"
    return [
        Problem(code=CREDENTIALS, message=message, path="repository.ssh_key", hint=f"chmod 600 {path}, and think about who has read it")
    ]


def _exposures(remote: RemoteSpec) -> Iterator[Problem]:
    """Secrets that every user of the host can read, and what decides whom the agent trusts that every user can change."""
    files = {name: getattr(remote, name) for name in ("token_file", "proxy_password_file", "ssh_key", "known_hosts", "ca_file")}
    files["credential_command"] = "".join(remote.credential_command[:1])
    for setting, path in files.items():
        mode = stat.S_IMODE(Path(path).stat().st_mode) if path else 0
        what = "change" if mode & stat.S_IWOTH else "read" if mode & stat.S_IROTH and setting in _SECRET else ""
        if what:
            message = f"every user of this host can {what} {path} (mode {mode:04o})"
            yield Problem(
                code="TS303", message=message, path=f"repository.{setting}", hint=f"chmod {'o-w' if what == 'change' else '600'} {path}"
            )


def _missing_program(remote: RemoteSpec) -> Iterator[Problem]:
    if scheme_of(remote.url) is Scheme.SSH and shutil.which("ssh") is None:
        yield Problem(code="TS320", message="ssh is not installed, and repository.url is reached by it", hint="install openssh-client")


def _content(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(_MOST)
    except OSError:
        return b""


def _known(remote: RemoteSpec) -> list[str]:
    text = _content(remote.known_hosts).decode("utf-8", "replace")
    return [str(key) for key in keys_of(ssh_server(remote.url), text)]


def _known_kinds(remote: RemoteSpec) -> str:
    known = _known(remote)
    return f"{remote.known_hosts} has {', '.join(known[:_MOST_KEYS]) if known else 'no key'} for {ssh_server(remote.url)}"


def _how_to_learn(remote: RemoteSpec) -> str:
    server = ssh_server(remote.url)
    return (
        f"get the keys with `ssh-keyscan -p {server.port} {server.host}`, compare what `ssh-keygen -lf` shows of them with the fingerprints that "
        "the server's operator publishes, and add them"
    )


def _how_to_compare(remote: RemoteSpec) -> str:
    return (
        "somebody may stand between: ask the server's operator for its fingerprint, and only when it is the one above replace the key in "
        f"{remote.known_hosts}; nothing does that by itself"
    )
