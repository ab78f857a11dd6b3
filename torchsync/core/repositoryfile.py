"""torchsync.yaml: from bytes to the settings of the repository, or to everything that is wrong with them. Pure.

`requires` comes before everything else: an agent that is too old for the repository says so, and not what it cannot understand in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torchsync.core.durations import LONGEST, format_duration, parse_duration
from torchsync.core.model import Guards, Millis
from torchsync.core.schema import Schema, bad_routes, version_parts
from torchsync.core.taskfields import Layer
from torchsync.core.taskfile import CommonRules, checked_defaults
from torchsync.core.yamlfault import Fault
from torchsync.core.yamltext import Document, Route, load
from torchsync.errors import Problem

PATH = "torchsync.yaml"
_REQUIRES = re.compile(r">=([0-9]{1,6}(?:\.[0-9]{1,6}){0,2})")
_LEAST_INTERVAL = Millis(1_000)
"""No schedule has instants closer together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositorySettings:
    """What holds for all tasks of the repository. `requires` is a version, or empty."""

    requires: str = ""
    guards: Guards = Guards()
    pools: Mapping[str, int] = field(default_factory=dict)
    defaults: Layer | None = None

    @property
    def rules(self) -> CommonRules:
        return CommonRules(defaults=self.defaults, min_interval=self.guards.min_interval)


_NOTHING = Document(value={}, values={}, keys={}, broken=frozenset(), lines=())
UNREADABLE_DEFAULTS = Layer(path=PATH, document=_NOTHING, root=("defaults",), bad=frozenset({()}))
"""Nobody can tell what the defaults are, so no task is told to lack anything."""


@dataclass(frozen=True, slots=True)
class TooOld:
    """A newer version is required to judge the repository."""

    problem: Problem


class RepositoryFileReader:
    """Reads torchsync.yaml by the schema `torchsync.schema.json`, as the given version of torchsync."""

    def __init__(self, schema: Mapping[str, Any], version: str) -> None:
        self._schema = Schema(schema)
        self._version = version

    def read(self, content: bytes) -> tuple[RepositorySettings, tuple[Problem, ...]] | TooOld:
        """The settings, and what is wrong with them, in the order of the lines. With problems the settings serve further checks only."""
        loaded = load(content)
        problems = [_problem(fault) for fault in loaded.faults]
        if loaded.document is None:
            return RepositorySettings(defaults=UNREADABLE_DEFAULTS), tuple(problems)
        if too_old := _too_old(loaded.document, self._version):
            return too_old
        violations = self._schema.check(loaded.document)
        problems += [_problem(violation.fault) for violation in violations]
        settings, more = _settings(loaded.document, bad_routes(loaded.document, violations))
        return settings, tuple(sorted((*problems, *more), key=lambda problem: (problem.line, problem.column, problem.code)))


def _too_old(document: Document, version: str) -> TooOld | None:
    found = _REQUIRES.fullmatch(str(document.value_at(("requires",))))
    if found is None or version_parts(version) >= version_parts(found[1]):
        return None
    place = document.place_of(("requires",))
    message = f"the repository requires torchsync {found[1]} or later, and this is {version}"
    return TooOld(
        Problem(
            code="TS151", message=message, path=PATH, line=place.line, column=place.column, hint="upgrade, and nothing changes until then"
        )
    )


def _settings(document: Document, bad: frozenset[Route]) -> tuple[RepositorySettings, tuple[Problem, ...]]:
    defaults, found = checked_defaults(Layer(path=PATH, document=document, root=("defaults",), bad=bad))
    problems = list(found)
    get = _Reading(document, bad)
    settings = RepositorySettings(
        requires=get.text("requires").removeprefix(">="),
        guards=Guards(
            max_removed_percent=get.number("guards", "max_removed_percent", default=50),
            min_tasks=get.number("guards", "min_tasks", default=10),
            min_interval=get.interval(problems),
        ),
        pools=get.pools(),
        defaults=defaults if ("defaults",) in document.values else None,
    )
    return settings, tuple(problems)


class _Reading:
    """Values of a document where they are of the right form."""

    def __init__(self, document: Document, bad: frozenset[Route]) -> None:
        self._document = document
        self._bad = bad

    def text(self, *route: str) -> str:
        return str(self._value(*route) or "")

    def number(self, *route: str, default: int) -> int:
        found = self._value(*route)
        return default if found is None else int(found)

    def pools(self) -> dict[str, int]:
        found = self._value("pools") or {}
        return {name: int(size) for name, size in found.items() if ("pools", name) not in self._bad}

    def interval(self, problems: list[Problem]) -> Millis:
        text = self.text("guards", "min_interval") or format_duration(_LEAST_INTERVAL)
        length = parse_duration(text) or Millis(0)
        if _LEAST_INTERVAL <= length <= LONGEST:
            return length
        place = self._document.place_of(("guards", "min_interval"))
        message = f"`guards.min_interval` must be from {format_duration(_LEAST_INTERVAL)} to {format_duration(LONGEST)}, found {text}"
        problems.append(Problem(code="TS111", message=message, path=PATH, line=place.line, column=place.column))
        return _LEAST_INTERVAL

    def _value(self, *route: str) -> Any:
        is_bad = any(route[:length] in self._bad for length in range(len(route) + 1))
        return None if is_bad else self._document.value_at(route)


def _problem(fault: Fault) -> Problem:
    return Problem(code=fault.code, message=fault.message, path=PATH, line=fault.line, column=fault.column, hint=fault.hint)
