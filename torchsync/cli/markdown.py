"""Text of others inside of Markdown: it shows as what it is, and nothing in it is taken for markup, HTML or a mention of somebody.

For GitHub, GitLab and Gitea alike: the GitHub Flavored Markdown Spec, "Tables", "Code spans", "Entity and numeric character references".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_PLAIN = frozenset(" ,.;:/=()+-%?'\"")
_BACKTICKS = re.compile("`+")
_INVISIBLE = "&#8203;"
"""A space of no width: behind `@` and `#` it keeps a forge from looking for a person or an issue."""


def text(words: str) -> str:
    """The words as text."""
    return "".join(map(_escaped, _one_line(words)))


def code(words: str) -> str:
    """The words as a code span, on one line; nothing for no words."""
    line = _one_line(words)
    if not line:
        return ""
    ticks = "`" * (longest_row(line) + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{ticks}{pad}{line}{pad}{ticks}"


def cell(words: str) -> str:
    """As `code`, for a table, where `|` ends a cell also within code."""
    return code(words).replace("|", "\\|")


def longest_row(line: str) -> int:
    """Of backticks: what stands between longer ones is code whatever it is."""
    return max(map(len, _BACKTICKS.findall(line)), default=0)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The lines of a table, and an empty one. Cells are Markdown already."""
    yield _row(head)
    yield _row(["---"] * len(head))
    yield from map(_row, rows)
    yield ""


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _one_line(words: str) -> str:
    return "".join(character if character.isprintable() else " " if character.isspace() else "\ufffd" for character in words).strip()


def _escaped(character: str) -> str:
    if character in "@#":
        return f"{character}{_INVISIBLE}"
    if character.isalnum() or character in _PLAIN or not character.isascii():
        return character
    return f"&#{ord(character)};"
