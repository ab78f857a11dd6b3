"""The strict YAML loader: what scalars mean, what is refused, where everything stands, and that nothing can hurt it."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from torchsync.core.yamltext import MAX_BYTES, MAX_DEPTH, MAX_NODES, Place, load
from torchsync.errors import TorchsyncError


def value_of(text: str) -> object:
    loaded = load(text.encode())
    assert not loaded.faults
    assert loaded.document is not None
    return loaded.document.value


def faults_of(content: str | bytes) -> list[tuple[str, int, int]]:
    loaded = load(content if isinstance(content, bytes) else content.encode())
    return [(fault.code, fault.line, fault.column) for fault in loaded.faults]


def hint_of(text: str) -> str:
    return load(text.encode()).faults[0].hint


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("no", "no", id="no is a text"),
        pytest.param("on", "on", id="on is a text"),
        pytest.param("y", "y", id="y is a text"),
        pytest.param("true", True, id="true"),
        pytest.param("False", False, id="False"),
        pytest.param("tRue", "tRue", id="mixed case is a text"),
        pytest.param("~", None, id="tilde"),
        pytest.param("null", None, id="null"),
        pytest.param("", None, id="nothing"),
        pytest.param("12", 12, id="integer"),
        pytest.param("-12", -12, id="negative"),
        pytest.param("+12", 12, id="plus"),
        pytest.param("0", 0, id="zero"),
        pytest.param("0o17", 15, id="octal"),
        pytest.param("0x1f", 31, id="hexadecimal"),
        pytest.param("1e3", 1000.0, id="exponent"),
        pytest.param(".5", 0.5, id="point first"),
        pytest.param("1.", 1.0, id="point last"),
        pytest.param("0.5", 0.5, id="fraction"),
        pytest.param("1_000", "1_000", id="underscore is a text"),
        pytest.param("12:30", "12:30", id="sexagesimal is a text"),
        pytest.param("2026-05-04", "2026-05-04", id="date is a text"),
        pytest.param("0b11", "0b11", id="binary is a text"),
        pytest.param("1.2.3", "1.2.3", id="version is a text"),
        pytest.param("10.2.0.0/16", "10.2.0.0/16", id="network is a text"),
        pytest.param("0 30 2 * * *", "0 30 2 * * *", id="schedule is a text"),
        pytest.param("=", "=", id="equals is a text"),
        pytest.param('"010"', "010", id="quoted number is a text"),
        pytest.param("'no'", "no", id="single quotes"),
        pytest.param("|\n  a\n  b\n", "a\nb\n", id="literal block"),
        pytest.param(">\n  a\n  b\n", "a b\n", id="folded block"),
    ],
)
def test_scalars_mean_what_the_core_schema_of_yaml_1_2_says(text: str, value: object) -> None:
    found = value_of(f"a: {text}\n")
    assert found == {"a": value}
    assert type(found["a"]) is type(value)  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a: 010\n", ("TS105", 1, 4), id="leading zero"),
        pytest.param("a: 08\n", ("TS105", 1, 4), id="leading zero, not even octal"),
        pytest.param("a: -01\n", ("TS105", 1, 4), id="negative with leading zero"),
        pytest.param("a: 01.5\n", ("TS105", 1, 4), id="fraction with leading zero"),
        pytest.param("a: .inf\n", ("TS111", 1, 4), id="infinity"),
        pytest.param("a: -.INF\n", ("TS111", 1, 4), id="negative infinity"),
        pytest.param("a: .nan\n", ("TS111", 1, 4), id="not a number"),
        pytest.param("a: 1e999\n", ("TS111", 1, 4), id="float without bounds"),
        pytest.param(f"a: {'9' * 5000}\n", ("TS111", 1, 4), id="5000 digits"),
        pytest.param("a: &x 1\n", ("TS102", 1, 4), id="anchor"),
        pytest.param("a: *x\n", ("TS102", 1, 4), id="alias"),
        pytest.param("a: !!str 1\n", ("TS102", 1, 4), id="tag"),
        pytest.param("a: ! x\n", ("TS102", 1, 4), id="empty tag"),
        pytest.param("a: !e!x 1\n", ("TS102", 1, 4), id="unknown tag handle"),
        pytest.param("a: !!python/object:os.system x\n", ("TS102", 1, 4), id="python tag"),
        pytest.param("<<: {a: 1}\n", ("TS102", 1, 1), id="merge key"),
        pytest.param("%YAML 1.2\n---\na: 1\n", ("TS102", 1, 1), id="directive"),
        pytest.param("%FOO\n---\na: 1\n", ("TS102", 1, 1), id="unknown directive"),
        pytest.param("a: 1\n---\nb: 2\n", ("TS102", 2, 1), id="second document"),
        pytest.param("a: 1\n...\n---\nb: 2\n", ("TS102", 3, 1), id="second document after an end"),
        pytest.param("{[1]: 2}\n", ("TS102", 1, 2), id="list as key"),
        pytest.param("a: {{ x }}\n", ("TS102", 1, 5), id="template"),
        pytest.param("a: 1\nb: 2\na: 3\n", ("TS103", 3, 1), id="key twice"),
        pytest.param('a: 1\n"a": 3\n', ("TS103", 2, 1), id="key twice, once in quotes"),
        pytest.param("1: 1\n'1': 3\n", ("TS103", 2, 1), id="number and text as the same key"),
        pytest.param(b"a: 1\nb: \xff\n", ("TS104", 2, 4), id="not UTF-8"),
        pytest.param("ä: ü\n".encode("latin-1"), ("TS104", 1, 1), id="latin 1"),
        pytest.param("a: 1\n".encode("utf-16"), ("TS104", 1, 1), id="utf-16"),
        pytest.param("a: \x07\n", ("TS101", 1, 4), id="control character"),
        pytest.param("a: b\rc: d\n", ("TS101", 1, 5), id="carriage return alone"),
        pytest.param("a: x\u202ey\n", ("TS101", 1, 5), id="text turned around"),
        pytest.param("a: x\u2028y\n", ("TS101", 1, 5), id="line separator"),
        pytest.param('a: "\\0"\n', ("TS101", 1, 4), id="control character as escape"),
        pytest.param('a: "\\ud800"\n', ("TS101", 1, 7), id="surrogate as escape"),
        pytest.param("", ("TS101", 1, 1), id="empty file"),
        pytest.param("# nothing\n", ("TS101", 1, 1), id="comments only"),
        pytest.param("a: 'b\n", ("TS101", 1, 4), id="open quote"),
        pytest.param("a: [1, 2\nb: 3\n", ("TS101", 1, 4), id="open list"),
        pytest.param("a:\n\tb: 1\n", ("TS101", 2, 1), id="tab"),
        pytest.param("a: b: c\n", ("TS101", 1, 5), id="two colons"),
        pytest.param("a: x" + " " * MAX_BYTES, ("TS141", 1, 1), id="too large"),
        pytest.param("[" * (MAX_DEPTH + 1), ("TS141", 1, MAX_DEPTH + 1), id="too deep"),
        pytest.param("- 1\n" * (MAX_NODES + 1), ("TS141", MAX_NODES, 3), id="too many"),
    ],
)
def test_what_hides_the_meaning_of_a_file_is_refused_where_it_stands(text: str | bytes, expected: tuple[str, int, int]) -> None:
    assert faults_of(text) == [expected]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        pytest.param("schedule: */5 * * * *\n", 'write "*/5 * * * *"', id="step"),
        pytest.param("a:\n  schedule: * * * * *  # each minute\n", 'write "* * * * *"', id="stars and a comment"),
        pytest.param("schedule: @daily\n", 'write "@daily"', id="macro"),
        pytest.param("{schedule: @daily, command: x}\n", 'write "@daily"', id="macro in braces"),
        pytest.param("hosts: [*.example.org, x]\n", 'write "*.example.org"', id="pattern in brackets"),
        pytest.param("hosts: [!db-*, x]\n", 'write "!db-*" when it is meant as text', id="exclusion"),
        pytest.param("a:\n\tb: 1\n", "indent with spaces", id="tab"),
        pytest.param("a: @\U00011500\n", "put quotes around it", id="a character that cannot be shown"),
        pytest.param('a: "\\d+"\n', "use single quotes, or write `\\\\` for a backslash", id="escape"),
    ],
)
def test_a_common_mistake_comes_with_what_to_write(text: str, hint: str) -> None:
    assert hint_of(text) == hint


def test_everything_that_is_wrong_is_told_at_once() -> None:
    text = "a: 010\nb: *x\na: 2\nc: {d: !t x, d: 3}\n"
    assert sorted(faults_of(text)) == [("TS102", 2, 4), ("TS102", 4, 8), ("TS103", 3, 1), ("TS103", 4, 14), ("TS105", 1, 4)]


def test_an_error_of_the_parser_on_a_line_that_has_a_fault_is_not_told_twice() -> None:
    assert faults_of("a: *5 * * * *\n") == [("TS102", 1, 4)]


def test_a_hard_blank_is_blamed_only_where_the_parser_stumbles() -> None:
    assert faults_of("x:\n    a: 1\n\u00a0\u00a0\u00a0\u00a0b: 1\n    c: 2\n") == [("TS101", 3, 1)]
    assert faults_of("a: |\n \u00a0x\nb: 1\nc: 2\nd: [1\ne: 2\n") == [("TS101", 5, 4)]


def test_a_value_that_cannot_be_read_is_none_and_its_route_is_broken() -> None:
    document = load(b"a: [1, 010]\n").document
    assert document is not None
    assert document.value == {"a": [1, None]}
    assert document.broken == {("a", 1)}


def test_every_key_and_value_has_its_place() -> None:
    document = load("a:\n  - x\n  - {ü: 1, y: z}\nb:\n".encode()).document
    assert document is not None
    assert document.place_of(("a", 0)) == Place(2, 5)
    assert document.place_of(("a", 1, "y")) == Place(3, 15)
    assert document.key_place_of(("a", 1, "y")) == Place(3, 12)
    assert document.key_place_of(("a",)) == Place(1, 1)
    assert document.place_of(("a", 1, "missing")) == Place(3, 5)
    assert document.place_of(("nothing", "there")) == Place(1, 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("s: 1 2 x\n", Place(1, 8), id="plain"),
        pytest.param("s: '1 2 x'\n", Place(1, 9), id="quoted"),
        pytest.param('s:   "1 2 x"\n', Place(1, 11), id="double quotes"),
        pytest.param('s: "1\\x202 x"\n', Place(1, 4), id="with an escape: the start"),
        pytest.param("s: |-\n  1 2 x\n", Place(1, 4), id="block: the start"),
    ],
)
def test_a_character_of_a_text_has_its_place_in_the_file(text: str, expected: Place) -> None:
    document = load(text.encode()).document
    assert document is not None
    assert document.place_inside(("s",), "1 2 x", 5) == expected


def test_windows_line_ends_and_a_byte_order_mark_change_nothing() -> None:
    loaded = load(b"\xef\xbb\xbfa: 1\r\nb: 010\r\n")
    assert [(fault.line, fault.column) for fault in loaded.faults] == [(2, 4)]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"a":1,"b":[true,null,"x\\/y"]}', id="without spaces"),
        pytest.param('{\n\t"a":\t{"b": "\\u00e4"}\n}\n', id="indented with tabs"),
        pytest.param('{"a": 1.5e3, "b": -0.25, "c": ""}', id="numbers"),
    ],
)
def test_json_is_read_as_json_is(text: str) -> None:
    assert value_of(text) == json.loads(text)


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=10), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(_json)
def test_what_a_json_writer_writes_comes_back(value: object) -> None:
    assert value_of(json.dumps(value)) == value


@given(st.binary(max_size=300))
def test_no_bytes_make_it_raise(content: bytes) -> None:
    load(content)


@given(st.text(alphabet="ab:-[]{}*&!|>'\"#%@`,?~ \n\t01.", max_size=80))
def test_no_text_makes_it_raise_and_places_are_inside_it(text: str) -> None:
    loaded = load(text.encode())
    lines = text.split("\n")
    assert loaded.document is not None or loaded.faults
    for fault in loaded.faults:
        assert 1 <= fault.line <= len(lines) + 1
        assert fault.column >= 1


def test_an_installation_without_libyaml_is_an_error_and_not_a_slow_success() -> None:
    with pytest.raises(TorchsyncError, match="libyaml") as caught:
        load(b"a: 1\n", parser=None)
    assert caught.value.code == "TS320"


def test_any_error_of_the_parser_becomes_a_fault() -> None:
    class Failing:
        def __init__(self, _: str) -> None:
            pass

        def get_event(self) -> None:
            raise self.error

    for error in (yaml.YAMLError("x"), ValueError("x"), OverflowError("x"), RecursionError("x")):
        Failing.error = error
        assert [fault.code for fault in load(b"a: 1\n", parser=Failing).faults] == ["TS101"]
