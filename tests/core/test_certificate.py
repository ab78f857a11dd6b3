"""The readings are compared with openssl's in tests/adapters/test_certificates.py."""

import ssl
from datetime import UTC, datetime, timedelta

import pytest

from torchsync.core.certificate import Validity, validity_of
from torchsync.core.model import Instant

HOUR, DAY = 3600 * 1000, 24 * 3600 * 1000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
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


def member(tag, *contents):
    content = b"".join(contents)
    length = bytes([len(content)]) if len(content) < 128 else b"\x82" + len(content).to_bytes(2)
    return bytes([tag]) + length + content


def certificate(begin, end, *before):
    """As much of one as is read, in PEM."""
    validity = member(0x30, begin, end)
    signed = member(0x30, *before, member(0x02, b"\x01"), member(0x30), member(0x30, b"issuer" * 40), validity, member(0x30))
    return ssl.DER_cert_to_PEM_cert(member(0x30, signed)).encode()


@pytest.mark.parametrize(
    ("begin", "end", "years"),
    [
        (member(0x17, b"991231235959Z"), member(0x17, b"491231235959Z"), (1999, 2049)),
        (member(0x17, b"500101000000Z"), member(0x18, b"20500101000000Z"), (1950, 2050)),
    ],
)
@pytest.mark.parametrize("before", [(), (member(0xA0, b"\x02\x01\x02"),)], ids=["version 1", "version 3"])
def test_years_have_two_digits_until_2049_and_then_four(begin, end, years, before):
    validity = validity_of(b"# a comment\n" + certificate(begin, end, *before))
    assert validity is not None
    assert tuple((EPOCH + timedelta(milliseconds=moment)).year for moment in (validity.begin, validity.end)) == years


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
