from __future__ import annotations

from tests.builders import HOUR, MINUTE, NOON, REVISION, task
from torchsync.core.fleet import fleet_of
from torchsync.core.fleetfilter import FleetFilter, Place, chosen
from torchsync.core.fleetlive import HostState, LiveFleet, LiveHost
from torchsync.core.inventory import HostEntry, Inventory
from torchsync.core.livemetrics import Expected, LiveAnswers, live_fleet
from torchsync.core.prometheus import Sample

INVENTORY = Inventory(hosts={"db-1": HostEntry(addresses=("10.2.0.7",)), "web-1": HostEntry(), "web-2": HostEntry()})
WHOLE = fleet_of((task("backup", hosts=("db-1",)), task("rotate", hosts=("web-*",)), task("everywhere")), INVENTORY)
OTHER = "feedfacefeed"
SECONDS = NOON / 1000


def agent(instance: str, commit: str = REVISION[:12], **numbers: float) -> list[Sample]:
    """What the agent behind that address says of itself."""
    usual = {"tasks": 2.0, "sync_last_apply_timestamp_seconds": SECONDS - 3600, "sync_last_success_timestamp_seconds": SECONDS - 10}
    labels = {"instance": instance, "job": "torchsync"}
    return [
        Sample("torchsync_build_info", {**labels, "version": "1.2.0"}, 1.0),
        Sample("torchsync_commit_info", {**labels, "state": "running", "commit": commit}, 1.0),
        *(
            Sample(f"torchsync_{name}", {**labels, "state": "active"} if name == "tasks" else labels, value)
            for name, value in (usual | numbers).items()
        ),
    ]


def of_task(instance: str, name: str, value: float) -> Sample:
    return Sample("", {"instance": instance, "task": name}, value)


def up(instance: str, value: float = 1.0) -> Sample:
    return Sample("up", {"instance": instance, "job": "torchsync"}, value)


ALL_WELL = LiveAnswers(
    at=NOON,
    up=[up("db-1:9747"), up("web-1:9747"), up("web-2.example.org:9747")],
    agents=[*agent("db-1:9747"), *agent("web-1:9747"), *agent("web-2.example.org:9747")],
    exported=[Sample("", {"instance": instance}, 2.0) for instance in ("db-1:9747", "web-1:9747", "web-2.example.org:9747")],
    tasks={
        "task_last_success_timestamp_seconds": [
            of_task("db-1:9747", "backup", SECONDS - 60),
            of_task("db-1:9747", "everywhere", SECONDS - 60),
            *(of_task(host, name, SECONDS - 60) for host in ("web-1:9747", "web-2.example.org:9747") for name in ("rotate", "everywhere")),
        ]
    },
)


def live(answers: LiveAnswers = ALL_WELL, head: str = REVISION, **wanted) -> LiveFleet:
    asked = chosen(FleetFilter(**wanted), [Place(fleet=WHOLE, inventory=INVENTORY)])
    return live_fleet("http://prometheus", answers, Expected(whole=WHOLE, inventory=INVENTORY, asked=asked, head=head))


def changed(**changes) -> LiveAnswers:
    return LiveAnswers(**{name: getattr(ALL_WELL, name) for name in LiveAnswers.__dataclass_fields__} | changes)


def host(found: LiveFleet, name: str) -> LiveHost:
    return next(one for one in found.hosts if one.name == name)


def test_a_fleet_as_the_repository_says_it() -> None:
    found = live()
    assert (found.head, found.warnings, [one.name for one in found.hosts]) == (REVISION[:12], (), ["db-1", "web-1", "web-2"])
    for one in found.hosts:
        assert (one.state, one.is_known, one.drifts, one.missing, one.extra) == (HostState.UP, True, False, (), ())
    db = host(found, "db-1")
    assert (db.version, db.running, db.running_since, db.last_sync) == ("1.2.0", REVISION[:12], NOON - HOUR, NOON - 10_000)
    assert [(one.name, one.last_success) for one in db.tasks] == [("backup", NOON - MINUTE), ("everywhere", NOON - MINUTE)]


def test_a_host_on_another_commit_drifts() -> None:
    found = live(changed(agents=[*agent("db-1:9747", OTHER), *agent("web-1:9747")]))
    assert [one.name for one in found.hosts if one.drifts] == ["db-1"]
    assert not any(one.drifts for one in live(changed(agents=agent("db-1:9747", OTHER)), head="").hosts)


def test_a_host_with_other_tasks_than_it_should_have_is_told() -> None:
    tasks = {"task_running": [of_task("db-1:9747", "everywhere", 1.0), of_task("db-1:9747", "older", 0.0)]}
    db = host(live(changed(tasks=tasks)), "db-1")
    assert (db.missing, db.extra) == (("backup",), ("older",))


def test_what_a_host_does_not_export_is_not_taken_for_missing() -> None:
    assert host(live(changed(tasks={}, exported=[])), "db-1").missing == ()
    none = [sample for sample in agent("db-1:9747") if sample.name != "torchsync_tasks"]
    assert host(live(changed(tasks={}, agents=none, exported=[])), "db-1").missing == ("backup", "everywhere")


def test_hosts_that_tell_nothing_of_their_tasks_are_said() -> None:
    found = live(changed(tasks={}, exported=ALL_WELL.exported[:1]))
    assert found.warnings == ("hosts that tell nothing of their tasks (metrics.per_task: off): 2, such as web-1, web-2",)


def test_a_task_that_is_asked_for_can_be_missing_too() -> None:
    only = {"task_running": [of_task("web-1:9747", "rotate", 0.0)]}
    found = live(changed(tasks=only), tasks=("rotate",))
    assert [(one.name, one.missing) for one in found.hosts] == [("web-1", ()), ("web-2", ("rotate",))]


def test_hosts_that_are_not_heard_are_silent() -> None:
    answers = changed(
        up=[up("db-1:9747"), up("web-1:9747", 0.0)],
        agents=agent("db-1:9747"),
        last_seen=[Sample("", {"instance": "web-1:9747", "job": "torchsync"}, SECONDS - 300)],
    )
    found = live(answers)
    assert [(one.name, one.state.value, one.is_silent) for one in found.hosts] == [
        ("db-1", "up", False),
        ("web-1", "down", True),
        ("web-2", "absent", True),
    ]
    assert host(found, "web-1").last_seen == NOON - 5 * MINUTE
    assert host(found, "web-2").last_seen is None


def test_hosts_that_the_inventory_does_not_know_are_told() -> None:
    answers = changed(up=[*ALL_WELL.up, up("old-9:9747")], agents=[*ALL_WELL.agents, *agent("old-9:9747", OTHER)])
    old = host(live(answers), "old-9")
    assert (old.is_known, old.drifts, old.missing, old.extra) == (False, True, (), ())


def test_an_address_of_the_inventory_is_its_host() -> None:
    assert host(live(changed(up=[up("10.2.0.7:9747")])), "db-1").state is HostState.UP


def test_hosts_can_be_told_by_another_label() -> None:
    series = [
        Sample("up", {"instance": "127.0.0.1:1", "host": "db-1"}, 1.0),
        Sample("up", {"instance": "127.0.0.1:2", "host": "web-1"}, 0.0),
        Sample("up", {"instance": "127.0.0.1:3"}, 1.0),
    ]
    said = [Sample("torchsync_build_info", {"instance": "127.0.0.1:1", "host": "db-1", "version": "1.2.0"}, 1.0)]
    found = live(LiveAnswers(at=NOON, label="host", up=series, agents=said))
    assert [one.state.value for one in found.hosts] == ["up", "down", "absent"]
    assert found.warnings == ("targets without a label host, whose host is not known: 1, such as 127.0.0.1:3",)


def seen(instance: str, at: float = SECONDS - 300) -> Sample:
    return Sample("", {"instance": instance, "job": "torchsync"}, at)


def test_two_agents_of_one_host_are_said() -> None:
    found = live(changed(up=[*ALL_WELL.up, up("db-1:9748", 0.0)], last_seen=[seen("db-1:9748")]))
    assert found.warnings == ("db-1 is more than one target, and what they say is mixed: db-1:9747, db-1:9748",)
    assert host(found, "db-1").state is HostState.UP


def test_many_hosts_with_two_agents_are_not_named_one_by_one() -> None:
    twice = [(host, port) for host in ("db-1", "web-1", "web-2", "old-8", "old-9") for port in (1, 2)]
    found = live(changed(up=[up(f"{host}:{port}") for host, port in twice], last_seen=[seen(f"{host}:{port}") for host, port in twice]))
    assert len(found.warnings) == 4
    assert found.warnings[-1] == "so are 2 more hosts"


def test_what_else_a_job_scrapes_on_a_host_does_not_hide_that_its_agent_is_silent() -> None:
    others = changed(up=[up("db-1:9747", 0.0), up("db-1:9100")], agents=[], last_seen=[seen("db-1:9747")])
    assert (host(live(others), "db-1").state, live(others).warnings) == (HostState.DOWN, ())


def test_something_else_that_answers_in_place_of_an_agent_is_none() -> None:
    assert host(live(changed(up=[up("db-1:9747")], agents=[])), "db-1").state is HostState.DOWN


def test_a_target_that_is_no_more_is_remembered_and_does_not_count() -> None:
    """The port of the agent was changed."""
    moved = changed(up=[up("db-1:9748")], agents=agent("db-1:9748"), last_seen=[seen("db-1:9747", SECONDS - 9000)])
    assert (host(live(moved), "db-1").state, live(moved).warnings) == (HostState.UP, ())
    assert host(live(moved), "db-1").target == "db-1:9748"
    unheard = live(changed(up=[up("db-1:9748", 0.0)], agents=[], last_seen=[seen("db-1:9747", SECONDS - 9000)]))
    assert host(unheard, "db-1").state is HostState.DOWN
    gone = host(live(changed(up=[], agents=[], last_seen=[seen("db-1:9747", SECONDS - 9000)])), "db-1")
    assert (gone.state, gone.target) == (HostState.ABSENT, "db-1:9747")


def test_an_agent_whose_scheduler_does_not_turn_is_told() -> None:
    def is_stalled(age: float, value: float = 1.0) -> bool:
        said = agent("db-1:9747", scheduler_last_tick_timestamp_seconds=SECONDS - age)
        return host(live(changed(up=[up("db-1:9747", value)], agents=said)), "db-1").is_stalled

    assert [is_stalled(age) for age in (0, 359, 361, 86_400)] == [False, False, True, True]
    assert not is_stalled(361, 0.0), "it is silent, and that is said"
    assert not host(live(), "db-1").is_stalled, "where it tells no time"


def test_targets_of_which_none_is_a_host_are_said() -> None:
    found = live(LiveAnswers(at=NOON, up=[up("127.0.0.1:9001"), up("127.0.0.1:9002")]))
    assert found.warnings == (
        "no target is a host of hosts.yaml: 127.0.0.1:9001, 127.0.0.1:9002; --host-label names another label that tells the host",
    )


def test_what_holds_a_host_back_is_told() -> None:
    labels = {"instance": "db-1:9747"}
    held = [Sample("torchsync_paused", {**labels, "scope": "sync"}, 1.0), Sample("torchsync_paused", {**labels, "scope": "all"}, 0.0)]
    db = host(
        live(changed(agents=[*agent("db-1:9747", pinned=1, state_degraded=1, host_facts_mismatch=1, sync_consecutive_failures=4), *held])),
        "db-1",
    )
    assert (db.paused, db.is_pinned, db.is_degraded, db.has_other_facts, db.sync_failures) == (("sync",), True, True, True, 4)


def test_a_task_is_late_when_its_last_success_is_too_old() -> None:
    def is_late(success: float = 0.0, first: float = 0.0, most: float = 3600.0, paused: float = 0.0) -> bool:
        numbers = {
            "task_last_success_timestamp_seconds": success,
            "task_first_seen_timestamp_seconds": first,
            "task_max_success_age_seconds": most,
            "task_paused": paused,
        }
        tasks = {metric: [of_task("db-1:9747", "backup", value)] for metric, value in numbers.items()}
        return host(live(changed(tasks=tasks)), "db-1").tasks[0].is_late

    old, new = SECONDS - 3601, SECONDS - 3599
    assert is_late(success=old, first=new)
    assert is_late(first=old)
    assert not is_late(success=new, first=old)
    assert not is_late(success=old, most=0.0)
    assert not is_late(success=old, paused=1.0)


def test_only_what_is_asked_for_is_told() -> None:
    strange = changed(up=[*ALL_WELL.up, up("old-9:9747")])
    assert [one.name for one in live(strange, hosts=("web-*",)).hosts] == ["web-1", "web-2"]
    by_task = live(strange, tasks=("backup",))
    assert [(one.name, [had.name for had in one.tasks], one.missing) for one in by_task.hosts] == [("db-1", ["backup"], ())]


def test_a_moment_that_is_none_is_not_told() -> None:
    for value in (0.0, -1.0, 1e300):
        assert host(live(changed(agents=agent("db-1:9747", sync_last_success_timestamp_seconds=value))), "db-1").last_sync is None
