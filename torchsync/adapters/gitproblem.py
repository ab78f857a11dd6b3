"""What git said when it failed, as a problem with a code of the table. Pure.

Git has no machine-readable errors; its sentences are read with LC_ALL=C. What a server says is shown, but never in full: control characters,
credentials in URLs and more than one line stay out of logs.
"""

from __future__ import annotations

import re

from torchsync.errors import Problem

_LONGEST = 300

_USERINFO = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://)[^/\s@'\"]*@")
_SEVERITY = re.compile(r"^(fatal|error|remote|warning): ?(error: ?)?")
_ACCESS = re.compile(r"^unable to access '[^']*': ")

# The first row that fits decides.
_SIGNS = (
    ("TS333", "could not be stored", "No space left on device", "Disk quota exceeded", "Read-only file system"),
    (
        "TS210",
        "cannot be trusted",
        "certificate",
        "SSL_connect",
        "SSL routines",
        "SSL: ",
        "gnutls_handshake",
        "TLS connect error",
        "TLSv1 alert",
        "server verification failed",
    ),
    (
        "TS202",
        "refuses the credentials",
        "Authentication failed",
        "could not read (Username|Password)",
        "returned error: 40[13]\\b",
        "Access denied",
        "terminal prompts disabled",
        "Invalid username or (password|token)",
    ),
    ("TS204", "is too slow", "Operation too slow", "Operation timed out", "Connection timed out", "Timeout was reached"),
    ("TS205", "does not have what is asked for", "couldn't find remote ref", "not our ref", "no such ref", "Remote branch .* not found"),
    ("TS140", "sent objects that git does not accept", "fsck error in pack", "error: object [0-9a-f]+: [a-zA-Z]+:"),
    (
        "TS209",
        "could not be stored",
        "loose object [0-9a-f]+ .* is corrupt",
        "object file .* is empty",
        "bad object refs/",
        "reference broken",
        "packfile .* (corrupt|cannot be)",
        "inflate: data stream error",
        "not a git repository: '",
        "unable to read (tree|sha1 file)",
        "Could not read [0-9a-f]{40}",
    ),
)
_RULES = tuple((code, sentence, re.compile("|".join(signs), re.IGNORECASE)) for code, sentence, *signs in _SIGNS)


def redact(text: str) -> str:
    """The text without the user and password of any URL in it."""
    return _USERINFO.sub(r"\1", text)


def shown(text: str) -> str:
    """One printable line of bounded length, without credentials."""
    line = " ".join(redact(text).split())
    line = "".join(character if character.isprintable() else "?" for character in line)
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."


def git_problem(stderr: str, url: str) -> Problem:
    """Why git failed on the remote `url`: TS201, TS202, TS204, TS205, TS209, TS210, or TS140 when the objects themselves are at fault."""
    for code, sentence, pattern in _RULES:
        if pattern.search(stderr):
            return _problem(code, url, sentence, _line_with(stderr, pattern))
    return _problem("TS201", url, "cannot be reached", _last_word(stderr))


def timeout_problem(url: str, seconds: float) -> Problem:
    return Problem(code="TS204", message=f"{redact(url)} did not answer within {seconds:g} s")


def ref_problem(url: str, ref: str) -> Problem:
    wanted = f"branch or tag {ref!r}" if ref not in ("", "HEAD") else "HEAD that points to a commit"
    return Problem(code="TS205", message=f"{redact(url)} has no {wanted}")


def _problem(code: str, url: str, sentence: str, detail: str) -> Problem:
    return Problem(code=code, message=shown(f"{redact(url)} {sentence}: {detail}" if detail else f"{redact(url)} {sentence}"))


def _line_with(stderr: str, pattern: re.Pattern[str]) -> str:
    return next((_plain(line) for line in stderr.splitlines() if pattern.search(line)), _last_word(stderr))


def _last_word(stderr: str) -> str:
    """The last line that is git's own verdict; what follows it is advice."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    verdicts = [line for line in lines if line.startswith(("fatal:", "error:"))]
    return _plain((verdicts or lines or [""])[0 if verdicts else -1])


def _plain(line: str) -> str:
    return _ACCESS.sub("", _SEVERITY.sub("", line.strip())).strip()
