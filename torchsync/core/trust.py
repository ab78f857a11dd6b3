"""Whether a commit may be believed: who signed it, and whether its date can be true. Pure.

Theory of operation. Git checks one signature at a time and says in a letter what came of it (`%G?` of git-log(1)). Only `G` together with the name
of a signer counts; its words do not, since it calls a signature by an unknown key "good" as well.

A key is accepted or not at the date of the commit, and the committer writes that date. So dates are judged too. A commit that must be signed is
not older than any commit before it, so a key that has expired cannot sign today with the date of last year; and it is not from the future, so
one commit with a wrong date does not stand in the way of all later ones. Clocks differ: `CLOCK_SKEW` is allowed both ways. The comparison is with
the newest commit before, not with the parent, so that many small steps do not lead back either. Commits that need no signature and are dated in
the future are passed over: no date can be measured by theirs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from torchsync.errors import Problem

NOT_ACCEPTED = "TS206"
FROM_THE_FUTURE = "TS215"

CLOCK_SKEW = 3600
"""Seconds by which clocks of committers and hosts may differ."""

MOST_TOLD = 20


class SignatureStatus(Enum):
    """What git found; the values are the letters of `%G?`."""

    GOOD = "G"
    UNSIGNED = "N"
    UNKNOWN_KEY = "U"
    MISSING_KEY = "E"
    EXPIRED_KEY = "Y"
    EXPIRED = "X"
    REVOKED = "R"
    BAD = "B"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ancestry:
    """A commit among those before it. `date` is the committer's, in seconds since the epoch; None when the commit has none that can be read."""

    revision: str
    parents: tuple[str, ...]
    date: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What is known of the signature of one commit. `signer` is a principal or a user id, `key` a fingerprint; empty where git does not say. `date`
    is what `committer_date` says.
    """

    revision: str
    date: int | None
    status: SignatureStatus
    signer: str
    key: str
    committer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinds:
    """Which kinds of signatures the host knows keys for."""

    ssh: bool
    gpg: bool


def judge_trust(history: Iterable[Ancestry], signatures: Sequence[Signature], kinds: Kinds, now: int) -> tuple[Problem, ...]:
    """Why the commits of `signatures` are not accepted at `now`, in their order; empty when all are.

    `history` holds those commits and all before them, each after its parents.
    """
    wanted = {signature.revision: signature for signature in signatures}
    dates = _date_problems(history, wanted, now)
    found = [
        problem for signature in signatures for problem in (_signature_problem(signature, kinds), dates.get(signature.revision)) if problem
    ]
    more = len(found) - MOST_TOLD
    if more <= 0:
        return tuple(found)
    return (*found[:MOST_TOLD], Problem(code=NOT_ACCEPTED, message=f"{more:,} more of the {len(signatures):,} commits are not accepted"))


_COMMITTER = re.compile(rb"committer [^<>]*<[^<>]*> (0|[1-9][0-9]{0,17}) [+-][0-9]{4}")


def committer_date(commit: bytes) -> int | None:
    """The date in the header of a commit, in seconds since the epoch; None when parts of git could read different ones.

    Git has several readers of this line, which disagree about a second line, another `>` or a claimed encoding. The date that a key is judged at
    must be the one that is compared with others: so only a commit that all of them read alike has a date.
    """
    header, end, _ = commit.partition(b"\n\n")
    lines = [line for line in header.split(b"\n") if line.startswith(b"committer")]
    found = _COMMITTER.fullmatch(lines[0]) if len(lines) == 1 and end and b"\0" not in header else None
    return int(found[1]) if found else None


def not_a_descendant(revision: str, root: str) -> Problem:
    """`verify.root` is no ancestor of the revision."""
    message = f"{revision[:12]} does not descend from {root[:12]}, which repository.verify.root names"
    return Problem(code=NOT_ACCEPTED, message=message, hint="correct verify.root, or push a descendant of it")


# Signatures.


def _signature_problem(signature: Signature, kinds: Kinds) -> Problem | None:
    fault = _fault(signature, kinds)
    if fault is None:
        return None
    what, hint = fault
    return Problem(code=NOT_ACCEPTED, message=f"{_named(signature)} {what}", hint=hint)


_FAULTS: Mapping[SignatureStatus, tuple[str, str]] = {
    SignatureStatus.EXPIRED_KEY: (
        "is signed {by}, which has expired",
        "sign it with a current key, or put the renewed key into the keyring",
    ),
    SignatureStatus.EXPIRED: ("is signed {by}; the signature itself has expired", "sign it anew"),
    SignatureStatus.REVOKED: (
        "is signed {by}, which is revoked",
        "sign it with another key; history that is known to be good can be trusted by verify.root",
    ),
    SignatureStatus.MISSING_KEY: (
        "is signed {by}, which the keyring of this host does not have",
        "add the key to verify.gpg_keyring if its owner is to be trusted",
    ),
    SignatureStatus.UNKNOWN_KEY: (
        "is signed {by}, which verify.allowed_signers does not have for signing commits at the date of this one",
        "add the key if its owner is to be trusted; look at namespaces, valid-after and valid-before",
    ),
    SignatureStatus.BAD: ("has a signature that does not fit its content", "sign it anew, and find out who changed it"),
}
_UNSIGNED_HINT = (
    "sign it (`git commit --amend -S`), or have the forge sign merges with a key that this host trusts; "
    "the signature of a tag that points to it does not count"
)


def _fault(signature: Signature, kinds: Kinds) -> tuple[str, str] | None:
    """What is wrong, and what to do; None when the signature counts."""
    if signature.status is SignatureStatus.UNSIGNED:
        return "is not signed" if kinds.ssh and kinds.gpg else f"has no {'SSH' if kinds.ssh else 'GPG'} signature", _UNSIGNED_HINT
    if signature.status is SignatureStatus.GOOD:
        return None if signature.signer and signature.key else _FAULTS[SignatureStatus.BAD]
    what, hint = _FAULTS[signature.status]
    by = f"by {signature.signer} with" if signature.signer else "with"
    return what.format(by=f"{by} {signature.key or 'an unknown key'}"), hint


# Dates.


def _date_problems(history: Iterable[Ancestry], wanted: Mapping[str, Signature], now: int) -> dict[str, Problem]:
    latest = now + CLOCK_SKEW
    newest: dict[str, int] = {}
    problems: dict[str, Problem] = {}
    for commit in history:
        before = max((newest.get(parent, 0) for parent in commit.parents), default=0)
        signature = wanted.get(commit.revision)
        date = signature.date if signature else commit.date
        newest[commit.revision] = max(before, date) if date is not None and date <= latest else before
        for problem in _date_faults(signature, before, latest) if signature else ():
            problems[commit.revision] = problem
    return problems


def _date_faults(signature: Signature, before: int, latest: int) -> Iterator[Problem]:
    """At most one: what is wrong with the date of a commit that must be signed."""
    if signature.date is None:
        message = f"{_named(signature)} has no date, or a line about its committer that can be read in several ways"
        yield Problem(code=NOT_ACCEPTED, message=message, hint="commit it anew")
    elif signature.date > latest:
        message = f"{_named(signature)} is dated {_shown(signature.date)}, which is in the future by the clock of this host"
        yield Problem(code=FROM_THE_FUTURE, message=message, hint="correct the clock of this host, or commit it anew")
    elif signature.date < before - CLOCK_SKEW:
        message = f"{_named(signature)} is dated {_shown(signature.date)}, and follows a commit of {_shown(before)}"
        hint = "correct the clock of whoever made it, and commit it anew: a date may not go back by more than an hour"
        yield Problem(code=NOT_ACCEPTED, message=message, hint=hint)


def _named(signature: Signature) -> str:
    return f"{signature.revision[:12]} by {signature.committer or 'nobody'}"


def _shown(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return f"{seconds} s after 1970"
