"""Keys that run out."""

from __future__ import annotations

import pytest

from tests.builders import NOON
from torchsync.core.checkup import Level
from torchsync.core.instants import parse_rfc3339
from torchsync.core.keyexpiry import expiry_findings, gpg_ends, signer_ends
from torchsync.core.model import Instant

DAY = 24 * 3600 * 1000

SIGNERS = """
# team
alice@example.org namespaces="git" ssh-ed25519 AAAA
bob@example.org namespaces="git",valid-before="20261201" ssh-ed25519 AAAA
carol@example.org valid-after="20200101",valid-before="202706011230Z" ssh-ed25519 AAAA
"""
LISTING = """\
tru::1:1:0:3:1:5
pub:-:255:22:AAAABBBBCCCCDDDD:1700000000:1800000000::-:::scESC::::::23::0:
fpr:::::::::0123:
uid:-::::1700000000::HASH::Alice <alice@example.org>::::::::::0:
sub:-:255:18:EEEE:1700000000:1790000000:::::e::::::23:
pub:-:255:22:1111222233334444:1700000000:::-:::scESC::::::23::0:
uid:-::::1700000000::HASH::Bob::::::::::0:
"""


def test_allowed_signers_say_until_when() -> None:
    assert list(signer_ends(SIGNERS)) == [
        ("alice@example.org", None),
        ("bob@example.org", parse_rfc3339("2026-12-01T00:00:00Z")),
        ("carol@example.org", parse_rfc3339("2027-06-01T12:30:00Z")),
    ]


def test_a_keyring_says_until_when_by_its_primary_keys() -> None:
    assert list(gpg_ends(LISTING)) == [("Alice <alice@example.org>", Instant(1_800_000_000_000)), ("Bob", None)]


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ([None, 400], [Level.OK]),
        ([], []),
        ([None, 10], [Level.WARNING]),
        ([400, -1], [Level.WARNING]),
        ([-3, -1], [Level.PROBLEM]),
        ([-3, 12], [Level.WARNING, Level.WARNING]),
    ],
)
def test_what_runs_out_is_told_a_month_before(days: list[int | None], expected: list[Level]) -> None:
    ends = [(f"key-{number}", None if day is None else Instant(NOON + day * DAY)) for number, day in enumerate(days)]
    assert [finding.level for finding in expiry_findings("allowed_signers", ends, NOON)] == expected
