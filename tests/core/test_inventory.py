from __future__ import annotations

from torchsync.core.inventory import HostEntry, Inventory
from torchsync.core.model import HostFacts

INVENTORY = Inventory(
    hosts={"db-1": HostEntry(addresses=("10.9.9.9",), labels={"role": "db", "site": "eu"}, zone="Europe/Berlin"), "web-1": HostEntry()}
)
OWN = HostFacts(name="db-1", addresses=("10.2.0.7",), labels={"site": "us", "rack": "7"}, zone="Asia/Tokyo")


def test_the_hosts_own_labels_come_over_those_of_the_inventory() -> None:
    assert INVENTORY.facts_of(OWN).labels == {"role": "db", "site": "us", "rack": "7"}


def test_the_zone_is_the_inventorys_where_it_gives_one() -> None:
    assert INVENTORY.facts_of(OWN).zone == "Europe/Berlin"
    assert INVENTORY.facts_of(HostFacts(name="web-1", zone="Asia/Tokyo")).zone == "Asia/Tokyo"


def test_addresses_are_always_the_hosts_own() -> None:
    assert INVENTORY.facts_of(OWN).addresses == ("10.2.0.7",)
    assert INVENTORY.facts_of(HostFacts(name="db-1")).addresses == ()


def test_a_host_that_is_not_in_the_inventory_is_what_it_says_of_itself() -> None:
    stranger = HostFacts(name="db-2", labels={"role": "db"}, zone="Asia/Tokyo")
    assert INVENTORY.facts_of(stranger) == stranger


def test_by_its_name_alone_a_host_is_what_the_inventory_says() -> None:
    assert INVENTORY.named("db-1") == HostFacts(
        name="db-1", addresses=("10.9.9.9",), labels={"role": "db", "site": "eu"}, zone="Europe/Berlin"
    )
    assert INVENTORY.named("web-1") == INVENTORY.named("web-1") == HostFacts(name="web-1")
    assert INVENTORY.named("db-2") == HostFacts(name="db-2")


def test_what_an_operator_should_know_is_said() -> None:
    assert list(INVENTORY.notices(OWN)) == ["the label site is 'us' by agent.yaml, over 'eu' by hosts.yaml"]
    assert list(INVENTORY.notices(HostFacts(name="db-2"))) == ["the host db-2 is not in hosts.yaml"]
    assert list(INVENTORY.notices(HostFacts(name="web-1", labels={"new": "x"}))) == []
    assert list(Inventory().notices(OWN)) == []
