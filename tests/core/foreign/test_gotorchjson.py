from __future__ import annotations

import pytest

from torchsync.core.foreign.gotorchjson import read_entries


def test_each_entry_has_the_line_it_begins_at() -> None:
    entries, mistakes = read_entries('[\n  {"Command": "a"},\n\n  {\n  "Command": "b"}\n]\n')
    assert [(entry.line, entry.values) for entry in entries] == [(2, {"Command": "a"}), (4, {"Command": "b"})]
    assert mistakes == ()


@pytest.mark.parametrize(
    ("text", "names", "told"),
    [
        ('[{"n": 1},]', [1], [(1, 10, "a comma with nothing after it, which JSON does not allow")]),
        ('[{"n": 1,},\n {"n": 2}]', [1, 2], [(1, 9, "a comma with nothing after it, which JSON does not allow")]),
        ('[{"n": 1},\n {"n": two},\n {"n": 3}]', [1, 3], [(2, 8, "not JSON: Expecting value")]),
        ('[{"n": 1},\n {"n": 2\n {"n": 3}]', [1, 3], [(3, 2, "not JSON: Expecting ',' delimiter")]),
        ('[{"n": 1} {"n": 2}]', [1, 2], [(1, 11, "found `{`, expected a comma between two tasks, or `]`")]),
        ('[{"n": 1}', [1], [(1, 10, "the list is not closed, expected `]`")]),
        ('[{"n": 1}] x', [1], [(1, 12, "there is more after the list, expected its end")]),
        ('[1, {"n": 2}]', [2], [(1, 2, "found no task here, expected one in braces")]),
        ('{"n": 1}', [], [(1, 1, 'found `{"n": 1}`, expected a list of tasks in brackets')]),
        ("\x00\x01", [], [(1, 1, "found `\\x00\\x01`, expected a list of tasks in brackets")]),
        ("", [], [(1, 1, "the file is empty, expected a list of tasks in brackets")]),
        ('[{"n": ",]"}]', [",]"], []),
        ('[{"n": 1,},\n {"n": 2,},\n {"n": x}]', [1, 2], [(1, 9, ""), (2, 9, ""), (3, 8, "")]),
    ],
)
def test_a_mistake_costs_no_entry_but_its_own(text: str, names: list[object], told: list[tuple[int, int, str]]) -> None:
    entries, mistakes = read_entries(text)
    assert [entry.values["n"] for entry in entries] == names
    assert [(one.line, one.column) for one in mistakes] == [(line, column) for line, column, _ in told]
    assert all(one.message == message for one, (_, _, message) in zip(mistakes, told, strict=True) if message)


@pytest.mark.parametrize(
    "text", ['[{"a":' + "[" * 100_000, "[" + ",]" * 50_000, "[" + '{"a"},\n' * 20_000, "[" + '{"a":1}\n' * 5_000, "[" + "1," * 5_000 + "]"]
)
def test_hostile_text_is_told_in_few_words(text: str) -> None:
    assert 1 <= len(read_entries(text)[1]) <= 102
