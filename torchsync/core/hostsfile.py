"""hosts.yaml: from bytes to the inventory, or to everything that is wrong with it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any

from torchsync.core.inventory import HostEntry, Inventory
from torchsync.core.localtime import check_zone
from torchsync.core.schema import Schema, bad_routes
from torchsync.core.selector import Groups, check_selector, group_of
from torchsync.core.yamlfault import Fault
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

    def read(self, content: bytes) -> tuple[Inventory, tuple[Problem, ...]]:
        """The inventory, and what is wrong with it, in the order of its lines. With problems the inventory serves further checks only."""
        loaded = load(content, LIMITS)
        faults = list(loaded.faults)
        inventory = Inventory()
        if loaded.document is not None:
            violations = self._schema.check(loaded.document)
            faults += [violation.fault for violation in violations]
            found = _Sections(loaded.document, bad_routes(loaded.document, violations))
            inventory = Inventory(hosts=dict(found.hosts()), groups=dict(found.groups()))
            faults += [*found.faults, *_group_faults(loaded.document, inventory.groups)]
        return inventory, tuple(_problem(fault) for fault in sorted(faults, key=lambda fault: (fault.line, fault.column, fault.code)))


class _Sections:
    """The parts of a document that can be looked at; collects what is wrong with them in `faults`."""

    def __init__(self, document: Document, bad: frozenset[Route]) -> None:
        self.faults: list[Fault] = []
        self._document = document
        self._bad = bad

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
            self._complain(fault.code, fault.message, route)
        return fault is None

    def _is_bad(self, route: Route) -> bool:
        return route in self._bad

    def _complain(self, code: str, message: str, route: Route, hint: str = "") -> None:
        self.faults.append(_fault(code, message, self._document.place_of(route), hint))


def _group_faults(document: Document, groups: Groups) -> Iterator[Fault]:
    """Groups that name others which are not there, and groups that contain themselves."""
    for name in groups:
        selectors = document.value_at(("groups", name))
        for index, selector in enumerate(selectors if isinstance(selectors, list) else ()):
            inner = group_of(selector) if isinstance(selector, str) else None
            if inner is None:
                continue
            what = _fault_of_group(name, inner, groups, document)
            if what:
                yield _fault("TS133", what[0], document.place_of(("groups", name, index)), what[1])


def _fault_of_group(name: str, inner: str, groups: Groups, document: Document) -> tuple[str, str] | None:
    """Message and hint."""
    if ("groups", inner) not in document.values:
        return f"there is no group `{inner}`", known_groups(groups)
    reached = {inner}
    for _ in range(_DEEPEST):
        if name in reached:
            return f"the group `{name}` contains itself", "take the circle apart"
        reached = {deeper for group in reached for selector in groups.get(group, ()) if (deeper := group_of(selector))}
        if not reached:
            return None
    return f"groups are nested more than {_DEEPEST} deep from `{name}` on", "write the selectors out"


def known_groups(groups: Groups) -> str:
    """What to write instead of a group that is not there."""
    if not groups:
        return "add it under `groups` in hosts.yaml"
    names = sorted(groups)
    return f"add it under `groups` in hosts.yaml, or write one of {', '.join(f'`@{name}`' for name in names[:8])}" + (
        f" ({len(names) - 8} more)" if len(names) > 8 else ""
    )


def _fault(code: str, message: str, place: Place, hint: str) -> Fault:
    return Fault(code=code, message=message, line=place.line, column=place.column, hint=hint)


def _problem(fault: Fault) -> Problem:
    return Problem(code=fault.code, message=fault.message, path=PATH, line=fault.line, column=fault.column, hint=fault.hint)
