"""The index of the decisions, made from the first lines of their pages."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "docs/adr"
TITLE = re.compile(r"# (\d{4}): (.+)")

_HOW = """\
A decision that somebody may want to undo later gets a page here, so that they know what it was good for. A new dependency always is one.

A page is `NNNN-a-few-words.md`, numbered in order, at most one page long:

```markdown
# NNNN: What was decided, in one sentence

## Context
What made a decision necessary; what was measured.

## Decision
What we do. In the present tense.

## Consequences
What gets easier, what gets harder, and what would make us think again.
```

Pages are not rewritten when minds change: a new page says which one it replaces, and the old one gets a line at its top that says by which.

## All of them
"""


def decisions_page(made: str) -> str:
    """`docs/adr/README.md`: what a decision is, and a line for each, in order. Raises ValueError for a page without its title."""
    return "\n".join(["# Decisions\n", made, _HOW, *(_line(page) for page in sorted(FOLDER.glob("[0-9]*.md")))]) + "\n"


def _line(page: Path) -> str:
    title = TITLE.fullmatch(page.read_text().partition("\n")[0])
    if not title or not page.name.startswith(f"{title[1]}-"):
        raise ValueError(f"{page} does not begin with `# NNNN: ...`, by the number in its name")
    return f"- [{title[1]}]({page.name}): {title[2]}"
