"""The words of a plan: values that are short, on one line and harmless; colours where there is a terminal."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import NOON, daemon, facts, task
from torchsync.cli.planview import Report, plan_lines, shown
from torchsync.core.model import Conduct, CronTiming, Fingerprint, Task
from torchsync.core.plan import Side, plan_host
from torchsync.core.policy import HostPolicy, HostRules

NOTHING = Side(words="nothing", revision=None)


def lines(old: list[Task], new: list[Task], *, coloured: bool = False, refusing: bool = False, **changes) -> list[str]:
    policy = HostPolicy(agent_user="root", is_root=True, max_tasks=0 if refusing else 10)
    sides = (replace(NOTHING, tasks=tuple(tasks)) for tasks in (old, new))
    plan = plan_host(*sides, own=facts(), now=NOON, rules=HostRules(policy, lambda _: 1000) if "rules" in changes else None)
    return list(plan_lines(Report(**({"plan": plan, "base": NOTHING, "head": NOTHING, "now": NOON} | changes)), coloured=coloured))


def told(old: Task, **changes) -> str:
    """The one line that tells the change."""
    found = lines([old], [replace(old, fingerprint=Fingerprint("c" * 64), **changes)])
    (line,) = [line.strip() for line in found if " -> " in line]
    return line


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(None, "(none)", id="nothing"),
        pytest.param("", '""', id="an empty text"),
        pytest.param("./a --b 'c'", "./a --b 'c'", id="a plain text"),
        pytest.param("Überprüfung", "Überprüfung", id="letters of all languages"),
        pytest.param("(none)", '"(none)"', id="a text that looks like nothing"),
        pytest.param('"a"', '"\\"a\\""', id="a text that looks quoted"),
        pytest.param("[1]", '"[1]"', id="a text that looks like a list"),
        pytest.param(" a", '" a"', id="a blank in front"),
        pytest.param("a\nb\x1b[31m\x7f\x9b", '"a\\nb\\u001b[31m\\u007f\\u009b"', id="control characters"),
        pytest.param("a\u202eb\u2028", '"a\\u202eb\\u2028"', id="characters that change how text is shown"),
        pytest.param(["a", "ü"], '["a", "ü"]', id="a list"),
        pytest.param(["\u202e"], '["\\u202e"]', id="a list with such characters"),
        pytest.param(True, "true", id="true"),
        pytest.param(3, "3", id="a number"),
    ],
)
def test_values_are_shown_plain_or_quoted(value, expected) -> None:
    assert shown(value) == expected


TEXTS = st.text(max_size=12)


@given(st.one_of(TEXTS, st.lists(TEXTS, max_size=3)))
def test_whatever_a_value_holds_a_terminal_shows_it_and_does_nothing(value) -> None:
    assert shown(value).isprintable()


@given(st.one_of(st.none(), TEXTS), st.one_of(st.none(), TEXTS))
def test_values_that_differ_are_shown_differently(one, other) -> None:
    assert (shown(one) == shown(other)) == (one == other)


def test_maps_are_told_key_by_key() -> None:
    old = task(env={"SAME": "1", "GONE": "2", "OTHER": "3"})
    found = lines([old], [replace(old, env={"SAME": "1", "OTHER": "4", "NEW": ""}, fingerprint=Fingerprint("c" * 64))])
    assert [line.split() for line in found if "env." in line] == [
        ["env.GONE", "2", "->", "(none)"],
        ["env.NEW", "(none)", "->", '""'],
        ["env.OTHER", "3", "->", "4"],
    ]


def test_what_is_different_in_a_long_value_is_not_cut_away() -> None:
    same = "x" * 500
    line = told(task(description=f"{same}OLD{same}"), description=f"{same}NEW{same}")
    assert "OLD" in line.partition(" -> ")[0]
    assert "NEW" in line.partition(" -> ")[2]
    assert len(line) < 250
    assert line.count("...") == 4


def test_a_long_value_that_only_grew_shows_its_new_end() -> None:
    line = told(task(description="x" * 200), description="x" * 200 + "END")
    assert line.endswith("END")


@given(st.text("ab", min_size=1, max_size=300), st.text("ab", min_size=1, max_size=300))
def test_two_long_values_never_look_the_same(one, other) -> None:
    if one != other:
        old, _, new = told(task(owner=one), owner=other).removeprefix("owner").strip().partition(" -> ")
        assert old != new


FINISH, OTHER = Conduct.FINISH, Fingerprint("c" * 64)


def scaled(copies: int, **changes) -> Task:
    return daemon("a", max_running=copies, copy_print="d" * 64, fingerprint=Fingerprint(f"{copies:064x}"), **changes)


def test_the_sum_of_a_plan_that_changes_nothing() -> None:
    assert lines([task()], [task(), task("b", hosts=("web-*",))])[0] == "db-1: nothing changes; 1 unchanged, 1 for other hosts"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param([], [daemon("a")], "one copy is started", id="a daemon comes"),
        pytest.param([], [daemon("a", enabled=False)], "nothing runs", id="a disabled daemon comes"),
        pytest.param([daemon("a", stop_signal="INT")], [], "running copies are stopped (INT, KILL after 10s)", id="a daemon goes"),
        pytest.param([daemon("a", enabled=False)], [], "nothing runs", id="a disabled daemon goes"),
        pytest.param([], [task("a", enabled=False)], "disabled, so that no instant fires", id="a disabled task comes"),
        pytest.param(
            [], [task("a", timing=CronTiming(schedule="@daily"))], "instants count from the moment it is applied", id="a task comes"
        ),
        pytest.param(
            [task("a", stop_signal="INT")],
            [daemon("a", max_running=2, fingerprint=Fingerprint("c" * 64))],
            "running copies finish; 2 copies are started",
            id="a cron task becomes a daemon",
        ),
        pytest.param(
            [daemon("a", on_change=FINISH)],
            [daemon("a", env={"A": "b"}, fingerprint=OTHER)],
            "running copies finish, each is started anew then",
            id="a patient daemon changes",
        ),
        pytest.param([scaled(1)], [scaled(3)], "running copies are not touched; 2 copies are started", id="a daemon is scaled up"),
        pytest.param(
            [scaled(3)],
            [scaled(1)],
            "the last 2 copies are stopped (TERM, KILL after 10s), the others are not touched",
            id="a daemon is scaled down",
        ),
        pytest.param(
            [scaled(2, on_change=FINISH)],
            [scaled(1)],
            "the last copy finishes, the others are not touched",
            id="a patient daemon is scaled down",
        ),
        pytest.param(
            [task("a", on_remove=Conduct.STOP)], [], "running copies are stopped (TERM, KILL after 10s)", id="a task goes at once"
        ),
    ],
)
def test_what_happens_then_is_told(old, new, expected) -> None:
    assert [line.partition("then")[2].strip() for line in lines(old, new) if line.startswith("    then")] == [expected]


def test_the_end_tells_what_the_host_says() -> None:
    assert lines([], [task()])[-1].startswith("What this host itself allows is not known here")
    assert lines([], [task()], rules="its policy")[-1] == "Accepted by its policy."
    assert lines([], [task()], rules="its policy", refusing=True)[-1].startswith("Refused by this host, whole: 1 problem by its policy")


def test_colours_change_nothing_but_the_colour() -> None:
    old, new = [task("a"), task("b")], [task("c"), task("b", fingerprint=Fingerprint("c" * 64))]
    plain = lines(old, new, notices=("be warned",))
    coloured = "\n".join(lines(old, new, coloured=True, notices=("be warned",)))
    assert "\x1b[32m+ c\x1b[0m" in coloured
    assert "\x1b[31m- a\x1b[0m" in coloured
    for code in ("32m", "31m", "1m", "0m"):
        coloured = coloured.replace(f"\x1b[{code}", "")
    assert coloured == "\n".join(plain)


def test_files_of_a_task_are_told_by_path_and_not_more_than_twenty() -> None:
    old = task(inputs=("data/**",))
    files = tuple((f"data/{number:02}", "100644", "1") for number in range(30))
    base = replace(NOTHING, tasks=(old,), inputs={old.name: files})
    head = replace(NOTHING, tasks=(replace(old, fingerprint=Fingerprint("c" * 64)),), inputs={old.name: (("data/00\n", "100644", "1"),)})
    plan = plan_host(base, head, own=facts(), now=NOON)
    told = [line.strip() for line in plan_lines(Report(plan=plan, base=base, head=head, now=NOON), coloured=False) if " inputs " in line]
    assert told[:2] == [
        "inputs  data/00: no longer among the files that the task depends on",
        'inputs  "data/00\\n": new among the files that the task depends on',
    ]
    assert (len(told), told[-1]) == (21, "inputs  and 11 more files")


def test_a_pool_that_gets_another_size_is_told_and_that_the_host_may_have_its_own() -> None:
    base, head = (replace(NOTHING, tasks=(task(pool="disk"),), pools={"disk": size}) for size in (1, 2))
    plan = plan_host(base, head, own=facts(), now=NOON)
    assert not plan.is_empty
    told = list(plan_lines(Report(plan=plan, base=base, head=head, now=NOON), coloured=False))
    assert told[0] == "db-1: 1 pool of another size; 1 unchanged, 0 for other hosts"
    assert "Runs at once in the pool disk: 1 -> 2, unless agent.yaml of the host gives its own size." in told


def test_a_task_that_is_switched_off_tells_the_fires_it_loses_and_one_without_a_calendar_tells_none() -> None:
    daily = task(timing=CronTiming(schedule="0 3 * * *", zone="UTC"))
    (fires,) = [
        line.strip() for line in lines([daily], [replace(daily, enabled=False, fingerprint=Fingerprint("c" * 64))]) if " fires " in line
    ]
    assert fires.startswith("fires    30 lost in the next 30 days; lost: ")
    assert not [line for line in lines([task(timing=CronTiming(schedule="@startup", zone="UTC"))], []) if " fires " in line]
