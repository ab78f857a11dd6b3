"""What libyaml complains about, in words that say what to write instead. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from yaml import YAMLError


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong with a text; line and column count from 1."""

    code: str
    message: str
    line: int
    column: int
    hint: str = ""


MOST_FAULTS = 1_000
"""So many are told of one file; whoever corrects them reads it again."""


def brief(text: str, most: int = 60) -> str:
    """`text` as a message quotes it: on one line, and no longer than that."""
    return on_one_line(text if len(text) <= most else f"{text[: most - 1]}…")


def on_one_line(text: str) -> str:
    """`text` with escapes for all that cannot be shown."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else character.encode("unicode_escape").decode() for character in text)


def place_within(lines: Sequence[str], line: int, column: int) -> tuple[int, int]:
    """The place, or the end of the last line: where a text ends without a line end the parser sees one more."""
    return (line, column) if line <= len(lines) else (len(lines), len(lines[-1]) + 1)


def and_more(last: Fault) -> Fault:
    """What comes after the last of `MOST_FAULTS`."""
    message = f"more than {MOST_FAULTS:,} problems: the rest is not looked at"
    return Fault(code="TS141", message=message, line=last.line, column=last.column, hint="correct these, then check it again")


def odd_character(text: str) -> str:
    """Which character of `text` is not the one it looks like, or an empty text: letters of other alphabets, wide digits, hard blanks."""
    found = next((character for character in text if not character.isascii()), "")
    return f"`{brief(found)}` is U+{ord(found):04X} {unicodedata.name(found, 'without a name').lower()}" if found else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Saying:
    """What libyaml says, by a part of its context and of its problem, and what we say."""

    context: str
    problem: str
    message: str
    hint: str = ""
    code: str = "TS101"
    at_context: bool = False


DIRECTIVE = "a directive (a line that starts with `%`) is not allowed"
DELETE_THE_LINE = "delete the line; put quotes around a text that starts with `%`"
_TWO_COLONS = "a second `: ` in one value"
_NO_MORE_MAPPING = "this does not continue the mapping above"
_NO_VALUE = "a value was expected here"
_SECOND = "a second document is not allowed"
_ODD_BLANK = re.compile(r" *(?:(?P<key>[A-Za-z_]+):?)?(?P<odd>[\u00a0\u2000-\u200a\u3000\uff1a])")
_SPACES = "indent with spaces"
_CLOSE_QUOTE = 'write the same quote at the end of the text; one within the text is written twice, or as `\\"` in double quotes'
_QUOTE_COLON = "put quotes around a value that contains `: `; check that the keys of one mapping start in the same column"

_SAYINGS = (
    _Saying(context="a directive", problem="", message=DIRECTIVE, hint=DELETE_THE_LINE, code="TS102", at_context=True),
    _Saying(context="", problem="incompatible YAML document", message=DIRECTIVE, hint=DELETE_THE_LINE, code="TS102"),
    _Saying(context="", problem="<document start>", message=_SECOND, hint="use one file for each", code="TS102"),
    _Saying(
        context="",
        problem="undefined tag handle",
        message="a tag is not allowed",
        hint="put quotes around a value that starts with `!`",
        code="TS102",
    ),
    _Saying(
        context="a tag", problem="", message="a tag is not allowed", hint="put quotes around a value that starts with `!`", code="TS102"
    ),
    _Saying(context="a block scalar", problem="a tab", message="a tab cannot indent a text", hint=_SPACES),
    _Saying(context="", problem="a tab", message="a tab cannot indent", hint=_SPACES),
    _Saying(
        context="a quoted scalar",
        problem="end of stream",
        message="the quote that opens here is never closed",
        hint=_CLOSE_QUOTE,
        at_context=True,
    ),
    _Saying(
        context="a quoted scalar",
        problem="unexpected document indicator",
        message="the quote that opens here is never closed",
        hint=_CLOSE_QUOTE,
        at_context=True,
    ),
    _Saying(
        context="a quoted scalar",
        problem="unknown escape",
        message="a backslash in double quotes starts an escape, and this is none",
        hint="use single quotes, or write `\\\\` for a backslash",
    ),
    _Saying(
        context="a quoted scalar",
        problem="hexdecimal",
        message="this escape in double quotes is not a character",
        hint="use single quotes, or write `\\\\` for a backslash",
    ),
    _Saying(
        context="a quoted scalar",
        problem="escape",
        message="this escape in double quotes is not a character",
        hint="write the character itself",
    ),
    _Saying(
        context="a flow sequence",
        problem="",
        message="the list that opens with `[` here is not closed, or lacks a comma",
        hint="write `]` at its end and `,` between its entries; put quotes around a text with brackets",
        at_context=True,
    ),
    _Saying(
        context="a flow mapping",
        problem="",
        message="the mapping that opens with `{` here is not closed, or lacks a comma",
        hint="write `}` at its end and `,` between its entries; put quotes around a text with braces",
        at_context=True,
    ),
    _Saying(context="", problem="mapping values are not allowed", message=_TWO_COLONS, hint=_QUOTE_COLON),
    _Saying(
        context="",
        problem="block sequence entries are not allowed",
        message="a list cannot start here",
        hint="start it on a line of its own, or put quotes around a text that starts with `- `",
    ),
    _Saying(
        context="a simple key",
        problem="could not find expected ':'",
        message="a key without `:`",
        hint="a mapping consists of lines of the form `key: value`",
        at_context=True,
    ),
    _Saying(
        context="a block scalar",
        problem="",
        message="a text block starts on the line after `|` or `>`",
        hint="break the line there and indent the text; put quotes around a text that starts with `|` or `>`",
    ),
    _Saying(
        context="a block mapping",
        problem="did not find expected key",
        message=_NO_MORE_MAPPING,
        hint="check the indentation; put quotes around a whole value, not a part of it",
    ),
    _Saying(context="a block collection", problem="", message="this does not continue the list above", hint="check the indentation"),
    _Saying(
        context="",
        problem="expected node content",
        message=_NO_VALUE,
        hint="put quotes around a text that starts like this",
    ),
)


def explain(error: YAMLError, lines: Sequence[str]) -> Fault:
    """The fault the parser tripped over, where it stands in `lines`."""
    there = _place(getattr(error, "problem_mark", None))[0]
    near = {there - 1, there, _place(getattr(error, "context_mark", None))[0]}
    return _odd_cause(lines, near) or _said(error, lines)


def _said(error: YAMLError, lines: Sequence[str]) -> Fault:
    context, problem = getattr(error, "context", None) or "", getattr(error, "problem", None) or ""
    there = place_within(lines, *_place(getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)))
    opening = place_within(lines, *_place(getattr(error, "context_mark", None) or getattr(error, "problem_mark", None)))
    if "an alias" in context or "an anchor" in context or "cannot start any token" in problem:
        return _bad_start(lines, *(opening if context.endswith(("alias", "anchor")) else there))
    for saying in _SAYINGS:
        if saying.context in context and saying.problem in problem:
            line, column = opening if saying.at_context else there
            fault = Fault(code=saying.code, message=saying.message, line=line, column=column, hint=saying.hint)
            return _nearer_cause(fault, there, lines)
    return Fault(
        code="TS101", message="this cannot be read as YAML", line=there[0], column=there[1], hint="check the indentation and the quotes"
    )


def _odd_cause(lines: Sequence[str], near: Collection[int]) -> Fault | None:
    """What the parser notices only later: the marks of a merge anywhere, and in the lines `near` the place blanks and colons that are none."""
    for number, line in enumerate(lines, 1):
        if line.startswith(("<<<<<<< ", ">>>>>>> ")):
            hint = "resolve the conflict, and take its marks out"
            return Fault(code="TS101", message="a mark of a conflict in git", line=number, column=1, hint=hint)
        if number in near and (found := _ODD_BLANK.match(line)):
            message = f"a blank or a colon that is none: {odd_character(found['odd'])}"
            return Fault(code="TS101", message=message, line=number, column=found.start("odd") + 1, hint="write the plain one")
    return None


def _nearer_cause(fault: Fault, there: tuple[int, int], lines: Sequence[str]) -> Fault:
    """What stands around the place tells more than the parser does."""
    line, column = there
    source = lines[line - 1] if line <= len(lines) else ""
    before, rest = source[: column - 1], source[column - 1 :]
    if fault.message == _TWO_COLONS and not before.strip().count(" "):
        return _line_above(line, lines) or fault
    if fault.message == _NO_MORE_MAPPING and before.rstrip().endswith(("'", '"')):
        hint = "put quotes around the whole value; write `''` for `'` within single quotes"
        return replace(fault, message="the value ends at the quote before this", hint=hint)
    if fault.hint.startswith("write `") and fault.code == "TS101" and "`,`" in fault.hint:
        return _of_brackets(fault, there, rest, lines)
    if fault.message == _NO_VALUE and not rest.strip() and line == len(lines):
        return replace(fault, hint="the file ends here: write the value, and what closes it")
    if fault.message == _SECOND and not rest.startswith(("---", "{", "[")):
        return replace(fault, code="TS101", message="the document ends before this", hint="take it out, or check the brackets above")
    return fault


def _of_brackets(fault: Fault, there: tuple[int, int], rest: str, lines: Sequence[str]) -> Fault:
    comment = next((number for number, line in enumerate(lines, 1) if line.lstrip().startswith(("//", "/*"))), 0)
    if comment:
        column = len(lines[comment - 1]) - len(lines[comment - 1].lstrip()) + 1
        return replace(fault, message="a comment starts with `#`", line=comment, column=column, hint="write `#` for it, or take it out")
    if rest.startswith(("'", '"')):
        return replace(
            fault, message="a comma is missing before this", line=there[0], column=there[1], hint="write `,` after the entry before it"
        )
    return fault


def _line_above(line: int, lines: Sequence[str]) -> Fault | None:
    """The line above, when it starts where this one does and has no `: `: the parser took both for one text."""
    above = line - 1
    while above and (not lines[above - 1].strip() or lines[above - 1].lstrip().startswith("#")):
        above -= 1
    indents = [len(source) - len(source.lstrip(" ")) for source in (lines[above - 1], lines[line - 1])]
    if not above or indents[0] != indents[1] or ": " in lines[above - 1]:
        return None
    hint = "write `key: value`, with a blank after the colon"
    return Fault(code="TS101", message="a key without `: ` after it", line=above, column=indents[0] + 1, hint=hint)


def quoting_hint(lines: Sequence[str], line: int, column: int) -> str:
    """How to write what starts at this place as a text."""
    source = lines[line - 1] if line <= len(lines) else ""
    text = source[column - 1 :].split(" #")[0]
    if any(bracket in source[: column - 1] for bracket in "[{"):
        text = text.split(",")[0].rstrip("]} ")
    text = text.strip()
    return f'write "{text}"' if text and len(text) <= 80 and text.isprintable() and not set(text) & set('"\\') else "put quotes around it"


def _bad_start(lines: Sequence[str], line: int, column: int) -> Fault:
    source = lines[line - 1] if line <= len(lines) else ""
    first = source[column - 1 : column]
    if first == "\t":
        return Fault(code="TS101", message="a tab cannot indent", line=line, column=column, hint=_SPACES)
    hint = quoting_hint(lines, line, column)
    return Fault(code="TS101", message=f"a value that starts with `{first}` needs quotes", line=line, column=column, hint=hint)


def _place(mark: object) -> tuple[int, int]:
    return getattr(mark, "line", 0) + 1, getattr(mark, "column", 0) + 1
