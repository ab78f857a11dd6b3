"""The file of known ssh servers, as far as a message about a key needs it: which keys it has for a server. Pure.

Whether a key is accepted is decided by ssh alone. Source of the form: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from torchsync.core.remoteurl import SshServer

_KIND = re.compile(r"[A-Za-z0-9@.-]{1,64}")


@dataclass(frozen=True, slots=True)
class KnownKey:
    """One key of the file: its kind, such as `ssh-ed25519`, its line, and its mark: `@cert-authority`, `@revoked` or empty."""

    kind: str
    line: int
    mark: str = ""

    def __str__(self) -> str:
        return f"{self.mark} {self.kind} in line {self.line}".strip()


def keys_of(server: SshServer, text: str) -> list[KnownKey]:
    """The keys that the file has for the server, in its order; lines that are none are passed over, as ssh does.

    A server at another port than the usual one that is not in the file is looked up without its port, as ssh does, too.
    """
    found = list(_keys_of(str(server), text))
    return found or list(_keys_of(server.host, text))


def _keys_of(server: str, text: str) -> Iterator[KnownKey]:
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        mark = words.pop(0) if words and words[0].startswith("@") else ""
        if len(words) >= 3 and not words[0].startswith("#") and _KIND.fullmatch(words[1]) and _names(server, words[0]):
            yield KnownKey(words[1], number, mark)


def _names(server: str, hosts: str) -> bool:
    if hosts.startswith("|1|"):
        return _is_hash_of(server, hosts)
    patterns = hosts.lower().split(",")
    if any(_matches(server, pattern[1:]) for pattern in patterns if pattern.startswith("!")):
        return False
    return any(_matches(server, pattern) for pattern in patterns)


def _matches(server: str, pattern: str) -> bool:
    """Only `*` and `?` are wild: brackets stand for themselves."""
    return fnmatchcase(server, re.sub(r"\[", "[[]", pattern))


def _is_hash_of(server: str, field: str) -> bool:
    try:
        salt, digest = (b64decode(part, validate=True) for part in field[3:].split("|"))
    except (ValueError, binascii.Error):
        return False
    return hmac.compare_digest(hmac.new(salt, server.encode(), hashlib.sha1).digest(), digest)
