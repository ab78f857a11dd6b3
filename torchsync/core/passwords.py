"""The passwords of the TCP addresses: the file they stand in, and what a request says. Pure.

A line is `USER:HASH`. The hash is of one of two kinds that crypt(5) describes and common programs make: bcrypt (`$2b$`, `$2y$`), as in the web
configuration of Prometheus, and SHA-512 (`$6$`). Its cost is bounded: it is paid for each password that is tried.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from torchsync.core.model import Millis

MOST_BYTES = 64 * 1024
MOST_ROUNDS = 1_000_000
MOST_COST = 14
"""Of bcrypt: two to the power of this many rounds, about a second."""
LONGEST_PASSWORD = 256
"""Bytes, the user included."""

_BCRYPT = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")
_SHA512 = re.compile(r"\$6\$(?:rounds=(\d{1,9})\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{86}")
_MAKE = "make it by `htpasswd -nB USER` or `openssl passwd -6`"


@dataclass(frozen=True, slots=True)
class Passwords:
    """The hash of each user's password."""

    hashes: Mapping[str, str]

    @property
    def decoy(self) -> str:
        """The hash that the password of an unknown user is compared with: it takes as long as that of a known one, and never counts."""
        return next(iter(self.hashes.values()))


def read_passwords(content: bytes) -> Passwords | tuple[str, ...]:
    """The users of the file; or everything that is wrong with it, none of its hashes among the words."""
    lines = [(number, line.strip()) for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1)]
    told = [(number, *line.partition(":")[::2]) for number, line in lines if line and not line.startswith("#")]
    faults = tuple(_faults(told))
    if faults or len(content) > MOST_BYTES:
        return faults or (f"it has more than {MOST_BYTES} bytes",)
    return Passwords({user: digest for _, user, digest in told})


def _faults(told: list[tuple[int, str, str]]) -> Iterator[str]:
    if not told:
        yield f"it names no user; write lines of `USER:HASH`, the hash made by {_MAKE.removeprefix('make it by ')}"
    seen: set[str] = set()
    for number, user, digest in told:
        if not user or not digest:
            yield f"line {number} is not of the form `USER:HASH`"
        elif user in seen:
            yield f"line {number} names a user that an earlier line has"
        elif flaw := _flaw(digest):
            yield f"line {number}: {flaw}"
        seen.add(user)


def _flaw(digest: str) -> str:
    if bcrypt := _BCRYPT.fullmatch(digest):
        cost = int(bcrypt[1])
        return "" if 4 <= cost <= MOST_COST else f"the cost of the hash is {cost}; 4 to {MOST_COST} can be checked"
    if sha512 := _SHA512.fullmatch(digest):
        rounds = int(sha512[1] or 5000)
        return "" if 1000 <= rounds <= MOST_ROUNDS else f"the hash has {rounds} rounds; 1000 to {MOST_ROUNDS} can be checked"
    return f"what follows the user is no hash of bcrypt or SHA-512; {_MAKE}"


# What a request says.


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user and a password, neither of which is known to be right."""

    user: str
    password: str = field(repr=False)


def credentials_of(authorization: str) -> Credentials | None:
    """What the header `Authorization` says by RFC 7617, in UTF-8; None when it does not."""
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = b64decode(text.strip(), validate=True).decode("utf-8").partition(":")
    except ValueError:
        return None
    is_fit = colon and user and "\0" not in user + password and len((user + password).encode()) <= LONGEST_PASSWORD
    return Credentials(user, password) if is_fit else None


# How many may be tried.


MOST_SOURCES = 1_000


@dataclass(slots=True)
class Pace:
    """For each source at most `burst` failures at once and then one each `every` milliseconds."""

    burst: int = 10
    every: Millis = Millis(1_000)
    _free_at: dict[str, Millis] = field(default_factory=dict)

    def allows(self, source: str, mono: Millis) -> bool:
        """Whether the source may try another password."""
        return self._free_at.get(source, mono) - mono <= (self.burst - 1) * self.every

    def failed(self, source: str, mono: Millis) -> None:
        before = self._free_at.pop(source, mono)
        if len(self._free_at) >= MOST_SOURCES:
            self._forget(mono)
        self._free_at[source] = Millis(max(before, mono) + self.every)

    def _forget(self, mono: Millis) -> None:
        """Those who may try as often as anybody; else the one whose last failure is the longest ago."""
        free = [source for source, free_at in self._free_at.items() if free_at <= mono]
        for source in free or [next(iter(self._free_at))]:
            del self._free_at[source]
