from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchsync.adapters.schemas import repository_formats
from torchsync.core.inventory import HostEntry, Inventory
from torchsync.core.model import HostFacts
from torchsync.core.selector import selects
from torchsync.errors import Problem

READER = repository_formats().inventory


def problems_of(text: str) -> tuple[Problem, ...]:
    return READER.read(text.encode())[1]


def test_hosts_and_groups_are_read() -> None:
    text = """
hosts:
  db-1.example.org: {addresses: [10.2.0.7, "2001:DB8::7"], labels: {role: db}, timezone: Europe/Berlin}
  web-1:
groups: {eu: ["role=db", "!db-test-*"], all: ["@eu", "web-*"]}
"""
    inventory, problems = READER.read(text.encode())
    assert problems == ()
    db = HostEntry(addresses=("10.2.0.7", "2001:db8::7"), labels={"role": "db"}, zone="Europe/Berlin")
    assert inventory.hosts == {"db-1.example.org": db, "web-1": HostEntry()}
    assert inventory.groups == {"eu": ("role=db", "!db-test-*"), "all": ("@eu", "web-*")}


@pytest.mark.parametrize("text", ["{}", "version: 1", "hosts: {}", "hosts:", "groups: {}\nhosts: {}"])
def test_everything_may_be_left_out(text: str) -> None:
    assert READER.read(text.encode()) == (Inventory(), ())


@pytest.mark.parametrize(
    ("text", "code", "place", "words"),
    [
        ("host: {}", "TS110", (1, 1), "did you mean `hosts`?"),
        ("[]", "TS111", (1, 1), "a mapping with `hosts` and `groups`"),
        ("version: 2", "TS113", (1, 10), "version 2"),
        ("hosts: [web-1]", "TS111", (1, 8), "a mapping of host names"),
        ("hosts: {Web-1: {}}", "TS111", (1, 9), "the name of a host: lower-case"),
        ("hosts: {web-1: {label: {}}}", "TS110", (1, 17), "did you mean `labels`?"),
        ("hosts: {web-1: {labels: {rack: 7}}}", "TS111", (1, 32), 'write "7"'),
        ("hosts: {web-1: {labels: {a b: x}}}", "TS111", (1, 26), "a label name"),
        ("hosts: {web-1: {addresses: 10.2.0.7}}", "TS111", (1, 28), 'write ["10.2.0.7"]'),
        ("hosts: {web-1: {addresses: [10.2.0.300]}}", "TS111", (1, 29), "no IP address"),
        ("hosts: {web-1: {addresses: [10.2.0.0/16]}}", "TS111", (1, 29), "write it as in `10.2.0.7`"),
        ("hosts: {web-1: {timezone: Europe/Berlim}}", "TS122", (1, 27), "`Europe/Berlin`"),
        ("hosts: {web-1: {timezone: local}}", "TS122", (1, 27), "not a time zone"),
        ("groups: {eu: db-*}", "TS111", (1, 14), 'write ["db-*"]'),
        ("groups: {eu: []}", "TS111", (1, 14), "at least one entry"),
        ("groups: {EU: ['*']}", "TS111", (1, 10), "the name of a group"),
        ("groups: {eu: [DB-*]}", "TS131", (1, 15), "write `db-*`"),
        ("groups: {eu: ['@us']}", "TS133", (1, 15), "no group `us`"),
        ("groups: {eu: [db-1, '!@eu']}", "TS133", (1, 21), "contains itself"),
        ("hosts: {a: {}, a: {}}", "TS103", (1, 16), "given twice"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_what_to_write(text: str, code: str, place: tuple[int, int], words: str) -> None:
    (problem,) = problems_of(text)
    assert (problem.code, problem.path, (problem.line, problem.column)) == (code, "hosts.yaml", place)
    assert words in f"{problem.message}; {problem.hint}"


def test_all_mistakes_are_told_at_once_and_in_order() -> None:
    found = problems_of("groups: {a: ['@b'], b: ['@c'], c: ['@a']}\nhosts: {x: {timezone: nowhere, addresses: [y]}}")
    assert [(problem.code, problem.line) for problem in found] == [("TS133", 1), ("TS133", 1), ("TS133", 1), ("TS122", 2), ("TS111", 2)]


def test_groups_are_nested_only_so_deep_that_anybody_can_follow() -> None:
    chain = ", ".join(f"g{number}: ['@g{number + 1}']" for number in range(12))
    found = problems_of(f"groups: {{{chain}, g12: ['*']}}")
    assert [problem.message for problem in found] == ["groups are nested more than 10 deep from `g1` on"]


def test_what_only_contains_a_group_in_a_circle_is_not_told() -> None:
    found = problems_of("groups: {out: ['@a'], a: ['@b', '!@b', '@a'], b: ['@a', '@in'], in: ['@c'], c: ['@c']}")
    assert [(problem.column, problem.message) for problem in found] == [
        (27, "the group `a` contains itself"),
        (51, "the group `b` contains itself"),
        (81, "the group `c` contains itself"),
    ]


def test_groups_that_all_name_each_other_are_each_told_once() -> None:
    names = ", ".join(f"'@g{number}'" for number in range(300))
    text = "groups: {" + ", ".join(f"g{number}: [{names}]" for number in range(300)) + "}"
    assert len(problems_of(text)) == 300


def test_a_file_for_some_thousands_of_hosts_is_read() -> None:
    text = "hosts:\n" + "".join(
        f"  web-{number}: {{addresses: [10.1.{number // 250}.{number % 250}], labels: {{role: web}}}}\n" for number in range(5_000)
    )
    inventory, problems = READER.read(text.encode())
    assert problems == ()
    assert len(inventory.hosts) == 5_000


NAMES = st.sampled_from(["a", "b", "c", "d"])


@given(st.dictionaries(NAMES, st.lists(st.sampled_from(["web-*", "@a", "!@b", "@c", "@d", "role=db"]), min_size=1, max_size=3)))
def test_groups_that_pass_can_be_asked(groups: dict[str, list[str]]) -> None:
    inventory, problems = READER.read(repr({"groups": groups}).encode())
    if not problems:
        for name in groups:
            selects([f"@{name}"], HostFacts(name="web-1"), inventory.groups)
