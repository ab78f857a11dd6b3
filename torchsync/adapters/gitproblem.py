"""What git said when it failed, as a problem with a code of the table. Pure.

Git has no machine-readable errors; its sentences are read with LC_ALL=C. What a server says is shown, but never in full: control characters,
credentials in URLs and more than one line stay out of logs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from torchsync.core.remoteurl import redact
from torchsync.errors import Problem

_LONGEST = 300

CREDENTIALS, HOST_KEY_UNKNOWN, HOST_KEY_CHANGED = "TS202", "TS203", "TS211"

_SEVERITY = re.compile(r"^(fatal|error|remote|warning|ssh): ?(error: ?)?")
_ACCESS = re.compile(r"^unable to access '[^']*': ")
_OUR_HELPER = re.compile(r"^torchsync: (.+)$", re.MULTILINE)
_OVERLOADED = re.compile(r"returned error: (429|503)\b")
_SENT_KEY = re.compile(r"fingerprint for the (\S+) key sent by the remote host is\s+(\S+?)\.?$", re.MULTILINE)
_UNKNOWN_KEY = re.compile(r"^No (\S+) host key is known for (\S+)", re.MULTILINE)
_REVOKED_KEY = re.compile(r"^The (\S+) host key for (\S+) is marked as revoked", re.MULTILINE)

# Of trees that no git ever made; where fsck does not look, as with a server of files only, reading them ends in one of these.
_WRONG_OBJECT = "object [0-9a-f]+ (is a [a-z]+, )?not a [a-z]+|empty filename in tree entry|malformed mode in tree entry|too-short tree"

# The first row that fits a line decides. What stands in quotes is a name that somebody chose, and no sign.
_SIGNS = (
    (HOST_KEY_UNKNOWN, "has a host key that is not accepted", "Host key verification failed"),
    ("TS205", "does not have what is asked for", "couldn't find remote ref", "no such ref", "Remote branch .* not found"),
    ("TS201", "has a damaged repository", "repository corruption on the remote side"),
    (
        "TS320",
        "needs a program that is not here",
        "failed to run command",
        "can't execute",
        r"\bssh: (1: )?(command )?not found",
        "cannot run ssh",
    ),
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
        CREDENTIALS,
        "is behind a proxy that refuses the credentials",
        "(response|HTTP code) 407",
        "(CONNECT tunnel failed, response|HTTP code) 401",
    ),
    ("TS201", "cannot be reached", "repository not exported"),
    (
        CREDENTIALS,
        "refuses the credentials",
        "Authentication failed",
        "could not read (Username|Password)",
        "returned error: 40[13]\\b",
        "Access denied",
        "terminal prompts disabled",
        "Invalid username or (password|token)",
        r"Permission denied \(",
        "Too many authentication failures",
    ),
    ("TS201", "does not give the repository", "(?-i:ERROR: )"),  # over ssh GitHub and GitLab say so
    ("TS201", "is overloaded and wants to be asked later", _OVERLOADED.pattern),
    (
        "TS204",
        "is too slow",
        "(Operation|Connection) timed out",
        "Timeout was reached",
        "Operation too slow",
        "Timeout, server .* not responding",
    ),
    (
        "TS201",
        "cannot be reached",
        "Could not resolve hostname",
        "ssh: connect to host",
        "kex_exchange_identification",
        "Connection (closed|reset) by",
    ),
    ("TS205", "does not give that commit", "not our ref", "unadvertised object"),
    ("TS141", "sends more than may be stored in one file", "died of signal 25"),
    ("TS140", "sent objects that git does not accept", "fsck error in pack", "error: object [0-9a-f]+: [a-zA-Z]+:", _WRONG_OBJECT),
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
_HINTS = {
    "is behind a proxy that refuses the credentials": "say who this host is by `repository.proxy_username` and `repository.proxy_password_file`",
    "has a damaged repository": "the copy here is not at fault: whoever runs the server finds the damage there with `git fsck`",
    "does not give that commit": "is it in the repository? Else the server does not serve commits by id: allow it there with "
    "`git config uploadpack.allowReachableSHA1InWant true`, or follow a branch or tag",
}
_OF_THIS_HOST = frozenset({"TS141", "TS209", "TS320", "TS333"})
"""What a server says of itself (`remote: ...`) is no sign of these: its disk may be full, its repository damaged."""

_QUOTED = re.compile(r"(?<![A-Za-z])'[^'\n]*'")


@dataclass(frozen=True, slots=True)
class _Rule:
    """What one row of the signs comes to."""

    code: str
    sentence: str
    pattern: re.Pattern[str]

    def line_in(self, stderr: str) -> str | None:
        """The first line with a sign of it."""
        return next((line for line in stderr.splitlines() if self._fits(line)), None)

    def _fits(self, line: str) -> bool:
        is_meant = self.code not in _OF_THIS_HOST or not line.startswith("remote: ")
        return is_meant and self.pattern.search(_QUOTED.sub("''", line)) is not None


_RULES = tuple(_Rule(code, sentence, re.compile("|".join(signs), re.IGNORECASE)) for code, sentence, *signs in _SIGNS)


def shown(text: str) -> str:
    """One printable line of bounded length, without credentials."""
    line = " ".join(redact(text).split())
    line = "".join(character if character.isprintable() else "?" for character in line)
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."


def is_overloaded(stderr: str) -> bool:
    """Whether a web server turned git away because it has too much to do: 429, too many requests, or 503 (RFC 6585, RFC 9110)."""
    return _OVERLOADED.search(stderr) is not None


def git_problem(stderr: str, url: str) -> Problem:
    """Why git failed on the remote `url`: a TS2xx, TS320 for a missing program, TS333 for a full disk, or TS140, TS141 when what it sent is at
    fault.

    Signal 25 is SIGXFSZ: a file would have become larger than the limit of the process (setrlimit(2)).
    """
    stderr = stderr.replace("\r\n", "\n")  # ssh ends its lines so
    if said := _OUR_HELPER.search(stderr):
        return Problem(code="TS202", message=shown(f"{redact(url)} gets no credentials: {said[1]}"))
    if problem := _host_key_problem(stderr, url):
        return problem
    for rule in _RULES:
        if line := rule.line_in(stderr):
            return replace(_problem(rule.code, url, rule.sentence, _plain(line)), hint=_HINTS.get(rule.sentence, ""))
    return _problem("TS201", url, "cannot be reached", _last_word(stderr))


def _host_key_problem(stderr: str, url: str) -> Problem | None:
    """What ssh found wrong with the key of the server; its last line names none of it."""
    if changed := _SENT_KEY.search(stderr):
        message = f"{redact(url)} sent another host key than the known one: {changed[1]} {changed[2]}"
        return Problem(code=HOST_KEY_CHANGED, message=shown(message))
    if revoked := _REVOKED_KEY.search(stderr):
        return Problem(code=HOST_KEY_CHANGED, message=shown(f"{redact(url)} sent a host key that is revoked: {revoked[1]} of {revoked[2]}"))
    if unknown := _UNKNOWN_KEY.search(stderr):
        return Problem(
            code=HOST_KEY_UNKNOWN, message=shown(f"{redact(url)} has a host key that is not known: {unknown[1]} of {unknown[2]}")
        )
    return None


def timeout_problem(url: str, seconds: float) -> Problem:
    return Problem(code="TS204", message=f"{redact(url)} did not answer within {seconds:g} s")


def shallow_problem(stderr: str, url: str) -> Problem | None:
    """A fetch that git calls a success, and that brought no whole history; None for any other."""
    if "shallow roots are not allowed to be updated" not in stderr:
        return None
    message = f"{redact(url)} is a shallow copy: the beginning of its history is missing, by which rewinds and signatures are judged"
    return Problem(code="TS221", message=message, hint="say `git fetch --unshallow` there, or follow the repository it was copied from")


def ref_problem(url: str, ref: str) -> Problem:
    wanted = f"branch or tag {ref!r}" if ref not in ("", "HEAD") else "HEAD that points to a commit"
    hint = "a commit is named by all 40 digits of its id" if re.fullmatch(r"[0-9a-fA-F]{7,39}", ref) else ""
    return Problem(code="TS205", message=f"{redact(url)} has no {wanted}", hint=hint)


def _problem(code: str, url: str, sentence: str, detail: str) -> Problem:
    return Problem(code=code, message=shown(f"{redact(url)} {sentence}: {detail}" if detail else f"{redact(url)} {sentence}"))


def _last_word(stderr: str) -> str:
    """The last line that is git's own verdict; what follows it is advice."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    verdicts = [line for line in lines if line.startswith(("fatal:", "error:"))]
    return _plain((verdicts or lines or [""])[0 if verdicts else -1])


def _plain(line: str) -> str:
    return _ACCESS.sub("", _SEVERITY.sub("", line.strip())).strip()
