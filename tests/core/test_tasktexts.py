from dataclasses import replace

import pytest

from tests.builders import task
from torchsync.core import tasktexts
from torchsync.core.jsontext import canonical
from torchsync.core.taskdoc import task_document
from torchsync.core.tasktexts import TaskTexts


@pytest.fixture
def made(monkeypatch) -> list[str]:
    """The tasks that were put into words, in order."""
    names: list[str] = []
    monkeypatch.setattr(tasktexts, "task_document", lambda one: names.append(one.name) or task_document(one))
    return names


def test_a_definition_that_is_followed_is_put_into_words_once(made) -> None:
    texts, one, other = TaskTexts(), task("one"), task("other")
    found = texts.follow({one.name: one, other.name: other})
    assert (
        (texts.of(one), texts.of(other)) == (found["one"], found["other"]) == tuple(canonical(task_document(each)) for each in (one, other))
    )
    texts.follow({one.name: one})
    assert made == ["one", "other"]


def test_another_definition_of_the_same_name_has_a_text_of_its_own(made) -> None:
    texts, one = TaskTexts(), task("one")
    texts.follow({one.name: one})
    changed = replace(one, description="new")
    assert "new" in texts.of(changed)
    assert "new" not in texts.of(one)
    assert made == ["one", "one"]
