"""Sets of hosts of a fleet, as the bits of a number: bit 0 is the first host. Pure.

A fleet has few selectors, and few lists of them. Each selector is held against each host once; what a list selects is then a handful of
operations on numbers, however many hosts there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from torchsync.core.model import HostFacts
from torchsync.core.selector import Groups, group_of, is_plain_name, matches

Mask = int


def every(hosts: int) -> Mask:
    """All of that many hosts."""
    return (1 << hosts) - 1


def places(mask: Mask) -> Iterator[int]:
    """The hosts in it, in order."""
    for place, bit in enumerate(reversed(f"{mask:b}")):
        if bit == "1":
            yield place


def parts(hosts: int, masks: Iterable[Mask]) -> list[Mask]:
    """The hosts that no mask tells apart, by the first of each part."""
    found = [every(hosts)] if hosts else []
    for mask in masks:
        found = [part for one in found for part in (one & mask, one & ~mask) if part]
    return sorted(found, key=lambda part: part & -part)


class Selection:
    """Which of the hosts lists of selectors are for. The answers are those of `selects`, which raises the same errors."""

    def __init__(self, facts: Sequence[HostFacts], groups: Groups) -> None:
        self._facts = facts
        self._groups = groups
        self._matching: dict[str, Mask] = {}
        self._selected: dict[tuple[str, ...], Mask] = {}
        self._named: dict[str, Mask] = {}
        for place, one in enumerate(facts):
            for name in {one.name, one.name.partition(".")[0]}:
                self._named[name] = self._named.get(name, 0) | 1 << place

    def of(self, selectors: tuple[str, ...]) -> Mask:
        """The hosts that a task with these selectors is for."""
        if selectors not in self._selected:
            self._selected[selectors] = self._judge(selectors)
        return self._selected[selectors]

    def at(self, place: int) -> Callable[[tuple[str, ...]], bool]:
        """The answers for the host at that place."""
        return lambda selectors: bool(self.of(selectors) >> place & 1)

    def _judge(self, selectors: tuple[str, ...]) -> Mask:
        positive = [selector for selector in selectors if not selector.startswith("!")]
        selected = 0 if positive else every(len(self._facts))
        for selector in positive:
            selected |= self._hosts(selector)
        for selector in selectors:
            if selector.startswith("!"):
                selected &= ~self._hosts(selector)
        return selected

    def _hosts(self, selector: str) -> Mask:
        text = selector.removeprefix("!")
        if text not in self._matching:
            self._matching[text] = self._matched(text)
        return self._matching[text]

    def _matched(self, text: str) -> Mask:
        """A name without a wildcard is looked up, and a group is a list of selectors like others."""
        group = group_of(text)
        if group is not None and group in self._groups:
            return self.of(tuple(self._groups[group]))
        if is_plain_name(text):
            return self._named.get(text, 0)
        return sum(1 << place for place, facts in enumerate(self._facts) if matches(text, facts, self._groups))
