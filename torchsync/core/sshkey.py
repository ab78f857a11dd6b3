"""The file of a private key, as far as the agent can tell that ssh will not use it without a person. Pure.

Sources of the forms: openssh's PROTOCOL.key for its own, RFC 7468 for the others.
"""

from __future__ import annotations

import binascii
from base64 import b64decode

_OPENSSH = b"openssh-key-v1\0"
_NONE = b"\0\0\0\4none"


def key_flaw(content: bytes) -> tuple[str, str] | None:
    """What keeps the content of the file from being a key that ssh can use on its own, and what to do; None when nothing is seen."""
    lines = [line.strip() for line in content.strip().splitlines()]
    if not lines:
        return "is empty", "put the private key there"
    if lines[0].startswith(b"PuTTY-User-Key-File"):
        return "is a key of PuTTY, which ssh cannot read", "convert it with `puttygen FILE -O private-openssh -o NEW`"
    if lines[0].startswith((b"ssh-", b"ecdsa-", b"sk-")):
        return "is a public key", "name the file of the private key, which has no `.pub`"
    if not (lines[0].startswith(b"-----BEGIN ") and b"PRIVATE KEY-----" in lines[0]):
        return "is no private key", "put the private key there, as `ssh-keygen -t ed25519 -N '' -f FILE` makes it"
    if _has_passphrase(lines):
        return (
            "needs a passphrase, and nobody is there to be asked",
            "take it off with `ssh-keygen -p -N '' -f FILE`, or make a key without",
        )
    return None


def _has_passphrase(lines: list[bytes]) -> bool:
    if b"ENCRYPTED" in lines[0] or any(line.startswith(b"Proc-Type:") and line.endswith(b"ENCRYPTED") for line in lines[1:4]):
        return True
    if b"OPENSSH" not in lines[0]:
        return False
    try:
        body = b64decode(b"".join(line for line in lines[1:] if not line.startswith(b"-")))
    except binascii.Error:
        return False
    return body.startswith(_OPENSSH) and not body[len(_OPENSSH) :].startswith(_NONE)
