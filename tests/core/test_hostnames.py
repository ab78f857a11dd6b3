from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchsync.core.hostnames import brief_names, ranges


def read_back(text: str) -> list[str]:
    """The names that a range stands for, as a person would read it."""
    found = re.fullmatch(r"(.*)\[(.*)\](.*)", text)
    if found is None:
        return [text]
    before, inside, after = found.groups()
    names = []
    for part in inside.split(","):
        first, _, last = part.partition("-")
        width = len(first) if first.startswith("0") else 0
        names += [f"{before}{number:0{width}d}{after}" for number in range(int(first), int(last or first) + 1)]
    return names


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([], ""),
        (["db-1"], "db-1"),
        (["spare", "mail"], "mail, spare"),
        ([f"web-{number:02d}" for number in range(1, 41)], "web-[01-40]"),
        ([f"web-{number}" for number in range(1, 13)], "web-[1-12]"),
        (["web-1", "web-2", "web-3", "web-7", "web-9"], "web-[1-3,7,9]"),
        (["db-1.fra.example.org", "db-2.fra.example.org", "db-2.hel.example.org"], "db-[1-2].fra.example.org, db-2.hel.example.org"),
        (["web-01", "web-1", "web-2"], "web-01, web-[1-2]"),
        (["web-09", "web-10", "web-100"], "web-[09-10], web-100"),
        (["rack1-node2", "rack1-node3", "rack2-node2"], "rack1-node[2-3], rack2-node2"),
        (["a1b", "a2b", "a2c"], "a[1-2]b, a2c"),
        (["10.0.0.1", "10.0.0.2"], "10.0.0.1, 10.0.0.2"),
    ],
)
def test_names_that_differ_in_a_number_are_told_together(names: list[str], told: str) -> None:
    assert brief_names(names) == told


NAMES = st.from_regex(r"[a-c]{1,2}-?[0-9]{0,3}[a-c]?(\.x[0-9])?", fullmatch=True)


@given(names=st.sets(NAMES))
def test_what_is_told_can_be_read_back(names: set[str]) -> None:
    found = ranges(names)
    assert sorted(name for one in found for name in read_back(one.text)) == sorted(names)
    assert all(one.count == len(read_back(one.text)) and one.first in names for one in found)


def test_what_does_not_fit_is_counted() -> None:
    names = ["alpha", "beta", *(f"web-{number}" for number in range(1, 40))]
    assert brief_names(names, 40) == "alpha, beta, web-[1-39]"
    assert brief_names(names, 23) == "alpha, beta, web-[1-39]"
    assert brief_names(names, 22) == "alpha and 40 more"
    assert brief_names(names, 1) == "alpha and 40 more"
    assert brief_names([f"web-{number}" for number in range(0, 100, 5)], 30) == "web-[0,5,10,15,20] and 15 more"
    assert brief_names(["db", *(f"web-{number}" for number in range(0, 100, 5))], 30) == "db, web-[0,5,10] and 17 more"


@given(names=st.sets(NAMES, min_size=1), width=st.integers(1, 60))
def test_nothing_is_longer_than_it_may_be_but_a_first_range(names: set[str], width: int) -> None:
    told = brief_names(sorted(names), width)
    first = ranges(names)[0]
    assert len(told) <= max(width, len(first.before + first.runs[0].text + first.after) + len(f"[] and {len(names)} more"))
