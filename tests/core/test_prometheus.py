from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchsync.core.prometheus import PromAnswer, PromRefusal, Sample, answer_from_document, any_of

UP = {"metric": {"__name__": "up", "instance": "db-1:9747"}, "value": [1795435200.5, "1"]}


def vector(*results: object, **more: object) -> dict[str, object]:
    return {"status": "success", "data": {"resultType": "vector", "result": list(results)}, **more}


def test_samples_are_read_with_their_moment() -> None:
    found = answer_from_document(vector(UP, {"metric": {}, "value": [1795435200.5, "NaN"]}))
    assert found == PromAnswer(samples=(Sample("up", {"instance": "db-1:9747"}, 1.0), Sample("", {}, 0.0)), at=1_795_435_200_500)


def test_warnings_are_kept() -> None:
    assert answer_from_document(vector(warnings=["a store is away"], infos=["odd"])) == PromAnswer(warnings=("a store is away", "odd"))


def test_a_refusal_is_an_answer() -> None:
    assert answer_from_document({"status": "error", "errorType": "bad_data", "error": "no"}) == PromRefusal("bad_data", "no")


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "up",
        {},
        {"status": "success"},
        {"status": "error"},
        {"status": "success", "data": {"resultType": "scalar", "result": [1, "1"]}},
        vector({"metric": {}, "value": [1]}),
        vector({"metric": [], "value": [1, "1"]}),
        vector({"metric": {}, "value": [1, "one"]}),
    ],
)
def test_what_no_prometheus_says_is_refused(document: object) -> None:
    with pytest.raises(ValueError, match=r"no answer|no sample|convert"):
        answer_from_document(document)


@given(
    values=st.lists(st.text(alphabet='ab.*+?()|[]{}^$-\\"1', min_size=1, max_size=6), min_size=1, max_size=4),
    other=st.text(alphabet="ab.1", max_size=3),
)
def test_a_pattern_matches_its_texts_only(values: list[str], other: str) -> None:
    pattern = any_of(values).replace('\\"', '"').replace("\\\\", "\\")
    assert all(re.fullmatch(pattern, value) for value in values)
    assert bool(re.fullmatch(pattern, other)) == (other in values)
