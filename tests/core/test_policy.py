from __future__ import annotations

from dataclasses import replace

import pytest

from torchsync.codes import CODES
from torchsync.codetable.row import Reason
from torchsync.core.model import CronTiming, Fingerprint, Position, ProgramCommand, Task, TaskName
from torchsync.core.policy import HostPolicy, Secret, effective_user, grants_address, grants_credential, judge_host

UIDS = {"root": 0, "toor": 0, "torchsync-run": 990, "deploy": 1000, "www": 33, "me": 1001}
ROOT = HostPolicy(agent_user="root", is_root=True, users={"deploy": ("tasks/web/**",), "root": ("tasks/ops/*",), "ghost": ("**",)})
PLAIN = HostPolicy(agent_user="me", is_root=False, default_user="me")


def task(user: str = "", path: str = "tasks/web/a.yaml", name: str = "a", line: int = 3) -> Task:
    return Task(
        name=TaskName(name),
        timing=CronTiming(schedule="* * * * *"),
        command=ProgramCommand(("true",)),
        fingerprint=Fingerprint("f"),
        source=Position(path, line, 5),
        user=user,
    )


def codes(tasks, policy):
    return [problem.code for problem in judge_host(tasks, policy, UIDS.get, {})]


@pytest.mark.parametrize(
    ("user", "path", "expected"),
    [
        pytest.param("", "tasks/a.yaml", [], id="the default user needs no grant"),
        pytest.param("torchsync-run", "tasks/a.yaml", [], id="nor when it is named"),
        pytest.param("deploy", "tasks/web/deep/a.yaml", [], id="granted by path"),
        pytest.param("deploy", "tasks/a.yaml", ["TS310"], id="another path"),
        pytest.param("www", "tasks/web/a.yaml", ["TS310"], id="another user"),
        pytest.param("nobody-here", "tasks/web/a.yaml", ["TS310"], id="a user that nobody granted, whether it exists or not"),
        pytest.param("ghost", "tasks/a.yaml", ["TS311"], id="a grant makes no user"),
        pytest.param("root", "tasks/ops/a.yaml", ["TS310"], id="root needs allow_root too"),
        pytest.param("1000", "tasks/web/a.yaml", ["TS310"], id="a number is no name"),
    ],
)
def test_a_user_is_granted_by_the_path_of_the_task_file(user, path, expected):
    assert codes([task(user, path)], ROOT) == expected


def test_root_runs_where_it_is_granted_and_allowed():
    policy = HostPolicy(agent_user="root", is_root=True, users={"root": ("tasks/ops/*",), "toor": ("**",)}, allow_root=True)
    assert codes([task("root", "tasks/ops/a.yaml")], policy) == []
    assert codes([task("root", "tasks/web/a.yaml")], policy) == ["TS310"]


def test_another_name_for_root_is_root():
    policy = HostPolicy(agent_user="root", is_root=True, users={"toor": ("**",)})
    assert codes([task("toor")], policy) == ["TS310"]


def test_root_as_default_user_needs_allow_root():
    assert codes([task()], HostPolicy(agent_user="root", is_root=True, default_user="root")) == ["TS310"]
    assert codes([task()], HostPolicy(agent_user="root", is_root=True, default_user="root", allow_root=True)) == []


def test_a_missing_default_user_is_told_once():
    policy = HostPolicy(agent_user="root", is_root=True, default_user="gone")
    assert codes([task(name="a"), task(name="b")], policy) == ["TS311"]
    assert codes([], policy) == []


def test_without_root_only_the_agents_own_user_may_be_named():
    assert codes([task(), task("me"), task("deploy")], PLAIN) == ["TS310"]


def test_the_number_of_tasks_is_bounded():
    policy = HostPolicy(agent_user="me", is_root=False, max_tasks=2)
    assert codes([task(), task()], policy) == []
    assert codes([task(), task(), task()], policy) == ["TS313"]


def test_all_problems_come_at_once_in_the_order_of_the_files():
    tasks = [task("x", "tasks/b.yaml", "b"), task("x", "tasks/a.yaml", "a2", line=9), task("x", "tasks/a.yaml", "a1", line=2)]
    found = judge_host(tasks, ROOT, UIDS.get, {})
    assert [(problem.path, problem.line, problem.task) for problem in found] == [
        ("tasks/a.yaml", 2, "a1"),
        ("tasks/a.yaml", 9, "a2"),
        ("tasks/b.yaml", 3, "b"),
    ]


def test_a_refusal_says_what_the_operator_can_do():
    (problem,) = judge_host([task("www")], ROOT, UIDS.get, {})
    assert str(problem).startswith("tasks/web/a.yaml:3:5: TS310 user 'www' is not granted to tasks/web/a.yaml")
    assert "policy.users" in str(problem)


@pytest.mark.parametrize(
    ("user", "policy", "expected"),
    [("deploy", ROOT, "deploy"), ("", ROOT, "torchsync-run"), ("", PLAIN, "me"), ("me", PLAIN, "me")],
)
def test_a_task_runs_as_its_user_or_the_hosts_default(user, policy, expected):
    assert effective_user(task(user), policy) == expected


def test_a_secret_is_a_credential_or_an_address_for_the_users_that_it_names():
    secrets = {"db": Secret(file="/db", users=("deploy",)), "slack": Secret(file="/slack", users=("deploy",), notify=True)}
    policy = HostPolicy(agent_user="root", is_root=True, secrets=secrets)
    granted = [(name, user) for name in ("db", "slack", "other") for user in ("deploy", "www")]
    assert [grant for grant in granted if grants_credential(policy, *grant)] == [("db", "deploy")]
    assert [grant for grant in granted if grants_address(policy, *grant)] == [("slack", "deploy")]


def test_a_pool_needs_a_size_from_the_repository_or_from_the_host():
    pooled = [replace(task("", path, name), pool=pool) for path, name, pool in (("tasks/b.yaml", "b", "db"), ("tasks/a.yaml", "a", "cpu"))]
    assert [problem.task for problem in judge_host(pooled, PLAIN, UIDS.get, {})] == ["a", "b"]
    assert [problem.task for problem in judge_host(pooled, PLAIN, UIDS.get, {"cpu": 1})] == ["b"]
    assert judge_host(pooled, replace(PLAIN, pools={"db": 2}), UIDS.get, {"cpu": 1}) == ()
    (problem,) = judge_host(pooled[:1], PLAIN, UIDS.get, {})
    assert (problem.code, CODES["TS312"].reason) == ("TS312", Reason.LIMIT)
    assert "pools: {db: 1}" in problem.hint
