"""Broken input of every kind (tests/corpus/cases.py) and what is said about it, word for word.

`--golden` writes the expected texts anew; read the difference before you commit it.
"""

from __future__ import annotations

import pytest

from tests.corpus.cases import HERE, Case, cases
from torchsync.errors import CODES

CASES = tuple(cases())
EVERY_CASE = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
_MUST = (" must be ", " must have ")


@EVERY_CASE
def test_broken_input_is_told_word_for_word(case: Case, request: pytest.FixtureRequest) -> None:
    told = case.told().text
    if request.config.getoption("--golden"):
        case.golden.parent.mkdir(exist_ok=True)
        case.golden.write_text(told, encoding="utf-8")
    assert told
    assert told == case.golden.read_text(encoding="utf-8")


@EVERY_CASE
def test_every_problem_says_what_to_write_and_where(case: Case) -> None:
    """Either a hint of its own, or a message that says what the value must be."""
    told = case.told()
    lines = {path: text.decode("utf-8", "replace").removeprefix("\ufeff").split("\n") for path, text in told.sources.items()}
    for problem in told.problems:
        assert problem.code in CODES
        assert problem.hint or any(words in problem.message for words in _MUST), problem
        assert problem.message.isprintable(), problem
        assert problem.hint.isprintable(), problem
        assert len(problem.message) + len(problem.hint) < 700, problem
        if problem.path in told.sources and problem.code != "TS140":
            assert 1 <= problem.line <= len(lines[problem.path]), problem
            assert 1 <= problem.column <= len(lines[problem.path][problem.line - 1]) + 1, problem


@EVERY_CASE
def test_no_problem_is_told_twice(case: Case) -> None:
    told = [(problem.path, problem.line, problem.column, problem.message) for problem in case.told().problems]
    assert len(set(told)) == len(told)


def test_the_corpus_is_large_and_nothing_lies_in_it_unused() -> None:
    assert len(CASES) >= 80
    kept = set(HERE.rglob("*.txt"))
    assert kept == {case.golden for case in CASES}
