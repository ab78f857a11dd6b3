"""Broken task files and what is said about them, word for word: `tests/corpus/NAME` and `NAME.txt` beside it.

`--golden` writes the expected texts anew; read the difference before you commit it.
"""

from __future__ import annotations

import io
import time
from pathlib import Path

import pytest

from torchsync.adapters.schemas import read_schema
from torchsync.cli.report import print_problems
from torchsync.core.taskfile import TaskFileReader

CORPUS = Path(__file__).parent.parent / "corpus"
FILES = sorted(path for path in CORPUS.iterdir() if path.suffix != ".txt")
READER = TaskFileReader(read_schema("task"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_broken_file_is_told_word_for_word(file: Path, request: pytest.FixtureRequest) -> None:
    path, content = f"tasks/{file.name}", file.read_bytes()
    problems = READER.read(path, content)[1]
    told = io.StringIO()
    print_problems(problems, told, {path: content})
    expected = file.with_name(f"{file.name}.txt")
    if request.config.getoption("--golden"):
        expected.write_text(told.getvalue(), encoding="utf-8")
    assert problems
    assert told.getvalue() == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_broken_file_takes_less_than_a_tenth_of_a_second(file: Path) -> None:
    content = file.read_bytes()
    start = time.process_time()
    READER.read("tasks/x.yaml", content)
    assert time.process_time() - start < 0.1


def test_the_corpus_is_large_and_nothing_lies_in_it_unused() -> None:
    assert len(FILES) >= 25
    assert {f"{file.name}.txt" for file in FILES} == {path.name for path in CORPUS.iterdir() if path.suffix == ".txt"}
