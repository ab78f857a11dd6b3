"""Which of 1,000 hosts each of 200 lists of selectors selects.

The floor is the plain way: each list is held against each host. A ratio below one is what it saves to hold each selector against each host once.
"""

from __future__ import annotations

from bench.fleet import LISTS, hosts, selectors
from bench.harness import Bench
from torchsync.adapters.schemas import repository_formats
from torchsync.core.hostmask import Selection, places
from torchsync.core.selector import selects


def rounds() -> Bench:
    inventory, _ = repository_formats().inventory.read(hosts().encode())
    assert inventory is not None
    facts = {name: inventory.named(name) for name in inventory.hosts}
    lists = [selectors(number) for number in range(LISTS)]

    def once_a_selector() -> int:
        names, selection = tuple(facts), Selection(tuple(facts.values()), inventory.groups)
        return len([[names[place] for place in places(selection.of(one))] for one in lists])

    def once_a_list() -> int:
        return len([[name for name, one in facts.items() if selects(chosen, one, inventory.groups)] for chosen in lists])

    return Bench(
        name="hostmask",
        operation="a list",
        floor_is="each list held against each host",
        floor=once_a_list,
        sides={"masks": once_a_selector},
        count=5,
        target=0.5,
    )
