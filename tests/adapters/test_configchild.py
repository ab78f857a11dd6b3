import queue
from pathlib import Path

import pytest

from torchsync.adapters import configchild
from torchsync.adapters.configchild import ConfigChild, read_in_child
from torchsync.ports import ConfigRead

GOOD = "version: 1\nrepository: {url: 'file:///srv/tasks.git'}\n"


def test_a_good_file_comes_back_as_a_document_with_its_defaults(tmp_path: Path) -> None:
    (tmp_path / "agent.yaml").write_text(GOOD)
    read = read_in_child(str(tmp_path / "agent.yaml"))
    assert read.problems == ()
    assert read.document is not None
    assert read.document["repository"]["interval"] == 30_000


def test_a_bad_file_comes_back_as_its_problems(tmp_path: Path) -> None:
    (tmp_path / "agent.yaml").write_text("version: 1\nrepositry: {}\n")
    read = read_in_child(str(tmp_path / "agent.yaml"))
    assert read.document is None
    assert {problem.code for problem in read.problems} == {"TS302"}
    assert any(problem.line == 2 for problem in read.problems)


def test_a_file_that_is_not_there_is_a_problem_like_any_other(tmp_path: Path) -> None:
    read = read_in_child(str(tmp_path / "nowhere.yaml"))
    assert [problem.code for problem in read.problems] == ["TS304"]


def test_each_reading_posts_one_event(tmp_path: Path) -> None:
    (tmp_path / "agent.yaml").write_text(GOOD)
    posted: queue.SimpleQueue[object] = queue.SimpleQueue()
    child = ConfigChild(str(tmp_path / "agent.yaml"), posted.put)
    for _ in range(2):
        child.read()
        read = posted.get(timeout=60)
        assert isinstance(read, ConfigRead)
        assert read.document is not None


@pytest.mark.parametrize(
    ("program", "words"),
    [
        pytest.param("import sys; sys.exit('out of memory')", "out of memory", id="dies"),
        pytest.param("print('hello')", "Expecting value", id="no JSON"),
        pytest.param("print('[1]')", "form agreed on", id="another form"),
        pytest.param("""print('{"document": null, "problems": [{"code": "TS999", "message": "x"}]}')""", "TS999", id="unknown code"),
    ],
)
def test_a_child_that_dies_or_lies_is_a_problem_too(program: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configchild, "_BOOT", program)
    read = read_in_child("agent.yaml")
    assert read.document is None
    assert words in read.problems[0].message


def test_a_child_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configchild, "_BOOT", "import time; time.sleep(600)")
    monkeypatch.setattr(configchild, "_PATIENCE", 0.5)
    assert "timed out" in read_in_child("agent.yaml").problems[0].message
