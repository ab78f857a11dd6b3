import pytest

from tests.builders import NOON
from torchsync.core.instants import brief_duration, parse_rfc3339, rfc3339, rfc3339_short
from torchsync.core.model import Instant


def test_an_instant_is_written_in_utc_with_milliseconds_and_read_back():
    assert rfc3339(NOON + 7) == "2026-11-23T12:00:00.007Z"
    assert parse_rfc3339("2026-11-23T12:00:00.007Z") == NOON + 7
    assert parse_rfc3339("2026-11-23T13:00:00+01:00") == NOON


@pytest.mark.parametrize("text", ["2026-11-23T12:00:00", "2026-11-23", "yesterday", ""])
def test_what_is_no_time_with_a_zone_is_refused_and_it_is_said_what_one_looks_like(text):
    with pytest.raises(ValueError, match="write it as 2026-11-23T20:00:00Z"):
        parse_rfc3339(text)


def test_milliseconds_are_left_out_of_the_short_form_where_there_are_none():
    assert rfc3339_short(NOON) == "2026-11-23T12:00:00Z"
    assert rfc3339_short(Instant(NOON + 7)) == "2026-11-23T12:00:00.007Z"


@pytest.mark.parametrize(
    ("length", "text"), [(0, "0ms"), (850, "850ms"), (12_345, "12s"), (245_000, "4m05s"), (12_000_000, "3h20m"), (187_200_000, "2d04h")]
)
def test_a_length_of_time_is_told_briefly(length, text):
    assert brief_duration(length) == text
