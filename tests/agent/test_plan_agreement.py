"""A plan and the agent agree: random commits are judged from their bytes, planned, and applied by what a sync of the agent runs, both ways."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

import pytest

from tests.builders import MINUTE, TREE
from tests.core.test_plan import is_ended
from tests.core.world import World
from torchsync.adapters.schemas import repository_formats, verdict_rules
from torchsync.agent.swap import HostRefuses, Prepared, prepare
from torchsync.core.fleetplan import FleetHost, plan_fleet
from torchsync.core.inputchange import InputEffect
from torchsync.core.model import CronTiming, Generation, HostFacts, Instant, Millis, Revision
from torchsync.core.plan import HostPlan, Running, Side, plan_host
from torchsync.core.policy import HostPolicy, HostRules
from torchsync.core.selector import selects
from torchsync.core.syncdoc import SyncAnswer, Verdict, stamp
from torchsync.core.taskset import TaskSet, TreeEntry, judge
from torchsync.core.timetable import rhythm_of
from torchsync.core.verdictcache import VerdictCache

HOSTS = ("db-1", "web-1", "web-2")
SCHEDULES = ("0 3 * * *", "H 3 * * *", "*/5 * * * *", "30 2 * * *", "@hourly", "@startup", "@every 90s")
SELECTORS = (["*"], ["db-*"], ["role=web"], ["@eu"], ["!db-1"], ["web-1", "db-1"])


@dataclass(frozen=True)
class Commit:
    """The files of a commit, and what is found in them."""

    revision: Revision
    files: Mapping[str, tuple[str, str]]
    found: TaskSet

    @property
    def side(self) -> Side:
        settings = self.found.settings
        inputs = {one.name: one.inputs for one in self.found.found}
        return Side(
            words="", revision=self.revision, tasks=self.found.tasks, inventory=self.found.inventory,
            guards=settings.guards, pools=settings.pools, inputs=inputs,
        )  # fmt: skip


def commit(files: Mapping[str, tuple[str, str]], cache: VerdictCache | None = None) -> Commit:
    """`files` are mode and content by path."""
    contents = {path: text.encode() for path, (_, text) in files.items()}
    entries = [
        TreeEntry(path=path, mode=files[path][0], object_id=hashlib.sha1(content).hexdigest(), size=len(content))
        for path, content in contents.items()
    ]
    found = judge(entries, contents, repository_formats(), cache)
    assert isinstance(found, TaskSet), found
    revision = Revision(hashlib.sha1(json.dumps(files, sort_keys=True).encode()).hexdigest())
    return Commit(revision, files, found)


def random_files(chance: Random) -> dict[str, tuple[str, str]]:
    plain, script = "100644", chance.choice(["100755", "100644"])
    files = {
        f"tasks/{name}.yaml": (plain, json.dumps({"version": 1, "tasks": {name: random_task(chance, name)}}))
        for name in "abcdefgh"
        if chance.random() < 0.7
    }
    files.setdefault("tasks/z.yaml", (plain, '{"version": 1, "tasks": {"z": {"schedule": "@daily", "command": "x"}}}'))
    files |= {f"scripts/{name}.sh": (script, f"#!/bin/sh\n# {chance.randrange(3)}\n") for name in ("one", "two")}
    hosts = {name: random_host(chance) for name in HOSTS if chance.random() < 0.9}
    files["hosts.yaml"] = (plain, json.dumps({"hosts": hosts, "groups": {"eu": ["site=eu", "db-1"]}}))
    guards = {"min_tasks": chance.choice([2, 10]), "max_removed_percent": chance.choice([30, 50, 90])}
    files["torchsync.yaml"] = (plain, json.dumps({"version": 1, "guards": guards, "pools": {"disk": chance.randint(1, 3), "net": 1}}))
    return files


def random_host(chance: Random) -> dict[str, object]:
    labels = {"role": chance.choice(["web", "db"]), "site": chance.choice(["eu", "us"])}
    zone = chance.choice([None, "Asia/Tokyo", "Europe/Berlin"])
    return {"labels": labels} | ({"timezone": zone} if zone else {})


def random_task(chance: Random, name: str) -> dict[str, object]:
    one: dict[str, object] = {
        "command": chance.choice(["true", "./scripts/one.sh", ["./scripts/two.sh", "-x"]]),
        "hosts": chance.choice(SELECTORS),
    }
    if name in "gh":
        one |= {"type": "daemon", "max_running": chance.randint(1, 3)}
    else:
        one |= {"schedule": chance.choice(SCHEDULES), "timezone": chance.choice(["UTC", "local", "Europe/Berlin"])}
        one |= {"jitter": "30s"} if chance.random() < 0.3 else {}
    choices = {"enabled": [False], "owner": ["x", "y"], "pool": ["disk", "net"], "user": ["deploy", "nobody-here"],
               "inputs": [["scripts/*.sh"]], "on_change": ["stop", "finish"], "on_remove": ["stop", "finish"]}  # fmt: skip
    return one | {key: chance.choice(values) for key, values in choices.items() if chance.random() < 0.25}


def answered(new: Commit, in_force: Generation | None, own: HostFacts) -> SyncAnswer:
    """As the sync process answers an agent that says `own` of itself."""
    facts, groups = new.found.inventory.facts_of(own), new.found.inventory.groups
    selected = [one for one in new.found.found if selects(one.hosts, facts, groups)]
    known = {name: stamp(one) for name, one in in_force.tasks.items()} if in_force else {}
    kept = {one.name for one in selected if known.get(one.name) == stamp(one)}
    return SyncAnswer(
        verdict=Verdict.ACCEPTED,
        revision=new.revision,
        tree=TREE,
        facts=facts,
        guards=new.found.settings.guards,
        pools=new.found.settings.pools,
        tasks=tuple(one.task() for one in selected if one.name not in kept),
        kept=tuple(sorted(kept)),
        not_selected=len(new.found.found) - len(selected),
    )


class Agent:
    """A host with an agent that applies commits, and an engine whose runs go on until they are stopped."""

    def __init__(self, own: HostFacts, rules: HostRules) -> None:
        self.own, self.rules = own, rules
        self.world = World(lambda _: (None, 0))
        self.generation: Generation | None = None

    def apply(self, new: Commit) -> Prepared | HostRefuses:
        now = Instant(self.world.now)
        answer = answered(new, self.generation, self.own)
        done = prepare(self.generation, answer, observed=self.own, origin="o", rules=self.rules, now=now)
        assert isinstance(done, Prepared | HostRefuses)
        if isinstance(done, Prepared):
            self.generation = self.world.saved = done.generation
            self.world.engine.apply(done.generation, done.found, now, Millis(self.world.mono))
            for _ in range(4):
                self.world.turn()
        return done

    def start_everything(self) -> None:
        for one in self.generation.tasks.values() if self.generation else ():
            if not one.is_daemon and not self.world.alive(one.name):
                self.world.engine.run_task(one.name, "tester", Instant(self.world.now))
        for _ in range(2):
            self.world.turn()


def check_names(plan: HostPlan, done: Prepared, now: Instant) -> None:
    found = done.found
    assert tuple(step.name for step in plan.added) == found.added
    assert tuple(step.name for step in plan.removed) == found.removed
    assert {step.name for step in plan.changed} == {*(change.name for change in found.changed), *found.moved}
    assert (plan.unchanged, plan.not_selected) == (
        len(found.unchanged) - len(set(found.moved) & set(found.unchanged)),
        done.generation.not_selected,
    )
    assert plan.facts == done.generation.facts
    assert {step.name for step in plan.steps if step.reschedules} == {
        name for name, mark in done.generation.baselines.items() if mark == now
    }


def check_copies(plan: HostPlan, agent: Agent, running: Mapping) -> None:
    """A run of an earlier commit goes by its own definition, which no plan of two commits can know."""
    world = agent.world
    for step in plan.steps:
        copies = [process for process in running.get(step.name, []) if step.old and process.run.task.fingerprint == step.old.fingerprint]
        assert not copies or step.running is not Running.NONE
        assert [bool(process.killed_by) for process in copies] == [is_ended(step, process.run) for process in copies]
        timing = step.new.timing if step.new else None
        if step.new and step.reschedules and isinstance(timing, CronTiming):
            due = step.next_fires[0] + rhythm_of(step.name, timing, plan.facts).delay if step.next_fires else None
            assert world.status(step.name).next_due == due
    touched = {step.name for step in plan.steps}
    assert not [name for name, copies in running.items() if name not in touched and any(process.killed_by for process in copies)]


def check_pools(plan: HostPlan, agent: Agent, before: Generation, sizes: Mapping[str, int]) -> None:
    """The pools of which the engine has another size from then on, of those that tasks of the host are in."""
    assert agent.generation
    after = {name: pool.places for name, pool in agent.world.engine.pools.items()}
    in_use = {one.pool for tasks in (before.tasks, agent.generation.tasks) for one in tasks.values()}
    differing = {name: (sizes[name], after[name]) for name in after if sizes[name] != after[name] and name in in_use}
    assert {pool.name: (pool.old, pool.new) for pool in plan.pools} == differing


def check_inputs(plan: HostPlan, old: Commit, new: Commit) -> None:
    for step in plan.changed:
        for change in step.inputs:
            before, afterwards = old.files[change.path], new.files[change.path]
            if change.effect is InputEffect.CONTENT:
                assert (before[0] == afterwards[0], before[1] == afterwards[1]) == (True, False)
            if change.effect is InputEffect.MODE:
                assert (before[0] == afterwards[0], before[1] == afterwards[1]) == (False, True)
        if any(field.field == "inputs" and field.old is field.new is None for field in step.fields):
            assert step.inputs


@pytest.mark.parametrize("seed", range(25))
def test_a_plan_says_what_the_agent_then_does_both_ways(seed: int) -> None:
    chance, cache = Random(seed), VerdictCache(verdict_rules())
    one, two = (commit(random_files(chance), cache) for _ in range(2))
    policy = HostPolicy(agent_user="root", is_root=True, users={"deploy": ("**",)}, max_tasks=chance.choice([5, 100]))
    rules = HostRules(policy, {"deploy": 1000, "torchsync-run": 999}.get)
    for name in HOSTS:
        agent = Agent(HostFacts(name=name, addresses=("192.0.2.1",)), rules)
        in_force: Commit | None = None
        for new in (one, two, one):
            if in_force is None:
                in_force = new if isinstance(agent.apply(new), Prepared) else None
                continue
            agent.start_everything()
            agent.world.now += MINUTE
            agent.world.turn()
            in_force = check_change(agent, in_force, new)


def check_change(agent: Agent, old: Commit, new: Commit) -> Commit:
    """The agent does what the plan says; what is in force then."""
    now = Instant(agent.world.now)
    plan = plan_host(old.side, new.side, own=agent.own, now=now, rules=agent.rules)
    (group,) = plan_fleet(old.side, new.side, hosts=[FleetHost(own=agent.own, rules=agent.rules)], now=now).groups
    assert (group.plan, group.refusals) == (plan, plan.refusals)
    before = agent.generation
    assert before
    running = {task: list(agent.world.alive(task)) for task in before.tasks}
    sizes = {name: pool.places for name, pool in agent.world.engine.pools.items()}
    done = agent.apply(new)
    if isinstance(done, HostRefuses):
        assert done.problems == plan.refusals
        return old
    assert plan.refusals == ()
    check_names(plan, done, now)
    check_copies(plan, agent, running)
    check_pools(plan, agent, before, sizes)
    check_inputs(plan, old, new)
    return new
