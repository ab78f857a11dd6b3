"""The plan of a fleet says of every host what the plan of that host says, and hosts for which it is the same are told once."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import NOON, daemon, task
from torchsync.core.fleetplan import FleetHost, FleetPlan, plan_fleet
from torchsync.core.hostmask import Selection, parts, places
from torchsync.core.inventory import HostEntry, Inventory
from torchsync.core.model import CronTiming, Fingerprint, Guards, HostFacts, Task, TaskName
from torchsync.core.plan import HostPlan, Side, plan_host
from torchsync.core.policy import HostPolicy, HostRules
from torchsync.core.selector import selects

NAMES = ["db-1", "db-2", "web-1", "web-2", "web-3"]
SELECTORS = ["*", "db-*", "web-?", "web-1", "role=db", "site=eu&role=web", "10.2.0.0/16", "@eu", "@most"]
LISTS = st.lists(st.builds("{}{}".format, st.sampled_from(["", "", "!"]), st.sampled_from(SELECTORS)), max_size=3, unique=True).map(tuple)
GROUPS = {"eu": ("site=eu",), "most": ("!web-3",)}
POLICY = HostRules(HostPolicy(agent_user="root", is_root=True, max_tasks=2, pools={"disk": 3}), lambda _: 1000)


@st.composite
def inventories(draw: st.DrawFn) -> Inventory:
    labels = st.fixed_dictionaries({}, optional={"role": st.sampled_from(["db", "web"]), "site": st.sampled_from(["eu", "us"])})
    addresses = st.sampled_from([(), ("10.2.0.7",), ("192.0.2.1",)])
    entries = st.builds(HostEntry, addresses=addresses, labels=labels, zone=st.sampled_from(["", "UTC", "Asia/Tokyo"]))
    return Inventory(hosts={name: draw(entries) for name in draw(st.lists(st.sampled_from(NAMES), unique=True))}, groups=GROUPS)


@st.composite
def definitions(draw: st.DrawFn) -> Task:
    one = draw(st.sampled_from([task, task, daemon]))(
        TaskName(draw(st.sampled_from("abcd"))), hosts=draw(LISTS), pool=draw(st.sampled_from(["", "disk", "net"]))
    )
    if not one.is_daemon:
        zone, schedule = draw(st.sampled_from(["UTC", "local"])), draw(st.sampled_from(["0 3 * * *", "H 3 * * *"]))
        one = replace(one, timing=CronTiming(schedule=schedule, zone=zone))
    return replace(one, fingerprint=Fingerprint(f"{hash((one.timing, one.hosts, one.pool)) % 2**64:064x}"))


SIDES = st.builds(
    Side,
    words=st.just(""),
    revision=st.none(),
    tasks=st.lists(definitions(), max_size=4, unique_by=lambda one: one.name).map(tuple),
    inventory=inventories(),
    guards=st.sampled_from([Guards(), Guards(min_tasks=1)]),
    pools=st.fixed_dictionaries({"disk": st.integers(1, 2), "net": st.just(1)}),
    removal_allowed=st.booleans(),
)
HOSTS = st.lists(
    st.builds(
        FleetHost,
        own=st.builds(HostFacts, name=st.sampled_from(NAMES), addresses=st.sampled_from([(), ("10.2.0.7",)])),
        rules=st.sampled_from([None, None, POLICY]),
    ),
    unique_by=lambda host: host.own.name,
)


def told(plan: HostPlan) -> object:
    """What a plan says that has to be the same for hosts of one group."""
    steps = [(step.name, step.old, step.new, step.fields, step.running, step.reschedules) for step in plan.steps]
    return steps, plan.pools, plan.refused, plan.removal is None


@settings(max_examples=300, deadline=None)
@given(base=SIDES, head=SIDES, hosts=HOSTS)
def test_a_group_says_what_the_plan_of_each_host_says_and_two_groups_say_different_things(base: Side, head: Side, hosts: list) -> None:
    found = plan_fleet(base, head, hosts=hosts, now=NOON)
    own = {host.own.name: plan_host(base, head, own=host.own, now=NOON, rules=host.rules) for host in hosts}
    assert sorted(name for group in found.groups for name in group.hosts) == sorted(own)
    for group in found.groups:
        assert group.plan == own[group.hosts[0]]
        for name in group.hosts:
            assert told(own[name]) == told(group.plan)
            assert set(own[name].refusals) <= set(group.refusals)
        for counts, numbers in (
            (group.unchanged, [own[name].unchanged for name in group.hosts]),
            (group.not_selected, [own[name].not_selected for name in group.hosts]),
        ):
            assert counts == (min(numbers), max(numbers))
    assert len({repr(told(group.plan)) for group in found.groups}) == len(found.groups)
    assert found.refusing == sum(bool(plan.refusals) for plan in own.values())
    assert found.touched == sum(not plan.is_empty for plan in own.values())


@settings(max_examples=200)
@given(selectors=LISTS, inventory=inventories())
def test_a_mask_has_the_hosts_that_the_selectors_are_for(selectors: tuple[str, ...], inventory: Inventory) -> None:
    facts = [inventory.named(name) for name in NAMES]
    mask = Selection(facts, GROUPS).of(selectors)
    assert [NAMES[place] for place in places(mask)] == [one.name for one in facts if selects(selectors, one, GROUPS)]


def test_hosts_that_no_mask_tells_apart_are_one_part() -> None:
    assert parts(4, [0b0011, 0b0001, 0]) == [0b0001, 0b0010, 0b1100]
    assert parts(0, [0b1]) == []


def fleet(number: int) -> tuple[Side, tuple[FleetHost, ...]]:
    zones = ("", "Asia/Tokyo", "Europe/Berlin")
    entries = {f"h{place:04}": HostEntry(labels={"even": str(place % 2 == 0)}, zone=zones[place % 3]) for place in range(number)}
    inventory = Inventory(hosts=entries)
    hosts = tuple(FleetHost(own=HostFacts(name=name)) for name in entries)
    return Side(words="", revision=None, inventory=inventory), hosts


def summary(plan: FleetPlan) -> list[tuple[int, list[str], tuple[int, int]]]:
    return [(len(group.hosts), [step.name for step in group.plan.steps], group.unchanged) for group in plan.groups]


def test_a_thousand_hosts_with_the_same_change_are_one_group_whatever_their_zone_their_hash_and_their_other_tasks() -> None:
    side, hosts = fleet(1_000)
    kept = task("kept", hosts=("even=True",))
    before = CronTiming(schedule="H 3 * * *", zone="local")
    old = task("t", timing=before)
    new = replace(old, timing=replace(before, schedule="H 4 * * *"), fingerprint=Fingerprint("c" * 64))
    plan = plan_fleet(replace(side, tasks=(kept, old)), replace(side, tasks=(kept, new)), hosts=hosts, now=NOON)
    assert summary(plan) == [(1_000, ["t"], (0, 1))]
    assert plan.groups[0].plan.steps[0].is_by_host


def test_groups_that_refuse_come_first_then_those_that_change_and_large_ones_before_small_ones() -> None:
    side, hosts = fleet(5)
    ten = tuple(task(f"t{number}", hosts=("h0000",)) for number in range(10))
    head = (task("even", hosts=("even=True",)), task("odd", hosts=("h0001",)))
    plan = plan_fleet(replace(side, tasks=ten), replace(side, tasks=head), hosts=hosts, now=NOON)
    assert [group.hosts for group in plan.groups] == [("h0000",), ("h0002", "h0004"), ("h0001",), ("h0003",)]
    assert plan.groups[0].refusals


def test_of_hosts_that_lose_the_same_tasks_only_those_that_keep_too_few_refuse() -> None:
    side, hosts = fleet(4)
    lost = tuple(task(f"lost{number}") for number in range(8))
    kept = tuple(task(f"kept{number}", hosts=("even=True",) if number > 3 else ()) for number in range(20))
    plan = plan_fleet(replace(side, tasks=(*lost, *kept)), replace(side, tasks=kept), hosts=hosts, now=NOON)
    assert [(group.hosts, [problem.code for problem in group.refusals]) for group in plan.groups] == [
        (("h0001", "h0003"), ["TS208"]),
        (("h0000", "h0002"), []),
    ]
