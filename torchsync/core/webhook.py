"""Webhooks of forges: whether a request proves that it knows the secret, and what it announces. Pure.

Theory of operation. A forge that was pushed to sends a request, and proves in one of three ways that it has the secret it was given:

- *body*: HMAC-SHA256 over the body, in hex. `X-Hub-Signature-256: sha256=HEX` of GitHub, which Gitea and Forgejo send too, beside their own
  `X-Gitea-Signature: HEX` and `X-Forgejo-Signature: HEX`; `X-Hub-Signature: sha256=HEX` of Bitbucket.
- *message*: HMAC-SHA256 over `ID.TIMESTAMP.BODY`, in base64: `Webhook-Signature: v1,BASE64` of the Standard Webhooks specification, which GitLab
  follows with its signing tokens. The secret is `whsec_` and the key in base64.
- *token*: `X-Gitlab-Token` is the secret itself, in the clear.

A request has to prove one of them, and nothing in it may contradict that: all signatures over the body must be the same one, and a signature is
never made up for by a token. What it announces is only asked once it has proved that. There may be several secrets: while one is replaced, the forge
and its hosts cannot all change at one moment.

The time in a signed message is not looked at: an old request does no more than a new one, which is to ask for a sync.
"""

from __future__ import annotations

import hmac
import json
import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs

Headers = Mapping[str, str]
"""Names in lower case; values as on the wire, each byte a character (latin-1). A header that was sent twice holds both values, by commas."""

SHORTEST_SECRET, LONGEST_SECRET = 16, 4096
"""Bytes."""

MOST_SECRETS = 4
"""While one is replaced there are two; each costs another HMAC over the body."""

_HEX = re.compile(r"(?:sha256=)?([0-9a-f]{64})", re.IGNORECASE)
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_BODY_HEADERS = ("x-hub-signature-256", "x-gitea-signature", "x-forgejo-signature")
_KEY_PREFIX = b"whsec_"


# The proof.


@dataclass(frozen=True, slots=True)
class BodyProof:
    """The digest must be that of the body."""

    digest: bytes


@dataclass(frozen=True, slots=True)
class MessageProof:
    """One of the digests must be that of `prefix` and the body: while a key is replaced there are two."""

    prefix: bytes
    digests: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class TokenProof:
    token: bytes


Proof = BodyProof | MessageProof | TokenProof


def proof_of(headers: Headers) -> Proof | str:
    """What the request offers as its proof; or, in a sentence, why that is none."""
    over_body = _body_signatures(headers)
    if over_body and ("webhook-signature" in headers or "x-gitlab-token" in headers):
        return "the request is signed in two ways that no forge uses together"
    if over_body:
        return _body_proof(over_body)
    if "webhook-signature" in headers:
        return _message_proof(headers)
    if "x-gitlab-token" in headers:
        return TokenProof(_bytes(headers["x-gitlab-token"]))
    return "the request is not signed: set the secret of the webhook in the forge"


class Check:
    """The check of one proof against each of the secrets: fed with the body in pieces, then asked."""

    def __init__(self, proof: Proof, secrets: Sequence[bytes]) -> None:
        self._proof = proof
        self._secrets = secrets
        self._digests = [_begun(proof, secret) for secret in secrets]

    def feed(self, piece: bytes) -> None:
        for digest in self._digests:
            digest.update(piece)

    def fitting(self) -> int:
        """Which of the secrets whoever made the request knows, counted from 1; 0 for none. Takes as long whichever bytes are wrong
        (`hmac.compare_digest`).
        """
        found = [self._fits(secret, digest.digest()) for secret, digest in zip(self._secrets, self._digests, strict=True)]
        return found.index(True) + 1 if True in found else 0

    def _fits(self, secret: bytes, found: bytes) -> bool:
        match self._proof:
            case BodyProof(digest=digest):
                return hmac.compare_digest(found, digest)
            case MessageProof(digests=digests):
                return any(hmac.compare_digest(found, digest) for digest in digests)
            case TokenProof(token=token):
                return hmac.compare_digest(secret, token)


def secrets_in(content: bytes) -> tuple[bytes, ...] | str:
    """The secrets of a file, one a line, without the blanks around them; or the end of a sentence about the file, why it has none that count."""
    found = {number: line.strip() for number, line in enumerate(content.splitlines(), 1) if line.strip()}
    if not 1 <= len(found) <= MOST_SECRETS:
        return f"holds {len(found) or 'no'} secrets; write one a line, at most {MOST_SECRETS}"
    for number, secret in found.items():
        if not SHORTEST_SECRET <= len(secret) <= LONGEST_SECRET:
            return f"has {len(secret)} bytes in line {number}; a secret has {SHORTEST_SECRET} to {LONGEST_SECRET}"
    return tuple(found.values())


def _body_signatures(headers: Headers) -> list[str]:
    """The SHA-1 that GitHub and Gitea still send in `X-Hub-Signature` is none of them."""
    found = [headers[name] for name in _BODY_HEADERS if name in headers]
    older = headers.get("x-hub-signature", "")
    return [*found, older] if older and not older.startswith("sha1=") else found


def _body_proof(signatures: list[str]) -> BodyProof | str:
    matches = [_HEX.fullmatch(signature) for signature in signatures]
    digests = {bytes.fromhex(match[1]) for match in matches if match}
    if not all(matches):
        return "a signature of the request is not 64 hex digits, once"
    if len(digests) > 1:
        return "the signatures of the request contradict each other"
    return BodyProof(digests.pop())


def _message_proof(headers: Headers) -> MessageProof | str:
    """Standard Webhooks: signatures are separated by blanks; those of other versions are passed over."""
    name, time = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not name or not time.isdecimal():
        return "the signed request lacks its Webhook-Id or Webhook-Timestamp"
    versioned = [signature.partition(",") for signature in headers["webhook-signature"].split(" ")]
    digests = tuple(digest for version, _, text in versioned if version == "v1" and (digest := _base64(_bytes(text))))
    if not digests:
        return "the request has no signature of version 1 (`v1,` and base64)"
    return MessageProof(_bytes(f"{name}.{time}."), digests)


def _begun(proof: Proof, secret: bytes) -> hmac.HMAC:
    digest = hmac.new(_signing_key(secret) if isinstance(proof, MessageProof) else secret, digestmod="sha256")
    if isinstance(proof, MessageProof):
        digest.update(proof.prefix)
    return digest


def _signing_key(secret: bytes) -> bytes:
    """The key that is in a secret of the form `whsec_BASE64`; any other one is the key itself."""
    return _base64(secret.removeprefix(_KEY_PREFIX)) or secret if secret.startswith(_KEY_PREFIX) else secret


def _base64(text: bytes) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError:
        return b""


def _bytes(text: str) -> bytes:
    return text.encode("latin-1", errors="replace")


# What is announced.


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """Something was pushed. Empty is what the request does not tell: the full ref, and its commit before and after."""

    ref: str = ""
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class OtherEvent:
    """Something that needs no sync, under the name the forge has for it; a greeting too."""

    name: str


_EVENT_HEADERS = ("x-forgejo-event", "x-gitea-event", "x-gogs-event", "x-github-event", "x-gitlab-event", "x-event-key")
_PUSHES = frozenset({"push", "Push Hook", "Tag Push Hook", "repo:push", "repo:refs_changed"})
_SYSTEM_HOOK = "System Hook"
"""Of GitLab: the name of the event is in the body."""
_SYSTEM_PUSHES = frozenset({"push", "tag_push", "repository_update"})


def announced(headers: Headers, body: bytes | None) -> Push | OtherEvent:
    """What a proven request is about. `body` is None when it was too long to be kept: then a push tells no more than that it happened. A request
    that names no event is a push: somebody who knows the secret asks.
    """
    name = next((headers[header] for header in _EVENT_HEADERS if header in headers), "push")
    told = _told(headers, body)
    if name == _SYSTEM_HOOK:
        name = str(told.get("event_name", name))
        is_push = name in _SYSTEM_PUSHES
    else:
        is_push = name in _PUSHES
    if not is_push:
        return OtherEvent(name[:80])
    return Push(ref=_text(told, "ref"), before=_commit(told, "before"), after=_commit(told, "after"))


def is_about(push: Push, ref: str) -> bool:
    """Whether the push may have moved `ref` of agent.yaml. False only when it is certain that it has not."""
    if not push.ref.startswith("refs/") or ref == "HEAD" or _COMMIT.fullmatch(ref):
        return True
    return push.ref in ({ref} if ref.startswith("refs/") else {f"refs/heads/{ref}", f"refs/tags/{ref}"})


def _told(headers: Headers, body: bytes | None) -> Mapping[str, object]:
    """The document of the body, which GitHub and Gitea can also send as the field `payload` of a form; empty when it is none. A form without that
    field is what curl calls everything.
    """
    try:
        text = body or b""
        if headers.get("content-type", "").partition(";")[0].strip().lower() == "application/x-www-form-urlencoded":
            text = parse_qs(text, max_num_fields=16).get(b"payload", [text])[0]
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _text(document: Mapping[str, object], name: str) -> str:
    value = document.get(name)
    return value if isinstance(value, str) and len(value) <= 1024 and value.isprintable() else ""


def _commit(document: Mapping[str, object], name: str) -> str:
    """Empty too for the zeros that stand for a ref that is not there."""
    value = _text(document, name)
    return value if _COMMIT.fullmatch(value) and value.strip("0") else ""
