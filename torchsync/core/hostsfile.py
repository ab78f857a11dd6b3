"""hosts.yaml: from bytes to the inventory, or to everything that is wrong with it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any

from torchsync.core.inventory import HostEntry, Inventory
from torchsync.core.localtime import check_zone
from torchsync.core.schema import Schema, bad_routes
from torchsync.core.selector import Groups, check_selector, group_of
from torchsync.core.yamlfault import Fault, on_one_line
from torchsync.core.yamltext import Document, Limits, Place, Route, load
from torchsync.errors import Problem

PATH = "hosts.yaml"
LIMITS = Limits(size=1 << 20, nodes=100_000)
"""Enough for some thousands of hosts with a few labels each."""
_DEEPEST = 10


class HostsFileReader:
    """Reads hosts.yaml by the schema `hosts.schema.json`."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = Schema(schema)
        self._last: tuple[bytes, tuple[Inventory | None, tuple[Problem, ...]]] | None = None

    def read(self, content: bytes) -> tuple[Inventory | None, tuple[Problem, ...]]:
        """The inventory, and what is wrong with it, in the order of its lines. With problems the inventory serves further checks only; None
        where nobody can tell which groups there are. The two sides of a change mostly have the same file, which is read once.
        """
        if self._last is None or self._last[0] != content:
            self._last = (content, self._read(content))
        return self._last[1]

    def _read(self, content: bytes) -> tuple[Inventory | None, tuple[Problem, ...]]:
        loaded = load(content, LIMITS)
        faults = list(loaded.faults)
        inventory: Inventory | None = None
        if loaded.document is not None:
            violations = self._schema.check(loaded.document)
            faults += [violation.fault for violation in violations]
            found = _Sections(loaded.document, bad_routes(loaded.document, violations))
            told = Inventory(hosts=dict(found.hosts()), groups=dict(found.groups()))
            faults += [*found.faults, *_group_faults(loaded.document, told.groups)]
            inventory = told if found.knows_groups else None
        return inventory, tuple(_problem(fault) for fault in sorted(faults, key=lambda fault: (fault.line, fault.column, fault.code)))


class _Sections:
    """The parts of a document that can be looked at; collects what is wrong with them in `faults`."""

    def __init__(self, document: Document, bad: frozenset[Route]) -> None:
        self.faults: list[Fault] = []
        self._document = document
        self._bad = bad

    @property
    def knows_groups(self) -> bool:
        """Every group that is meant to be there is among `groups`."""
        return not self._is_bad(()) and not any(route[0] == "groups" and len(route) <= 2 for route in self._bad if route)

    def hosts(self) -> Iterator[tuple[str, HostEntry]]:
        for name, entry in self._mapping("hosts"):
            route: Route = ("hosts", name)
            told = entry if isinstance(entry, dict) else {}
            yield (
                name,
                HostEntry(
                    addresses=tuple(self._addresses(route, told.get("addresses") or ())),
                    labels={} if self._is_bad((*route, "labels")) else dict(told.get("labels") or {}),
                    zone=self._zone((*route, "timezone"), told.get("timezone") or ""),
                ),
            )

    def groups(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        for name, selectors in self._mapping("groups"):
            route: Route = ("groups", name)
            yield name, tuple(text for index, text in enumerate(selectors) if self._is_selector((*route, index), text))

    def _mapping(self, section: str) -> Iterator[tuple[str, Any]]:
        """The entries of the section that are of the right form."""
        found = None if self._is_bad(()) or self._is_bad((section,)) else self._document.value_at((section,))
        if isinstance(found, dict):
            yield from ((name, value) for name, value in found.items() if not self._is_bad((section, name)))

    def _addresses(self, route: Route, texts: Any) -> Iterator[str]:
        for index, text in enumerate(() if self._is_bad((*route, "addresses")) else texts):
            place = (*route, "addresses", index)
            if self._is_bad(place):
                continue
            try:
                yield str(ip_address(text))
            except ValueError:
                self._complain("TS111", f"`{text}` is no IP address", place, "write it as in `10.2.0.7` or `2001:db8::7`")

    def _zone(self, route: Route, name: str) -> str:
        if self._is_bad(route) or not name:
            return ""
        if refusal := check_zone(name):
            self._complain(refusal.code, refusal.message, route, refusal.hint)
            return ""
        return name

    def _is_selector(self, route: Route, text: Any) -> bool:
        if self._is_bad(route):
            return False
        fault = check_selector(text)
        if fault:
            self._complain(fault.code, fault.message, route, fault.hint)
        return fault is None

    def _is_bad(self, route: Route) -> bool:
        return route in self._bad

    def _complain(self, code: str, message: str, route: Route, hint: str = "") -> None:
        self.faults.append(_fault(code, message, self._document.place_of(route), hint))


def _group_faults(document: Document, groups: Groups) -> Iterator[Fault]:
    """Groups that name others which are not there, groups that contain themselves, and the first that is nested too deep.

    A group is told once to contain itself, however many of its selectors lead back to it; what only contains such a group is right in itself.
    """
    named = {name: _named(document, name) for name in groups}
    depths = _depths(named)
    circles = _circles({name: inner for name, inner in named.items() if name not in depths})
    for name, inner in named.items():
        for group, index in inner.items():
            if ("groups", group) not in document.values:
                others = {known: selectors for known, selectors in groups.items() if known != name}
                yield _fault("TS133", f"there is no group `{group}`", document.place_of(("groups", name, index)), known_groups(others))
        back = [index for group, index in inner.items() if (name, group) in circles]
        if back:
            place = document.place_of(("groups", name, min(back)))
            yield _fault("TS133", f"the group `{name}` contains itself", place, "take the circle apart: take this selector out")
        elif depths.get(name) == _DEEPEST + 1:
            index = next(index for group, index in inner.items() if depths.get(group) == _DEEPEST)
            message = f"groups are nested more than {_DEEPEST} deep from `{name}` on"
            yield _fault("TS133", message, document.place_of(("groups", name, index)), "write the selectors out")


def _named(document: Document, name: str) -> Mapping[str, int]:
    """The groups that a group names, and the index of the first selector that does."""
    selectors = document.value_at(("groups", name))
    found: dict[str, int] = {}
    for index, selector in enumerate(selectors if isinstance(selectors, list) else ()):
        inner = group_of(selector) if isinstance(selector, str) else None
        if inner is not None:
            found.setdefault(inner, index)
    return found


def _depths(named: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """How deep each group is nested, 0 when it names none that is there; not those that are in a circle or contain one."""
    missing = {name: len(inner.keys() & named.keys()) for name, inner in named.items()}
    users: dict[str, list[str]] = {name: [] for name in named}
    for name, inner in named.items():
        for group in inner.keys() & named.keys():
            users[group].append(name)
    depths: dict[str, int] = {}
    settled = [name for name, number in missing.items() if number == 0]
    while settled:
        depths |= dict.fromkeys(settled, 1 + max(depths.values(), default=-1))
        above = [user for group in settled for user in users[group]]
        settled = []
        for user in above:
            missing[user] -= 1
            if not missing[user]:
                settled.append(user)
    return depths


def _circles(named: Mapping[str, Mapping[str, int]]) -> set[tuple[str, str]]:
    """The pairs of a group and one it names that leads back to it. Warshall's closure, with a bit for each group."""
    bits = {name: 1 << number for number, name in enumerate(named)}
    reached = {name: sum(bits[group] for group in inner if group in bits) for name, inner in named.items()}
    for group, bit in bits.items():
        for name, found in reached.items():
            if found & bit:
                reached[name] = found | reached[group]
    return {(name, group) for name, inner in named.items() for group in inner if reached.get(group, 0) & bits[name]}


def known_groups(groups: Groups) -> str:
    """What to write instead of a group that is not there."""
    if not groups:
        return "add it under `groups` in hosts.yaml"
    names = sorted(groups)
    return f"add it under `groups` in hosts.yaml, or write one of {', '.join(f'`@{name}`' for name in names[:8])}" + (
        f" ({len(names) - 8} more)" if len(names) > 8 else ""
    )


def _fault(code: str, message: str, place: Place, hint: str) -> Fault:
    return Fault(code=code, message=on_one_line(message), line=place.line, column=place.column, hint=on_one_line(hint))


def _problem(fault: Fault) -> Problem:
    return Problem(code=fault.code, message=fault.message, path=PATH, line=fault.line, column=fault.column, hint=fault.hint)
