"""The moment that `--after` names."""

from __future__ import annotations

import time

import pytest

from torchsync.cli.moment import moment_of
from torchsync.core.instants import parse_rfc3339
from torchsync.errors import UsageError


def test_a_time_with_a_zone_is_the_moment() -> None:
    assert moment_of("2026-03-29T01:00:00Z") == moment_of("2026-03-29T03:00:00+02:00") == parse_rfc3339("2026-03-29T01:00:00Z")


def test_without_it_the_present_is_meant() -> None:
    before = time.time_ns() // 1_000_000
    assert before <= moment_of(None) <= time.time_ns() // 1_000_000


@pytest.mark.parametrize("text", ["", "soon", "2026-03-29", "2026-03-29T01:00:00"])
def test_what_is_no_time_is_a_mistake_of_the_command_line_that_names_the_option(text: str) -> None:
    with pytest.raises(UsageError, match="--after: "):
        moment_of(text)
