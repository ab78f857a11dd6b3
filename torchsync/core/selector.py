"""Which hosts a task is for: the entries of `hosts`, checked, and matched against what a host is. Pure.

A selector is a host name pattern, an address, a network, `label=pattern` terms joined by `&`, or `@group`; a `!` before any of these excludes. A
host is selected when no `!` selector matches it and at least one of the others does, or when there are no others. The order never matters. A
group of hosts.yaml is a list of selectors itself, and its hosts are those that the list selects.

Patterns know `*`, `?` and `[...]`. A host name pattern is held against the full name and against its first label.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from types import MappingProxyType

from torchsync.core.model import HostFacts
from torchsync.core.yamlfault import brief

_HOST_PATTERN = re.compile(r"[a-z0-9._*?\[\]!-]+")
_WILDCARD = re.compile(r"[*?\[]")
_LABEL_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?")
GROUP_NAME = r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?"
_GROUP = re.compile(f"@(?P<name>{GROUP_NAME})")
_LOOKS_LIKE_ADDRESS = re.compile(r"(?=.*[0-9])[0-9*?]+(\.[0-9*?]+)+|.*[:/].*")


Groups = Mapping[str, Sequence[str]]
"""The selectors of each group by its name."""
_NO_GROUPS: Groups = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class SelectorFault:
    """What is wrong with a selector, by a code of the table, and what to write instead."""

    code: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class NamePattern:
    pattern: str


@dataclass(frozen=True, slots=True)
class Network:
    """An address is the network of that one address."""

    network: IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class LabelPatterns:
    """Every one of these labels has a value that its pattern matches."""

    patterns: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Group:
    """The hosts of a group of hosts.yaml."""

    name: str


Test = NamePattern | Network | LabelPatterns | Group


@dataclass(frozen=True, slots=True)
class Selector:
    """One entry of `hosts`, understood."""

    text: str
    test: Test
    excludes: bool


def check_selector(text: str) -> SelectorFault | None:
    """None when `text` is a selector, else what is wrong with it (TS131)."""
    found = parse_selector(text)
    return found if isinstance(found, SelectorFault) else None


def selects(selectors: Sequence[str], facts: HostFacts, groups: Groups = _NO_GROUPS) -> bool:
    """Whether a task with these selectors is for the host. Raises ValueError for a selector, an address or a group that is none."""
    return _judge(selectors, facts, groups)[0]


def why(selectors: Sequence[str], facts: HostFacts, groups: Groups = _NO_GROUPS) -> str:
    """The reason of `selects`, in one sentence without a full stop."""
    return _judge(selectors, facts, groups)[1]


def matches(selector: str, facts: HostFacts, groups: Groups = _NO_GROUPS) -> bool:
    """Whether the selector, its `!` aside, matches the host. Raises as `selects`."""
    return _matches(_understood(selector).test, facts, groups)


def group_of(selector: str) -> str | None:
    """The group that the selector names, if it names one."""
    found = _GROUP.fullmatch(selector.removeprefix("!"))
    return found["name"] if found else None


def is_plain_name(selector: str) -> bool:
    """Whether the selector, without a `!`, is a host name with no wildcard in it: it matches hosts whose full name or first label it is."""
    found = parse_selector(selector)
    return isinstance(found, Selector) and isinstance(found.test, NamePattern) and not _WILDCARD.search(found.test.pattern)


@lru_cache(maxsize=4096)
def parse_selector(text: str) -> Selector | SelectorFault:
    """The meaning of one entry of `hosts`. The cache is for repositories in which thousands of tasks share a few selectors."""
    excludes = text.startswith("!")
    body = text[1:] if excludes else text
    if fault := _fault_of_shape(text, body):
        return fault
    test = _parse_test(body)
    return test if isinstance(test, SelectorFault) else Selector(text, test, excludes)


def _judge(selectors: Sequence[str], facts: HostFacts, groups: Groups) -> tuple[bool, str]:
    understood = [_understood(text) for text in selectors]
    for selector in understood:
        if selector.excludes and _matches(selector.test, facts, groups):
            return False, f"`{selector.text}` excludes {_described(selector.test, facts)}"
    positive = [selector for selector in understood if not selector.excludes]
    if not positive:
        return True, "no selector excludes the host, and there are no others" if understood else "a task without `hosts` is for every host"
    for selector in positive:
        if _matches(selector.test, facts, groups):
            return True, f"`{selector.text}` matches {_described(selector.test, facts)}"
    return False, f"nothing matches {facts.name}: {', '.join(f'`{selector.text}`' for selector in positive)}"


def _understood(text: str) -> Selector:
    found = parse_selector(text)
    if isinstance(found, Selector):
        return found
    raise ValueError(found.message)


def _matches(test: Test, facts: HostFacts, groups: Groups) -> bool:
    match test:
        case NamePattern(pattern):
            return fnmatchcase(facts.name, pattern) or fnmatchcase(facts.name.partition(".")[0], pattern)
        case Network():
            return _address_in(test, facts) is not None
        case LabelPatterns(patterns):
            return all(name in facts.labels and fnmatchcase(facts.labels[name], pattern) for name, pattern in patterns)
        case Group(name):
            if name not in groups:
                raise ValueError(f"there is no group {name!r}")
            return _judge(groups[name], facts, groups)[0]


def _described(test: Test, facts: HostFacts) -> str:
    match test:
        case NamePattern():
            return f"the name {facts.name}"
        case Network():
            return f"the address {_address_in(test, facts)}"
        case LabelPatterns(patterns):
            return "the labels " + ", ".join(f"{name}={facts.labels[name]}" for name, _ in patterns)
        case Group():
            return f"{facts.name}, which is in that group"


def _address_in(test: Network, facts: HostFacts) -> str | None:
    return next((address for address in facts.addresses if _parsed_address(address) in test.network), None)


_parsed_address = lru_cache(maxsize=4096)(ip_address)
"""A fleet is asked for the same addresses by every network that tasks name."""


# Parsing.


def _fault_of_shape(text: str, body: str) -> SelectorFault | None:
    if not body:
        return _fault(text, "is empty", "write a host name pattern, an address or network, label=pattern, or @group")
    if any(character.isspace() or not character.isprintable() for character in body):
        return _fault(text, "contains a space or a control character", "write one list entry for each selector, without blanks")
    if body.startswith("!"):
        return _fault(text, "has two `!`", "write one, or none")
    if body.count("[") and not _brackets_close(body):
        return _fault(text, "has a `[` without its `]`", "close it, as in `db-[12]`")
    return None


def _parse_test(body: str) -> Test | SelectorFault:
    if body.startswith("@"):
        return _parse_group(body)
    if "=" in body or "&" in body:
        return _parse_labels(body)
    if _LOOKS_LIKE_ADDRESS.fullmatch(body):
        return _parse_network(body)
    if body != body.lower():
        return _fault(body, "has capital letters, but host names are compared in lower case", f"write `{body.lower()}`")
    if not _HOST_PATTERN.fullmatch(body):
        return _fault(body, "is not a host name pattern", "use letters, digits, `-`, `.`, `_` and the wildcards `*`, `?`, `[...]`")
    return NamePattern(body)


def _parse_group(body: str) -> Group | SelectorFault:
    found = _GROUP.fullmatch(body)
    if found:
        return Group(found["name"])
    if lower := _GROUP.fullmatch(body.lower()):
        return _fault(body, "has capital letters, but names of groups are in lower case", f"write `@{lower['name']}`")
    return _fault(body, "is not the name of a group", "write `@` and the name: lower-case letters, digits and `._-`, at most 63")


def _parse_labels(body: str) -> LabelPatterns | SelectorFault:
    patterns: list[tuple[str, str]] = []
    for term in body.split("&"):
        name, equals, pattern = term.partition("=")
        if not equals:
            return _fault(body, f"joins `{brief(term)}` by `&`, which is for labels only", "write every part as label=pattern")
        if name.endswith("!"):
            return _fault(body, "has the `!` inside", f"write `!{name[:-1]}={pattern}` as an entry of its own")
        if not _LABEL_NAME.fullmatch(name):
            return _fault(body, f"has `{brief(name)}` for the name of a label", "use letters, digits, `.`, `_`, `/`, `-`")
        if not pattern:
            return _fault(body, f"has no pattern for the label {name}", f"write `{name}=*` for every host that has the label")
        patterns.append((name, pattern))
    return LabelPatterns(tuple(patterns))


def _parse_network(body: str) -> Network | SelectorFault:
    try:
        network = ip_network(body, strict=False)
    except ValueError:
        return _fault(body, "is no address and no network", "write one as in `10.2.0.7`, `10.2.0.0/16` or `2001:db8::/32`")
    address, slash, length = body.partition("/")
    if "%" in body:
        return _fault(body, "names an interface", f"write `{address.partition('%')[0]}{slash}{length}`")
    if slash and not length.isdecimal():
        return _fault(body, "has a mask that is not a number of bits", f"write `{network}`")
    if ip_address(address) != network.network_address:
        return _fault(body, "is an address inside its network", f"write `{network}` for the network or `{address}` for the address")
    return Network(network)


def _brackets_close(body: str) -> bool:
    """As `fnmatch` reads them: a `]` directly after `[` or `[!` stands for itself."""
    place = body.find("[")
    while place >= 0:
        end = body.find("]", place + (3 if body[place + 1 : place + 2] == "!" else 2))
        if end < 0:
            return False
        place = body.find("[", end)
    return True


def _fault(text: str, what: str, hint: str) -> SelectorFault:
    return SelectorFault("TS131", f"`{brief(text)}` {what}" if text else f"a selector {what}", hint)
