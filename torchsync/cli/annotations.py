"""Problems as workflow commands: GitHub Actions, and what is like it, shows each beside its line of the pull request.

The form is that of "Workflow commands for GitHub Actions": `::error file=F,line=L,col=C,title=T::MESSAGE`, one on each line of the output. A `%` and
the ends of lines are escaped in the message; in a property, `:` and `,` are too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from torchsync.cli.checkoutroot import path_below
from torchsync.cli.report import problem_lines
from torchsync.codes import CODES
from torchsync.errors import Problem

SHOWN = 10
"""Annotations of one kind that GitHub shows for one step; the rest are in the log only."""


def workflow_commands(problems: Sequence[Problem], warnings: Sequence[Problem], root: str) -> Iterator[str]:
    """A line for each; `root` is the folder that the forge's paths begin at."""
    for problem in problems:
        yield _annotation("error", problem, root)
    for warning in warnings:
        yield _annotation("warning", warning, root)


def closing_notice(sentence: str, *numbers: int) -> str:
    """The line that says how it ended. Where one of the `numbers` of annotations of a kind is more than is shown, it says so."""
    more = f"; only the first {SHOWN} of a kind are shown here, the log of the job has them all" if max(numbers) > SHOWN else ""
    return f"::notice title=torchsync validate::{_escaped(sentence + more)}"


def _annotation(level: str, problem: Problem, root: str) -> str:
    properties = {"title": f"{problem.code} {CODES[problem.code].title}"}
    path = path_below(root, problem.path)
    if problem.path and not path.endswith("/"):
        properties |= {"file": path} | _place(problem)
    shown = ",".join(f"{name}={_escaped_property(value)}" for name, value in properties.items())
    # The log shows the message alone, so the place is in there too.
    text = "\n".join(problem_lines(problem, _NO_SOURCES, is_warning=level == "warning"))
    return f"::{level} {shown}::{_escaped(text)}"


_NO_SOURCES: Mapping[str, bytes] = {}


def _place(problem: Problem) -> dict[str, str]:
    return {name: str(number) for name, number in (("line", problem.line), ("col", problem.column)) if number}


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escaped_property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
