from __future__ import annotations

import random

import pytest

from torchsync.core.foreign.job import ForeignJob, Origin, Remark, RemarkKind
from torchsync.core.foreign.merge import ImportedTask, merged, slug


def job(host: str = "", name: str = "backup", *, line: int = 1, zone: str = "", remarks: tuple[Remark, ...] = (), **fields) -> ForeignJob:
    return ForeignJob(
        origin=Origin(host=host, path=f"{host}/crontab", line=line),
        name=name,
        fields={"schedule": "0 3 * * *", "command": "x", **fields},
        zone=zone,
        remarks=remarks,
    )


def names(tasks: tuple[ImportedTask, ...]) -> list[str]:
    return [task.name for task in tasks]


def test_equal_jobs_of_several_hosts_are_one_task_with_a_list_of_hosts() -> None:
    (task,) = merged([job("web-2"), job("web-1"), job("db-1")], {})
    assert task.fields["hosts"] == ["db-1", "web-1", "web-2"]
    assert [origin.origin.host for origin in task.jobs] == ["db-1", "web-1", "web-2"]


def test_descriptions_keep_nothing_apart_and_the_first_is_kept() -> None:
    (task,) = merged([job("b", description="other"), job("a"), job("c", description="third")], {})
    assert task.fields["description"] == "other"


def test_a_job_without_a_host_is_for_every_host_and_hosts_of_the_source_itself_stay() -> None:
    (task,) = merged([job()], {})
    assert "hosts" not in task.fields
    (task,) = merged([job("a", hosts=["10.0.0.0/8"])], {})
    assert task.fields["hosts"] == ["10.0.0.0/8"]


@pytest.mark.parametrize(
    ("zones", "expected"),
    [
        ({"a": "Europe/Berlin", "b": "Europe/Berlin"}, "Europe/Berlin"),
        ({"a": "Europe/Berlin", "b": "America/New_York"}, "local"),
        ({"a": "Europe/Berlin"}, "local"),
        ({}, "local"),
    ],
)
def test_the_zone_is_that_of_all_hosts_or_the_own_one_of_each(zones, expected) -> None:
    (task,) = merged([job("a"), job("b")], zones)
    assert task.fields["timezone"] == expected
    assert task.zones == {"a": zones.get("a", ""), "b": zones.get("b", "")}


def test_a_zone_that_the_job_names_goes_before_that_of_the_host() -> None:
    own, usual = merged([job("a", zone="UTC"), job("a", line=2)], {"a": "Europe/Berlin"})
    assert {own.fields["timezone"], usual.fields["timezone"]} == {"UTC", "Europe/Berlin"}


@pytest.mark.parametrize("fields", [{"schedule": "@startup"}, {"schedule": "@every 2d"}])
def test_what_goes_by_no_wall_clock_has_no_zone(fields) -> None:
    (task,) = merged([job("a", **fields)], {"a": "Europe/Berlin"})
    assert "timezone" not in task.fields


def test_a_daemon_has_no_zone() -> None:
    daemon = ForeignJob(origin=Origin(host="a", path="x"), name="d", fields={"type": "daemon", "command": "x"})
    assert "timezone" not in merged([daemon], {"a": "UTC"})[0].fields


def test_names_that_would_be_the_same_are_told_apart_by_user_then_host_then_number() -> None:
    assert names(merged([job("a", user="root"), job("a", user="deploy")], {})) == ["backup-deploy", "backup-root"]
    assert names(merged([job("a"), job("b", schedule="0 4 * * *")], {})) == ["backup-a", "backup-b"]
    assert names(merged([job("a"), job("a", schedule="0 4 * * *"), job("b", schedule="0 5 * * *")], {})) == [
        "backup",
        "backup-2",
        "backup-3",
    ]


def test_a_name_that_was_made_up_is_not_given_twice() -> None:
    jobs = [job("a"), job("a", schedule="1 4 * * *"), job("a", name="backup-2"), job("b", name="backup-2", schedule="5 5 * * *")]
    found = names(merged(jobs, {}))
    assert len(set(found)) == len(found) == 4


def test_the_order_of_the_jobs_changes_nothing() -> None:
    jobs = [job(host, schedule=f"{minute} 3 * * *", user=user) for host in "abc" for minute in (0, 5) for user in ("x", "y")]
    expected = merged(jobs, {})
    for seed in range(5):
        shuffled = random.Random(seed).sample(jobs, len(jobs))
        assert merged(shuffled, {}) == expected


def test_the_same_job_twice_on_a_host_becomes_one_and_that_is_told() -> None:
    (task,) = merged([job("a", line=1), job("a", line=7), job("b")], {})
    assert [remark.kind for remark in task.remarks] == [RemarkKind.CHANGED]
    assert "a/crontab:1 and a/crontab:7" in task.remarks[0].message


def test_equal_remarks_are_told_once() -> None:
    remark = Remark(RemarkKind.LOST, "no more mail")
    (task,) = merged([job("a", remarks=(remark,)), job("b", remarks=(remark,))], {})
    assert task.remarks == (remark,)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Back Up!", "back-up"), ("_x_", "x"), ("Größe", "gr-e"), ("...", "task"), ("", "task"), ("a" * 70, "a" * 63), ("a.b_c-d", "a.b_c-d")],
)
def test_a_name_keeps_to_the_rule_of_names(text, expected) -> None:
    assert slug(text) == expected
