from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import facts, task
from torchsync.core.hostsheet import HostSheet, granted, sheet_document, sheet_from_document
from torchsync.core.model import Limits, Position
from torchsync.core.policy import ExecutorName, HostPolicy, HostRules, Secret, judge_host

UIDS = {"root": 0, "torchsync-run": 990, "deploy": 1000, "www": 33, "me": 1001}
NAMES = st.sampled_from([*UIDS, "ghost", "no-such-user"])
PATHS = st.sampled_from(["tasks/a.yaml", "tasks/web/b.yaml", "tasks/web/deep/c.yaml"])
GROUPS = {"root": ("root",), "deploy": ("deploy", "press"), "me": ("me", "press")}
POLICIES = st.builds(
    HostPolicy,
    agent_user=st.sampled_from(["root", "me"]),
    is_root=st.booleans(),
    users=st.dictionaries(NAMES, st.lists(st.sampled_from(["**", "tasks/web/**", "tasks/*"]), max_size=2).map(tuple), max_size=4),
    default_user=NAMES,
    allow_root=st.booleans(),
    max_tasks=st.integers(1, 4),
    secrets=st.dictionaries(
        st.sampled_from(["slack", "db"]),
        st.builds(Secret, file=st.just(""), users=st.lists(NAMES, max_size=3).map(tuple), notify=st.booleans()),
    ),
    notify_hosts=st.just(("hc-ping.com",)),
    executor=st.sampled_from(ExecutorName),
    most_files=st.sampled_from([0, 1024]),
    least_nice=st.sampled_from([-20, 0]),
    pools=st.dictionaries(st.sampled_from(["db", "cpu"]), st.integers(1, 9)),
)
POOLS = st.sampled_from(["", "db", "cpu"])
TASKS = st.lists(
    st.builds(
        lambda user, path, **changes: task("a", user=user, source=Position(path, 3, 5), **changes),
        st.one_of(st.just(""), NAMES),
        PATHS,
        pool=POOLS,
        group=st.sampled_from(["", "me", "press", "root"]),
        credentials=st.lists(st.sampled_from(["db", "slack"]), max_size=2, unique=True).map(tuple),
        limits=st.builds(
            Limits, files=st.sampled_from([0, 4096]), nice=st.sampled_from([None, -5, 5]), memory=st.sampled_from([0, 1 << 20])
        ),
    ),
    max_size=5,
)


def groups_of(user: str) -> tuple[str, ...]:
    return GROUPS.get(user, ())


@given(POLICIES, TASKS)
def test_elsewhere_the_host_judges_as_it_does_at_home(policy: HostPolicy, tasks) -> None:
    sheet = HostSheet(facts=facts(), policy=granted(policy, UIDS.get, groups_of))
    carried = sheet_from_document(json.loads(json.dumps(sheet_document(sheet))))
    assert carried == sheet
    assert carried.rules is not None
    assert judge_host(tasks, carried.rules, {}) == judge_host(tasks, HostRules(policy, UIDS.get, groups_of), {})


def test_who_may_use_a_secret_is_carried_and_not_where_it_is() -> None:
    policy = HostPolicy(agent_user="root", is_root=True, secrets={"db": Secret(file="/etc/torchsync/secrets/db", users=("deploy",))})
    document = sheet_document(HostSheet(facts=facts(), policy=granted(policy, UIDS.get, groups_of)))
    assert document["policy"]["secrets"] == {"db": {"file": "", "users": ["deploy"], "notify": False}}


def test_facts_alone_say_nothing_of_a_policy() -> None:
    sheet = sheet_from_document({"name": "db-1"})
    assert (sheet.facts.name, sheet.policy, sheet.rules) == ("db-1", None, None)
    assert "policy" not in sheet_document(sheet)


@pytest.mark.parametrize(
    ("document", "why"),
    [
        pytest.param([], "an object", id="a list"),
        pytest.param({"name": "a", "lables": {}}, "'lables' is not a fact of a host", id="an unknown fact"),
        pytest.param({"name": "a", "policy": []}, "the policy", id="a policy that is a list"),
        pytest.param({"name": "a", "policy": {"is_root": True}}, "agent_user", id="a policy without its agent"),
        pytest.param({"name": "a", "policy": {"agent_user": "root", "is_root": 1}}, "true or false", id="a policy of the wrong kind"),
        pytest.param(
            {"name": "a", "policy": {"agent_user": "root", "is_root": True, "user": {}}}, "'user' is nothing", id="an unknown rule"
        ),
        pytest.param({"name": "a", "policy": {"agent_user": "root", "is_root": True, "uids": {"x": "0"}}}, "uids.x", id="an id as a text"),
    ],
)
def test_a_document_that_is_no_sheet_is_told(document: object, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        sheet_from_document(document)
