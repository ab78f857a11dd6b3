"""Many names of hosts, said briefly: `web-[01-40]` for forty of them. Pure.

Names that differ in the last number of their first label only are a *family*, and told together. What is told can be read back without doubt:
numbers keep their leading zeros, and the numbers of `[01-40]` have two digits each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

_NUMBERED = re.compile(r"(?P<before>[^.]*?)(?P<number>[0-9]+)(?P<after>[^0-9.]*(\..*)?)")
_ANY_WIDTH = 1 << 30


@dataclass(frozen=True, slots=True)
class Run:
    """So many numbers without a gap: `7`, or `01-40`."""

    text: str
    count: int


@dataclass(frozen=True, slots=True)
class Range:
    """How several names are told. A name without a number is all `before`, and its run is empty."""

    before: str
    runs: tuple[Run, ...]
    after: str
    first: str

    @property
    def text(self) -> str:
        inside = ",".join(run.text for run in self.runs)
        return f"{self.before}[{inside}]{self.after}" if "," in inside or "-" in inside else f"{self.before}{inside}{self.after}"

    @property
    def count(self) -> int:
        return sum(run.count for run in self.runs)

    def heads(self) -> Iterator[Range]:
        """The range with all of its runs, with all but the last, and so on."""
        for length in range(len(self.runs), 0, -1):
            yield replace(self, runs=self.runs[:length])


def ranges(names: Iterable[str]) -> tuple[Range, ...]:
    """All of the names, each in one range, by the first name of each."""
    families: dict[tuple[str, str], list[str]] = {}
    found: list[Range] = []
    for name in names:
        match = _NUMBERED.fullmatch(name)
        if match:
            families.setdefault((match["before"], match["after"]), []).append(match["number"])
        else:
            found.append(Range(name, (Run("", 1),), "", name))
    for (before, after), numbers in families.items():
        found += [Range(before, _runs(alike), after, f"{before}{alike[0]}{after}") for alike in _by_width(numbers)]
    return tuple(sorted(found, key=lambda one: one.first))


def brief_names(names: Sequence[str], width: int = _ANY_WIDTH) -> str:
    """The names as ranges, as much of them as fits into `width` characters but at least one name or run, and how many hosts the others are."""
    told, left = "", len(names)
    for one in ranges(names):
        before = f"{told}, " if told else ""
        fitting = (head for head in one.heads() if len(before + head.text + _more(left - head.count)) <= width)
        shown = next(fitting, None)
        if shown is None and told:
            break
        shown = shown or replace(one, runs=one.runs[:1])
        told, left = before + shown.text, left - shown.count
        if shown.count < one.count:
            break
    return told + _more(left)


def _more(count: int) -> str:
    return f" and {count} more" if count else ""


def _by_width(numbers: Sequence[str]) -> list[list[str]]:
    """The numbers in groups that one pair of brackets can tell: of one width when there are leading zeros, or without any; ascending."""
    padded = {len(digits) for digits in numbers if len(digits) > 1 and digits[0] == "0"}
    groups: dict[int, list[str]] = {}
    for digits in sorted(numbers, key=lambda digits: (len(digits), digits)):
        groups.setdefault(len(digits) if len(digits) in padded else 0, []).append(digits)
    return list(groups.values())


def _runs(numbers: Sequence[str]) -> tuple[Run, ...]:
    found = [[digits for _, digits in run] for _, run in groupby(enumerate(numbers), lambda pair: int(pair[1]) - pair[0])]
    return tuple(Run(run[0] if len(run) == 1 else f"{run[0]}-{run[-1]}", len(run)) for run in found)
