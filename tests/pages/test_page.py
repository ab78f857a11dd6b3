"""What holds for every page: it is whole in itself, and no text of others gets out of its place."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable

import pytest
from jinja2 import UndefinedError

from tests.fleets import fleet, host, task, usual
from torchsync.pages.fleet import render_fleet
from torchsync.pages.page import page, visible

HOSTILE = "</script><script>alert(1)</script><!-- \u202e \u2028 & ' \""


@pytest.fixture(scope="module")
def text() -> str:
    return render_fleet(usual())


def assets() -> list[Traversable]:
    folders = [one for one in (files("torchsync.pages") / "assets").iterdir() if one.is_dir()]
    return [file for folder in folders for file in folder.iterdir()]


def between(text: str, start: str, end: str) -> str:
    return text.partition(start)[2].partition(end)[0]


def test_the_policy_names_the_hashes_of_the_style_and_the_script_and_lets_nothing_else_in(text: str) -> None:
    policy = between(text, 'Content-Security-Policy" content="', '">').replace("&#39;", "'")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    for rule, start, end in (("style-src", "<style>", "</style>"), ("script-src", "<script>", "</script>")):
        digest = b64encode(sha256(between(text, start, end).encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["require-trusted-types-for"] == "'script'"


def test_a_page_names_no_other_file_and_no_attribute_is_a_script(text: str) -> None:
    markup = re.sub(r"<(style|script)[^>]*>.*?</\1>", "", text, flags=re.DOTALL)
    assert not re.findall(r"\s(?:src|srcset|action|on\w+|style)=", markup)
    assert set(re.findall(r'href="([^"]*)"', markup)) == {"data:,"}
    assert "url(" not in between(text, "<style>", "</style>")


def test_scripts_turn_no_text_into_markup_or_code() -> None:
    scripts = "".join(file.read_text() for file in assets() if file.name.endswith(".js"))
    assert not re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|setTimeout", scripts)


def test_data_cannot_end_its_element_and_comes_back_as_it_was() -> None:
    text = render_fleet(fleet([host("a")], [task("t", description=HOSTILE, owner=HOSTILE)]))
    data = between(text, '<script id="data" type="application/json">', "</script>")
    assert not set("<>&'\u2028\u202e") & set(data)
    assert json.loads(data)["tasks"][0]["description"] == HOSTILE
    assert text.count("<script") == text.count("</script>") == 2


def test_what_would_hide_or_turn_text_is_told_by_number() -> None:
    assert visible("a\u202eb\u200bc\x07d") == "a\u2039U+202E\u203ab\u2039U+200B\u203ac\u2039U+0007\u203ad"
    assert visible("Größe, 日本語, שלום, 👩‍💻\n\t") == "Größe, 日本語, שלום, 👩‍💻\n\t"
    assert visible("\ud800").encode() == "\u2039U+D800\u203a".encode()


def test_a_template_cannot_switch_escaping_off() -> None:
    templates = [file for file in assets() if file.name.endswith(".html")]
    assert templates
    assert not [file.name for file in templates if re.search(r"\|\s*safe|autoescape|Markup", file.read_text())]


def test_a_value_that_the_template_asks_for_and_does_not_get_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        page("fleet", {})
