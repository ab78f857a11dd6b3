from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchsync.cli.markdown import cell, code, table, text

HOSTILE = st.text(alphabet="a `|\\<>&@#*_[]()!~-\n\t\x1b\u202e", max_size=12)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("", ""),
        ("  \n ", ""),
        ("0 3 * * *", "`0 3 * * *`"),
        ("<b>", "`<b>`"),
        ("a | b", "`a | b`"),
        ("`x`", "`` `x` ``"),
        ("a\\", "`a\\`"),
        ("a``b", "```a``b```"),
        ("two\nlines", "`two lines`"),
        ("bell\x07", "`bell\ufffd`"),
    ],
)
def test_code_shows_what_it_is(words: str, shown: str) -> None:
    assert code(words) == shown


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("Dumps 10 % of it, (daily)", "Dumps 10 % of it, (daily)"),
        ("@ops #1", "@&#8203;ops #&#8203;1"),
        ("**bold** [a](b)", "&#42;&#42;bold&#42;&#42; &#91;a&#93;(b)"),
        ("<script>&amp;", "&#60;script&#62;&#38;amp;"),
        ("Grüße", "Grüße"),
    ],
)
def test_text_shows_what_it_is(words: str, shown: str) -> None:
    assert text(words) == shown


@given(words=HOSTILE)
def test_no_text_gets_out_of_its_cell(words: str) -> None:
    for told in (text(words), cell(words)):
        assert not re.search(r"(?<!\\)\|", told)
        assert told.isprintable()
    assert not re.search(r"[`<][^`]*[`|\\]", text(words))
    span = code(words)
    assert span == "" or re.fullmatch(r"(`+)(?!`).*(?<!`)\1", span)


def test_a_table_has_a_row_each() -> None:
    assert list(table(("A", "B"), [("1", "2"), ("3", "")])) == ["| A | B |", "| --- | --- |", "| 1 | 2 |", "| 3 |  |", ""]
