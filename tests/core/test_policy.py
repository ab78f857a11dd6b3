from __future__ import annotations

from dataclasses import replace

import pytest

from torchsync.codes import CODES
from torchsync.codetable.row import Reason
from torchsync.core.model import CronTiming, Fingerprint, Limits, Position, ProgramCommand, Task, TaskName
from torchsync.core.policy import (
    ExecutorName,
    HostPolicy,
    HostRules,
    Secret,
    effective_user,
    grants_address,
    grants_credential,
    judge_host,
    refused_user,
)

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
    return [problem.code for problem in judge_host(tasks, HostRules(policy, UIDS.get), {})]


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


@pytest.mark.parametrize(
    ("wanted", "user", "policy", "expected"),
    [
        pytest.param("deploy", "deploy", ROOT, "", id="still granted"),
        pytest.param("", "torchsync-run", ROOT, "", id="the default user"),
        pytest.param(
            "www", "www", ROOT, "user 'www' is not granted to tasks/web/a.yaml by policy.users of this host any more", id="taken back"
        ),
        pytest.param("", "root", ROOT, "user 'root' is root, which this host does not allow for tasks any more", id="root by default"),
        pytest.param("www", "me", PLAIN, "", id="an agent without root has one user"),
    ],
)
def test_a_grant_that_was_taken_back_holds_for_the_next_start(wanted, user, policy, expected):
    assert refused_user(task(wanted), user, HostRules(policy, UIDS.get)) == expected


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


# Groups.

GROUPS = {"deploy": ("deploy", "press"), "torchsync-run": ("torchsync-run",), "me": ("me", "press")}


def told(policy: HostPolicy, **changes: object) -> list[str]:
    """Code and message of everything against one task."""
    rules = HostRules(policy, UIDS.get, lambda user: GROUPS.get(user, ()))
    return [f"{problem.code} {problem.message}" for problem in judge_host([replace(task(), **changes)], rules, {})]


@pytest.mark.parametrize(
    ("policy", "user", "group", "expected"),
    [
        pytest.param(ROOT, "deploy", "deploy", [], id="the user's own"),
        pytest.param(ROOT, "deploy", "press", [], id="one that the user is in"),
        pytest.param(ROOT, "", "torchsync-run", [], id="of the default user"),
        pytest.param(ROOT, "deploy", "ink", ["TS315"], id="one that the user is not in"),
        pytest.param(ROOT, "", "press", ["TS315"], id="not of the default user"),
        pytest.param(ROOT, "www", "root", ["TS310"], id="of a user that is refused nothing more is said"),
        pytest.param(ROOT, "ghost", "root", ["TS311"], id="nor of one that is not there"),
        pytest.param(PLAIN, "", "me", [], id="without root: its own"),
        pytest.param(PLAIN, "me", "press", ["TS315"], id="without root: another of its groups cannot be taken on"),
        pytest.param(PLAIN, "", "root", ["TS315"], id="without root: a strange one"),
    ],
)
def test_a_group_must_be_one_that_the_user_is_in(policy, user, group, expected):
    assert [problem[:5] for problem in told(policy, user=user, group=group)] == expected


def test_a_group_is_granted_with_the_user_and_so_by_path():
    assert told(ROOT, user="deploy", group="press") == []
    elsewhere = Position("tasks/a.yaml", 1, 1)
    assert [problem[:5] for problem in told(ROOT, user="deploy", group="press", source=elsewhere)] == ["TS310"]


# Secrets.

SECRETIVE = replace(
    ROOT,
    secrets={
        "db": Secret(file="/db", users=("deploy", "torchsync-run")),
        "slack": Secret(file="/slack"),
        "pager": Secret(file="/pager", users=("deploy",), notify=True),
    },
)


@pytest.mark.parametrize(
    ("user", "names", "expected"),
    [
        pytest.param("deploy", ("db",), [], id="granted"),
        pytest.param("", ("db",), [], id="granted to the default user"),
        pytest.param(
            "deploy",
            ("pager",),
            ["TS316 the secret 'pager' is the address of notices by policy.secrets of this host, and no credential of a run"],
            id="an address",
        ),
        pytest.param("deploy", ("gone",), ["TS316 the secret 'gone' is not in policy.secrets of this host"], id="no such secret"),
        pytest.param(
            "deploy", ("slack",), ["TS316 the secret 'slack' is not granted to user 'deploy' by policy.secrets of this host"], id="nobody's"
        ),
    ],
)
def test_a_secret_is_granted_by_its_name_to_a_user(user, names, expected):
    assert told(SECRETIVE, user=user, credentials=names) == expected


def test_a_secret_of_a_user_that_the_path_does_not_grant_is_not_reached():
    refused = told(SECRETIVE, user="deploy", credentials=("db",), source=Position("tasks/a.yaml", 1, 1))
    assert [problem[:5] for problem in refused] == ["TS310"]


# Limits.


@pytest.mark.parametrize("name", ["memory", "cpu", "pids"])
def test_what_only_systemd_can_bound_is_refused_by_name_without_it(name):
    limits = Limits(**{name: 1})
    expected = f"TS312 limits.{name} needs the systemd executor, and this host runs tasks by the process executor"
    assert told(ROOT, limits=limits) == [expected]
    assert told(replace(ROOT, executor=ExecutorName.SYSTEMD), limits=limits) == []


@pytest.mark.parametrize("executor", ExecutorName)
@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        pytest.param(Limits(files=1024, nice=0, io="idle"), [], id="what it can"),
        pytest.param(Limits(files=1025), ["TS312 limits.files is 1025,"], id="more files"),
        pytest.param(Limits(nice=-1), ["TS312 limits.nice is -1, and t"], id="more urgent"),
        pytest.param(Limits(files=2000, nice=-1), ["TS312 limits.files is 2000,", "TS312 limits.nice is -1, and t"], id="both"),
    ],
)
def test_what_the_agent_cannot_give_is_refused_by_either_executor(limits, expected, executor):
    policy = replace(ROOT, executor=executor, most_files=1024, least_nice=0)
    assert [problem[:27] if "files" in problem else problem[:30] for problem in told(policy, limits=limits)] == expected
    assert told(replace(ROOT, executor=executor), limits=limits) == []


def test_the_number_of_tasks_is_bounded():
    policy = HostPolicy(agent_user="me", is_root=False, max_tasks=2)
    assert codes([task(), task()], policy) == []
    assert codes([task(), task(), task()], policy) == ["TS313"]


def test_all_problems_come_at_once_in_the_order_of_the_files():
    tasks = [task("x", "tasks/b.yaml", "b"), task("x", "tasks/a.yaml", "a2", line=9), task("x", "tasks/a.yaml", "a1", line=2)]
    found = judge_host(tasks, HostRules(ROOT, UIDS.get), {})
    assert [(problem.path, problem.line, problem.task) for problem in found] == [
        ("tasks/a.yaml", 2, "a1"),
        ("tasks/a.yaml", 9, "a2"),
        ("tasks/b.yaml", 3, "b"),
    ]


def test_a_refusal_says_what_the_operator_can_do():
    (problem,) = judge_host([task("www")], HostRules(ROOT, UIDS.get), {})
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
    assert [problem.task for problem in judge_host(pooled, HostRules(PLAIN, UIDS.get), {})] == ["a", "b"]
    assert [problem.task for problem in judge_host(pooled, HostRules(PLAIN, UIDS.get), {"cpu": 1})] == ["b"]
    assert judge_host(pooled, HostRules(replace(PLAIN, pools={"db": 2}), UIDS.get), {"cpu": 1}) == ()
    (problem,) = judge_host(pooled[:1], HostRules(PLAIN, UIDS.get), {})
    assert (problem.code, CODES["TS312"].reason) == ("TS312", Reason.LIMIT)
    assert "pools: {db: 1}" in problem.hint
