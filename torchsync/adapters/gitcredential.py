"""The credential helper of git for https remotes, a program of its own: answers from the token file, or by the operator's command; with the argument
`proxy`, for the proxy on the way, from the file of its password.

Theory of operation. git starts it as gitcredentials(7) has it, with `get`, and reads `username=` and `password=` lines from its standard output: the
secret passes through pipes and memory only. What to do comes in the environment, where nothing is secret. When there is no answer, one line
on standard error that begins with `torchsync: ` says why, never with a word of what was read, and `quit=1` has git give up at once.

The operator's command gets an environment of its own, no input, and nobody reads what it says on standard error. It stays in git's process group,
so whatever ends git ends it too. Nothing but the standard library is imported: it starts in a few milliseconds.
"""

from __future__ import annotations

import os
import pwd
import re
import select
import subprocess
import sys
import time
from pathlib import Path

_MOST = 65_536
_PATIENCE = 20.0
_LANGUAGE = "C.UTF-8"


class _Unanswered(Exception):
    """Why there are no credentials, in one sentence."""


def main() -> int:
    """The credentials were printed, or why there are none; the status is 0 either way, since git passes over a helper that fails."""
    try:
        username, password = _credentials()
    except _Unanswered as why:
        print(f"torchsync: {why}", file=sys.stderr)
        print("quit=1")
        return 0
    sys.stdout.flush()
    sys.stdout.buffer.write(b"username=" + username + b"\npassword=" + password + b"\n")
    return 0


def _credentials() -> tuple[bytes, bytes]:
    if sys.argv[1:2] == ["proxy"]:
        return os.environb[b"TORCHSYNC_PROXY_USERNAME"], _line("proxy password file", os.environ["TORCHSYNC_PROXY_PASSWORD_FILE"])
    default = os.environb[b"TORCHSYNC_USERNAME"]
    token_file = os.environ.get("TORCHSYNC_TOKEN_FILE")
    if token_file is not None:
        return default, _line("token file", token_file)
    username, password = _said(_output(os.environ["TORCHSYNC_CREDENTIAL_COMMAND"].split("\x1f")))
    return username or default, password


# A secret in a file.


def _line(what: str, path: str) -> bytes:
    """The one line of the file, without its end, whichever that is."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(_MOST + 1)
    except OSError as error:
        raise _Unanswered(f"the {what} {path} cannot be read: {error.strerror}") from None
    secret = content.rstrip(b"\r\n")
    if not secret.strip():
        raise _Unanswered(f"the {what} {path} is empty")
    if len(content) > _MOST or re.search(rb"[\r\n\0]", secret):
        raise _Unanswered(f"the {what} {path} holds more than one line, or more than a secret can be")
    return secret


# The operator's command.


def _output(command: list[str]) -> bytes:
    """What the command printed, when it ended well and in time."""
    try:
        process = subprocess.Popen(
            command, env=_environment(), cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    except OSError as error:
        raise _Unanswered(f"the credential command {command[0]} cannot be started: {error.strerror}") from None
    deadline = time.monotonic() + _PATIENCE
    with process:
        try:
            output = _read(process, deadline)
            status = process.wait(max(0.0, deadline - time.monotonic()))
        except (TimeoutError, subprocess.TimeoutExpired):
            raise _Unanswered(f"the credential command {command[0]} did not end within {_PATIENCE:g} s") from None
        finally:
            process.kill()
    if status != 0:
        raise _Unanswered(f"the credential command {command[0]} ended with {_status(status)}")
    return output


def _read(process: subprocess.Popen[bytes], deadline: float) -> bytes:
    """All that comes before the pipe is closed. Raises TimeoutError."""
    assert process.stdout is not None
    output = b""
    while select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
        piece = os.read(process.stdout.fileno(), _MOST)
        output += piece
        if not piece:
            return output
        if len(output) > _MOST:
            raise _Unanswered(f"the credential command printed more than {_MOST >> 10} KiB")
    raise TimeoutError


def _environment() -> dict[str, str]:
    """That of a login of the agent's user, whom the command runs as, and nothing else."""
    try:
        account = pwd.getpwuid(os.geteuid())
        name, home = account.pw_name, account.pw_dir
    except KeyError:
        name, home = str(os.geteuid()), "/"
    return {"PATH": os.environ["PATH"], "HOME": home, "USER": name, "LOGNAME": name, "LANG": _LANGUAGE}


def _said(output: bytes) -> tuple[bytes, bytes]:
    """The username, empty when there is none, and the password; other lines are passed over."""
    found = {b"username": b"", b"password": b""}
    for line in output.splitlines():
        name, _, value = line.partition(b"=")
        if name in found:
            found[name] = value
    if not found[b"password"] or b"\0" in found[b"username"] + found[b"password"]:
        raise _Unanswered("the credential command printed no line `password=...`")
    return found[b"username"], found[b"password"]


def _status(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"status {status}"


if __name__ == "__main__":
    sys.exit(main())
