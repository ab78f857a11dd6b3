"""The verdict of one host: may its tasks run here, and as whom. Pure.

A repository says which user a task wants; only the host's own configuration says which users a file of tasks may name. Everything that
cannot run here is told at once, and the generation is then refused whole.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from torchsync.core.model import Task
from torchsync.core.noticeaddress import allows, parse_address
from torchsync.core.notify import NoticeCommand, Ping, Receiver, Webhook
from torchsync.core.pathglob import matches_path
from torchsync.errors import Problem


class ExecutorName(Enum):
    """What runs the tasks of a host."""

    PROCESS = "process"
    SYSTEMD = "systemd"


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A secret of this host, which tasks name and no repository holds: what is in `file`, for tasks that run as one of `users`.

    With `notify` it is the address that notices of these tasks are sent to: torchsync reads it, and no run ever does. Without, it is a
    credential that is handed to runs.
    """

    file: str
    users: tuple[str, ...] = ()
    notify: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPolicy:
    """The host's decisions, from `policy` of agent.yaml, and what the agent there is able to do.

    `users` maps a user to patterns of task files (relative to `repository.path`) that may name it. `agent_user` is who the agent itself is;
    without root every task runs as that user. `notify_hosts` are the servers that tasks may name as the address of a notice. `most_files` is how
    many open files the agent can allow a run, 0 for any number, and `least_nice` the lowest nice value that it can give one.
    """

    agent_user: str
    is_root: bool
    users: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    default_user: str = "torchsync-run"
    allow_root: bool = False
    max_tasks: int = 2000
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    notify_hosts: tuple[str, ...] = ()
    executor: ExecutorName = ExecutorName.PROCESS
    most_files: int = 0
    least_nice: int = -20
    pools: Mapping[str, int] = field(default_factory=dict)
    """How many runs may go at once in a pool, by its name; wins over the repository."""


UidOf = Callable[[str], int | None]
"""The id of a user of this host, None for a name it does not know."""
GroupsOf = Callable[[str], Collection[str]]
"""The names of the groups that a user of this host is in, the primary one first; none for a name it does not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenAccount:
    """What the host said of a user: no `uid` for a name that it did not know."""

    user: str
    uid: int | None
    groups: tuple[str, ...]


def seen_accounts(users: Iterable[str], uid_of: UidOf, groups_of: GroupsOf) -> tuple[SeenAccount, ...]:
    """What the host says of each of the users now, by name."""
    return tuple(SeenAccount(user=user, uid=uid_of(user), groups=tuple(groups_of(user))) for user in sorted(set(users)))


def no_groups(_user: str) -> Collection[str]:
    return ()


@dataclass(frozen=True, slots=True)
class HostRules:
    """What decides whether the host takes the tasks selected for it."""

    policy: HostPolicy
    uid_of: UidOf
    groups_of: GroupsOf = no_groups


def effective_user(task: Task, policy: HostPolicy) -> str:
    """The user the task runs as."""
    return (task.user or policy.default_user) if policy.is_root else policy.agent_user


def grants_credential(policy: HostPolicy, name: str, user: str) -> bool:
    """Runs of the user are handed the secret of this name."""
    secret = policy.secrets.get(name)
    return secret is not None and not secret.notify and user in secret.users


def grants_address(policy: HostPolicy, name: str, user: str) -> bool:
    """Notices of tasks that run as the user may go to the address in the secret of this name."""
    secret = policy.secrets.get(name)
    return secret is not None and secret.notify and user in secret.users


def refused_address(to: Receiver, user: str, policy: HostPolicy) -> str:
    """Why the host does not let notices of tasks of the user go there; empty when it does, and for a command."""
    match to:
        case Webhook(secret=name) | Ping(secret=name) if name:
            granted = grants_address(policy, name, user)
            return "" if granted else f"the secret {name!r} is not granted to user {user!r} for notices by policy.secrets of this host"
        case Webhook(url=url) | Ping(url=url):
            address = parse_address(url)
            if isinstance(address, str):
                return f"the address {address}"
            return "" if allows(policy.notify_hosts, address) else f"{address.origin} is not among policy.notify_hosts of this host"
        case NoticeCommand():
            return ""


def refused_user(task: Task, user: str, rules: HostRules) -> str:
    """Why the host does not let the task run as the user any more, in a sentence: a grant may have been taken back since its commit was
    accepted. Empty when the host does.
    """
    policy = rules.policy
    if not policy.is_root:
        return ""
    if task.user and not _is_granted(task, policy):
        return f"user {user!r} is not granted to {task.source.path} by policy.users of this host any more"
    if rules.uid_of(user) == 0 and not policy.allow_root:
        return f"user {user!r} is root, which this host does not allow for tasks any more"
    return ""


def refused_limits(task: Task, policy: HostPolicy) -> str:
    """Which limit of the task the host cannot enforce, in a sentence: another executor may have been chosen since its commit was accepted. Empty when
    it can enforce all of them.
    """
    return next((problem.message for problem in _judge_limits(task, policy)), "")


def judge_host(tasks: Iterable[Task], rules: HostRules, pools: Mapping[str, int]) -> tuple[Problem, ...]:
    """Everything that keeps these tasks from running on this host, in the order of their files; nothing when they may. `pools` are the sizes that
    the repository gives.
    """
    policy = rules.policy
    ordered = sorted(tasks, key=lambda task: (task.source.path, task.source.line, task.name))
    problems = [problem for task in ordered for problem in _judge_task(task, rules, pools)]
    return (*_judge_number(len(ordered), policy), *_judge_default_user(ordered, policy, rules.uid_of), *problems)


def _judge_task(task: Task, rules: HostRules, pools: Mapping[str, int]) -> Iterator[Problem]:
    """What depends on the user is not looked at where the user is refused."""
    policy = rules.policy
    problem = _judge_user(task, policy, rules.uid_of) if task.user else None
    if problem is not None:
        yield problem
    elif rules.uid_of(effective_user(task, policy)) is not None:
        yield from _judge_group(task, rules)
        yield from _judge_credentials(task, policy)
    yield from _judge_limits(task, policy)
    if refused := _judge_pool(task, policy, pools):
        yield refused
    yield from _judge_notify(task, policy)


def _judge_number(count: int, policy: HostPolicy) -> tuple[Problem, ...]:
    if count <= policy.max_tasks:
        return ()
    message = f"{count} tasks are selected for this host, which takes at most {policy.max_tasks}"
    return (Problem(code="TS313", message=message, hint="raise policy.max_tasks in agent.yaml, or select fewer"),)


def _judge_default_user(tasks: Iterable[Task], policy: HostPolicy, uid_of: UidOf) -> tuple[Problem, ...]:
    """One problem, however many tasks it is that name no user."""
    if not policy.is_root or not any(not task.user for task in tasks):
        return ()
    user = policy.default_user
    uid = uid_of(user)
    if uid is None:
        hint = "create it, or set policy.default_user in agent.yaml"
        return (Problem(code="TS311", message=f"the default user {user!r} does not exist on this host", hint=hint),)
    if uid == 0 and not policy.allow_root:
        hint = "set policy.default_user to another user, or policy.allow_root to true"
        return (Problem(code="TS310", message=f"the default user {user!r} is root, which this host does not allow for tasks", hint=hint),)
    return ()


def _judge_user(task: Task, policy: HostPolicy, uid_of: UidOf) -> Problem | None:
    if not policy.is_root:
        if task.user == policy.agent_user:
            return None
        message = f"user {task.user!r} is asked for, but the agent is not root and runs every task as {policy.agent_user!r}"
        return _problem("TS310", task, message, "drop `user`, or run the agent as root")
    if not _is_granted(task, policy):
        message = f"user {task.user!r} is not granted to {task.source.path} by policy.users of this host"
        return _problem(
            "TS310", task, message, f"grant it in agent.yaml, as in users: {{{task.user}: [{task.source.path!r}]}}, or drop `user`"
        )
    uid = uid_of(task.user)
    if uid is None:
        return _problem("TS311", task, f"user {task.user!r} does not exist on this host", "create the user, or select other hosts")
    if uid == 0 and not policy.allow_root:
        return _problem(
            "TS310", task, f"user {task.user!r} is root, which this host does not allow for tasks", "set policy.allow_root to true"
        )
    return None


def _judge_notify(task: Task, policy: HostPolicy) -> Iterator[Problem]:
    reasons = (refused_address(entry.to, effective_user(task, policy), policy) for entry in task.notify)
    for reason in dict.fromkeys(filter(None, reasons)):
        yield _problem("TS318", task, reason, "grant it in agent.yaml, or take it out of `notify`")


def _judge_pool(task: Task, policy: HostPolicy, pools: Mapping[str, int]) -> Problem | None:
    if not task.pool or task.pool in policy.pools or task.pool in pools:
        return None
    message = f"nobody says how many runs may go at once in the pool {task.pool!r}: neither torchsync.yaml nor agent.yaml of this host"
    return _problem("TS312", task, message, f"add `pools: {{{task.pool}: 1}}` to one of the two, with the number you want")


def _is_granted(task: Task, policy: HostPolicy) -> bool:
    """The default user needs no grant: a task that names no user gets it anyway."""
    if task.user == policy.default_user:
        return True
    return any(matches_path(pattern, task.source.path) for pattern in policy.users.get(task.user, ()))


def _judge_group(task: Task, rules: HostRules) -> Iterator[Problem]:
    if not task.group:
        return
    user = effective_user(task, rules.policy)
    groups = tuple(rules.groups_of(user))
    if task.group not in groups:
        message = f"group {task.group!r} is asked for, and the user {user!r} is not in it on this host"
        yield _problem("TS315", task, message, f"take the user in there, name one of {', '.join(groups) or 'its groups'}, or drop `group`")
    elif not rules.policy.is_root and task.group != groups[0]:
        message = f"group {task.group!r} is asked for, but the agent is not root and runs every task with its own group"
        yield _problem("TS315", task, message, "drop `group`, or run the agent as root")


def _judge_credentials(task: Task, policy: HostPolicy) -> Iterator[Problem]:
    user = effective_user(task, policy)
    for name in task.credentials:
        secret = policy.secrets.get(name)
        if secret is None:
            hint = f"name it in agent.yaml, as in secrets: {{{name}: {{file: /etc/torchsync/secrets/{name}, users: [{user}]}}}}"
            yield _problem("TS316", task, f"the secret {name!r} is not in policy.secrets of this host", hint)
        elif secret.notify:
            message = f"the secret {name!r} is the address of notices by policy.secrets of this host, and no credential of a run"
            yield _problem("TS316", task, message, "take it out of `credentials`, or `notify: true` out of agent.yaml")
        elif not grants_credential(policy, name, user):
            message = f"the secret {name!r} is not granted to user {user!r} by policy.secrets of this host"
            yield _problem("TS316", task, message, f"add {user} to its `users` in agent.yaml, or drop it from `credentials`")


def _judge_limits(task: Task, policy: HostPolicy) -> Iterator[Problem]:
    limits = task.limits
    if policy.executor is ExecutorName.PROCESS:
        for name, value in (("memory", limits.memory), ("cpu", limits.cpu), ("pids", limits.pids)):
            if value:
                message = f"limits.{name} needs the systemd executor, and this host runs tasks by the process executor"
                yield _problem("TS312", task, message, f"drop `limits.{name}`, or select hosts with the systemd executor")
    if 0 < policy.most_files < limits.files:
        message = f"limits.files is {limits.files}, and the agent of this host can allow a run {policy.most_files} open files at most"
        yield _problem("TS312", task, message, "lower it, or raise LimitNOFILE= of the agent")
    if limits.nice is not None and limits.nice < policy.least_nice:
        message = f"limits.nice is {limits.nice}, and the agent of this host can give a run {policy.least_nice} at least"
        yield _problem("TS312", task, message, "raise it, or run the agent as root")


def _problem(code: str, task: Task, message: str, hint: str) -> Problem:
    place = task.source
    return Problem(code=code, message=message, path=place.path, line=place.line, column=place.column, task=task.name, hint=hint)
