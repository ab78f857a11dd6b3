from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchsync.core.versioned import Damaged, unwrap, wrap

bodies = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def refuse(_):
    raise ValueError("no tasks in it")


@given(body=bodies)
def test_what_is_wrapped_is_unwrapped(body):
    assert unwrap(wrap("generation", 1, body), "generation") == body


def test_an_older_body_is_brought_up_step_by_step():
    steps = [lambda body: [*body, "1 to 2"], lambda body: [*body, "2 to 3"]]
    assert unwrap(wrap("sync", 1, ["v1"]), "sync", steps) == ["v1", "1 to 2", "2 to 3"]
    assert unwrap(wrap("sync", 2, ["v2"]), "sync", steps) == ["v2", "2 to 3"]
    assert unwrap(wrap("sync", 3, ["v3"]), "sync", steps) == ["v3"]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        pytest.param(b"", "not JSON", id="empty"),
        pytest.param(wrap("sync", 1, {"a": "b" * 40})[:30], "not JSON", id="cut short"),
        pytest.param(b"\x00" * 512, "not JSON", id="zeroes"),
        pytest.param(b"\xff\xfe\x00", "not JSON", id="not text"),
        pytest.param(b"[" * 200_000, "not JSON", id="nested for ever"),
        pytest.param(b"[1]", "not a state file", id="a list"),
        pytest.param(b'{"body": 1}', "not a state file", id="no envelope"),
        pytest.param(wrap("generation", 1, 1), "'generation' where 'sync'", id="another kind"),
        pytest.param(wrap("sync", 2, 1), "newer torchsync", id="newer"),
        pytest.param(wrap("sync", 0, 1), "which is none", id="version 0"),
        pytest.param(b'{"kind": "sync", "schema_version": true, "body": 1}', "which is none", id="version true"),
    ],
)
def test_what_cannot_be_used_says_why(data, why):
    found = unwrap(data, "sync")
    assert isinstance(found, Damaged)
    assert why in found.why


def test_a_body_that_cannot_be_brought_up_is_damaged():
    assert unwrap(wrap("sync", 1, 1), "sync", [refuse]) == Damaged("it cannot be brought from version 1 to 2: no tasks in it")
