"""What the page of a fleet is made of, without a browser."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.fleets import fleet, host, large, task, usual, with_differences, with_live
from torchsync.adapters.schemas import read_schema
from torchsync.core.model import CronTiming, HostFacts, Millis, TaskName
from torchsync.core.timetable import rhythm_of
from torchsync.pages import fleetweeks
from torchsync.pages.fleet import cohorts, payload, render_fleet

START = 1_792_659_600
"""2026-10-22T09:00:00Z, the hour of `usual()`."""


def task_of(document: dict[str, Any], name: str) -> dict[str, Any]:
    found = payload(document)["tasks"]
    assert isinstance(found, list)
    return next(one for one in found if isinstance(one, dict) and one["name"] == name)


def test_the_fleets_of_these_tests_are_documents_that_the_schema_describes() -> None:
    validator = Draft202012Validator(read_schema("fleet"))
    for document in (usual(), with_live(with_differences(usual())), large(20, 30)):
        assert [error.message for error in validator.iter_errors(document)] == []


def test_a_task_with_the_same_times_everywhere_names_one_week() -> None:
    document = fleet(
        [host("a"), host("b", zone="Asia/Tokyo")], [task("t", "0 12 * * *", timezone="UTC"), task("u", "0 12 * * *", timezone="UTC")]
    )
    assert task_of(document, "t")["week"] == task_of(document, "u")["week"]
    data = payload(document)
    assert data["start"] == START
    assert data["weeks"] == [{"series": [[3 * 3600, 86_400, 7]]}]


def test_a_task_in_the_zone_of_its_host_has_a_week_for_each_and_none_where_the_zone_is_not_known() -> None:
    document = fleet(
        [host("a", zone="UTC"), host("b", zone="Asia/Tokyo"), host("c", zone=None)], [task("t", "0 12 * * *", timezone="local")]
    )
    data = payload(document)
    assert task_of(document, "t")["week"] == [0, 1, None]
    assert data["weeks"] == [{"series": [[3 * 3600, 86_400, 7]]}, {"series": [[18 * 3600, 86_400, 7]]}]
    assert sorted(data["clocks"]) == ["Asia/Tokyo", "UTC"]  # type: ignore[arg-type]


def test_hashed_times_and_jitter_are_those_the_agent_has() -> None:
    document = fleet([host("a"), host("b")], [task("t", "H 3 * * *", timezone="UTC", jitter_seconds=600)])
    data, found = payload(document), task_of(document, "t")
    timing = CronTiming(schedule="H 3 * * *", zone="UTC", jitter=Millis(600_000))
    for place, name in enumerate(("a", "b")):
        rhythm = rhythm_of(TaskName("t"), timing, HostFacts(name=name))
        first = next(rhythm.following(START * 1000))  # type: ignore[arg-type]
        assert data["weeks"][found["week"][place]]["series"][0][0] == first // 1000 - START  # type: ignore[index,call-overload]
        assert found["delays"][place] == rhythm.delay


@pytest.mark.parametrize("one", [task("t", enabled=False), task("t", None)])
def test_a_task_without_instants_has_no_week(one: dict[str, Any]) -> None:
    assert "week" not in task_of(fleet([host("a")], [one]), "t")


def test_times_that_differ_on_too_many_hosts_are_left_out_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleetweeks, "MOST_OWN", 3)
    document = fleet([host("a"), host("b")], [task("t", "H 3 * * *"), task("u", "H 3 * * *"), task("v", "0 3 * * *")])
    assert [task_of(document, name).get("too_many", False) for name in "tuv"] == [False, True, False]


def test_the_clocks_tell_the_change_of_the_week() -> None:
    assert payload(usual())["clocks"]["Europe/Berlin"] == [[0, 7200], [64 * 3600, 3600]]  # type: ignore[index,call-overload]


def test_hosts_that_run_the_same_share_one_list() -> None:
    data = payload(usual())
    assert len(data["sets"]) == len(cohorts(usual())) == 5  # type: ignore[arg-type]


def test_what_is_not_given_is_not_sent() -> None:
    assert set(task_of(fleet([host("a")], [task("t")]), "t")) == {
        "name", "severity", "enabled", "type", "schedule", "timezone", "command", "max_running", "overlap", "misfire", "source", "host_count", "week",
    }  # fmt: skip


def test_a_thousand_hosts_and_five_hundred_tasks_stay_below_a_megabyte() -> None:
    document = large()
    assert len(render_fleet(document)) < 1_000_000
    assert len(json.dumps(document)) > 2_000_000


def test_the_page_says_when_only_a_part_of_the_fleet_is_on_it() -> None:
    text = render_fleet(usual() | {"filters": {"task": ["db-*"]}, "notices": ["hosts.yaml is missing"], "dirty": True})
    assert "Only a part of the fleet is on this page: task <b>db-*</b>." in text
    assert "hosts.yaml is missing." in text
    assert "with changes that are not committed" in text
