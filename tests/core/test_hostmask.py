from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchsync.core.hostmask import Selection, places
from torchsync.core.model import HostFacts
from torchsync.core.selector import selects

HOSTS = {
    facts.name: facts
    for facts in (
        HostFacts(name="db-1", addresses=("10.2.0.7", "2001:db8::7"), labels={"role": "db", "site": "fra"}),
        HostFacts(name="db-2.fra.example.org", addresses=("10.2.1.7",), labels={"role": "db", "site": "fra"}),
        HostFacts(name="web-1", addresses=("10.1.0.7",), labels={"role": "web"}),
        HostFacts(name="web-1.hel.example.org", labels={"role": "web", "site": "hel"}),
        HostFacts(name="spare"),
    )
}
GROUPS = {"fra": ("site=fra",), "others": ("!@fra",), "shop": ("role=web", "@fra", "!db-1"), "nobody": ("mail-*",)}
POSITIVE = (
    "db-1",
    "db-2",
    "web-1",
    "web-1.hel.example.org",
    "nobody",
    "*",
    "db-*",
    "web-[13]*",
    "*.example.org",
    "10.2.0.0/16",
    "10.1.0.7",
    "2001:db8::/32",
    "role=db",
    "role=w*&site=hel",
    "@fra",
    "@others",
    "@shop",
    "@nobody",
)
LISTS = st.lists(st.sampled_from((*POSITIVE, *(f"!{one}" for one in POSITIVE))), max_size=5)


@given(lists=st.lists(LISTS, min_size=1, max_size=6))
def test_a_list_selects_the_hosts_that_it_selects_one_by_one(lists: list[list[str]]) -> None:
    selection, names = Selection(tuple(HOSTS.values()), GROUPS), tuple(HOSTS)
    for selectors in lists:
        chosen = tuple(names[place] for place in places(selection.of(tuple(selectors))))
        assert chosen == tuple(name for name, facts in HOSTS.items() if selects(selectors, facts, GROUPS))


@pytest.mark.parametrize("selector", ["@absent", "DB-1", "10.2.0.300", "role=", "!"])
def test_what_is_no_selector_is_said(selector: str) -> None:
    with pytest.raises(ValueError, match=r"there is no group|capital|no address|no pattern|is empty"):
        Selection(tuple(HOSTS.values()), GROUPS).of((selector,))
