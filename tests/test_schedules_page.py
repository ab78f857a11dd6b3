"""docs/reference/schedules.md: its grammar is that of the parser, its worked examples are what an independent cron comes to."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scripts.schedule_table import ACCEPTED, REFUSED
from scripts.schedules_page import (
    CLOCK_CHANGES,
    GRAMMAR,
    HINTED,
    RULES,
    SPREAD_HOSTS,
    SPREAD_SCHEDULES,
    SPREAD_TASK,
    fires_between,
    refused,
)
from tests.core.cron_oracle import Oracle, utc, without_h
from tests.core.schedule_texts import bounded, five_fields, hashed_fields, six_fields
from torchsync.core.cron import ScheduleRefusal, Spread, parse_schedule, zone_named
from torchsync.core.cronmacro import FIELDS, READERS
from torchsync.core.schedulehints import schedule_hints

PAGE = (Path(__file__).parent.parent / "docs/reference/schedules.md").read_text()


# The grammar: it has no recursion, so it is a regular expression once every name is replaced by what it stands for


def rules() -> dict[str, str]:
    block = re.search(r"```ebnf\n(.*?)```", PAGE, re.DOTALL)
    assert block
    assert block[1] == GRAMMAR
    return {name.strip(): body.strip() for name, body in (rule.split("=", 1) for rule in re.split(r";\s*\n", block[1]) if rule.strip())}


def as_regex(name: str) -> str:
    """ISO/IEC 14977, as far as the page uses it: `,` `|` `[ ]` `{ }` `( )`, texts in quotes, names, and the tab."""
    signs = {",": "", "|": "|", "[": "(?:", "]": ")?", "{": "(?:", "}": ")*", "(": "(?:", ")": ")"}
    found = []
    for text, special, word, sign in re.findall(r'"([^"]*)"|(\?[^?]*\?)|([a-z]+)|([^\s])', rules()[name]):
        if word:
            found.append(f"(?:{as_regex(word)})")
        elif special:
            assert special == "? tab ?"
            found.append("\t")
        else:
            found.append(signs[sign] if sign else re.escape(text))
    return "".join(found)


SENTENCE = re.compile(as_regex("schedule"), re.IGNORECASE)


def hold_parser_against_grammar(text: str) -> None:
    found = parse_schedule(text)
    is_sentence = SENTENCE.fullmatch(text) is not None
    if not isinstance(found, ScheduleRefusal):
        assert is_sentence, f"{text!r} is accepted, but no sentence of the grammar"
    elif is_sentence:
        assert any(re.search(words, found.message) for _, words in RULES), f"{text!r} is refused for no rule of the page: {found.message}"


@pytest.mark.parametrize("text", [row[0] for row in (*ACCEPTED, *REFUSED)])
def test_the_grammar_and_the_parser_agree_on_every_row_of_the_table(text: str) -> None:
    hold_parser_against_grammar(text)


@given(text=st.from_regex(SENTENCE, fullmatch=True))
@example("@every 1d1h1m1s1ms")
@bounded(120)
def test_a_sentence_of_the_grammar_is_accepted_or_refused_by_a_rule_of_the_page(text: str) -> None:
    hold_parser_against_grammar(text)


@given(text=st.one_of(five_fields(), six_fields(), hashed_fields(), hashed_fields(seconds=True)))
@bounded(100)
def test_what_is_accepted_is_a_sentence_of_the_grammar(text: str) -> None:
    assert SENTENCE.fullmatch(text)
    hold_parser_against_grammar(text)


PIECES = "0 1 5 23 59 60 * / - , # L LW W H ( ) ? @ h(1-5) jan fri 7 /5 -3 @every @at @startup @daily d h m s ms 2026-12-01 T 03:00 :30 Z".split()


@given(text=st.lists(st.sampled_from([*PIECES, " ", " ", " ", "* *", "0 0", "\t", "\n", "\u0660"]), max_size=14).map("".join))
@bounded(500)
def test_whatever_is_written_the_grammar_and_the_parser_agree(text: str) -> None:
    hold_parser_against_grammar(text)


@given(text=st.one_of(five_fields(), hashed_fields()), place=st.integers(0, 40), piece=st.sampled_from(PIECES), cut=st.integers(0, 2))
@bounded(200)
def test_a_schedule_with_a_slip_of_the_pen_is_judged_alike(text: str, place: int, piece: str, cut: int) -> None:
    hold_parser_against_grammar(text[:place] + piece + text[place + cut :])


def test_the_grammar_names_every_macro() -> None:
    assert {*re.findall(r'"(@\w+)"', rules()["macro"])} == {*FIELDS, *READERS}


def test_every_rule_is_one_that_refuses_something() -> None:
    messages = [found.message for text, found in refused() if SENTENCE.fullmatch(text)]
    assert [rule for rule, words in RULES if not any(re.search(words, message) for message in messages)] == []
    assert all(f"- {rule}\n" in PAGE for rule, _ in RULES)


# Refusals

PLACE = re.compile(r"(second|minute|hour|day of month|month|day of week): |`@\w*`")
WHOLE = re.compile(r"the schedule |found \d+ fields|a zone before the schedule|the character U\+")
"""What is wrong with a text as a whole, and has no field."""
ADVICE = re.compile(r"\b(write|take|list|move) ")


@pytest.mark.parametrize(("text", "found"), list(refused()), ids=[row[0] or "empty" for row in REFUSED])
def test_a_refusal_names_the_field_the_column_and_what_to_write(text: str, found: ScheduleRefusal) -> None:
    assert PLACE.match(found.message) or WHOLE.match(found.message), found.message
    assert ADVICE.search(found.hint), found.hint
    assert 1 <= found.column <= len(text) + 1
    assert f"| {found.column} | {found.message} | {found.hint} |" in PAGE


@pytest.mark.parametrize(
    ("text", "found"), [(text, found) for text, found in refused() if PLACE.match(found.message)], ids=lambda value: str(value)[:30]
)
def test_the_column_of_a_refusal_lies_in_the_field_that_it_names(text: str, found: ScheduleRefusal) -> None:
    starts = [match.start() + 1 for match in re.finditer(r"\S+", text)]
    if text.startswith("@"):
        assert found.message.lower().startswith(f"`{text.split(maxsplit=1)[0].lower()}`")
        return
    names = ["second", "minute", "hour", "day of month", "month", "day of week"][-len(starts) :]
    number = sum(start <= found.column for start in starts) - 1
    assert found.message.startswith(f"{names[number]}: ")


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("@at 2026-12-01 03:00", "@at 2026-12-01T03:00"),
        ("@at 2026-12-01", "@at 2026-12-01T00:00"),
        ("*/60 * * * *", "0 * * * *"),
        ("59/15 * * * *", "59 * * * *"),
        ("0 H(8-17)/10 * * *", "0 H(8-17) * * *"),
        ("H(5) * * * *", "5 * * * *"),
        ("0 0 H(29-31) * *", "0 0 H(1-28) * *"),
        ("0 0 * * 5L", "0 0 * * L5"),
        ("0 0 * * friL", "0 0 * * Lfri"),
        ("0 0 * january *", "0 0 * jan *"),
        ("@reboot", "@startup"),
    ],
)
def test_what_a_hint_says_to_write_is_accepted(text: str, instead: str) -> None:
    found = parse_schedule(text)
    assert isinstance(found, ScheduleRefusal)
    quoted = re.search(r"`([^`]+)`", found.hint.removeprefix("write `T` there: "))
    assert quoted
    assert quoted[1] in instead
    assert not isinstance(parse_schedule(instead), ScheduleRefusal)


# Worked examples


@pytest.mark.parametrize(("text", "zone", "start", "end", "why"), CLOCK_CHANGES)
def test_a_worked_clock_change_is_what_the_oracle_comes_to(text: str, zone: str, start: str, end: str, why: str) -> None:
    seconds = Oracle.of(text).fires(zone_named(zone), utc(start[:-1]), utc(end[:-1]), 60)
    assert [instant // 1_000 for instant in fires_between(text, zone, start, end)] == seconds
    assert why in PAGE


@pytest.mark.parametrize("text", SPREAD_SCHEDULES)
def test_a_worked_example_of_h_is_what_the_oracle_spells_out(text: str) -> None:
    for host in SPREAD_HOSTS:
        assert parse_schedule(text, Spread(host, SPREAD_TASK)) == parse_schedule(without_h(text, host, SPREAD_TASK))


def test_the_commands_that_compute_h_by_hand_print_what_the_page_says() -> None:
    console = re.search(r"```console\n\$ (.*)\n(\w+)\n\$ (.*)\n(\d+)\n```", PAGE)
    assert console
    for command, printed in ((console[1], console[2]), (console[3], console[4])):
        said = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=True)
        assert said.stdout.split() == [printed]


def test_the_page_shows_a_hint_of_every_kind() -> None:
    shown = [hint for text in HINTED for hint in schedule_hints(text)]
    assert len({hint.kind for hint in shown}) == 3
    assert all(hint.message in PAGE for hint in shown)
