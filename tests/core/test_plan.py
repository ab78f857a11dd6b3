"""A plan says what the agent then does: the same names, the same baselines, the same fires, the same fate of running copies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import HOUR, MINUTE, NOON, REVISION, SECOND, TREE, daemon, facts, task
from tests.core.world import World
from torchsync.core.durations import format_duration
from torchsync.core.generation import succeed, tasks_of
from torchsync.core.inventory import HostEntry, Inventory
from torchsync.core.model import (
    AlertLimits,
    Conduct,
    CronTiming,
    DaemonTiming,
    Fingerprint,
    Guards,
    Instant,
    Limits,
    Millis,
    ProgramCommand,
    Run,
    Severity,
    Task,
    TaskName,
)
from torchsync.core.plan import FIRES_SHOWN, HostPlan, Running, Side, Step, plan_host
from torchsync.core.policy import HostPolicy, HostRules, judge_host
from torchsync.core.selector import selects
from torchsync.core.syncdoc import SyncAnswer, Verdict

HERE = facts()
NOTHING_KNOWN = Inventory()
POLICY = HostPolicy(agent_user="root", is_root=True, users={"deploy": ("tasks/web/**",), "nobody-here": ("**",)})


def side(tasks: Iterable[Task], inventory: Inventory = NOTHING_KNOWN) -> Side:
    return Side(words="", revision=None, tasks=tuple(tasks), inventory=inventory)


def planned(old: Iterable[Task], new: Iterable[Task], **changes) -> HostPlan:
    return plan_host(side(old), side(new), **({"own": HERE, "now": NOON} | changes))


def changed(one: Task, **changes) -> Task:
    """The task with another fingerprint too, as a validated set has it."""
    return replace(one, fingerprint=Fingerprint("c" * 64), **changes)


def the_change(old: Task, new: Task):
    (step,) = planned([old], [new]).changed
    return step


# The agent does what the plan says.


NAMES = st.sampled_from([TaskName(letter) for letter in "abcde"])
HOSTS = st.sampled_from([(), ("db-*",), ("web-*",), ("10.2.0.0/16",), ("!db-1",), ("role=db", "!web-*")])
SCHEDULES = st.sampled_from(["@every 7s", "0 3 * * *", "*/5 * * * *", "0 0 29 2 *"])


@st.composite
def definitions(draw: st.DrawFn) -> Task:
    """A task of which any two versions have the same fingerprint exactly when they are equal."""
    one = draw(st.sampled_from([task, task, daemon]))(draw(NAMES), hosts=draw(HOSTS), enabled=draw(st.booleans()))
    if not one.is_daemon:
        one = replace(one, timing=CronTiming(schedule=draw(SCHEDULES), zone=draw(st.sampled_from(["UTC", "Asia/Tokyo", "local"]))))
    conducts = {key: draw(st.sampled_from([None, None, *Conduct])) for key in ("on_change", "on_remove")}
    one = replace(one, owner=draw(st.sampled_from(["", "x"])), max_running=draw(st.integers(1, 3)), **conducts)
    content = hash((one.timing, one.hosts, one.enabled, one.owner, one.on_change, one.on_remove))
    copy_print = f"{content % 2**64:064x}" if one.is_daemon else ""
    return replace(one, fingerprint=Fingerprint(f"{hash((content, one.max_running)) % 2**64:064x}"), copy_print=copy_print)


SETS = st.lists(definitions(), max_size=6, unique_by=lambda one: one.name)


def answered(tasks: list[Task], in_force) -> SyncAnswer:
    """As the sync process answers."""
    selected = [one for one in tasks if selects(one.hosts, HERE)]
    known = {name: one.fingerprint for name, one in in_force.tasks.items()} if in_force else {}
    kept = {one.name for one in selected if known.get(one.name) == one.fingerprint}
    return SyncAnswer(
        verdict=Verdict.ACCEPTED,
        revision=REVISION,
        tree=TREE,
        tasks=tuple(one for one in selected if one.name not in kept),
        kept=tuple(sorted(kept)),
        not_selected=len(tasks) - len(selected),
    )


def swapped(tasks: list[Task], in_force, now: Instant):
    answer = answered(tasks, in_force)
    return succeed(in_force, answer, tasks_of(in_force, answer), observed=HERE, origin="o", now=now)


def names(steps) -> tuple[str, ...]:
    return tuple(step.name for step in steps)


@settings(max_examples=200)
@given(old=SETS, new=SETS)
def test_a_swap_adds_changes_and_removes_what_the_plan_says_and_moves_the_same_baselines(old, new):
    before, _ = swapped(old, None, NOON)
    later = Instant(NOON + MINUTE)
    after, found = swapped(new, before, later)
    plan = planned(old, new, now=later)
    assert names(plan.added) == found.added
    assert names(plan.removed) == found.removed
    assert names(plan.changed) == tuple(change.name for change in found.changed)
    assert [tuple(field.field for field in step.fields) for step in plan.changed] == [change.fields for change in found.changed]
    assert plan.unchanged == len(found.unchanged)
    assert plan.not_selected == after.not_selected
    assert {step.name for step in plan.steps if step.reschedules} == {name for name, mark in after.baselines.items() if mark == later}
    assert plan.is_empty == found.is_empty


@settings(max_examples=100, deadline=None)
@given(old=SETS, new=SETS)
def test_running_copies_fare_as_the_plan_says_and_the_next_fires_are_the_agents(old, new):
    old, new = ([one for one in tasks if selects(one.hosts, HERE)] for tasks in (old, new))
    world = World(lambda _: (None, 0))  # everything runs until it is stopped
    world.swap(*old)
    for one in old:
        if not one.is_daemon:
            world.engine.run_task(one.name, "tester", Instant(world.now))
    world.turn()
    running = {name: world.alive(name) for name in (one.name for one in old)}
    plan = planned(old, new, now=Instant(world.now))
    world.swap(*new)
    for _ in range(3):
        world.turn()
    earlier = {process.run.id for copies in running.values() for process in copies}
    started = [process for run_id, process in world.processes.items() if run_id not in earlier]
    for step in plan.steps:
        copies = running.get(step.name, [])
        assert bool(copies) == (step.running is not Running.NONE)
        assert [bool(process.killed_by) for process in copies] == [is_ended(step, process.run) for process in copies]
        mine = [process.run.task for process in started if process.run.task.name == step.name]
        assert mine == [step.new] * step.new_copies
        assert step.starts == bool(mine)
        if step.new and step.reschedules and not step.new.is_daemon:
            assert world.status(step.name).next_due == next(iter(step.next_fires), None)
    touched = set(names(plan.steps))
    assert not [name for name, copies in running.items() if name not in touched and any(process.killed_by for process in copies)]
    assert {process.run.task.name for process in started} <= touched


def is_ended(step: Step, run: Run) -> bool:
    """Whether the plan says that the copy is stopped."""
    if step.running is not Running.KEEP:
        return step.running is Running.STOP
    assert step.new is not None
    return run.copy > step.new.max_running and run.task.when_changed is Conduct.STOP


def test_the_host_is_asked_by_the_function_that_the_agent_asks():
    tasks = [task("a", user="deploy"), task("b", user="nobody-here"), task("c", hosts=("web-*",), user="nobody-here")]
    uid_of = {"deploy": 1000, "torchsync-run": 999}.get
    plan = planned([], tasks, rules=HostRules(POLICY, uid_of))
    assert plan.refused == judge_host(tasks[:2], HostRules(POLICY, uid_of), {})
    assert [problem.code for problem in plan.refused or ()] == ["TS310", "TS311"]


def test_the_pools_of_the_change_are_those_that_count():
    pooled, rules = [task("a", pool="db")], HostRules(POLICY, lambda _: 999)
    base, head = Side(words="base", revision=None, pools={"db": 1}), Side(words="head", revision=None, tasks=tuple(pooled))
    assert [problem.code for problem in plan_host(base, head, own=facts(), now=NOON, rules=rules).refused or ()] == ["TS312"]
    sized = replace(head, pools={"db": 1})
    assert plan_host(base, sized, own=facts(), now=NOON, rules=rules).refused == ()
    own_size = HostRules(replace(POLICY, pools={"db": 3}), lambda _: 999)
    assert plan_host(base, head, own=facts(), now=NOON, rules=own_size).refused == ()


def test_a_host_that_takes_everything_refuses_nothing_and_one_that_is_not_known_does_not_say():
    assert planned([], [task()], rules=HostRules(POLICY, lambda _: 999)).refused == ()
    assert planned([], [task()]).refused is None


# What becomes of running copies.


STOP, FINISH = Conduct.STOP, Conduct.FINISH


def scaled(copies: int, **changes) -> Task:
    return daemon("a", copy_print="d" * 64, max_running=copies, **changes)


@pytest.mark.parametrize(
    ("old", "new", "running", "starts", "restarts"),
    [
        pytest.param(None, task("a"), Running.NONE, False, False, id="a new cron task"),
        pytest.param(None, daemon("a"), Running.NONE, True, False, id="a new daemon"),
        pytest.param(None, daemon("a", enabled=False), Running.NONE, False, False, id="a new daemon that is disabled"),
        pytest.param(task("a"), None, Running.FINISH, False, False, id="a cron task goes"),
        pytest.param(task("a", enabled=False), None, Running.FINISH, False, False, id="a disabled cron task, started by hand, goes"),
        pytest.param(daemon("a"), None, Running.STOP, False, False, id="a daemon goes"),
        pytest.param(daemon("a", enabled=False), None, Running.NONE, False, False, id="a disabled daemon goes"),
        pytest.param(task("a"), changed(task("a"), owner="x"), Running.FINISH, False, False, id="a cron task changes"),
        pytest.param(daemon("a"), changed(daemon("a"), owner="x"), Running.STOP, True, True, id="a daemon changes"),
        pytest.param(daemon("a"), changed(daemon("a"), enabled=False), Running.STOP, False, False, id="a daemon is disabled"),
        pytest.param(daemon("a", enabled=False), changed(daemon("a")), Running.NONE, True, False, id="a daemon is enabled"),
        pytest.param(task("a"), changed(daemon("a")), Running.FINISH, True, False, id="a cron task becomes a daemon"),
        pytest.param(daemon("a"), changed(task("a")), Running.STOP, False, False, id="a daemon becomes a cron task"),
        pytest.param(
            task("a", on_change=STOP), changed(task("a")), Running.STOP, False, False, id="a cron task that wants to stop changes"
        ),
        pytest.param(
            task("a", on_remove=STOP), changed(task("a")), Running.FINISH, False, False, id="one that wants to when it goes changes"
        ),
        pytest.param(task("a", on_remove=STOP), None, Running.STOP, False, False, id="a cron task that wants to stop goes"),
        pytest.param(task("a", on_remove=STOP), changed(task("a", enabled=False)), Running.STOP, False, False, id="it is disabled"),
        pytest.param(daemon("a", on_change=FINISH), changed(daemon("a")), Running.FINISH, False, False, id="a patient daemon changes"),
        pytest.param(
            daemon("a", on_change=FINISH), changed(daemon("a", max_running=2)), Running.FINISH, True, False, id="and has more copies"
        ),
        pytest.param(daemon("a", on_change=FINISH), None, Running.STOP, False, False, id="a patient daemon goes"),
        pytest.param(
            daemon("a", on_change=FINISH),
            changed(daemon("a", enabled=False)),
            Running.STOP,
            False,
            False,
            id="a patient daemon is disabled",
        ),
        pytest.param(scaled(1), changed(scaled(3)), Running.KEEP, True, False, id="a daemon is scaled up"),
        pytest.param(scaled(3), changed(scaled(1)), Running.KEEP, False, False, id="a daemon is scaled down"),
    ],
)
def test_what_becomes_of_running_copies(old, new, running, starts, restarts):
    (step,) = planned([old] if old else [], [new] if new else []).steps
    assert (step.running, step.starts, step.restarts) == (running, starts, restarts)


# The fires to come.


def test_a_new_task_shows_its_first_fires_after_the_moment_of_the_plan():
    (step,) = planned([], [task(schedule="0 3 * * *")]).added
    assert len(step.next_fires) == FIRES_SHOWN
    assert step.next_fires[0] == NOON + 15 * 60 * MINUTE
    assert step.next_fires == tuple(sorted(step.next_fires))


def test_an_instant_at_the_moment_of_the_plan_is_not_to_come():
    (step,) = planned([], [task(schedule="0 12 * * *")]).added
    assert step.next_fires[0] == NOON + 24 * 60 * MINUTE


def test_local_time_is_that_of_the_host():
    tasks = [task(timing=CronTiming(schedule="0 21 * * *", zone="local"))]
    (step,) = planned([], tasks, own=facts(zone="Asia/Tokyo"), now=Instant(NOON - 1)).added
    assert step.next_fires[0] == NOON


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(task(), changed(task(), owner="x"), id="another owner"),
        pytest.param(task(), changed(task(), enabled=False), id="disabled"),
        pytest.param(task(), changed(daemon(task().name)), id="a daemon now"),
    ],
)
def test_a_change_that_leaves_the_schedule_shows_no_fires(old, new):
    step = the_change(old, new)
    assert (step.reschedules, step.next_fires) == (False, ())


def test_a_schedule_that_ends_shows_what_is_left():
    (step,) = planned([], [task(schedule="0 0 29 2 *")], now=Instant(7_225_400_000_000)).added
    assert len(step.next_fires) < FIRES_SHOWN


# Why a task comes or goes.


def test_a_task_that_comes_or_goes_says_why():
    here, elsewhere = task("a", hosts=("db-*",)), task("a", hosts=("web-*",))
    assert planned([], [here]).added[0].why == "`db-*` matches the name db-1"
    assert planned([elsewhere], [here]).added[0].why == "new on this host: `db-*` matches the name db-1"
    assert planned([here], []).removed[0].why == "no longer in the repository"
    assert planned([here], [elsewhere]).removed[0].why == "for other hosts from now on: nothing matches db-1: `web-*`"


def test_tasks_for_other_hosts_are_counted_and_no_more():
    elsewhere = task("a", hosts=("web-*",))
    plan = planned([elsewhere], [changed(elsewhere), task("b", hosts=("web-*",))])
    assert plan.is_empty
    assert (plan.unchanged, plan.not_selected) == (0, 2)


# Values in the words of a task file.


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param({}, {"owner": "ops"}, ("owner", None, "ops"), id="text, given now"),
        pytest.param({"owner": "ops"}, {}, ("owner", "ops", None), id="text, dropped"),
        pytest.param({}, {"enabled": False}, ("enabled", True, False), id="true or false"),
        pytest.param({}, {"max_running": 0}, ("max_running", 1, 0), id="a number that may be zero"),
        pytest.param({}, {"severity": Severity.CRITICAL}, ("alert.severity", "warning", "critical"), id="severity"),
        pytest.param({}, {"alert": AlertLimits(max_age=Millis(0))}, ("alert.max_age", "auto", "off"), id="an age that is off now"),
        pytest.param({}, {"alert": AlertLimits(max_age=Millis(26 * 60 * MINUTE))}, ("alert.max_age", "auto", "1d2h"), id="an age"),
        pytest.param({"alert": AlertLimits(max_duration=Millis(MINUTE))}, {}, ("alert.max_duration", "1m", None), id="no duration now"),
        pytest.param({}, {"alert": AlertLimits(failures=0)}, ("alert.failures", 1, 0), id="failures"),
        pytest.param({}, {"stop_grace": Millis(0)}, ("stop_grace", "10s", "0s"), id="a length of time that may be zero"),
        pytest.param({}, {"output_max": 1 << 30}, ("output.max_size", "10MiB", "1GiB"), id="size"),
        pytest.param({}, {"success_exit_codes": (0, 3)}, ("success_exit_codes", [0], [0, 3]), id="numbers"),
        pytest.param({"hosts": ("db-*",)}, {}, ("hosts", ["db-*"], None), id="hosts, now every one"),
        pytest.param({"env": {"A": ""}}, {"env": {"A": "1"}}, ("env", {"A": ""}, {"A": "1"}), id="an empty variable is one"),
        pytest.param({"timing": CronTiming(schedule="@daily")}, {"timing": CronTiming(schedule="@daily", zone="Asia/Tokyo")},
                     ("timezone", "UTC", "Asia/Tokyo"), id="zone"),
        pytest.param({"timing": CronTiming(schedule="@daily", timeout=Millis(90 * MINUTE))}, {"timing": CronTiming(schedule="@daily")},
                     ("timeout", "1h30m", None), id="timeout, none now"),
        pytest.param({"timing": DaemonTiming()}, {"timing": DaemonTiming(delay=Millis(5 * SECOND))},
                     ("restart", {"delay": "1s", "backoff": 2.0, "max_delay": "1m", "reset_after": "1m"},
                      {"delay": "5s", "backoff": 2.0, "max_delay": "1m", "reset_after": "1m"}), id="restart"),
        pytest.param({}, {"umask": "077"}, ("umask", "022", "077"), id="umask"),
        pytest.param({}, {"credentials": ("db",)}, ("credentials", None, ["db"]), id="secrets"),
        pytest.param({}, {"limits": Limits(nice=0, memory=1 << 29, cpu=150)},
                     ("limits", None, {"nice": 0, "memory": "512MiB", "cpu": "150%"}), id="limits"),
        pytest.param({}, {}, ("inputs", None, None), id="inputs have no values"),
    ],
)  # fmt: skip
def test_values_are_those_a_task_file_would_hold(old, new, expected):
    (field,) = the_change(task(**old), changed(task(**new))).fields
    assert (field.field, field.old, field.new) == expected


def test_a_command_as_a_list_is_a_list_and_has_no_shell():
    fields_told = {
        field.field: (field.old, field.new) for field in the_change(task(), changed(task(), command=ProgramCommand(("a", "b c")))).fields
    }
    assert fields_told == {"command": ("./scripts/backup.sh --all", ["a", "b c"]), "shell": ("/bin/sh", None)}


@pytest.mark.parametrize("kind", [Task, CronTiming, DaemonTiming])
def test_every_length_of_time_is_told_with_its_unit(kind):
    """A length of time that the model gains shows as a bare number until it is listed in the plan."""
    holders = {Task: lambda one: task(**one), CronTiming: lambda one: task(timing=CronTiming(schedule="@daily", **one)),
               DaemonTiming: lambda one: task(timing=DaemonTiming(**one))}  # fmt: skip
    lengths = [item.name for item in fields(kind) if item.type == "Millis"]
    assert lengths
    for name in lengths:
        step = the_change(holders[kind]({name: Millis(11_000)}), changed(holders[kind]({name: Millis(12_000)})))
        assert format_duration(Millis(12_000)) in str(step.fields[0].new)


def test_steps_of_every_kind_are_told_by_name():
    plan = planned([task("b"), task("c")], [task("a"), changed(task("b"), owner="x"), task("d")])
    assert names(plan.steps) == ("a", "b", "c", "d")


# The inventory of each side


LOCAL = CronTiming(schedule="0 3 * * *", zone="local")


def test_a_label_that_only_the_inventory_of_the_change_gives_brings_the_task() -> None:
    own, tasks = replace(HERE, labels={}), [task("a", hosts=("site=eu",)), task("b", hosts=("@eu",))]
    before = Inventory(hosts={"db-1": HostEntry()}, groups={"eu": ("site=eu",)})
    after = Inventory(hosts={"db-1": HostEntry(labels={"site": "eu"})}, groups={"eu": ("site=eu",)})
    plan = plan_host(side(tasks, before), side(tasks, after), own=own, now=NOON)
    assert [(step.name, step.why) for step in plan.added] == [
        ("a", "new on this host: `site=eu` matches the labels site=eu"),
        ("b", "new on this host: `@eu` matches db-1, which is in that group"),
    ]
    assert plan.facts.labels == {"site": "eu"}
    back = plan_host(side(tasks, after), side(tasks, before), own=own, now=NOON)
    assert [step.why for step in back.removed] == [
        "for other hosts from now on: nothing matches db-1: `site=eu`",
        "for other hosts from now on: nothing matches db-1: `@eu`",
    ]


def test_another_zone_of_the_host_moves_its_local_tasks_and_no_others() -> None:
    tasks = [task("local", timing=LOCAL), task("utc")]
    after = Inventory(hosts={"db-1": HostEntry(zone="Asia/Tokyo")})
    plan = plan_host(side(tasks), side(tasks, after), own=HERE, now=NOON)
    (step,) = plan.changed
    assert (step.name, [(field.field, field.old, field.new) for field in step.fields]) == (
        "local",
        [("host.timezone", "UTC", "Asia/Tokyo")],
    )
    assert step.reschedules
    assert step.next_fires[0] == Instant(NOON + 6 * HOUR)
    assert plan.unchanged == 1
    assert not plan.is_empty


def test_tasks_that_only_move_are_told_by_name_among_those_that_change() -> None:
    after = Inventory(hosts={"db-1": HostEntry(zone="Asia/Tokyo")})
    old = [task("a", timing=LOCAL), task("b"), task("c", timing=LOCAL)]
    assert names(plan_host(side(old), side([old[0], changed(old[1], owner="x"), old[2]], after), own=HERE, now=NOON).changed) == (
        "a",
        "b",
        "c",
    )


def test_jitter_and_inputs_are_told_as_they_are_written() -> None:
    old = task("a", timing=CronTiming(schedule="0 3 * * *", jitter=Millis(600_000)), inputs=("x/**",))
    step = the_change(old, changed(old, timing=CronTiming(schedule="0 3 * * *"), inputs=("x/**", "y")))
    assert [(field.field, field.old, field.new) for field in step.fields] == [("inputs", ["x/**"], ["x/**", "y"]), ("jitter", "10m", None)]
    assert step.reschedules


# The guard against removal


def test_a_change_that_the_guard_would_refuse_is_told_with_the_limits_of_the_base() -> None:
    old, new = (side([task(f"t{n}") for n in range(number)]) for number in (20, 5))
    (problem,) = plan_host(old, new, own=HERE, now=NOON).refusals
    assert problem.code == "TS208"
    assert plan_host(replace(old, guards=Guards(max_removed_percent=80)), new, own=HERE, now=NOON).refusals == ()
    assert plan_host(old, replace(new, guards=Guards(max_removed_percent=80)), own=HERE, now=NOON).refusals == (problem,)
    assert plan_host(old, replace(new, removal_allowed=True), own=HERE, now=NOON).refusals == ()
