"""Until when a certificate is good. Pure.

Only as much of X.509 is read as stands before that: RFC 5280, 4.1, in DER (ITU-T X.690). Whether the certificate is any good otherwise is for OpenSSL
to say, which has read it already.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from torchsync.core.model import Instant, Millis

SOON = Millis(14 * 24 * 3600 * 1000)
_SOON_SHARE = 4
_DAY, _HOUR = 24 * 3600 * 1000, 3600 * 1000

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+?)-----END CERTIFICATE-----")
_VERSION, _UTC_TIME, _GENERALIZED_TIME = 0xA0, 0x17, 0x18


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """From `begin` to `end`, both included."""

    begin: Instant
    end: Instant

    def covers(self, now: Instant) -> bool:
        return self.begin <= now <= self.end

    def flaw(self, now: Instant) -> str:
        """In words, why the certificate is not good or soon will not be, else empty. Soon is 14 days, or the last quarter of a shorter life."""
        if now < self.begin:
            return f"is good from {date_of(self.begin)} on only"
        if now > self.end:
            return f"ran out on {date_of(self.end)}"
        if self.end - now < min(SOON, (self.end - self.begin) // _SOON_SHARE):
            return f"runs out in {_length(self.end - now)}, on {date_of(self.end)}"
        return ""


NEVER = Validity(begin=Instant(0), end=Instant(0))
"""That of no certificate."""


def validity_of(pem: bytes) -> Validity | None:
    """That of the first certificate in the text, which is the one a server shows; None when there is none to be found."""
    found = _PEM.search(pem)
    if not found:
        return None
    try:
        return _validity(b64decode(found[1]))
    except (ValueError, IndexError, StopIteration):
        return None


def _validity(der: bytes) -> Validity:
    certificate = next(_members(der))
    signed = next(_members(certificate.content))
    fields = [member for member in _members(signed.content) if member.tag != _VERSION]
    begin, end = _members(fields[3].content)  # After the serial number, the algorithm and the issuer.
    return Validity(begin=_moment(begin), end=_moment(end))


@dataclass(frozen=True, slots=True)
class _Member:
    tag: int
    content: bytes


def _members(der: bytes) -> Iterator[_Member]:
    place = 0
    while place < len(der):
        tag, length, place = der[place], der[place + 1], place + 2
        if length & 0x80:
            size = length & 0x7F
            length, place = int.from_bytes(der[place : place + size]), place + size
        if place + length > len(der):
            raise ValueError("it ends early")
        yield _Member(tag, der[place : place + length])
        place += length


def _moment(member: _Member) -> Instant:
    """RFC 5280, 4.1.2.5: two digits of a year below 50 belong to this century."""
    text = member.content.decode("ascii")
    if member.tag == _UTC_TIME:
        text = ("20" if text < "50" else "19") + text
    elif member.tag != _GENERALIZED_TIME:
        raise ValueError("it is no time")
    return Instant(int(datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()) * 1000)


def date_of(instant: Instant) -> str:
    """To the minute, in UTC."""
    return datetime.fromtimestamp(instant / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _length(length: int) -> str:
    return f"{length // _DAY} days" if length >= 2 * _DAY else f"{length // _HOUR} hours"
