"""Keys that vouch for commits and will not for long. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import pairwise

from torchsync.core.checkup import Finding, fine, problem, warning
from torchsync.core.model import Instant, Millis

SOON = Millis(30 * 24 * 3600 * 1000)

_VALID_BEFORE = re.compile(r'(?:^|[\s,])valid-before="?(\d{8})(\d{4})?(\d{2})?Z?"?', re.IGNORECASE)


def signer_ends(text: str) -> Iterator[tuple[str, Instant | None]]:
    """The principals of an allowed signers file, and until when each is one; None for ever. ssh-keygen(1), ALLOWED SIGNERS.

    The zone of a time without `Z` is the host's; here it is taken for UTC, which is less than a day off.
    """
    for raw in text.splitlines():
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        name, _, rest = line.partition(" ")
        found = _VALID_BEFORE.search(rest)
        yield name, _moment("".join(part or "" for part in found.groups())) if found else None


def _moment(digits: str) -> Instant | None:
    try:
        moment = datetime.strptime(digits.ljust(14, "0"), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return Instant(int(moment.timestamp()) * 1000)


def gpg_ends(listing: str) -> Iterator[tuple[str, Instant | None]]:
    """The primary keys of a listing by `gpg --with-colons`, named by the user id that follows, and until when each is good (doc/DETAILS)."""
    rows = [line.split(":") for line in listing.splitlines() if line.startswith(("pub:", "uid:"))]
    for row, following in pairwise([*rows, ["end"]]):
        if row[0] == "pub" and len(row) > 9:
            name = following[9] if following[0] == "uid" and len(following) > 9 else row[4]
            yield name, Instant(int(row[6]) * 1000) if row[6].isdecimal() else None


def expiry_findings(setting: str, ends: Iterable[tuple[str, Instant | None]], now: Instant) -> Iterator[Finding]:
    """What has run out or soon will. A file in which every key has run out trusts nobody, and no commit is accepted."""
    known = list(ends)
    gone = [name for name, end in known if end is not None and end <= now]
    soon = [(name, end) for name, end in known if end is not None and now < end <= now + SOON]
    renew = f"add a newer key to {setting}"
    if known and len(gone) == len(known):
        yield problem(f"every key of {setting} has run out: no newer commit is accepted", renew, "TS382")
    elif gone:
        yield warning(f"keys of {setting} have run out: {', '.join(gone)}", renew, "TS382")
    for name, end in soon:
        yield warning(f"the key of {name} in {setting} runs out in {(end - now) // (24 * 3600 * 1000)} days", renew, "TS382")
    if known and not gone and not soon:
        yield fine(f"{len(known)} keys in {setting}, none of which runs out within 30 days")
