from __future__ import annotations

import pytest

from tests.builders import task
from torchsync.core.fleet import Fleet, fleet_of
from torchsync.core.fleetchange import FleetChange, fleet_change
from torchsync.core.fleetfilter import FleetFilter, Place, Unmatched, chosen, narrowed, narrowed_change, unmatched
from torchsync.core.inventory import HostEntry, Inventory

INVENTORY = Inventory(
    hosts={
        "web-1": HostEntry(labels={"role": "web"}),
        "web-2": HostEntry(labels={"role": "web"}),
        "db-1": HostEntry(addresses=("10.2.0.7",), labels={"role": "db"}),
        "spare-1": HostEntry(),
    },
    groups={"front": ("role=web",)},
)
TASKS = (
    task("rotate", hosts=("role=web",), owner="team-web", labels={"cost": "low"}),
    task("backup", hosts=("db-*", "web-1"), owner="team-db", labels={"cost": "high"}),
    task("backup-check", hosts=("db-*",), owner="team-db"),
    task("stray", hosts=("mail-*",), owner="team-web"),
)
WHOLE = fleet_of(TASKS, INVENTORY)
PLACE = Place(fleet=WHOLE, inventory=INVENTORY)


def left(**wanted) -> Fleet:
    return narrowed(WHOLE, chosen(FleetFilter(**wanted), [PLACE]))


def test_without_a_filter_everything_is_left() -> None:
    assert left() == WHOLE


def test_who_asks_for_a_task_sees_the_hosts_that_run_it() -> None:
    assert left(tasks=("backup",)).tasks_of == {"db-1": ("backup",), "web-1": ("backup",)}
    assert left(tasks=("backup*",)).hosts_of == {"backup": ("db-1", "web-1"), "backup-check": ("db-1",)}


def test_who_asks_for_a_host_sees_the_tasks_that_it_runs() -> None:
    found = left(hosts=("web-1",))
    assert (found.tasks_of, found.hosts_of) == ({"web-1": ("backup", "rotate")}, {"backup": ("web-1",), "rotate": ("web-1",)})


@pytest.mark.parametrize(
    ("selectors", "hosts"),
    [
        (("role=web",), ["web-1", "web-2"]),
        (("@front", "!web-1"), ["web-2"]),
        (("10.2.0.0/16", "spare-*"), ["db-1", "spare-1"]),
        (("!role=*",), ["spare-1"]),
    ],
)
def test_hosts_are_named_as_a_task_file_names_them(selectors: tuple[str, ...], hosts: list[str]) -> None:
    assert list(left(hosts=selectors).hosts) == hosts


def test_what_is_idle_stays_where_it_is_asked_for() -> None:
    assert left(tasks=("stray",)).hosts_of == {"stray": ()}
    assert left(hosts=("spare-1",)).tasks_of == {"spare-1": ()}
    assert left(tasks=("stray",), hosts=("spare-1",)).tasks_of == {}


def test_owners_and_labels_of_tasks_are_asked_for_too() -> None:
    assert list(left(owners=("team-w*",)).tasks) == ["rotate", "stray"]
    assert list(left(labels=(("cost", "*"),)).tasks) == ["backup", "rotate"]
    assert list(left(labels=(("cost", "high"),), owners=("team-db",)).tasks) == ["backup"]


def test_all_kinds_of_filters_have_to_match() -> None:
    assert left(owners=("team-db",), hosts=("role=web",)).hosts_of == {"backup": ("web-1",)}
    assert left(tasks=("backup-check",), hosts=("role=web",)).hosts_of == {}


def test_patterns_that_match_nothing_are_told_with_what_is_near() -> None:
    wanted = FleetFilter(
        tasks=("backup", "bakup"), owners=("team-bd",), labels=(("cost", "hihg"),), hosts=("web-3", "role=mail", "!web-9", "web-*")
    )
    assert list(unmatched(wanted, [PLACE])) == [
        Unmatched("task", "bakup", ("backup",)),
        Unmatched("owner", "team-bd", ("team-db", "team-web")),
        Unmatched("label", "cost=hihg", ("cost=high",)),
        Unmatched("host", "web-3", ("web-2", "web-1")),
        Unmatched("host", "role=mail", ("role=db",)),
    ]


def test_what_is_no_selector_is_said() -> None:
    with pytest.raises(ValueError, match="there is no group 'nobody'"):
        left(hosts=("@nobody",))


# What differs from a base.

BEFORE = fleet_of((task("rotate", hosts=("db-1",), owner="team-web"), task("gone", hosts=("web-*",)), *TASKS[1:3]), INVENTORY)
CHANGE = fleet_change(BEFORE, WHOLE)


def moves(**wanted) -> FleetChange:
    asked = chosen(FleetFilter(**wanted), [Place(fleet=BEFORE, inventory=INVENTORY), PLACE])
    return narrowed_change(CHANGE, asked, WHOLE)


def test_of_a_change_what_is_asked_for_is_left() -> None:
    assert moves() == CHANGE
    found = moves(hosts=("web-1",))
    assert {move.name: (move.gains, move.loses) for move in found.tasks} == {"gone": ((), ("web-1",)), "rotate": (("web-1",), ())}
    assert [(move.name, move.gains, move.loses) for move in found.hosts] == [("web-1", ("rotate",), ("gone",))]


def test_a_task_that_is_gone_can_be_asked_for() -> None:
    found = moves(tasks=("gone",))
    assert [(move.name, move.kind.value, move.loses) for move in found.tasks] == [("gone", "removed", ("web-1", "web-2"))]
    assert [(move.name, move.loses) for move in found.hosts] == [("web-1", ("gone",)), ("web-2", ("gone",))]
    assert list(unmatched(FleetFilter(tasks=("gone",)), [PLACE, Place(fleet=BEFORE, inventory=INVENTORY)])) == []
