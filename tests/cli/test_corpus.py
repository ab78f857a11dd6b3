"""Broken input of every kind (tests/corpus/cases.py) and what is said about it, word for word.

`--golden` writes the expected texts anew; read the difference before you commit it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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


_ALL_OF_IT = """
import resource, sys
from tests.corpus.cases import cases, tree_of_files, verdict_on
verdict_on(tree_of_files({"tasks/a.yaml": b"version: 1", "hosts.yaml": b"{}", "torchsync.yaml": b"{}"}))
held = next(int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith("VmSize:"))
limit = held + (int(sys.argv[1]) << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
resource.setrlimit(resource.RLIMIT_CPU, (300, 300))
for case in cases():
    assert case.told().text
print("all of it")
"""


def read_all_of_it(mebibytes: int) -> subprocess.CompletedProcess[str]:
    """Every case in one process, which may take no more memory than that beyond what it holds once one file is read, and 300 s of CPU time.
    Source: setrlimit(2).
    """
    argv = [sys.executable, "-c", _ALL_OF_IT, str(mebibytes)]
    return subprocess.run(argv, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)


def test_all_of_it_is_read_in_bounded_memory_and_time() -> None:
    done = read_all_of_it(128)
    assert (done.returncode, done.stdout) == (0, "all of it\n"), done.stderr


def test_that_bound_is_one_that_a_process_can_meet_with() -> None:
    done = read_all_of_it(4)
    assert done.returncode != 0
    assert "MemoryError" in done.stderr


def test_the_corpus_is_large_and_nothing_lies_in_it_unused() -> None:
    assert len(CASES) >= 220
    kept = set(HERE.rglob("*.txt"))
    assert kept == {case.golden for case in CASES}
