"""The readings are compared with openssl's in tests/adapters/test_certificates.py."""

import pytest

from torchsync.core.certificate import Validity, validity_of
from torchsync.core.model import Instant

HOUR, DAY = 3600 * 1000, 24 * 3600 * 1000
YEAR = Validity(begin=Instant(100 * DAY), end=Instant(465 * DAY))
WEEK = Validity(begin=Instant(100 * DAY), end=Instant(108 * DAY))


@pytest.mark.parametrize(
    ("validity", "now", "flaw"),
    [
        (YEAR, 99 * DAY, "is good from 1970-04-11 00:00 UTC on only"),
        (YEAR, 100 * DAY, ""),
        (YEAR, 451 * DAY, ""),
        (YEAR, 451 * DAY + 1, "runs out in 13 days, on 1971-04-11 00:00 UTC"),
        (YEAR, 464 * DAY, "runs out in 24 hours, on 1971-04-11 00:00 UTC"),
        (YEAR, 465 * DAY + 1, "ran out on 1971-04-11 00:00 UTC"),
        (WEEK, 106 * DAY, ""),
        (WEEK, 107 * DAY, "runs out in 24 hours, on 1970-04-19 00:00 UTC"),
    ],
)
def test_a_certificate_is_told_of_before_it_is_good_and_two_weeks_or_a_quarter_of_its_life_before_it_is_not(validity, now, flaw):
    assert validity.flaw(Instant(now)) == flaw


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
        b"-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----",
        b"-----BEGIN CERTIFICATE-----\nMAUwAzABAA==\n-----END CERTIFICATE-----",
    ],
)
def test_what_is_no_certificate_has_no_validity(pem):
    assert validity_of(pem) is None
